#!/usr/bin/env python3
"""Mixed load through a gateway whose clients and server connections die at random, for a long time.

    script/soak [MINUTES] [--seed N] [--workers N]

Reads, writes with and without recovery points, COPY, pipelines, statements that operators approve, deny or
leave alone, cancels, LISTEN, half a login; clients end by hanging up, by RST, in the middle of anything; server
connections by pg_terminate_backend and by RST. The run has rests: then nobody may be left, everything must be
answered, and memory and file descriptors be what they were. Nothing that was acknowledged may be missing.
"""

import argparse
import asyncio
import collections
import contextlib
import ctypes
import faulthandler
import logging
import os
import random
import re
import socket
import struct
import sys
import threading
import time
import urllib.request

import psycopg

import rawwire
from conftest import Gateway, Postgres, free_port, running, wait_until
from operator_side import Operator

logging.getLogger("psycopg").setLevel(logging.CRITICAL)  # of connections that it did not expect to lose
RESTS = 6  # at least, and one every 5 minutes; the first is for what is made once
SCHEMA = """
CREATE SCHEMA soak;
CREATE TABLE soak.log (id bigint PRIMARY KEY, v text);
CREATE TABLE soak.kept (id int PRIMARY KEY, v int);
INSERT INTO soak.kept SELECT g, 0 FROM generate_series(1, 2000) g;
CREATE TABLE soak.gated (id int PRIMARY KEY, v int);
INSERT INTO soak.gated SELECT g, 0 FROM generate_series(1, 20000) g;
GRANT ALL ON SCHEMA soak TO app_scram;
GRANT ALL ON ALL TABLES IN SCHEMA soak TO app_scram;
"""
POLICY = {"rules": [
    {"name": "additive", "kinds": ["INSERT", "COPY FROM STDIN", "SELECT", "NOTIFY"], "risk": ["SAFE", "HIGH"],
     "action": "allow"},
    {"name": "kept", "objects": ["soak.kept"], "kinds": ["UPDATE"], "risk": ["HIGH", "CRITICAL"], "action": "allow"}]}
PASSWORD_OF_SERVER = "soak"


