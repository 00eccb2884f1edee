"""Finished files of the audit log in a store: they get there, whatever happens, and tell what was done to them."""

import json
import os
import random
import re
import time

import boto3
import pytest

import s3servers
from conftest import Gateway, running, wait_until
from s3double import Fault
from test_metrics import values

WAITING, LAG = "backstop_audit_upload_waiting_files", "backstop_audit_upload_lag_seconds"
SENT, NOT_SENT = ('backstop_audit_uploads_total{outcome="%s"}' % x for x in ("done", "failed"))


@pytest.fixture(scope="module", autouse=True)
def clean_environment():
    kept = {k: os.environ.pop(k) for k in list(os.environ) if k.startswith("AWS_")}
    yield
    os.environ.update(kept)


def a_gateway(pg, **audit):
    g = Gateway(pg, policy={"rules": []}, extra={"hold": {"wait": "0s"}})
    config = json.loads(g.config.read_text())
    config["audit"].update({"file_size": "4kB", "upload": "storage", **audit})
    g.config.write_text(json.dumps(config))
    return g


def work(g, n=6):
    """A file each: one is finished between two writes, which gather for 20 ms."""
    with g.connect("bob", autocommit=True) as c:
        for i in range(n):
            for k in range(10):
                c.execute(f"SELECT {i}, {k}, 'some work that is recorded'")
            time.sleep(0.03)


def local(g):
    """Names of files that are finished."""
    return sorted(p.with_suffix(".jsonl").name for p in (g.folder / "audit").glob("*.head"))


def uploaded(g):
    """All is, and was by the process that runs."""
    return wait_until(lambda: values(g)[SENT] > 0 and values(g)[WAITING] == 0 and local(g), seconds=20)


def verify(g, *args):
    out = g.cli("audit", "verify", "--from-storage", "--json", *args, check=False)
    assert out.stdout, out.stderr
    return out.returncode, json.loads(out.stdout)


@pytest.fixture(scope="module")
def folder(pg):
    """A gateway whose store is a folder; it has stopped, all is uploaded."""
    g = a_gateway(pg)
    with running(g, "bob"):
        work(g)
        uploaded(g)
        assert values(g)[LAG] == 0 and values(g)[NOT_SENT] == 0
        work(g)
        wait_until(lambda: values(g)[WAITING] == 0 and len(local(g)) > 8)
        g.stop()
        files = local(g)  # that which grew is finished, too, and goes out at the next start
        assert files == sorted(p.name for p in (g.folder / "audit").glob("*.jsonl"))
        assert len(store(g)) < len(files)
        g.start()
        wait_until(lambda: len(store(g)) == len(files))
        yield g


def store(g):
    return sorted((g.folder / "points" / "audit").glob("gateway-*/*.jsonl"))


def test_what_was_uploaded_verifies(folder):
    status, told = verify(folder)
    assert status == 0 and told["intact"] and told["signatures"]
    assert told["files"] == len(store(folder)) and told["records"] > 60
    for path in store(folder):
        assert path.read_bytes() == (folder.folder / "audit" / path.name).read_bytes()
    out = folder.cli("audit", "verify", "--from-storage", f"file://{folder.folder}/points", "--key",
                     str(folder.folder / "audit.key"))
    assert "intact and signed" in out.stdout
    assert folder.cli("audit", "verify").returncode == 0


def test_edits_and_gaps_are_pinpointed(folder):
    """Whoever changes the store: the places are named, all of them."""
    random.seed(7)
    files = store(folder)
    edited, gone, last = files[1], files[3], files[-1]
    kept = {p: p.read_bytes() for p in (edited, gone, last)}
    at = random.randrange(len(kept[edited]))
    try:
        for p in (edited, gone, last):
            p.chmod(0o600)
        edited.write_bytes(kept[edited][:at] + bytes([kept[edited][at] ^ 4]) + kept[edited][at + 1:])
        gone.unlink()
        last.write_bytes(kept[last].replace(b'"bob"', b'"eve"', 1))
        status, told = verify(folder)
        assert status == 1 and not told["intact"]
        (log,) = told["logs"]
        where = [b["file"] for b in log["breaks"]]
        assert where[0].startswith(edited.stem) and where[1] == files[4].name, log
        assert where[2].startswith(last.stem)
        line = kept[edited][:at].count(b"\n") + 1
        assert where[0].endswith(".head") or log["breaks"][0]["line"] in (line, line + 1)
        first = int(re.search(r"\d+", gone.name)[0])
        assert log["breaks"][1]["seq"] == first and "are missing" in log["breaks"][1]["why"]
        text = folder.cli("audit", "verify", "--from-storage", check=False).stdout
        assert text.count("BROKEN") == 3 and gone.stem not in text.splitlines()[0]
    finally:
        for p, content in kept.items():
            p.write_bytes(content)
    assert verify(folder)[0] == 0


