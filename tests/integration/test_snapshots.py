"""Recovery points for no statement: `snapshots:` in the configuration, and `backstop snapshot`."""

import json
import pathlib
import time

import psycopg
import pytest

from conftest import Gateway, running, wait_until
from operator_side import Operator

MADE = """
DROP SCHEMA IF EXISTS snap CASCADE;
CREATE SCHEMA snap AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE snap.users (id int PRIMARY KEY, name text, at timestamptz DEFAULT now());
INSERT INTO snap.users SELECT g, 'u' || g FROM generate_series(1, 1000) g;
CREATE TABLE snap.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, u int, total numeric);
INSERT INTO snap.orders (u, total) SELECT g % 1000 + 1, g FROM generate_series(1, 3000) g;
CREATE TYPE snap.mood AS ENUM ('sad', 'ok');
CREATE TABLE snap.moods (id int PRIMARY KEY, m snap.mood);
INSERT INTO snap.moods SELECT g, 'ok' FROM generate_series(1, 10) g;
CREATE TABLE snap.parted (id int, r text, PRIMARY KEY (id, r)) PARTITION BY LIST (r);
CREATE TABLE snap.eu PARTITION OF snap.parted FOR VALUES IN ('eu');
CREATE TABLE snap.us PARTITION OF snap.parted FOR VALUES IN ('us');
INSERT INTO snap.parted SELECT g, CASE WHEN g % 2 = 0 THEN 'eu' ELSE 'us' END
    FROM generate_series(1, 100) g;
CREATE TABLE snap.empty (id int);
RESET ROLE;
"""
NIGHTLY = {"name": "nightly", "database": "app", "tables": ["snap.*"], "every": "1h",
           "keep": {"count": 1000}}


@pytest.fixture(scope="module")
def door(pg):
    """A configuration; nothing is served."""
    g = Gateway(pg, extra={"snapshots": [NIGHTLY]})
    Operator(g)
    return g


@pytest.fixture
def site(door, pg):
    with pg.admin() as c:
        c.execute(MADE)
    return door


def answer(gateway, *args, status=0):
    out = gateway.cli(*args, "--json", check=False)
    assert out.returncode == status, out.stdout + out.stderr
    return json.loads(out.stdout)


def shown(gateway, point):
    return answer(gateway, "points", "show", point)


def objects(gateway, point):
    return {o["name"]: o for o in shown(gateway, point)["manifest"]["objects"]}


def rows(pg, table):
    with pg.admin() as c:
        return c.execute(f"SELECT t::text FROM {table} t ORDER BY 1").fetchall()


def nightly(gateway, unchanged=None):
    done = answer(gateway, "snapshot", "--schedule", "nightly")
    if unchanged is not None:
        kept = {name for name, o in objects(gateway, done["point"]).items() if o.get("of")}
        assert kept == set(unchanged)
        assert done["unchanged"] == len(kept)
    return done["point"]


ALL = {"users", "orders", "moods", "eu", "us", "empty"}


def test_by_hand(site, pg):
    before = rows(pg, "snap.users")
    done = answer(site, "snapshot", "snap.users", "snap.parted")
    assert (done["tables"], done["copied"], done["rows"]) == (3, 3, 1100)
    point = shown(site, done["point"])
    assert point["outcome"] == "taken" and point["proof"] == "read-back"
    m = point["manifest"]
    assert m["capture"]["mode"] == "snapshot" and "schedule" not in m["capture"]
    assert m["schema"]["key"].endswith(".dump")
    assert answer(site, "points", "verify", done["point"])["ok"]
    with pg.admin() as c:
        c.execute("TRUNCATE snap.users")
        c.execute("DELETE FROM snap.parted WHERE r = 'eu'")
    assert answer(site, "restore", "preview", done["point"])["outcome"] == "taken"
    back = answer(site, "restore", "copy-back", done["point"], "--yes")
    assert sum(t["inserted"] for t in back["tables"]) == 1050
    assert rows(pg, "snap.users") == before


