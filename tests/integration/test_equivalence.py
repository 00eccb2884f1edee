"""What is rewritten is judged like what it was: see equivalence.py.

Every rewrite is run on a server and counts only where its effect is seen there. By default a slice of
them is tried; `script/fuzz-equivalence` tries as many as one likes.

    BACKSTOP_REWRITES  rewrites of each kind (12)
    BACKSTOP_SEED      seed of the generator (1)
"""

import json
import os
import subprocess

import psycopg
import pytest
from psycopg import pq

import equivalence
from conftest import binary

WANTED = int(os.environ.get("BACKSTOP_REWRITES", "12"))
SEED = os.environ.get("BACKSTOP_SEED", "1")
ORDER = ["SAFE", "HIGH", "CRITICAL", "UNKNOWN"]


class Scratch:
    """A database of its own, in which everything is tried."""

    def __init__(self, pg):
        self.pg = pg
        with pg.admin() as c:
            c.execute("DROP DATABASE IF EXISTS eq")
            c.execute("CREATE DATABASE eq")
            c.execute("ALTER DATABASE eq SET search_path = w, public")
            for role in equivalence.ROLES.split("; "):
                c.execute(role)
        self.conn = psycopg.connect(host=str(pg.folder), port=pg.port, user="postgres", dbname="eq",
                                    autocommit=True)
        self.conn.execute("SET search_path = w, public; SET client_min_messages = error; SET statement_timeout = '20s'")
        self.version = self.conn.info.server_version

    def send(self, text):
        """Runs a text as a client's Query would; its first error, or None."""
        raw = self.conn.pgconn
        raw.send_query(text.encode())
        error = None
        while (result := raw.get_result()) is not None:
            if result.status == pq.ExecStatus.COPY_OUT:
                while raw.get_copy_data(0)[0] > 0:
                    pass
            elif result.status == pq.ExecStatus.COPY_IN:
                raw.put_copy_end(b"no data")
            elif result.status == pq.ExecStatus.FATAL_ERROR and error is None:
                error = (result.error_message or b"?").decode().strip()
        return error

    def is_true(self, condition):
        result = self.conn.pgconn.exec_(f"SELECT {condition}".encode())
        return result.status == pq.ExecStatus.TUPLES_OK and result.get_value(0, 0) == b"t"

    def reset(self):
        self.send("ROLLBACK")
        self.send("DISCARD ALL")
        self.send("SET search_path = w, public; SET client_min_messages = error; SET statement_timeout = '20s'")

    def build(self, kind, text):
        self.reset()
        for sql in (equivalence.WORLD, equivalence.callers(kind, text), kind.undo):
            error = self.send(sql) if sql else None
            assert error is None, f"{kind.name}: {error}\n{sql}"
        assert kind.before or not self.is_true(kind.probe), \
            f"{kind.name} has its effect before anything was done"

    def has_effect(self, kind, text, marks):
        """None, or why the text did not do what it should."""
        if kind.before:
            self.send(kind.before)
        assert not self.is_true(kind.probe), "the world is not whole"
        if kind.inside and "x" not in marks:
            self.send("BEGIN")
        error = self.send(text)
        seen = error is None and self.is_true(kind.probe)
        self.reset()
        if kind.undo:
            assert self.send(kind.undo) is None
        if seen:
            return None
        return error or "nothing happened"


@pytest.fixture(scope="module")
def scratch(pg):
    place = Scratch(pg)
    yield place
    place.conn.close()
    with pg.admin() as c:
        c.execute("DROP DATABASE eq")
        for role in ("eq_a", "eq_b", "eq_c"):
            c.execute(f"DROP ROLE IF EXISTS {role}")


def judge(texts, dsn=None):
    lines = "".join(json.dumps({"sql": t}) + "\n" for t in texts)
    got = subprocess.run([binary(), "classify", "--jsonl", *(("--dsn", dsn) if dsn else ())],
                         input=lines, text=True, capture_output=True, timeout=300)
    assert got.returncode == 0, got.stderr
    return [json.loads(line) for line in got.stdout.splitlines()]


def lower(risk, origin):
    return ORDER.index(risk) < ORDER.index(origin)


def draw(kind, scratch, wanted):
    """Distinct rewrites that have been seen to work, and how many did not."""
    writer = equivalence.Writer(f"{SEED} {kind.name}", scratch.version)
    origin = equivalence.Writer("origin", 0)
    origin.rng.random = lambda: 0.3  # plain spelling
    origin.rng.choice = lambda options: options[0]
    plain = origin.spell(kind)
    scratch.build(kind, plain)
    good, tried, why = {}, 0, {}
    while len(good) < wanted and tried < 12 * wanted + 50:
        text, marks = writer.rewrite(kind)
        tried += 1
        if text in good:
            continue
        reason = scratch.has_effect(kind, text, marks)
        if reason is None:
            good[text] = marks
        else:
            why[text] = reason
        if "x" in marks:
            scratch.build(kind, plain)
    return plain, good, why


@pytest.mark.parametrize("kind", equivalence.KINDS, ids=lambda k: k.name.replace(" ", "_"))
def test_no_rewrite_is_judged_lower(scratch, kind):
    plain, good, why = draw(kind, scratch, WANTED)
    if os.environ.get("BACKSTOP_SHOW"):
        print(f"{kind.name}: {len(good)} of {len(good) + len(why)} work")
        for text, reason in list(why.items())[:int(os.environ["BACKSTOP_SHOW"])]:
            print("  ", reason.splitlines()[0], "\n      ", text[:400])
    assert len(good) >= WANTED, [f"{r}: {t}" for t, r in list(why.items())[:5]]
    texts = list(good)
    dsn = f"host={scratch.pg.folder} port={scratch.pg.port} user=postgres dbname=eq"
    misses = []
    for how, answers in (("text", judge([plain, *texts])), ("catalog", judge([plain, *texts], dsn))):
        origin = answers[0]["risk"]
        assert lower("SAFE", origin), plain
        misses += [f"{how}: {a['risk']} for {origin}: {t}" for t, a in zip(texts, answers[1:])
                   if lower(a["risk"], origin) and not (how == "text" and "c" in good[t])]
    assert not misses, f"{len(misses)} misses\n" + "\n".join(misses[:20])
