"""One Python client against one database: a line of JSON for each item (see ../__init__.py).

    clients.py CLIENT URL CERTIFICATE-OF-ANOTHER direct|gateway
"""

import asyncio
import contextlib
import datetime
import importlib.metadata
import json
import sys
import threading
import time
import urllib.parse
import uuid

CLIENT, URL, OTHER, WAY = sys.argv[1:]
HERE = urllib.parse.urlsplit(URL)
CA = urllib.parse.parse_qs(HERE.query)["sslrootcert"][0]
WORDS = [f"wörd {n}" for n in range(1, 11)]
VALUES = [41, 1 << 40, 2.5, True, "it's \\ ☃", b"\0\1\xff", datetime.date(2026, 2, 3), uuid.UUID(int=7), [1, 2, 3], None]
TYPES = "int int8 float8 bool text bytea date uuid int4[] text".split()
WORD = "SELECT word FROM club.types WHERE id = {}"
BINARY = "SELECT big, bytes FROM club.types WHERE id = 7"
IN_BINARY = (7 * 10 ** 12, bytes.fromhex("8f14e45fceea167a5a36dedd4bea2543"))
HELD = "UPDATE club.held SET times = times + 1 WHERE id <= {}"
LINES = "".join(f"{n}\tline {n}\n" for n in range(1000)).encode()
NO_COPY = "COPY is reached through the driver below it"
OF_THE_DRIVER = "as the driver below it"


def other():
    return URL.replace(urllib.parse.quote(CA, safe=""), urllib.parse.quote(OTHER, safe=""))


def say(**line):
    print(json.dumps(line), flush=True)


def check(got, wanted):
    assert got == wanted, f"{got!r} is not {wanted!r}"


class Client:
    """The items; a subclass says how its driver does each."""

    mark = "%s"
    not_offered = {}

    def unprepared(self):
        check(self.rows("SELECT 1 AS a, 'two' AS b, NULL AS c"), [(1, "two", None)])
        check(self.rows("SELECT count(*) FROM club.types"), [(50,)])

    def parameters(self):
        marks = ", ".join(f"CAST({self.marked(n)} AS {t})" for n, t in enumerate(TYPES, 1))
        ((*got,),) = self.rows(f"SELECT {marks}", *VALUES)
        check([bytes(v) if isinstance(v, memoryview) else v for v in got], VALUES)
        check(self.rows(WORD.format(self.marked(1)), 7), [("wörd 7",)])

    def marked(self, n):
        return self.mark

    def cancel(self):
        began = time.monotonic()
        check(self.sqlstate_of(self.sleep), "57014")
        assert time.monotonic() - began < 5
        check(self.rows("SELECT 1"), [(1,)])

    def error_in_a_transaction(self):
        """An error ends it for good; what was written before goes, and the session goes on."""
        self.begin()
        self.run("INSERT INTO club.inbox VALUES (-1, 'lost')")
        check(self.sqlstate_of(lambda: self.rows("SELECT 1/0")), "22012")
        check(self.sqlstate_of(lambda: self.rows("SELECT 1")), "25P02")
        self.rollback()
        self.begin()
        self.run("INSERT INTO club.inbox VALUES (-2, 'kept')")
        self.commit()
        check(self.rows("SELECT word FROM club.inbox WHERE n < 0"), [("kept",)])

    def held(self):
        """A ticket, an operator who says yes, and the same again: once."""
        if WAY == "direct":
            return check(self.ask(), 3)
        first = self.refusal()
        say(held=dict(zip(("sqlstate", "message", "detail"), first)))
        sys.stdin.readline()
        check(self.ask(), 3)
        again = self.refusal()
        check(again[0], "ZB001")
        assert json.loads(again[2])["ticket"] != json.loads(first[2])["ticket"]

    def ask(self):
        """In a transaction, where the driver begins one by itself."""
        rows = self.run(HELD.format(self.marked(1)), 3)
        self.commit()
        return rows

    def refusal(self):
        """(SQLSTATE, message, DETAIL)"""
        try:
            self.ask()
        except Exception as error:
            said = self.fields(error)
            self.rollback()
            return said
        raise AssertionError("it was not refused")

    def sqlstate_of(self, do):
        try:
            do()
        except Exception as error:
            return self.fields(error)[0]
        return None

    def begin(self):
        """The driver does it before the first statement."""

    def close(self):
        self.c.close()

    def tls(self):
        """Verified: who shows the certificate of another is not spoken to."""
        try:
            type(self)(other()).close()
        except Exception as error:
            assert "certificate" in repr(error).lower() + repr(error.__cause__).lower(), repr(error)
        else:
            raise AssertionError("the certificate is not verified")
        check(self.rows("SELECT 1"), [(1,)])


