"""Several servers of the PostgreSQL family behind one gateway at once.

What Backstop can use is protected whole; what it cannot use is refused, and harms nobody else. Heavier members
are run by script/family, which writes the table of docs/family.md.
"""

import contextlib

import psycopg
import pytest

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
