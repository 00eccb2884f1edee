"""Several gateways on one state in PostgreSQL: a ticket of one is decided at another and runs once, whoever
is killed meanwhile; and the state's server may go and come back."""

import contextlib
import json
import os
import pathlib
import signal
import struct
import threading
import time

import psycopg
import pytest

from conftest import Gateway, Postgres, running, wait_until
from operator_side import Operator
from test_api import ask
from rawwire import Raw, message, startup
from scene import COMMIT, ROWS, Scene

SCHEMA = """
DROP SCHEMA IF EXISTS sha CASCADE;
CREATE SCHEMA sha AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE sha.t (id int PRIMARY KEY, n int NOT NULL DEFAULT 0);
INSERT INTO sha.t SELECT generate_series(1, 1000);
RESET ROLE;
"""
SOON = 1.5  # seconds in which news of another gateway have arrived, machine under load included


class Keeper:
    """The server of the state, apart from the one that agents reach."""

    def __init__(self):
        self.pg = Postgres()
        hba = self.pg.data / "pg_hba.conf"
        hba.write_text("local all keeper trust\n" + hba.read_text())
        self.pg._run("pg_ctl", "-D", self.pg.data, "reload")
        self.n = 0

    def new(self):
        """The URL of a state of its own."""
        self.n += 1
        with self.pg.admin("postgres") as c:
            if self.n == 1:
                c.execute("CREATE ROLE keeper LOGIN")
            c.execute(f"CREATE DATABASE keeper{self.n} OWNER keeper")
        return (f"postgresql://keeper@/keeper{self.n}?host={self.pg.folder}&port={self.pg.port}")

    def admin(self):
        return self.pg.admin(f"keeper{self.n}")


@pytest.fixture(scope="module")
def keeper():
    made = Keeper()
    yield made
    made.pg.stop()


class Pair:
    """Two gateways before the same databases, with the same state and the same storage."""

    def __init__(self, pg, url, hold="20s"):
        self.state = url
        self.a = Gateway(pg, extra={"state": url, "hold": {"wait": hold}})
        points = f"file://{self.a.folder}/points"
        self.b = Gateway(pg, extra={"state": url, "hold": {"wait": hold}, "storage": points})
        self.at_a = Operator(self.a, "kim", "admin")
        self.at_b = Operator(self.a, "lee", "admin")
        self.at_b.base = f"http://127.0.0.1:{self.b.operators_port}"
        self.n = 0

    def agent(self):
        self.n += 1
        self.a.add_agent(f"agent-{self.n}")
        self.b.passwords = self.a.passwords
        return f"agent-{self.n}"


@contextlib.contextmanager
def both(pair):
    with running(pair.a), running(pair.b):
        yield pair


@pytest.fixture(scope="module")
def pair(pg, keeper):
    with pg.admin() as c:
        c.execute(SCHEMA)
    with both(Pair(pg, keeper.new())) as made:
        yield made


class Sent(threading.Thread):
    """A statement on its way; done() gives rows, or the error, and when it came."""

    def __init__(self, connection, sql):
        super().__init__(daemon=True)
        self.connection, self.sql = connection, sql
        self.rows = self.error = self.at = None
        self.start()

    def run(self):
        try:
            self.rows = self.connection.execute(self.sql).rowcount
        except psycopg.Error as error:
            self.error = error
        self.at = time.monotonic()

    def done(self, seconds=30):
        self.join(seconds)
        assert not self.is_alive(), "it does not end"
        return self


def count(pg, where):
    with pg.admin() as c:
        return c.execute(f"SELECT sum(n) FROM sha.t WHERE {where}").fetchone()[0]


def pending(operator, actor):
    def look():
        return [t for t in operator.tickets() if t["actor"] == actor]
    return wait_until(look)[0]


def state_of(operator, ticket):
    status, answer = operator.ask("GET", f"/v1/tickets/{ticket}")
    assert status == 200, answer
    return answer["state"]


