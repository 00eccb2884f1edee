"""The audit without the values in it: literals, parameters, what servers say of them; tickets have them."""

import json
import re
import subprocess

import psycopg
import pytest

from conftest import binary, running, wait_until
from operator_side import Operator
from test_policy import Ground

SCHEMA = """
DROP SCHEMA IF EXISTS hush CASCADE;
CREATE SCHEMA hush AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE hush.t (id int PRIMARY KEY, v text);
INSERT INTO hush.t SELECT n, 'secret-' || n FROM generate_series(1, 50) n;
RESET ROLE;
"""
DIGEST = re.compile(r"~[a-z2-7]{12}")


@pytest.fixture(scope="module")
def ground(pg):
    with pg.admin() as c:
        c.execute(SCHEMA)
    audit = {"redact": "all"}
    g = Ground(pg, policy={"rules": []}, extra={"hold": {"wait": "20s"}})
    config = json.loads(g.gateway.config.read_text())
    config["audit"].update(audit)
    g.gateway.config.write_text(json.dumps(config))
    with running(g.gateway, "bob"):
        yield g
    with pg.admin() as c:
        c.execute("DROP SCHEMA hush CASCADE")


def digest(ground, value, *args):
    out = subprocess.run([binary(), "audit", "digest", "--config", str(ground.gateway.config), *args],
                         input=value, capture_output=True, text=True, check=True)
    return out.stdout.strip()


def statements(ground):
    return [r["statement"] for r in ground.audit() if "statement" in r]


def raw(ground):
    return "".join(p.read_text() for p in (ground.gateway.folder / "audit").glob("audit-*.jsonl"))


def test_equal_values_can_be_found(ground):
    wanted = digest(ground, "secret-7")
    assert DIGEST.fullmatch(wanted) and digest(ground, "secret-7\n") == wanted != digest(ground, "secret-8")
    with ground.connect() as c:
        for _ in range(3):  # judged, kept, found
            c.execute("SELECT id FROM hush.t WHERE v = 'secret-7' -- secret-7")
        c.execute("SELECT v FROM hush.t WHERE id = 4711")
        c.execute("SELECT v FROM hush.t WHERE id = 4712")
        c.execute("SELECT v FROM hush.t WHERE id = 4711")
        with pytest.raises(psycopg.Error):
            c.execute("SELECT 'secret-7' FROM FROM t")
        with pytest.raises(psycopg.Error):
            c.execute("SELECT 'a' 'secret-7'")
    wait_until(lambda: "WHERE id" in raw(ground) and len(statements(ground)) >= 8)
    ground.gateway.cli("audit", "verify")
    shape = f"SELECT id FROM hush.t WHERE v = '{wanted}' "
    ours = [s for s in statements(ground) if s.startswith("SELECT")]
    assert ours.count(shape) == 3, ours
    by_id = [s for s in ours if "WHERE id" in s]
    assert len(by_id) == 3 and by_id[0] == by_id[2] != by_id[1]
    assert f"id = '{digest(ground, '4711')}'" in by_id[0]
    assert "secret" not in raw(ground) and "4711" not in raw(ground)


def test_the_operator_decides_by_the_values(ground):
    decider = ground.operator.deciding()
    with ground.connect() as c:
        c.execute("DELETE FROM hush.t WHERE v = %s AND id = 3", ("secret-3",))
    decider.join(20)
    assert "secret-3" in json.dumps(decider.ticket) and "id = 3" in decider.ticket["sql"]
    wait_until(lambda: ground.audit(kind="outcome", statement_kind="DELETE"))
    found = ground.audit(statement_kind="DELETE")
    assert [r["kind"] for r in found] == ["judged", "outcome"]
    assert found[0]["params"] == f"$1 = '{digest(ground, 'secret-3')}'"
    assert f"id = '{digest(ground, '3')}'" in found[0]["statement"] == found[1]["statement"]
    assert found[1]["outcome"] == "committed"
    assert "secret" not in raw(ground)


def test_the_log_names_the_key_that_was_used(ground):
    started = ground.audit(kind="config", action="start")
    key = json.loads(digest(ground, "x", "--json"))["key"]
    assert started[-1]["detail"]["redact_key"] == key
    path = ground.gateway.folder / "audit.redact.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().strip() not in raw(ground) + ground.gateway.log()


def test_a_restores_condition_is_redacted_too(ground):
    point = [r["point"] for r in ground.audit(kind="outcome") if "point" in r][-1]
    out = ground.gateway.cli("restore", "copy-back", point, "--table", "hush.t",
                             "--where", "v = 'secret-3'", "--yes", check=False)
    print(out)
    told = "".join(p.read_text() for p in (ground.gateway.folder / "audit/restore").glob("*.jsonl"))
    assert "~" in told and "secret" not in told, told


def told(ground):
    out = json.loads(ground.gateway.cli("doctor", "--json", check=False).stdout)
    return {c["check"]: c["level"] for c in out["checks"]}["audit.redact"]


def test_doctor_looks_at_the_key(ground):
    path = ground.gateway.folder / "audit.redact.key"
    assert told(ground) == "ok"
    path.chmod(0o640)
    assert told(ground) == "fail"
    path.chmod(0o600)
    assert told(ground) == "ok"


def test_what_a_server_says_has_values(pg, ground):
    """A statement that fails by a value: the audit has that it failed, and no value of it."""
    with pg.admin() as c:
        c.execute("SET ROLE app_trust; CREATE TABLE hush.u (id int PRIMARY KEY, v text CHECK (v <> 'secret-u'));"
                  "INSERT INTO hush.u VALUES (1, 'x'); RESET ROLE")
    decider = ground.operator.deciding()
    with ground.connect() as c, pytest.raises(psycopg.Error):
        c.execute("UPDATE hush.u SET v = 'secret-u' WHERE id = 1")
    decider.join(20)
    wait_until(lambda: ground.audit(kind="outcome", statement_kind="UPDATE"))
    assert ground.audit(kind="outcome", statement_kind="UPDATE")[0]["outcome"] != "committed"
    assert "secret" not in raw(ground)


def test_what_is_denied_and_asked_again_has_values(ground):
    decider = ground.operator.deciding("deny")
    with ground.connect() as c, pytest.raises(psycopg.Error):
        c.execute("DELETE FROM hush.t WHERE v = 'secret-9'")
    decider.join(20)
    with ground.connect() as c, pytest.raises(psycopg.Error):
        c.execute("SET statement_timeout = '1s'")
        c.execute("DELETE FROM hush.t WHERE 'secret-9' = v AND true")
    again = wait_until(lambda: ground.audit(kind="evasion"))
    assert digest(ground, "secret-9") in again[0]["statement"]
    assert "secret" not in raw(ground)


def test_a_value_is_never_an_argument(ground):
    out = ground.gateway.cli("audit", "digest", "secret", check=False)
    assert out.returncode == 64
