"""Several servers of the PostgreSQL family behind one gateway at once.

What Backstop can use is protected whole; what it cannot use is refused, and harms nobody else. Heavier members
are run by script/family, which writes the table of docs/family.md.
"""

import contextlib

import psycopg
import pytest

from conftest import PASSWORD
from family import members, ordeal, table

ORDINARY = dict.fromkeys(ordeal.ITEMS)  # all work


@pytest.fixture(scope="module")
def family(pg):
    """The majors, PGlite where it is here, and the suite's own server in ways that leave something out."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(members.postgres(major)) for major in members.MAJORS]
        for start in (members.pglite, lambda: members.standby(pg), lambda: members.pooled(pg, "upstream"),
                      lambda: members.pooled(pg, "helper")):
            with contextlib.suppress(members.NotHere):
                found.append(stack.enter_context(start()))
        yield stack.enter_context(ordeal.gateway_before(found))


def named(family, part):
    for member in family.members:
        if part in member.name:
            return member
    pytest.skip(f"{part} is not here")


@pytest.mark.parametrize("major", members.MAJORS)
def test_all_works_on(family, major):
    assert ordeal.Ordeal(family, named(family, f"PostgreSQL {major}")).run() == ORDINARY


@pytest.mark.parametrize("part", ["PGlite", "standby", "before `upstream`", "before `helper`"])
def test_degrades_closed(family, part):
    """Nothing that destroys runs uncovered, and nobody else is harmed."""
    member = named(family, part)
    assert table.line(member, ordeal.Ordeal(family, member).run()) in table.DOCUMENT.read_text(), "run script/family"
    assert ordeal.uncovered(family, member) == []
    assert family.alive()
    assert family.ask(family.members[0], "SELECT 1") == [(1,)]


def test_a_session_that_all_share_keeps_its_settings(family):
    """The gateway's own session sets search_path, READ ONLY and more: there it would be for everybody."""
    member = named(family, "PGlite")
    member.fresh()
    with pytest.raises(psycopg.Error, match="cannot be read"):
        family.ask(member, "SELECT 1")
    assert member.session() == member.settings
    member.ask("INSERT INTO users VALUES (9, 'dee')")


def test_a_standby_is_no_place_to_copy_from(family):
    """It may be behind, and its processes have numbers of their own."""
    member = named(family, "standby")
    member.fresh()
    with pytest.raises(psycopg.Error) as caught:
        family.approved(member, "DROP TABLE users")
    assert caught.value.sqlstate == "ZB004"
    assert "the helper is connected to a standby" in family.gateway.log()


def test_a_pooler_before_the_gateways_own_session(family):
    """It would set things for whoever gets that session next."""
    member = named(family, "before `helper`")
    with pytest.raises(psycopg.Error, match="cannot be read"):
        family.ask(member, "SELECT 1")
    assert "no session of the server's own" in family.gateway.log()


@pytest.fixture
def managed(pg):
    """A helper as it can be had where nobody gives BYPASSRLS; gives what else it shall be a member of."""
    with pg.admin() as c:
        c.execute("GRANT pg_read_all_data, pg_signal_backend, pg_monitor TO app_pw")
    yield lambda sql: pg_run(pg, sql)
    pg_run(pg, "REVOKE pg_read_all_data, pg_signal_backend, pg_monitor, app_trust FROM app_pw")


def pg_run(pg, sql):
    with pg.admin() as c:
        c.execute(sql)


class Rowed(members.Member):
    def fresh(self):
        super().fresh()
        self.ask("ALTER TABLE users ENABLE ROW LEVEL SECURITY")
        self.ask("CREATE POLICY later ON users USING (id > 1)")


@pytest.mark.parametrize("owner", [False, True], ids=["not an owner", "a member of the owners"])
def test_a_helper_without_bypassrls(pg, managed, owner):
    """What it cannot see whole is not copied in part; as a member of the owners it sees all."""
    if owner:
        managed("GRANT app_trust TO app_pw")
    made = members.of_postgres(pg)
    member = Rowed("managed", made.upstream, pg.conninfo("app_pw", password=PASSWORD), made.direct, made.pg_dump)
    with ordeal.gateway_before([member]) as family:
        if owner:
            assert ordeal.uncovered(family, member) == []
            assert ordeal.Ordeal(family, member).run() == ORDINARY
            return
        member.fresh()
        rows = member.rows()
        for sql in ordeal.DESTROY[:3]:
            with pytest.raises(psycopg.Error) as caught:
                family.approved(member, sql)
            assert caught.value.sqlstate == "ZB004", sql
        assert member.rows() == rows