def test_opened_here_approved_there(pg, pair):
    actor = pair.agent()
    with pair.a.connect(actor, autocommit=True) as c:
        sent = Sent(c, "UPDATE sha.t SET n = n + 1 WHERE id BETWEEN 1 AND 5")
        ticket = pending(pair.at_b, actor)
        pair.at_b.decide(ticket["id"], "approve")
        decided = time.monotonic()
        sent.done()
        assert sent.error is None and sent.rows == 5
        assert sent.at - decided < SOON
        wait_until(lambda: state_of(pair.at_b, ticket["id"]) == "done")
    assert count(pg, "id BETWEEN 1 AND 5") == 5


def test_denied_there(pair):
    actor = pair.agent()
    with pair.a.connect(actor, autocommit=True) as c:
        sent = Sent(c, "UPDATE sha.t SET n = n + 1 WHERE id BETWEEN 6 AND 10")
        pair.at_b.decide(pending(pair.at_b, actor)["id"], "deny")
        assert sent.done().error.sqlstate == "ZB002"


def test_asked_for_at_another_gateway(pair):
    """SHOW backstop.wait: opened at one, waited for at the other, decided at the first."""
    actor = pair.agent()
    with pair.a.connect(actor, autocommit=True, options="-c backstop.wait=0") as c, \
            pair.b.connect(actor, autocommit=True) as d:
        held = Sent(c, "UPDATE sha.t SET n = n + 1 WHERE id BETWEEN 6 AND 9").done().error
        ticket = json.loads(held.diag.message_detail)["ticket"]
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(json.loads(
            d.execute(f'SHOW backstop.wait."{ticket}"').fetchone()[0])), daemon=True)
        noticed = threading.Event()
        d.add_notice_handler(lambda n: noticed.set())
        waiting.start()
        assert noticed.wait(10)
        pair.at_a.decide(ticket, "deny")
        decided = time.monotonic()
        waiting.join(15)
        assert answers and answers[0]["state"] == "denied" and time.monotonic() - decided < SOON
        assert json.loads(c.execute("SHOW backstop.tickets").fetchone()[0])["tickets"] == []


def test_at_both_at_once_it_runs_once(pg, pair):
    """Held at both, one ticket; approved, both wake up, and one has it."""
    sql = "UPDATE sha.t SET n = n + 1 WHERE id BETWEEN 11 AND 15"
    for _ in range(3):
        actor = pair.agent()
        before = count(pg, "id BETWEEN 11 AND 15")
        with pair.a.connect(actor, autocommit=True) as a, pair.b.connect(actor, autocommit=True) as b:
            sent = [Sent(a, sql), Sent(b, sql)]
            ticket = pending(pair.at_a, actor)
            wait_until(lambda: pair.at_a.ask("GET", f"/v1/tickets/{ticket['id']}")[1]["asked"] == 2)
            pair.at_a.decide(ticket["id"], "approve")
            rows = [s.done().rows for s in sent]
        assert sorted(rows, key=str) == [5, None], [s.error for s in sent]
        assert count(pg, "id BETWEEN 11 AND 15") == before + 5


def test_paused_there(pair):
    actor = pair.agent()
    with pair.a.connect(actor, autocommit=True) as c:
        c.execute("SELECT 1")
        status, answer = pair.at_b.ask("POST", "/v1/pauses", {"scope": "actor", "name": actor, "reason": "because"})
        assert status == 200, answer

        def refused():
            try:
                c.execute("SELECT 1")
            except psycopg.Error as error:
                return error
            return None
        assert wait_until(refused, SOON).sqlstate == "ZB006"


def test_revoked_by_a_command(pair):
    """By no gateway at all: the command line writes into the state, and both hear of it."""
    actor = pair.agent()
    with pair.a.connect(actor, autocommit=True) as a, pair.b.connect(actor, autocommit=True) as b:
        a.execute("SELECT 1")
        b.execute("SELECT 1")
        pair.a.cli("agents", "revoke", actor)
        for c in (a, b):
            with pytest.raises(psycopg.OperationalError):
                wait_until(lambda c=c: c.execute("SELECT 1") is None, SOON)


