"""Helpers, programs, storage and clocks that fail a protected execution; others in its way.

The server and its lines work; see test_crash.py for when they do not.
"""

import contextlib
import re
import signal
import subprocess
import threading
import time

import psycopg
import pytest

import conftest
from conftest import running, wait_until
from operator_side import Operator
from scene import (DELETE, DROP, ROWS, TRUNCATE, UPDATE, Blocker, Scene, hasty, impatient, made,
                   newest, row_is_locked, scene)

__all__ = ["hasty", "impatient", "made", "scene"]  # fixtures


# --- helpers and pg_dump ---------------------------------------------------------------------


def test_helper_cannot_log_in(scene):
    asking = scene.ask(DELETE)
    ticket = scene.operator.next_ticket()["id"]
    with scene.pg.admin() as c:
        c.execute("ALTER ROLE backstop NOLOGIN")
    try:
        scene.operator.decide(ticket, "approve")
        assert asking.done() == "ZB004"
    finally:
        with scene.pg.admin() as c:
            c.execute("ALTER ROLE backstop LOGIN")
    scene.settle(committed=False)
    assert scene.ticket_state(ticket) == "failed"


def test_started_without_its_helper(scene):
    """Nothing runs unjudged; and nobody has to start it again when the helper can log in."""
    scene.kill()
    scene.helpers.refuse = True
    scene.gateway.start()
    for sql in (DELETE, "SELECT count(*) FROM crash.t"):
        assert scene.ask(sql).done() not in (None, "ZB001")
    assert scene.operator.tickets() == []
    scene.helpers.refuse = False
    scene.settle(committed=False)


def test_no_start_up_setting_of_an_actor_reaches_a_helper(scene, monkeypatch):
    """CVE-2025-12819: a search_path from a client's start-up packet was set where a pooler asks for its own."""
    told = {}
    for relay in (scene.actors, scene.helpers):
        said, match = told.setdefault(relay, []), relay.match
        monkeypatch.setattr(relay, "match", lambda data, said=said, match=match: said.append(data) or match(data))
    with scene.pg.admin() as c:  # so that the catalog's reader starts anew, too
        c.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'backstop'")
    for how in ({"options": "-c search_path=canary"}, {"options": "-csearch_path=canary -c geqo=on"},
                {"options": "--search-path=canary"}):
        with pytest.raises(psycopg.OperationalError, match="search_path"):
            scene.connect(**how)
    asking = scene.approved(DROP, application_name="canary",
                            options="-c TimeZone=Pacific/Chatham -c statement_timeout=76543")
    assert asking.done() is None
    scene.settle(committed=True)
    actors, helpers = (b"".join(told[relay]) for relay in (scene.actors, scene.helpers))
    for mark in (b"Chatham", b"76543"):
        assert mark in actors and mark not in helpers
    assert b"canary" not in actors + helpers
    logins = re.findall(rb"application_name\0backstop/(catalog|helper)\0", helpers)
    assert set(logins) == {b"catalog", b"helper"}
    wait_until(lambda: b"".join(told[scene.helpers]).count(b"set_config('search_path', ''") >= len(logins))


@pytest.mark.parametrize("needle", [b") TO STDOUT", b"pg_export_snapshot", b"l.relation, l.mode"])
def test_helper_loses_its_server(scene, needle):
    stop = scene.helpers.stop_at(needle)
    asking = scene.approved(DROP)
    stop.wait().cut()
    assert asking.done() == "ZB004"
    scene.settle(committed=False)


def test_helper_lost_before_the_audit_is_replaced(scene):
    stop = scene.actors.stop_at(b"SET CONSTRAINTS")
    asking = scene.approved(DELETE)
    stop.wait()
    scene.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'backstop/helper'")
    stop.go()
    assert asking.done() is None
    scene.settle(committed=True)


def test_no_helper_for_the_audit(scene):
    stop = scene.actors.stop_at(b"SET CONSTRAINTS")
    asking = scene.approved(DELETE)
    stop.wait()
    scene.helpers.refuse = True
    scene.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'backstop/helper'")
    stop.go()
    assert asking.done() == "ZB005"
    scene.helpers.refuse = False
    scene.settle(committed=False)


