"""What an agent destroys through a gateway, given back, and compared with what was there before.

Used by test_fidelity.py and by script/check recovery. The tables of tests/data/recovery are those of
schemas `fid` and `fid other`; whatever is compared is read past the gateway.
"""

import contextlib
import hashlib
import json
import pathlib
import re
import secrets
import subprocess
import threading

import psycopg

from conftest import ROOT, Gateway, Postgres, running, wait_until
from operator_side import Operator

DATA = ROOT / "tests" / "data" / "recovery"
SERVERS = ROOT / ".cache" / "servers"
SCHEMAS = ("fid", "fid other")
CLOSED = {"committed", "rolled_back", "not_used", "abandoned", "incomplete"}


class Broken(AssertionError):
    """A restore that did not give back what was there."""


class Refused(Exception):
    """The statement did not run; .sqlstate says who refused it."""

    def __init__(self, error, why=None):
        super().__init__(f"{error.diag.message_primary or error}; {why or error.diag.message_detail or ''}")
        self.sqlstate, self.detail = error.sqlstate, error.diag.message_detail


@contextlib.contextmanager
def server(major):
    """A private server of that major."""
    folder = SERVERS / str(major) / "bin"
    if not (folder / "postgres").exists():
        subprocess.run([ROOT / "script" / "servers", str(major)], check=True)
    pg = Postgres(folder)
    try:
        yield pg
    finally:
        pg.stop()


@contextlib.contextmanager
def approving(operator):
    """Whatever is held meanwhile is approved."""
    over = threading.Event()

    def work():
        while not over.wait(0.03):
            for ticket in operator.tickets():
                operator.decide(ticket["id"], "approve")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Ground:
    """A server, a gateway before it, an agent `bob` and an operator who approves."""

    def __init__(self, pg, gateway, dbname="app"):
        self.pg, self.gateway, self.dbname = pg, gateway, dbname
        self.operator = Operator(gateway)

    # --- making ---

    def admin(self):
        return self.pg.admin(self.dbname)

    def run(self, sql):
        with self.admin() as c:
            c.execute(sql)

    def load(self):
        """The whole schema of this major, anew."""
        self.run("DROP SCHEMA IF EXISTS " + ", ".join(f'"{s}"' for s in SCHEMAS) + " CASCADE;"
                 "DROP PUBLICATION IF EXISTS fid_all, fid_some")
        for path in sorted(DATA.glob("*.sql")):  # named after the major that they need
            if int(path.stem) <= int(self.pg.major):
                self.run(path.read_text())

    # --- acting ---

    def destroy(self, statement):
        """The agent's statement, approved; the points that were made for it."""
        with self.gateway.connect("bob", dbname=self.dbname, autocommit=True) as c:
            old, said = {p["point"] for p in self.points()}, len(self.gateway.lines)
            try:
                with approving(self.operator):
                    c.execute(statement)
            except psycopg.Error as error:
                raise Refused(error, error.sqlstate == "ZB004" and self.why_no_point(said)) from error
        wait_until(lambda: all(p["outcome"] in CLOSED for p in self.points()), 15, 0.1)
        return [p["point"] for p in self.points() if p["point"] not in old
                and p["outcome"] == "committed"]

    def why_no_point(self, said):
        """What the gateway's log says from that line on; None: it says nothing."""
        def find():
            return [x for x in self.gateway.lines[said:] if '"no recovery point"' in x]

        with contextlib.suppress(AssertionError):
            return json.loads(wait_until(find, 1)[-1])["reason"]

    def points(self):
        return json.loads(self.gateway.cli("points", "list", "--json").stdout)["points"]

    def restore(self, point, *more):
        """As the agents' role; as a superuser where that role may not."""
        try:
            return self.copy_back(point, *more)
        except Broken as error:
            if "FORBIDDEN" not in str(error):
                raise
        superuser = self.pg.conninfo("postgres").replace("dbname=app", f"dbname={self.dbname}")
        return {**self.copy_back(point, "--dsn", superuser, *more), "superuser": True}

    def copy_back(self, point, *more):
        out = self.gateway.cli("restore", "copy-back", point, "--yes", "--json", *more, check=False)
        try:
            answer = json.loads(out.stdout)
        except ValueError:
            answer = {"error": {"message": out.stdout + out.stderr}}
        if out.returncode != 0:
            error = answer.get("error", {})
            raise Broken(f"copy-back: {error.get('code')}: {error.get('message') or answer}")
        return answer

    # --- looking ---

    def tables(self):
        """(oid as text, quoted name, relkind) of all that can be destroyed."""
        with self.admin() as c:
            return c.execute(
                "SELECT format('%%I.%%I', n.nspname, c.relname), c.relkind::text FROM pg_class c"
                " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')"
                " AND n.nspname = ANY (%s) ORDER BY c.oid", (list(SCHEMAS),)).fetchall()

    def definition(self):
        """As pg_dump writes it."""
        text = subprocess.run(
            [self.pg.bin / "pg_dump", "-s", "-h", self.pg.folder, "-p", str(self.pg.port), "-U",
             "postgres", self.dbname], check=True, capture_output=True).stdout.decode("utf-8", "replace")
        return [x for x in text.splitlines() if x and not x.startswith(("\\restrict", "\\unrestrict", "-- "))]

    def rows(self):
        """Of each relation, a hash of its rows' text, columns by name; of each sequence, its state."""
        found = {}
        with self.admin() as c:
            c.execute("SET extra_float_digits = 3; SET search_path = ''")
            for name, kind, columns in c.execute(RELATIONS, (list(SCHEMAS),)).fetchall():
                if kind == "S":
                    sql = f"SELECT last_value, is_called FROM {name}"
                else:
                    sql = f"SELECT {columns or '1'} FROM {'ONLY' if kind == 'r' else ''} {name}"
                if kind in "pv":
                    continue
                try:
                    with c.cursor().copy(f"COPY ({sql}) TO STDOUT") as copy:
                        data = b"".join(bytes(x) for x in copy)
                except psycopg.errors.ObjectNotInPrerequisiteState:
                    data = b"not populated"
                lines = sorted(data.split(b"\n"))
                found[name] = (len(lines) - 1, hashlib.sha256(b"\n".join(lines)).hexdigest()[:16])
        return found

    def picture(self):
        return self.definition(), self.rows()

    def compare(self, before, moved=False):
        """Raises Broken where the database is not what it was; `moved`: a column may be elsewhere."""
        definition, rows = self.picture()
        was, now = before[0], definition
        if moved:
            was, now = (sorted(without_order(x) for x in d) for d in (was, now))
        if was != now:
            gone, new = surplus(was, now), surplus(now, was)
            raise Broken("definition: " + ("\n".join(["-" + x for x in gone] + ["+" + x for x in new])
                                           or "the same lines in another order"))
        wrong = [f"{t}: {before[1].get(t)} -> {rows.get(t)}" for t in sorted({*before[1], *rows})
                 if before[1].get(t) != rows.get(t)]
        if wrong:
            raise Broken("rows: " + "; ".join(wrong))