def test_names_that_are_none(site):
    assert answer(site, "snapshot", "snap.nothing", status=65)["error"]["code"] == "NOT_FOUND"
    wrong = answer(site, "snapshot", "snap.users", "snap.userz", status=65)["error"]
    assert wrong["code"] == "NOT_FOUND" and "snap.userz" in wrong["message"]
    assert answer(site, "snapshot", status=64)["error"]["code"] == "USAGE"
    assert answer(site, "snapshot", "-s", "weekly", status=65)["error"]["code"] == "NOT_FOUND"
    assert answer(site, "snapshot", "-d", "x", "snap.users", status=65)["error"]["code"] == "NOT_FOUND"


def test_what_a_superuser_emptied_comes_back_by_every_verb(site, pg):
    before = {t: rows(pg, t) for t in ("snap.users", "snap.orders", "snap.moods")}
    point = nightly(site)
    with pg.admin() as c:  # not through the gateway
        c.execute("TRUNCATE snap.users, snap.orders")
        c.execute("DROP TABLE snap.moods")
    seen = answer(site, "restore", "preview", point)
    assert {t["name"]: t["exists"] for t in seen["tables"]}["moods"] is False
    made = {t["name"]: t for t in answer(site, "restore", "run", point)["tables"]}
    assert len(rows(pg, f'{made["users"]["into_schema"]}.{made["users"]["into_name"]}')) == 1000
    found = answer(site, "restore", "diff", point, status=1)
    assert {t["name"]: t["missing"] for t in found["tables"]}["users"] == 1000
    answer(site, "restore", "copy-back", point, "--yes", "--table", "snap.moods")
    answer(site, "restore", "copy-back", point, "--yes")
    assert {t: rows(pg, t) for t in before} == before
    assert answer(site, "restore", "diff", point)["same"]
    answer(site, "restore", "discard", point, "--yes")


def refused(site, point, *more):
    error = answer(site, "restore", "copy-back", point, "--yes", *more, status=1)["error"]
    assert error["code"] == "CONFLICT" and "no key" in error["message"], error
    assert "restore run" in error["hint"] and "--where" in error["hint"]


def test_rows_without_a_key_are_not_doubled(site, pg):
    """A row that somebody has changed since looks like one that is gone and a new one."""
    with pg.admin() as c:
        c.execute("SET ROLE app_trust; CREATE TABLE snap.plain (a int, b text);"
                  "INSERT INTO snap.plain SELECT g, 'x' FROM generate_series(1, 9) g;"
                  "CREATE TABLE snap.halves (a int, b text) PARTITION BY LIST (b);"
                  "CREATE TABLE snap.left PARTITION OF snap.halves FOR VALUES IN ('l');"
                  "CREATE TABLE snap.right PARTITION OF snap.halves FOR VALUES IN ('r');"
                  "INSERT INTO snap.halves SELECT g, 'l' FROM generate_series(1, 9) g")
    before = rows(pg, "snap.plain"), rows(pg, "snap.halves")
    point = answer(site, "snapshot", "snap.plain", "snap.halves")["point"]
    with pg.admin() as c:
        c.execute("UPDATE snap.plain SET b = 'y' WHERE a < 3;"
                  "UPDATE snap.halves SET b = 'r' WHERE a < 3")
    after = rows(pg, "snap.plain"), rows(pg, "snap.halves")
    told = [x for x in answer(site, "restore", "preview", point)["conflicts"] if "will refuse" in x]
    assert any('"plain" has no key: 2 saved' in x and "of 2 others" in x for x in told), told
    assert any('"left" has no key: 2 saved' in x and "of 2 others" in x for x in told), told
    refused(site, point)
    for table in ("snap.plain", "snap.left"):
        refused(site, point, "--table", table)
        refused(site, point, "--table", table, "--conflict", "overwrite")
    assert (rows(pg, "snap.plain"), rows(pg, "snap.halves")) == after
    # Whoever says which ones has them.
    back = answer(site, "restore", "copy-back", point, "--yes", "--table", "snap.plain", "--where",
                  "a = 1")
    assert back["tables"][0]["inserted"] == 1
    with pg.admin() as c:
        c.execute("DELETE FROM snap.plain WHERE a < 3; DELETE FROM snap.halves WHERE a < 3")
    answer(site, "restore", "copy-back", point, "--yes")
    assert (rows(pg, "snap.plain"), rows(pg, "snap.halves")) == before


