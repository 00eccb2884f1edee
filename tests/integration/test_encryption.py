"""Encrypted recovery points: kept and given back through the gateway, unreadable without their key."""

import json
import pathlib
import secrets

import psycopg
import pytest

from conftest import Gateway, running
from operator_side import Operator

MADE = """
DROP SCHEMA IF EXISTS vault CASCADE;
CREATE SCHEMA vault AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE vault.people (id int PRIMARY KEY, name text);
INSERT INTO vault.people SELECT n, 'secretname' || n FROM generate_series(1, 100) n;
CREATE VIEW vault.seen AS SELECT name, 'onlyindefinition' AS mark FROM vault.people;
RESET ROLE;
"""


@pytest.fixture
def site(pg, tmp_path):
    with pg.admin() as c:
        c.execute(MADE)
    (tmp_path / "k1").write_bytes(secrets.token_bytes(32))
    (tmp_path / "k1").chmod(0o600)
    g = Gateway(pg, extra={"recovery": {"encryption": {"keys": f"file:{tmp_path}", "key": "k1"}}})
    g.keys = tmp_path
    g.operator = Operator(g)
    with running(g, "bob") as g:
        yield g


def do(g, statement):
    with g.connect("bob", autocommit=True) as c:
        decider = g.operator.deciding("approve")
        c.execute(statement)
        decider.done()
    return json.loads(g.cli("points", "list", "--json").stdout)["points"][0]["point"]


def stored(g):
    return b"".join(f.read_bytes() for f in pathlib.Path(g.folder, "points").rglob("*")
                    if f.is_file())


def people(pg):
    with pg.admin() as c:
        return c.execute("SELECT * FROM vault.people ORDER BY id").fetchall()


def test_what_was_lost_comes_back_and_nothing_of_it_is_readable(site, pg):
    before = people(pg)
    changed = do(site, "UPDATE vault.people SET name = 'gone' WHERE name <> 'literalnobodysees'")
    dropped = do(site, "DROP TABLE vault.people CASCADE")
    for text in (b"secretname", b"onlyindefinition", b"literalnobodysees"):
        assert text not in stored(site)
    assert b'"cipher":"AES-256-GCM"' in stored(site)
    site.cli("points", "verify", changed, dropped)
    assert "literalnobodysees" in site.cli("restore", "preview", changed).stdout
    site.cli("restore", "copy-back", dropped, "--yes")
    site.cli("restore", "copy-back", changed, "--conflict", "overwrite", "--yes")
    assert people(pg) == before
    with pg.admin() as c:
        assert c.execute("SELECT count(*) FROM vault.seen").fetchone()[0] == 100


def test_keys_change_and_a_deleted_one_takes_its_points_along(site, pg):
    old = do(site, "DELETE FROM vault.people WHERE id <= 10")
    (site.keys / "k2").write_text(secrets.token_hex(32) + "\n")
    config = json.loads(site.config.read_text())
    config["recovery"]["encryption"]["key"] = "k2"
    site.config.write_text(json.dumps(config))
    site.stop()
    site.start()
    new = do(site, "DELETE FROM vault.people WHERE id BETWEEN 11 AND 20")
    site.cli("points", "verify", old, new)
    (site.keys / "k1").unlink()
    out = site.cli("points", "verify", old, check=False)
    assert out.returncode != 0 and '"k1"' in out.stdout + out.stderr
    out = site.cli("restore", "copy-back", old, "--yes", check=False)
    assert out.returncode == 78 and '"k1"' in out.stderr
    site.cli("restore", "copy-back", new, "--yes")
    assert len(people(pg)) == 90
    # It is not damage: with the key again, it would open.
    assert "damaged" not in site.cli("points", "show", old).stdout


def test_without_the_key_nothing_that_destroys_runs(site, pg):
    before = people(pg)
    (site.keys / "k1").unlink()
    with site.connect("bob", autocommit=True) as c:
        decider = site.operator.deciding("approve")
        with pytest.raises(psycopg.Error) as e:
            c.execute("DELETE FROM vault.people")
        decider.done()
    assert e.value.sqlstate == "ZB004"
    assert people(pg) == before
    found = json.loads(site.cli("doctor", "--json", check=False).stdout)["checks"]
    bad = [f for f in found if f["check"] == "encryption"]
    assert len(bad) == 1 and bad[0]["level"] == "fail" and 'k1' in json.dumps(bad[0])


def test_the_doctor_reads_the_key(site):
    def findings():
        found = json.loads(site.cli("doctor", "--json", check=False).stdout)["checks"]
        return {f["check"]: f["level"] for f in found if f["check"].startswith("encryption")}
    assert findings() == {"encryption": "ok"}
    (site.keys / "k1").chmod(0o644)
    assert findings() == {"encryption": "ok", "encryption.file": "fail"}


def test_a_snapshot_names_what_is_under_the_same_key_only(site, pg):
    config = json.loads(site.config.read_text())
    config["snapshots"] = [{"name": "n", "database": "app", "tables": ["vault.*"], "every": "1h",
                            "keep": {"count": 9}}]
    site.config.write_text(json.dumps(config))

    def snapshot():
        return json.loads(site.cli("snapshot", "--schedule", "n", "--json").stdout)

    with pg.admin() as c:
        c.execute("CREATE TABLE vault.still (id int); INSERT INTO vault.still VALUES (1), (2)")
    first, second, third = snapshot(), snapshot(), snapshot()
    assert first["unchanged"] == 0 and second["unchanged"] == 2 and third["unchanged"] == 2
    site.cli("points", "verify", *(s["point"] for s in (first, second, third)))
    site.cli("restore", "run", third["point"])
    (site.keys / "k2").write_text(secrets.token_hex(32) + "\n")
    config["recovery"]["encryption"]["key"] = "k2"
    site.config.write_text(json.dumps(config))
    fourth = snapshot()
    assert fourth["unchanged"] == 0
    del config["recovery"]["encryption"]["key"]
    site.config.write_text(json.dumps(config))
    fifth = snapshot()
    assert fifth["unchanged"] == 0
    (site.keys / "k1").unlink()
    site.cli("points", "verify", fourth["point"], fifth["point"])
    assert site.cli("points", "verify", third["point"], check=False).returncode != 0
