"""What an agent destroys through a gateway, given back, and compared with what was there before.

Used by test_fidelity.py and by script/check recovery. The tables of tests/data/recovery are those of
schemas `fid` and `fid other`; whatever is compared is read past the gateway.
"""

import contextlib
import hashlib
import json
import pathlib
import re
import subprocess

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

    def __init__(self, error):
        super().__init__(f"{error.diag.message_primary or error}; {error.diag.message_detail or ''}")
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


class Ground:
    """A server, a gateway before it, an agent `bob` and an operator who approves."""

    def __init__(self, pg, gateway):
        self.pg, self.gateway = pg, gateway
        self.operator = Operator(gateway)
        self.dbname = "app"

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
        for path in sorted(DATA.glob("*.sql")):
            number = re.match(r"(\d+)", path.stem)
            if number is None or int(number[1]) <= int(self.pg.major):
                self.run(path.read_text())

    # --- acting ---

    def destroy(self, statement, before=()):
        """The agent's statement, approved; the points that were made for it."""
        with self.gateway.connect("bob", dbname=self.dbname, autocommit=True) as c:
            for sql in before:
                c.execute(sql)
            old = {p["point"] for p in self.points()}
            decider = self.operator.deciding("approve")
            try:
                c.execute(statement)
            except psycopg.Error as error:
                if decider.ticket is None:
                    for ticket in self.operator.tickets():
                        self.operator.decide(ticket["id"], "deny")
                raise Refused(error) from error
            decider.done()
        wait_until(lambda: all(p["outcome"] in CLOSED for p in self.points()), 15, 0.1)
        return [p["point"] for p in self.points() if p["point"] not in old
                and p["outcome"] == "committed"]

    def points(self):
        return json.loads(self.gateway.cli("points", "list", "--json").stdout)["points"]

    def restore(self, point, *more):
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
            was, now = (sorted(x.rstrip(",") for x in d) for d in (was, now))
        if was != now:
            gone, new = surplus(was, now), surplus(now, was)
            raise Broken("definition: " + ("\n".join(["-" + x for x in gone] + ["+" + x for x in new])
                                           or "the same lines in another order"))
        wrong = [f"{t}: {before[1].get(t)} -> {rows.get(t)}" for t in sorted({*before[1], *rows})
                 if before[1].get(t) != rows.get(t)]
        if wrong:
            raise Broken("rows: " + "; ".join(wrong))


RELATIONS = """
SELECT format('%%I.%%I', n.nspname, c.relname), c.relkind::text,
    (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname) FROM pg_attribute a
     WHERE a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'S') AND n.nspname = ANY (%s) ORDER BY 1
"""


def surplus(a, b):
    """Lines of a that b does not have as often."""
    left, out = list(b), []
    for line in a:
        if line in left:
            left.remove(line)
        else:
            out.append(line)
    return out[:40]


@contextlib.contextmanager
def ground(pg, **extra):
    gateway = Gateway(pg, tls=False, extra=extra)
    with running(gateway, "bob"):
        yield Ground(pg, gateway)