@pytest.mark.parametrize("program", ["pg_dump", "pg_restore"])
def test_a_program_fails(scene, program):
    with getattr(scene, program).failing():
        assert scene.approved(DROP).done() == "ZB004"
    scene.settle(committed=False)


def test_only_an_older_pg_dump(pg, tmp_path, monkeypatch):
    """What the system has is hidden from this gateway by a mount of its own."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
        pytest.skip("unshare -m is not permitted here")
    (tmp_path / "empty").mkdir()
    wrapper = tmp_path / "backstop"
    wrapper.write_text(f"""#!/bin/sh
exec unshare -m sh -c 'mount --bind {tmp_path}/empty /usr/lib/postgresql && exec "$@"' sh \\
    {conftest.binary()} "$@"
""")
    wrapper.chmod(0o755)
    scene = Scene(pg)
    scene.pg_dump.older()
    monkeypatch.setattr(conftest, "binary", lambda: str(wrapper))
    with running(scene.gateway):
        scene.begin()
        assert scene.approved(DROP).done() == "ZB004"
        assert "there is no pg_dump" in scene.gateway.log()
        assert scene.count() == ROWS
    scene.close()


# --- storage, spool, audit -------------------------------------------------------------------


@contextlib.contextmanager
def file_instead(folder):
    """A file where a folder is needed: what no permission can do to root."""
    aside = folder.with_name(folder.name + ".aside")
    folder.rename(aside)
    folder.touch()
    try:
        yield
    finally:
        folder.unlink()
        aside.rename(folder)


@pytest.mark.parametrize("sql", [DELETE, DROP])
@pytest.mark.parametrize("what", ["points/v1", "spool"])
def test_storage_cannot_be_written(scene, sql, what):
    scene.works()  # there is a folder to take away, once the end of that is noted
    wait_until(lambda: not list(scene.gateway.folder.glob("spool/*")), 5)
    with scene.pg.admin() as c:
        c.execute("INSERT INTO crash.other SELECT generate_series(1, 3)")
    with file_instead(scene.gateway.folder / what):
        assert scene.approved(sql).done() == "ZB004"
    wait_until(lambda: not scene.locks(), 5)
    assert scene.count() == ROWS
    scene.works()


def test_files_cannot_grow(scene):
    """As on a full disk: an error, not the end of the gateway."""
    rows = 3000
    with scene.pg.admin() as c:
        c.execute("INSERT INTO crash.t SELECT n, (SELECT string_agg(md5(random()::text || n || i), '')"
                  " FROM generate_series(1, 200) i) FROM generate_series(%s::int, %s) n",
                  (ROWS + 1, rows))
    with scene.file_limit(6 << 20):
        assert scene.approved(DELETE).done() == "ZB004"
    scene.settle(rows, committed=False)


def test_an_object_is_damaged_before_it_is_read_back(scene):
    with scene.pg_restore.stopped() as reached:
        asking = scene.approved(DROP)
        reached()
        (path,) = (newest(scene) / "t").iterdir()
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    assert asking.done() == "ZB004"
    scene.settle(committed=False)


def test_the_manifest_cannot_be_written(scene):
    with scene.pg_restore.stopped() as reached:
        asking = scene.approved(DROP)
        reached()
        (newest(scene) / "manifest.json").mkdir()
    assert asking.done() == "ZB004"
    scene.settle(committed=False)


def test_it_cannot_be_armed(scene):
    """Rolled back; and its end is noted as soon as that is possible."""
    stop = scene.actors.stop_at(b"SET CONSTRAINTS")
    asking = scene.approved(DELETE)
    stop.wait()
    events = newest(scene) / "events"
    events.touch()
    stop.go()
    assert asking.done() == "ZB005"
    assert scene.count() == ROWS
    events.unlink()
    scene.settle(committed=False)


def test_no_audit_no_effect(pg):
    """And nothing after it, until somebody has made room and starts the gateway again."""
    scene = Scene(pg, policy={"rules": [{"name": "nobody is asked", "kinds": ["DELETE"],
                                         "risk": ["HIGH", "CRITICAL"], "action": "allow"}]})
    with running(scene.gateway):
        scene.begin()
        log = max((scene.gateway.folder / "audit").glob("audit-*.jsonl"))
        with scene.connect() as c:
            c.execute("DELETE FROM crash.other WHERE id = 1000")
            while log.stat().st_size < 200000:  # all other files stay below the limit
                c.execute("SELECT 'x'")
            with scene.file_limit(log.stat().st_size), pytest.raises(psycopg.errors.IoError):
                c.execute(DELETE)
        with pytest.raises(psycopg.OperationalError, match="audit"):
            scene.connect()
        assert scene.count() == ROWS
        scene.gateway.stop()
        scene.gateway.start()
        assert scene.gateway.cli("audit", "verify", check=False).returncode == 0
        assert scene.ask(DELETE).done() is None
    scene.close()


# --- time ------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["pg_dump waits for a lock", "helper hangs"])
def test_lock_budget(impatient, what):
    scene = impatient
    if what == "helper hangs":
        hang = scene.helpers.stop_at(b") TO STDOUT")
    stop = scene.actors.stop_at(b"LOCK TABLE")
    asking = scene.approved(DROP)
    stop.wait()
    with Blocker(scene, "LOCK TABLE crash.other IN ACCESS EXCLUSIVE MODE"):
        began = time.monotonic()
        stop.go()
        wait_until(lambda: scene.query(
            "SELECT 1 FROM pg_locks WHERE mode = 'ShareRowExclusiveLock'"), 2, 0.01)
        with scene.pg.admin() as writer:  # waits for the lock, and is let go with it
            writer.execute("INSERT INTO crash.t VALUES (0)")
        assert 1 < time.monotonic() - began < 3.5
        assert asking.done(3) == "ZB004"
    if what == "helper hangs":
        hang.cut()
    wait_until(lambda: scene.pg_dump.pids() == [], 3)
    scene.settle(ROWS + 1, committed=False)


def test_a_capture_shows_how_far_it_is(impatient):
    """To whoever approved it, to whoever watches, and to the client that waits."""
    scene, notices = impatient, []
    with scene.pg_dump.stopped() as reached:
        asking = scene.ask(DROP)
        asking.connection.add_notice_handler(lambda n: notices.append((n.sqlstate, n.message_primary)))
        ticket = scene.approve()
        reached()
        status, shown = scene.operator.ask("GET", f"/v1/tickets/{ticket}")
        progress = shown["progress"]
        assert status == 200 and progress["phase"] == "copying" and progress["ticket"] == ticket
        assert 0 < progress["seconds_left"] <= 2 and progress["of"] > 0, progress
        wait_until(lambda: scene.operator.ask("GET", f"/v1/tickets/{ticket}")[1]["progress"]["rows"] == ROWS)
        status, running_now = scene.operator.ask("GET", "/v1/captures")
        assert [c["ticket"] for c in running_now["captures"]] == [ticket], running_now
        text = subprocess.run([conftest.binary(), "approvals", "show", ticket, "--server",
                               scene.operator.base], capture_output=True, text=True, timeout=30,
                              env={**scene.gateway.env, "BACKSTOP_TOKEN": scene.operator.token}).stdout
        assert f"copying, {ROWS} rows" in text and "s left" in text, text
        wait_until(lambda: any("being made: copying" in text for _, text in notices), 3)
    assert asking.done() in (None, "ZB004")  # as quick as this machine is
    assert [state for state, text in notices if "being made" in text] == ["00000"]
    assert scene.operator.ask("GET", "/v1/captures")[1] == {"captures": []}
    assert "progress" not in scene.operator.ask("GET", f"/v1/tickets/{ticket}")[1]
    scene.settle()


def test_a_statement_that_waits_under_our_lock(impatient):
    """Somebody holds a row of it, for as long as he likes; others wait for us meanwhile."""
    scene = impatient
    with row_is_locked(scene):
        asking = scene.approved(DELETE)
        wait_until(scene.locks)
        began = time.monotonic()
        assert asking.done() == "ZB004"
        assert time.monotonic() - began < 4
        wait_until(lambda: not scene.locks())
    scene.settle(committed=False)


def test_a_gateway_that_is_silent_without_being_gone(impatient):
    """Its connections stay open, its locks do not."""
    scene = impatient
    stop = scene.helpers.stop_at(b") TO STDOUT")
    asking = scene.approved(DELETE)
    stop.wait()
    assert scene.locks()
    scene.gateway.process.send_signal(signal.SIGSTOP)
    try:
        wait_until(lambda: not scene.locks(), 9)  # the budget, and five seconds
    finally:
        scene.gateway.process.send_signal(signal.SIGCONT)
        stop.cut()
    assert asking.done() in ("ZB004", "lost", "57P05", "25P03")
    scene.settle(committed=False)


def test_decided_too_late(impatient):
    scene = impatient
    asking = scene.ask(DELETE)
    ticket = scene.operator.next_ticket()["id"]
    assert asking.done() == "ZB003"
    assert scene.ticket_state(ticket) == "expired"
    assert scene.operator.ask("POST", f"/v1/tickets/{ticket}/approve")[0] == 409
    scene.settle(committed=False)


def test_redeemed_too_late(impatient):
    scene = impatient
    asking = scene.ask(DELETE)
    ticket = scene.operator.next_ticket()["id"]
    asking.connection.cancel()
    assert asking.done() == "57014"
    scene.operator.decide(ticket, "approve")
    wait_until(lambda: scene.ticket_state(ticket) == "expired", 5)
    asking = scene.ask(DELETE)
    again = scene.operator.next_ticket()["id"]
    assert again != ticket
    scene.operator.decide(again, "deny")
    assert asking.done() == "ZB002"
    scene.settle(committed=False)


# --- others on the same tables ---------------------------------------------------------------


@pytest.mark.parametrize("sql", [TRUNCATE, DROP])
def test_a_reader_is_not_disturbed(scene, sql):
    with Blocker(scene, "SELECT FROM crash.t") as reader:
        assert scene.approved(sql).done() == "ZB004"
        reader.connection.execute("SELECT FROM crash.t")
        reader.connection.commit()
    scene.settle(committed=False)


def test_a_reader_that_ends_lets_it_run(scene):
    stop = scene.actors.stop_at(b"ROLLBACK TO SAVEPOINT backstop")
    with Blocker(scene, "SELECT FROM crash.t") as reader:
        asking = scene.approved(TRUNCATE)
        stop.wait()
        reader.connection.commit()
        stop.go()
        assert asking.done() is None
    scene.settle(committed=True)


def waits_behind(scene, blocker, sql):
    """Lets the blocker's transaction wait for a lock; gives the thread."""
    thread = threading.Thread(target=blocker.connection.execute, args=(sql,), daemon=True)
    thread.start()
    wait_until(lambda: scene.waiting(blocker.pid))
    return thread


