"""kill -9 of the whole gateway under load: what a gated statement changed has its record, in a chain that holds."""

import json
import random
import signal
import threading

import psycopg
import pytest

from conftest import running, wait_until
from test_policy import Ground

ROWS, WRITERS, READERS = 4000, 5, 2
SCHEMA = f"""
DROP SCHEMA IF EXISTS mortal CASCADE;
CREATE SCHEMA mortal AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE mortal.t (id int PRIMARY KEY, v text);
INSERT INTO mortal.t SELECT n, '' FROM generate_series(1, {ROWS}) n;
RESET ROLE;
ANALYZE mortal.t;
"""
# Gated, as it needs a recovery point; but nobody is asked.
RULE = {"name": "work", "kinds": ["UPDATE"], "risk": ["HIGH", "CRITICAL"], "action": "allow"}


@pytest.fixture(scope="module")
def ground(pg):
    with pg.admin() as c:
        c.execute(SCHEMA)
    g = Ground(pg, policy={"rules": [RULE]})
    config = json.loads(g.gateway.config.read_text())
    config["audit"].update({"file_size": "16kB"})  # files turn in the midst of it
    g.gateway.config.write_text(json.dumps(config))
    with running(g.gateway, "bob"):
        yield g
    with pg.admin() as c:
        c.execute("DROP SCHEMA mortal CASCADE")


class Load:
    """Clients that go on until their gateway is gone. Each row is changed once, to a text of its own."""

    def __init__(self, ground, first):
        self.ground, self.done, self.next = ground, 0, iter(range(first, ROWS + 1))
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(work,), daemon=True)
                        for work in [self.write] * WRITERS + [self.read] * READERS]
        for t in self.threads:
            t.start()

    def run(self, work):
        try:
            with self.ground.connect() as c:
                while work(c):
                    pass
        except psycopg.Error:
            pass

    def write(self, c):
        with self.lock:
            n = next(self.next, None)
        if n is None:
            return False
        c.execute(f"UPDATE mortal.t SET v = 'mark-{n}-' WHERE id = {n}")
        with self.lock:
            self.done += 1
        return True

    def read(self, c):
        c.execute("SELECT count(*) FROM mortal.t")
        return True

    def join(self):
        for t in self.threads:
            t.join(20)
            assert not t.is_alive()


@pytest.mark.parametrize("number, torn", [(1, False), (2, True), (3, False)])
def test_no_record_is_lost(ground, number, torn):
    gateway, chance = ground.gateway, random.Random(20261127 + number)
    load = Load(ground, 1 + (number - 1) * ROWS // 3)
    enough = chance.randrange(6, 20)
    wait_until(lambda: load.done >= enough, seconds=60, every=0.002)
    gateway.process.send_signal(signal.SIGKILL)
    gateway.process.wait()
    load.join()
    if torn:  # as a crash of the machine leaves it
        last = sorted((gateway.folder / "audit").glob("audit-*.jsonl"))[-1]
        with last.open("ab") as f:
            f.write(b'{"seq":99999,"prev":"00')
    # What the server was told to commit is settled now, and by then all that was changed is to be seen.
    with ground.pg.admin() as c:
        wait_until(lambda: c.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app_trust'"
                                     ).fetchone() == (0,), seconds=20)
        changed = {v for v, in c.execute("SELECT v FROM mortal.t WHERE v <> ''")}
    gateway.start()
    out = gateway.cli("audit", "verify", "--json", check=False)
    assert out.returncode == 0 and json.loads(out.stdout)["intact"], out.stdout
    recorded = {v for r in ground.audit(kind="judged", statement_kind="UPDATE")
                for v in [r["statement"].split("'")[1]]}
    assert len(changed) >= load.done >= enough
    assert changed - recorded == set()
    told = [r for r in ground.audit(kind="note", action="torn")]
    assert bool(told) == (number >= 2), told
    if torn:
        aside = gateway.folder / "audit" / told[-1]["subject"]
        assert aside.read_bytes() == b'{"seq":99999,"prev":"00' and told[-1]["detail"]["bytes"] == 23
