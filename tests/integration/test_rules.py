"""One test per rule of a protected execution, in the order of its steps; each fails without its guard.

What more holds a rule is said where its test stands. Nobody is asked here: `free` may do anything,
as long as it is covered. `bob` has no rule that lets him write, so his sessions are shielded.
"""

import json
import threading
import time

import psycopg
import pytest

from conftest import running, wait_until
from operator_side import Operator
from rawwire import SYNC, Raw, bind, describe, execute, message, parse, query, report
from scene import Blocker, Scene
from stored import Store

FLUSH = message(b"H")
ROWS = 100
SCHEMA = f"""
DROP SCHEMA IF EXISTS rule CASCADE;
CREATE SCHEMA rule AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE rule.t (id int PRIMARY KEY, v text);
CREATE TABLE rule.child (id int PRIMARY KEY, t int REFERENCES rule.t ON DELETE CASCADE DEFERRABLE);
CREATE TABLE rule.other (id int PRIMARY KEY, n int);
INSERT INTO rule.t SELECT n, 'v' || n FROM generate_series(1, {ROWS}) n;
INSERT INTO rule.child SELECT n, n FROM generate_series(1, {ROWS}) n;
INSERT INTO rule.other SELECT n, 0 FROM generate_series(1, {ROWS}) n;
RESET ROLE;
"""
POLICY = {"rules": [{"name": "free", "actors": ["free"], "action": "allow",
                     "risk": ["SAFE", "HIGH", "CRITICAL"]}]}


class Ground(Scene):
    def connect(self, actor="free", **more):
        return self.gateway.connect(actor, **{"autocommit": True, **more})

    def begin(self):
        with self.pg.admin() as c:
            c.execute(SCHEMA)
        self.old = {p.id for p in self.store.points()}
        self.log_at = len(self.pg.log.read_text())

    def raw(self, actor="free"):
        r = Raw(self.gateway.port, timeout=20)
        seen = r.login(actor, self.gateway.passwords[actor])
        assert seen[-1] == (b"Z", b"I"), seen
        return r

    def table(self, name="t"):
        return dict(self.query(f"SELECT id, v FROM rule.{name}" if name == "t" else
                               f"SELECT id, n FROM rule.{name}"))

    def committed(self):
        new = [p for p in self.store.points() if p.id not in self.old and p.complete()]
        wait_until(lambda: all(p.events() and p.events()[-1] != "armed" for p in new), 10)
        return [p for p in new if p.committed()]

    def kept(self, table="rule.t"):
        """What the committed points hold of it: {id: row}."""
        return {row["id"]: row for p in self.committed() for name, row in p.rows() if name == table}

    def admin(self, sql):
        with self.pg.admin() as c:
            c.execute(sql)


@pytest.fixture(scope="module")
def made(pg):
    scene = Ground(pg, policy=POLICY, hold={"wait": "0s"})
    scene.store = Store(scene.storage())
    scene.gateway.add_agent("free")
    with running(scene.gateway):
        yield scene
    scene.close()


@pytest.fixture
def ground(made):
    made.begin()
    yield made
    made.actors.clear()
    made.helpers.clear()
    wait_until(lambda: not any(made.gateway.folder.glob("spool/*")), 5)


def refused(c, sql):
    """The SQLSTATE."""
    with pytest.raises(psycopg.Error) as caught:
        c.execute(sql)
    return caught.value.sqlstate


# --- 1: the closing sequence -----------------------------------------------------------------
# Also test_invariants.py: triggers that are deferred, and that queue another behind the audit.


def test_01_a_holdable_cursor_runs_at_commit(ground):
    ground.admin("""SET ROLE app_trust; CREATE FUNCTION rule.purge() RETURNS int LANGUAGE plpgsql AS
                    $$BEGIN DELETE FROM rule.t; RETURN 1; END$$""")
    with ground.connect() as c:
        c.execute("BEGIN")
        c.execute("DECLARE k CURSOR WITH HOLD FOR SELECT rule.purge()")
        assert refused(c, "COMMIT") in ("25006", "ZB005")
        assert c.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert len(ground.table()) == ROWS and ground.committed() == []