def test_nobody_looks_the_same_at_both(pair):
    """The salt of a name that does not exist, as that of one that does."""
    def salt(gateway, user):
        with Raw(gateway.port) as r:
            r.send(startup(user=user, database="app"))
            assert r.next()[0] == b"R"
            first = b"n,,n=,r=abcdefghijklmnopqrstuvwx"
            r.send(message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(first)) + first))
            return r.next()[1].split(b",s=")[1]

    for user in ("nobody", pair.agent()):
        assert salt(pair.a, user) == salt(pair.b, user)


def test_without_news(pair, keeper):
    """Whoever waits is found by looking, too."""
    actor = pair.agent()
    with psycopg.connect(pair.state, autocommit=True) as state, pair.a.connect(actor, autocommit=True) as c:
        state.execute("ALTER TABLE backstop.tickets DISABLE TRIGGER tell")
        try:
            sent = Sent(c, "UPDATE sha.t SET n = n + 1 WHERE id BETWEEN 61 AND 65")
            pair.at_b.decide(pending(pair.at_b, actor)["id"], "approve")
            assert sent.done(5).rows == 5
        finally:
            state.execute("ALTER TABLE backstop.tickets ENABLE TRIGGER tell")


def test_each_change_is_in_one_audit(pair):
    actor = pair.agent()

    def told():
        return [json.loads(line) for g in (pair.a, pair.b) for path in (g.folder / "audit").glob("audit-*.jsonl")
                for line in path.read_text().splitlines() if f'"{actor}"' in line and "agent.add" in line]
    wait_until(told)
    time.sleep(1.2)  # a round of the other's
    assert len(told()) == 1


def test_restart_of_the_state(pg, pair, keeper):
    """Reads go on, what is gated is refused, nobody new is let in; and all is well again without a restart."""
    actor = pair.agent()
    sql = "UPDATE sha.t SET n = n + 1 WHERE id BETWEEN 21 AND 25"
    with pair.a.connect(actor, autocommit=True) as c, pair.a.connect(actor, autocommit=True) as waits:
        held = Sent(waits, "UPDATE sha.t SET n = n + 1 WHERE id BETWEEN 26 AND 30")
        ticket = pending(pair.at_b, actor)["id"]
        keeper.pg._run("pg_ctl", "-D", keeper.pg.data, "-m", "immediate", "-w", "stop")
        try:
            assert c.execute("SELECT count(*) FROM sha.t").fetchone() == (1000,)
            with pytest.raises(psycopg.Error) as caught:
                c.execute(sql)
            assert "state" in str(caught.value) and caught.value.sqlstate not in ("ZB001", None), caught.value
            assert c.execute("SELECT count(*) FROM sha.t").fetchone() == (1000,)
            with pytest.raises(psycopg.OperationalError):
                pair.b.connect(actor)
            assert pair.at_b.ask("GET", "/v1/tickets")[0] == 503
        finally:
            keeper.pg._run("pg_ctl", "-D", keeper.pg.data, "-l", keeper.pg.log, "-w", "start")

        def again():
            with contextlib.suppress(psycopg.OperationalError), pair.b.connect(actor):
                return True
        wait_until(again)
        for at in (pair.at_a, pair.at_b):
            wait_until(lambda at=at: at.ask("GET", "/v1/tickets")[0] == 200)
        pair.at_b.decide(ticket, "approve")
        assert held.done().rows == 5  # it has waited on
        sent = Sent(c, sql)
        pair.at_b.decide(pending(pair.at_b, actor)["id"], "approve")
        assert sent.done().rows == 5
    assert count(pg, "id BETWEEN 21 AND 25") == 5


