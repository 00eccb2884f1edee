"""Points that are proven by loading them: the grade `restored`, for all or by a rule."""

import json
import os
import subprocess
import time

import psycopg
import pytest

from conftest import binary, wait_until
from place import a_place

ANN = {"actors": ["ann"], "risk": ["SAFE", "HIGH", "CRITICAL"], "action": "allow"}
RULES = [{**ANN, "name": "all", "objects": ["ground.*"]},
         {**ANN, "name": "sacred", "objects": ["ground.sacred", "ground.nested"],
          "require": {"grade": "restored"}},
         {"name": "asked for", "actors": ["bob"], "objects": ["ground.sacred"], "action": "approve",
          "require": {"grade": "restored"}},
         {**ANN, "name": "emptying", "kinds": ["TRUNCATE"], "objects": ["ground.t"],
          "require": {"grade": "restored"}}]

SACRED = """
SET ROLE app_trust;
CREATE TYPE ground.mood AS ENUM ('sad', 'ok', 'it''s');
CREATE DOMAIN ground.short AS varchar(5) CHECK (VALUE <> '');
CREATE DOMAIN ground.feeling AS ground.mood;
CREATE TYPE ground.span AS RANGE (subtype = ground.short, collation = "C");
CREATE TABLE ground.sacred (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, m ground.mood,
    d ground.short NOT NULL, f ground.feeling, n numeric(9,2)[], "odd ""name" jsonb, r int4range,
    s ground.span, p ground.span_multirange, twice numeric GENERATED ALWAYS AS (id * 2) STORED,
    at timestamptz, raw bytea, x char(3));
INSERT INTO ground.sacred (m, d, f, n, "odd ""name", r, s, p, at, raw, x) SELECT
    CASE WHEN g % 3 = 0 THEN 'it''s' ELSE 'ok' END::ground.mood, 'd' || g % 90, 'sad',
    ARRAY[g, g + 0.5], jsonb_build_object('g', g), int4range(g, g + 3), ground.span('a', 'c'),
    '{[a,b),[d,e)}', now(), decode('00ff', 'hex'), 'ä' FROM generate_series(1, 400) g;
CREATE TABLE ground.nested (id int, m ground.mood[]);
INSERT INTO ground.nested VALUES (1, '{ok,sad}');
ANALYZE ground.sacred;
RESET ROLE;
"""


@pytest.fixture(scope="module")
def place(pg):
    with pg.admin("postgres") as c:
        c.execute("CREATE DATABASE scratch")
    scratch = pg.conninfo("backstop").replace("dbname=app", "dbname=scratch")
    with a_place(pg, rules=RULES, recovery={"scratch": scratch, "lock_budget": "4s"}) as place:
        place.scratch = scratch
        yield place
    with pg.admin("postgres") as c:
        c.execute("DROP DATABASE scratch WITH (FORCE)")


@pytest.fixture(autouse=True)
def ground(place):
    place.reset()
    with place.pg.admin() as c:
        c.execute(SACRED)
    yield
    with place.pg.admin("scratch") as c:  # nothing of it stays, however it ended
        c.execute("DROP EVENT TRIGGER IF EXISTS meddle")
        ended = time.monotonic() + 5
        while True:
            left = c.execute("SELECT pid FROM pg_stat_activity WHERE datname = 'scratch' AND"
                             " application_name = 'backstop/helper'").fetchall()
            if not left:
                break
            assert time.monotonic() < ended, left
            time.sleep(0.02)
        assert c.execute("SELECT relname FROM pg_class WHERE relname LIKE 'backstop%'").fetchall() == []
        assert c.execute("SELECT typname FROM pg_type WHERE typname LIKE '%type %'").fetchall() == []


def run(place, *statements):
    """The SQLSTATE of the first that fails; None."""
    with place.connect() as c:
        try:
            for sql in statements:
                c.execute(sql)
        except psycopg.Error as error:
            return error.sqlstate
    return None


def newest(place):
    points = json.loads(place.gateway.cli("points", "list", "--json").stdout)["points"]
    point = max(points, key=lambda p: p["point"])["point"]
    return json.loads(place.gateway.cli("points", "show", point, "--json").stdout)


def grade(place):
    proof, = newest(place)["manifest"]["proofs"]
    return proof["level"]