def test_01_what_is_normal_at_commit_still_works(ground):
    ground.admin("ALTER TABLE rule.child ALTER CONSTRAINT child_t_fkey INITIALLY DEFERRED")
    listener = psycopg.connect(host=str(ground.pg.folder), port=ground.pg.port, user="postgres",
                               dbname="app", autocommit=True)
    listener.execute("LISTEN rule")
    with ground.connect() as c:
        with c.transaction():
            c.execute("CREATE TEMP TABLE mine (n int) ON COMMIT DELETE ROWS")
            c.execute("INSERT INTO mine VALUES (1)")
            c.execute("INSERT INTO rule.child VALUES (1000, 1000)")  # its parent comes later
            c.execute("INSERT INTO rule.t VALUES (1000, 'late')")
            c.execute("UPDATE rule.t SET v = 'x' WHERE id = 1")
            c.execute("NOTIFY rule")
        assert c.execute("SELECT count(*) FROM mine").fetchone() == (0,)
        c.execute("BEGIN")
        c.execute("INSERT INTO rule.child VALUES (2000, 2000)")  # and never
        c.execute("UPDATE rule.t SET v = 'y' WHERE id = 2")
        assert refused(c, "COMMIT") == "23503"
    assert len(list(listener.notifies(timeout=5, stop_after=1))) == 1
    listener.close()
    assert ground.table()[1] == "x" and ground.table()[2] == "v2"
    assert ground.kept()[1]["v"] == "v1"


# --- 2: what is injected cannot be hijacked ---------------------------------------------------


OPERATORS = """SET ROLE app_trust;
    CREATE FUNCTION rule.never(bigint, bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
    CREATE FUNCTION rule.never(oid, oid) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
    CREATE OPERATOR rule.> (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = rule.never);
    CREATE OPERATOR rule.<> (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = rule.never);
    CREATE OPERATOR rule.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = rule.never)"""


@pytest.mark.parametrize("trap", ["pg_stat_xact_user_tables", "pg_stat_xact_all_tables", "pg_class",
                                  "pg_locks", "operators"])
def test_02_the_audit_cannot_be_blinded(ground, trap):
    """With a table of that name, or an operator of its own, in front of the server's."""
    ground.admin("""SET ROLE app_trust; CREATE FUNCTION rule.hide() RETURNS trigger LANGUAGE plpgsql AS
                    $$BEGIN DELETE FROM rule.child; RETURN NULL; END$$;
                    CREATE TRIGGER h AFTER UPDATE ON rule.other FOR EACH STATEMENT
                    EXECUTE FUNCTION rule.hide()""")
    if trap == "operators":
        ground.admin(OPERATORS)
        ground.admin("ALTER ROLE app_trust SET search_path = rule, pg_catalog")
    try:
        with ground.connect() as c:
            if trap != "operators":
                c.execute(f"CREATE TEMP TABLE {trap} (n int)")
            c.execute("UPDATE rule.other SET n = 1 WHERE id = 1")
    finally:
        ground.admin("ALTER ROLE app_trust RESET search_path")
    assert len(ground.kept("rule.child")) == ROWS and set(ground.kept("rule.other")) == {1}


def test_02_names_cannot_be_prepared_before_us(ground):
    """No name is used twice, so that nobody learns one."""
    ground.admin("ALTER ROLE app_trust SET log_statement = 'all'")
    try:
        with ground.connect() as c:
            c.execute("DELETE FROM rule.t WHERE id = 1")
            c.execute("DELETE FROM rule.t WHERE id = 2")
    finally:
        ground.admin("ALTER ROLE app_trust RESET log_statement")
    names = [line.split("execute ")[1].split("/")[0].split(":")[0]
             for line in ground.server_log().splitlines() if "execute backstop_" in line]
    assert len(names) > 8 and len(set(names)) == len(names)
    assert all(len(name) == len("backstop_") + 32 for name in names)


def test_02_the_table_that_is_locked_is_the_one_that_was_meant(ground):
    """Another one has taken its name meanwhile."""
    stop = ground.actors.stop_at(b"LOCK TABLE")
    asking = ground.ask("TRUNCATE rule.other")
    stop.wait()
    ground.admin("SET ROLE app_trust; ALTER TABLE rule.other RENAME TO meant;"
                 "CREATE TABLE rule.other (id int, n int); INSERT INTO rule.other VALUES (1, 1)")
    stop.go()
    assert asking.done() is not None
    assert ground.query("SELECT (SELECT count(*) FROM rule.meant), (SELECT count(*) FROM rule.other)"
                        ) == [(ROWS, 1)]


