"""What the drivers ask by themselves about types, and how pools clean a connection: URL."""

import asyncio
import sys

import asyncpg
import psycopg
import psycopg2
import psycopg2.extras
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.enum import EnumInfo, register_enum
from psycopg.types.hstore import register_hstore
from psycopg.types.multirange import MultirangeInfo
from psycopg.types.range import RangeInfo

URL = sys.argv[1]

with psycopg.connect(URL) as c:
    register_hstore(psycopg.types.TypeInfo.fetch(c, "hstore"), c)
    register_composite(CompositeInfo.fetch(c, "rich.address"), c)
    register_enum(EnumInfo.fetch(c, "rich.mood"), c)
    RangeInfo.fetch(c, "rich.span")
    MultirangeInfo.fetch(c, "rich.spans")
    psycopg.types.TypeInfo.fetch(c, psycopg.sql.Identifier("rich", "positive"))
    c.execute("SELECT * FROM rich.orders WHERE id = %s", (1,)).fetchall()
    with c.cursor("named") as cursor:
        cursor.execute("SELECT * FROM rich.orders")
        cursor.fetchmany(3)
    for sql in ("SELECT %s::rich.mood", "SELECT %s::text::rich.positive"):
        c.execute(sql, ("ok" if "mood" in sql else "3",))
    c.rollback()

with psycopg2.connect(URL) as c:
    psycopg2.extras.register_hstore(c)
    psycopg2.extras.register_composite("rich.address", c)
    psycopg2.extras.register_uuid(conn_or_curs=c)
    psycopg2.extras.register_range("rich.span", "Span", c)
    psycopg2.extras.register_ipaddress(c)
    c.reset()
    c.set_session(isolation_level="SERIALIZABLE", readonly=True, deferrable=True)
    with c.cursor() as cursor:
        cursor.execute("SELECT 1")
    c.rollback()
    c.set_session(autocommit=True)
    c.set_client_encoding("UTF8")
c.close()


async def asyncs():
    pool = await asyncpg.create_pool(URL, min_size=1, max_size=2)
    async with pool.acquire() as c:
        for sql in ("SELECT home, mood, tags, score, mail, r, m, x, price, path, extra FROM rich.typed, rich.customers LIMIT 2",
                    "SELECT ROW('a', 'b', point(1, 2))::rich.address", "SELECT 'ok'::rich.mood",
                    "SELECT array['ok']::rich.mood[]", "SELECT 1::rich.positive",
                    "SELECT rich.spans(rich.span(1, 2))", "SELECT '[1,2]'::rich.span"):
            try:
                await c.fetch(sql)
            except asyncpg.PostgresError as e:
                print(sql, e, file=sys.stderr)
        await c.set_type_codec("json", encoder=str, decoder=str, schema="pg_catalog")
        await c.set_builtin_type_codec("hstore", schema="public", codec_name="pg_contrib.hstore")
        await c.reload_schema_state()
        statement = await c.prepare("SELECT * FROM rich.orders WHERE id = $1")
        await statement.fetch(1)
        await statement.explain(1)
        async with c.transaction(isolation="repeatable_read", readonly=True):
            async for _ in c.cursor("SELECT * FROM rich.orders"):
                pass
        await c.copy_from_query("SELECT 1", output=lambda data: asyncio.sleep(0))
        await c.copy_from_table("orders", schema_name="rich", output=lambda data: asyncio.sleep(0))
        await c.add_listener("news", print)
        await c.remove_listener("news", print)
        await c.reset()
    await pool.close()


asyncio.run(asyncs())