def test_a_writer_that_has_read_is_not_the_victim(scene):
    """It waits for our lock, and we would wait for its lock: we give up."""
    stop = scene.actors.stop_at(b"SAVEPOINT backstop")
    with Blocker(scene, "SELECT FROM crash.t") as writer:
        asking = scene.approved(TRUNCATE)
        stop.wait()
        write = waits_behind(scene, writer, "INSERT INTO crash.t VALUES (0)")
        stop.go()
        assert asking.done() == "ZB004"
        write.join(5)
        writer.connection.commit()
    scene.settle(ROWS + 1, committed=False)


@pytest.mark.parametrize("ahead", [0.2, 0.5, 0.8])
def test_nobody_in_a_circle_of_three_is_the_victim(scene, ahead):
    """The server looks for a deadlock once, a second after somebody has begun to wait, and ends
    whoever looked: it must not find us in the circle then."""
    stop = scene.actors.stop_at(b"SAVEPOINT backstop")
    with Blocker(scene, "SELECT FROM crash.t") as reader, \
            Blocker(scene, "UPDATE crash.other SET id = -1 WHERE id = 1") as writer:
        asking = scene.approved(TRUNCATE)
        stop.wait()
        write = waits_behind(scene, writer, "INSERT INTO crash.t VALUES (0)")
        read = waits_behind(scene, reader, "UPDATE crash.other SET id = -2 WHERE id = 1")
        time.sleep(ahead)
        stop.go()
        assert asking.done() == "ZB004"
        write.join(5)
        writer.connection.rollback()
        read.join(5)
        reader.connection.rollback()
        assert not write.is_alive() and not read.is_alive()
    assert "deadlock detected" not in scene.server_log()
    scene.settle(committed=False)


