"""Texts of over 64 KB are judged beside the worker, not on it: others are answered meanwhile, and the one who
waits can cancel, hang up, or be told that the gateway stops. What such a text does is judged as ever."""

import contextlib
import functools
import signal
import threading
import time

import pytest

from conftest import running, wait_until
from rawwire import SYNC, Raw, bind, cancel_request, close, describe, execute, parse, query
from test_hostile import answers, ask, errors, kinds, rows, ticket_of
from test_metrics import values
from test_policy import Ground

MB = 1 << 20
SCHEMA = """
DROP SCHEMA IF EXISTS long CASCADE;
CREATE SCHEMA long AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE long.t (id int PRIMARY KEY, v text);
INSERT INTO long.t SELECT n, 'v' FROM generate_series(1, 100) n;
CREATE VIEW long.v AS SELECT id FROM long.t;
CREATE FUNCTION long.purge() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM long.t; RETURN 1; END';
RESET ROLE;
"""
EVIL = "CREATE OR REPLACE VIEW long.v AS SELECT long.purge() AS id"
RULES = [{"name": "no merge", "kinds": ["MERGE"], "action": "block"},
         {"name": "tables of their own", "actors": ["alice"], "risk": ["SAFE", "HIGH"], "kinds": ["CREATE TEMP TABLE"],
          "action": "allow"},
         {"name": "definer", "actors": ["dee"], "risk": ["SAFE", "HIGH", "CRITICAL"], "action": "allow",
          "recovery": "none"}]


