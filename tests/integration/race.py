"""Eight writers beside a statement, and the count of what they were promised and is nowhere.

Each writer owns the keys it writes, so it knows the last acknowledged version of each; and whoever
changes a row is told which version it replaced. A version that its writer did not replace itself
and that is not in the table any more, the statement has destroyed: then it has to be in a point.
"""

import contextlib
import itertools
import random
import threading
import time

import psycopg

from conftest import wait_until

WRITERS = 8
OWN = 25          # rows of each writer at the beginning, in each table
SPAN = 1_000_000  # keys of one writer

# `c` belongs to `t` where a statement's own setup says so. g is for conditions, v is what may be
# lost: no two versions have the same. was: how a writer learns what it has replaced.
TABLES = """
DROP SCHEMA IF EXISTS race CASCADE;
CREATE SCHEMA race AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE race.t (id int PRIMARY KEY, g int NOT NULL, v text, was text);
CREATE TABLE race.c (id int PRIMARY KEY, t int, g int NOT NULL, v text, was text);
CREATE INDEX ON race.c (t);
"""
FILL = f"""
INSERT INTO race.t SELECT w * {SPAN} + n, n % 10, 't' || w || '.' || n
  FROM generate_series(1, {WRITERS}) w, generate_series(1, {OWN}) n;
INSERT INTO race.c SELECT w * {SPAN} + n, w * {SPAN} + n, n % 10, 'c' || w || '.' || n
  FROM generate_series(1, {WRITERS}) w, generate_series(1, {OWN}) n;
"""
INSERT = {"race.t": "INSERT INTO race.t (id, g, v) VALUES (%(id)s, %(g)s, %(v)s) RETURNING 1",
          "race.c": "INSERT INTO race.c (id, t, g, v) VALUES (%(id)s, %(t)s, %(g)s, %(v)s) RETURNING 1"}


class Writer(threading.Thread):
    """Inserts, updates and deletes rows of its own, one by one or several in a transaction."""

    def __init__(self, pg, number, linked):
        super().__init__(daemon=True)
        self.number, self.linked = number, linked
        self.random = random.Random(number)
        self.connection = psycopg.connect(pg.conninfo("postgres"), autocommit=True,
                                          prepare_threshold=None)
        first = number * SPAN
        self.last = {(table, first + n): f"{table[-1]}{number}.{n}"  # acknowledged; None: deleted
                     for table in INSERT for n in range(1, OWN + 1)}
        self.sent = set(self.last.values())
        self.keys = itertools.count(first + OWN + 1)
        self.destroyed = []  # (table, id, v): by somebody else
        self.acknowledged = self.failed = self.victim = 0
        self.slowest = 0.0
        self.going = True
        self.error = None

    def run(self):
        try:
            while self.going:
                began = time.monotonic()
                try:
                    self.act()
                except psycopg.errors.DeadlockDetected:
                    self.victim += 1
                except psycopg.errors.UndefinedTable:
                    self.failed += 1
                    time.sleep(0.002)
                except psycopg.errors.IntegrityError:  # the row that it belongs to is gone
                    self.failed += 1
                self.slowest = max(self.slowest, time.monotonic() - began)
        except BaseException as error:  # shown by the round
            self.error = error
        finally:
            self.connection.close()

    def act(self):
        """Only what the server has acknowledged is in `last` afterwards."""
        many = self.number % 2 == 0  # rows in a transaction; the last writer mixes tables in it
        told = []
        table = self.random.choice(list(INSERT))
        with self.connection.transaction() if many else contextlib.nullcontext():
            for _ in range(self.random.randint(1, 3) if many else 1):
                if self.number == WRITERS:
                    table = self.random.choice(list(INSERT))
                self.one(table, told, dict(told))
        for (table, key), (before, after) in told:
            if before != self.last.get((table, key)):
                self.destroyed.append((table, key, self.last[table, key]))
            self.last[table, key] = after
        self.acknowledged += len(told)

    def one(self, table, told, mine):
        """One change; adds its key, what it has replaced and what there is now."""
        # One key once in a transaction: what was replaced is what was acknowledged before.
        present = [k for k, v in self.last.items() if k[0] == table and v and k not in mine]
        what = self.random.choice(("insert", "update", "update", "delete"))
        if what == "delete" and self.linked and table == "race.t":
            what = "update"
        v = f"{table[-1]}{self.number}.{next(self.keys)}"
        self.sent.add(v)
        if what == "insert" or not present:
            key = next(self.keys)
            parents = [k[1] for k, v in self.last.items() if k[0] == "race.t" and v]
            self.ask(INSERT[table], {"id": key, "g": key % 10, "v": v, "t": self.random.choice(parents or [0])})
            told.append(((table, key), (None, v)))
            return
        key = self.random.choice(present)
        if what == "update" or key[1] % SPAN == 1:  # who asks for its first row finds it
            found = self.ask(f"UPDATE {table} SET was = v, v = %(v)s WHERE id = %(id)s RETURNING was",
                             {"v": v, "id": key[1]})
        else:
            found, v = self.ask(f"DELETE FROM {table} WHERE id = %(id)s RETURNING v",
                                {"id": key[1]}), None
        told.append((key, (found[0], v) if found else (None, None)))

    def ask(self, sql, params):
        return self.connection.execute(sql, params).fetchone()


class Round:
    """The writers' side of one statement."""

    def __init__(self, pg, linked=False):
        self.pg = pg
        self.writers = [Writer(pg, n, linked) for n in range(1, WRITERS + 1)]

    def __enter__(self):
        for writer in self.writers:
            writer.start()
        self.more()
        return self

    def __exit__(self, *_):
        for writer in self.writers:
            writer.going = False
        for writer in self.writers:
            writer.join(30)
            assert not writer.is_alive(), "a writer waits for ever"
            if writer.error:
                raise writer.error

    def more(self, n=5):
        """Until each writer has been answered n times more."""
        def count(w):
            return w.acknowledged + w.failed + w.victim

        wanted = {w: count(w) + n for w in self.writers}
        wait_until(lambda: all(w.error or count(w) >= wanted[w] for w in self.writers), 30, 0.002)

    def live(self):
        found = {}
        with self.pg.admin() as c:
            for table in INSERT:
                if c.execute("SELECT to_regclass(%s)", (table,)).fetchone() != (None,):
                    found |= {(table, key): v for key, v in c.execute(f"SELECT id, v FROM {table}")}
        return found

    def destroyed(self):
        """All versions that were acknowledged, and that their writer has not replaced itself."""
        live = self.live()
        left = [(*key, v) for w in self.writers for key, v in w.last.items()
                if v is not None and live.get(key) != v]
        return left + [x for w in self.writers for x in w.destroyed]

    def sent(self):
        return set().union(*(w.sent for w in self.writers))

    def total(self, what):
        return sum(getattr(w, what) for w in self.writers)