@pytest.mark.parametrize("ahead", [0.2, 0.7])
def test_whoever_holds_a_row_is_not_the_victim(scene, ahead):
    """It has locked a row that we want to delete, and waits for our lock to change it."""
    stop = scene.helpers.stop_at(b"(SELECT * FROM pg_catalog.pg_locks)")  # after the capture
    with row_is_locked(scene) as writer:
        asking = scene.approved(DELETE)
        stop.wait()
        write = waits_behind(scene, writer, "UPDATE crash.t SET v = 'mine' WHERE id = 1")
        time.sleep(ahead)
        stop.go()
        assert asking.done() == "ZB004"
        write.join(5)
        writer.connection.commit()
    assert "deadlock detected" not in scene.server_log()
    assert scene.query("SELECT v FROM crash.t WHERE id = 1") == [("mine",)]
    scene.settle(committed=False)


def test_whoever_is_looked_at_while_we_wait_is_not_the_victim(scene):
    """A chain: one waits for us, and is about to be looked at; another, who reads the table that is
    to go, will wait for him. The circle would close within our own short wait."""
    with scene.pg.admin() as c:
        c.execute("SET ROLE app_trust; CREATE TABLE crash.u (id int); INSERT INTO crash.u VALUES (1)")
    stop = scene.actors.stop_at(b"set_config('lock_timeout', '200ms'")
    with Blocker(scene, "SELECT count(*) FROM crash.t") as reader, \
            Blocker(scene, "UPDATE crash.u SET id = 2") as writer:
        asking = scene.approved(DROP)
        stop.wait()
        write = waits_behind(scene, writer, "INSERT INTO crash.t VALUES (0)")
        time.sleep(0.8)
        stop.go()
        time.sleep(0.1)
        read = waits_behind(scene, reader, "UPDATE crash.u SET id = 3")
        assert asking.done() == "ZB004"
        write.join(5)
        writer.connection.commit()
        read.join(5)
        reader.connection.commit()
    assert "deadlock detected" not in scene.server_log()
    scene.settle(ROWS + 1, committed=False)


