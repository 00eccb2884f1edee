"""Hold, approve, protect, commit: what the gateway does with statements that do not simply pass."""

import json
import pathlib
import subprocess
import threading
import time

import psycopg
import pytest

from conftest import Gateway, running, wait_until
from operator_side import Operator

SHOP = """
DROP SCHEMA IF EXISTS shop CASCADE;
CREATE SCHEMA shop AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE shop.customers (id int PRIMARY KEY, name text);
CREATE TABLE shop.orders (id int PRIMARY KEY, customer int REFERENCES shop.customers ON DELETE CASCADE,
                          note text);
CREATE TABLE shop.plain (id int PRIMARY KEY, v text);
CREATE TABLE shop.log (at timestamptz DEFAULT now(), what text);
CREATE TABLE shop.traced (id int PRIMARY KEY, v text);
CREATE TABLE shop.nosy (id int PRIMARY KEY);
CREATE FUNCTION shop.trace() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN INSERT INTO shop.log (what) VALUES (TG_OP); RETURN NULL; END$$;
CREATE TRIGGER trace AFTER DELETE ON shop.traced FOR EACH STATEMENT EXECUTE FUNCTION shop.trace();
CREATE FUNCTION shop.purge() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN EXECUTE 'TRUNCATE shop.' || 'plain'; RETURN NULL; END$$;
CREATE TRIGGER purge AFTER DELETE ON shop.nosy FOR EACH STATEMENT EXECUTE FUNCTION shop.purge();
CREATE TABLE shop.greedy (id int PRIMARY KEY);
CREATE FUNCTION shop.devour() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN DELETE FROM shop.plain; RETURN NULL; END$$;
CREATE TRIGGER devour AFTER DELETE ON shop.greedy FOR EACH STATEMENT EXECUTE FUNCTION shop.devour();
CREATE FUNCTION shop.count_plain() RETURNS bigint LANGUAGE plpgsql AS
  $$BEGIN DELETE FROM shop.plain; RETURN 1; END$$;
CREATE VIEW shop.trap AS SELECT shop.count_plain() AS n;
INSERT INTO shop.customers SELECT n, 'c' || n FROM generate_series(1, 100) n;
INSERT INTO shop.orders SELECT n, 1 + n % 100, 'o' FROM generate_series(1, 500) n;
INSERT INTO shop.plain SELECT n, 'v' || n FROM generate_series(1, 50) n;
INSERT INTO shop.traced SELECT n, 'v' FROM generate_series(1, 20) n;
INSERT INTO shop.nosy SELECT generate_series(1, 5);
INSERT INTO shop.greedy SELECT generate_series(1, 5);
RESET ROLE;
"""


@pytest.fixture
def shop(pg):
    with pg.admin() as c:
        c.execute(SHOP)
    return pg


def count(pg, table):
    with pg.admin() as c:
        return c.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


class Site:
    """A gateway, an agent's connection and an operator."""

    def __init__(self, gateway, operator):
        self.gateway, self.operator = gateway, operator

    def connect(self, **more):
        return self.gateway.connect("bob", **{"autocommit": True, **more})

    def points(self):
        out = self.gateway.cli("points", "list", "--json")
        return json.loads(out.stdout)["points"]

    def verify(self, point):
        return self.gateway.cli("points", "verify", point["point"], check=False)

    def audit(self):
        lines = []
        for path in sorted(pathlib.Path(self.gateway.folder, "audit").glob("audit-*.jsonl")):
            lines += [json.loads(line) for line in path.read_text().splitlines()]
        return lines


@pytest.fixture(scope="module")
def site(pg):
    g = Gateway(pg, extra={"hold": {"wait": "3s", "notice": "1s"}})
    operator = Operator(g)
    with running(g, "bob") as g:
        yield Site(g, operator)


def approved(site, run):
    decider = site.operator.deciding("approve")
    result = run()
    decider.done()
    return result


# --- reads pass ------------------------------------------------------------------------------


def test_reads_pass_simple_extended_and_prepared(site, shop):
    with site.connect() as c:
        assert c.execute("SELECT count(*) FROM shop.plain").fetchone() == (50,)
        assert c.execute("SELECT v FROM shop.plain WHERE id = %s", (7,)).fetchone() == ("v7",)
        for n in range(1, 10):
            row = c.execute("SELECT v FROM shop.plain WHERE id = %s", (n,), prepare=True).fetchone()
            assert row == (f"v{n}",)
        with c.pipeline():
            cursors = [c.execute("SELECT %s::int", (n,)) for n in range(20)]
        assert [x.fetchone()[0] for x in cursors] == list(range(20))
        assert c.execute("SHOW search_path").fetchone() is not None
    assert site.operator.tickets() == []