WAYS = {
    "whole": "TRUNCATE ground.sacred",
    "dropped": "DROP TABLE ground.sacred",
    "rows before": "DELETE FROM ground.sacred WHERE id = 7",
    "rows after": "DO $$BEGIN UPDATE ground.sacred SET d = 'x' WHERE id < 9; END$$",
    "a column": "ALTER TABLE ground.sacred DROP COLUMN n",
}


@pytest.mark.parametrize("way", WAYS)
def test_what_a_rule_wants_restored_is(place, way):
    assert run(place, WAYS[way]) is None, place.gateway.log()[-2000:]
    assert grade(place) == "restored"
    assert newest(place)["outcome"] == "committed"


def test_what_no_rule_wants_restored_is_read_back(place):
    assert run(place, "DELETE FROM ground.child WHERE id = 1") is None
    assert grade(place) == "read-back"


def test_the_ticket_says_how_far_it_will_be_proven(place):
    with place.connect("bob") as c, pytest.raises(psycopg.Error) as error:
        c.execute("TRUNCATE ground.sacred")
    assert error.value.sqlstate == "ZB001"
    t, = place.operator.tickets()
    assert place.operator.ask("GET", f"/v1/tickets/{t['id']}")[1]["plan"]["grade"] == "restored"
    place.operator.decide(t["id"], "deny")


def test_text_goes_as_text(place):
    with place.pg.admin() as c:  # tsquery is not read back in binary
        c.execute("ALTER TABLE ground.sacred ADD q tsquery, ADD e ground.mood[]")
        c.execute("UPDATE ground.sacred SET q = 'fat & cat', e = '{ok,NULL}' WHERE id < 5")
    assert run(place, "TRUNCATE ground.sacred") is None, place.gateway.log()[-2000:]
    assert grade(place) == "restored"
    assert "text" in next(o for o in newest(place)["manifest"]["objects"])["format"]


def test_what_cannot_be_loaded_is_not_run(place):
    assert run(place, "TRUNCATE ground.nested") == "ZB004"
    log = place.gateway.log()
    assert "could not be restored for proof" in log and "ground.mood[]" in log
    assert "require read-back for this table" in log
    with place.pg.admin() as c:
        assert c.execute("SELECT count(*) FROM ground.nested").fetchone() == (1,)


MEDDLE = """
CREATE OR REPLACE FUNCTION public.other() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN NEW.c3 = 'other'; RETURN NEW; END$$;
CREATE OR REPLACE FUNCTION public.meddle() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
    {} END$$;
CREATE EVENT TRIGGER meddle ON ddl_command_end WHEN TAG IN ('CREATE TABLE')
    EXECUTE FUNCTION public.meddle();
"""
CHANGED = 'CREATE TRIGGER x BEFORE INSERT ON pg_temp."backstop scratch" FOR EACH ROW EXECUTE' \
          ' FUNCTION public.other();'


def test_rows_that_come_out_as_others_are_no_proof(place):
    with place.pg.admin("scratch") as c:
        c.execute(MEDDLE.format(CHANGED))
    assert run(place, "TRUNCATE ground.sacred") == "ZB004"
    assert "not the rows that went in" in place.gateway.log()
    assert newest(place)["outcome"] in ("abandoned", "incomplete", "not_used")


def test_it_ends_with_the_lock_budget(place):
    with place.pg.admin("scratch") as c:
        c.execute(MEDDLE.format("PERFORM pg_sleep(60);"))
    began = time.monotonic()
    with place.connect() as c, pytest.raises(psycopg.Error) as error:
        c.execute("TRUNCATE ground.sacred")
    assert error.value.sqlstate == "ZB004" and time.monotonic() - began < 8
    said = error.value.diag
    assert (said.message_primary, said.message_hint) == (
        "no recovery point could be made in time, so the statement was not run", "Tell the operator of this database.")
    for part in ("lock budget of 4.0 s was over while restoring", ' 400 rows in ',
                 "bytes, of which 400 rows were copied", "it takes 4.", "raise recovery.lock_budget"):
        wait_until(lambda: part in place.gateway.log())  # for the operator
    with place.pg.admin() as c:
        assert c.execute("SELECT count(*) FROM ground.sacred").fetchone() == (400,)


