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


def test_no_database():
    got = run("--dsn", "host=/nowhere dbname=x", stdin="SELECT 1")
    assert got.returncode == 69 and got.stdout == ""
