"""`backstop agents`, `operators` and `audit`, beside a gateway that runs."""

import csv
import hashlib
import io
import json
import shutil
import stat

import psycopg
import pytest

from conftest import Gateway, running, wait_until


@pytest.fixture(scope="module")
def gw(pg):
    with running(Gateway(pg), "alice") as g:
        yield g


def records(gw):
    return [json.loads(line) for line in gw.cli("audit", "tail", "-n", "100000", "--json")
            .stdout.splitlines()]


def test_an_agent_added_while_it_runs_is_let_in_and_revoked_is_not(gw):
    gw.add_agent("bob")
    with gw.connect("bob") as c:
        assert c.execute("SELECT 1").fetchone() == (1,)
    gw.cli("agents", "revoke", "bob")
    with pytest.raises(psycopg.OperationalError):
        gw.connect("bob")
    assert gw.cli("agents", "revoke", "bob", check=False).returncode == 1
    gw.add_agent("bob")  # the name may be given again, with another password
    gw.connect("bob").close()


def test_a_rotated_password_replaces_the_old_one(gw):
    old = gw.add_agent("carol")
    new = json.loads(gw.cli("agents", "rotate", "carol", "--json").stdout)["password"]
    assert new != old
    with pytest.raises(psycopg.OperationalError):
        gw.connect("carol")
    gw.passwords["carol"] = new
    gw.connect("carol").close()


def test_what_the_command_line_did_is_in_the_audit(gw):
    gw.cli("agents", "add", "dave", "--database", "app", "--owner", "dora", "--json")
    gw.cli("operators", "add", "kim", "--role", "approver", "--json")
    done = wait_until(lambda: [r for r in records(gw) if r.get("action") == "operator.add"])
    assert done[0]["subject"] == "kim" and done[0]["detail"] == {"role": "approver"}
    added = [r for r in records(gw) if r.get("subject") == "dave"]
    assert added[0]["detail"] == {"databases": ["app"], "owner": "dora"}
    assert added[0]["operator"].startswith("local:")


def test_secrets_are_shown_once_and_stored_nowhere(gw):
    password = gw.add_agent("erin")
    token = json.loads(gw.cli("operators", "add", "lee", "--json").stdout)["token"]
    assert token.startswith("bso_") and len(token) >= 36 and len(password) >= 32
    wait_until(lambda: [r for r in records(gw) if r.get("subject") == "lee"])
    for file in gw.folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert token.encode() not in content, file
            assert password.encode() not in content, file
    listed = gw.cli("agents", "list").stdout + gw.cli("operators", "list", "--json").stdout
    assert token not in listed and password not in listed and "SCRAM" not in listed


def test_the_state_is_private(gw):
    for file in gw.folder.glob("state.db*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for file in (gw.folder / "audit").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("args, status", [
    (["agents", "add", "Upper", "--database", "app"], 64),
    (["agents", "add", "x", "--database", "nowhere"], 64),
    (["agents", "add", "x"], 64),
    (["agents", "add", "x", "--database", "app", "--expires", "soon"], 64),
    (["agents", "add", "alice", "--database", "app"], 1),
    (["agents", "revoke", "nobody"], 65),
    (["agents", "rotate", "nobody"], 65),
    (["operators", "add", "x", "--role", "king"], 64),
    (["operators", "revoke", "nobody"], 65),
])
def test_wrong_use_is_told(gw, args, status):
    out = gw.cli(*args, check=False)
    assert out.returncode == status
    assert out.stderr.startswith("backstop: error: ")


def test_an_expired_agent_is_not_let_in(gw):
    out = gw.cli("agents", "add", "brief", "--database", "app", "--expires", "1500ms", "--json")
    gw.passwords["brief"] = json.loads(out.stdout)["password"]
    gw.connect("brief").close()

    def refused():
        try:
            gw.connect("brief").close()
        except psycopg.OperationalError:
            return True
        return False
    wait_until(refused)


