"""Effect measured before a hold: what is counted is what the server then says was changed.

The oracle runs each statement in a transaction of its own, reads the server's counters of that
transaction and rolls back. Triggers of the traps write a row into effect.trap, which must stay
empty whatever is counted, estimated or shown.
"""

import contextlib
import json
import os
import socket
import subprocess
import threading

import psycopg
import pytest

from conftest import Gateway, binary, running, wait_until
from operator_side import Operator

SCHEMA = """
DROP SCHEMA IF EXISTS effect CASCADE;
CREATE SCHEMA effect;
SET search_path = effect;
CREATE TABLE trap (what text);
CREATE FUNCTION spring() RETURNS void LANGUAGE sql AS
  $$INSERT INTO effect.trap VALUES ('ran')$$;
CREATE FUNCTION trap(int) RETURNS bool LANGUAGE plpgsql IMMUTABLE COST 0.0001 AS
  $$BEGIN RAISE LOG 'the trap ran as %', current_user; PERFORM effect.spring(); RETURN true; END$$;
CREATE FUNCTION trap_trigger() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN INSERT INTO effect.trap VALUES ('trigger'); RETURN NULL; END$$;

CREATE TABLE t (id int PRIMARY KEY, n int, v text, at timestamptz DEFAULT now() - interval '1 year');
INSERT INTO t SELECT i, i % 100, 'v' || i FROM generate_series(1, 20000) i;
CREATE TABLE other (id int PRIMARY KEY, t int, n int);
INSERT INTO other SELECT i, i * 3, i % 7 FROM generate_series(1, 5000) i;
CREATE TABLE small (id int PRIMARY KEY, n int);
INSERT INTO small SELECT i, i FROM generate_series(1, 20) i;
CREATE TABLE "Qu""o.ted" ("a b" int PRIMARY KEY, "ü x" int);
INSERT INTO "Qu""o.ted" SELECT i, i % 10 FROM generate_series(1, 1000) i;

CREATE TABLE parted (id int, n int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (1000);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (1000) TO (2000) PARTITION BY RANGE (id);
CREATE TABLE parted_2a PARTITION OF parted_2 FOR VALUES FROM (1000) TO (1500);
CREATE TABLE parted_2b PARTITION OF parted_2 FOR VALUES FROM (1500) TO (2000);
INSERT INTO parted SELECT i, i % 50 FROM generate_series(0, 1999) i;
CREATE TABLE base (id int PRIMARY KEY, n int);
CREATE TABLE derived (more int) INHERITS (base);
INSERT INTO base SELECT i, i % 10 FROM generate_series(1, 300) i;
INSERT INTO derived SELECT i, i % 10, 0 FROM generate_series(1, 200) i;

CREATE TABLE a (id int PRIMARY KEY, n int, code int UNIQUE);
CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE c (id int PRIMARY KEY, b int REFERENCES b ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE d (id int PRIMARY KEY, b int DEFAULT 1 REFERENCES b ON DELETE SET NULL,
                a_code int REFERENCES a (code) ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE e (id int PRIMARY KEY, d int REFERENCES d ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO a SELECT i, i % 100, i FROM generate_series(1, 1000) i;
INSERT INTO b SELECT i, i % 1000 + 1 FROM generate_series(1, 3000) i;
INSERT INTO c SELECT i, i % 3000 + 1 FROM generate_series(1, 6000) i;
INSERT INTO d SELECT i, i % 3000 + 1, i % 1000 + 1 FROM generate_series(1, 2000) i;
INSERT INTO e SELECT i, i % 2000 + 1 FROM generate_series(1, 2000) i;
CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE CASCADE, n int);
INSERT INTO tree SELECT i, nullif(i / 2, 0), i FROM generate_series(1, 1023) i;
CREATE TABLE chain (id int PRIMARY KEY, up int REFERENCES chain ON DELETE SET NULL, n int);
INSERT INTO chain SELECT i, nullif(i - 1, 0), i FROM generate_series(1, 500) i;
CREATE TABLE pchild (id int PRIMARY KEY, p int REFERENCES parted ON DELETE CASCADE)
  PARTITION BY RANGE (id);
CREATE TABLE pchild_1 PARTITION OF pchild FOR VALUES FROM (0) TO (500);
CREATE TABLE pchild_2 PARTITION OF pchild FOR VALUES FROM (500) TO (5000);
INSERT INTO pchild SELECT i, i % 2000 FROM generate_series(0, 999) i;

CREATE TABLE secured (id int PRIMARY KEY, n int);
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON secured USING (true);
INSERT INTO secured SELECT i, i % 10 FROM generate_series(1, 1000) i;
CREATE TABLE watched (id int PRIMARY KEY, n int);
CREATE TRIGGER w AFTER DELETE ON watched FOR EACH ROW EXECUTE FUNCTION trap_trigger();
INSERT INTO watched SELECT i, i % 10 FROM generate_series(1, 100) i;
CREATE MATERIALIZED VIEW mv AS SELECT * FROM small;
CREATE VIEW trap_view AS SELECT id, n FROM small WHERE effect.trap(1);
CREATE TABLE trapped (id int PRIMARY KEY, n int, CHECK (effect.trap(n)));
INSERT INTO trapped VALUES (1, 1);
CREATE TABLE guarded (id int PRIMARY KEY, n int);
INSERT INTO guarded VALUES (1, 1);
CREATE TABLE indexed (id int PRIMARY KEY, n int REFERENCES guarded (id) ON DELETE CASCADE);
CREATE INDEX ON indexed ((effect.trap(1))) WHERE effect.trap(2);
INSERT INTO indexed VALUES (1, 1);
ANALYZE;
TRUNCATE trap;
RESET search_path;
"""


