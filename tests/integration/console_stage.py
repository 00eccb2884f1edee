"""What the console's tests and pictures look at: a shop, an agent who asks, operators of every role."""

import json
import threading

import psycopg

from conftest import Gateway
from operator_side import Operator

SCHEMA = """
DROP SCHEMA IF EXISTS shop CASCADE;
CREATE SCHEMA shop AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE shop.customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE,
    since date NOT NULL);
CREATE TABLE shop.orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES shop.customers ON DELETE CASCADE,
    status text NOT NULL, total numeric(10,2) NOT NULL);
CREATE TABLE shop.items (
    order_id bigint NOT NULL REFERENCES shop.orders ON DELETE CASCADE, line int NOT NULL, product text NOT NULL,
    PRIMARY KEY (order_id, line));
CREATE INDEX orders_by_customer ON shop.orders (customer_id);
CREATE TABLE shop.sessions (id int PRIMARY KEY, token text);
CREATE TABLE shop.payments (id int PRIMARY KEY, amount numeric(10,2));
INSERT INTO shop.customers (name, email, since)
    SELECT 'customer ' || n, 'customer' || n || '@example.com', date '2020-01-01' + n FROM generate_series(1, 500) n;
INSERT INTO shop.orders (customer_id, status, total)
    SELECT 1 + n % 500, (ARRAY['open', 'paid', 'sent'])[1 + n % 3], n / 7.0 FROM generate_series(1, 2000) n;
INSERT INTO shop.items SELECT 1 + n / 2, n % 2, 'product ' || n % 97 FROM generate_series(0, 3999) n;
INSERT INTO shop.sessions SELECT n, md5(n::text) FROM generate_series(1, 1000) n;
INSERT INTO shop.payments SELECT n, n FROM generate_series(1, 100) n;
RESET ROLE;
ANALYZE shop.customers, shop.orders, shop.items, shop.sessions, shop.payments;
"""
POLICY = {"rules": [
    {"name": "payments are sacred", "objects": ["shop.payments"], "action": "approve",
     "approvals": {"quorum": 2, "groups": ["dba"], "require_reason": True}},
    {"name": "old sessions may go", "objects": ["shop.sessions"], "kinds": ["DELETE"], "max_rows": 10,
     "risk": ["HIGH"], "action": "allow"}]}

# Marks and characters that must be seen, and must do nothing.
HOSTILE = ("DELETE FROM shop.sessions WHERE token = '<img src=x onerror=\"window.owned=1\">"
           "<script>window.owned=1</script>\u202e\u2066\x1b[31m' OR id < 20 -- \u200bdrop")


class Stage:
    """hold.wait is long, so that a statement waits for the console's operator."""

    def __init__(self, pg, **hold):
        self.pg = pg
        with pg.admin() as c:
            c.execute(SCHEMA)
        self.gateway = Gateway(pg, tls=False, policy=POLICY, extra={
            "hold": {"wait": "60s", **hold}, "databases": {"app": {
                "upstream": pg.conninfo("app_trust"), "helper": pg.conninfo("backstop"),
                "environment": "production"}}})
        self.who = {}
        for name, role, group in (("vera", "viewer", None), ("kim", "approver", "dba"), ("lee", "approver", "dba"),
                                  ("ada", "admin", None)):
            self.who[name] = Operator(self.gateway, name, role)
            if group:
                self.gateway.cli("operators", "set", name, "--group", group)
        for agent in ("cursor-alice", "nightly-report"):
            self.gateway.add_agent(agent)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.gateway.operators_port}/"

    def connect(self, actor="cursor-alice", **more):
        return self.gateway.connect(actor, autocommit=True, **more)

    def ask(self, sql, params=None, actor="cursor-alice"):
        """A statement that waits, on a connection of its own."""
        return Waiting(self.connect(actor), sql, params)

    def ticket_of(self, sql):
        """The newest ticket of that text, once it is there."""
        from conftest import wait_until

        def find():
            return [t for t in self.who["vera"].tickets("all") if t["sql"] == sql]
        return wait_until(find)[0]


class Waiting(threading.Thread):
    def __init__(self, connection, sql, params=None):
        super().__init__(daemon=True)
        self.connection, self.sql, self.params = connection, sql, params
        self.error = None
        self.start()

    def run(self):
        try:
            self.connection.execute(self.sql, self.params)
        except psycopg.Error as error:
            self.error = error

    def done(self, seconds=20):
        """None where it ran; else the SQLSTATE."""
        self.join(seconds)
        assert not self.is_alive(), "it still waits"
        self.connection.close()
        return None if self.error is None else self.error.sqlstate

    def leave(self):
        """The client goes away; its ticket stays."""
        self.connection.cancel()
        self.join(20)
        self.connection.close()
