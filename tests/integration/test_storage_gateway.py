"""The gateway with its recovery points in S3: they protect, and without a store nothing is lost."""

import json
import os
import time

import pytest

import s3servers
from conftest import running, wait_until
from s3double import Fault
from scene import COMMIT, DELETE, DROP, ROWS, SCHEMA, Scene

LARGE = 40000  # rows whose copy does not fit into one part


class Far(Scene):
    """A scene whose storage is an S3 server's bucket."""

    def __init__(self, pg, server, folder, **more):
        self.server = server
        options = {"timeout": "3s", "credentials": server.credentials(folder),
                   **more.pop("options", {})}
        self.url = server.url("prod", **options)
        super().__init__(pg, storage=self.url, **more)

    def keys(self, part=""):
        return [k for k in self.server.double.objects if part in k]

    def grow(self, rows=LARGE):
        """So that its copy is larger than what goes in one request."""
        with self.pg.admin() as c:
            c.execute("ALTER TABLE crash.t ADD w bytea; ALTER TABLE crash.t ALTER w SET STORAGE EXTERNAL;"
                      "INSERT INTO crash.t SELECT n, 'v', (SELECT string_agg(sha512((n * 20 + i)::text"
                      f"::bytea), '') FROM generate_series(1, 14) i) FROM generate_series({ROWS + 1},"
                      f" {rows}) n")
        return rows


@pytest.fixture(scope="module")
def clean_environment():
    kept = {k: os.environ.pop(k) for k in list(os.environ) if k.startswith("AWS_")}
    yield
    os.environ.update(kept)


@pytest.fixture(scope="module")
def made(pg, clean_environment, tmp_path_factory):
    with s3servers.double() as server:
        scene = Far(pg, server, tmp_path_factory.mktemp("keys"), recovery={"lock_budget": "6s"})
        with running(scene.gateway):
            yield scene
        scene.close()


@pytest.fixture
def scene(made):
    made.begin()
    yield made
    made.server.double.faults.clear()


def committed(scene):
    """That is written down after the client has been answered."""
    return [p for p in scene.new_points() if p["outcome"] == "committed"]


def there_and_back(scene):
    """A table is dropped after approval, proven, restored beside, and copied back."""
    scene.begin()
    with scene.pg.admin() as c:
        before = c.execute("SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM crash.t t").fetchone()
    assert scene.approved(DROP).done() is None
    assert scene.count() is None
    (point,) = wait_until(lambda: committed(scene))
    assert scene.verifies(point)
    out = scene.gateway.cli("restore", "run", point["point"], "--yes", check=False)
    assert out.returncode == 0, out.stderr
    out = scene.gateway.cli("restore", "copy-back", point["point"], "--yes", check=False)
    assert out.returncode == 0, out.stdout + out.stderr
    with scene.pg.admin() as c:
        assert c.execute("SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM crash.t t"
                         ).fetchone() == before
    return point


def test_there_and_back(scene):
    point = there_and_back(scene)
    names = [k.rsplit("/", 1)[1] for k in scene.keys(point["point"].removeprefix("RP-"))]
    assert "manifest.json" in names
    checked = scene.gateway.cli("check-config").stdout
    assert "bucket points" in checked and scene.server.keys[1] not in checked


def test_there_and_back_on_a_real_server(pg, clean_environment, tmp_path):
    with s3servers.moto() as server:
        scene = Far(pg, server, tmp_path, options={"bucket": "locked", "lock": "governance",
                                                   "lock_days": "1"})
        with running(scene.gateway):
            # It forgets the lock of what comes in parts, and that is found out.
            checked = json.loads(scene.gateway.cli("storage", "check", "--json", check=False).stdout)
            assert [c["check"] for c in checked["checks"] if c["level"] == "fail"] == ["multipart"]
            there_and_back(scene)
        scene.close()


def test_a_large_table_goes_in_parts(scene):
    rows = scene.grow()
    assert scene.approved(DELETE).done() is None
    assert scene.server.double.asked("PUT", "partNumber=2&")
    scene.settle(rows, committed=True)


def test_one_byte_flipped_is_named(scene):
    assert scene.approved(DELETE).done() is None
    (point,) = wait_until(lambda: committed(scene))
    (key,) = [k for k in scene.keys(point["point"].removeprefix("RP-")) if "/t/" in k]
    data = scene.server.double.objects[key]["data"]
    scene.server.double.objects[key]["data"] = data[:-1] + bytes([data[-1] ^ 1])
    out = scene.gateway.cli("points", "verify", point["point"], check=False)
    assert out.returncode == 1 and key.rsplit("/", 1)[1] in out.stdout + out.stderr
    scene.server.double.objects[key]["data"] = data
    scene.settle(committed=True)


# method, what it is asked for, what happens, and a part of what the log says of it
FAILURES = [
    ("PUT", "/t/", 503, "503"),
    ("PUT", "/t/", 403, "does not let this key store"),
    ("PUT", "/t/", "drop early", "does not answer"),
    ("PUT", "/t/", "hang in body", ""),
    ("PUT", "/t/", "lose", ""),
    ("GET", "/t/", "flip", ""),
    ("GET", "/t/", "hang", ""),
    ("PUT", "manifest.json", 500, "500"),
    ("PUT", "intent.json|/t/|schema|manifest", 507, "507"),
]


@pytest.mark.parametrize("method, match, what, says, sql",
                         [(*f, DROP if i % 3 == 0 else DELETE) for i, f in enumerate(FAILURES)])