class OfDbApi(Client):
    def cursor(self):
        return self.c.cursor()

    def run(self, text, *params):
        with contextlib.closing(self.cursor()) as cursor:
            cursor.execute(text, *self.bound(params))
            return cursor.rowcount

    def bound(self, params):
        """None at all where there are none: then percent signs are percent signs."""
        return (params,) if params else ()

    def rows(self, text, *params):
        with contextlib.closing(self.cursor()) as cursor:
            cursor.execute(text, *self.bound(params))
            return [tuple(row) for row in cursor.fetchall()]

    def commit(self):
        self.c.commit()

    def rollback(self):
        self.c.rollback()

    def sleep(self):
        threading.Timer(0.3, self.stop).start()
        try:
            self.rows("SELECT pg_sleep(30)")
        finally:
            self.rollback()


class Psycopg3(OfDbApi):
    package = "psycopg"

    def __init__(self, url):
        import psycopg
        self.c = psycopg.connect(url)

    def stop(self):
        self.c.cancel_safe()

    def fields(self, error):
        return error.sqlstate, error.diag.message_primary, error.diag.message_detail

    def prepared(self):
        with self.c.cursor() as cursor:
            check([cursor.execute(WORD.format("%s"), (n,), prepare=True).fetchone()[0] for n in range(1, 11)], WORDS)
        check(self.rows("SELECT count(*) FROM pg_prepared_statements"), [(1,)])

    def binary(self):
        with self.c.cursor(binary=True) as cursor:
            check(cursor.execute(BINARY).fetchone(), IN_BINARY)
            check(cursor.pgresult.fformat(0), 1)

    def server_side_cursor(self):
        with self.c.cursor("club") as cursor:
            cursor.itersize = 7
            check([n for n, in cursor.execute("SELECT id FROM club.types ORDER BY id")], list(range(1, 51)))
        self.c.commit()

    def copy_out(self):
        with self.c.cursor().copy("COPY (SELECT id, word FROM club.types ORDER BY id) TO STDOUT") as copy:
            check([int(row[0]) for row in copy.rows()], list(range(1, 51)))

    def copy_in(self):
        with self.c.cursor().copy("COPY club.inbox FROM STDIN") as copy:
            copy.write(LINES)
        check(self.rows("SELECT count(*), sum(n) FROM club.inbox"), [(1000, 499500)])
        self.c.commit()

    def pipeline(self):
        with self.c.pipeline():
            cursors = [self.c.execute("SELECT %s::int", (n,)) for n in range(100)]
            check([c.fetchone()[0] for c in cursors], list(range(100)))

    def notify(self):
        self.run("LISTEN club")
        self.c.commit()
        self.run("NOTIFY club, 'news'")
        self.c.commit()
        check([n.payload for n in self.c.notifies(timeout=5, stop_after=1)], ["news"])


class Psycopg2(OfDbApi):
    package = "psycopg2-binary"
    not_offered = {"prepared": "no interface", "binary": "results are always text",
                   "pipeline": "no interface"}

    def __init__(self, url):
        import psycopg2
        import psycopg2.extras
        psycopg2.extras.register_uuid()
        self.c = psycopg2.connect(url)

    def stop(self):
        self.c.cancel()

    def fields(self, error):
        return error.pgcode, error.diag.message_primary, error.diag.message_detail

    def server_side_cursor(self):
        with self.c.cursor("club") as cursor:
            cursor.itersize = 7
            cursor.execute("SELECT id FROM club.types ORDER BY id")
            check([n for n, in cursor], list(range(1, 51)))
        self.c.commit()

    def copy_out(self):
        import io
        file = io.BytesIO()
        self.cursor().copy_expert("COPY (SELECT id FROM club.types ORDER BY id) TO STDOUT", file)
        check(file.getvalue().split(), [str(n).encode() for n in range(1, 51)])

    def copy_in(self):
        import io
        self.cursor().copy_expert("COPY club.inbox FROM STDIN", io.BytesIO(LINES))
        check(self.rows("SELECT count(*), sum(n) FROM club.inbox"), [(1000, 499500)])
        self.c.commit()

    def notify(self):
        import select
        for text in ("LISTEN club", "NOTIFY club, 'news'"):
            self.run(text)
            self.c.commit()
        while not self.c.notifies:
            assert select.select([self.c], [], [], 5)[0], "no notification"
            self.c.poll()
        check([n.payload for n in self.c.notifies], ["news"])