def test_killed_while_it_waits(pg, keeper):
    """The client goes to the other gateway and sends the same: the same ticket, and it runs once."""
    with pg.admin() as c:
        c.execute(SCHEMA)
    made = Pair(pg, keeper.new())
    actor = made.agent()
    sql = "UPDATE sha.t SET n = n + 1 WHERE id BETWEEN 31 AND 35"
    with both(made):
        with made.a.connect(actor, autocommit=True) as c:
            sent = Sent(c, sql)
            ticket = pending(made.at_b, actor)["id"]
            made.a.stop(signal.SIGKILL)
            assert isinstance(sent.done().error, psycopg.OperationalError)
        with made.b.connect(actor, autocommit=True) as c:
            sent = Sent(c, sql)
            wait_until(lambda: made.at_b.ask("GET", f"/v1/tickets/{ticket}")[1]["asked"] == 2)
            made.at_b.decide(ticket, "approve")
            assert sent.done().rows == 5
        assert count(pg, "id BETWEEN 31 AND 35") == 5
        made.a.start()


def test_killed_while_it_runs(pg, keeper):
    """Nobody settles what a gateway that lives is at; what a dead one was at, another one does."""
    with pg.admin() as c:
        c.execute(SCHEMA)
    made = Pair(pg, keeper.new())
    actor = made.agent()
    with both(made), pg.admin() as blocker:
        with made.a.connect(actor, autocommit=True) as c:
            sent = Sent(c, "UPDATE sha.t SET n = n + 1 WHERE id BETWEEN 41 AND 45")
            ticket = pending(made.at_b, actor)["id"]
            blocker.execute("BEGIN; SELECT FROM sha.t WHERE id = 42 FOR UPDATE")
            made.at_b.decide(ticket, "approve")
            wait_until(lambda: state_of(made.at_b, ticket) == "running")
            made.b.stop()
            made.b.start()  # it settles, at its start, what is nobody's: this is somebody's
            assert state_of(made.at_b, ticket) == "running"
            made.a.stop(signal.SIGKILL)
            assert isinstance(sent.done().error, psycopg.OperationalError)
        blocker.execute("ROLLBACK")
        wait_until(lambda: state_of(made.at_b, ticket) == "uncertain", 30)
        assert "another gateway has died" in made.b.log()
        status, answer = made.at_b.ask("GET", "/v1/points")
        assert status == 200, answer
        assert not [p for p in answer["points"] if p["state"] == "armed"], answer
        made.a.start()
    assert count(pg, "id BETWEEN 41 AND 45") == 0


def test_killed_when_it_had_committed(pg, keeper):
    """Its answer was on the way: the other gateway asks the database what became of the transaction."""
    url = keeper.new()
    scene = Scene(pg, state=url)
    scene.gateway.start()
    scene.begin()
    other = Gateway(pg, extra={"state": url, "storage": f"file://{scene.storage()}"})
    with running(other):
        stop = scene.actors.stop_at(COMMIT, "answered")
        asking = scene.approved("DELETE FROM crash.t WHERE id <= 100")
        stop.wait()
        scene.kill()
        stop.cut()
        assert asking.done() == "lost"
        scene.actors.clear()
        scene.operator.base = f"http://127.0.0.1:{other.operators_port}"
        wait_until(lambda: scene.ticket_state(asking.ticket) == "uncertain", 30)
        point = wait_until(lambda: [p for p in scene.new_points() if p["outcome"] == "committed"], 15, 0.2)[0]
        assert scene.verifies(point) and scene.count() == ROWS - 100
    scene.close()


