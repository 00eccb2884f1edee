"""A database of its own for a migration tool, behind a gateway with the staging policy."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import urllib.parse

import psycopg
import yaml

from conftest import ROOT, Gateway, running
from migrations import shop
from operator_side import Operator

POLICY = yaml.safe_load((ROOT / "docs" / "policies" / "staging.yaml").read_text())["policy"]
HERE = pathlib.Path(__file__).parent


class Place:
    def __init__(self, pg, name, gateway):
        self.pg, self.name, self.gateway = pg, name, gateway
        self.operator = Operator(gateway)

    def admin(self):
        return self.pg.admin(self.name)

    def fill(self, schema="public"):
        with self.admin() as c:
            shop.fill(c, schema)

    def counts(self, schema="public"):
        with self.admin() as c:
            return shop.counts(c, schema)

    def url(self, scheme="postgresql"):
        password = urllib.parse.quote(self.gateway.passwords["ann"], safe="")
        return f"{scheme}://ann:{password}@127.0.0.1:{self.gateway.port}/{self.name}"

    def env(self):
        return {**os.environ, "PGHOST": "127.0.0.1", "PGPORT": str(self.gateway.port), "PGUSER": "ann",
                "PGPASSWORD": self.gateway.passwords["ann"], "PGDATABASE": self.name,
                "SHOP_URL": self.url(), "SHOP_SPEC": str(shop.SPEC), "PGSSLMODE": "disable"}

    def run(self, *command, cwd=None, env=None, stdin=None):
        """Of a tool, as it is; (exit status, what it said)."""
        done = subprocess.run([str(c) for c in command], env={**self.env(), **(env or {})}, cwd=cwd,
                              capture_output=True, text=True, timeout=120, input=stdin)
        return done.returncode, done.stdout + done.stderr

    def python(self, script, *args, **more):
        return self.run(sys.executable, HERE / script, *args, **more)

    def tickets(self):
        """What is held now, with all that an operator sees."""
        return [self.shown(t["id"]) for t in self.operator.tickets()]

    def shown(self, ticket):
        status, answer = self.operator.ask("GET", f"/v1/tickets/{ticket}")
        assert status == 200, answer
        return answer

    def approve(self):
        tickets = self.tickets()
        for t in tickets:
            self.operator.decide(t["id"], "approve")
        return tickets

    def audit(self):
        lines = []
        for path in sorted(pathlib.Path(self.gateway.folder, "audit").glob("audit-*.jsonl")):
            lines += [json.loads(line) for line in path.read_text().splitlines()]
        return lines

    def judged(self):
        """The audit records of all statements so far."""
        return [r for r in self.audit() if r["kind"] == "judged"]


@contextlib.contextmanager
def a_place(pg, name, wait="0s"):
    with pg.admin("postgres") as c:
        c.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        c.execute(f"CREATE DATABASE {name} OWNER app_trust")
    with pg.admin(name) as c:
        c.execute("ALTER SCHEMA public OWNER TO app_trust")

    def dsn(user):
        return psycopg.conninfo.make_conninfo(pg.conninfo(user), dbname=name)

    gateway = Gateway(pg, tls=False, policy=POLICY, extra={
        "databases": {name: {"upstream": dsn("app_trust"), "helper": dsn("backstop"), "environment": "staging"}},
        "hold": {"wait": wait}})
    gateway.databases = {name: None}
    place = Place(pg, name, gateway)
    with running(gateway, "ann"):
        yield place
    with pg.admin("postgres") as c:
        c.execute(f"DROP DATABASE {name} WITH (FORCE)")