def test_an_unknown_name_is_an_error_not_a_ticket(site, shop):
    with site.connect() as c:
        with pytest.raises(psycopg.errors.UndefinedTable):
            c.execute("SELECT * FROM nowhere.nothing")
        with pytest.raises(psycopg.errors.SyntaxError):
            c.execute("SELEC 1")
        assert c.execute("SELECT 1").fetchone() == (1,)
    assert site.operator.tickets() == []


def test_a_table_made_behind_the_gateway_is_found(site, shop):
    with site.connect() as c:
        assert c.execute("SELECT 1").fetchone() == (1,)
        with shop.admin() as admin:
            admin.execute("CREATE TABLE shop.later AS SELECT 42 AS n; "
                          "GRANT SELECT ON shop.later TO app_trust")
        assert c.execute("SELECT n FROM shop.later").fetchone() == (42,)


# --- held ------------------------------------------------------------------------------------


def test_a_held_statement_gets_notices_then_a_ticket(site, shop):
    notices = []
    with site.connect() as c:
        c.add_notice_handler(lambda d: notices.append(d.sqlstate))
        began = time.monotonic()
        with pytest.raises(psycopg.Error) as caught:
            c.execute("DELETE FROM shop.plain WHERE true")
        assert 2.5 < time.monotonic() - began < 6
        error = caught.value
        assert error.sqlstate == "ZB001"
        detail = json.loads(error.diag.message_detail)
        assert detail["v"] == 1 and detail["state"] == "pending"
        assert detail["retry"] == "same-statement" and detail["expires"].endswith("Z")
        assert c.execute("SELECT count(*) FROM shop.plain").fetchone() == (50,)
    assert len(notices) >= 2 and set(notices) == {"ZB001"}
    ticket = site.operator.tickets()[0]
    assert ticket["id"] == detail["ticket"]
    assert ticket["sql"] == "DELETE FROM shop.plain WHERE true" and ticket["risk"] == "CRITICAL"
    site.operator.decide(ticket["id"], "deny")


def test_denied(site, shop):
    with site.connect() as c:
        decider = site.operator.deciding("deny")
        with pytest.raises(psycopg.Error) as caught:
            c.execute("TRUNCATE shop.plain")
        decider.done()
        assert caught.value.sqlstate == "ZB002"
        assert "rule" not in str(caught.value).lower()
    assert count(shop, "shop.plain") == 50


def test_approved_after_the_wait_and_redeemed_once(site, shop):
    with site.connect() as c:
        with pytest.raises(psycopg.Error) as caught:
            c.execute("DELETE FROM shop.plain WHERE id > %s", (40,))
        assert caught.value.sqlstate == "ZB001"
        site.operator.decide(site.operator.next_ticket()["id"], "approve")
        with pytest.raises(psycopg.Error) as caught:  # another value is another request
            c.execute("DELETE FROM shop.plain WHERE id > %s", (10,))
        assert caught.value.sqlstate == "ZB001"
        site.operator.decide(site.operator.next_ticket()["id"], "deny")
        assert c.execute("DELETE FROM shop.plain WHERE id > %s", (40,)).rowcount == 10
        with pytest.raises(psycopg.Error) as caught:  # used up
            c.execute("DELETE FROM shop.plain WHERE id > %s", (40,))
        assert caught.value.sqlstate == "ZB001"
        site.operator.decide(site.operator.next_ticket()["id"], "deny")
    assert count(shop, "shop.plain") == 40


def test_cancel_while_held(site, shop):
    with site.connect() as c:
        timer = threading.Timer(0.7, c.cancel)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            c.execute("DELETE FROM shop.plain")
        timer.join()
        assert c.execute("SELECT 1").fetchone() == (1,)
    site.operator.decide(site.operator.next_ticket()["id"], "deny")  # the record stays
    assert count(shop, "shop.plain") == 50


