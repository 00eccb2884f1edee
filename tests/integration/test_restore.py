"""The way back of what an agent destroyed through a gateway: `backstop restore`."""

import json
import os
import pty
import re
import subprocess

import pytest

from conftest import Gateway, binary, running
from operator_side import Operator

MADE = """
DROP SCHEMA IF EXISTS shop CASCADE;
CREATE SCHEMA shop AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TYPE shop.mood AS ENUM ('sad', 'ok');
CREATE TABLE shop.customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL,
    mood shop.mood DEFAULT 'ok', shout text GENERATED ALWAYS AS (upper(name)) STORED);
CREATE TABLE shop.orders (id serial PRIMARY KEY, total numeric,
    customer bigint REFERENCES shop.customers);
INSERT INTO shop.customers (name) SELECT 'c' || g FROM generate_series(1, 200) g;
INSERT INTO shop.orders (customer, total) SELECT g % 200 + 1, g FROM generate_series(1, 1000) g;
CREATE VIEW shop.v AS SELECT name FROM shop.customers;
CREATE VIEW shop.vv AS SELECT * FROM shop.v;
CREATE MATERIALIZED VIEW shop.mv AS SELECT count(*) AS n FROM shop.customers;
CREATE INDEX customers_name ON shop.customers (lower(name)) WHERE mood = 'sad';
CREATE INDEX customers_words ON shop.customers USING gin (string_to_array(name, ' '));
COMMENT ON INDEX shop.customers_words IS 'by word';
CREATE INDEX customers_z ON shop.customers (mood);
GRANT SELECT ON shop.customers TO app_pw;
COMMENT ON COLUMN shop.customers.name IS 'as they write it';
ALTER TABLE shop.customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON shop.customers FOR SELECT TO app_pw USING (id < 10);
RESET ROLE;
"""


@pytest.fixture(scope="module")
def door(pg):
    """A gateway, an agent "bob" and an operator."""
    g = Gateway(pg)
    g.operator = Operator(g)
    with running(g, "bob") as g:
        yield g


@pytest.fixture
def shop(door, pg):
    with pg.admin() as c:
        c.execute(MADE)
    return door


def picture(pg):
    """The schema as pg_dump writes it, and every row and sequence."""
    text = subprocess.run([pg.bin / "pg_dump", "-s", "-h", pg.folder, "-p", str(pg.port), "-U",
                           "postgres", "app"], check=True, capture_output=True, text=True).stdout
    lines = [x for x in text.splitlines() if not x.startswith(("\\restrict", "\\unrestrict"))]
    with pg.admin() as c:
        rows = [c.execute(f"SELECT x::text FROM {t} x ORDER BY 1").fetchall()
                for t in ("shop.customers", "shop.orders", "shop.vv", "shop.mv")]
        rows += [c.execute(f"SELECT last_value, is_called FROM shop.{s}").fetchall()
                 for s in ("customers_id_seq", "orders_id_seq")]
    return lines, rows


def destroy(gateway, statement):
    """The agent's statement, approved; the point that was made for it."""
    with gateway.connect("bob", autocommit=True) as c:
        decider = gateway.operator.deciding("approve")
        c.execute(statement)
        decider.done()
    return json.loads(gateway.cli("points", "list", "--json").stdout)["points"][0]["point"]


def answer(gateway, *args, status=0):
    out = gateway.cli("restore", *args, "--json", check=False)
    assert out.returncode == status, out.stdout + out.stderr
    return json.loads(out.stdout)


def count(pg, what):
    with pg.admin() as c:
        return c.execute(f"SELECT count(*) FROM {what}").fetchone()[0]