# --- 3: the audit's readings -----------------------------------------------------------------
# Also test_invariants.py (what a trigger does beside), test_attacks.py (large objects).

HIDDEN = {
    "catalog": "GRANT ALL ON rule.t TO PUBLIC",
    "code": "CREATE OR REPLACE FUNCTION rule.f() RETURNS int LANGUAGE sql AS 'SELECT 2'",
    "trigger": "ALTER TABLE rule.other DISABLE TRIGGER USER",
    "lock": "EXECUTE 'TRUNCATE rule.' || 'child'",
    "object": "PERFORM lo_unlink((SELECT min(oid) FROM pg_largeobject_metadata))",
    "comment": "COMMENT ON TABLE rule.t IS 'x'",
}


@pytest.mark.parametrize("what", HIDDEN)
def test_03_what_leaves_no_counter_is_seen(ground, what):
    ground.admin(f"""SET ROLE app_trust; SELECT lo_from_bytea(0, 'x');
                     CREATE TRIGGER t BEFORE UPDATE ON rule.other FOR EACH ROW
                     EXECUTE FUNCTION suppress_redundant_updates_trigger();
                     CREATE FUNCTION rule.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
                     CREATE FUNCTION rule.work_{what}() RETURNS void LANGUAGE plpgsql AS
                     $f$BEGIN UPDATE rule.t SET v = 'x' WHERE id = 1; {HIDDEN[what]}; END$f$""")
    with ground.connect() as c:
        code = refused(c, f"SELECT rule.work_{what}()")
        # what no ROLLBACK takes back is not run at all, once the body is known
        assert code == "ZB005" or (what == "object" and code == "ZB004")
    assert ground.table()[1] == "v1" and ground.committed() == []
    assert ground.query("SELECT rule.f(), (SELECT count(*) > 0 FROM pg_largeobject_metadata),"
                        " (SELECT count(*) FROM rule.child), obj_description('rule.t'::regclass),"
                        " (SELECT relacl FROM pg_class WHERE oid = 'rule.t'::regclass),"
                        " (SELECT tgenabled FROM pg_trigger WHERE tgname = 't')"
                        ) == [(1, True, ROWS, None, None, "O")]


def test_03_a_sequence_that_is_set_is_kept(ground):
    """Its value does not go back with ROLLBACK: it is in the point."""
    ground.admin("SET ROLE app_trust; CREATE SEQUENCE rule.s; SELECT setval('rule.s', 77)")
    with ground.connect() as c:
        c.execute("DO $$BEGIN UPDATE rule.t SET v = 'x' WHERE id = 1;"
                  " PERFORM setval('rule.s', 5); END$$")
    (point,) = ground.committed()
    (sequence,) = point.manifest()["sequences"]
    assert (sequence["name"], int(sequence["last_value"])) == ("s", 77)


def test_03_a_foreign_table_is_out_of_reach(ground):
    ground.admin(f"""CREATE EXTENSION IF NOT EXISTS postgres_fdw; DROP SERVER IF EXISTS back CASCADE;
                     CREATE SERVER back FOREIGN DATA WRAPPER postgres_fdw
                     OPTIONS (host '{ground.pg.folder}', port '{ground.pg.port}', dbname 'app');
                     CREATE USER MAPPING FOR PUBLIC SERVER back OPTIONS (user 'app_trust', password_required 'false');
                     CREATE FOREIGN TABLE rule.far (id int, n int) SERVER back
                     OPTIONS (schema_name 'rule', table_name 'other'); GRANT ALL ON rule.far TO app_trust""")
    try:
        with ground.connect() as c:
            for sql in ("DELETE FROM rule.far", "DO $$BEGIN DELETE FROM rule.far; END$$"):
                assert refused(c, sql) in ("ZB004", "ZB005", "42501")
        assert len(ground.table("other")) == ROWS
    finally:
        ground.admin("DROP SERVER back CASCADE; DROP EXTENSION postgres_fdw CASCADE")


# --- 4: covered ------------------------------------------------------------------------------