# Two helpers copy ranges of its blocks at once.
LARGE = """
SET ROLE app_trust;
CREATE TABLE fid.large (id int PRIMARY KEY, v text, n numeric, k text);
ALTER TABLE fid.large ALTER v SET STORAGE PLAIN;
INSERT INTO fid.large SELECT n, repeat(md5(n::text), 50), n / 7.0, 'k' || n FROM generate_series(1, 25000) n;
ANALYZE fid.large;
RESET ROLE;
"""
RELATIONS = """
SELECT format('%%I.%%I', n.nspname, c.relname), c.relkind::text,
    (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname) FROM pg_attribute a
     WHERE a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'S') AND n.nspname = ANY (%s) ORDER BY 1
"""


def without_order(line):
    """A line of pg_dump as it would be wherever columns stand in their table."""
    found = (re.fullmatch(r"(CREATE STATISTICS .* ON )(.*)( FROM .*)", line)
             or re.fullmatch(r"(ALTER PUBLICATION .* ADD TABLE [^(]* \()([^()]*)(\).*)", line))
    return (found[1] + ", ".join(sorted(found[2].split(", "))) + found[3] if found else line).rstrip(",")


def surplus(a, b):
    """Lines of a that b does not have as often."""
    left, out = list(b), []
    for line in a:
        if line in left:
            left.remove(line)
        else:
            out.append(line)
    return out[:40]


def encryption(folder):
    """Settings of a gateway whose recovery points are encrypted; the key is made in that folder."""
    key = folder / "k1"
    key.write_bytes(secrets.token_bytes(32))
    key.chmod(0o600)
    return {"recovery": {"encryption": {"keys": f"file:{folder}", "key": "k1"}}}