def test_a_dropped_table_comes_back_whole(shop, pg):
    before = picture(pg)
    point = destroy(shop, "DROP TABLE shop.customers CASCADE")
    assert count(pg, "pg_class WHERE relname IN ('customers', 'v', 'vv', 'mv')"
                 " AND relnamespace = 'shop'::regnamespace") == 0

    shown = answer(shop, "preview", point)
    assert shown["agent"] == "bob" and shown["approver"] == "kim"
    assert shown["statement"].startswith("DROP TABLE shop.customers")
    table = [t for t in shown["tables"] if t["name"] == "customers"][0]
    assert table["rows"] == 200 and not table["exists"]
    assert {"view", "table constraint"} <= {d["type"] for d in shown["cascade"]}
    text = shop.cli("restore", "preview", point).stdout
    assert "shop.customers" in text and "gone" in text and "view shop.vv" in text

    rebuilt = answer(shop, "run", point)["tables"]
    into = {t["name"]: f'{t["into_schema"]}.{t["into_name"]}' for t in rebuilt}
    assert into["customers"].startswith("recovery_" + point[-8:].lower())
    assert count(pg, into["customers"]) == 200
    assert answer(shop, "run", point, status=1)["error"]["code"] == "CONFLICT"

    found = answer(shop, "diff", point, status=1)
    assert not found["same"]
    assert [t["missing"] for t in found["tables"] if t["name"] == "customers"] == [200]

    done = answer(shop, "copy-back", point, "--yes")
    assert done["definition"] == "identical", done
    assert [(t["name"], t["inserted"], t["rebuilt"]) for t in done["tables"]] == [
        ("customers", 200, True)]
    assert answer(shop, "diff", point)["same"]
    gone = answer(shop, "discard", point, "--yes")["dropped"]
    assert len(gone) == len(rebuilt) + 1
    assert picture(pg) == before

    events = json.loads(shop.cli("points", "show", point, "--json").stdout)["events"]
    assert [e["details"]["step"] for e in events if e["state"] == "restored"] == ["run", "copy-back"]


def test_gin_indexes_are_built_with_memory_of_their_own(shop, pg):
    point = destroy(shop, "DROP TABLE shop.customers CASCADE")
    script = shop.cli("restore", "copy-back", point, "--plan").stdout
    before, rest = script.split("SET maintenance_work_mem = '16MB';")
    gin, after = rest.split("SET maintenance_work_mem = '256MB';")
    assert re.findall(r"CREATE INDEX (\w+)", before) == ["customers_name"]
    assert re.findall(r"CREATE INDEX (\w+)", gin) == ["customers_words"]
    assert re.findall(r"CREATE INDEX (\w+)", after) == ["customers_z"]
    assert "COMMENT ON INDEX shop.customers_words" in gin


def test_deleted_and_changed_rows_come_back(shop, pg):
    before = picture(pg)
    point = destroy(shop, "UPDATE shop.orders SET total = total")
    with pg.admin() as c:
        c.execute("DELETE FROM shop.orders WHERE id % 10 = 0")
        c.execute("UPDATE shop.orders SET total = -1 WHERE id IN (1, 2)")
        c.execute("INSERT INTO shop.orders (id, total) VALUES (77777, 1)")
    found = answer(shop, "diff", point, status=1)["tables"][0]
    assert (found["missing"], found["changed"], found["extra"]) == (100, 2, 1)
    assert found["examples"]["missing"][0] == {"id": 10} and len(found["examples"]["missing"]) == 10
    assert found["examples"]["changed"] == [{"id": 1}, {"id": 2}]
    assert found["examples"]["extra"] == [{"id": 77777}]
    assert found["columns"] == {"total": 2}

    # Without a terminal and without --yes, and with --plan, nothing is done.
    assert answer(shop, "copy-back", point, status=64)["error"]["code"] == "USAGE"
    plan = answer(shop, "copy-back", point, "--plan", "--conflict", "overwrite")["sql"]
    assert "INSERT INTO" in plan and "OVERRIDING SYSTEM VALUE" in plan and "UPDATE ONLY" in plan
    assert answer(shop, "copy-back", point, "--conflict", "never", status=64)
    answer(shop, "copy-back", point, "--yes", "--conflict", "abort", status=1)
    assert count(pg, "shop.orders") == 901

    done = answer(shop, "copy-back", point, "--yes")
    assert [(t["inserted"], t["updated"], t["skipped"]) for t in done["tables"]
            if t["name"] == "orders"] == [(100, 0, 2)]
    undo = done["before"]
    answer(shop, "copy-back", point, "--yes", "--conflict", "overwrite")
    with pg.admin() as c:
        c.execute("DELETE FROM shop.orders WHERE id = 77777")
    assert picture(pg) == before

    # The first copy-back made a point of its own: what was there before it.
    found = answer(shop, "diff", undo, status=1)["tables"][0]
    assert (found["missing"], found["changed"], found["extra"]) == (1, 2, 100)