def test_audit_verify_finds_a_forged_log(pg, tmp_path):
    """Every line and the head fit each other, but whoever wrote them could not sign."""
    with running(Gateway(pg), "alice") as g:
        with g.connect() as c:
            c.execute("SELECT 'before'")
        wait_until(lambda: any(r["kind"] == "session_close" for r in records(g)))
        folder = g.folder / "audit"
        public = tmp_path / "audit.pub"
        public.write_text(g.cli("audit", "key").stdout)
        assert "PRIVATE" not in public.read_text() and "PUBLIC" in public.read_text()
        assert oct((g.folder / "audit.key").stat().st_mode & 0o777) == "0o600"
        g.stop()
        copy = tmp_path / "copy"
        shutil.copytree(folder, copy)
        assert "intact and signed" in g.cli("audit", "verify", "--key", str(public), str(copy)).stdout
        prev, lines = "0" * 64, []
        segment = next(copy.glob("audit-*.jsonl"))
        for line in segment.read_bytes().splitlines():
            seq, rest = line.split(b',"prev":"')[0], line.split(b',"prev":"')[1][64:]
            lines.append(seq + b',"prev":"' + prev.encode() + rest.replace(b'"alice"', b'"malory"'))
            prev = hashlib.sha256(lines[-1]).hexdigest()
        segment.write_bytes(b"\n".join(lines) + b"\n")
        head = json.loads((copy / "head.json").read_text())
        assert head["seq"] == len(lines)
        (copy / "head.json").write_text(json.dumps(head | {"hash": prev}, separators=(",", ":")).ljust(319) + "\n")
        told = g.cli("audit", "verify", str(copy))
        assert "intact" in told.stdout and "signatures were not checked" in told.stdout
        told = g.cli("audit", "verify", "--json", "--key", str(public), str(copy), check=False)
        assert told.returncode == 1 and json.loads(told.stdout)["break"]["file"] == "head.json"


def test_audit_export_takes_what_fits(gw, tmp_path):
    gw.add_agent("dora")
    with gw.connect("dora") as c, gw.connect("alice") as other:
        c.autocommit = other.autocommit = True
        c.execute("SELECT 'a \"quote\", a comma'")
        other.execute("SELECT 'not hers'")
    wait_until(lambda: any(r["kind"] == "session_close" and r["actor"] == "dora" for r in records(gw)))

    def export(*options):
        return [json.loads(x) for x in gw.cli("audit", "export", *options).stdout.splitlines()]
    whole = export()
    lines = [x for f in sorted((gw.folder / "audit").glob("audit-*.jsonl")) for x in open(f)]
    assert gw.cli("audit", "export", str(gw.folder / "audit")).stdout.splitlines()[:len(whole)] \
        == [x.rstrip("\n") for x in lines][:len(whole)]
    hers = export("--actor", "dora")
    assert hers == [r for r in whole if r.get("actor") == "dora"] and len(hers) >= 3
    reads = export("--actor", "dora", "--kind", "judged", "--risk", "SAFE")
    assert "SELECT 'a \"quote\", a comma'" in [r["statement"] for r in reads]
    assert all(r["kind"] == "judged" and r["risk"] == "SAFE" for r in reads)
    at = reads[-1]["at"]
    assert export("--since", at)[0]["at"] == at
    assert all(r["at"] < at for r in export("--until", at)) and export("--until", at)
    made = [{"seq": 1, "at": at, "kind": "judged", "ticket": "T-1", "effects": [{"object": "public.a"}, {"object": "public.b"}]},
            {"seq": 2, "at": at, "kind": "judged", "ticket": "T-2", "effects": [{"object": "public.c"}]}]
    (tmp_path / "audit-000000000001.jsonl").write_text("".join(json.dumps(r, separators=(",", ":")) + "\n" for r in made))
    assert export("--table", "public.b", str(tmp_path)) == made[:1]
    assert export("--ticket", "T-2", str(tmp_path)) == made[1:]
    assert export("--ticket", "T-2", "--table", "public.b", str(tmp_path)) == []
    rows = list(csv.DictReader(io.StringIO(gw.cli("audit", "export", "--format", "csv", "--actor", "dora").stdout)))
    assert [(int(r["seq"]), r["statement"]) for r in rows] == [(r["seq"], r.get("statement", "")) for r in hers]
    for wrong in (("--since", "yesterday"), ("--format", "xml")):
        assert gw.cli("audit", "export", *wrong, check=False).returncode == 64


def test_audit_verify_finds_an_edit(pg):
    with running(Gateway(pg), "alice") as g:
        with g.connect() as c:
            c.execute("SELECT 'before'")
        wait_until(lambda: any(r["kind"] == "session_close" for r in records(g)))
        assert "intact" in g.cli("audit", "verify").stdout
        segment = next((g.folder / "audit").glob("audit-*.jsonl"))
        head = g.folder / "audit" / "head.json"
        wait_until(lambda: json.loads(head.read_text())["seq"] == records(g)[-1]["seq"])
        was = segment.read_bytes()
        segment.write_bytes(was.replace(b'"subject":"alice"', b'"subject":"malory"', 1))
        out = g.cli("audit", "verify", "--json", check=False)
        verdict = json.loads(out.stdout)
        assert out.returncode == 1 and not verdict["intact"]
        assert verdict["break"]["file"] == segment.name and verdict["break"]["line"] == 3
        segment.write_bytes(was[:was.rindex(b"\n", 0, -1) + 1])
        assert g.cli("audit", "verify", check=False).returncode == 1
        segment.write_bytes(was)
        assert g.cli("audit", "verify").returncode == 0
