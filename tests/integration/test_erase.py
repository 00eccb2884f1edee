"""One recovery point erased for good: `points erase`."""

import json
import os
import pty
import sqlite3
import time

import pytest

import s3servers
from conftest import binary
from s3double import Fault
from stored import S3Store
from test_retention import Place, answer

WHY = ("--reason", "request of a person, case 4711")


@pytest.fixture(scope="module")
def place(pg, tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys")
    (keys / "k1").write_bytes(os.urandom(32))
    (keys / "k1").chmod(0o600)
    with s3servers.double() as server:
        p = Place(pg, storage=server.url("p"), env=server.env(),
                  retention={"keep": {"count": 1}},
                  snapshots=[{"name": "s", "tables": ["kept.*"], "every": "1h",
                              "keep": {"count": 1}}],
                  recovery={"encryption": {"keys": f"file:{keys}", "key": "k1"}})
        p.double = server.double
        p.stores = S3Store(server.double, "p/")
        yield p
        p.g.remove()


def names(place, point):
    return sorted(k.split(point + "/")[1] for k in place.stores.keys() if f"/{point}/" in k)


def erase(place, point, status=0, more=(*WHY, "--yes")):
    return answer(place.g, "points", "erase", point, *more, status=status)


def refused(place, point, *words, code="CONFLICT", status=1):
    """Says why, and nothing of the point has changed."""
    before = names(place, point)
    error = erase(place, point, status=status)["error"]
    assert error["code"] == code and all(w in error["message"] for w in words), error
    assert [n for n in names(place, point) if not n.endswith(("-erasing.json", "-kept.json"))] == [
        n for n in before if not n.endswith(("-erasing.json", "-kept.json"))]
    assert not place.points()[point]["erased"] and place.verify(point)
    return error


def records(place, point):
    found = [json.loads(line) for path in place.g.folder.glob("audit/restore/audit-*.jsonl")
             for line in path.read_text().splitlines()]
    return [(r["outcome"], r["text"], r["operator"]) for r in found
            if r.get("action") == "erase" and r["point"] == point]


def test_erased_and_everywhere_said_so(place):
    point, other = (place.snapshot("kept.a", change="a") for _ in range(2))
    assert answer(place.g, "points", "erase", point, "--yes", status=64)  # no reason
    assert answer(place.g, "points", "erase", point, *WHY, status=64)  # nobody to be asked
    assert answer(place.g, "points", "erase", point, "--yes", "-r", "two\nlines", status=64)
    assert place.verify(point)
    done = erase(place, point)
    assert done["erased"] and done["objects"] >= 3 and done["encrypted"]
    assert [n.split("-", 1)[1] for n in names(place, point)[-2:]] == ["erasing.json", "erased.json"]
    assert all(n.startswith("events/") for n in names(place, point))
    me = done_by = records(place, point)[0][2]
    assert done_by.startswith("local:")
    assert records(place, point) == [("begun", WHY[1], me), ("erased", WHY[1], me)]
    words = f"{point} was erased by {me} at 2"
    listed = place.points()[point]
    assert listed["erased"] and words in listed["error"] and WHY[1] in listed["error"]
    shown = answer(place.g, "points", "show", point)
    assert shown["erased"]["by"] == me and shown["erased"]["reason"] == WHY[1] and shown["erased"]["done"]
    for verb in (("points", "verify"), ("restore", "preview"), ("points", "hold", "-r", "x")):
        out = place.g.cli(*verb, point, check=False)
        assert out.returncode != 0 and "erased" in out.stdout + out.stderr, verb
        assert "amaged" not in out.stdout + out.stderr and "DAMAGED" not in out.stdout + out.stderr
    for verb in (("points", "list"), ("points", "show", point)):
        out = place.g.cli(*verb).stdout
        assert "erased" in out and "damaged" not in out
    assert names(place, point)[-1].endswith("-erased.json")  # no finding is noted after that
    assert place.verify("--all")
    assert words in erase(place, point, status=65)["error"]["message"]  # once only
    # Nothing takes away what says so.
    place.prune()
    assert place.points()[point]["erased"] and place.points()[other]["proof"] != "damaged"


def test_what_is_needed_stays(place):
    place.snapshot(schedule="s")
    first, later = place.snapshot(schedule="s", change="a"), None
    later = place.snapshot(schedule="s", change="b")  # kept.a is in the first
    place.prune()
    refused(place, first, f"the later snapshot {later} needs rows of {first}")
    answer(place.g, "points", "hold", later, "-r", "x")
    refused(place, later, "is held")
    answer(place.g, "points", "release", later)
    with sqlite3.connect(place.g.folder / "state.db") as db:
        db.execute("INSERT INTO plans VALUES ('x', ?, 'kim', 0, ?, NULL, 0, NULL, NULL, 0)",
                   (later, int((time.time() + 60) * 1e6)))
    refused(place, later, "a ticket or a plan of a restore names")
    with sqlite3.connect(place.g.folder / "state.db") as db:
        db.execute("UPDATE plans SET used_us = 1")
    assert erase(place, later)["rows_also_in"] == first
    erase(place, first)


def test_an_open_one_stays(place):
    point = place.snapshot("kept.a", change="a")
    taken, = [k for k in place.stores.keys() if f"/{point}/" in k and k.endswith("-taken.json")]
    full = next(k for k in place.double.objects if k.endswith(taken))
    event = place.double.objects.pop(full)
    refused(place, point, "is open")
    place.double.objects[full] = event
    erase(place, point)


@pytest.mark.parametrize("where", ["manifest.json", "t/0001", "-erased.json"])
def test_stopped_in_the_middle(place, where):
    point = place.snapshot("kept.a", change="a")
    method = "PUT" if where == "-erased.json" else "DELETE"
    place.double.faults.append(Fault(method, where, 400, times=1, code="InvalidRequest"))
    erase(place, point, status=74)
    assert [r[0] for r in records(place, point)] == ["begun"]
    # What is left of an encrypted one has no key any more, and nobody takes it for damaged or whole.
    assert ("manifest.json" in names(place, point)) == (where == "manifest.json")
    assert ("intent.json" in names(place, point)) == (where == "manifest.json")
    error = place.points()[point]["error"]
    assert f"{point} is being erased by" in error and "points erase" in error
    place.prune()
    assert place.verify("--all") and point in place.points()
    assert erase(place, point)["erased"]
    assert place.points()[point]["erased"]
    assert all(n.startswith("events/") for n in names(place, point))


def test_what_comes_meanwhile_is_seen_after_the_mark(place):
    """A capture that begins between the first look and the mark could name its rows: it stays."""
    point = place.snapshot("kept.a", change="a")
    other = "RP-7ZZZZZZZZZ0000000000000000"

    def begin(key):
        if key.endswith("-erasing.json"):
            place.double.stored = lambda key: None
            at = key.split(point)[0] + other + "/intent.json"
            place.double.objects[at] = next(iter(place.double.objects.values()))

    place.double.stored = begin
    refused(place, point, f"{other} is being made")
    assert not place.points()[point]["expired"]
    for key in [k for k in place.double.objects if other in k]:
        del place.double.objects[key]
    erase(place, point)


def test_stores_that_do_not_let_it_go(place):
    point = place.snapshot("kept.a", change="a")
    place.double.may_delete = False
    refused(place, point, code="FORBIDDEN", status=77)
    place.double.may_delete = True
    # It may delete others, and not this one.
    place.double.faults.append(Fault("DELETE", "manifest.json", 403, times=1, code="AccessDenied"))
    refused(place, point, code="FORBIDDEN", status=77)
    assert not place.points()[point]["expired"]
    # A bucket that keeps versions: the version itself goes, or nothing does.
    place.double.versions, place.double.says_versions = True, False
    refused(place, point, "only hides")
    place.double.says_versions = True
    until = time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() + 5 * 86400))
    item = next(o for k, o in place.double.objects.items() if f"/{point}/t/" in k)
    item["lock"] = ("COMPLIANCE", until)
    error = refused(place, point, "is locked (COMPLIANCE) until", until[:10])
    assert "deleting the configured key" in error["hint"]
    item["lock"] = None
    erase(place, point)
    assert not [k for k in place.double.hidden if f"/{point}/" in k]
    place.double.versions = False


def test_the_terminal_is_asked(place):
    point = place.snapshot("kept.a", change="a")
    for said, ends in ((b"n\n", 1), (b"y\n", 0)):
        pid, fd = pty.fork()
        if pid == 0:
            os.execve(binary(), [binary(), "points", "erase", point, *WHY, "--config",
                                 str(place.g.config)], place.g.env)
        text = b""
        while b"[y/N]" not in text:
            text += os.read(fd, 1000)
        os.write(fd, said)
        try:
            while more := os.read(fd, 1000):
                text += more
        except OSError:
            pass
        os.close(fd)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == ends, text
        assert place.points()[point]["erased"] == (ends == 0)
