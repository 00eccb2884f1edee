"""`backstop classify`: a text, a text a line, with and without a catalog."""

import base64
import json
import subprocess

import pytest

from conftest import binary


def run(*args, stdin=""):
    return subprocess.run([binary(), "classify", *map(str, args)], input=stdin, text=True,
                          capture_output=True, timeout=60)


def ask(*questions, dsn=None):
    """One answer a question; strings are sent as they are, the rest as JSON."""
    lines = [q if isinstance(q, str) else json.dumps(q) for q in questions]
    got = run("--jsonl", *(("--dsn", dsn) if dsn else ()), stdin="\n".join(lines) + "\n")
    assert got.returncode == 0, got.stderr
    answers = [json.loads(line) for line in got.stdout.splitlines()]
    assert len(answers) == len(questions)
    return answers


def codes(answer):
    return {r["code"] for s in answer["statements"] for r in s["reasons"]}


def test_one_text():
    got = run(stdin="DELETE FROM orders WHERE true")
    assert got.returncode == 0
    answer = json.loads(got.stdout)
    assert answer["risk"] == "CRITICAL" and answer["catalog"] is False
    assert answer["error"] is None and answer["recovery"] is None
    (statement,) = answer["statements"]
    assert statement["kind"] == "DELETE" and "no_filter" in statement["flags"]
    (effect,) = statement["effects"]
    assert (effect["kind"], effect["object"], effect["rows"]) == ("DELETE", "orders", None)
    assert statement["span"] == [0, 29]


def test_a_file(tmp_path):
    file = tmp_path / "a.sql"
    file.write_text("SELECT 1; SELECT 2")
    assert len(json.loads(run(file).stdout)["statements"]) == 2
    assert run(tmp_path / "none.sql").returncode == 65


def test_a_bad_line_is_answered_and_ends_nothing():
    answers = ask("no json", "[1]", {"id": "x"}, {"id": 3, "sql": 5}, {"id": 4, "sql_b64": "!"},
                  {"id": 5, "sql": "SELECT 1"})
    assert [a["id"] for a in answers] == [None, None, "x", 3, 4, 5]
    assert all(a["risk"] == "CRITICAL" and a["error"] for a in answers[:-1])
    assert answers[-1]["risk"] == "SAFE"


@pytest.mark.parametrize("sql", [b"SELECT 1\0; DROP TABLE t", b"SELECT '\xff'", b"SELECT '\x95\\'"])
def test_bytes_that_json_cannot_hold(sql):
    (answer,) = ask({"id": 1, "sql_b64": base64.b64encode(sql).decode()})
    assert answer["risk"] == "CRITICAL" and answer["error"]


@pytest.mark.parametrize("line", [
    {"session": "SELECT 1"}, {"session": [1]}, {"session": {"a": 1}}, {"params": 1}, {"params": [[1]]},
    {"params": [{}]},
    {"protocol": "other"}, {"protocol": 3}, {"run_as": ""}, {"run_as": ["x"]}, {"sql_b64": "U0VMRUNUIDE="},
])
def test_a_field_that_is_not_understood_is_not_ignored(line):
    (answer,) = ask({"id": 7, "sql": "SELECT 1", **line})
    assert answer["id"] == 7 and answer["risk"] == "CRITICAL" and answer["statements"] == []
    assert answer["error"]


def test_the_answer_has_the_fields_of_the_contract():
    answers = ask({"id": {"any": ["json", 1.5, None]},
                   "sql": "WITH d AS (DELETE FROM s.t WHERE id = $1 RETURNING *) "
                   "SELECT lower(v) FROM d; TABLE u", "session": ["BEGIN"], "params": [1, "a", None, True,
                                                                                       2.5],
                   "protocol": "simple", "run_as": "somebody"}, {"sql": "SELECT 1", "id": None,
                                                                 "session": None, "params": None,
                   "protocol": None, "run_as": None})
    assert [a["id"] for a in answers] == [{"any": ["json", 1.5, None]}, None]
    assert {"id", "risk", "catalog", "statements", "error"} <= answers[0].keys()
    first, second = answers[0]["statements"]
    assert {"kind", "risk", "effects", "reads", "functions", "flags", "reasons", "span"} <= first.keys()
    (effect,) = first["effects"]
    assert effect["kind"] == "DELETE" and effect["object"] == "s.t" and effect["rows"] is None
    assert "lower" in str(first["functions"]) and second["reads"] == ["u"]
    assert all(r.keys() == {"code", "text"} for r in first["reasons"])
    assert (first["risk"], second["risk"], answers[0]["risk"]) == ("HIGH", "SAFE", "HIGH")
    assert second["span"][1] - second["span"][0] == len("TABLE u")


