"""How long points are kept: `retention:`, `keep:` of snapshots, `points prune|hold|release`."""

import json
import os
import signal
import subprocess
import threading
import time

import pytest

import s3servers
from conftest import Gateway, binary, running, wait_until
from operator_side import Operator
from s3double import Fault
from stored import S3Store, Store

MADE = """
DROP SCHEMA IF EXISTS kept CASCADE;
CREATE SCHEMA kept AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE kept.a (id int PRIMARY KEY, v text);
INSERT INTO kept.a SELECT g, 'a' || g FROM generate_series(1, 500) g;
CREATE TABLE kept.b (id int PRIMARY KEY, v text);
INSERT INTO kept.b SELECT g, 'b' || g FROM generate_series(1, 500) g;
RESET ROLE;
"""


def answer(gateway, *args, status=0):
    out = gateway.cli(*args, "--json", check=False)
    assert out.returncode == status, out.stdout + out.stderr
    return json.loads(out.stdout)


class Place:
    """A configuration whose points lie in a folder, or in an S3 double; nothing is served."""

    def __init__(self, pg, storage=None, env=None, **extra):
        self.pg = pg
        self.g = Gateway(pg, extra={**({"storage": storage} if storage else {}), **extra}, env=env)
        self.operator = Operator(self.g)
        self.stores = Store(self.g.folder / "points")
        with pg.admin() as c:
            c.execute(MADE)

    def configure(self, **more):
        config = json.loads(self.g.config.read_text())
        config.update(more)
        self.g.config.write_text(json.dumps(config))

    def snapshot(self, *tables, schedule=None, change=None):
        if change:
            with self.pg.admin() as c:
                c.execute(f"UPDATE kept.{change} SET v = v || '.' WHERE id = 1")
        what = ["--schedule", schedule] if schedule else list(tables)
        return answer(self.g, "snapshot", *what)["point"]

    def points(self):
        return {p["point"]: p for p in answer(self.g, "points", "list", "--limit", "1000")["points"]}

    def fates(self):
        return {p["point"]: (p["fate"], p["why"]) for p in
                answer(self.g, "points", "prune", "--dry-run")["points"]}

    def prune(self, status=0):
        return answer(self.g, "points", "prune", status=status)

    def verify(self, *points):
        return all(p["ok"] for p in answer(self.g, "points", "verify", *points)["points"])


@pytest.fixture
def place(pg):
    p = Place(pg, retention={"keep": {"count": 2}})
    yield p
    p.g.remove()


def test_by_count_of_each_table(place):
    a = [place.snapshot("kept.a", change="a") for _ in range(4)]
    b = [place.snapshot("kept.b", change="b") for _ in range(1)]
    fates = place.fates()
    assert [fates[p][0] for p in a] == ["goes", "goes", "stays", "stays"]
    assert fates[b[0]] == ("stays", "the newest snapshot of a table")
    assert place.points().keys() == {*a, *b}  # only said
    done = place.prune()
    assert done["removed"] == 2 and done["bytes"] > 0
    assert place.points().keys() == {*a[2:], *b}
    assert place.verify("--all")
    # Nothing of them is left, no empty folder either.
    left = [k for k in place.stores.keys() if any(p in k for p in a[:2])]
    assert left == [] and not list(place.g.folder.glob(f"points/**/{a[0]}"))
    assert place.prune()["removed"] == 0
    record = [json.loads(line) for path in place.g.folder.glob("audit/restore/audit-*.jsonl")
              for line in path.read_text().splitlines()]
    assert {r["point"] for r in record if r.get("action") == "prune"} == set(a[:2])


def test_one_with_several_tables_stays_for_any_of_them(place):
    both = place.snapshot("kept.*")
    for _ in range(3):
        place.snapshot("kept.a", change="a")
    assert place.fates()[both][0] == "stays"
    for _ in range(2):
        place.snapshot("kept.b", change="b")
    assert place.fates()[both] == ("goes", "past what is kept")


