"""A gateway and an operator before tables that must not lose a row.

Two agents: `bob` has no rule that lets him write, so the shield is over his sessions; `ann` may
add rows without asking, so she has none, and only the judgement stands between her and the data.
Nothing waits: what is held is answered at once with its ticket.
"""

import contextlib
import json
import pathlib
import socket

from conftest import Gateway, running, wait_until
from operator_side import Operator
from rawwire import Raw

ADDITIVE = {"name": "additive work", "actors": ["ann"], "risk": ["SAFE", "HIGH"],
            "kinds": ["INSERT", "COPY FROM STDIN", "SELECT"], "action": "allow"}

ROWS = 100

TABLES = f"""
DROP SCHEMA IF EXISTS ground CASCADE;
CREATE SCHEMA ground AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE ground.t (id int PRIMARY KEY, v text);
CREATE TABLE ground.child (id int PRIMARY KEY, t int REFERENCES ground.t ON DELETE CASCADE);
CREATE TABLE ground.inbox (id serial, v text);
INSERT INTO ground.t SELECT n, 'v' || n FROM generate_series(1, {ROWS}) n;
INSERT INTO ground.child SELECT n, n FROM generate_series(1, {ROWS}) n;
RESET ROLE;
"""


class Place:
    def __init__(self, pg, gateway, operator):
        self.pg, self.gateway, self.operator = pg, gateway, operator

    def connect(self, actor="ann", **more):
        return self.gateway.connect(actor, **{"autocommit": True, **more})

    @contextlib.contextmanager
    def raw(self, actor="ann", **params):
        """The protocol by hand, logged in, without TLS."""
        with Raw(self.gateway.port, timeout=30) as r:
            r.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            seen = r.login(actor, self.gateway.passwords[actor], **params)
            assert seen[-1] == (b"Z", b"I"), seen
            yield r

    def reset(self):
        with self.pg.admin() as c:
            c.execute(TABLES)

    def state(self):
        """All that could be lost, as text."""
        with self.pg.admin() as c:
            return c.execute("SELECT (SELECT count(*) || '|' || string_agg(id || v, ',' ORDER BY id)"
                             " FROM ground.t), (SELECT count(*) FROM ground.child)").fetchone()

    def sessions(self):
        with self.pg.admin() as c:
            return c.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app_trust'"
                             ).fetchone()[0]

    def audit(self):
        lines = []
        for path in sorted(pathlib.Path(self.gateway.folder, "audit").glob("audit-*.jsonl")):
            lines += [json.loads(line) for line in path.read_text().splitlines()]
        return lines

    def settled(self, descriptors):
        """Alive, and nothing of earlier sessions is left."""
        assert self.gateway.process.poll() is None, self.gateway.log()[-3000:]
        wait_until(lambda: self.sessions() == 0, seconds=15)
        wait_until(lambda: self.gateway.descriptors() <= descriptors, seconds=15)
        with self.connect() as c:
            assert c.execute("SELECT 1").fetchone() == (1,)


@contextlib.contextmanager
def a_place(pg, rules=(ADDITIVE,), **extra):
    g = Gateway(pg, policy={"rules": list(rules)},
                extra={"hold": {"wait": "0s"}, **extra})
    operator = Operator(g)
    with running(g, "ann", "bob") as g:
        yield Place(pg, g, operator)
