"""The verbs that need no gateway: init, check-config, explain, help."""

import json
import os
import pathlib
import stat
import subprocess

import psycopg
import pytest

from conftest import Gateway, binary


def run(*args, env=None, cwd=None, stdin=None):
    return subprocess.run([binary(), *map(str, args)], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **(env or {})}, cwd=cwd, input=stdin)


# Five errors of five kinds, and where they are.
BROKEN = """\
listen: ["127.0.0.1:6543"]
databases:
  app: {upstream: "dbname=app", helper: "dbname=app user=backstop", enviroment: test}
state: sqlite:state.db
audit: {directory: audit}
storage: s3://Bucket/points
spool: spool
hold: {wait: 20}
workers: 2
workers: 3
policy:
  rules:
    - {name: a, action_: allow, action: block}
"""
PROBLEMS = {3: '"enviroment"', 6: "no bucket", 8: "hold.wait", 10: '"workers"', 13: '"action_"'}


@pytest.fixture
def broken(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text(BROKEN)
    return path


def test_every_problem_is_named_with_its_line(broken):
    out = run("check-config", broken)
    assert out.returncode == 78
    assert "5 problems" in out.stderr
    for line, word in PROBLEMS.items():
        assert any(f"line {line}:" in told and word in told for told in out.stderr.splitlines())
    assert 'did you mean "action"?' in out.stderr


def test_problems_as_json(broken):
    out = run("check-config", "--json", broken)
    assert out.returncode == 78
    error = json.loads(out.stdout)["error"]
    assert error["code"] == "CONFIG"
    assert {p["line"] for p in error["problems"]} == set(PROBLEMS)


@pytest.mark.parametrize("verb", [["serve"], ["explain", "--agent", "a", "SELECT 1"]])
def test_no_verb_runs_with_a_broken_configuration(broken, verb):
    out = run(*verb, "--config", broken)
    assert out.returncode == 78
    assert "5 problems" in out.stderr


def test_a_missing_configuration_is_a_wrong_one(tmp_path):
    out = run("check-config", cwd=tmp_path)
    assert out.returncode == 78
    assert "backstop init" in out.stderr


def test_init_writes_what_can_be_used(tmp_path):
    folder = tmp_path / "new"
    out = run("init", folder, "--json")
    assert out.returncode == 0, out.stderr
    assert set(json.loads(out.stdout)["written"]) == {
        "audit/", "storage/", "spool/", "server.key", "server.crt", "helper.sql", "audit.redact.key",
        "backstop.yaml"}
    assert stat.S_IMODE((folder / "server.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "audit.redact.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "backstop.yaml").stat().st_mode) == 0o600
    out = run("check-config", env={"BACKSTOP_CONFIG": str(folder / "backstop.yaml")})
    assert out.returncode == 0, out.stderr


def test_init_never_overwrites(tmp_path):
    mine = ("backstop.yaml", "server.key", "server.crt", "helper.sql", "audit.redact.key")
    for name in mine:
        (tmp_path / name).write_text("mine")
    out = run("init", tmp_path, "--json")
    assert out.returncode == 0, out.stderr
    assert set(json.loads(out.stdout)["written"]) == {"audit/", "storage/", "spool/"}
    for name in mine:
        assert (tmp_path / name).read_text() == "mine"


def test_init_does_not_add_half_of_a_pair(tmp_path):
    (tmp_path / "server.crt").write_text("mine")
    out = run("init", tmp_path)
    assert out.returncode == 1
    assert not (tmp_path / "server.key").exists()
    assert not (tmp_path / "backstop.yaml").exists()


def test_init_refuses_options_that_make_no_configuration(tmp_path):
    out = run("init", tmp_path / "x", "--operators", "0.0.0.0:6580")
    assert out.returncode == 64
    assert "loopback" in out.stderr
    assert not (tmp_path / "x").exists()


def test_a_password_in_the_configuration_is_never_printed(tmp_path):
    out = run("init", tmp_path, "--upstream", "dbname=app user=a password=hunter2 wrong=1")
    assert out.returncode == 64
    assert "hunter2" not in out.stdout + out.stderr
    run("init", tmp_path, "--upstream", "dbname=app user=a password=hunter2")
    for flags in ([], ["--json"]):
        out = run("check-config", *flags, tmp_path / "backstop.yaml")
        assert out.returncode == 0
        assert "hunter2" not in out.stdout + out.stderr


def test_helper_sql_makes_the_role_and_may_run_again(pg, tmp_path):
    run("init", tmp_path)
    sql = (tmp_path / "helper.sql").read_text().replace("backstop", "helper_of_init")
    with pg.admin() as c:
        c.execute("CREATE TABLE guarded (id int)")
        c.execute("INSERT INTO guarded VALUES (1), (2)")
        c.execute("ALTER TABLE guarded ENABLE ROW LEVEL SECURITY")
        try:
            c.execute(sql)
            c.execute(sql)
            with c.transaction():
                c.execute("SET LOCAL ROLE helper_of_init")
                assert c.execute("SELECT count(*) FROM guarded").fetchone() == (2,)
            with pytest.raises(psycopg.errors.InsufficientPrivilege), c.transaction():
                c.execute("SET LOCAL ROLE helper_of_init")
                c.execute("DELETE FROM guarded")
        finally:
            c.execute("DROP TABLE guarded")
            c.execute("DROP OWNED BY helper_of_init")  # what was granted to it
            c.execute("DROP ROLE helper_of_init")


POLICY = {"rules": [
    {"name": "additive", "kinds": ["INSERT"], "action": "allow"},
    {"name": "no schema drops", "kinds": ["DROP SCHEMA"], "action": "block"},
    {"name": "cards", "objects": ["pay.*"], "action": "approve"},
]}


@pytest.fixture(scope="module")
def shop(pg):
    """A configuration with rules, and tables to speak of."""
    with pg.admin() as c:
        c.execute("CREATE SCHEMA pay")
        c.execute("CREATE TABLE explained (id int PRIMARY KEY)")
        c.execute("CREATE TABLE pay.cards (id int REFERENCES explained ON DELETE CASCADE)")
    g = Gateway(pg, policy=POLICY)
    yield g
    g.remove()
    with pg.admin() as c:
        c.execute("DROP SCHEMA pay CASCADE")
        c.execute("DROP TABLE explained")


@pytest.mark.parametrize("sql, decision, rule, plan", [
    ("SELECT * FROM explained", "allow", None, "none"),
    ("INSERT INTO explained VALUES (1)", "allow", "additive", "record"),
    ("DELETE FROM explained WHERE true", "approve", "cards", "whole"),
    ("DELETE FROM pay.cards", "approve", "cards", "whole"),
    ("DELETE FROM pay.cards WHERE id = 1", "approve", "cards", "rows"),
    ("WITH d AS (DELETE FROM pay.cards RETURNING 1) SELECT * FROM d", "approve", "cards", "whole"),
    ("SELECT 1; DROP SCHEMA pay CASCADE", "block", "no schema drops", None),
    ("DO $$ BEGIN EXECUTE 'DROP TABLE explained'; END $$", "approve", None, "whole"),
    ("DO $$ BEGIN EXECUTE 'DROP TABLE ' || 'explained'; END $$", "approve", "cards", "rows"),
    ("SELECT pg_reload_conf()", "block", None, "refuse"),
    ("SELEC 1", "block", None, "refuse"),
])
def test_explain(shop, sql, decision, rule, plan):
    out = json.loads(shop.cli("explain", "--agent", "bob", "--json", sql).stdout)
    assert out["decision"] == decision
    assert out["rule"] == rule
    assert plan is None or out["recovery"]["plan"] == plan
    assert out["shielded"] is False  # INSERT is allowed without approval
    text = shop.cli("explain", "--agent", "bob", sql).stdout
    assert f"decision    {decision}: " in text


def test_explain_shows_how_rows_would_be_read(shop):
    def selects(sql):
        out = json.loads(shop.cli("explain", "--agent", "bob", "--json", sql).stdout)
        return out["recovery"]["selects"]

    assert selects("DELETE FROM pay.cards WHERE id = 1") == [
        'SELECT r0.tableoid, r0.ctid FROM "pay"."cards" AS r0 '
        'WHERE (r0."id" OPERATOR(pg_catalog.=) (1))']
    assert selects("DELETE FROM pay.cards WHERE id = 1 AND now() > '2024-01-01'") == []
    text = shop.cli("explain", "--agent", "bob", "UPDATE pay.cards SET id = 2 WHERE id = 1").stdout
    assert "recovery    rows: pay.cards - " in text and "read by     SELECT " in text


def test_explain_reads_standard_input_and_runs_nothing(pg, shop):
    out = run("explain", "--agent", "bob", "--config", shop.config, "--json", "-",
              stdin="DROP TABLE explained CASCADE")
    assert json.loads(out.stdout)["statements"][0]["kind"] == "DROP TABLE"
    with pg.admin() as c:
        assert c.execute("SELECT to_regclass('explained')").fetchone() != (None,)


def test_explain_without_the_catalog_claims_nothing_about_recovery(shop):
    out = json.loads(shop.cli("explain", "--agent", "bob", "--offline", "--json",
                              "DELETE FROM explained WHERE id = 1").stdout)
    assert out["catalog"] is False
    assert out["recovery"] is None


def test_explain_of_an_unknown_database(shop):
    out = shop.cli("explain", "--agent", "b", "--database", "nowhere", "SELECT 1", check=False)
    assert out.returncode == 65


def test_help_and_mistakes():
    out = run("--help")
    assert out.returncode == 0
    verbs = [line.split()[0] for line in out.stdout.split("Verbs:")[1].splitlines()
             if line.startswith("  ")]
    assert {"init", "serve", "check-config", "explain", "version"} <= set(verbs)
    for verb in verbs:
        told = run(verb, "--help")
        assert told.returncode == 0, verb
        assert told.stdout.startswith(f"usage: backstop {verb}"), verb
    out = run("exlpain")
    assert out.returncode == 64
    assert 'did you mean "explain"?' in out.stderr
    assert run().returncode == 64
    assert run("explain", "--agnet", "x", "SELECT 1").returncode == 64
    assert json.loads(run("version", "--json").stdout)["grammar"].startswith("PostgreSQL ")


def test_a_reader_that_goes_away_is_an_error_not_a_death(tmp_path):
    script = pathlib.Path(tmp_path / "run")
    script.write_text(f"'{binary()}' version > /dev/full\n")
    assert subprocess.run(["sh", script]).returncode == 74


def test_explain_tells_what_the_policy_looks_at(pg, shop):
    out = shop.cli("explain", "--agent", "bob", "--group", "g", "DELETE FROM explained WHERE id < 5").stdout
    assert "agent       bob, group g, profile full" in out and "environment test" in out
    assert "rows that are overwritten or go: 0" in out
    out = shop.cli("explain", "--agent", "bob", "--rows", "7", "--share", "3%",
                   "DELETE FROM explained WHERE id < 5").stdout
    assert "rows that are overwritten or go: 14, 3 % of a table" in out  # and the cascade's
    assert 'rule "additive" (allow, line ' in out and ": no: another kind of statement" in out
    out = shop.cli("explain", "--agent", "bob", "--offline", "--share", "3%", "SELECT 1", check=False)
    assert out.returncode == 64


def test_explain_knows_the_agents_group(pg):
    policy = {"mode": "shadow", "profiles": {"read-only": {"groups": ["analysts"]}}, "result_rows": 7,
              "protected": ["public.explained_too"]}
    g = Gateway(pg, policy=policy)
    try:
        g.cli("agents", "add", "anna", "--database", "app", "--group", "analysts")
        out = json.loads(g.cli("explain", "--agent", "anna", "--json", "CREATE TABLE x ()").stdout)
        assert (out["group"], out["profile"], out["decision"]) == ("analysts", "read-only", "block")
        assert out["mode"] == "shadow" and out["shielded"] is False
        text = g.cli("explain", "--agent", "anna", "CREATE TABLE x ()").stdout
        assert "profile read-only: does not have it" in text and "shadow mode protects nothing" in text
        out = json.loads(g.cli("explain", "--agent", "bob", "--offline", "--json",
                               "INSERT INTO explained_too VALUES (1)").stdout)
        assert out["risk"] == "CRITICAL"
        assert [r["code"] for r in out["statements"][0]["reasons"]][-1] == "protected"
    finally:
        g.remove()