@pytest.fixture(scope="module")
def db(pg):
    with pg.admin() as c:
        c.execute(SCHEMA)
    yield pg
    with pg.admin() as c:
        assert c.execute("SELECT count(*) FROM effect.trap").fetchone()[0] == 0
        c.execute("DROP SCHEMA effect CASCADE")
    assert "the trap ran as backstop" not in pg.log.read_text()


def classify(pg, *questions, env=None):
    lines = [json.dumps(q if isinstance(q, dict) else {"sql": q}) for q in questions]
    got = subprocess.run([binary(), "classify", "--jsonl", "--dsn", pg.conninfo("backstop")],
                         input="\n".join(lines) + "\n", text=True, capture_output=True, timeout=60)
    assert got.returncode == 0, got.stderr
    return [json.loads(line) for line in got.stdout.splitlines()]


def counted(answer, stmt=0):
    """{table: rows} of what is said to lose rows, without what is only the sum of others."""
    return {r["object"]: r["rows"] for r in answer["statements"][stmt]["reached"]}


def codes(answer):
    return {r["code"] for s in answer["statements"] for r in s["reasons"]}


def really(pg, sql, params=None):
    """{table: rows} by the server's own counters."""
    with pg.admin() as c:
        c.autocommit = False
        c.execute(sql, params)
        rows = c.execute("""
            SELECT schemaname || '.' || relname, n_tup_upd + n_tup_del
            FROM pg_stat_xact_user_tables WHERE n_tup_upd + n_tup_del > 0""").fetchall()
        c.rollback()
    return dict(rows)


COUNTED = [
    "DELETE FROM effect.t WHERE n = 7",
    "DELETE FROM effect.t WHERE id < 501 AND v LIKE 'v1%'",
    "DELETE FROM effect.t WHERE n IN (1, 2, 3) OR id = 4",
    "DELETE FROM effect.t WHERE at < now() - interval '90 days' AND id < 50",
    "DELETE FROM effect.t WHERE at > CURRENT_TIMESTAMP",
    "DELETE FROM effect.t WHERE id % 1 = 0",
    "DELETE FROM effect.t WHERE false",
    "DELETE FROM effect.t",
    "UPDATE effect.t SET v = 'x' WHERE n = 7",
    "UPDATE effect.t SET n = n + 1, v = upper(v) WHERE id BETWEEN 10 AND 20",
    "UPDATE effect.t SET v = NULL",
    "DELETE FROM effect.t USING effect.other o WHERE o.t = t.id AND o.n = 3",
    "UPDATE effect.t SET v = 'x' FROM effect.other o WHERE o.t = t.id AND o.n < 2 AND t.n < 50",
    "DELETE FROM effect.t WHERE id IN (SELECT t FROM effect.other WHERE n = 1)",
    "DELETE FROM effect.t x WHERE EXISTS (SELECT 1 FROM effect.other o WHERE o.t = x.id)",
    "DELETE FROM effect.t x WHERE NOT EXISTS (SELECT 1 FROM effect.other o WHERE o.t = x.id)",
    'DELETE FROM effect."Qu""o.ted" WHERE "ü x" = 3',
    'UPDATE effect."Qu""o.ted" SET "ü x" = 4 WHERE "a b" < 5',
    "DELETE FROM effect.parted WHERE n = 3",
    "DELETE FROM effect.parted_2 WHERE n = 3",
    "DELETE FROM effect.parted_1",
    "UPDATE effect.parted SET n = 0 WHERE id IN (5, 1005, 1700)",
    "DELETE FROM effect.base WHERE n = 3",
    "DELETE FROM ONLY effect.base WHERE n = 3",
    "DELETE FROM effect.a WHERE n = 5",
    "DELETE FROM effect.a WHERE id = 5",
    "DELETE FROM effect.b WHERE a < 20",
    "UPDATE effect.a SET n = 0 WHERE n = 5",
    "UPDATE effect.a SET code = code + 100000 WHERE n = 5",
    "UPDATE effect.a SET id = id + 100000 WHERE n = 5",
    "DELETE FROM effect.d WHERE b < 100",
    "DELETE FROM effect.tree WHERE n = 7",
    "DELETE FROM effect.tree WHERE n IN (7, 14, 300)",
    "DELETE FROM effect.secured WHERE n = 3",
]