def test_hang_up_while_held(site, shop):
    c = site.connect()
    thread = threading.Thread(target=lambda: pytest.raises(psycopg.Error, c.execute,
                                                           "DELETE FROM shop.plain WHERE id > 1"))
    thread.start()
    ticket = site.operator.next_ticket()
    c.pgconn.finish()
    thread.join()
    site.operator.decide(ticket["id"], "approve")
    time.sleep(0.3)
    assert count(shop, "shop.plain") == 50


# --- protected -------------------------------------------------------------------------------


@pytest.mark.parametrize("sql, params, table, left, rowcount", [
    ("DELETE FROM shop.plain", None, "shop.plain", 0, 50),
    ("DELETE FROM shop.plain WHERE id <= 20", None, "shop.plain", 30, 20),
    ("DELETE FROM shop.plain WHERE id <= %s", (20,), "shop.plain", 30, 20),
    ("UPDATE shop.plain SET v = 'x'", None, "shop.plain", 50, 50),
    ("DELETE FROM shop.customers WHERE id = 1", None, "shop.orders", 495, 1),
    ("WITH gone AS (DELETE FROM shop.plain RETURNING 1) SELECT count(*) FROM gone", None,
     "shop.plain", 0, 1),
    ("TRUNCATE shop.customers CASCADE", None, "shop.orders", 0, -1),
    ("DELETE FROM shop.traced", None, "shop.traced", 0, 20),
    ("BEGIN; DELETE FROM shop.plain; COMMIT", None, "shop.plain", 0, None),
])
def test_what_is_approved_runs_and_is_covered(site, shop, sql, params, table, left, rowcount):
    before = {p["point"] for p in site.points()}
    with site.connect() as c:
        cursor = approved(site, lambda: c.execute(sql, params))
        if rowcount is not None:
            assert cursor.rowcount == rowcount
        assert c.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert c.execute("SELECT 1").fetchone() == (1,)
    assert count(shop, table) == left
    new = [p for p in site.points() if p["point"] not in before]
    assert len(new) == 1
    wait_until(lambda: [p for p in site.points() if p["point"] == new[0]["point"]
                        and p["outcome"] == "committed"])
    assert site.verify(new[0]).returncode == 0


def kept_rows(site, before, committed=False):
    """What the points that were made since have, by table; each of them verifies. How a transaction
    ended is written down after its client has been answered."""
    wait_until(lambda: not any(p["outcome"] in ("none", "armed") for p in site.points()
                               if p["point"] not in before))
    if committed:
        before = before | {p["point"] for p in site.points() if p["outcome"] != "committed"}
    rows = {}
    for p in site.points():
        if p["point"] in before:
            continue
        assert site.verify(p).returncode == 0
        shown = json.loads(site.gateway.cli("points", "show", p["point"], "--json").stdout)
        for o in shown["manifest"]["objects"]:
            rows[f"{o['schema']}.{o['name']}"] = o["row_count"]
    return rows


@pytest.mark.parametrize("sql, kept", [
    ("DELETE FROM shop.greedy", {"shop.greedy": 5, "shop.plain": 50}),
    ("DELETE FROM shop.plain WHERE id <= 20", {"shop.plain": 20}),
    ("UPDATE shop.plain SET v = 'x' WHERE id <= 20", {"shop.plain": 20}),
    ("DELETE FROM shop.customers WHERE id <= 10", {"shop.customers": 10, "shop.orders": 50}),
    ("MERGE INTO shop.plain p USING shop.traced t ON p.id = t.id WHEN MATCHED THEN DELETE",
     {"shop.plain": 20}),
    ("INSERT INTO shop.plain VALUES (1, 'x'), (99, 'z') ON CONFLICT (id) DO UPDATE SET v = 'y'",
     {"shop.plain": 1}),
    ("WITH gone AS (DELETE FROM shop.plain WHERE id < 6 RETURNING id), "
     "more AS (UPDATE shop.traced SET v = 'w' WHERE id IN (SELECT id FROM gone) RETURNING 1) "
     "SELECT count(*) FROM more", {"shop.plain": 5, "shop.traced": 5}),
    # code that nobody has vetted: what it does is seen when it is done
    ("DO $$BEGIN DELETE FROM shop.plain; END$$", {"shop.plain": 50}),
    ("SELECT shop.count_plain()", {"shop.plain": 50}),
    ("SELECT * FROM shop.trap", {"shop.plain": 50}),
    ("EXPLAIN SELECT shop.count_plain()", {}),
    ("SELECT query_to_xml('select shop.count_plain()', true, true, '')", {"shop.plain": 50}),
])
def test_what_was_replaced_is_kept_before_the_commit(site, shop, sql, kept):
    before = {p["point"] for p in site.points()}
    with site.connect() as c:
        approved(site, lambda: c.execute(sql))
        assert c.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert kept_rows(site, before) == kept
    wait_until(lambda: all(p["outcome"] == "committed" for p in site.points()
                           if p["point"] not in before))


