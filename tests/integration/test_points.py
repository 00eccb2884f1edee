"""The recovery points of a gateway, seen through `backstop points`."""

import json
import pathlib

import pytest

from conftest import Gateway, running
from operator_side import Operator

MADE = """
DROP SCHEMA IF EXISTS kept CASCADE;
CREATE SCHEMA kept AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE kept.things (id serial PRIMARY KEY, v text);
INSERT INTO kept.things (v) SELECT 'v' || n FROM generate_series(1, 300) n;
CREATE VIEW kept.seen AS SELECT v FROM kept.things;
RESET ROLE;
"""


@pytest.fixture(scope="module")
def point(pg):
    """A gateway through which a table was dropped with approval, and that point's id."""
    with pg.admin() as c:
        c.execute(MADE)
    g = Gateway(pg)
    operator = Operator(g)
    with running(g, "bob") as g:
        with g.connect("bob", autocommit=True) as c:
            decider = operator.deciding("approve")
            c.execute("DROP TABLE kept.things CASCADE")
            ticket = decider.done()
        listed = answer(g, "list")["points"]
        assert len(listed) == 1
        g.ticket = ticket["id"]
        yield g, listed[0]["point"]


def answer(gateway, *args, status=0):
    out = gateway.cli("points", *args, "--json", check=False)
    assert out.returncode == status, out.stdout + out.stderr
    return json.loads(out.stdout)


def test_list(point):
    g, id = point
    entry = answer(g, "list", "--database", "app")["points"][0]
    assert entry["point"] == id
    assert entry["kind"] == "DROP TABLE"
    assert entry["agent"] == "bob" and entry["approver"] == "kim" and entry["ticket"] == g.ticket
    assert entry["rows"] == 300 and entry["mode"] == "whole"
    assert [(t["schema"], t["name"], t["rows"]) for t in entry["tables"]] == [("kept", "things", 300)]
    assert entry["outcome"] == "committed" and entry["proof"] == "read-back"
    assert answer(g, "list", "--database", "elsewhere")["points"] == []
    assert answer(g, "list", "--limit", "0")["points"] == []
    text = g.cli("points", "list").stdout
    assert id in text and "kept.things" in text and "committed" in text


def test_show_by_a_unique_beginning(point):
    g, id = point
    shown = answer(g, "show", id[3:20].lower())
    assert shown["point"] == id
    assert [e["state"] for e in shown["events"]][:2] == ["armed", "committed"]
    assert int(shown["events"][0]["xid"]) > 0
    m = shown["manifest"]
    assert m["objects"][0]["row_count"] == 300
    assert {"view"} <= {d["type"] for d in m["closure"] if not d["part"]}
    assert m["sequences"][0]["name"] == "things_id_seq" and m["sequences"][0]["last_value"] == 300
    assert m["schema"]["key"].endswith(".dump")
    text = g.cli("points", "show", id).stdout
    assert "kept.things" in text and "view kept.seen" in text and "armed" in text


def test_wrong_names(point):
    g, _ = point
    assert answer(g, "show", "RP-ZZZZZZ", status=65)["error"]["code"] == "NOT_FOUND"
    assert answer(g, "show", "RP", status=64)["error"]["code"] == "USAGE"
    assert answer(g, "verify", status=64)["error"]["code"] == "USAGE"
    assert answer(g, "verify", "RP-ZZZZZZ", status=65)["error"]["code"] == "NOT_FOUND"


def test_damage_is_found_told_and_noted(point):
    g, id = point
    report = answer(g, "verify", id)
    assert report["ok"] and report["points"][0]["rows"] == 300
    assert answer(g, "list")["points"][0]["proof"] == "verified"
    rows, = pathlib.Path(g.folder, "points").glob(f"**/{id}/t/*.copybin.zst")
    whole = rows.read_bytes()
    rows.chmod(0o600)
    rows.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    report = answer(g, "verify", "--all", status=1)
    assert not report["ok"] and report["points"][0]["damaged"].endswith(rows.name)
    assert answer(g, "list")["points"][0]["proof"] == "damaged"
    assert answer(g, "list")["points"][0]["outcome"] == "committed"
    rows.unlink()
    out = g.cli("points", "verify", id, check=False)
    assert out.returncode == 1 and "missing" in out.stdout
    rows.write_bytes(whole)
    assert answer(g, "verify", id)["ok"]
    assert answer(g, "list")["points"][0]["proof"] == "verified"
    manifest, = pathlib.Path(g.folder, "points").glob(f"**/{id}/manifest.json")
    text = manifest.read_text()
    manifest.chmod(0o600)
    manifest.write_text(text.replace('"row_count":300', '"row_count":299'))
    assert answer(g, "verify", id, status=1)["points"][0]["error"].startswith("the manifest")
    assert "error" in answer(g, "list")["points"][0]
    assert answer(g, "show", id, status=1)["error"]["code"] == "DAMAGED"
    manifest.write_text(text)
    event = sorted(manifest.parent.glob("events/*-committed.json"))[0]
    for file in (event, manifest.parent / "intent.json"):
        said = file.read_bytes()
        file.chmod(0o600)
        file.write_bytes(said[:-3])
        report = answer(g, "verify", "--all", status=1)
        assert report["points"][0]["damaged"].endswith(file.name)
        file.write_bytes(said)
        assert answer(g, "verify", id)["ok"]
    manifest.unlink()
    report = answer(g, "verify", "--all", status=1)
    assert report["points"][0]["damaged"].endswith("manifest.json")
    manifest.write_text(text)