@pytest.mark.parametrize("sql", COUNTED)
def test_counted_is_what_the_server_counts(db, sql):
    (answer,) = classify(db, sql)
    want = really(db, sql)
    got = counted(answer)
    measured = {r["measured"] for r in answer["statements"][0]["reached"]}
    assert measured == {"count"}, answer
    parents = {"effect.parted": "effect.parted", "effect.parted_2": "effect.parted_2",
               "effect.pchild": "effect.pchild"}
    own = {k: v for k, v in got.items() if v and k not in parents}
    if "effect.base" in own and "effect.derived" in own:
        own["effect.base"] -= own["effect.derived"]
    assert own == want
    for name, below in (("effect.parted", "effect.parted_"), ("effect.pchild", "effect.pchild_")):
        if name in got:
            leaves = sum(v for k, v in want.items() if k.startswith(below))
            assert got[name] == leaves
    assert answer["statements"][0]["effects"][0]["rows"] == sum(
        v for k, v in own.items() if r_is_target(answer, k))


def r_is_target(answer, name):
    return any(r["object"] == name and r["reach"] == "target"
               for r in answer["statements"][0]["reached"])


@pytest.mark.parametrize("sql, risk, code", [
    ("DELETE FROM effect.t WHERE n = 7", "HIGH", None),                       # 200 of 20,000
    ("UPDATE effect.t SET v = 'x' WHERE n < 5", "HIGH", None),                # 1,000: the limit
    ("UPDATE effect.t SET v = 'x' WHERE n < 5 OR id = 5", "CRITICAL", "impact"),
    ("DELETE FROM effect.small WHERE n < 3", "HIGH", None),                   # 2 of 20: the limit
    ("DELETE FROM effect.small WHERE n < 4", "CRITICAL", "impact"),
    ("DELETE FROM effect.small WHERE id = 3", "HIGH", None),
    ("DELETE FROM effect.t WHERE id % 1 = 0", "CRITICAL", "no_filter"),
    ("DELETE FROM effect.t WHERE id IS NOT NULL", "CRITICAL", "no_filter"),
    ("DELETE FROM effect.t WHERE t IS NOT NULL", "CRITICAL", "unmeasured"),
    ("DELETE FROM effect.t WHERE pg_typeof(id)::text = 'integer'", "CRITICAL", "unmeasured"),
    ("DELETE FROM effect.t WHERE v LIKE '%'", "CRITICAL", "no_filter"),
    ("DELETE FROM effect.t WHERE random() < 2", "CRITICAL", "unmeasured"),
    ("DELETE FROM effect.a WHERE n = 5", "CRITICAL", "cascade"),
    ("DELETE FROM effect.secured WHERE n = 3 AND id < 500", "HIGH", None),
    ("DELETE FROM effect.watched WHERE n = 3", "CRITICAL", "trigger"),
    ("DELETE FROM effect.trap_view WHERE n = 3", "CRITICAL", None),
    ("DELETE FROM effect.small WHERE effect.trap(n)", "CRITICAL", None),
    ("UPDATE effect.small SET n = 1 WHERE effect.trap(1)", "CRITICAL", None),
    ("DELETE FROM effect.trapped WHERE n = 1", "CRITICAL", None),
    ("WITH x AS (DELETE FROM effect.t WHERE n = 7 RETURNING *) SELECT count(*) FROM x", "CRITICAL",
     "unmeasured"),
    ("MERGE INTO effect.t USING effect.other o ON o.t = t.id WHEN MATCHED THEN DELETE", "CRITICAL",
     "unmeasured"),
    # What an earlier statement does, a count does not see.
    ("UPDATE effect.t SET n = 777; DELETE FROM effect.t WHERE n = 777", "CRITICAL", "unmeasured"),
    ("UPDATE effect.small SET n = 777; DELETE FROM effect.t WHERE id IN (SELECT n FROM effect.small)",
     "CRITICAL", "unmeasured"),
    # Each is within the limits, both are not.
    ("DELETE FROM effect.t WHERE n < 3; DELETE FROM effect.other WHERE n = 1", "CRITICAL", "impact"),
    ("DELETE FROM effect.t WHERE n < 1; DELETE FROM effect.small WHERE n = 1", "HIGH", None),
])
def test_risk_by_what_was_counted(db, sql, risk, code):
    (answer,) = classify(db, sql)
    assert answer["risk"] == risk, answer["statements"]
    assert code is None or code in codes(answer), codes(answer)
    assert risk != "HIGH" or not codes(answer) & {"unmeasured", "impact"}


def test_what_goes_as_a_whole(db):
    answers = classify(db, "TRUNCATE effect.t", "DROP TABLE effect.small CASCADE",
                       "DROP SCHEMA effect CASCADE", "TRUNCATE effect.parted CASCADE",
                       "ALTER TABLE effect.t DROP COLUMN v", "DROP MATERIALIZED VIEW effect.mv",
                       "ALTER TABLE effect.t ALTER v TYPE int USING NULL")
    assert counted(answers[0]) == {"effect.t": 20000}
    assert counted(answers[1])["effect.small"] == 20 and counted(answers[1])["effect.mv"] == 20
    whole = counted(answers[2])
    assert whole["effect.t"] == 20000 and whole["effect.parted"] == 2000
    assert whole["effect.base"] == 500 and whole["effect.derived"] == 200
    assert whole["effect.tree"] == 1023 and whole["effect.trapped"] == 1
    assert counted(answers[3]) == {"effect.parted": 2000, "effect.parted_1": 1000,
                                   "effect.parted_2": 1000, "effect.parted_2a": 500,
                                   "effect.parted_2b": 500, "effect.pchild": 1000,
                                   "effect.pchild_1": 500, "effect.pchild_2": 500}
    assert counted(answers[4]) == counted(answers[6]) == {"effect.t": 20000}
    assert counted(answers[5]) == {"effect.mv": 20}
    assert all(a["risk"] == "CRITICAL" for a in answers)