CORRECT = {
    "a row changed 300 times": ("DO $$BEGIN FOR i IN 1..300 LOOP UPDATE rule.other SET n = i WHERE id = 1;"
                                " END LOOP; END$$", "rule.other", {1}),
    "inserted and deleted again": ("DO $$BEGIN INSERT INTO rule.other SELECT n, 1 FROM"
                                   " generate_series(1001, 1010) n; DELETE FROM rule.other WHERE id > 1000;"
                                   " END$$", "rule.other", set()),
    "undone by an exception": ("DO $$BEGIN DELETE FROM rule.other WHERE id = 7; BEGIN DELETE FROM"
                               " rule.other; PERFORM 1 / 0; EXCEPTION WHEN OTHERS THEN NULL; END; END$$",
                               "rule.other", {7}),
    "by two foreign keys": ("DELETE FROM rule.top WHERE id = 1", "rule.bottom", {1}),
    "no row at all": ("UPDATE rule.other SET n = 1 WHERE id = -5", "rule.other", set()),
}


@pytest.mark.parametrize("what", CORRECT)
def test_04_correct_work_is_not_refused(ground, what):
    """The counters are upper bounds: what they say is settled by what has been replaced."""
    sql, table, keys = CORRECT[what]
    ground.admin("""SET ROLE app_trust; CREATE TABLE rule.top (id int PRIMARY KEY);
        CREATE TABLE rule.l (id int PRIMARY KEY, t int REFERENCES rule.top ON DELETE CASCADE);
        CREATE TABLE rule.r (id int PRIMARY KEY, t int REFERENCES rule.top ON DELETE CASCADE);
        CREATE TABLE rule.bottom (id int PRIMARY KEY, l int REFERENCES rule.l ON DELETE CASCADE,
                                  r int REFERENCES rule.r ON DELETE CASCADE);
        INSERT INTO rule.top VALUES (1), (2); INSERT INTO rule.l VALUES (1, 1), (2, 2);
        INSERT INTO rule.r VALUES (1, 1), (2, 2); INSERT INTO rule.bottom VALUES (1, 1, 1), (2, 2, 2)""")
    with ground.connect() as c:
        c.execute(sql)
    kept = set(ground.kept(table))
    assert kept >= keys if "EXCEPTION" in sql else kept == keys  # what is undone may be in it


@pytest.mark.parametrize("sql", ["DELETE FROM rule.late WHERE n > 10",
                                 "DO $$BEGIN DELETE FROM rule.late WHERE n > 10; END$$"])
def test_04_a_table_that_others_made_meanwhile_is_covered(ground, sql):
    """It was not there at the first reading, as if this transaction had made it."""
    with ground.connect() as c:
        c.execute("BEGIN")
        c.execute("UPDATE rule.t SET v = 'x' WHERE id = 1")
        ground.admin("SET ROLE app_trust; CREATE TABLE rule.late AS SELECT n AS id, n FROM"
                     " generate_series(1, 50) n")
        c.execute(sql)
        c.execute("COMMIT")
    assert set(ground.kept("rule.late")) == set(range(11, 51))


# --- 5: locks that the actor may not take --------------------------------------------------------
# test_ledger.py


def test_05_what_may_not_be_locked_is_kept_all_the_same(ground):
    ground.admin("""ALTER TABLE rule.child OWNER TO postgres; ALTER TABLE rule.t OWNER TO postgres;
                    REVOKE ALL ON rule.t, rule.child FROM PUBLIC, app_trust;
                    GRANT SELECT, DELETE ON rule.t TO app_trust""")
    with ground.connect() as c:
        c.execute("DELETE FROM rule.t")
    assert len(ground.kept("rule.t")) == len(ground.kept("rule.child")) == ROWS


# --- 6: nothing of ours runs the actor's code ------------------------------------------------


def test_06_a_policy_runs_as_often_as_without_us(ground):
    """It is called for each row that the statement looks at, and for nothing else."""
    ground.admin("""CREATE SEQUENCE rule.calls; GRANT ALL ON SEQUENCE rule.calls TO app_trust;
                    CREATE POLICY p ON rule.other USING (nextval('rule.calls') > 0);
                    ALTER TABLE rule.other ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY""")
    with ground.connect() as c:
        c.execute("DELETE FROM rule.other")
    assert ground.query("SELECT last_value FROM rule.calls") == [(ROWS,)]
    assert len(ground.kept("rule.other")) == ROWS


def test_06_the_actor_need_not_be_able_to_read(ground):
    ground.admin("""ALTER TABLE rule.other OWNER TO postgres; REVOKE ALL ON rule.other FROM app_trust;
                    GRANT DELETE ON rule.other TO app_trust""")
    with ground.connect() as c:
        c.execute("DO $$BEGIN DELETE FROM rule.other; END$$")
    assert len(ground.kept("rule.other")) == ROWS