def test_no_store_no_effect(scene, method, match, what, says, sql):
    scene.server.double.faults.append(Fault(method, match, what, times=10000, code="Broken"))
    told = len(scene.gateway.log())
    began = time.monotonic()
    assert scene.approved(sql).done() == "ZB004"
    assert time.monotonic() - began < 20
    scene.server.double.faults.clear()
    wait_until(lambda: says in scene.gateway.log()[told:], 5)
    assert scene.server.keys[1] not in scene.gateway.log()
    scene.settle(committed=False)


def test_a_manifest_that_is_lost(scene):
    """The store says 200 to the very object that would find all others."""
    scene.server.double.faults.append(Fault("PUT", "manifest.json", "lose"))
    assert scene.approved(DELETE).done() == "ZB004"
    assert scene.count() == ROWS
    (point,) = scene.new_points()
    assert point["outcome"] == "not_used"
    scene.works()


@pytest.mark.parametrize("match, what", [("partNumber=2&", 403), ("partNumber=1&", "hang in body"),
                                         ("partNumber", 500)])
def test_it_fails_in_the_middle_of_an_upload(scene, match, what):
    rows = scene.grow()
    scene.server.double.faults.append(Fault("PUT", match, what, times=10000, code="AccessDenied"))
    assert scene.approved(DELETE).done() == "ZB004"
    scene.server.double.faults.clear()
    assert scene.count() == rows
    wait_until(lambda: scene.server.double.uploads == {}, 10)  # nothing is left behind
    scene.settle(rows, committed=False)


@pytest.mark.parametrize("method, match, what", [("PUT", "/t/", "drop late"), ("PUT", "/t/", 500),
                                                 ("PUT", "manifest.json", "done, but"),
                                                 ("GET", "/t/", "cut"), ("HEAD", "", 503)])
def test_what_passes_is_waited_for(scene, method, match, what):
    scene.server.double.faults.append(Fault(method, match, what, times=2))
    assert scene.approved(DELETE).done() is None
    scene.settle(committed=True)


def test_an_upload_that_hangs_ends_with_its_client(scene):
    """And the lock with it, long before the store has answered."""
    scene.server.double.faults.append(Fault("PUT", "/t/", "hang in body", times=10000))
    before = len(scene.server.double.asked("PUT", "/t/"))
    asking = scene.approved(DELETE)
    wait_until(lambda: len(scene.server.double.asked("PUT", "/t/")) > before, 10)
    began = time.monotonic()
    asking.hang_up()
    wait_until(lambda: not scene.locks(), 3, 0.01)
    assert time.monotonic() - began < 2
    scene.server.double.faults.clear()
    scene.settle(committed=False)


def test_it_starts_without_its_store(pg, clean_environment, tmp_path):
    """What destroys nothing passes; what needs a point is refused; and it needs no restart."""
    with s3servers.double() as server:
        scene = Far(pg, server, tmp_path, options={"timeout": "60s"}, recovery={"lock_budget": "2s"})
        server.double.faults += [Fault(m, "", "drop early", times=10000)
                                 for m in ("PUT", "GET", "HEAD")]
        began = time.monotonic()
        with running(scene.gateway):
            assert time.monotonic() - began < 25  # not as long as a store is waited for elsewhere
            with pg.admin() as c:
                c.execute(SCHEMA)
            with scene.connect() as c:
                assert c.execute("SELECT count(*) FROM crash.t").fetchone() == (ROWS,)
            for what in ("drop early", "hang in body"):
                server.double.faults[0].what = what
                began = time.monotonic()
                assert scene.approved(DELETE).done() == "ZB004"
                assert time.monotonic() - began < 15  # the lock budget, not the store's patience
            server.double.faults.clear()
            assert scene.approved(DELETE).done() is None
            assert scene.count() == 0
        scene.close()


def test_an_open_point_waits_for_its_store(scene):
    """Who does not answer has not said that a point is damaged: it is closed later."""
    asking = scene.ask(DELETE)
    scene.operator.next_ticket(45)
    stop = scene.actors.stop_at(COMMIT)
    scene.approve()
    stop.wait()
    scene.kill()
    stop.cut()
    asking.done()
    for fault in ("events", "manifest.json"):
        scene.server.double.faults.append(Fault("GET", fault, 403, times=2, code="AccessDenied"))
    scene.gateway.start()
    scene.settle(committed=False)
    assert "rolled_back" in [p["outcome"] for p in scene.new_points()]


def test_doctor_and_its_record(scene):
    def told():
        out = scene.gateway.cli("doctor", "--json", check=False)
        checks = json.loads(out.stdout)["checks"]
        assert scene.server.keys[1] not in out.stdout
        return {c["check"]: c for c in checks if c["check"].startswith("storage")}

    before = told()
    assert before["storage"]["level"] == "ok" and before["storage.check"]["level"] == "warn"
    assert "storage.folder" not in before and "storage.room" not in before
    scene.server.double.may_delete = False
    assert scene.gateway.cli("storage", "check").returncode == 0
    assert told()["storage.check"]["level"] == "ok"
    scene.server.double.may_delete = True
    assert scene.gateway.cli("storage", "check").returncode == 0
    after = told()["storage.check"]
    assert after["level"] == "warn" and "delete" in after["message"]


def test_a_folder_within_the_databases_own(pg, tmp_path):
    """A local store is told apart, too."""
    inside = pg.data / "points-here"
    scene = Scene(pg, storage=f"file://{inside}")
    out = scene.gateway.cli("storage", "check", "--json", check=False)
    checks = {c["check"]: c["level"] for c in json.loads(out.stdout)["checks"]}
    assert out.returncode == 1 and checks["storage.apart"] == "fail"
    assert checks["put"] == checks["list"] == checks["overwrite"] == "ok"
    scene.close()