def test_reading_must_run_nothing(db):
    """The planner evaluates calls of constants in expressions of indexes: of whoever counts."""
    answers = classify(db, "TRUNCATE effect.indexed", "DELETE FROM effect.guarded WHERE n < 3",
                       "DELETE FROM effect.indexed WHERE n = 1", "DROP TABLE effect.indexed")
    assert {r["measured"] for a in answers for s in a["statements"] for r in s["reached"]
            if r["object"] == "effect.indexed"} <= {None, "estimate"}
    assert "the trap ran as backstop" not in db.log.read_text()


def test_a_lock_is_not_waited_for(db):
    with db.admin() as c:
        c.autocommit = False
        c.execute("LOCK TABLE effect.t IN ACCESS EXCLUSIVE MODE")
        (answer,) = classify(db, "DELETE FROM effect.t WHERE n = 7")
        c.rollback()
    assert answer["risk"] == "CRITICAL" and "unmeasured" in codes(answer)


# --- through the gateway ------------------------------------------------------------------------

RULES = [
    {"name": "small", "actors": ["meter"], "kinds": ["UPDATE", "DELETE"], "risk": ["SAFE", "HIGH"],
     "action": "allow"},
    {"name": "bounded", "actors": ["bounded"], "kinds": ["DELETE", "UPDATE"],
     "risk": ["SAFE", "HIGH", "CRITICAL"], "max_rows": 500, "action": "allow"},
    {"name": "shared", "actors": ["shared"], "kinds": ["DELETE"],
     "risk": ["SAFE", "HIGH", "CRITICAL"], "max_share": "50%", "action": "allow"},
    {"name": "waived", "actors": ["waived"], "kinds": ["DELETE", "UPDATE"],
     "risk": ["SAFE", "HIGH", "CRITICAL"], "max_rows": 500, "recovery": "none", "action": "allow"},
    {"name": "shut", "actors": ["shut"], "kinds": ["DELETE"], "min_rows": 100, "action": "block"},
]


LIVE = """
DROP TABLE IF EXISTS effect.live CASCADE;
CREATE TABLE effect.live (id int PRIMARY KEY, n int, v text, secret bytea);
INSERT INTO effect.live SELECT i, i % 50, 'v' || i, NULL FROM generate_series(1, 1000) i;
ANALYZE effect.live;
GRANT USAGE ON SCHEMA effect TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA effect TO PUBLIC
"""


class Measured:
    def __init__(self, pg, **more):
        self.gateway = Gateway(pg, policy={"rules": RULES, **more.pop("policy", {})},
                               extra={"hold": {"wait": "0s"}, **more})
        self.operator = Operator(self.gateway)
        for name in ("meter", "bounded", "shared", "shut", "nobody-allows", "waived"):
            self.gateway.add_agent(name)

    def connect(self, actor="meter", **more):
        return self.gateway.connect(actor, **{"autocommit": True, **more})

    def held(self, c, sql, *params):
        """The ticket of a statement that is refused because it waits."""
        with pytest.raises(psycopg.Error) as error:
            c.execute(sql, *params)
        assert error.value.sqlstate == "ZB001", error.value
        ticket = json.loads(error.value.diag.message_detail)["ticket"]
        return next(t for t in self.operator.tickets() if t["id"] == ticket)

    def approve(self, ticket):
        self.operator.decide(ticket["id"], "approve")

    def show(self, ticket):
        out = subprocess.run(
            [binary(), "approvals", "show", ticket["id"]], capture_output=True, text=True, timeout=60,
            env={**os.environ, "BACKSTOP_SERVER": self.operator.base,
                 "BACKSTOP_TOKEN": self.operator.token})
        assert out.returncode == 0, out.stderr
        return out.stdout


@pytest.fixture(scope="module")
def made(db):
    m = Measured(db)
    with running(m.gateway):
        yield m


@pytest.fixture
def live(made, db):
    """A fresh table beside the others; rows 1 to 1,000 in it."""
    with db.admin() as c:
        c.execute(LIVE)
    return made


def rows_left(pg, condition="true"):
    with pg.admin() as c:
        return c.execute(f"SELECT count(*) FROM effect.live WHERE {condition}").fetchone()[0]


def test_what_is_small_passes_without_asking(live, db):
    with live.connect() as c:
        assert c.execute("DELETE FROM effect.live WHERE n = 7").rowcount == 20
        assert c.execute("UPDATE effect.live SET v = 'x' WHERE n = %s", [8]).rowcount == 20
        assert c.execute("UPDATE effect.live SET v = 'y' WHERE v LIKE %s", ["x%"]).rowcount == 20
    assert rows_left(db) == 980 and rows_left(db, "v = 'y'") == 20