def test_parse_takes_one_statement():
    both = "SELECT 1; SELECT 2"
    answers = ask({"sql": both, "protocol": "simple"}, {"sql": both, "protocol": "extended"},
                  {"sql": "SELECT 1;", "protocol": "extended"}, {"sql": "", "protocol": "extended"})
    assert [a["risk"] for a in answers] == ["SAFE", "CRITICAL", "SAFE", "SAFE"]
    assert "multiple commands" in answers[1]["error"]


LARGE = 16 << 20


@pytest.mark.parametrize("sql, risk", [
    ("SELECT 1 /*" + "x" * (LARGE - 100) + "*/", "SAFE"),
    ("/*" + "x" * (LARGE - 100) + "*/ DELETE FROM t", "CRITICAL"),
    ("SELECT '" + "x" * LARGE + "'", "CRITICAL"),  # over the limit
    ("SELECT " + "(" * 100000 + "1" + ")" * 100000, "CRITICAL"),
    ("SELECT " + "NOT " * 100000 + "true", "CRITICAL"),
    ("SELECT 1" + "+1" * 200000, "SAFE"),
    ("SELECT 1" + " UNION ALL SELECT 1" * 50000, "SAFE"),
    ("SELECT ARRAY" + "[" * 50000 + "1" + "]" * 50000, "CRITICAL"),
    ("SELECT 1;" * 50000 + "DROP TABLE t", "CRITICAL"),
    ("/*" * 200000, "CRITICAL"), ("SELECT '" + "''" * 100000, "CRITICAL"),
], ids=range(11))
def test_any_size_and_depth_is_answered(sql, risk):
    answers = ask({"id": 1, "sql": sql}, {"id": 2, "sql_b64": base64.b64encode(sql.encode()).decode()},
                  {"id": 3, "sql": "SELECT 1"})
    assert [a["id"] for a in answers] == [1, 2, 3]
    assert [a["risk"] for a in answers] == [risk, risk, "SAFE"]


@pytest.mark.parametrize("change, risk", [
    ("SET client_encoding = 'SJIS'", "CRITICAL"), ("SET NAMES 'BIG5'", "CRITICAL"),
    ("SELECT set_config('client_encoding', 'GBK', false)", "CRITICAL"), ("RESET client_encoding",
                                                                         "CRITICAL"),
    ("SET standard_conforming_strings = off", "CRITICAL"), ("SET backslash_quote = on", "CRITICAL"),
    ("SET client_encoding = 'UTF8'", "SAFE"), ("SET standard_conforming_strings = on", "SAFE"),
    ("SET DateStyle = 'ISO'", "SAFE"),
])
def test_a_session_that_reads_text_in_another_way(change, risk):
    answers = ask({"sql": "SELECT 1", "session": [change]}, {"sql": "SELECT 1", "session": [change,
                                                                                            "DISCARD ALL"]})
    assert [a["risk"] for a in answers] == [risk, "SAFE"]


def test_what_the_session_sent_before():
    prepared = ["PREPARE p AS SELECT $1"]
    answers = ask({"sql": "EXECUTE p(1)"},
                  {"sql": "EXECUTE p(1)", "session": prepared},
                  {"sql": "EXECUTE p(1)", "session": [*prepared, "DEALLOCATE p"]},
                  {"sql": "SELECT lower('A')", "session": ["SET search_path = shadow, pg_catalog"]},
                  {"sql": "SELECT * FROM t", "session": ["SET search_path = public"]})
    assert [a["risk"] for a in answers] == ["CRITICAL", "SAFE", "CRITICAL", "CRITICAL", "SAFE"]


