"""What is asked of each member, through one gateway before all of them, and what came of it."""

import contextlib
import json
import re

import psycopg

from conftest import Gateway, running, wait_until
from fidelity import CLOSED
from operator_side import Operator

# In the order in which they are asked; as the table calls them.
ITEMS = ("login", "reads", "catalog", "hold", "deny", "run once", "point", "restore rows", "DROP", "restore table")
NOTHING = "- nothing was destroyed"
DESTROY = ("DELETE FROM users WHERE id = 1", "UPDATE users SET name = 'x'", "TRUNCATE users",
           "ALTER TABLE users DROP COLUMN name", "DROP TABLE users")
RULES = [{"name": "additive work", "risk": ["SAFE", "HIGH"], "kinds": ["INSERT", "SELECT"], "action": "allow"}]


class Many:
    """In place of one server, for conftest's Gateway."""

    of_debian = True

    def conninfo(self, *_, **__):
        return ""


class Family:
    def __init__(self, gateway, members):
        self.gateway, self.members = gateway, members
        self.operator = Operator(gateway)

    # --- as the agent ---

    def connect(self, member):
        return self.gateway.connect("ann", key_of(member), autocommit=True, prepare_threshold=None,
                                    cursor_factory=psycopg.ClientCursor)

    def ask(self, member, sql):
        with self.connect(member) as c:
            cursor = c.execute(sql)
            return cursor.fetchall() if cursor.description else cursor.rowcount

    def approved(self, member, sql):
        """Held, approved, and asked again: the answer, and the points that were made."""
        before = self.points()
        self.decide(member, sql, "approve")
        answer = self.ask(member, sql)
        wait_until(self.settled, 15)
        return answer, [p for p in self.points() if p not in before]

    def decide(self, member, sql, what):
        try:
            self.ask(member, sql)
        except psycopg.Error as error:
            if error.sqlstate != "ZB001":
                raise
            self.operator.decide(json.loads(error.diag.message_detail)["ticket"], what)
        else:
            raise AssertionError(f"{member.name}: {sql} ran without asking")

    # --- as the operator ---

    def all_points(self):
        return json.loads(self.gateway.cli("points", "list", "--json").stdout)["points"]

    def points(self):
        """Of all members: one is asked at a time."""
        return [p["point"] for p in self.all_points() if p["outcome"] == "committed"]

    def settled(self):
        return all(p["outcome"] in CLOSED for p in self.all_points())

    def copy_back(self, point):
        out = self.gateway.cli("restore", "copy-back", point, "--yes", "--json", check=False)
        assert out.returncode == 0, out.stdout + out.stderr

    def alive(self):
        return self.gateway.process.poll() is None


def key_of(member):
    return re.sub(r"[^a-z0-9]+", "-", member.name.lower()).strip("-")


@contextlib.contextmanager
def gateway_before(members):
    databases = {key_of(m): {"upstream": m.upstream, "helper": m.helper, "environment": "test"} for m in members}
    dumps = {}
    for m in members:
        dumps.update(m.pg_dump)
    gateway = Gateway(Many(), {name: None for name in databases}, policy={"rules": RULES},
                      extra={"databases": databases, "hold": {"wait": "0s"}, "recovery": {"pg_dump": dumps}})
    family = Family(gateway, members)
    with running(gateway, "ann"):
        yield family


# --- the items ---

def said(error):
    """What an agent is told, or an operator by a command."""
    if isinstance(error, psycopg.Error):
        if error.sqlstate is None:  # at login
            return f"refused {str(error).splitlines()[0].split('FATAL: ')[-1].strip()}"
        return f"{error.sqlstate} {error.diag.message_primary}"
    return str(error)


class Ordeal:
    """Each item is tried, whatever came of those before it: None (it works), or what it says instead."""

    def __init__(self, family, member):
        self.f, self.m, self.rows, self.made = family, member, [], []

    def login(self):
        self.f.connect(self.m).close()

    def reads(self):
        assert self.f.ask(self.m, "SELECT count(*) FROM users") == [(3,)]

    def catalog(self):
        found = self.f.ask(self.m, "SELECT relname FROM pg_catalog.pg_class WHERE relname = 'users'")
        assert ("users",) in found  # of other schemas, too, where others use the server

    def hold(self):
        try:
            self.f.ask(self.m, "DELETE FROM users WHERE id = 2")
        except psycopg.Error as error:
            if error.sqlstate != "ZB001":
                raise
            ticket = json.loads(error.diag.message_detail)["ticket"]
            _, shown = self.f.operator.ask("GET", f"/v1/tickets/{ticket}")
            assert shown["state"] == "pending" and "users" in json.dumps(shown["effects"]), shown
            self.f.operator.decide(ticket, "deny")
        else:
            raise AssertionError("it ran without asking")

    def deny(self):
        """Asked again it waits for an operator again."""
        self.f.decide(self.m, "DELETE FROM users WHERE id = 3", "deny")
        assert self.m.rows() == self.rows
        self.f.decide(self.m, "DELETE FROM users WHERE id = 3", "deny")
        assert self.m.rows() == self.rows

    def run_once(self):
        answer, self.made = self.f.approved(self.m, DESTROY[0])
        assert answer == 1 and self.m.rows() == self.rows[1:]

    def point(self):
        assert len(self.made) == 1, "there is none"

    def restore_rows(self):
        self.f.copy_back(self.made[0])
        assert self.m.rows() == self.rows

    def drop(self):
        _, self.made = self.f.approved(self.m, DESTROY[-1])
        assert len(self.made) == 1

    def restore_table(self):
        self.f.copy_back(self.made[0])
        assert self.m.rows() == self.rows

    def run(self):
        self.m.fresh()
        self.rows = self.m.rows()
        self.f.gateway.cli("agents", "list")  # nothing of the state is locked by what went before
        results, over = {}, None
        steps = {"login": self.login, "reads": self.reads, "catalog": self.catalog, "hold": self.hold, "deny": self.deny,
                 "run once": self.run_once, "point": self.point, "restore rows": self.restore_rows,
                 "DROP": self.drop, "restore table": self.restore_table}
        for item, step in steps.items():
            if over and item in ("point", "restore rows", "restore table"):
                results[item] = over
                continue
            try:
                step()
                results[item], over = None, None
            except psycopg.Error as error:
                results[item] = said(error)
                over = NOTHING if item in ("run once", "DROP") else over
        return results


def uncovered(family, member):
    """
    Everything that destroys, approved if it asks. What ran without a point of its own; [] is as it must be.
    """
    wrong = []
    for sql in DESTROY:
        member.fresh()
        rows = member.rows()
        try:
            _, made = family.approved(member, sql)
        except psycopg.Error as error:
            if member.rows() != rows:
                wrong.append(f"{sql}: refused with {said(error)}, and the rows are others")
            continue
        if len(made) != 1:
            wrong.append(f"{sql}: ran with the points {made}")
    return wrong