def test_a_parameter_that_only_set_has_is_none_of_the_count(live, db):
    """psycopg leaves the type of a text open, node-postgres of everything: the count has no $1."""
    with live.connect() as c:
        assert c.execute("UPDATE effect.live SET v = %s WHERE v LIKE %s", ["z", "v7"]).rowcount == 1
        ticket = live.held(c, "UPDATE effect.live SET v = %s WHERE v LIKE %s", ["z", "v%"])
    (effect,) = ticket["effects"]
    assert (effect["rows"], effect["measured"]) == (999, "count")


def test_what_is_large_is_held_with_its_numbers(live, db):
    with live.connect() as c:
        ticket = live.held(c, "DELETE FROM effect.live WHERE n < 10")
        (effect,) = ticket["effects"]
        assert (effect["rows"], effect["measured"]) == (200, "count")
        assert effect["share"] == pytest.approx(0.2) and effect["object"] == "effect.live"
        assert ticket["risk"] == "CRITICAL"
        assert any(r["code"] == "impact" for r in ticket["reasons"])
        ticket = live.held(c, "UPDATE effect.live SET v = upper(v), n = n + 1 WHERE n < %s", [10])
        sample = ticket["effects"][0]["sample"]
        assert sample["columns"] == ["id", "n", "v", "secret"]
        assert sample["before"][0] == ["1", "1", "v1", None]
        assert sample["after"][0] == ["1", "2", "V1", None]
        assert len(sample["before"]) == 5
        shown = live.show(ticket)
        assert "200 rows, 20 % of them" in shown and "after" in shown and "v=V1" in shown
        # A bound % is a condition that holds for all.
        ticket = live.held(c, "DELETE FROM effect.live WHERE v LIKE %s", ["%"])
        assert ticket["effects"][0]["rows"] == 1000
        assert any(r["code"] == "no_filter" for r in ticket["reasons"])
    assert rows_left(db) == 1000


def test_simple_and_extended_are_measured_alike(live):
    for prepare in (False, True):
        with live.connect() as c:
            t = live.held(c, "DELETE FROM effect.live WHERE n < 11")
            assert t["effects"][0]["rows"] == 220
            with c.cursor() as cursor:
                with pytest.raises(psycopg.Error):
                    cursor.execute("DELETE FROM effect.live WHERE n < %s AND id > %s", [11, 0],
                                   prepare=prepare)
            assert live.operator.tickets()[0]["effects"][0]["rows"] == 220


def test_what_has_grown_is_asked_for_again(live, db):
    with live.connect() as c:
        sql = "DELETE FROM effect.live WHERE n < 10"
        live.approve(live.held(c, sql))
        with db.admin() as a:
            a.execute("INSERT INTO effect.live SELECT i, 1 FROM generate_series(2000, 2021) i")
        with pytest.raises(psycopg.Error) as error:  # 222 for 200
            c.execute(sql)
        assert error.value.sqlstate == "ZB003"
        assert rows_left(db) == 1022
        ticket = live.held(c, sql)
        assert ticket["effects"][0]["rows"] == 222
        live.approve(ticket)
        with db.admin() as a:
            a.execute("INSERT INTO effect.live SELECT i, 1 FROM generate_series(3000, 3015) i")
        assert c.execute(sql).rowcount == 238  # within the tolerance


def test_it_is_measured_again_after_the_wait(db):
    m = Measured(db, hold={"wait": "20s", "notice": "1s"})
    with db.admin() as c:
        c.execute("DROP TABLE IF EXISTS effect.live CASCADE; CREATE TABLE effect.live (id int, n int);"
                  "INSERT INTO effect.live SELECT i, i % 5 FROM generate_series(1, 100) i;"
                  "GRANT ALL ON effect.live TO PUBLIC")
    with running(m.gateway), m.connect() as c:
        def later():
            ticket = m.operator.next_ticket()
            with db.admin() as a:
                a.execute("INSERT INTO effect.live SELECT 1000 + i, 1 FROM generate_series(1, 50) i")
            m.approve(ticket)
        thread = threading.Thread(target=later)
        thread.start()
        with pytest.raises(psycopg.Error) as error:
            c.execute("DELETE FROM effect.live WHERE n = 1")
        thread.join()
        assert error.value.sqlstate == "ZB003"
        assert rows_left(db) == 150


def test_what_the_transaction_wrote_is_not_seen(live, db):
    with live.connect(autocommit=False) as c:
        c.execute("SELECT count(*) FROM effect.live")
        assert c.execute("DELETE FROM effect.live WHERE n = 7").rowcount == 20
        ticket = live.held(c, "DELETE FROM effect.live WHERE n = 8")
        assert ticket["effects"][0]["measured"] == "estimate"
        c.rollback()
    # A key picks one row, whatever was written before.
    with live.connect("nobody-allows", autocommit=False) as c:
        sql = "DELETE FROM effect.live WHERE id = 5"
        live.approve(live.held(c, sql))
        c.rollback()
        c.execute("SELECT 1")
        c.rollback()
        sequel = "DELETE FROM effect.live WHERE id = 6"
        c.execute(sql)
        ticket = live.held(c, sequel)
        c.rollback()
        assert [(e["rows"], e["measured"]) for e in ticket["effects"]] == [(1, "count")]
        live.approve(ticket)
        c.execute(sql)
        c.execute(sequel)
        c.rollback()
    # So nobody can first make all rows fit a condition that finds none as yet.
    with live.connect() as c:
        ticket = live.held(c, "UPDATE effect.live SET n = 777 WHERE n = 3;"
                              "DELETE FROM effect.live WHERE n = 777")
        assert {e["measured"] for e in ticket["effects"]} == {"count", "estimate"}
    assert rows_left(db) == 1000