# --- 7: SHARE ROW EXCLUSIVE, then the upgrade ----------------------------------------------------
# test_faults.py has who waits for whom.


def test_07_readers_read_while_it_is_captured(ground):
    stop = ground.helpers.stop_at(b"COPY ")
    asking = ground.ask("TRUNCATE rule.other")
    stop.wait()
    with ground.pg.admin() as c:
        c.execute("SET lock_timeout = '1s'")
        assert c.execute("SELECT count(*) FROM rule.other").fetchone() == (ROWS,)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            c.execute("UPDATE rule.other SET n = 9")
    stop.go()
    assert asking.done() is None
    assert {row["n"] for row in ground.kept("rule.other").values()} == {0}


# --- 8: the helper's snapshot comes after the lock -----------------------------------------------
# test_races.py


def test_08_what_was_committed_before_the_lock_is_in_the_point(ground):
    stop = ground.actors.stop_at(b"LOCK TABLE")
    asking = ground.ask("TRUNCATE rule.other")
    stop.wait()
    ground.admin("INSERT INTO rule.other VALUES (1001, 1)")
    stop.go()
    assert asking.done() is None
    assert 1001 in ground.kept("rule.other")


@pytest.mark.parametrize("level", ["serializable", "repeatable read"])
def test_08_the_actors_isolation_is_not_lowered(ground, level):
    ground.admin(f"ALTER ROLE app_trust SET default_transaction_isolation = '{level}'")
    try:
        with ground.connect() as c:
            assert c.execute("DELETE FROM rule.other RETURNING current_setting('transaction_isolation')"
                             ).fetchone() == (level,)
    finally:
        ground.admin("ALTER ROLE app_trust RESET default_transaction_isolation")
    assert len(ground.kept("rule.other")) == ROWS


# --- 9: the shield ---------------------------------------------------------------------------


def test_09_who_may_never_write_without_asking_is_shielded(ground):
    """The server holds it, too; the client does not see it."""
    with ground.connect("bob") as bob, ground.connect() as free:
        shields = dict(ground.query(
            "SELECT a.pid, s.setting FROM pg_stat_activity a, LATERAL (SELECT 1) x,"
            " pg_settings s WHERE s.name = 'default_transaction_read_only' AND a.pid IN (%s, %s)",
            bob.info.backend_pid, free.info.backend_pid))
        assert len(shields) == 2
        assert bob.info.parameter_status("default_transaction_read_only") == "off"
        assert bob.execute("SELECT current_setting('transaction_read_only')").fetchone() == ("on",)
        assert free.execute("SELECT current_setting('transaction_read_only')").fetchone() == ("off",)
        for sql in ("SET default_transaction_read_only = off", "BEGIN READ WRITE",
                    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
                    "SELECT set_config('transaction_read_only', 'off', false)"):
            assert refused(bob, sql) in ("42501", "ZB001", "ZB004", "0A000"), sql
        assert bob.execute("SELECT current_setting('transaction_read_only')").fetchone() == ("on",)


# --- 10: injection in the extended protocol --------------------------------------------------


def approve_all(ground):
    for ticket in ground.operator.tickets():
        ground.operator.decide(ticket["id"], "approve")


def until_ready(r, data):
    r.send(data)
    return r.until()


def code(seen):
    return [report(m[1])["C"] for m in seen if m and m[0] == b"E"]


@pytest.mark.parametrize("first", ["at once", "described and flushed"])
def test_10_the_clients_statements_survive_ours(ground, first):
    """Unnamed and named, parsed before: our messages take neither; and there is one Z for one Sync."""
    sql = "DELETE FROM rule.other WHERE id = 3 RETURNING id"
    with ground.raw("bob") as r:
        until_ready(r, parse("kept", "SELECT 41 + 1") + SYNC)
        r.send(parse("", sql))
        if first != "at once":
            r.send(describe("S", "") + FLUSH)
            assert r.until(b"T")[0] == (b"1", b"")
        seen = until_ready(r, bind("", "") + execute() + SYNC)
        assert code(seen) == ["ZB001"] and seen[-1] == (b"Z", b"I")
        approve_all(ground)
        seen = until_ready(r, bind("", "") + execute() + SYNC)  # that very unnamed statement
        assert code(seen) == [] and (b"C", b"DELETE 1\0") in seen and seen[-1] == (b"Z", b"I")
        seen = until_ready(r, bind("", "kept") + execute() + SYNC)
        assert (b"C", b"SELECT 1\0") in seen
        assert not r.readable()
    assert set(ground.kept("rule.other")) == {3}


