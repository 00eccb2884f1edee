"""libbackstop by FFI: judging, and which statements are the same."""

import ctypes
import json
import subprocess
import threading

import pytest

from .conftest import EXAMPLES, HEADER, MAP, Failed, binary, declared, output

TEXTS = ["SELECT 1", "DELETE FROM orders", "DROP TABLE a, b CASCADE; SELECT 2", "UPDATE t SET a = 1 WHERE id = 7", "", ";",
         "SELEC 1", "SELECT pg_read_file('/etc/passwd')", "DO $$ BEGIN DELETE FROM x; END $$", "COPY t FROM STDIN",
         "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone", "/* ü */ TRUNCATE \"Ünï\".t"]


def classified(*lines, dsn=()):
    return subprocess.run([binary(), "classify", "--jsonl", *dsn], input="".join(line + "\n" for line in lines),
                          capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.fixture
def classifier(lib):
    made = lib.make("classifier_new", None)
    yield made
    lib.classifier_free(made)


def judge(lib, classifier, text):
    sql = text if isinstance(text, bytes) else text.encode()
    return lib.make("classify", classifier, sql, len(sql))


@pytest.mark.parametrize("package", ["backstop", "backstop-static"])
def test_the_examples(installed, tmp_path, package):
    """With what pkg-config says and nothing else."""
    for source in sorted(EXAMPLES.glob("*.c")):
        more = ("libpq",) if source.name == "agent.c" else ()
        installed.compile(source, tmp_path / source.stem, package, *more)
    linked = output("ldd", tmp_path / "classify", env=installed.env)
    assert ("libbackstop.so.0" in linked) == (package == "backstop") and "not found" not in linked
    done = installed.run(tmp_path / "classify", "DELETE FROM orders; SELECT 1")
    assert done.returncode == 1 and done.stderr == ""
    assert done.stdout.startswith("DELETE is CRITICAL\n  DELETE of orders\n  because ")
    assert done.stdout.endswith("SELECT is SAFE\n")
    assert installed.run(tmp_path / "classify", "SELECT 1").returncode == 0
    assert installed.run(tmp_path / "same", "SELECT 1", "select   2 -- two").stdout == (
        "the same statement: no\nthe same shape: yes\n")


def test_from_cplusplus(installed, tmp_path):
    source = tmp_path / "a.cc"
    source.write_text("#include <backstop.h>\nint main() { return *backstop_version() == 0; }\n")
    installed.compile(source, tmp_path / "a", "backstop", compiler=("c++", "-Wall", "-Wextra", "-Wpedantic", "-Werror"))
    assert installed.run(tmp_path / "a").returncode == 0


def test_only_what_the_header_declares(installed):
    names = set(declared())
    assert len(names) > 50
    exported = [line.split()[2] for line in output("nm", "-D", "--defined-only", installed.so).splitlines()]
    assert {n for n in exported if n != "BACKSTOP_0.1"} == {f"{n}@@BACKSTOP_0.1" for n in names}
    listed = {line.strip(" ;") for line in MAP.read_text().splitlines() if line.strip().startswith("backstop_")}
    assert listed == names
    static = [line.split() for line in output("nm", "-g", "--defined-only", installed.libdir / "libbackstop.a").splitlines()]
    assert {parts[2] for parts in static if len(parts) == 3} == names


def test_a_judgement_is_what_the_command_says(lib, classifier):
    answers = [json.loads(line) for line in classified(*(json.dumps({"sql": t}) for t in TEXTS))]
    for text, answer in zip(TEXTS, answers, strict=True):
        del answer["id"]
        judged = judge(lib, classifier, text)
        assert json.loads(lib.judgement_json(judged)) == answer
        assert lib.risk_name(lib.judgement_risk(judged)).decode() == answer["risk"]
        told = lib.judgement_error(judged)
        assert (told and told.decode()) == answer["error"]
        assert lib.judgement_statements(judged) == len(answer["statements"])
        assert lib.judgement_catalog(judged) == 0 and lib.judgement_recovery(judged) is None
        for at, statement in enumerate(answer["statements"]):
            assert told_statement(lib, judged, at) == statement
        lib.judgement_free(judged)


def told_statement(lib, judged, at):
    """A statement put together by the accessors."""
    def each(count, **members):
        return [{name: plain(getattr(lib, function)(judged, at, i)) for name, function in members.items()}
                for i in range(getattr(lib, count)(judged, at))]

    def plain(value):
        return value.decode() if isinstance(value, bytes) else None if value == -1 else value

    def names(count, function):
        return [x["name"] for x in each(count, name=function)]

    whole = json.loads(lib.judgement_json(judged))["statements"][at]
    return {
        "kind": lib.statement_kind(judged, at).decode(),
        "risk": lib.risk_name(lib.statement_risk(judged, at)).decode(),
        "point": whole["point"],
        "effects": each("statement_effects", kind="effect_kind", object="effect_object", column="effect_column",
                        rows="effect_rows"),
        "reached": [{**w, **t} for w, t in zip(whole["reached"], each(
            "statement_reached", kind="reached_kind", object="reached_object", reach="reached_how", rows="reached_rows"),
            strict=True)],
        "reads": names("statement_reads", "statement_read"),
        "functions": names("statement_functions", "statement_function"),
        "flags": names("statement_flags", "statement_flag"),
        "reasons": each("statement_reasons", code="reason_code", text="reason_text"),
        "span": [lib.statement_from(judged, at), lib.statement_to(judged, at)],
    }


def test_with_a_catalog(lib, pg):
    dsn = pg.conninfo("backstop")
    with pg.admin() as c:
        c.execute("CREATE SCHEMA lib; CREATE TABLE lib.parent (id int PRIMARY KEY);"
                  "CREATE TABLE lib.child (id int PRIMARY KEY, p int REFERENCES lib.parent ON DELETE CASCADE);"
                  "INSERT INTO lib.parent SELECT generate_series(1, 3); INSERT INTO lib.child VALUES (1, 1), (2, 1), (3, 2);")
    try:
        classifier = lib.make("classifier_new", dsn.encode())
        sql = "DELETE FROM lib.parent WHERE id = 1"
        judged = judge(lib, classifier, sql)
        (answer,) = map(json.loads, classified(json.dumps({"sql": sql}), dsn=("--dsn", dsn)))
        del answer["id"]
        assert json.loads(lib.judgement_json(judged)) == answer
        assert told_statement(lib, judged, 0) == answer["statements"][0]
        reached = {(lib.reached_object(judged, 0, i), lib.reached_how(judged, 0, i)): lib.reached_rows(judged, 0, i)
                   for i in range(lib.statement_reached(judged, 0))}
        assert reached == {(b"lib.parent", b"target"): 1, (b"lib.child", b"cascade"): 2}
        assert lib.judgement_catalog(judged) == 1 and lib.judgement_recovery(judged) == b"rows"
        lib.judgement_free(judged)
        lib.classifier_free(classifier)
    finally:
        with pg.admin() as c:
            c.execute("DROP SCHEMA lib CASCADE")


def test_nothing_is_printed(installed, tmp_path, pg):
    """Not even what libpq prints unless told otherwise: here the server warns whoever connects."""
    with pg.admin() as c:
        c.execute("CREATE DATABASE warns")
        c.execute("UPDATE pg_database SET datcollversion = '0' WHERE datname = 'warns'")
    try:
        dsn = pg.conninfo("backstop").replace("dbname=app", "dbname=warns")
        assert "collation version" in subprocess.run(
            [pg.bin / "psql", dsn, "-c", ""], capture_output=True, text=True, check=True).stderr
        program = installed.compile(EXAMPLES / "classify.c", tmp_path / "classify", "backstop")
        done = installed.run(program, "SELECT count(*) FROM pg_class", dsn)
        assert (done.returncode, done.stdout, done.stderr) == (0, "SELECT is SAFE\n", "")
    finally:
        with pg.admin() as c:
            c.execute("DROP DATABASE warns")


def test_no_such_database(lib):
    with pytest.raises(Failed) as failed:
        lib.make("classifier_new", b"host=127.0.0.1 port=1 password=hush")
    assert failed.value.code == 4 and "hush" not in failed.value.message


def test_lines(lib, classifier):
    lines = [json.dumps({"id": 7, "sql": "EXECUTE x", "session": ["PREPARE x AS DELETE FROM t"]}), "no json", "[]", "{}",
             json.dumps({"id": [1], "sql": "SELECT $1", "params": [1.5, None, True], "protocol": "extended"})]
    assert [lib.text("classify_line", classifier, line.encode(), len(line)) for line in lines] == classified(*lines)


@pytest.mark.parametrize("a,b,same,shape", [
    ("SELECT 1", "select  1 -- one", True, True),
    ("SELECT 1", "SELECT 2", False, True),
    ("SELECT 'a'", "SELECT 'b'", False, True),
    ("SELECT * FROM t WHERE id IN (1, 2)", "SELECT * FROM t WHERE id IN (1, 2, 3)", False, True),
    ("SELECT a FROM t", "SELECT b FROM t", False, False),
    ('SELECT "A"', "SELECT a", False, False),
    ("DELETE FROM t", "DELETE FROM ONLY t", False, False),
    ("SELECT 1", "SELECT 1;", False, True),
])
def test_which_statements_are_the_same(lib, a, b, same, shape):
    def mark(how, text):
        return lib.text(how, text.encode(), len(text.encode()))

    assert (mark("digest", a) == mark("digest", b)) == same
    assert (mark("fingerprint", a) == mark("fingerprint", b)) == shape
    assert len(mark("digest", a)) == 64 and len(mark("fingerprint", a)) == 16


def test_a_fingerprint_is_that_of_libpg_query(lib):
    """As its own documentation has it."""
    assert lib.text("fingerprint", b"SELECT 1", 8) == "50fde20626009aba"


def test_what_has_no_fingerprint(lib):
    for text, code in [(b"SELEC 1", 3), (b"SELECT \xff", 3), (b"SELECT\0", 3), (b"/*" * (1 << 20), 2)]:
        with pytest.raises(Failed) as failed:
            lib.make("fingerprint", text, len(text))
        assert failed.value.code == code
        assert len(lib.text("digest", text, len(text))) == 64


def test_threads(lib):
    """The grammar's state is each thread's own, also of one that comes and goes."""
    expected = {t: classified(json.dumps({"sql": t}))[0] for t in TEXTS}
    wrong = []

    def work():
        made = lib.make("classifier_new", None)
        for _ in range(10):
            for text in TEXTS:
                line = json.dumps({"sql": text}).encode()
                if lib.text("classify_line", made, line, len(line)) != expected[text]:
                    wrong.append(text)
                if text in ("SELECT 1", "DELETE FROM orders"):
                    lib.text("fingerprint", text.encode(), len(text))
        lib.classifier_free(made)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_arguments_that_are_none(lib, classifier):
    out, none = ctypes.c_void_p(), None
    assert lib.classifier_new(none, none, none) == 1
    assert lib.classify(none, b"", 0, ctypes.byref(out), none) == 1
    assert lib.classify(classifier, none, 5, ctypes.byref(out), none) == 1
    assert lib.classify(classifier, b"", 0, none, none) == 1
    assert lib.classify_line(classifier, none, 5, ctypes.byref(out), none) == 1
    assert lib.digest(b"", 0, none, none) == 1
    judged = judge(lib, classifier, "SELECT 1")
    for name, (result, arguments) in declared().items():
        if arguments and all(a.endswith("*") and "**" not in a for a in arguments[:1]) and name.endswith("free"):
            getattr(lib.c, name)(None)
        if name.startswith(("backstop_statement", "backstop_effect", "backstop_reached", "backstop_reason")):
            far = [2**63, 2**64 - 1][:len(arguments) - 1]
            nothing = {"int": 0, "size_t": 0, "int64_t": -1}.get(result)
            assert getattr(lib.c, name)(judged, *far) == nothing
            assert getattr(lib.c, name)(None, *far) == nothing
    lib.judgement_free(judged)


def test_the_header_names_no_structure():
    assert "struct backstop_" in HEADER.read_text() and "{\n    size_t" not in HEADER.read_text()