def test_no_time_no_number(db):
    m = Measured(db, policy={"measure": {"time": "1ms"}})
    with db.admin() as c:
        c.execute("CREATE TABLE effect.big AS SELECT i AS id, i % 1000 AS n, 'x' AS v"
                  " FROM generate_series(1, 2000000) i; ANALYZE effect.big;"
                  "GRANT USAGE ON SCHEMA effect TO PUBLIC; GRANT ALL ON effect.big TO PUBLIC")
    try:
        with running(m.gateway), m.connect() as c:
            ticket = m.held(c, "DELETE FROM effect.big WHERE n % 1000 = 999999")
            assert ticket["risk"] == "CRITICAL"
            assert ticket["effects"][0].get("measured") in (None, "estimate")
    finally:
        with db.admin() as c:
            c.execute("DROP TABLE effect.big")


def test_who_hangs_up_or_cancels_does_not_leave_a_count_behind(db):
    m = Measured(db, policy={"measure": {"time": "60s"}})
    with db.admin() as c:
        c.execute("CREATE TABLE effect.slow AS SELECT i AS id FROM generate_series(1, 3000) i;"
                  "GRANT USAGE ON SCHEMA effect TO PUBLIC; GRANT ALL ON effect.slow TO PUBLIC")
    slow = ("DELETE FROM effect.slow a USING effect.slow b, effect.slow c, effect.slow d"
            " WHERE a.id + b.id + c.id + d.id = 0")

    def counting():
        with db.admin() as c:
            return c.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE"
                             " 'backstop/helper%' AND query LIKE '%slow%' AND state = 'active'"
                             " AND pid <> pg_backend_pid()").fetchone()[0]
    try:
        with running(m.gateway):
            with m.connect() as c:
                thread = threading.Thread(
                    target=lambda: (wait_until(counting, 20), c.cancel()))
                thread.start()
                with pytest.raises(psycopg.Error) as error:
                    c.execute(slow)
                thread.join()
                assert error.value.sqlstate == "57014"
                assert c.execute("SELECT 1").fetchone() == (1,)
            wait_until(lambda: counting() == 0, 20)
            c = m.connect()
            thread = threading.Thread(target=lambda: run_and_forget(c, slow))
            thread.start()
            wait_until(counting, 20)
            with socket.socket(fileno=os.dup(c.fileno())) as s:
                s.shutdown(socket.SHUT_RDWR)
            thread.join()
            wait_until(lambda: counting() == 0, 20)
            assert not m.operator.tickets()
    finally:
        with db.admin() as c:
            c.execute("DROP TABLE effect.slow")


def run_and_forget(c, sql):
    with contextlib.suppress(psycopg.Error):
        c.execute(sql)


@pytest.mark.parametrize("actor, passes, held", [("bounded", 20, 30), ("shared", 20, 30)])
def test_a_rule_by_rows(live, db, actor, passes, held):
    with live.connect(actor) as c:
        assert c.execute(f"DELETE FROM effect.live WHERE id > 1000 - {passes}").rowcount == passes
        assert rows_left(db) == 1000 - passes
        ticket = live.held(c, f"DELETE FROM effect.live WHERE n < {held}")
        assert ticket["effects"][0]["rows"] > 500
        live.held(c, "DELETE FROM effect.live WHERE random() < 2")  # not measured
    assert rows_left(db) == 1000 - passes


def test_a_rule_that_blocks_by_rows(live, db):
    with live.connect("shut") as c:
        live.held(c, "DELETE FROM effect.live WHERE n < 4")  # 80 rows: the default asks
        for sql in ("DELETE FROM effect.live WHERE n < 10", "DELETE FROM effect.live",
                    "DELETE FROM effect.live WHERE random() < 2"):
            with pytest.raises(psycopg.Error) as error:
                c.execute(sql)
            assert error.value.sqlstate == "42501", sql
        assert c.execute("SELECT 1").fetchone() == (1,)
    assert rows_left(db) == 1000


class Meanwhile:
    """Rows that nobody sees when it is counted, and that are there when the lock is granted."""

    def __init__(self, pg, rows, first="SELECT 1"):
        self.pg, self.rows, self.first = pg, rows, first

    def __enter__(self):
        self.c = psycopg.connect(host=str(self.pg.folder), port=self.pg.port, user="postgres",
                                 dbname="app")
        self.c.execute(self.first)
        self.c.execute("INSERT INTO effect.live SELECT i, 1 FROM generate_series(5000, 5000 + %s) i",
                       [self.rows - 1])
        self.thread = threading.Thread(target=self.commit)
        self.thread.start()
        return self

    def waiting(self):
        with self.pg.admin() as c:
            return c.execute("SELECT count(*) FROM pg_locks WHERE relation = 'effect.live'::regclass"
                             " AND NOT granted").fetchone()[0]

    def commit(self):
        wait_until(self.waiting, 20, 0.01)
        self.c.commit()

    def __exit__(self, *_):
        self.thread.join()
        self.c.close()