# --- 11: what the client sees before COMMIT --------------------------------------------------


@pytest.mark.parametrize("how", ["simple", "extended"])
def test_11_nothing_says_that_it_is_done_before_it_is(ground, how):
    sql = "DELETE FROM rule.other WHERE id <= 2 RETURNING id"
    data = query(sql) if how == "simple" else parse("", sql) + bind("", "") + execute() + SYNC
    stop = ground.actors.stop_at(b"COMMIT\0", "answered")
    with ground.raw() as r:
        r.send(data)
        stop.wait()
        r.socket.settimeout(0.3)
        kinds = []
        with pytest.raises(TimeoutError):
            while True:
                kinds.append(r.next()[0])
        assert kinds.count(b"D") == 2 and not {b"C", b"Z", b"s"} & set(kinds)
        r.socket.settimeout(20)
        stop.go()
        assert [m[0] for m in r.until()] == [b"C", b"Z"]


# --- 12: the wrap does not show --------------------------------------------------------------


def test_12_what_needs_a_block_of_the_clients_own_still_does(ground):
    with ground.connect() as c:
        for sql in ("SAVEPOINT s", "LOCK TABLE rule.t", "DECLARE k CURSOR FOR SELECT 1"):
            assert refused(c, sql) == "25P01", sql
        assert refused(c, "DO $$BEGIN DELETE FROM rule.t; COMMIT; END$$") in ("2D000", "ZB005")
        assert len(ground.table()) == ROWS
        before, = c.execute("SELECT clock_timestamp()").fetchone()
        stamp, ends = c.execute("DELETE FROM rule.other WHERE id = 1 RETURNING now(), statement_timestamp()"
                                ).fetchone()
        assert before < stamp <= ends


# --- 13: poison ------------------------------------------------------------------------------


def test_13_the_refusal_is_ours_and_the_servers_log_explains_itself(ground):
    with ground.raw("bob") as r:
        until_ready(r, query("BEGIN"))
        until_ready(r, parse("", "SELECT 7") + query("SELECT 1"))
        seen = until_ready(r, parse("mine", "SELECT 8") + SYNC)
        assert code(seen) == []
        seen = until_ready(r, query("DELETE FROM rule.t"))
        (fields,) = [report(m[1]) for m in seen if m[0] == b"E"]
        assert fields["C"] == "ZB001" and not set("PpqWFLR") & set(fields)
        assert seen[-1] == (b"Z", b"E")
        assert code(until_ready(r, query("SELECT 1"))) == ["25P02"]
        until_ready(r, query("ROLLBACK"))
        assert (b"C", b"SELECT 1\0") in until_ready(r, bind("", "mine") + execute() + SYNC)
    assert "STATEMENT:  !backstop " in ground.server_log()
    assert "DELETE FROM rule.t" not in ground.server_log()


def test_13_the_clients_unnamed_statement_outlives_a_refusal(ground):
    with ground.raw("bob") as r:
        until_ready(r, parse("begin", "BEGIN") + bind("", "begin") + execute() + SYNC)
        until_ready(r, parse("end", "ROLLBACK") + parse("", "SELECT 8") + bind("", "") + execute() + SYNC)
        assert code(until_ready(r, parse("gone", "DELETE FROM rule.t") + bind("", "gone") + execute() + SYNC)
                    ) == ["ZB001"]
        assert (b"C", b"ROLLBACK\0") in until_ready(r, bind("", "end") + execute() + SYNC)
        assert (b"C", b"SELECT 1\0") in until_ready(r, bind("", "") + execute() + SYNC)


def test_13_outside_a_transaction_the_server_is_not_asked(ground):
    with ground.raw("bob") as r:
        seen = until_ready(r, query("DELETE FROM rule.t"))
        assert code(seen) == ["ZB001"] and seen[-1] == (b"Z", b"I")
    assert "!backstop" not in ground.server_log()


# --- 14: a ticket's identity -----------------------------------------------------------------
# Also test_attacks.py: an approval is for one search_path.


