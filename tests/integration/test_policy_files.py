"""`backstop policy check` and `policy test`, and the example policies, which must say what they say."""

import json
import subprocess

import pytest
import yaml

from conftest import ROOT, binary

POLICIES = ROOT / "docs" / "policies"
NAMES = ["development", "staging", "production"]
HEAD = """listen: ['127.0.0.1:1']
databases: {a: {upstream: dbname=a, helper: dbname=a user=b}}
state: sqlite:s
audit: {directory: a}
storage: file:b
spool: c
"""


def run(*words):
    return subprocess.run([binary(), *map(str, words)], capture_output=True, text=True, timeout=60)


@pytest.fixture
def asked(tmp_path):
    """A policy and a table; what `policy test` says."""
    def ask(policy, table, *more):
        (tmp_path / "b.yaml").write_text(HEAD + policy)
        (tmp_path / "t.yaml").write_text(table)
        return run("policy", "test", tmp_path / "t.yaml", "--config", tmp_path / "b.yaml", *more)
    return ask


@pytest.mark.parametrize("name", NAMES)
def test_an_example_has_no_problem(name):
    out = run("policy", "check", POLICIES / f"{name}.yaml")
    assert out.returncode == 0 and "ok" in out.stdout, out.stderr
    assert run("check-config", POLICIES / f"{name}.yaml").returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_an_example_says_what_its_table_says(name):
    out = run("policy", "test", "--config", POLICIES / f"{name}.yaml", POLICIES / f"{name}.test.yaml")
    assert out.returncode == 0, out.stdout + out.stderr


@pytest.mark.parametrize("name", NAMES)
def test_each_rule_of_an_example_is_tried(name):
    """By a table that says so, or one would not notice that it had stopped to work."""
    rules = {r["name"] for r in yaml.safe_load((POLICIES / f"{name}.yaml").read_text())["policy"]["rules"]}
    tried = {e.get("rule") for e in yaml.safe_load((POLICIES / f"{name}.test.yaml").read_text())}
    assert rules <= tried, rules - tried


def test_what_differs_is_told(asked):
    out = asked("policy: {rules: [{name: no, kinds: [DELETE], action: block}]}\n",
                "- {name: right, sql: 'DELETE FROM t', expect: block, rule: no, risk: CRITICAL}\n"
                "- {name: wrong, sql: 'DELETE FROM t', expect: allow}\n"
                "- {name: other rule, sql: 'DELETE FROM t', expect: block, rule: (none)}\n"
                "- {name: other risk, sql: 'DELETE FROM t', expect: block, risk: HIGH}\n")
    assert out.returncode == 1
    assert "line 2: wrong" in out.stdout and "line 1" not in out.stdout
    assert 'rule "no" says block' in out.stdout and "3 of 4 expectations not met" in out.stdout


def test_as_json(asked):
    out = asked("policy: {}\n", "- {name: x, sql: 'SELECT 1', expect: block}\n", "--json")
    said = json.loads(out.stdout)
    assert out.returncode == 1 and said["expectations"] == 1
    one = said["different"][0]
    assert one["line"] == 1 and one["got"]["decision"] == "allow" and one["got"]["risk"] == "SAFE"
    assert one["expected"] == {"decision": "block"}


def test_shadow_is_tested_by_what_it_would_do(asked):
    out = asked("policy: {mode: shadow}\n", "- {name: x, sql: 'DROP TABLE t', expect: approve}\n")
    assert out.returncode == 0, out.stdout


def test_every_problem_of_a_table_is_told(asked):
    out = asked("policy: {}\n",
                "- {name: a, sql: 'SELECT 1', expect: alow}\n"
                "- {name: b, sqll: 'SELECT 1', expect: allow}\n"
                "- {name: c, sql: 'SELECT 1', expect: allow, share: 5%, rows: -1}\n"
                "- {name: d, sql: 'SELECT 1', expect: allow, share: 5%}\n"
                "- nothing\n")
    assert out.returncode == 65
    for says in ('line 1: expect: "alow" is not one of block, approve or allow',
                 'line 2: unknown key "sqll" in expectation; did you mean "sql"?',
                 'line 2: key "sql" in expectation is missing', 'line 3: rows: "-1" is not a whole number',
                 "line 4: share: says nothing without rows", "line 5: a map of keys is expected"):
        assert says in out.stderr, out.stderr


@pytest.mark.parametrize("table, status", [("", 65), ("[]", 65), ("a: b", 65), ("- {", 65)])
def test_what_is_no_table_is_refused(asked, table, status):
    assert asked("policy: {}\n", table).returncode == status


def test_a_database_must_be_one_of_the_configuration(asked):
    out = asked("policy: {}\n", "- {name: x, sql: 'SELECT 1', database: b, expect: allow}\n")
    assert out.returncode == 65 and "line 1" in out.stderr and 'no database "b"' in out.stderr


def test_a_bad_policy_is_told_with_all_its_lines(tmp_path):
    (tmp_path / "b.yaml").write_text(HEAD + "policy:\n  mode: shade\n  rules:\n  - {name: a, action: blok}\n")
    out = run("policy", "check", tmp_path / "b.yaml")
    assert out.returncode == 78
    assert "line 8: policy.mode" in out.stderr and "line 10: action" in out.stderr


def test_with_a_database(pg, asked):
    with pg.admin() as c:
        c.execute("DROP SCHEMA IF EXISTS tested CASCADE; CREATE SCHEMA tested;"
                  "CREATE TABLE tested.t (id int PRIMARY KEY, v int);"
                  "INSERT INTO tested.t SELECT n, n % 10 FROM generate_series(1, 1000) n;"
                  "CREATE TABLE tested.child (t int REFERENCES tested.t ON DELETE CASCADE)")
    out = asked("policy: {rules: [{name: few, risk: [HIGH, CRITICAL], kinds: [UPDATE], max_rows: 100, action: allow}]}\n",
                "- {name: counted, sql: 'UPDATE tested.t SET v = 0 WHERE v = 1', expect: allow, rule: few}\n"
                "- {name: with a value, sql: 'UPDATE tested.t SET v = 0 WHERE v < $1', params: [1], expect: allow, rule: few}\n"
                "- {name: too many, sql: 'UPDATE tested.t SET v = 0 WHERE v < 2', expect: approve}\n"
                "- {name: as if, sql: 'UPDATE tested.t SET v = 0 WHERE v < 2', rows: 5, expect: allow, risk: HIGH}\n"
                "- {name: a cascade, sql: 'DELETE FROM tested.t WHERE id = 1', expect: approve, risk: CRITICAL}\n",
                "--dsn", pg.conninfo("backstop"))
    assert out.returncode == 0, out.stdout + out.stderr


def test_an_empty_file_is_a_problem(tmp_path):
    (tmp_path / "b.yaml").write_text("")
    out = run("policy", "check", tmp_path / "b.yaml")
    assert out.returncode == 78 and "the file is empty" in out.stderr