def test_drop_table_cascade(site, shop):
    with site.connect() as c:
        approved(site, lambda: c.execute("DROP TABLE shop.customers CASCADE"))
    with shop.admin() as admin:
        assert admin.execute("SELECT to_regclass('shop.customers')").fetchone() == (None,)
    point = site.points()[0]
    assert site.verify(point).returncode == 0


def test_returning_rows_arrive_with_the_commit(site, shop):
    with site.connect() as c:
        rows = approved(site, lambda: c.execute(
            "DELETE FROM shop.plain WHERE id < 4 RETURNING id").fetchall())
    assert sorted(rows) == [(1,), (2,), (3,)]


def test_an_error_of_the_statement_is_the_servers_own(site, shop):
    with site.connect() as c:
        with shop.admin() as admin:
            admin.execute("ALTER TABLE shop.orders DROP CONSTRAINT orders_customer_fkey; "
                          "ALTER TABLE shop.orders ADD CONSTRAINT stay FOREIGN KEY (customer) "
                          "REFERENCES shop.customers")
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            approved(site, lambda: c.execute("DELETE FROM shop.customers"))
        assert c.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert c.execute("SELECT 1").fetchone() == (1,)
    assert count(shop, "shop.customers") == 100


def test_more_than_covered_is_rolled_back(site, shop):
    """A trigger that truncates elsewhere: its lock gives it away (invariant 3)."""
    with site.connect() as c:
        with pytest.raises(psycopg.Error) as caught:
            approved(site, lambda: c.execute("DELETE FROM shop.nosy"))
        assert caught.value.sqlstate == "ZB005"
        assert c.execute("SELECT 1").fetchone() == (1,)
    assert count(shop, "shop.nosy") == 5 and count(shop, "shop.plain") == 50
    ticket = wait_until(lambda: [t for t in site.operator.tickets("failed")
                                 if t["sql"] == "DELETE FROM shop.nosy"])[0]
    shown = site.operator.ask("GET", f"/v1/tickets/{ticket['id']}")[1]
    assert "truncated or rewrote shop.plain" in shown["detail"]  # the operator sees the list
    assert "plain" not in str(caught.value)                      # and the agent does not


@pytest.mark.parametrize("sql", [
    "SELECT pg_reload_conf()",
])
def test_what_cannot_be_covered_is_refused(site, shop, sql):
    with site.connect() as c:
        with pytest.raises(psycopg.Error) as caught:
            c.execute(sql)
        assert caught.value.sqlstate in ("ZB004", "42501")
    assert count(shop, "shop.plain") == 50
    assert site.operator.tickets() == []


@pytest.mark.parametrize("sql", [
    "COMMIT; DELETE FROM shop.plain",
    "DELETE FROM shop.plain; COMMIT; SELECT 1",
    "BEGIN; DELETE FROM shop.plain",
    "SELECT 1; BEGIN; DELETE FROM shop.plain; COMMIT",
])
def test_transaction_control_is_not_mixed(site, shop, sql):
    with site.connect() as c:
        with pytest.raises(psycopg.Error) as caught:
            c.execute(sql)
        assert caught.value.sqlstate == "0A000"
    assert count(shop, "shop.plain") == 50


# --- the actor's own transactions ------------------------------------------------------------


def test_first_statement_of_a_transaction(site, shop):
    with site.connect(autocommit=False) as c:
        cursor = approved(site, lambda: c.execute("DELETE FROM shop.plain WHERE id > 25"))
        assert cursor.rowcount == 25
        assert c.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        assert count(shop, "shop.plain") == 50  # not committed yet
        assert c.execute("SELECT count(*) FROM shop.plain").fetchone() == (25,)
        c.commit()
        assert c.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert count(shop, "shop.plain") == 25
    wait_until(lambda: site.points()[0]["outcome"] == "committed")


