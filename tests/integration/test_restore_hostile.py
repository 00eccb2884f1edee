"""Names, bodies and values that look like what stands around them in a dump or in our own SQL."""

import json
import subprocess
import threading

import pytest
from psycopg import sql

from conftest import binary
from test_undo import answer, destroy, door  # noqa: F401

LONG = "ö" * 31 + "x"  # 63 bytes
EVIL = 'a"b\'c\\.\n\\.\n-- TOC entry 5 (class 1259 OID 1)\n-- Name: x; $1 %s'
NAMES = {
    "quotes and lines": EVIL[:40],
    "end of data": "\\.",
    "long": LONG,
    "our own": "backstop saved 0",
    "a comment": " x; -- Name: y; Type: TABLE",
}
BODY = """
-- TOC entry 5 (class 1259 OID 1)
-- Name: nothing; Type: TABLE; Schema: evil; Owner: postgres

\\.
COPY evil.t (a) FROM stdin;
\\.
\\connect template1
SET search_path = 'x';
-- PostgreSQL database dump complete
"""


def ident(*names):
    return sql.Identifier(*names)


@pytest.fixture
def evil(door, pg):  # noqa: F811
    """A schema, a table, a sequence, a view and a function of each name, with values like it."""
    with pg.admin() as c:
        c.execute("DROP SCHEMA IF EXISTS evil CASCADE; CREATE SCHEMA evil AUTHORIZATION app_trust;"
                  "SET ROLE app_trust")
        for name in NAMES.values():
            t, key = ident("evil", name), ident(name)
            c.execute(sql.SQL("CREATE TABLE {} (id int PRIMARY KEY, {} text DEFAULT {},"
                              " CONSTRAINT {} CHECK ({} <> 'no'))").format(
                                  t, key, sql.Literal(name), ident("c" + name[:60 // 2]), key))
            c.execute(sql.SQL("INSERT INTO {} SELECT g, {} || g FROM generate_series(1, 30) g")
                      .format(t, sql.Literal(EVIL + name)))
            c.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(t, sql.Literal(BODY)))
            c.execute(sql.SQL("COMMENT ON COLUMN {} IS {}").format(
                ident("evil", name, name), sql.Literal(BODY + name)))
            c.execute(sql.SQL("CREATE FUNCTION {}() RETURNS text LANGUAGE sql AS {}").format(
                t, sql.Literal(BODY.replace("\\", "-- \\").replace("COPY", "-- COPY")
                               .replace("SET", "-- SET") + "SELECT 'x'")))
            c.execute(sql.SQL("COMMENT ON FUNCTION {}() IS {}").format(t, sql.Literal(BODY)))
        c.execute(sql.SQL("CREATE FUNCTION evil.text_of() RETURNS text LANGUAGE plpgsql AS {}").format(
            sql.Literal(f"BEGIN RETURN $x${BODY}$x$; END")))
        c.execute("RESET ROLE; ANALYZE")
    return door


def picture(pg):
    text = subprocess.run([pg.bin / "pg_dump", "-h", pg.folder, "-p", str(pg.port), "-U", "postgres",
                           "-n", "evil", "app"], check=True, capture_output=True, text=True).stdout
    return [x for x in text.splitlines() if not x.startswith(("\\restrict", "\\unrestrict"))]


STATEMENTS = ["DROP TABLE {t}", "UPDATE {t} SET {k} = 'y' WHERE id < 9", "DROP FUNCTION {t}()",
              "ALTER TABLE {t} DROP COLUMN {k}"]


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names_come_back(evil, pg, name):
    before = picture(pg)
    for statement in STATEMENTS:
        made = destroy(evil, sql.SQL(statement).format(t=ident("evil", NAMES[name]),
                                                       k=ident(NAMES[name])))
        assert picture(pg) != before
        for point in made:
            if answer(evil, "preview", point)["tables"]:
                answer(evil, "run", point)
                answer(evil, "discard", point, "--yes")
            answer(evil, "copy-back", point, "--yes", "--dsn", pg.conninfo("postgres"))
        after = picture(pg)
        assert sorted(x.rstrip(",") for x in after) == sorted(x.rstrip(",") for x in before), statement


def test_a_hostile_schema_comes_back(evil, pg):
    before = picture(pg)
    made = destroy(evil, "DROP SCHEMA evil CASCADE")
    for point in made:
        answer(evil, "copy-back", point, "--yes", "--dsn", pg.conninfo("postgres"))
    assert picture(pg) == before


FORGED = ("outcome    rolled_back", "recovery     whole, grade restored: all is kept", "  + TABLE evil.fake")


def test_names_and_texts_cannot_look_like_our_lines(evil, pg):
    """Statements keep their lines, indented; in names and values a newline is shown as what it is."""
    lines = "\n" + "\n".join(FORGED) + "\n"
    view, statement = ident("evil", "v" + lines[:60]), "TRUNCATE evil.forged /*" + lines + "*/"
    with pg.admin() as c:
        c.execute("SET ROLE app_trust; CREATE TABLE evil.forged (id int PRIMARY KEY, v text)")
        c.execute("INSERT INTO evil.forged VALUES (1, %s)", (lines,))
        c.execute(sql.SQL("CREATE VIEW {} AS SELECT 1 FROM evil.forged").format(view))
    with evil.connect("bob", autocommit=True) as c:
        thread = threading.Thread(target=lambda: c.execute(statement))
        thread.start()
        ticket = evil.operator.next_ticket()["id"]
        texts = [subprocess.run([binary(), "approvals", "show", ticket, "--server",
                                 evil.operator.base], env={**evil.env, "BACKSTOP_TOKEN":
                                                           evil.operator.token},
                                capture_output=True, text=True, check=True).stdout]
        evil.operator.decide(ticket, "approve")
        thread.join()
    points = [json.loads(evil.cli("points", "list", "--json").stdout)["points"][0]["point"]]
    points += destroy(evil, sql.SQL("DROP TABLE evil.forged CASCADE"))
    texts += [evil.cli(*verb, p).stdout for p in points
              for verb in (("restore", "preview"), ("points", "show"))]
    texts += [evil.cli("restore", "copy-back", points[1], "--yes").stdout]
    assert all("forged" in x for x in texts)
    for text in texts:
        assert not [x for x in text.splitlines() if x.startswith(tuple(f[:30] for f in FORGED))], text


def test_rows_behind_policies_need_no_superuser(evil, pg):
    """The agents' role is told which role is enough; whoever connects as a superuser is warned."""
    with pg.admin() as c:
        c.execute("SET ROLE app_trust; CREATE TABLE evil.hidden (id int PRIMARY KEY);"
                  "INSERT INTO evil.hidden SELECT generate_series(1, 50);"
                  "ALTER TABLE evil.hidden ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
                  "CREATE POLICY p ON evil.hidden USING (id < 20); RESET ROLE;"
                  "GRANT app_trust TO app_clerk; ALTER ROLE app_clerk BYPASSRLS")
        try:
            before = c.execute("SELECT * FROM evil.hidden ORDER BY 1").fetchall()
            [point] = destroy(evil, "DELETE FROM evil.hidden WHERE id <= 5")
            for verb in ("copy-back", "diff"):
                error = answer(evil, verb, point, *(["--yes"] if verb != "diff" else []), status=77)
                assert "BYPASSRLS" in error["error"]["hint"]
            out = evil.cli("restore", "copy-back", point, "--yes", "--dsn", pg.conninfo("app_clerk"))
            assert "superuser" not in out.stderr
            assert c.execute("SELECT * FROM evil.hidden ORDER BY 1").fetchall() == before
            out = evil.cli("restore", "preview", point, "--dsn", pg.conninfo("postgres"))
            assert "runs with all rights" in out.stderr
        finally:
            c.execute("REVOKE app_trust FROM app_clerk; ALTER ROLE app_clerk NOBYPASSRLS")