class Cutter(threading.Thread):
    """Between gateway and server, on loopback; cut() resets one of its lines."""

    def __init__(self, target):
        super().__init__(daemon=True)
        self.target, self.port, self.lines = str(target), free_port(), set()
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.start()
        self.ready.wait()

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", self.port, backlog=512))
        self.ready.set()
        self.loop.run_forever()

    async def serve(self, reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_unix_connection(self.target)
        except OSError:
            writer.close()
            return
        line = (writer, far_writer)
        self.lines.add(line)
        try:
            await asyncio.gather(self.pump(reader, far_writer), self.pump(far_reader, writer))
        finally:
            self.lines.discard(line)
            for w in line:
                w.close()

    @staticmethod
    async def pump(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except OSError:
            writer.transport.abort()  # one end is gone, so the other has to be

    def cut(self, chance):
        def now():
            if self.lines:
                for writer in chance.choice(list(self.lines)):
                    reset(writer.get_extra_info("socket"))
                    writer.transport.abort()
        self.loop.call_soon_threadsafe(now)


def reset(s):
    """The next close is a RST."""
    with contextlib.suppress(OSError):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def vanish(connection):
    """The client is gone, without a word, whatever another thread waits for: RST (connect to AF_UNSPEC)."""
    with contextlib.suppress(OSError, psycopg.Error):
        ctypes.CDLL(None).connect(connection.fileno(), bytes(16), 16)


class Client(threading.Thread):
    """One actor's program: a connection, some things on it, and an end that it did not plan."""

    def __init__(self, soak, number):
        super().__init__(daemon=True)
        self.soak, self.number = soak, number
        self.chance = random.Random(f"{soak.seed} {number} {soak.rests}")
        self.doing = "nothing"
        self.fault = None

    def run(self):
        acts = [self.reads, self.reads, self.prepared, self.insert, self.insert, self.kept, self.kept, self.copy_out,
                self.copy_in, self.pipeline, self.gated, self.gated, self.cancel, self.listen, self.transaction,
                self.half, self.large, self.failing]
        try:
            while not self.soak.resting.is_set():
                try:
                    with self.soak.gateway.connect("alice", autocommit=True, sslmode=self.chance.choice(
                            ("disable", "require"))) as c:
                        c.prepare_threshold = self.chance.choice((None, 0, 2))
                        for _ in range(self.chance.randint(1, 12)):
                            act = self.chance.choice(acts)
                            self.doing = act.__name__
                            act(c)
                            self.soak.did[act.__name__] += 1
                            if self.soak.resting.is_set():
                                break
                        if self.chance.random() < 0.3:
                            vanish(c)
                except psycopg.Rollback:  # psycopg lets it out where the connection is gone
                    self.soak.failed["lost"] += 1
                except psycopg.Error as e:
                    self.soak.failed[e.sqlstate or "lost"] += 1
        except BaseException as e:
            self.fault = e

    # --- what they do ---

    def reads(self, c):
        n = self.chance.randint(1, 500)
        assert len(c.execute(f"SELECT id, v FROM soak.kept ORDER BY id LIMIT {n}").fetchall()) == n

    def prepared(self, c):
        for _ in range(5):
            n = self.chance.randint(1, 10**6)
            assert c.execute("SELECT %s::int + 1", (n,), prepare=True).fetchone() == (n + 1,)

    def insert(self, c):
        key = self.soak.key()
        c.execute("INSERT INTO soak.log VALUES (%s, 'insert')", (key,))
        self.soak.acknowledged.append(key)

    def kept(self, c):
        """Inside a protected execution."""
        c.execute("UPDATE soak.kept SET v = v + 1 WHERE id = %s", (self.chance.randint(1, 2000),))

    def transaction(self, c):
        key = self.soak.key()
        with c.transaction():
            c.execute("INSERT INTO soak.log VALUES (%s, 'transaction')", (key,))
            if self.chance.random() < 0.3:
                raise psycopg.Rollback
            c.execute("SELECT count(*) FROM soak.kept")
        if c.execute("SELECT count(*) FROM soak.log WHERE id = %s", (key,)).fetchone() == (1,):
            self.soak.acknowledged.append(key)

    def copy_out(self, c):
        with c.cursor().copy("COPY (SELECT g, repeat('x', 100) FROM generate_series(1, 20000) g) TO STDOUT") as copy:
            for n, _ in enumerate(copy):
                if n == 5000 and self.chance.random() < 0.2:
                    vanish(c)

    def copy_in(self, c):
        keys = [self.soak.key() for _ in range(200)]
        try:
            with c.cursor().copy("COPY soak.log FROM STDIN") as copy:
                for n, key in enumerate(keys):
                    copy.write_row((key, "copy"))
                    if n == 100 and self.chance.random() < 0.2:
                        vanish(c)
        except ValueError:
            # psycopg does not expect an error and then the end of the connection.
            raise psycopg.OperationalError("lost") from None
        self.soak.acknowledged.extend(keys)

    def pipeline(self, c):
        keys = [self.soak.key() for _ in range(20)]
        with c.pipeline():
            for n, key in enumerate(keys):
                c.execute("INSERT INTO soak.log VALUES (%s, 'pipeline')", (key,))
                if n == 10 and self.chance.random() < 0.2:
                    c.execute("SELECT 1 / 0")
        self.soak.acknowledged.extend(keys)

    def gated(self, c):
        """An operator approves, denies or does nothing; some do not wait for it."""
        key = self.soak.gated_key()
        if self.chance.random() < 0.2:
            threading.Timer(self.chance.random(), vanish, (c,)).start()
        elif self.chance.random() < 0.2:
            threading.Timer(self.chance.random(), self.cancelling, (c,)).start()
        how = self.chance.random() < 0.5
        try:
            done = c.execute("DELETE FROM soak.gated WHERE id = %s", (key,)) if how else c.execute(
                f"DELETE FROM soak.gated WHERE id = {key}")
            assert done.rowcount == 1
            self.soak.gone.append(key)
        except psycopg.Error as e:
            if e.sqlstate in ("ZB001", "ZB002"):
                self.soak.spared[key] = e.sqlstate
            self.soak.failed[e.sqlstate or "lost"] += 1
            if c.closed or c.broken:
                raise

    @staticmethod
    def cancelling(c):
        with contextlib.suppress(psycopg.Error, OSError):
            c.cancel()

    def cancel(self, c):
        threading.Timer(self.chance.uniform(0.05, 0.5), self.cancelling, (c,)).start()
        try:
            c.execute("SELECT pg_sleep(1)")
        except psycopg.errors.QueryCanceled:
            self.soak.failed["57014"] += 1

    def listen(self, c):
        channel = f"soak_{self.number}"
        c.execute(f"LISTEN {channel}")
        with self.soak.gateway.connect("alice", autocommit=True) as other:
            other.execute(f"NOTIFY {channel}, 'x'")
        assert [n.payload for n in c.notifies(timeout=20, stop_after=1)] == ["x"]

    def large(self, c):
        n = self.chance.choice((10**5, 10**6, 5 * 10**6))
        assert c.execute("SELECT length(%s::text)", ("y" * n,)).fetchone() == (n,)
        assert len(c.execute("SELECT repeat('z', %s)", (n,)).fetchone()[0]) == n

    def failing(self, c):
        with contextlib.suppress(psycopg.errors.SyntaxError, psycopg.errors.UndefinedTable):
            c.execute(self.chance.choice(("SELEC 1", "SELECT * FROM soak.nothing")))

    def half(self, _):
        """Other sockets: a login that stops somewhere, bytes that are none of the protocol's."""
        g = self.soak.gateway
        with contextlib.suppress(OSError, AssertionError), rawwire.Raw(g.port, timeout=5) as r:
            what = self.chance.randrange(4)
            if what == 0:
                r.send(rawwire.startup(user="alice", database="app")[:self.chance.randint(1, 20)])
            elif what == 1:
                r.send(rawwire.startup(user="alice", database="app"))
            elif what == 2:
                r.send(self.chance.randbytes(self.chance.randint(1, 200)))
            else:
                r.login("alice", g.passwords["alice"], "app")
                r.send(rawwire.query("SELECT generate_series(1, 100000)"))
                r.take(self.chance.randint(1, 10**5))
            if self.chance.random() < 0.5:
                reset(r.socket)


class Soak:
    def __init__(self, pg, seed, workers):
        self.pg, self.seed, self.workers = pg, seed, workers
        self.cutter = Cutter(pg.folder / f".s.PGSQL.{pg.port}")
        upstream = (f"host=127.0.0.1 port={self.cutter.port} dbname=app user=app_scram "
                    f"password={PASSWORD_OF_SERVER} sslmode=disable")
        self.gateway = Gateway(pg, {"app": upstream}, policy=POLICY, env=self.environment(), extra={
            "hold": {"wait": "2s", "notice": "1s"}, "clients": {"login": "3s"},
            "retention": {"keep": {"count": 200}, "every": "1m"}})
        self.operator = Operator(self.gateway)
        self.resting, self.ended = threading.Event(), threading.Event()
        self.lock, self.next_key, self.next_gated, self.rests = threading.Lock(), 0, 0, 0
        self.did, self.failed, self.kills, self.decided = (collections.Counter() for _ in range(4))
        self.acknowledged, self.gone, self.spared = [], [], {}
        self.looked = []  # (rest, file descriptors, MB)

    @staticmethod
    def environment():
        """Freed memory would stay, and grow, with ASan's own 256 MB of it."""
        options = os.environ.get("ASAN_OPTIONS", "")
        return {"ASAN_OPTIONS": f"{options}:quarantine_size_mb=8:detect_leaks=1",
                "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}

    def key(self):
        with self.lock:
            self.next_key += 1
            return self.next_key

    def gated_key(self):
        with self.lock:
            self.next_gated = self.next_gated % 20000 + 1
            return self.next_gated

    # --- beside the clients ---

    def operating(self):
        chance, seen = random.Random(f"{self.seed} operator"), set()
        while not self.ended.wait(0.1):
            with contextlib.suppress(OSError, AssertionError):  # it may be void by now
                for ticket in [t for t in self.operator.tickets() if t["id"] not in seen]:
                    seen.add(ticket["id"])
                    what = chance.choice(("approve", "approve", "deny", "left alone"))
                    self.decided[what] += 1
                    if what != "left alone":
                        self.operator.decide(ticket["id"], what)

    def killing(self):
        chance = random.Random(f"{self.seed} killer")
        while not self.ended.wait(chance.uniform(0.1, 0.8)):
            if self.resting.is_set():
                continue
            how = chance.choice(("terminate an actor's", "terminate an actor's", "terminate a helper's", "reset"))
            self.kills[how] += 1
            if how == "reset":
                self.cutter.cut(chance)
                continue
            user = "app_scram" if "actor" in how else "backstop"
            with contextlib.suppress(psycopg.Error), self.pg.admin() as c:
                c.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"
                          " ORDER BY random() LIMIT 1", (user,))

    # --- the run ---

    def run(self, minutes):
        for beside in (self.operating, self.killing):
            threading.Thread(target=beside, daemon=True).start()
        end = time.monotonic() + minutes * 60
        each = min(300, max(10, minutes * 60 / RESTS))
        while time.monotonic() < end:
            self.load(min(each, max(1, end - time.monotonic())))
            self.rest()
        self.ended.set()
        self.nothing_is_lost()
        self.flat()

    def load(self, how_long):
        self.resting.clear()
        clients = [Client(self, n) for n in range(self.workers)]
        for client in clients:
            client.start()
        time.sleep(how_long)
        self.resting.set()
        deadline = time.monotonic() + 90
        for client in clients:
            client.join(max(0.1, deadline - time.monotonic()))
        stuck = [f"client {c.number} in {c.doing}" for c in clients if c.is_alive()]
        if stuck:
            faulthandler.dump_traceback(all_threads=True)
            raise AssertionError(f"stuck: {'; '.join(stuck)}; the gateway has {self.metric('backstop_sessions'):.0f} "
                                 f"sessions, the server {self.activity()}")
        for client in clients:
            if client.fault:
                raise client.fault

    def rest(self):
        """Nobody is left on either side, and it answers."""
        assert self.gateway.process.poll() is None, f"the gateway has ended:\n{self.gateway.log()[-6000:]}"
        try:
            wait_until(lambda: self.metric("backstop_sessions") == 0, 30)
            wait_until(lambda: not self.activity(), 30)
        except AssertionError:
            raise AssertionError(f"sessions are left: {self.metric('backstop_sessions'):.0f}\n{self.activity()}") from None
        with self.gateway.connect("alice", autocommit=True) as c:
            assert c.execute("SELECT 42").fetchone() == (42,)
        wait_until(lambda: self.metric("backstop_sessions") == 0, 30)
        time.sleep(1)  # what is freed on other threads
        self.rests += 1
        self.looked.append((self.rests, self.gateway.descriptors(), self.rss()))
        print(f"rest {self.rests}: {self.looked[-1][1]} descriptors, {self.looked[-1][2]:.0f} MB, "
              f"{sum(self.did.values())} acts, {sum(self.kills.values())} kills, {len(self.gone)} approved, "
              f"load average {os.getloadavg()[0]:.1f}", flush=True)

    def activity(self):
        """Sessions of actors on the server; prepared transactions are nobody's, so they count, too."""
        with self.pg.admin() as c:
            return c.execute("SELECT pid, state, wait_event, left(query, 100) FROM pg_stat_activity"
                             " WHERE usename = 'app_scram' UNION ALL SELECT 0, 'prepared', gid, '' FROM pg_prepared_xacts"
                             ).fetchall()

    def metric(self, name):
        url = f"http://127.0.0.1:{self.gateway.operators_port}/metrics"
        text = urllib.request.urlopen(url, timeout=20).read().decode()
        return float(re.search(rf"^{name} ([\d.]+)$", text, re.M).group(1))

    def rss(self):
        with open(f"/proc/{self.gateway.process.pid}/status") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) / 1024

    def nothing_is_lost(self):
        with self.pg.admin() as c:
            there = {k for k, in c.execute("SELECT id FROM soak.log")}
            gated = {k for k, in c.execute("SELECT id FROM soak.gated")}
        missing = set(self.acknowledged) - there
        assert not missing, f"{len(missing)} acknowledged rows are missing: {sorted(missing)[:10]}"
        assert not set(self.gone) & gated, "an approved DELETE was acknowledged, and its row is there"
        taken = {k: s for k, s in self.spared.items() if k not in gated}
        assert not taken, f"refused, and the row is gone: {dict(list(taken.items())[:10])}"

    def flat(self):
        first, last = self.looked[1 if len(self.looked) > 2 else 0], self.looked[-1]
        assert last[1] <= first[1] + 4, f"file descriptors: {self.looked}"
        assert last[2] <= first[2] * 1.25 + 20, f"memory, MB: {self.looked}"

    def report(self):
        for name, counter in (("done", self.did), ("ended otherwise, by SQLSTATE", self.failed), ("killed", self.kills),
                              ("operators", self.decided)):
            print(f"{name}: " + ", ".join(f"{k} {v}" for k, v in sorted(counter.items())))
        print(f"acknowledged rows: {len(self.acknowledged)}, none missing; deleted after approval: {len(self.gone)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minutes", type=float, nargs="?", default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--workers", type=int, default=12)
    options = parser.parse_args()
    print(f"soak: {options.minutes:g} minutes, {options.workers} clients, seed {options.seed}", flush=True)
    pg = Postgres()
    try:
        with pg.admin() as c:
            c.execute(f"ALTER ROLE app_scram PASSWORD '{PASSWORD_OF_SERVER}'")
            for statement in SCHEMA.split(";\n"):
                if statement.strip():
                    c.execute(statement)
        soak = Soak(pg, options.seed, options.workers)
        try:
            with running(soak.gateway, "alice"):
                soak.run(options.minutes)
                soak.report()
        except BaseException:
            print(f"soak: the log of the gateway ends with:\n{errors_of(soak.gateway.log())}", file=sys.stderr)
            raise
    finally:
        pg.stop()
    print("soak: clean")


def errors_of(log):
    """A sanitizer's report, or the last lines that are not about sessions which came and went."""
    found = re.search(r"^.*(ERROR: \w+Sanitizer|runtime error:).*", log, re.M | re.S)
    lines = log.splitlines() if found is None else log[found.start():].splitlines()[:80]
    return "\n".join(line for line in lines if '"level":"info"' not in line)[-12000:]


if __name__ == "__main__":
    main()