class Pg8000(OfDbApi):
    package = "pg8000"
    not_offered = {"binary": "results are always text", "pipeline": "no interface"}

    def __init__(self, url):
        import pg8000.dbapi
        self.c = pg8000.dbapi.connect(**self.of_url(url))

    def of_url(self, url):
        import ssl
        at = urllib.parse.urlsplit(url)
        ca = urllib.parse.parse_qs(at.query)["sslrootcert"][0]
        return {"user": at.username, "password": urllib.parse.unquote(at.password), "host": at.hostname, "port": at.port,
                "database": at.path[1:], "ssl_context": ssl.create_default_context(cafile=ca)}

    def fields(self, error):
        said = error.args[0]
        return said["C"], said["M"], said.get("D")

    def sleep(self):
        """It cannot cancel, so the server's clock does."""
        self.run("SET statement_timeout = '300ms'")
        try:
            self.rows("SELECT pg_sleep(30)")
        finally:
            self.rollback()

    def prepared(self):
        import pg8000.native
        c = pg8000.native.Connection(**self.of_url(URL))
        statement = c.prepare(WORD.format(":n"))
        check([statement.run(n=n)[0][0] for n in range(1, 11)], WORDS)
        statement.close()
        c.close()

    def server_side_cursor(self):
        """By SQL: the driver has no other."""
        self.run("DECLARE club CURSOR FOR SELECT id FROM club.types ORDER BY id")
        got = []
        while some := self.rows("FETCH 7 FROM club"):
            got += some
        check([n for n, in got], list(range(1, 51)))
        self.c.commit()

    def copy_out(self):
        import io
        file = io.BytesIO()
        self.cursor().execute("COPY (SELECT id FROM club.types ORDER BY id) TO STDOUT", stream=file)
        check(file.getvalue().split(), [str(n).encode() for n in range(1, 51)])

    def copy_in(self):
        import io
        self.cursor().execute("COPY club.inbox FROM STDIN", stream=io.BytesIO(LINES))
        check(self.rows("SELECT count(*), sum(n) FROM club.inbox"), [(1000, 499500)])
        self.c.commit()

    def notify(self):
        self.run("LISTEN club")
        self.c.commit()
        self.run("NOTIFY club, 'news'")
        self.c.commit()
        self.rows("SELECT 1")
        check([n[2] for n in self.c.notifications], ["news"])


class Asyncpg(Client):
    package = "asyncpg"
    not_offered = {"pipeline": "no interface"}

    def __init__(self, url):
        import asyncpg
        self.loop = asyncio.Runner()
        self.block = None
        self.c = self.loop.run(asyncpg.connect(url))

    def close(self):
        self.loop.run(self.c.close())

    def marked(self, n):
        return f"${n}"

    def rows(self, text, *params):
        return [tuple(row) for row in self.loop.run(self.c.fetch(text, *params))]

    def run(self, text, *params):
        return int(self.loop.run(self.c.execute(text, *params)).split()[-1])

    def fields(self, error):
        return error.sqlstate, error.message, error.detail

    def unprepared(self):
        check(self.loop.run(self.c.execute("SELECT count(*) FROM club.types")), "SELECT 1")
        super().unprepared()

    def begin(self):
        self.block = self.c.transaction()
        self.loop.run(self.block.start())

    def commit(self):
        if self.block:
            self.loop.run(self.block.commit())
        self.block = None

    def rollback(self):
        if self.block:
            self.loop.run(self.block.rollback())
        self.block = None

    def sleep(self):
        try:
            self.loop.run(self.c.fetch("SELECT pg_sleep(30)", timeout=0.3))
        except TimeoutError as error:
            error.sqlstate, error.message, error.detail = "57014", "", None
            raise

    def prepared(self):
        async def do():
            statement = await self.c.prepare(WORD.format("$1"))
            return [await statement.fetchval(n) for n in range(1, 11)]
        check(self.loop.run(do()), WORDS)

    def binary(self):
        """The only one that it has."""
        check(self.rows(BINARY), [IN_BINARY])

    def server_side_cursor(self):
        async def do():
            async with self.c.transaction():
                return [r[0] async for r in self.c.cursor("SELECT id FROM club.types ORDER BY id", prefetch=7)]
        check(self.loop.run(do()), list(range(1, 51)))

    def copy_out(self):
        import io
        file = io.BytesIO()
        self.loop.run(self.c.copy_from_query("SELECT id FROM club.types ORDER BY id", output=file))
        check(file.getvalue().split(), [str(n).encode() for n in range(1, 51)])

    def copy_in(self):
        async def do():
            await self.c.copy_records_to_table(
                "inbox", schema_name="club", records=[(n, f"line {n}") for n in range(1000)])
        self.loop.run(do())
        check(self.rows("SELECT count(*), sum(n) FROM club.inbox"), [(1000, 499500)])

    def notify(self):
        async def do():
            got = asyncio.get_running_loop().create_future()
            await self.c.add_listener("club", lambda *said: got.set_result(said[3]))
            await self.c.execute("NOTIFY club, 'news'")
            return await asyncio.wait_for(got, 5)
        check(self.loop.run(do()), "news")