def test_by_age_and_bytes_and_tables(pg):
    p = Place(pg, retention={"keep": {"age": "1s"}, "tables": [
        {"tables": ["kept.b"], "keep": {"bytes": "1B"}}]})
    a = [p.snapshot("kept.a", change="a") for _ in range(2)]
    b = [p.snapshot("kept.b", change="b") for _ in range(2)]
    time.sleep(1.2)
    assert {k: v[0] for k, v in p.fates().items()} == {
        a[0]: "goes", a[1]: "stays", b[0]: "goes", b[1]: "stays"}
    p.g.remove()


def test_without_limits_nothing_goes(pg):
    p = Place(pg)
    for _ in range(3):
        p.snapshot("kept.a", change="a")
    assert p.prune()["removed"] == 0 and len(p.points()) == 3
    p.g.remove()


def test_held_until_released(place):
    first = place.snapshot("kept.a", change="a")
    for _ in range(3):
        place.snapshot("kept.a", change="a")
    assert answer(place.g, "points", "hold", first, status=64)
    assert answer(place.g, "points", "hold", first, "--reason", "case\n4711", status=64)
    assert answer(place.g, "points", "hold", first, "--reason", "case 4711")["held"]
    assert answer(place.g, "points", "hold", first, "-r", "again", status=1)
    assert place.fates()[first] == ("stays", "held")
    assert place.prune()["removed"] == 1 and first in place.points()
    assert place.points()[first]["held"]
    events = answer(place.g, "points", "show", first)["events"]
    assert events[-1]["details"] == {"reason": "case 4711"}
    answer(place.g, "points", "release", first)
    assert place.prune()["removed"] == 1 and first not in place.points()


def test_what_a_later_snapshot_needs_stays(pg):
    p = Place(pg, snapshots=[{"name": "s", "tables": ["kept.*"], "every": "1h",
                              "keep": {"count": 1}}])
    first = p.snapshot(schedule="s")
    later = [p.snapshot(schedule="s", change="a") for _ in range(3)]
    fates = p.fates()
    assert fates[first] == ("stays", "a later snapshot needs it")  # kept.b is there
    assert fates[later[2]][0] == "stays" and fates[later[0]][0] == fates[later[1]][0] == "goes"
    p.prune()
    assert p.points().keys() == {first, later[2]}
    assert p.verify("--all")
    with pg.admin() as c:
        c.execute("TRUNCATE kept.b")
    answer(p.g, "restore", "copy-back", later[2], "--yes")
    last = p.snapshot(schedule="s", change="b")
    p.prune()

    def taken():
        return {i for i, x in p.points().items() if x["outcome"] == "taken"}

    assert taken() == {first, later[2], last}  # kept.a is in the second, which stays whole
    with pg.admin() as c:
        c.execute("UPDATE kept.a SET v = v || '!'; UPDATE kept.b SET v = v || '!'")
    last = p.snapshot(schedule="s")  # now nobody needs the first
    p.prune()
    assert taken() == {last}
    assert p.verify("--all")
    p.g.remove()


def test_definitions_go_with_the_last_point_that_names_them(place, pg):
    def dumps():
        return {k for k in place.stores.keys() if "/schema/" in k}

    first = [place.snapshot("kept.a", change="a") for _ in range(2)]
    old = dumps()
    assert len(old) == 1
    with pg.admin() as c:
        c.execute("CREATE TABLE kept.c (id int)")
    second = [place.snapshot("kept.a", change="a")]
    assert len(dumps()) == 2
    assert place.prune()["definitions"] == 0 and len(dumps()) == 2  # one of the first is there
    second += [place.snapshot("kept.a", change="a")]
    done = place.prune()
    assert done["definitions"] == 1 and not dumps() & old and len(dumps()) == 1
    assert place.points().keys() == set(second) and place.verify("--all")
    assert first[0] not in place.points()


# --- while something else goes on ------------------------------------------------------------