@pytest.mark.parametrize("sql", [
    "DO $$BEGIN UPDATE crash.t SET v = 'x' WHERE id = 1; UPDATE crash.t SET v = 'x' WHERE id = 2; END$$",
    DELETE], ids=["rows", "whole"])
def test_whoever_waits_for_us_last_is_not_the_victim(scene, sql):
    """We wait first, and have been looked at: only giving up in time keeps his own look from finding
    a circle."""
    with scene.pg.admin() as c:
        c.execute("ALTER ROLE app_trust SET deadlock_timeout = '100ms'")
    try:
        with Blocker(scene, "SELECT FROM crash.t WHERE id = 2 FOR UPDATE") as other:
            asking = scene.approved(sql)
            wait_until(lambda: scene.waiting(asking.pid), 5, 0.01)
            time.sleep(0.3)
            write = threading.Thread(target=other.connection.execute, daemon=True,
                                     args=("UPDATE crash.t SET v = 'mine' WHERE id IN (1, 2)",))
            write.start()
            assert asking.done() == "ZB004"
            write.join(10)
            other.connection.rollback()
    finally:
        with scene.pg.admin() as c:
            c.execute("ALTER ROLE app_trust RESET deadlock_timeout")
    assert "deadlock detected" not in scene.server_log()
    scene.settle(committed=False)