def test_with_the_catalog(pg):
    with pg.admin() as c:
        c.execute("""
            CREATE SCHEMA classify;
            CREATE TYPE classify.mood AS ENUM ('a');
            CREATE TABLE classify.t (id int PRIMARY KEY, n int, m classify.mood);
            INSERT INTO classify.t VALUES (1, 1), (2, 1);
            CREATE FUNCTION classify.trap() RETURNS int LANGUAGE plpgsql
                AS 'BEGIN DELETE FROM classify.t; RETURN 1; END';
            CREATE VIEW classify.v AS SELECT classify.trap()""")
    try:
        answers = ask({"sql": "SELECT * FROM classify.t"},
                      {"sql": "SELECT 'a'::classify.mood"},
                      {"sql": "SELECT * FROM classify.v"},
                      {"sql": "SELECT classify.trap()"},
                      {"sql": "DELETE FROM classify.t WHERE id = 1"},
                      {"sql": "DELETE FROM classify.t WHERE n = 1"},
                      {"sql": "SELECT * FROM classify.nothing"},
                      dsn=pg.conninfo("backstop"))
    finally:
        with pg.admin() as c:
            c.execute("DROP SCHEMA classify CASCADE")
    assert all(a["catalog"] for a in answers)
    assert [a["risk"] for a in answers] == ["SAFE", "SAFE", "CRITICAL", "CRITICAL", "HIGH",
                                            "CRITICAL", "CRITICAL"]
    assert "no_filter" in codes(answers[5]) and "unknown_name" in codes(answers[6])
    assert [a["recovery"]["plan"] for a in answers] == ["none", "none", "rows", "rows", "rows", "rows",
                                                        "none"]
    assert answers[5]["statements"][0]["effects"][0]["rows"] == 2
    assert answers[4]["recovery"]["tables"] == ["classify.t"]
    assert answers[5]["recovery"]["selects"] == [
        'SELECT r0.tableoid, r0.ctid FROM "classify"."t" AS r0 '
        'WHERE (r0."n" OPERATOR(pg_catalog.=) (1))']
    assert all(a["recovery"]["why"] for a in answers)


def test_the_values_decide(pg):
    with pg.admin() as c:
        c.execute("""CREATE SCHEMA classify; CREATE TABLE classify.t (id int PRIMARY KEY, n int);
                     INSERT INTO classify.t SELECT g, g % 100 FROM generate_series(1, 1000) g;
                     ANALYZE classify.t""")
    sql = "DELETE FROM classify.t WHERE n < $1"
    try:
        answers = ask({"sql": sql, "params": [5], "protocol": "extended"}, {"sql": sql, "params": ["5"]},
                      {"sql": sql, "params": [99]}, {"sql": sql, "params": [None]}, {"sql": sql},
                      {"sql": sql, "params": []},
                      {"sql": sql, "params": ["no number"]}, dsn=pg.conninfo("backstop"))
    finally:
        with pg.admin() as c:
            c.execute("DROP SCHEMA classify CASCADE")
    assert [a["risk"] for a in answers] == ["HIGH", "HIGH", "CRITICAL", "HIGH", "CRITICAL", "CRITICAL",
                                            "CRITICAL"]
    assert [a["statements"][0]["effects"][0]["rows"] for a in answers] == [50, 50, 990, 0, None, None, None]
    assert "impact" in codes(answers[2]) and "unmeasured" in codes(answers[4])


def test_the_session_made_a_function_just_now(pg):
    made = "CREATE OR REPLACE FUNCTION classify.f() RETURNS int LANGUAGE {} AS {}"
    harmless, trap = made.format("sql", "'SELECT 1'"), made.format("plpgsql",
                                                                   "'BEGIN EXECUTE reverse(''x''); RETURN 1; END'")
    with pg.admin() as c, subprocess.Popen([binary(), "classify", "--jsonl", "--dsn",
                                            pg.conninfo("backstop")], text=True,
                                           stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        def judged(*session):
            process.stdin.write(json.dumps({"sql": "SELECT classify.f()", "session": session}) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())["risk"]

        c.execute("DROP SCHEMA IF EXISTS classify CASCADE; CREATE SCHEMA classify")
        c.execute(harmless)
        judged()  # the catalog as it was
        c.execute(trap)
        assert judged(trap) == "CRITICAL"
        assert judged("BEGIN", harmless) == "CRITICAL"  # nobody else sees that one
        c.execute("DROP SCHEMA classify CASCADE")
        process.stdin.close()


def test_no_database():
    got = run("--dsn", "host=/nowhere dbname=x", stdin="SELECT 1")
    assert got.returncode == 69 and got.stdout == ""


@pytest.mark.parametrize("code, risk", [
    ("PERFORM count(*) FROM pg_catalog.pg_class", "SAFE"),
    ("EXECUTE 'CREATE TEMP TABLE pg_class (a int)'", "CRITICAL")])
def test_a_do_that_ran_before_is_read_too(pg, code, risk):
    (answer,) = ask({"sql": "SELECT count(*) FROM pg_class",
                     "session": [f"DO $$ BEGIN {code}; END $$"]}, dsn=pg.conninfo("backstop"))
    assert answer["risk"] == risk