def test_14_another_literal_is_another_request_another_comment_is_not(ground):
    with ground.connect("bob") as c:
        assert refused(c, "DELETE FROM rule.t WHERE id = 1") == "ZB001"
        approve_all(ground)
        assert refused(c, "DELETE FROM rule.t WHERE id = 2") == "ZB001"
        assert refused(c, "DELETE FROM rule.t WHERE id = '1'") == "ZB001"
        c.execute("DELETE /* again */  FROM rule.t\nWHERE id = 1 -- please")
        assert refused(c, "DELETE FROM rule.t WHERE id = 1") == "ZB001"
    assert len(ground.table()) == ROWS - 1


def test_14_a_parameter_is_its_value_whatever_its_width_and_format(ground):
    from psycopg.types.numeric import Int2, Int8

    sql = "DELETE FROM rule.t WHERE id = %s::int"
    with ground.connect("bob") as c:
        with pytest.raises(psycopg.Error):
            c.execute(sql, (Int8(9),))
        approve_all(ground)
        for other in (Int8(10), Int2(11)):
            with pytest.raises(psycopg.Error) as caught:
                c.execute(sql, (other,))
            assert caught.value.sqlstate == "ZB001"
        assert c.execute(sql, (Int8(9),), binary=True).rowcount == 1
    assert 9 not in ground.table()


# --- 15: holding after a bare BEGIN ----------------------------------------------------------
# test_transactions.py has the drivers, test_protect.py the server's own clock.


def test_15_who_is_held_after_begin_holds_nothing(pg):
    scene = Ground(pg, policy=POLICY, hold={"wait": "20s"})
    scene.store = Store(scene.storage())
    with running(scene.gateway):
        scene.begin()
        asking = scene.ask("DELETE FROM rule.t WHERE id = 5", actor="bob", autocommit=False)
        ticket = scene.operator.next_ticket()
        assert scene.query("SELECT count(*) FROM pg_locks WHERE pid = %s AND locktype = 'relation'",
                           asking.pid) == [(0,)]
        assert scene.query("SELECT backend_xmin, backend_xid FROM pg_stat_activity WHERE pid = %s",
                           asking.pid) == [(None, None)]
        scene.operator.decide(ticket["id"], "deny")
        assert asking.done() == "ZB002"
    scene.close()


# --- 16: the actor's own transactions ----------------------------------------------------------
# test_protect.py, test_ledger.py, test_transactions.py, test_kills.py


def test_16_the_committed_state_is_kept_not_what_the_transaction_made_of_it(ground):
    """A helper's SELECT would look for what the WHERE says now, and find nothing."""
    with ground.connect() as c:
        with c.transaction():
            c.execute("UPDATE rule.other SET n = 1 WHERE id <= 10")
            c.execute("DELETE FROM rule.other WHERE n = 1")
    assert {key: row["n"] for key, row in ground.kept("rule.other").items()} == \
        {key: 0 for key in range(1, 11)}
    assert len(ground.table("other")) == ROWS - 10


def test_16_what_no_statement_accounts_for_is_rolled_back(ground):
    ground.admin("""SET ROLE app_trust; CREATE FUNCTION rule.hide() RETURNS trigger LANGUAGE plpgsql AS
                    $$BEGIN EXECUTE 'TRUNCATE rule.' || 'child'; RETURN NULL; END$$;
                    CREATE TRIGGER h AFTER INSERT ON rule.other FOR EACH STATEMENT
                    EXECUTE FUNCTION rule.hide()""")
    with ground.connect() as c:
        c.execute("BEGIN")
        c.execute("UPDATE rule.t SET v = 'x' WHERE id = 1")
        c.execute("INSERT INTO rule.other VALUES (1001, 1)")
        assert refused(c, "COMMIT") == "ZB005"
    assert ground.table()[1] == "v1" and ground.committed() == []
    assert ground.query("SELECT count(*) FROM rule.child") == [(ROWS,)]


@pytest.mark.parametrize("ddl", ["CREATE TABLE rule.mine (id int)", "CREATE INDEX ON rule.t (v)",
                                 "ALTER TABLE rule.other ADD COLUMN w int"])
def test_04_a_migration_in_one_transaction(ground, ddl):
    """Locks of statements that passed before are not put down to what is gated behind them."""
    with ground.connect() as c:
        c.execute("BEGIN")
        c.execute(ddl)
        c.execute("UPDATE rule.t SET v = 'x' WHERE id = 1")
        c.execute("COMMIT")
    assert set(ground.kept()) == {1}