def test_a_rolled_back_transaction_leaves_a_point_that_says_so(site, shop):
    with site.connect(autocommit=False) as c:
        approved(site, lambda: c.execute("DELETE FROM shop.plain"))
        c.rollback()
    assert count(shop, "shop.plain") == 50
    wait_until(lambda: site.points()[0]["outcome"] in ("rolled_back", "not_used"))


def test_a_trigger_cannot_hide_in_the_actors_transaction(site, shop):
    with site.connect(autocommit=False) as c:
        approved(site, lambda: c.execute("DELETE FROM shop.nosy"))
        with pytest.raises(psycopg.Error) as caught:
            c.commit()
        assert caught.value.sqlstate == "ZB005"
        assert c.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert count(shop, "shop.nosy") == 5 and count(shop, "shop.plain") == 50


def test_after_a_query_the_transaction_is_redeemed_as_a_whole(site, shop):
    """Nobody waits for a human with a snapshot open; and a READ ONLY transaction stays that."""
    def work(c):
        assert c.execute("SELECT count(*) FROM shop.plain").fetchone() == (50,)
        return c.execute("DELETE FROM shop.plain WHERE id <= 5").rowcount

    with site.connect(autocommit=False) as c:
        began = time.monotonic()
        with pytest.raises(psycopg.Error) as caught:
            work(c)
        assert caught.value.sqlstate == "ZB001" and time.monotonic() - began < 2
        assert '"retry":"same-transaction"' in caught.value.diag.message_detail
        assert c.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
        c.rollback()
        site.operator.decide(site.operator.next_ticket()["id"], "approve")
        before = {p["point"] for p in site.points()}
        assert work(c) == 5
        c.commit()
    assert count(shop, "shop.plain") == 45
    assert kept_rows(site, before) == {"shop.plain": 5}


def in_one_transaction(site, c, *statements):
    """Runs them until all are approved; every try begins anew. The transaction stays open."""
    for _ in range(len(statements) + 1):
        c.execute("BEGIN")
        try:
            for sql in statements:
                c.execute(sql)
            return
        except psycopg.Error as e:
            assert e.sqlstate == "ZB001", e
        c.execute("ROLLBACK")
        site.operator.decide(site.operator.next_ticket()["id"], "approve")
    pytest.fail("it is never approved as a whole")


def test_several_statements_of_one_transaction(site, shop):
    """Each has its ticket, and while one of them is missing the others are not used up."""
    before = {p["point"] for p in site.points()}
    with site.connect() as c:
        in_one_transaction(site, c, "DELETE FROM shop.plain WHERE id <= 5",
                           "UPDATE shop.plain SET v = 'u' WHERE id IN (1, 7)", "TRUNCATE shop.traced",
                           "INSERT INTO shop.log (what) VALUES ('one more')",
                           "DELETE FROM shop.orders WHERE id <= 9")
        c.execute("COMMIT")
        with pytest.raises(psycopg.Error) as caught:  # all are used up now
            c.execute("TRUNCATE shop.traced")
        assert caught.value.sqlstate == "ZB001"
    site.operator.decide(site.operator.next_ticket()["id"], "deny")
    assert count(shop, "shop.plain") == 45 and count(shop, "shop.traced") == 0
    assert count(shop, "shop.orders") == 491
    assert kept_rows(site, before, committed=True) == {"shop.plain": 6, "shop.traced": 20,
                                                       "shop.orders": 9}


def test_what_rollback_to_undoes_is_covered_no_more(site, shop):
    """Its lock is gone with it: rows that others add afterwards are in no point yet."""
    before = {p["point"] for p in site.points()}
    with site.connect() as c:
        in_one_transaction(site, c, "SAVEPOINT a", "TRUNCATE shop.traced", "ROLLBACK TO a")
        with shop.admin() as other:
            other.execute("INSERT INTO shop.traced VALUES (21, 'late')")
        c.execute("COMMIT")
        in_one_transaction(site, c, "SAVEPOINT a", "TRUNCATE shop.traced", "ROLLBACK TO a",
                           "DELETE FROM shop.traced WHERE id > 20")
        c.execute("COMMIT")
    assert count(shop, "shop.traced") == 20
    assert kept_rows(site, before, committed=True) == {"shop.traced": 1}


def test_a_savepoint_behind_it_undoes_nothing(site, shop):
    with site.connect() as c:
        in_one_transaction(site, c, "TRUNCATE shop.traced", "SAVEPOINT a", "SELECT 1", "ROLLBACK TO a")
        c.execute("COMMIT")
    assert count(shop, "shop.traced") == 0


