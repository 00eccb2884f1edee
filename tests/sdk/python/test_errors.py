"""What decode() makes of an error, without a server: both sides are hostile."""

import json
import pickle
from datetime import datetime, timezone

import psycopg
import psycopg.errors
import psycopg2.errors
import pytest

import backstop
from backstop.errors import adopt

TICKET = "T-01KB3ZJ5W8Q2M4R6T8V0X2Z4B6"
DETAIL = {"v": 1, "ticket": TICKET, "state": "pending", "expires": "2026-01-01T00:15:00Z", "retry": "same-statement"}


class Diag:
    def __init__(self, detail):
        self.message_primary, self.message_detail, self.message_hint = "approval required", detail, "Wait."


def made(sqlstate, detail, base=psycopg.DatabaseError):
    """An error as psycopg raises it."""
    cls = type("Made", (base,), {"sqlstate": sqlstate, "diag": Diag(detail)})
    return cls("approval required\nDETAIL:  " + str(detail))


@pytest.mark.parametrize("sqlstate, kind", [
    ("ZB001", backstop.Held), ("ZB002", backstop.Denied), ("ZB003", backstop.Expired),
    ("ZB004", backstop.NotRecoverable), ("ZB005", backstop.NotRecoverable), ("ZB006", backstop.Paused)])
def test_each_code_has_its_class(sqlstate, kind):
    error = adopt(made(sqlstate, json.dumps(DETAIL)))
    assert type(error).__mro__[1] is kind and isinstance(error, psycopg.DatabaseError)
    assert (error.sqlstate, error.ticket, error.state, error.retry) == (sqlstate, TICKET, "pending", "same-statement")
    assert error.expires == datetime(2026, 1, 1, 0, 15, tzinfo=timezone.utc)
    assert (error.message, error.hint) == ("approval required", "Wait.")


def test_a_pause_is_a_block():
    assert issubclass(backstop.Paused, backstop.Blocked)


@pytest.mark.parametrize("detail", [None, "", "Key (id)=(1) is not there.", '{"v":1}', '{"v":1,"state":"pending"}',
                                    '{"state":"blocked"}', '{"v":2,"state":"blocked"}'])
def test_permission_denied_of_postgresql_is_its_own(detail):
    error = made("42501", detail)
    assert backstop.decode(error) is None
    assert adopt(error) is error and not isinstance(error, backstop.BackstopError)


def test_blocked_by_the_gateway():
    error = adopt(made("42501", '{"v":1,"state":"blocked","retry":"never"}', psycopg.errors.InsufficientPrivilege))
    assert isinstance(error, backstop.Blocked) and isinstance(error, psycopg.errors.InsufficientPrivilege)
    assert not isinstance(error, backstop.Paused)
    assert error.retry == "never"


@pytest.mark.parametrize("detail", [
    None, "", "{", "[]", '{"v":1,"ticket":7,"expires":8,"retry":[],"state":{}}', "{" * 100000, '{"a":' * 2000,
    '{"v":1,"ticket":"T-1\\"; DROP TABLE t"}', '{"v":1,"expires":"yesterday"}', '{"v":1,"expires":"2026-01-01T00:15:00"}'])
def test_a_detail_that_is_not_ours_is_no_harm(detail):
    error = adopt(made("ZB001", detail))
    assert isinstance(error, backstop.Held)
    assert (error.ticket, error.state, error.expires, error.retry) == (None, None, None, None)


def test_what_wraps_it_is_looked_into():
    outer = RuntimeError("a framework")
    outer.__cause__ = made("ZB001", json.dumps(DETAIL))
    assert backstop.decode(outer).ticket == TICKET
    half = made("ZB001", None)  # as SQLAlchemy 2.0 makes of asyncpg's
    half.__cause__ = outer.__cause__
    assert backstop.decode(half).ticket == TICKET
    outer.__cause__ = outer
    assert backstop.decode(outer) is None


@pytest.mark.parametrize("error", [ValueError("no"), psycopg.OperationalError("gone"), psycopg.errors.UniqueViolation("x")])
def test_other_errors_are_none_of_ours(error):
    assert backstop.decode(error) is None
    assert type(adopt(error)) is type(error)


def test_it_travels_between_processes():
    error = psycopg2.errors.InsufficientPrivilege("m")
    backstop.errors.become(error, backstop.Refusal(backstop.Blocked, "42501", "m", state="blocked"), object())
    same = pickle.loads(pickle.dumps(error))
    assert isinstance(same, backstop.Blocked) and isinstance(same, psycopg2.errors.InsufficientPrivilege)
    assert (same.state, str(same)) == ("blocked", "m")
    plain = pickle.loads(pickle.dumps(backstop.Refusal(backstop.Denied, "ZB002", "no", TICKET).error()))
    assert isinstance(plain, backstop.Denied) and plain.ticket == TICKET
    real = pickle.loads(pickle.dumps(adopt(psycopg_error())))
    assert isinstance(real, backstop.Blocked) and isinstance(real, psycopg.errors.InsufficientPrivilege)


def psycopg_error():
    """One of psycopg's own making."""
    fields = {psycopg.pq.DiagnosticField.SQLSTATE: b"42501",
              psycopg.pq.DiagnosticField.MESSAGE_DETAIL: b'{"v":1,"state":"blocked"}'}
    return psycopg.errors.InsufficientPrivilege("m", info=fields)


@pytest.mark.parametrize("text, kind", [
    ('connection failed: FATAL:  paused\nDETAIL:  {"v":1,"state":"paused"}\nHINT:  Stop.', backstop.Paused),
    ('FATAL:  no\nDETAIL:  {"v":1,"state":"pending"}', None),
    ('FATAL:  no\nDETAIL:  {"v":1,', None),
    ('FATAL:  database "x" does not exist', None)])
def test_libpq_tells_of_a_login_in_its_text_alone(text, kind):
    found = backstop.decode(psycopg.OperationalError(text))
    assert (found and found.kind) == kind