@functools.cache
def numbers(size):
    return ",".join(map(str, range(1000000, 1000000 + size // 8)))


def read(size=4 * MB):
    return f"SELECT count(*) FROM long.v WHERE false AND id IN ({numbers(size)})"


def delete(size=4 * MB):
    return f"DELETE FROM long.t WHERE id IN ({numbers(size)})"


def merge(size=4 * MB):
    return (f"MERGE INTO long.t USING (SELECT 1 AS id WHERE 1 IN ({numbers(size)})) u ON t.id = u.id "
            "WHEN MATCHED THEN DELETE")


def extended(text):
    return parse("", text) + bind("", "") + execute() + SYNC


@pytest.fixture(scope="module")
def ground(pg):
    with pg.admin() as c:
        c.execute(SCHEMA)
    g = Ground(pg, policy={"rules": RULES, "evasion": {"limit": 1000}},
               extra={"hold": {"wait": "0s"}, "workers": 1})
    for agent in ("alice", "dee"):
        g.agent(agent)
    with running(g.gateway, "bob"):
        yield g
    with pg.admin() as c:
        c.execute("DROP SCHEMA long CASCADE")


@pytest.fixture(autouse=True)
def as_before(request):
    yield
    if "ground" in request.fixturenames:
        ground = request.getfixturevalue("ground")
        wait_until(lambda: waiting(ground) == 0, 60)
        assert ground.rows("long.t") == 100


@contextlib.contextmanager
def raw(ground, actor="alice", secret=False):
    with Raw(ground.gateway.port, timeout=120) as r:
        seen = r.login(actor, ground.gateway.passwords[actor])
        assert seen[-1] == (b"Z", b"I"), seen
        yield (r, next(m[1] for m in seen if m[0] == b"K")) if secret else r


def waiting(ground):
    return values(ground.gateway)["backstop_long_texts"]


def begin(ground, r, data):
    """Sends; when it returns the text is being judged."""
    r.send(data)
    wait_until(lambda: waiting(ground) > 0, 30, 0.002)


class Others(threading.Thread):
    """Another session of the same worker, which asks all the time; .worst is the longest that it waited."""

    def __init__(self, ground):
        super().__init__(daemon=True)
        self.session, self.over, self.worst, self.n = ground.connect("bob"), threading.Event(), 0, 0
        self.session.execute("SELECT 1")

    def run(self):
        while not self.over.is_set():
            began = time.monotonic()
            self.session.execute("SELECT 1")
            self.worst, self.n = max(self.worst, time.monotonic() - began), self.n + 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join(60)
        self.session.close()


def judging(ground):
    """Seconds spent on judging so far."""
    return values(ground.gateway)["backstop_classify_seconds_sum"]


BOTH = pytest.mark.parametrize("send", [query, extended], ids=["simple", "extended"])


@BOTH
@pytest.mark.parametrize("text", [read, delete, merge])
def test_others_are_answered_while_a_long_text_is_judged(ground, send, text):
    """Anybody may wait once where the machine has much else to do, but not as long as the text takes."""
    message, seen = send(text(6 * MB)), []
    for _ in range(3):
        before = judging(ground)
        with raw(ground) as r, Others(ground) as others:
            ask(r, message)
        seen.append((others.worst, judging(ground) - before, others.n))
        if others.worst < seen[-1][1] / 3:
            return
    pytest.fail(f"longest wait of others, what the text took, answers: {seen}")


@BOTH
def test_a_long_text_passes(ground, send):
    with raw(ground) as r:
        for _ in range(2):
            assert rows(ask(r, send(read(MB)))) == ["0"]
        answers(r)


@BOTH
@pytest.mark.parametrize("block", [False, True])
def test_a_long_text_that_destroys_is_held_and_runs_once_it_is_approved(ground, send, block):
    sql = delete(MB)
    with raw(ground) as r:
        if block:
            ask(r, query("BEGIN"))
        seen = ask(r, send(sql))
        assert errors(seen) == ["ZB001"]
        if block:
            ask(r, query("ROLLBACK"))
        ground.operator.decide(ticket_of(seen), "approve")
        if block:
            ask(r, query("BEGIN"))
        assert b"C" in kinds(seen := ask(r, send(sql))), errors(seen)
        if block:
            assert errors(ask(r, query("COMMIT"))) == []
        assert errors(ask(r, send(sql))) == ["ZB001"]  # once
        answers(r) if not block else None


@BOTH
def test_a_long_text_that_the_policy_blocks_is_refused(ground, send):
    with raw(ground) as r:
        assert errors(ask(r, send(merge(MB)))) == ["42501"]
        answers(r)
    last = [x for x in ground.audit(kind="judged", sqlstate="42501") if x["statement"].startswith("MERGE")]
    assert last and len(last[-1]["statement"]) >= MB


@BOTH
def test_a_long_text_that_nobody_can_parse_is_refused(ground, send):
    with raw(ground) as r:
        assert errors(ask(r, send(read(MB) + ")"))) == ["42601"]
        answers(r)


def test_a_series_of_long_texts(ground):
    """Two that pass, one by a name that is bound twice, and what was sent before stays answered."""
    with raw(ground) as r:
        seen = ask(r, parse("a", read(MB)), bind("", "a"), execute(), bind("", "a"), execute(),
                   parse("", read(MB // 2)), bind("", ""), describe("P", ""), execute(), SYNC)
        assert kinds(seen) == b"12DC2DC12TDCZ", errors(seen)
        seen = ask(r, bind("", "a"), execute(), close("S", "a"), SYNC)
        assert kinds(seen) == b"2DC3Z"


def test_a_long_text_that_is_bound_twice_is_held_as_one(ground):
    with raw(ground) as r:
        assert kinds(ask(r, parse("d", delete(MB // 2)), SYNC)) == b"1Z"
        series = [bind("", "d"), execute(), bind("", "d"), execute(), SYNC]
        seen = ask(r, *series)
        assert errors(seen) == ["ZB001"]
        ground.operator.decide(ticket_of(seen), "approve")
        assert kinds(ask(r, *series)) == b"2C2CZ"


def test_what_a_long_text_or_a_short_one_names(ground):
    """EXECUTE of a long text, EXECUTE with a long value, FETCH behind a long comment, EXPLAIN of a long text."""
    with raw(ground) as r:
        assert errors(ask(r, query("PREPARE p AS " + read(MB)))) == []
        for _ in range(2):
            assert rows(ask(r, query("EXECUTE p"))) == ["0"]
        assert errors(ask(r, query("EXPLAIN EXECUTE p"))) == []
        assert errors(ask(r, query("PREPARE q(text) AS SELECT length($1)"))) == []
        assert rows(ask(r, query(f"EXECUTE q('{'x' * MB}')"))) == [str(MB)]
        assert errors(ask(r, query(f"EXECUTE none('{'x' * MB}')"))) == ["26000"]
        ask(r, query("BEGIN; DECLARE c CURSOR FOR SELECT 7"))
        assert rows(ask(r, query(f"/* {'x' * MB} */ FETCH c"))) == ["7"]
        ask(r, query("ROLLBACK"))
        assert errors(ask(r, query("PREPARE d AS " + delete(MB)))) == []
        assert errors(ask(r, query("EXECUTE d"))) == ["ZB001"]
        answers(r)


def test_a_long_text_over_temporary_tables(ground):
    """What they are is known to the judgement, also where the session ends under it."""
    sql = "SELECT count(*) FROM mine WHERE id IN ({})"
    with raw(ground) as r:
        assert errors(ask(r, query("CREATE TEMP TABLE mine (id int)"))) == []
        assert rows(ask(r, query(sql.format(numbers(MB))))) == ["0"]
        begin(ground, r, query(sql.format(numbers(12 * MB))))


def test_a_pipeline_of_long_texts_keeps_its_order(ground):
    with raw(ground) as r:
        r.send(query("SELECT 1") + query(read(MB)) + query("SELECT 3") + query(read(MB // 2)) + query("SELECT 5"))
        assert [rows(r.until()) for _ in range(5)] == [["1"], ["0"], ["3"], ["0"], ["5"]]


@BOTH
def test_a_cancel_ends_the_wait_for_a_judgement(ground, send):
    with raw(ground, secret=True) as (r, key):
        before = judging(ground)
        began = time.monotonic()
        begin(ground, r, send(read(12 * MB)))
        with Raw(ground.gateway.port) as c:
            c.send(cancel_request(int.from_bytes(key[:4], "big"), key[4:]))
            assert c.closed()
        assert errors(r.until()) == ["57014"]
        took = time.monotonic() - began
        answers(r)
        wait_until(lambda: waiting(ground) == 0, 120)
        assert took < 30 and judging(ground) > before  # the job has come to its end by itself
        assert rows(ask(r, send(read(MB)))) == ["0"]


def test_a_cancelled_statement_of_a_name_runs_when_it_is_bound_again(ground):
    with raw(ground, secret=True) as (r, key):
        ask(r, parse("s", read(12 * MB)), SYNC)
        begin(ground, r, bind("", "s") + execute() + SYNC)
        with Raw(ground.gateway.port) as c:
            c.send(cancel_request(int.from_bytes(key[:4], "big"), key[4:]))
            assert c.closed()
        assert errors(r.until()) == ["57014"]
        assert rows(ask(r, bind("", "s"), execute(), SYNC)) == ["0"]


def queue(ground, stack, *actors):
    """Sessions that send long texts, one after the other; the first is so long that all are there before it is
    judged. The server sees none of them."""
    texts = [query(f"SELECT 1 FROM long.nosuch WHERE id IN ({numbers(12 * MB)})"),
             query(f"SELECT 1 FROM long.nosuch WHERE id IN ({numbers(2 * MB)})")]
    sessions = [stack.enter_context(raw(ground, actor)) for actor in actors]
    for n, r in enumerate(sessions, 1):
        r.send(texts[n > 1])
        wait_until(lambda: waiting(ground) == n, 30, 0.002)
    return sessions


def test_a_client_that_hangs_up_leaves_nothing(ground):
    """Of five the first is being judged and the others wait: that job ends, and theirs never begin, but for
    one where it had ended by then."""
    before = values(ground.gateway)["backstop_sessions"]
    with contextlib.ExitStack() as stack:
        queue(ground, stack, *["alice"] * 5)
        count = values(ground.gateway)["backstop_classify_seconds_count"]
    wait_until(lambda: values(ground.gateway)["backstop_sessions"] == before, 60)
    wait_until(lambda: waiting(ground) == 0, 120)
    assert values(ground.gateway)["backstop_classify_seconds_count"] <= count + 2


def test_another_actor_need_not_wait_for_all_that_one_asks(ground):
    """Of four long texts of one actor and one of another, sent last, that one is among the first two answered."""
    order = []

    def listen(name, r):
        r.until()
        order.append(name)

    actors = ["alice"] * 4 + ["bob"]
    with contextlib.ExitStack() as stack:
        threads = [threading.Thread(target=listen, args=x) for x in zip(actors, queue(ground, stack, *actors))]
        for t in threads:
            t.start()
        for t in threads:
            t.join(120)
    assert "bob" in order[:2], order  # who of them is heard first is up to the threads


def test_a_catalog_that_changes_meanwhile_counts(ground):
    """The view was harmless when the text came, and is not when its judgement is there."""
    try:
        with raw(ground) as r, ground.connect("dee") as d:
            begin(ground, r, query(read(12 * MB)))
            d.execute(EVIL)
            assert waiting(ground) == 1, "the judgement was quicker than the change"
            assert errors(r.until()) in (["ZB001"], ["42501"])
    finally:
        with ground.pg.admin() as c:
            c.execute("DROP VIEW long.v; SET ROLE app_trust; CREATE VIEW long.v AS SELECT id FROM long.t")


def test_a_policy_that_changes_meanwhile_counts(ground):
    stricter = [*RULES, {"name": "no reads", "actors": ["alice"], "kinds": ["SELECT"], "action": "block"}]
    with raw(ground) as r:
        begin(ground, r, query(read(12 * MB)))
        ground.reload({"rules": stricter})
        assert waiting(ground) == 1, "the judgement was quicker than the change"
        assert errors(r.until()) == ["42501"]
        ground.reload({"rules": RULES})


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_the_gateway_stops_while_long_texts_are_judged(pg, ground, sig):
    g = Ground(pg, policy={"rules": RULES}, extra={"workers": 1})
    g.agent("alice")
    g.gateway.start()
    try:
        with raw(g) as r, raw(g) as other:
            begin(g, r, query(delete(8 * MB)))
            begin(g, other, query(delete(8 * MB)))
            assert g.gateway.stop(sig, 60) == (0 if sig == signal.SIGTERM else -sig)
            if sig == signal.SIGTERM:
                assert [errors(x.until(None)) for x in (r, other)] == [["57P01"]] * 2
        assert "Sanitizer" not in g.gateway.log(), g.gateway.log()
    finally:
        g.gateway.stop(signal.SIGKILL)
        g.gateway.remove()