def test_a_failed_statement_takes_the_others_with_it(site, shop):
    with site.connect() as c:
        in_one_transaction(site, c, "DELETE FROM shop.plain WHERE id <= 5")
        with pytest.raises(psycopg.Error):
            c.execute("SELECT 1/0")
        c.execute("COMMIT")
    assert count(shop, "shop.plain") == 50
    wait_until(lambda: [t for t in site.operator.tickets("failed")
                        if "id <= 5" in t["sql"]])


@pytest.mark.parametrize("sql", ["COMMIT AND CHAIN", "SELECT 1; COMMIT", "SELECT 1; PREPARE TRANSACTION 'x'"])
def test_a_guarded_transaction_ends_with_a_plain_commit(site, shop, sql):
    with site.connect(autocommit=True) as c:
        c.execute("BEGIN")
        approved(site, lambda: c.execute("DELETE FROM shop.plain"))
        with pytest.raises(psycopg.Error) as caught:
            c.execute(sql)
        assert caught.value.sqlstate == "0A000"
        c.execute("ROLLBACK")
    assert count(shop, "shop.plain") == 50


# --- names -----------------------------------------------------------------------------------


def test_a_prepared_delete_is_gated_where_it_runs(site, shop):
    with site.connect() as c:
        c.execute("PREPARE del AS DELETE FROM shop.plain WHERE id = 1")
        with pytest.raises(psycopg.Error) as caught:
            c.execute("EXECUTE del")
        assert caught.value.sqlstate == "ZB001"
        site.operator.decide(site.operator.next_ticket()["id"], "approve")
        c.execute("EXECUTE del")
        with pytest.raises(psycopg.Error) as caught:
            c.execute("EXECUTE nothing")
        assert caught.value.sqlstate == "26000"
        c.execute("PREPARE sel AS SELECT count(*) FROM shop.plain")
        assert c.execute("EXECUTE sel").fetchone() == (49,)
        c.execute("DEALLOCATE ALL")
        with pytest.raises(psycopg.Error) as caught:
            c.execute("EXECUTE sel")
        assert caught.value.sqlstate == "26000"


def test_prepared_beside_other_statements(site, shop):
    """Of one Query, each name that PREPARE has given, and no other."""
    with site.connect(autocommit=True) as c:
        c.execute("SET work_mem = '5MB'; PREPARE one AS SELECT 1; PREPARE two(int) AS SELECT $1 + 1; SELECT 1")
        assert c.execute("EXECUTE one").fetchone() == (1,)
        assert c.execute("EXECUTE two(1)").fetchone() == (2,)
        c.execute("PREPARE four AS DELETE FROM shop.plain WHERE id = 1")
        with pytest.raises(psycopg.errors.DivisionByZero):
            c.execute("PREPARE three AS SELECT 3; SELECT 1 / 0; DEALLOCATE four; PREPARE four AS SELECT 4")
        assert c.execute("EXECUTE three").fetchone() == (3,)
        with pytest.raises(psycopg.errors.DivisionByZero):
            c.execute("SELECT 1; SELECT 1 / 0; DEALLOCATE four; PREPARE four AS SELECT 4")
        with pytest.raises(psycopg.Error) as caught:
            c.execute("EXECUTE four")
        assert caught.value.sqlstate == "ZB001", "it deletes"
        site.operator.decide(site.operator.next_ticket()["id"], "deny")
        c.execute("DEALLOCATE three; PREPARE three AS SELECT 33; DEALLOCATE one")
        assert c.execute("EXECUTE three").fetchone() == (33,)
        with pytest.raises(psycopg.Error) as caught:
            c.execute("EXECUTE one")
        assert caught.value.sqlstate == "26000"
        approved(site, lambda: c.execute("DELETE FROM shop.plain WHERE id = 2; PREPARE five AS SELECT 5"))
        for name, value in ("five", 5), ("three", 33):  # asked for: triggers are code that nobody could read
            assert c.execute(f"EXECUTE {name}").fetchone() == (value,)


def test_a_cursor_is_judged_where_it_is_declared(site, shop):
    with site.connect() as c:
        c.execute("BEGIN")
        c.execute("DECLARE k CURSOR FOR SELECT id FROM shop.plain ORDER BY id")
        assert c.execute("FETCH 2 FROM k").fetchall() == [(1,), (2,)]
        c.execute("CLOSE k")
        with pytest.raises(psycopg.Error) as caught:
            c.execute("FETCH 1 FROM unheard_of")
        assert caught.value.sqlstate in ("ZB004", "42501")
        c.execute("ROLLBACK")


