"""A statement of which nobody knew how it ended: `points settle`."""

import hashlib
import json

import pytest

from conftest import Gateway, running, wait_until
from operator_side import Operator
from test_points import answer

MADE = """
DROP SCHEMA IF EXISTS settled CASCADE;
CREATE SCHEMA settled AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE settled.t (id int PRIMARY KEY, v text);
INSERT INTO settled.t SELECT g, 'v' FROM generate_series(1, 30) g;
RESET ROLE;
"""
WHY = ("--reason", "looked at the rows")


@pytest.fixture(scope="module")
def gateway(pg):
    with pg.admin() as c:
        c.execute(MADE)
    with running(Gateway(pg), "bob") as g:
        g.operator = Operator(g)
        yield g


@pytest.fixture
def point(gateway):
    """Of a statement that committed; its events say that nobody knows."""
    with gateway.connect("bob", autocommit=True) as c:
        decider = gateway.operator.deciding("approve")
        c.execute("DELETE FROM settled.t WHERE id = (SELECT min(id) FROM settled.t)")
        decider.done()
    id = answer(gateway, "list")["points"][0]["point"]
    event, = wait_until(
        lambda: list(gateway.folder.glob(f"points/**/{id}/events/*-committed.json")), 10)
    rewrite(event, state="unknown")
    event.rename(str(event).replace("-committed", "-unknown"))
    assert answer(gateway, "show", id)["outcome"] == "unknown"
    return id


def rewrite(path, **changed):
    """An event with other contents and the digest of them."""
    event = json.loads(path.read_text())
    digest = event.pop("sha256")

    def text():
        return json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    assert hashlib.sha256(text().encode()).hexdigest() == digest
    event.update(changed)
    event["sha256"] = hashlib.sha256(text().encode()).hexdigest()
    path.chmod(0o600)
    path.write_text(text())


def armed(gateway, point):
    event, = gateway.folder.glob(f"points/**/{point}/events/*-armed.json")
    return event


def refused(gateway, point, end, *words, code="CONFLICT", status=1):
    error = answer(gateway, "settle", point, end, *WHY, status=status)["error"]
    assert error["code"] == code and all(w in error["message"] for w in words), error
    assert answer(gateway, "show", point)["outcome"] == "unknown"


def test_the_server_is_asked_and_not_contradicted(gateway, point):
    assert answer(gateway, "settle", point, "--committed", status=64)  # no reason
    assert answer(gateway, "settle", point, "--committed", "--reason", "looked\nat the rows", status=64)
    assert answer(gateway, "settle", point, *WHY, status=64)
    assert answer(gateway, "settle", point, "--committed", "--rolled-back", *WHY, status=64)
    refused(gateway, point, "--rolled-back", "the server says", "committed")
    done = answer(gateway, "settle", point, "--committed", *WHY)
    assert done["server"] == "committed" and done["outcome"] == "committed"
    shown = answer(gateway, "show", point)
    assert shown["outcome"] == "committed"
    assert shown["events"][-1]["details"] == {"reason": WHY[1], "server": "committed"}
    assert shown["events"][-1]["by"].startswith("local:")
    record, = [r for path in gateway.folder.glob("audit/restore/audit-*.jsonl")
               for r in map(json.loads, path.read_text().splitlines()) if r.get("action") == "settle"]
    assert (record["outcome"], record["text"], record["point"]) == ("committed", WHY[1], point)
    assert answer(gateway, "verify", point)["ok"]
    error = answer(gateway, "settle", point, "--rolled-back", *WHY, status=1)["error"]
    assert "is committed: only what is unknown" in error["message"]


@pytest.mark.parametrize("xid", ["0", "4611686018427387904"], ids=["no number", "lost in a failover"])
def test_where_the_server_cannot_say_the_word_counts(gateway, point, xid):
    path = armed(gateway, point)
    rewrite(path, xid=type(json.loads(path.read_text())["xid"])(xid))
    done = answer(gateway, "settle", point, "--rolled-back", *WHY)
    assert done["server"] == "cannot say"
    assert answer(gateway, "show", point)["outcome"] == "rolled_back"


def test_while_it_goes_on_and_where_nothing_can_be_asked(gateway, point, pg):
    path = armed(gateway, point)
    kind = type(json.loads(path.read_text())["xid"])
    with pg.admin() as c, c.transaction():
        xid = c.execute("SELECT pg_current_xact_id()::text").fetchone()[0]
        rewrite(path, xid=kind(xid))
        refused(gateway, point, "--committed", "in progress")
    text = path.read_bytes()
    path.write_bytes(text[:-1])
    error = answer(gateway, "settle", point, "--committed", *WHY, status=1)["error"]
    assert error["code"] == "DAMAGED"
    assert answer(gateway, "show", point)["outcome"] == "unknown"