def on_terminal(gateway, typed, *args):
    """Runs a verb with a terminal in front of it; (exit status, what it showed)."""
    parent, child = pty.openpty()
    with subprocess.Popen([binary(), "restore", *args, "--config", str(gateway.config)],
                          stdin=child, stdout=child, stderr=child, env=gateway.env) as process:
        os.close(child)
        os.write(parent, typed.encode())
        shown = b""
        while True:
            try:
                piece = os.read(parent, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        process.wait(60)
    os.close(parent)
    return process.returncode, shown.decode()


def test_asks_on_a_terminal(shop, pg):
    before = picture(pg)
    point = destroy(shop, "DELETE FROM shop.orders WHERE id < 4")
    status, shown = on_terminal(shop, "n\n", "copy-back", point)
    assert status == 1 and "3 rows put back" in shown and "nothing was done" in shown
    assert count(pg, "shop.orders") == 997
    status, shown = on_terminal(shop, "y\n", "copy-back", point)
    assert status == 0, shown
    assert picture(pg) == before


def test_a_damaged_point_gives_nothing(shop, pg):
    point = destroy(shop, "DELETE FROM shop.orders WHERE id < 4")
    object_ = next((shop.folder / "points").rglob(f"{point}/t/*"))
    object_.chmod(0o600)
    content = bytearray(object_.read_bytes())
    content[len(content) // 2] ^= 1
    object_.write_bytes(content)
    for verb in (["preview"], ["run"], ["diff"], ["copy-back", "--yes"]):
        assert answer(shop, *verb, point, status=1)["error"]["code"] == "DAMAGED"
    assert count(pg, "shop.orders") == 997
    assert count(pg, f"pg_namespace WHERE nspname = 'recovery_{point[-8:].lower()}'") == 0


def test_another_database_has_to_be_named(shop, pg):
    point = destroy(shop, "UPDATE shop.orders SET total = total")
    other = pg.conninfo("postgres").replace("dbname=app", "dbname=postgres")
    assert "dbname=postgres" in other
    # There is no such table there, and the point cannot make one; rows can go beside.
    assert answer(shop, "copy-back", point, "--yes", "--dsn", other, status=65)["error"][
        "code"] == "UNSUPPORTED"
    answer(shop, "run", point, "--table", "orders", "--dsn", other)
    with pg.admin("postgres") as c:
        schema = "recovery_" + point[-8:].lower()
        assert c.execute(f"SELECT count(*) FROM {schema}.orders").fetchone()[0] == 1000
    answer(shop, "discard", point, "--yes", "--dsn", other)


def test_every_step_is_on_record(shop, pg):
    point = destroy(shop, "DELETE FROM shop.orders WHERE id < 4")
    answer(shop, "preview", point)
    answer(shop, "copy-back", point, "--yes")
    folder = shop.folder / "audit" / "restore"
    assert shop.cli("audit", "verify", str(folder)).returncode == 0
    records = [json.loads(x) for f in sorted(folder.glob("audit-*")) for x in open(f)]
    mine = [(r["action"], r["outcome"]) for r in records if r.get("point") == point]
    assert mine == [("preview", "started"), ("preview", "done"), ("copy-back", "started"),
                    ("copy-back", "done")]

    # Who looks at the audit log sees both chains: the gateway's and this one.
    told = json.loads(shop.cli("audit", "verify", "--json").stdout)
    assert told["intact"] and [x["log"] for x in told["logs"]] == ["", "restore"]
    assert told["records"] == sum(x["records"] for x in told["logs"])
    tail = [json.loads(x) for x in shop.cli("audit", "tail", "-n", "3", "--json")
            .stdout.splitlines()]
    assert [(r["action"], r["outcome"]) for r in tail[1:]] == mine[2:]
    assert " restore #" in shop.cli("audit", "tail", "-n", "1").stdout
    newest = sorted(folder.glob("audit-*"))[-1]
    content = newest.read_bytes()
    newest.write_bytes(content.replace(b'"copy-back"', b'"copy-bacK"'))
    told = shop.cli("audit", "verify", "--json", check=False)
    assert told.returncode == 1 and not json.loads(told.stdout)["intact"]
    assert json.loads(told.stdout)["break"]["file"] == newest.name
    assert "restore: BROKEN" in shop.cli("audit", "verify", check=False).stdout
    newest.write_bytes(content)

    # What cannot be recorded is not done.
    destroyed = destroy(shop, "DELETE FROM shop.orders WHERE id < 4")
    kept = folder.with_name("restore.kept")
    folder.rename(kept)
    folder.write_text("not a folder")
    assert shop.cli("restore", "copy-back", destroyed, "--yes", check=False).returncode != 0
    assert count(pg, "shop.orders") == 997
    folder.unlink()
    kept.rename(folder)
