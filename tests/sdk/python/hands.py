"""The drivers, all driven in one way: each call from outside of any event loop."""

import asyncio

import asyncpg
import psycopg
import psycopg2

import backstop


class Hand:
    """A guarded connection of a driver."""

    error = None  # the driver's base class
    asynchronous = False

    def __init__(self, site, how="connect", agent=None, **more):
        self.url = site.url(agent)
        self.c = self.opened(how, more)

    def opened(self, how, more):
        if how == "connect":
            return backstop.connect(self.url, driver=self.name, **more)
        mine = self.plain()
        assert backstop.guard(mine) is mine
        assert backstop.guard(mine) is mine
        return mine

    def run(self, call, *args):
        """The result of a function of the connection, in a transaction of the driver's own if it begins one."""
        return call(self.c, *args)

    def close(self):
        self.c.close()


class Psycopg(Hand):
    name, error = "psycopg", psycopg.Error

    def plain(self):
        return psycopg.connect(self.url)

    def execute(self, sql, *args):
        return self.c.execute(sql, args or None)

    def value(self, sql):
        return self.c.execute(sql).fetchone()[0]

    def commit(self):
        self.c.commit()

    def rollback(self):
        self.c.rollback()

    def wait(self, ticket, timeout=None):
        return backstop.wait(self.c, ticket, timeout)

    def retry(self, work, **how):
        return backstop.retry_on_approval(**how)(work)(self.c)

    def loop(self, sql, **how):
        for attempt in backstop.retry_on_approval(connection=self.c, **how):
            with attempt:
                self.c.cursor().execute(sql)
        self.c.commit()

    def transaction(self, *texts):
        """A function that is a whole transaction."""
        def work(c):
            with c.transaction():
                for text in texts:
                    c.execute(text)
        return work

    def bare(self, sql):
        """A function that leaves its transaction to the caller."""
        return lambda c: c.cursor().execute(sql)


class Psycopg2(Psycopg):
    name, error = "psycopg2", psycopg2.Error

    def plain(self):
        return psycopg2.connect(self.url)

    def execute(self, sql, *args):
        cursor = self.c.cursor()
        cursor.execute(sql, args or None)
        return cursor

    def value(self, sql):
        return self.execute(sql).fetchone()[0]

    def transaction(self, *texts):
        def work(c):
            with c, c.cursor() as cursor:
                for text in texts:
                    cursor.execute(text)
        return work


class Asynchronous(Hand):
    asynchronous = True

    def opened(self, how, more):
        self.loop_ = asyncio.new_event_loop()
        return self.here(self.aopened(how, more))

    def here(self, coroutine):
        return self.loop_.run_until_complete(coroutine)

    async def aopened(self, how, more):
        if how == "connect":
            return await backstop.connect_async(self.url, driver=self.name, **more)
        return backstop.guard(await self.plain())

    def execute(self, sql, *args):
        return self.here(self.c.execute(sql, *self.packed(args)))

    def wait(self, ticket, timeout=None):
        return self.here(backstop.await_ticket(self.c, ticket, timeout))

    def retry(self, work, **how):
        return self.here(backstop.retry_on_approval(**how)(work)(self.c))

    def loop(self, sql, **how):
        async def looping():
            async for attempt in backstop.retry_on_approval(connection=self.c, **how):
                with attempt:
                    await self.c.execute(sql)
        self.here(looping())
        self.commit()

    def transaction(self, *texts):
        async def work(c):
            async with c.transaction():
                for text in texts:
                    await c.execute(text)
        return work

    def bare(self, sql):
        async def work(c):
            await c.execute(sql)
        return work

    def close(self):
        self.here(self.c.close())
        self.loop_.close()


class PsycopgAsync(Asynchronous):
    name, error = "psycopg", psycopg.Error

    def plain(self):
        return psycopg.AsyncConnection.connect(self.url)

    def packed(self, args):
        return (args or None,)

    def value(self, sql):
        async def ask():
            return (await (await self.c.execute(sql)).fetchone())[0]
        return self.here(ask())

    def commit(self):
        self.here(self.c.commit())

    def rollback(self):
        self.here(self.c.rollback())


class Asyncpg(Asynchronous):
    name, error = "asyncpg", asyncpg.PostgresError

    def plain(self):
        return asyncpg.connect(self.url)

    def packed(self, args):
        return args

    def value(self, sql):
        return self.here(self.c.fetchval(sql))

    def commit(self):
        pass

    rollback = commit


HANDS = {"psycopg": Psycopg, "psycopg-async": PsycopgAsync, "psycopg2": Psycopg2, "asyncpg": Asyncpg}