@contextlib.contextmanager
def ground(pg, dbname="app", **extra):
    def to(user):
        return psycopg.conninfo.make_conninfo(pg.conninfo(user), dbname=dbname)

    gateway = Gateway(pg, {dbname: to("app_trust")}, tls=False, extra={"databases": {
        dbname: {"upstream": to("app_trust"), "helper": to("backstop"), "environment": "test"}}, **extra})
    with running(gateway, "bob"):
        yield Ground(pg, gateway, dbname)


# --- one after the other -----------------------------------------------------------------------

COLUMNS = """
SELECT a.attname, quote_ident(a.attname), a.attnotnull OR a.attidentity <> '', a.attgenerated <> '',
    EXISTS (SELECT FROM pg_index x WHERE x.indrelid = a.attrelid AND x.indisprimary
            AND a.attnum = ANY (x.indkey)),
    EXISTS (SELECT FROM pg_inherits WHERE inhrelid = a.attrelid) AND a.attinhcount > 0
FROM pg_attribute a WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""


class Case:
    """A statement against one table; `moved`: a column may come back at another place."""

    def __init__(self, kind, table, sql, moved=False):
        self.kind, self.table, self.sql, self.moved = kind, table, sql, moved


def cases_of(g, table, every_column=True):
    """All that is done to a table."""
    with g.admin() as c:
        columns = c.execute(COLUMNS, (table,)).fetchall()
    yield Case("drop", table, f"DROP TABLE {table}")
    yield Case("drop cascade", table, f"DROP TABLE {table} CASCADE")
    yield Case("truncate", table, f"TRUNCATE {table}")
    yield Case("truncate cascade", table, f"TRUNCATE {table} RESTART IDENTITY CASCADE")
    yield Case("empty", table, f"DELETE FROM {table}")
    if not columns:
        return  # drop and truncate only: there is no column to say a condition with
    some = f"{columns[0][1]}::text LIKE '%1%'"
    yield Case("delete", table, f"DELETE FROM {table} WHERE {some}")
    if int(g.pg.major) >= 15:
        returning = " RETURNING t.*" if int(g.pg.major) >= 17 else ""
        yield Case("merge", table, f"MERGE INTO {table} t USING (VALUES ('%1%')) s(x) ON"
                   f" t.{columns[0][1]}::text LIKE s.x WHEN MATCHED THEN DELETE{returning}")
    free = [q for _, q, needed, computed, *_ in columns if not needed and not computed]
    if free:
        sets = ", ".join(f"{q} = NULL" for q in free[-3:])
        yield Case("update", table, f"UPDATE {table} SET {sets} WHERE {some}")
        yield Case("update all", table, f"UPDATE {table} SET {sets}")
    chosen = [x for x in columns if not x[5]]
    if len(chosen) > 30:  # one like the other
        chosen = chosen[:3] + chosen[-2:]
    for _, quoted, _, computed, *_ in chosen if every_column else chosen[-1:]:
        yield Case("drop column", table, f"ALTER TABLE {table} DROP COLUMN {quoted} CASCADE", True)
        if computed:
            if int(g.pg.major) >= 17:
                yield Case("express", table,
                           f"ALTER TABLE {table} ALTER COLUMN {quoted} SET EXPRESSION AS (NULL)", True)
        else:
            yield Case("retype", table, f"ALTER TABLE {table} ALTER COLUMN {quoted} DROP DEFAULT,"
                       f" ALTER COLUMN {quoted} TYPE text USING left({quoted}::text, 1)", True)


def way_back(g, case, before):
    """
    Destroys and restores; how it went: "same", "refused: ..." by the gateway, "not possible: ..."
    by the server, "broken: ...". Only after "same" and "not possible" the database is what it was.
    """
    try:
        points = g.destroy(case.sql)
    except Refused as error:
        ours = (error.sqlstate or "").startswith("ZB") or "this statement is not allowed" in str(error)
        who = "refused" if ours else "not possible"
        return f"{who}: {error.sqlstate} {error}"
    try:
        # Without a key, what an UPDATE wrote is known only as rows that the transaction made.
        more = ["--remove-inserted"] if case.kind.startswith("update") else []
        done = [g.restore(point, "--conflict", "overwrite", *more) for point in reversed(points)]
        g.compare(before, case.moved)
    except (Broken, psycopg.Error, subprocess.SubprocessError) as error:
        return f"broken: {error}"
    return "same, by a superuser" if any("superuser" in x for x in done) else "same"