@contextlib.contextmanager
def frozen(server):
    """It takes connections and answers nothing."""
    first = int((server.data / "postmaster.pid").read_text().split()[0])
    family = [first]
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) == first:
                family.append(int(path.parent.name))
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_a_state_that_does_not_answer(pg, pair, keeper):
    """Nobody who only reads waits for it, and who waits is told, in the end."""
    actor = pair.agent()
    with pair.a.connect(actor, autocommit=True) as reads, pair.a.connect(actor, autocommit=True) as writes:
        with frozen(keeper.pg):
            sent = Sent(writes, "UPDATE sha.t SET n = n + 1 WHERE id BETWEEN 51 AND 55")
            slowest = 0
            while sent.is_alive():
                began = time.monotonic()
                reads.execute("SELECT 1")
                slowest = max(slowest, time.monotonic() - began)
                time.sleep(0.2)
            assert "state" in str(sent.error) and slowest < 2, (sent.error, slowest)
        for at in (pair.at_a, pair.at_b):
            wait_until(lambda at=at: at.ask("GET", "/v1/tickets")[0] == 200, 20)
        sent = Sent(writes, "UPDATE sha.t SET n = n + 1 WHERE id BETWEEN 51 AND 55")
        pair.at_b.decide(pending(pair.at_b, actor)["id"], "approve")
        assert sent.done().rows == 5


def test_not_a_state_to_trust(pg, keeper):
    """A schema that others can read, and a server that is not there, are told before anything runs."""
    made = Gateway(pg, extra={"state": keeper.new()})
    made.add_agent("alice")
    with keeper.admin() as c:
        c.execute("GRANT USAGE ON SCHEMA backstop TO PUBLIC")
    out = made.cli("agents", "list", check=False)
    assert out.returncode == 78 and "open to other roles" in out.stderr and "REVOKE" in out.stderr
    made.remove()
    gone = Gateway(pg, extra={"state": "postgresql://keeper:s3cret@/none?host=/nowhere"})
    out = gone.cli("agents", "list", check=False)
    assert out.returncode == 69 and "cannot be reached" in out.stderr and "s3cret" not in out.stderr
    gone.remove()


def test_doctor_says_who_reaches_it(pg, keeper):
    """Whoever can act as the state's role, or even connect to its database, from an agent's session."""
    def finding(url):
        made = Gateway(pg, extra={"state": url})
        out = json.loads(made.cli("doctor", "--json", check=False).stdout)
        made.remove()
        assert [f["level"] for f in out["checks"] if f["check"] == "state"] == ["ok"], out
        return next((f["level"], f["message"]) for f in out["checks"] if f["check"] == "upstream.state")

    level, text = finding(keeper.new())
    assert level == "ok" and "another server" in text
    with pg.admin() as c:
        c.execute("CREATE DATABASE sha_state OWNER app_trust")
    place = f"@/sha_state?host={pg.folder}&port={pg.port}"
    try:
        level, text = finding(f"postgresql://app_trust{place}")
        assert level == "fail" and "act as app_trust" in text
        with pg.admin() as c:
            c.execute("ALTER DATABASE sha_state OWNER TO backstop")
        with pg.admin("sha_state") as c:
            c.execute("DROP SCHEMA backstop CASCADE")
        level, text = finding(f"postgresql://backstop{place}")
        assert level == "warn" and "can connect" in text
        with pg.admin() as c:
            c.execute("REVOKE CONNECT ON DATABASE sha_state FROM PUBLIC")
        level, text = finding(f"postgresql://backstop{place}")
        assert level == "ok" and "cannot connect" in text
    finally:
        with pg.admin() as c:
            c.execute("DROP DATABASE sha_state WITH (FORCE)")


def test_if_match_is_compared_where_it_is_written(pair):
    """Two admins at two gateways who have both seen the same change it once."""
    path = f"/v1/actors/{pair.agent()}"

    def change(gateway, operator, group, tag, got):
        got.append(ask(gateway, "PATCH", path, {"group": group}, operator.token, If_Match=tag).status)

    for i in range(15):
        tag = ask(pair.a, "GET", path, token=pair.at_a.token).headers["ETag"]
        got = []
        threads = [threading.Thread(target=change, args=(g, o, f"g{i}-{k}", tag, got))
                   for k, (g, o) in enumerate(((pair.a, pair.at_a), (pair.b, pair.at_b)))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert sorted(got) == [200, 412], f"round {i}"