class SqlAlchemy(Client):
    package = "SQLAlchemy"
    not_offered = {"prepared": OF_THE_DRIVER, "binary": OF_THE_DRIVER, "copy_out": NO_COPY, "copy_in": NO_COPY,
                   "pipeline": "no interface", "notify": "no interface"}

    def __init__(self, url):
        import sqlalchemy
        self.sa = sqlalchemy
        self.engine = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        self.c = self.engine.connect()

    def close(self):
        self.c.close()
        self.engine.dispose()

    def marked(self, n):
        return f":p{n}"

    def execute(self, text, params):
        return self.c.execute(self.sa.text(text), {f"p{n}": v for n, v in enumerate(params, 1)})

    def rows(self, text, *params):
        return [tuple(row) for row in self.execute(text, params)]

    def run(self, text, *params):
        return self.execute(text, params).rowcount

    def fields(self, error):
        error = error.orig
        return error.sqlstate, error.diag.message_primary, error.diag.message_detail

    def commit(self):
        self.c.commit()

    def rollback(self):
        self.c.rollback()

    sleep = Pg8000.sleep

    def server_side_cursor(self):
        text = self.sa.text("SELECT id FROM club.types ORDER BY id")
        got = self.c.execute(text, execution_options={"yield_per": 7})
        check([n for n, in got], list(range(1, 51)))
        self.c.commit()


class Django(OfDbApi):
    package = "Django"
    not_offered = {**SqlAlchemy.not_offered}

    def __init__(self, url):
        import django
        from django.conf import settings
        from django.db import connections
        at = urllib.parse.urlsplit(url)
        if not settings.configured:
            settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql"}}, USE_TZ=True)
            django.setup()
        self.c = connections.create_connection("default")
        self.c.settings_dict = {
            **self.c.settings_dict, "NAME": at.path[1:], "USER": at.username, "HOST": at.hostname, "PORT": at.port,
            "PASSWORD": urllib.parse.unquote(at.password),
            "OPTIONS": {"sslmode": "verify-full", "sslrootcert": urllib.parse.parse_qs(at.query)["sslrootcert"][0]}}
        self.c.ensure_connection()

    def begin(self):
        self.c.set_autocommit(False)

    def commit(self):
        if not self.c.get_autocommit():
            self.c.commit()
            self.c.set_autocommit(True)

    def rollback(self):
        if not self.c.get_autocommit():
            self.c.rollback()
            self.c.set_autocommit(True)

    def sleep(self):
        """It cannot cancel, so the server's clock does."""
        self.run("SET statement_timeout = '300ms'")
        try:
            self.rows("SELECT pg_sleep(30)")
        finally:
            self.run("RESET statement_timeout")

    def fields(self, error):
        error = error.__cause__
        return error.sqlstate, error.diag.message_primary, error.diag.message_detail

    def server_side_cursor(self):
        self.begin()
        with self.c.chunked_cursor() as cursor:
            cursor.execute("SELECT id FROM club.types ORDER BY id")
            got = []
            while some := cursor.fetchmany(7):
                got += some
        self.commit()
        check([n for n, in got], list(range(1, 51)))


CLIENTS = {"psycopg": Psycopg3, "psycopg2": Psycopg2, "asyncpg": Asyncpg, "pg8000": Pg8000,
           "SQLAlchemy": SqlAlchemy, "Django": Django}
ITEMS = ("tls", "unprepared", "parameters", "prepared", "binary", "server_side_cursor", "copy_out", "copy_in",
         "pipeline", "notify", "cancel", "error_in_a_transaction", "held")


def main():
    kind = CLIENTS[CLIENT]
    say(client=CLIENT, version=importlib.metadata.version(kind.package))
    client = kind(URL)
    for item in ITEMS:
        why = kind.not_offered.get(item)
        if why:
            say(item=item, result="not offered", why=why)
            continue
        try:
            getattr(client, item)()
            client.commit()
            say(item=item, result="passed")
        except Exception as error:
            with contextlib.suppress(Exception):
                client.rollback()
            say(item=item, result="failed", why=f"{type(error).__name__}: {error}")
    client.close()


main()