def test_more_than_the_rule_allows_is_not_committed(live, db):
    with live.connect("bounded") as c:
        with Meanwhile(db, 300), pytest.raises(psycopg.Error) as error:
            c.execute("DELETE FROM effect.live WHERE n < 20")  # 400, then 700
        assert error.value.sqlstate == "ZB003", error.value
        assert rows_left(db) == 1300
        live.held(c, "DELETE FROM effect.live WHERE n < 20")
        c.execute("DELETE FROM effect.live WHERE id >= 5000")
        with Meanwhile(db, 50):
            assert c.execute("DELETE FROM effect.live WHERE n < 20").rowcount == 450


def test_more_than_the_rule_s_share_is_not_committed(live, db):
    with live.connect("shared") as c:
        with Meanwhile(db, 300), pytest.raises(psycopg.Error) as error:
            c.execute("DELETE FROM effect.live WHERE n < 20")  # 400 of 1,000, then 700 of 1,300
        assert error.value.sqlstate == "ZB003", error.value
    assert rows_left(db) == 1300


def test_more_than_the_rule_allows_where_no_point_is_wanted(live, db):
    with live.connect("waived") as c:
        with Meanwhile(db, 300, "LOCK effect.live IN SHARE MODE"), pytest.raises(psycopg.Error) as error:
            c.execute("DELETE FROM effect.live WHERE n < 20")  # 400, then 700
        assert error.value.sqlstate == "ZB003", error.value
        assert rows_left(db) == 1300
        with Meanwhile(db, 0, "LOCK effect.live IN SHARE MODE"):
            assert c.execute("DELETE FROM effect.live WHERE n < 10 AND id < 5000").rowcount == 200


def test_what_is_undone_hides_nothing(live, db):
    """The server's counters have the rows of what was rolled back to a savepoint as well."""
    with live.connect("bounded", autocommit=False) as c:
        with Meanwhile(db, 800, "LOCK effect.live IN SHARE MODE"):
            c.execute("DELETE FROM effect.live WHERE n < 20")  # 400, then 1,200
        c.execute("SAVEPOINT s")
        c.execute("DELETE FROM effect.live WHERE id = 999")
        c.execute("ROLLBACK TO s")
        with pytest.raises(psycopg.Error) as error:
            c.commit()
        assert error.value.sqlstate == "ZB003", error.value
        assert rows_left(db) == 1800
        c.execute("DELETE FROM effect.live WHERE n = 5")
        c.execute("SAVEPOINT s")
        c.execute("DELETE FROM effect.live WHERE id = 999")
        c.execute("ROLLBACK TO s")
        c.commit()
    assert rows_left(db) == 1780


CHILD = """CREATE TABLE effect.lives_child (id int PRIMARY KEY,
                                            live int REFERENCES effect.live ON DELETE {})"""


@pytest.mark.parametrize("actor", ["bounded", "waived"])
@pytest.mark.parametrize("action", ["CASCADE", "SET NULL"])
def test_more_by_a_key_than_the_rule_allows(live, db, actor, action):
    """One more row of the table, and with it a thousand of another."""
    with db.admin() as c:
        c.execute("DROP TABLE IF EXISTS effect.lives_child; " + CHILD.format(action))
        c.execute("INSERT INTO effect.lives_child SELECT i, 1000 FROM generate_series(1, 200) i;"
                  " GRANT ALL ON effect.lives_child TO PUBLIC")
    more = ("LOCK effect.live IN SHARE MODE; INSERT INTO effect.live VALUES (4000, 1);"
            " INSERT INTO effect.lives_child SELECT i, 4000 FROM generate_series(1001, 2000) i")
    try:
        with live.connect(actor) as c:
            with Meanwhile(db, 0, more), pytest.raises(psycopg.Error) as error:
                c.execute("DELETE FROM effect.live WHERE id > 990")
            assert error.value.sqlstate == "ZB003", error.value
            assert rows_left(db) == 1001
            # as many as it may
            assert c.execute("DELETE FROM effect.live WHERE id > 990 AND id < 4000").rowcount == 10
    finally:
        with db.admin() as c:
            c.execute("DROP TABLE effect.lives_child")


def test_an_approval_outlives_a_count_that_fails(db):
    """Who holds a lock for a moment takes nobody's approval away; more is not committed even so."""
    m = Measured(db, hold={"wait": "60s", "notice": "1s"})
    with db.admin() as c:
        c.execute(LIVE)
    sql = "DELETE FROM effect.live WHERE n < 20"

    def ask():
        with m.connect() as c:
            try:
                c.execute(sql)
                ended.append(None)
            except psycopg.Error as error:
                ended.append(error.sqlstate)

    with running(m.gateway):
        for rows, end in ((30, None), (600, "ZB003")):
            ended = []
            asking = threading.Thread(target=ask)
            asking.start()
            wait_until(m.operator.tickets, 20)
            with db.admin() as c, c.transaction(), db.admin() as other:
                c.execute("LOCK effect.live IN ACCESS EXCLUSIVE MODE")
                c.execute("INSERT INTO effect.live SELECT i, 1 FROM generate_series(6000, 5999 + %s) i",
                          [rows])
                m.approve(m.operator.tickets()[0])
                wait_until(lambda: other.execute(
                    "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted"
                    " AND relation = 'effect.live'::regclass"
                    " AND query LIKE 'EXPLAIN%'").fetchone(), 20, 0.01)  # the count has been given up
            asking.join(30)
            assert ended == [end]
            with db.admin() as c:
                c.execute(LIVE)