def test_the_next_ticket_says_that_it_would_take_too_long(place):
    with place.connect("bob") as c, pytest.raises(psycopg.Error):
        c.execute("TRUNCATE ground.sacred")
    t, = place.operator.tickets()
    plan = place.operator.ask("GET", f"/v1/tickets/{t['id']}")[1]["plan"]
    assert (plan["fits"], plan["budget_seconds"], plan["estimated_rows"]) == (False, 4.0, 400), plan
    assert plan["estimated_seconds"] > 4 and plan["estimated_bytes"] > 0
    shown = subprocess.run([binary(), "approvals", "show", t["id"], "--server",
                            place.operator.base], capture_output=True, text=True, timeout=30,
                           env={**os.environ, "BACKSTOP_TOKEN": place.operator.token}).stdout
    assert "DOES NOT FIT" in shown and "400 rows" in shown, shown
    place.operator.decide(t["id"], "deny")


def test_in_a_transaction_the_demand_only_rises(place):
    assert run(place, "BEGIN", "DELETE FROM ground.child", "DELETE FROM ground.t", "TRUNCATE ground.t"
               " CASCADE") == "ZB004"  # all of t was kept, and proven less
    assert run(place, "BEGIN", "DELETE FROM ground.inbox", "TRUNCATE ground.t CASCADE", "COMMIT"
               ) is None, place.gateway.log()[-2000:]
    assert grade(place) == "restored"
    assert run(place, "BEGIN", "DELETE FROM ground.sacred WHERE id = 1",
               "INSERT INTO ground.inbox (v) VALUES ('x')", "DELETE FROM ground.inbox", "COMMIT"
               ) is None, place.gateway.log()[-2000:]
    assert grade(place) == "restored"


def test_what_is_kept_at_the_end_is_proven_as_the_strictest_wants(place):
    with place.pg.admin() as c:
        c.execute("INSERT INTO ground.inbox (v) VALUES ('x')")
    change = "DO $$BEGIN UPDATE ground.{} WHERE id = 1; END$$"
    assert run(place, "BEGIN", change.format("inbox SET v = 'y'"), change.format("sacred SET d = 'x'"),
               "COMMIT") is None, place.gateway.log()[-2000:]
    assert {o["name"] for o in newest(place)["manifest"]["objects"]} == {"inbox", "sacred"}
    assert grade(place) == "restored"
    told = place.gateway.cli("explain", "--agent", "ann", "--json", "DELETE FROM ground.sacred")
    assert json.loads(told.stdout)["require"] == {"grade": "restored"}
    told = place.gateway.cli("explain", "--agent", "ann", "DELETE FROM ground.sacred")
    assert "proof       restored" in told.stdout, told.stdout


def doctor(config):
    out = subprocess.run([binary(), "doctor", "--json", "--config", str(config)], capture_output=True,
                         text=True, timeout=60).stdout
    finding, = [f for f in json.loads(out)["checks"] if f["check"] == "scratch"]
    return finding["level"], finding["message"]


def test_the_protected_database_is_no_scratch_database(place, tmp_path):
    """By another name and role than in the configuration."""
    config = json.loads(place.gateway.config.read_text())
    same = psycopg.conninfo.make_conninfo(place.scratch, dbname="app", user="postgres")
    config["recovery"] = {**config["recovery"], "grade": "restored", "scratch": same}
    other = tmp_path / "other.yaml"
    other.write_text(json.dumps(config))

    def snapshot():
        return subprocess.run([binary(), "snapshot", "ground.sacred", "--config", str(other)],
                              capture_output=True, text=True, timeout=30)

    said = snapshot()
    assert said.returncode != 0 and "protected database itself" in said.stderr, said
    assert doctor(other) == ("fail", "scratch database: it is the protected database itself")
    config["recovery"]["scratch"] = place.scratch.replace("dbname=scratch", "dbname=none")
    other.write_text(json.dumps(config))
    assert doctor(other)[0] == "fail"
    config["recovery"]["scratch"] = place.scratch
    other.write_text(json.dumps(config))
    assert doctor(other) == ("ok", "scratch database: scratch, as backstop")
    said = snapshot()
    assert said.returncode == 0, said
    assert grade(place) == "restored"
