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
    "truncate": ["fid.bag", "fid.parent"],
    "truncate cascade": ["fid.users", "fid.counted"],
    "empty": ["fid.nodes", "fid.events"],
    "delete": ["fid.typed", "fid.bag"],
    "update": ["fid.users", "fid.hashed"],
    "update all": ['"fid other"."Quoted ""name""; DROP"'],
}


@pytest.fixture(scope="module", params=MAJORS)
def made(request):
    with server(request.param) as pg, ground(pg) as g:
        g.load()
        yield g


@pytest.mark.parametrize("kind", CHOSEN)
def test_everything_comes_back(made, kind):
    before = made.picture()
    for table in CHOSEN[kind]:
        cases = [x for x in cases_of(made, table) if x.kind == kind]
        assert cases, table
        for case in cases:
            how = way_back(made, case, before)
            if not how.startswith("same"):
                made.load()
            assert how.startswith("same"), f"{case.sql}\n{how}"