def test_a_capture_under_way_defers_what_it_could_name(place, pg):
    for _ in range(4):
        place.snapshot("kept.a", change="a")
    with pg.admin() as c:
        c.execute("CREATE TABLE kept.d (id int)")
    # Somebody copies for long: a table that is locked by others, after its intent.
    newest = place.snapshot("kept.a", change="a")
    folder, = place.g.folder.glob(f"points/**/{newest}")
    manifest = (folder / "manifest.json").read_bytes()
    events = {f: f.read_bytes() for f in (folder / "events").iterdir()}
    (folder / "manifest.json").unlink()
    for f in events:
        f.unlink()
    fates = place.fates()
    assert all(f == "stays" for f, _ in fates.values()), fates
    assert place.prune()["definitions"] == 0
    (folder / "manifest.json").write_bytes(manifest)
    for f, text in events.items():
        f.write_bytes(text)
    assert place.prune()["removed"] == 3
    assert place.verify("--all")


def test_a_mark_on_a_definition_is_respected(place):
    """A capture that finds it being taken away stores its own."""
    place.snapshot("kept.a", change="a")
    dump, = [k for k in place.stores.keys() if k.endswith(".dump")]
    mark = place.g.folder / "points" / dump.replace(".dump", ".going")
    mark.write_text("{}")
    point = place.snapshot("kept.a", change="a")
    key = answer(place.g, "points", "show", point)["manifest"]["schema"]["key"]
    assert key != dump and point in key
    # A mark that was left over goes, and what it was on, where it is needed, does not.
    place.prune()
    assert not mark.exists() and (place.g.folder / "points" / dump).exists()
    assert place.verify("--all")


