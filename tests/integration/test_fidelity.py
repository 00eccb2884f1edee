"""A schema with everything in it: each kind of destruction once, and its way back.

script/check recovery does it to every table.
"""

import os

import pytest

from fidelity import cases_of, ground, server, way_back

MAJORS = os.environ.get("BACKSTOP_MAJORS", "15 18").split()
# Where each kind has most to lose.
CHOSEN = {
    "drop": ['fid."table"', "fid.grandchild", "fid.theirs", "fid.quick", "fid.hashed_0"],
    "drop cascade": ["fid.users", "fid.sales", "fid.events", "fid.events_2002", "fid.ring_a"],
    "truncate": ["fid.bag", "fid.parent", "fid.nothing_at_all"],
    "truncate cascade": ["fid.users", "fid.counted"],
    "empty": ["fid.nodes", "fid.events"],
    "delete": ["fid.typed", "fid.bag"],
    "update": ["fid.users", "fid.hashed"],
    "update all": ['"fid other"."Quoted ""name""; DROP"', "fid.empty"],
    "drop column": ["fid.users", "fid.orders", "fid.parent", "fid.computed"],
    "retype": ["fid.orders", "fid.computed"],
}


@pytest.fixture(scope="module", params=MAJORS)
def made(request):
    with server(request.param) as pg, ground(pg) as g:
        g.load()
        yield g


@pytest.mark.parametrize("commands", [
    "ALTER label SET DEFAULT 'x', ALTER label TYPE text USING left(label, 1)",
    "ALTER up SET DEFAULT 5, DROP COLUMN label", "ALTER id SET STATISTICS 5, DROP COLUMN label"])
def test_every_command_of_an_alter_counts(made, commands):
    """What the first one says is not all that is kept: values went without a copy of them."""
    label = "SELECT md5(string_agg(id || coalesce(label, '-'), ',' ORDER BY id)) FROM fid.nodes"
    made.load()
    with made.admin() as c:
        before = c.execute(label).fetchone()
    point, = made.destroy(f"ALTER TABLE fid.nodes {commands}")
    made.restore(point, "--conflict", "overwrite")
    with made.admin() as c:
        assert c.execute(label).fetchone() == before
    made.load()


@pytest.mark.parametrize("kind", CHOSEN)
def test_everything_comes_back(made, kind):
    before = made.picture()
    for table in CHOSEN[kind]:
        if table == "fid.computed" and int(made.pg.major) < 18:
            continue
        cases = [x for x in cases_of(made, table, every_column=False) if x.kind == kind]
        assert cases, table
        for case in cases:
            how = way_back(made, case, before)
            if not how.startswith("same"):
                made.load()
            assert how.startswith("same"), f"{case.sql}\n{how}"