CHANGES = {
    "nothing": ("SELECT 1", set()),
    "insert": ("INSERT INTO snap.users VALUES (2000, 'x')", {"users"}),
    "update": ("UPDATE snap.users SET name = 'x' WHERE id = 5", {"users"}),
    "delete": ("DELETE FROM snap.users WHERE id = 5", {"users"}),
    "as many as before": ("DELETE FROM snap.users WHERE id = 5;"
                          " INSERT INTO snap.users VALUES (5000, 'x')", {"users"}),
    "emptied": ("TRUNCATE snap.users", {"users"}),
    "emptied and filled": ("CREATE TEMP TABLE u AS TABLE snap.users; TRUNCATE snap.users; INSERT "
                           "INTO snap.users SELECT id, name || '!', at FROM u; DROP TABLE u",
                           {"users"}),
    "counters reset": ("UPDATE snap.users SET name = 'x' WHERE id = 5; SELECT pg_stat_reset()",
                       {"users"}),
    "a new column with a default": ("ALTER TABLE snap.users ADD COLUMN n int DEFAULT 5", {"users"}),
    "a label renamed": ("ALTER TYPE snap.mood RENAME VALUE 'ok' TO 'fine'", {"moods"}),
    "a partition": ("DELETE FROM snap.parted WHERE id = 2", {"eu"}),
    "moved": ("UPDATE snap.parted SET r = 'eu' WHERE id = 1", {"eu", "us"}),
    "written anew": ("VACUUM FULL snap.users", set()),
    "frozen": ("VACUUM FREEZE snap.users, snap.orders", set()),
    "the same again": ("UPDATE snap.users SET name = name", set()),
    "rolled back": ("BEGIN; DELETE FROM snap.users; ROLLBACK", set()),
    "renamed": ("ALTER TABLE snap.users RENAME TO users2; ALTER TABLE snap.users2 RENAME TO users",
                set()),
    "another of that name": ("CREATE TABLE snap.u AS TABLE snap.users; DROP TABLE snap.users;"
                             " ALTER TABLE snap.u RENAME TO users;"
                             " ALTER TABLE snap.users OWNER TO app_trust", {"users"}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_has_changed_is_copied_and_nothing_else(site, pg, name):
    sql, changed = CHANGES[name]
    first = nightly(site)
    with pg.admin() as c:
        c.execute("SET synchronous_commit = off")
        for statement in sql.split(";"):
            c.execute(statement)
    want = {t: rows(pg, f"snap.{t}") for t in ALL}
    point = nightly(site, ALL - changed)
    assert all(o["of"] == first for o in objects(site, point).values()
               if o.get("of") and changed)
    # What it says is there is what comes back, also from the earlier point's objects.
    assert answer(site, "points", "verify", point)["ok"]
    assert answer(site, "restore", "diff", point)["same"]
    assert {t: rows(pg, f"snap.{t}") for t in ALL} == want


def test_an_earlier_object_that_is_damaged_is_not_named_again(site, pg):
    first = nightly(site)
    file, = pathlib.Path(site.folder, "points").glob(f"**/{first}/t/*users*")
    whole = file.read_bytes()
    file.chmod(0o600)
    file.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    done = answer(site, "snapshot", "--schedule", "nightly")
    assert done["damaged"] == first and done["copied"] == 1
    assert "of" not in objects(site, done["point"])["users"]
    assert answer(site, "points", "verify", done["point"])["ok"]
    assert not answer(site, "points", "verify", first, status=1)["ok"]


def test_a_truncate_waits_for_the_copy(site, pg):
    """TRUNCATE is not held up by older snapshots: without a lock the copy would be empty."""
    with pg.admin() as c, pg.admin() as other:
        c.execute("BEGIN; LOCK TABLE snap.orders IN ACCESS EXCLUSIVE MODE")
        out = site.cli("snapshot", "snap.*", "--json", check=False)
        assert out.returncode == 69 and "lock timeout" in out.stdout
        assert other.execute("SELECT count(*) FROM snap.users").fetchone() == (1000,)
        c.execute("ROLLBACK")
    points = answer(site, "points", "list")["points"]
    assert points[0]["outcome"] in ("taken", "abandoned")  # what failed is no point


# --- by the clock ------------------------------------------------------------------------------


def ticking(pg, every="1s", **more):
    g = Gateway(pg, extra={"snapshots": [{**NIGHTLY, "every": every, **more}]})
    Operator(g)
    return g


def taken(gateway):
    return [p for p in answer(gateway, "points", "list")["points"] if p["outcome"] == "taken"]


def test_by_the_clock(pg):
    with pg.admin() as c:
        c.execute(MADE)
    with running(ticking(pg)) as g:
        wait_until(lambda: len(taken(g)) >= 3, 20)
        with pg.admin() as c:
            c.execute("DELETE FROM snap.users")
            had = [p["point"] for p in taken(g)]
        wait_until(lambda: any(p["point"] not in had and
                               {t["name"]: t["rows"] for t in p["tables"]}["users"] == 0
                               for p in taken(g)), 20)
        said = [line for line in g.log().splitlines() if "snapshot taken" in line]
        assert said and json.loads(said[0])["snapshot"] == "nightly"
        records = [json.loads(line) for path in pathlib.Path(g.folder, "audit").glob("audit-*.jsonl")
                   for line in path.read_text().splitlines()]
        record = [r for r in records if r.get("action") == "snapshot"][0]
        assert record["outcome"] == "taken" and record["subject"] == "nightly" and record["point"]
        # The last one before the harm has all rows.
        last = [p for p in taken(g) if {t["name"]: t["rows"] for t in p["tables"]}["users"]][0]
        answer(g, "restore", "copy-back", last["point"], "--yes")
        assert len(rows(pg, "snap.users")) == 1000


def test_what_was_missed_is_done_once(pg):
    with pg.admin() as c:
        c.execute(MADE)
    g = ticking(pg, "1h")
    first = nightly(g)
    try:
        g.start()
        time.sleep(2)
        assert len(taken(g)) == 1  # it is not due
        assert g.stop() == 0
        # The same with a day gone by: one run, and no more.
        config = json.loads(g.config.read_text())
        config["snapshots"][0]["every"] = "4s"
        g.config.write_text(json.dumps(config))
        time.sleep(9)
        g.start()
        wait_until(lambda: len(taken(g)) == 2, 10)
        time.sleep(1.5)
        assert len(taken(g)) == 2
        assert g.stop() == 0
        assert first in [p["point"] for p in taken(g)]
    finally:
        if g.process.poll() is None:
            g.process.kill()
            g.process.wait()
        g.remove()


def test_one_that_fails_is_said_and_tried_again(pg):
    with pg.admin() as c:
        c.execute(MADE)
    with running(ticking(pg)) as g:
        wait_until(lambda: taken(g), 20)
        with pg.admin() as c:
            c.execute("BEGIN; LOCK TABLE snap.orders IN ACCESS EXCLUSIVE MODE")
            wait_until(lambda: '"no snapshot"' in g.log(), 20)
            c.execute("ROLLBACK")
        had = len(taken(g))
        wait_until(lambda: len(taken(g)) > had, 20)


def test_stopped_in_the_middle(pg):
    """The gateway does not wait for a run that goes on; nothing of it is taken for a point."""
    with pg.admin() as c:
        c.execute(MADE)
        c.execute("INSERT INTO snap.orders (u, total) SELECT g, g FROM generate_series(1, 2000000) g")
    g = ticking(pg, "1h")
    try:
        g.start()
        wait_until(lambda: list(pathlib.Path(g.folder, "spool").glob("*/*.rows")), 20, 0.005)
        began = time.monotonic()
        assert g.stop() == 0
        assert time.monotonic() - began < 10
        assert list(pathlib.Path(g.folder, "spool").glob("*-RP-*")) == []
        assert taken(g) == []
    finally:
        if g.process.poll() is None:
            g.process.kill()
            g.process.wait()
        g.remove()