def kill_while(place, after):
    """Starts pruning and kills it once so many files are gone; True where it was still there."""
    def there():
        return sum("expired" not in f for _, _, files in os.walk(place.g.folder / "points")
                   for f in files)

    before = there()
    process = subprocess.Popen([binary(), "points", "prune", "--config", str(place.g.config)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=place.g.env)
    while process.poll() is None:
        if there() <= before - after:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
    return False


@pytest.mark.parametrize("after", [0, 1, 3, 6, 9])
def test_killed_in_the_middle(place, after):
    """What is left is whole, or marked; the next run ends it."""
    points = [place.snapshot("kept.*") for _ in range(7)]
    kill_while(place, after)
    for id, p in place.points().items():
        if not p["expired"]:
            assert place.verify(id), id
    listed = [p for p in place.points().values() if not p["expired"]]
    assert {p["point"] for p in listed} >= set(points[-2:])
    assert all("error" not in p for p in listed)
    place.prune()
    assert place.points().keys() == set(points[-2:])
    assert place.verify("--all")


def test_leftovers_go_by_age(place):
    good = place.snapshot("kept.a")
    folder, = place.g.folder.glob(f"points/**/{good}")
    for id, days in (("RP-00000000000000000000000000", 20000), (None, 0)):
        name = id or "RP-" + "7ZZZZZZZZZ" + "0" * 16
        other = folder.parent / name
        (other / "t").mkdir(parents=True)
        (other / "t" / "0001-x.copybin.zst").write_bytes(b"x")
    fates = place.fates()
    assert fates["RP-00000000000000000000000000"] == ("goes", "was never completed")
    assert fates["RP-7ZZZZZZZZZ0000000000000000"][0] == "stays"
    place.prune()
    assert place.points().keys() == {good, "RP-7ZZZZZZZZZ0000000000000000"}


def test_what_cannot_be_read_stops_what_it_could_name(place):
    points = [place.snapshot("kept.a", change="a") for _ in range(4)]
    manifest, = place.g.folder.glob(f"points/**/{points[3]}/manifest.json")
    text = manifest.read_bytes()
    manifest.chmod(0o600)
    manifest.write_bytes(text[:-1])
    assert all(f == "stays" for f, _ in place.fates().values())
    assert answer(place.g, "points", "prune", "--dry-run")["unreadable"]
    manifest.write_bytes(text)
    assert place.prune()["removed"] == 2


# --- stores that refuse -----------------------------------------------------------------------


@pytest.fixture
def double(pg):
    with s3servers.double() as server:
        p = Place(pg, storage=server.url("p"), env=server.env(), retention={"keep": {"count": 2}})
        p.double = server.double
        p.stores = S3Store(server.double, "p/")
        yield p
        p.g.remove()


def test_s3(double):
    points = [double.snapshot("kept.a", change="a") for _ in range(4)]
    done = double.prune()
    assert done["removed"] == 2 and done["hidden_objects"] == 0
    assert double.points().keys() == set(points[2:]) and double.verify("--all")


def test_a_key_that_may_not_delete_harms_nothing(double):
    points = [double.snapshot("kept.a", change="a") for _ in range(4)]
    double.double.may_delete = False
    before = {k for k in double.stores.keys() if not k.startswith("probe/")}
    error = double.prune(status=77)["error"]
    assert error["code"] == "FORBIDDEN" and "nothing was marked" in error["hint"]
    assert {k for k in double.stores.keys() if not k.startswith("probe/")} == before
    assert double.points().keys() == set(points) and double.verify("--all")
    assert not any(p["expired"] for p in double.points().values())


def test_locked_points_are_expired_and_stay(pg):
    with s3servers.double() as server:
        server.double.versions = True
        p = Place(pg, storage=server.url("p", lock="governance", lock_days="3"), env=server.env(),
                  retention={"keep": {"count": 1}})
        points = [p.snapshot("kept.a", change="a") for _ in range(3)]
        answer(p.g, "storage", "check")
        done = p.prune()
        assert done["removed"] == 0 and done["locked"] == 2 and "locked (GOVERNANCE)" in done["locked_why"]
        listed = p.points()
        assert [listed[i]["expired"] for i in points] == [True, True, False]
        # Nothing was put behind a marker.
        assert not [k for k in server.double.hidden if "/rp/" in k or "/schema/" in k]
        assert p.verify(*points)  # and nothing was harmed
        # Once the lock has run out, they go.
        for o in server.double.objects.values():
            o["lock"] = (o["lock"][0], "2020-01-01T00:00:00Z")
        assert p.prune()["removed"] == 2
        assert p.points().keys() == {points[2]} and p.verify("--all")
        p.g.remove()


def test_a_store_that_fails_in_the_middle(double):
    points = [double.snapshot("kept.a", change="a") for _ in range(4)]
    double.double.faults.append(Fault("DELETE", "t/0001", 400, times=1, code="InvalidRequest"))
    double.prune(status=74)
    listed = double.points()
    assert all(listed[i]["expired"] for i in points[:2] if i in listed)
    assert double.verify(*points[2:])
    double.prune()
    assert double.points().keys() == set(points[2:])


# --- by the clock ------------------------------------------------------------------------------


def test_the_gateway_prunes_and_verifies_by_itself(pg):
    with pg.admin() as c:
        c.execute(MADE)
    g = Gateway(pg, extra={
        "snapshots": [{"name": "s", "tables": ["kept.*"], "every": "1s", "keep": {"count": 2}}],
        "retention": {"every": "1s"}, "verify": {"every": "1s", "sample": "100%"}})
    Operator(g)
    with running(g) as g:
        def change():
            with pg.admin() as c:
                c.execute("UPDATE kept.a SET v = v || '.'; UPDATE kept.b SET v = v || '.'")

        def said(what):
            return [json.loads(line) for line in g.log().splitlines() if what in line]

        deadline = time.monotonic() + 60
        while not said("points pruned") or not said("points verified"):
            change()
            time.sleep(0.5)
            assert time.monotonic() < deadline, g.log()[-3000:]
        assert not said("a recovery point is damaged")
        change()
        files = wait_until(lambda: sorted(g.folder.glob("points/v1/*/*/rp/*/*/*/*/t/*"))[-1:], 20)
        file, point = files[0], files[0].parent.parent.name
        answer(g, "points", "hold", point, "-r", "to look at it")
        whole = file.read_bytes()
        file.chmod(0o600)
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        found = wait_until(lambda: [s for s in said("a recovery point is damaged")
                                    if s["point"] == point], 30)
        assert found[0]["level"] == "error"
        assert answer(g, "points", "show", point)["proof"] == "damaged"


# --- who names a point -------------------------------------------------------------------------


def test_a_ticket_or_a_plan_that_names_it(place, pg):
    points = [place.snapshot("kept.a", change="a") for _ in range(4)]
    with pg.admin() as c:
        c.execute("DELETE FROM kept.a")
    place.g.add_agent("bob")
    place.configure(hold={"wait": "0s"})
    place.g.start()
    try:
        with place.g.connect("bob", autocommit=True) as c:
            with pytest.raises(Exception, match="approval"):
                c.execute(f"DELETE FROM kept.b WHERE v = '{points[0]}'")
        ticket, = place.operator.tickets()
        assert place.fates()[points[0]] == ("stays", "a ticket or a plan names it")
        place.operator.decide(ticket["id"], "approve")
        assert place.fates()[points[0]][0] == "stays"
        assert place.prune()["removed"] == 1
    finally:
        assert place.g.stop() == 0
    state = place.g.folder / "state.db"
    import sqlite3
    with sqlite3.connect(state) as db:
        # Behind any number of others, that are read in pages.
        columns = [c[1] for c in db.execute("PRAGMA table_info(tickets)")]
        made = {"id": "'T-7' || printf('%025d', value)", "identity": "'other ' || value", "sql": "'SELECT 1'"}
        db.execute(f"INSERT INTO tickets ({', '.join(columns)})"
                   f" SELECT {', '.join(made.get(c, c) for c in columns)} FROM tickets,"
                   " (WITH RECURSIVE g(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM g WHERE value < 450)"
                   " SELECT value FROM g)")
    assert place.fates()[points[0]] == ("stays", "a ticket or a plan names it")
    with sqlite3.connect(state) as db:
        db.execute("UPDATE tickets SET state = 'expired'")
    assert place.fates()[points[0]][0] == "goes"
    with sqlite3.connect(state) as db:
        db.execute("INSERT INTO plans VALUES ('x', ?, 'kim', 0, ?, NULL, 0, NULL, NULL, 0)",
                   (points[0], int((time.time() + 60) * 1e6)))
    assert place.fates()[points[0]] == ("stays", "a ticket or a plan names it")
    with sqlite3.connect(state) as db:
        db.execute("UPDATE plans SET used_us = 1")
    assert place.fates()[points[0]][0] == "goes"


def test_captures_and_pruning_at_the_same_time(pg):
    """Definitions come and go, and are named again while they are being taken away."""
    p = Place(pg, snapshots=[{"name": "s", "tables": ["kept.*"], "every": "1h",
                              "keep": {"count": 1}}], retention={"keep": {"count": 1}})
    end = time.monotonic() + 12
    failed, pruned = [], []

    def prune():
        while time.monotonic() < end:
            out = p.g.cli("points", "prune", "--json", check=False)
            if out.returncode != 0:
                failed.append(out.stdout)
            else:
                pruned.append(json.loads(out.stdout)["removed"])

    thread = threading.Thread(target=prune)
    thread.start()
    taken = 0
    try:
        while time.monotonic() < end:
            with pg.admin() as c:  # two definitions in turn; kept.b never changes
                c.execute("DROP VIEW IF EXISTS kept.v" if taken % 2 else
                          "CREATE VIEW kept.v AS SELECT 1")
                c.execute("UPDATE kept.a SET v = v || '.' WHERE id = 1")
            p.snapshot(schedule="s")
            taken += 1
    finally:
        thread.join()
    assert failed == [] and sum(pruned) > 2 and taken > 5
    assert p.verify("--all")
    p.prune()
    assert p.verify("--all")
    last = max(p.points())
    with pg.admin() as c:
        c.execute("TRUNCATE kept.b")
    answer(p.g, "restore", "copy-back", last, "--yes")
    with pg.admin() as c:
        assert c.execute("SELECT count(*) FROM kept.b").fetchone() == (500,)
    p.g.remove()