def test_who_waits_for_the_first_lock_and_holds_the_last_is_not_the_victim(scene):
    """Three tables are locked one after the other, and the second one lasts."""
    with scene.pg.admin() as c:
        c.execute("SET ROLE app_trust; CREATE TABLE crash.u (id int); CREATE TABLE crash.w (id int)")
    stop = scene.actors.stop_at(b'LOCK TABLE ONLY "crash"."u"')
    with Blocker(scene, "INSERT INTO crash.w VALUES (1)") as last, \
            Blocker(scene, "INSERT INTO crash.u VALUES (1)") as second:
        asking = scene.approved("TRUNCATE crash.t, crash.u, crash.w")
        stop.wait()
        write = waits_behind(scene, last, "INSERT INTO crash.t VALUES (0)")
        stop.go()
        time.sleep(0.6)
        second.connection.rollback()
        assert asking.done() == "ZB004"
        write.join(5)
        last.connection.commit()
    assert "deadlock detected" not in scene.server_log()
    scene.settle(ROWS + 1, committed=False)


class Writer(threading.Thread):
    """Inserts rows until it may not; remembers those that the server acknowledged."""

    def __init__(self, pg, first):
        super().__init__(daemon=True)
        self.pg, self.first, self.acknowledged, self.stop = pg, first, 0, False
        self.start()

    def run(self):
        with self.pg.admin() as c, contextlib.suppress(psycopg.errors.UndefinedTable):
            while not self.stop:
                c.execute("INSERT INTO crash.t VALUES (%s, 'w')", (self.first + self.acknowledged,))
                self.acknowledged += 1


MANY = 100000


@pytest.mark.parametrize("sql", [TRUNCATE, DROP, TRUNCATE, DROP, TRUNCATE])
def test_no_acknowledged_row_is_lost(scene, sql):
    with scene.pg.admin() as c:  # so many that it does not grow by a tenth until it is approved
        c.execute("INSERT INTO crash.t SELECT n, 'x' FROM generate_series(1000001, 1000000 + %s) n",
                  (MANY,))
    writers = [Writer(scene.pg, 100000 * n) for n in (1, 2, 3)]
    wait_until(lambda: all(w.acknowledged > 20 for w in writers))
    assert scene.approved(sql).done() is None
    time.sleep(0.1)
    for writer in writers:
        writer.stop = True
        writer.join(10)
    scene.settle(ROWS + MANY + sum(w.acknowledged for w in writers), committed=True)


# --- operators and sessions at once ----------------------------------------------------------


def together(*acts):
    """Runs all at once; their results."""
    barrier = threading.Barrier(len(acts))
    results = [None] * len(acts)

    def run(n):
        barrier.wait()
        results[n] = acts[n]()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_two_operators_decide_at_once(scene):
    other = Operator(scene.gateway, "lee")
    for n in range(3):
        asking = scene.ask(f"DELETE FROM crash.t WHERE id = {n}")
        ticket = scene.operator.next_ticket()["id"]
        answers = together(
            lambda: scene.operator.ask("POST", f"/v1/tickets/{ticket}/approve")[0],
            lambda: other.ask("POST", f"/v1/tickets/{ticket}/deny")[0])
        assert sorted(answers) == [200, 409]
        assert asking.done() == (None if answers[0] == 200 else "ZB002")
        told = [r for r in scene.audit() if r["kind"] == "decision" and r["ticket"] == ticket]
        lost = [r["operator"] for r in told if r.get("outcome") == "failed"]
        made = [r["operator"] for r in told if r["operator"] not in lost]
        assert made == ["kim" if answers[0] == 200 else "lee"]


def test_two_sessions_redeem_one_ticket(scene):
    first, second = scene.ask(DELETE), scene.ask(DELETE)
    assert first.held.wait(10) and second.held.wait(10)
    ticket = scene.approve()
    assert sorted([first.done() or "", second.done() or ""]) == ["", "ZB003"]
    scene.settle(committed=True)
    assert scene.ticket_state(ticket) == "done"