def test_what_a_cursor_runs_is_kept_where_it_is_fetched(site, shop):
    """DECLARE is approved, and runs nothing; FETCH calls the function."""
    before = {p["point"] for p in site.points()}
    with site.connect() as c:
        c.execute("BEGIN")
        approved(site, lambda: c.execute("DECLARE k CURSOR FOR SELECT shop.count_plain()"))
        assert c.execute("FETCH ALL FROM k").fetchall() == [(1,)]
        c.execute("COMMIT")
    assert count(shop, "shop.plain") == 0
    assert kept_rows(site, before) == {"shop.plain": 50}


def test_a_prepared_call_is_gated_where_it_runs(site, shop):
    before = {p["point"] for p in site.points()}
    with site.connect() as c:
        c.execute("PREPARE f AS SELECT shop.count_plain()")
        assert count(shop, "shop.plain") == 50
        approved(site, lambda: c.execute("EXECUTE f"))
    assert count(shop, "shop.plain") == 0
    assert kept_rows(site, before) == {"shop.plain": 50}


# --- who approves ----------------------------------------------------------------------------


def test_no_agent_path_approves(site, shop):
    """Invariant 5: an agent's credential opens nothing on the operators' side."""
    with site.connect() as c:
        with pytest.raises(psycopg.Error) as caught:
            c.execute("DELETE FROM shop.plain")
    ticket = json.loads(caught.value.diag.message_detail)["ticket"]
    for token in (site.gateway.passwords["bob"], "", "x" * 64):
        status, answer = site.operator.ask("POST", f"/v1/tickets/{ticket}/approve", token=token or " ")
        assert status == 401, answer
    viewer = Operator(site.gateway, "viv", "viewer")
    assert viewer.ask("POST", f"/v1/tickets/{ticket}/approve")[0] == 403
    assert [t["id"] for t in viewer.tickets()] == [ticket]
    site.operator.decide(ticket, "deny")
    assert site.operator.ask("POST", f"/v1/tickets/{ticket}/approve")[0] == 409
    assert count(shop, "shop.plain") == 50


def test_without_any_operator_gated_statements_are_refused(pg, shop):
    g = Gateway(pg)
    with running(g, "bob") as g:
        with g.connect("bob", autocommit=True) as c:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                c.execute("DELETE FROM shop.plain")
            assert c.execute("SELECT 1").fetchone() == (1,)
    assert count(shop, "shop.plain") == 50


# --- on record -------------------------------------------------------------------------------


def test_everything_is_on_record(site, shop):
    with site.connect() as c:
        c.execute("SELECT 'a read'")
        approved(site, lambda: c.execute("DELETE FROM shop.plain WHERE id = 3 OR id = 4"))
    wait_until(lambda: [r for r in site.audit() if r["kind"] == "outcome"
                        and r.get("statement", "").endswith("id = 3 OR id = 4")])
    records = site.audit()
    read = [r for r in records if r.get("statement") == "SELECT 'a read'"]
    assert read and read[0]["agent"] == "bob" if "agent" in read[0] else read[0]["actor"] == "bob"
    mine = [r for r in records if r.get("statement", "").endswith("id = 3 OR id = 4")]
    kinds = [r["kind"] for r in mine]
    assert kinds.index("judged") < kinds.index("outcome")
    assert mine[-1]["outcome"] == "committed" and mine[-1]["point"].startswith("RP-")
    assert site.gateway.cli("audit", "verify", check=False).returncode == 0


def test_a_hold_inside_a_block_ends_before_the_servers_clock(site, shop):
    """PROTECT 15: the server would end the session (25P03), not just the wait."""
    with site.connect() as c:
        c.execute("BEGIN")
        c.execute("SET LOCAL idle_in_transaction_session_timeout = '2s'")
        began = time.monotonic()
        with pytest.raises(psycopg.Error) as caught:
            c.execute("DELETE FROM shop.plain WHERE id > 2")
        assert caught.value.sqlstate == "ZB001"
        assert time.monotonic() - began < 1.9
        c.execute("ROLLBACK")
        assert c.execute("SELECT 1").fetchone() == (1,)
    site.operator.decide(site.operator.next_ticket()["id"], "deny")