def test_more_than_was_approved_is_not_committed(live, db):
    with live.connect() as c:
        sql = "DELETE FROM effect.live WHERE n < 20"
        live.approve(live.held(c, sql))
        with Meanwhile(db, 300), pytest.raises(psycopg.Error) as error:
            c.execute(sql)
        assert error.value.sqlstate == "ZB003", error.value
        assert rows_left(db) == 1300
        live.approve(live.held(c, sql))
        assert c.execute(sql).rowcount == 700


def test_truncate_more_than_was_approved(live, db):
    with live.connect() as c:
        live.approve(live.held(c, "TRUNCATE effect.live"))
        with Meanwhile(db, 300), pytest.raises(psycopg.Error) as error:
            c.execute("TRUNCATE effect.live")
        assert error.value.sqlstate == "ZB003", error.value
    assert rows_left(db) == 1300


def test_explain_counts(live):
    out = live.gateway.cli("explain", "--agent", "bounded", "--json",
                           "DELETE FROM effect.live WHERE n < 10")
    answer = json.loads(out.stdout)
    assert answer["statements"][0]["effects"][0]["rows"] == 200
    assert answer["decision"] == "allow" and answer["rule"] == "bounded"
    out = live.gateway.cli("explain", "--agent", "meter", "DELETE FROM effect.live WHERE n < 10")
    assert "200 rows, 20 %" in out.stdout


# --- rehearsal ----------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def rehearsing(db):
    m = Measured(db, policy={"measure": {"rehearse": True}})
    with running(m.gateway):
        yield m


@pytest.mark.parametrize("sql, rows", [
    ("DELETE FROM effect.live WHERE n < 1 AND random() < 2", 20),
    ("WITH d AS (DELETE FROM effect.live WHERE n = 3 RETURNING id) SELECT count(*) FROM d", 20),
    ("MERGE INTO effect.live l USING (VALUES (1), (2)) s (id) ON s.id = l.id"
     " WHEN MATCHED THEN UPDATE SET n = 0", 2),
    ("INSERT INTO effect.live SELECT i, i FROM generate_series(900, 1100) i"
     " ON CONFLICT (id) DO UPDATE SET n = 1", 101),
])
def test_what_cannot_be_counted_is_rehearsed(live, rehearsing, db, sql, rows):
    with rehearsing.connect("nobody-allows") as c:
        before = rows_left(db)
        ticket = rehearsing.held(c, sql)
        effect = next(e for e in ticket["effects"] if e["object"] == "effect.live")
        assert (effect["rows"], effect["measured"]) == (rows, "rehearsal"), ticket
        assert rows_left(db) == before and rows_left(db, "n = 777") == 0
        assert f"{rows} rows" in rehearsing.show(ticket)


def test_what_was_rehearsed_may_pass(live, rehearsing, db):
    with rehearsing.connect("meter") as c:
        assert c.execute("DELETE FROM effect.live WHERE n < 1 AND random() < 2").rowcount == 20
        assert c.execute("DELETE FROM effect.live WHERE n < %s AND random() < 2", [2]).rowcount == 20
    assert rows_left(db) == 960


@pytest.mark.parametrize("first, sql", [
    ("SET TimeZone = 'Asia/Tokyo'", "DELETE FROM effect.live WHERE n < 2 AND random() < 2"),
    (None, "DELETE FROM effect.watched WHERE n = 1 AND random() < 2"),  # a trigger
    (None, "DELETE FROM effect.small WHERE effect.trap(n) AND random() < 2"),
    (None, "DELETE FROM effect.live WHERE n < 1 AND random() < 2; SELECT 1"),
    (None, "WITH d AS (DELETE FROM effect.live WHERE n = 3 RETURNING id)"
           " SELECT pg_advisory_lock(7), count(*) FROM d"),
    (None, "WITH d AS (DELETE FROM effect.live WHERE n = 3 RETURNING id)"
           " SELECT setval('effect.s', 5), count(*) FROM d"),
])
def test_what_is_not_rehearsed(live, rehearsing, db, first, sql):
    with db.admin() as c:
        c.execute("CREATE SEQUENCE IF NOT EXISTS effect.s; GRANT ALL ON effect.s TO PUBLIC")
    with rehearsing.connect("nobody-allows") as c:
        if first:
            c.execute(first)
        with contextlib.suppress(psycopg.Error):
            c.execute(sql)
        for ticket in rehearsing.operator.tickets()[:1]:
            assert not any(e.get("measured") == "rehearsal" for e in ticket["effects"])
    with db.admin() as c:
        assert c.execute("SELECT count(*) FROM effect.trap").fetchone()[0] == 0
        assert c.execute("SELECT last_value FROM effect.s").fetchone()[0] == 1