def test_progress_is_kept(folder):
    """What is there is not sent again; without the note of it, it is compared."""
    note = folder.folder / "audit" / "uploaded.json"
    assert json.loads(note.read_text())["first"] == int(re.search(r"\d+", store(folder)[-1].name)[0])
    folder.stop()
    note.unlink()
    folder.start()
    uploaded(folder)
    assert values(folder)[NOT_SENT] == 0 and verify(folder)[0] == 0


def test_another_object_in_the_place_is_told(folder):
    folder.stop()
    first = store(folder)[0]
    kept = first.read_bytes()
    first.chmod(0o600)
    first.write_bytes(kept[:-5] + b"xxxx\n")
    (folder.folder / "audit" / "uploaded.json").unlink()
    try:
        folder.start()
        wait_until(lambda: values(folder)[NOT_SENT] > 0)
        wait_until(lambda: "the store has something else" in folder.log())
        work(folder, 4)  # which is held up by nothing
        wait_until(lambda: local(folder)[-1] == store(folder)[-1].name and values(folder)[WAITING] == 1)
        assert "uploaded.json" not in [p.name for p in (folder.folder / "audit").iterdir()]
    finally:
        folder.stop()
        first.write_bytes(kept)
        folder.start()
    uploaded(folder)


def test_restores_are_uploaded_too(pg, folder):
    """What the command line records has a file of its own each time."""
    with pg.admin() as c:
        c.execute("CREATE TABLE public.sent (id int PRIMARY KEY); ALTER TABLE public.sent OWNER TO app_trust")
    try:
        made = json.loads(folder.cli("snapshot", "--database", "app", "--json", "public.sent").stdout)
    finally:
        with pg.admin() as c:
            c.execute("DROP TABLE public.sent")
    point = re.search(r"RP-[0-9A-Z]+", json.dumps(made))[0]
    sent = folder.folder / "points" / "audit"
    for n, what in enumerate(("hold", "release"), 1):
        folder.cli("points", what, point, "--reason", "a case")
        wait_until(lambda: len(list(sent.glob("restore-*/*.head"))) == n)
    status, told = verify(folder)
    assert status == 0 and [x["log"].split("-")[0] for x in told["logs"]] == ["gateway", "restore"]


def test_a_dead_store_blocks_nothing(pg, tmp_path):
    """Work goes on, all stays here, the lag is told; when it is back, it gets all of it."""
    with s3servers.double() as server:
        url = server.url("evidence", timeout="1s", credentials=server.credentials(tmp_path))
        g = a_gateway(pg, upload=url)
        with running(g, "bob"):
            work(g)
            uploaded(g)
            server.double.faults += [Fault(m, "", "drop early", times=10000)
                                     for m in ("PUT", "GET", "HEAD")]
            before = local(g)
            began = time.monotonic()
            work(g)
            assert time.monotonic() - began < 5
            wait_until(lambda: values(g)[NOT_SENT] > 0 and values(g)[LAG] > 0, seconds=20)
            assert values(g)[WAITING] > 0 and len(local(g)) > len(before)
            assert set(before) <= set(local(g)) and "again_in_s" in g.log()
            for path in (g.folder / "audit").glob("*.jsonl"):
                os.utime(path, (1, 1))
            found = {c["check"]: c for c in json.loads(g.cli("doctor", "--json", check=False).stdout)["checks"]}
            assert found["audit.upload"]["level"] == "warn"
            g.stop()
            server.double.faults.clear()
            g.start()
            uploaded(g)
            found = {c["check"]: c for c in json.loads(g.cli("doctor", "--json", check=False).stdout)["checks"]}
            assert found["audit.upload"]["level"] == "ok"
            assert g.cli("audit", "verify").returncode == 0
            status, told = verify(g)
            assert status == 0 and told["files"] == len(local(g))
            assert server.keys[1] not in g.log()


def test_objects_are_locked(pg, tmp_path):
    """A server of others, whose bucket has locks: nobody deletes what has arrived."""
    with s3servers.moto() as server:
        url = server.url("evidence", bucket="locked", lock="governance", lock_days="7",
                         credentials=server.credentials(tmp_path))
        g = a_gateway(pg, upload=url)
        with running(g, "bob"):
            work(g)
            uploaded(g)
            assert verify(g)[0] == 0
        client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{server.port}", region_name="us-east-1",
                              aws_access_key_id=server.keys[0], aws_secret_access_key=server.keys[1])
        found = client.list_objects_v2(Bucket="locked", Prefix="evidence/audit/")["Contents"]
        assert len([o for o in found if o["Key"].endswith(".jsonl")]) >= 3
        for o in found:
            kept = client.head_object(Bucket="locked", Key=o["Key"])
            assert kept["ObjectLockMode"] == "GOVERNANCE"
            assert 6.9 < (kept["ObjectLockRetainUntilDate"].timestamp() - time.time()) / 86400 < 7.1
