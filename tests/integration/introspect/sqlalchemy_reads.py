"""SQLAlchemy's reflection and its inspector, by one driver: URL."""

import asyncio
import sys

import sqlalchemy
from sqlalchemy.engine.reflection import Inspector, ObjectKind, ObjectScope
from sqlalchemy.ext.asyncio import create_async_engine

# Each takes (schema=) and reads all tables at once; the rest take a table.
MULTI = ["get_multi_columns", "get_multi_pk_constraint", "get_multi_foreign_keys", "get_multi_indexes",
         "get_multi_unique_constraints", "get_multi_check_constraints", "get_multi_table_comment",
         "get_multi_table_options"]
SINGLE = [m.replace("_multi", "") for m in MULTI]
OF_SCHEMA = ["get_table_names", "get_view_names", "get_materialized_view_names",
             "get_temp_table_names", "get_temp_view_names", "get_sequence_names",
             "get_foreign_table_names", "get_enums", "get_domains",
             "get_sorted_table_and_fkc_names"]


def reads(connection):
    inspector = sqlalchemy.inspect(connection)
    inspector.get_schema_names()
    for schema in (None, "rich", "*"):
        for name in OF_SCHEMA:
            method = getattr(inspector, name, None)
            if method is None or (schema is None and "temp" in name) or (
                    schema == "*" and name not in ("get_enums", "get_domains")):
                continue
            method() if "temp" in name else method(schema=schema)
    for name in MULTI:
        for kind in ObjectKind:
            for scope in ObjectScope:
                getattr(inspector, name)(schema="rich", kind=kind, scope=scope)
        getattr(inspector, name)(schema="rich", filter_names=["orders", "customers"])
    for table in ("customers", "orders", "happy", "moods", "events", 'Odd Name'):
        for name in SINGLE:
            if name != "get_table_options" or table != "happy":
                getattr(inspector, name)(table, schema="rich")
        inspector.has_table(table, schema="rich")
        inspector.get_table_oid(table, schema="rich")
        inspector.has_index(table, "x", schema="rich")
    inspector.has_table("nothing")
    inspector.has_sequence("numbers", schema="rich")
    inspector.has_schema("rich")
    inspector.has_type("mood", schema="rich") if hasattr(inspector, "has_type") else None
    for view in ("happy", "totals", "moods"):
        inspector.get_view_definition(view, schema="rich")
    metadata = sqlalchemy.MetaData()
    metadata.reflect(connection, schema="rich", views=True)
    sqlalchemy.MetaData().reflect(connection)
    sqlalchemy.Table("orders", sqlalchemy.MetaData(), schema="rich", autoload_with=connection)
    # create_all looks before it makes; here everything is there.
    metadata.create_all(connection, tables=[metadata.tables["rich.orders"], metadata.tables["rich.pair"]])
    for name in ("rich.pair", "rich.events", "rich.happy"):
        connection.execute(sqlalchemy.select(metadata.tables[name]).limit(3)).all()
    connection.execute(sqlalchemy.select(sqlalchemy.func.count()).select_from(metadata.tables["rich.orders"]))
    connection.rollback()


async def asynchronous(url):
    engine = create_async_engine(url)
    async with engine.connect() as c:
        await c.run_sync(reads)
    await engine.dispose()


if "asyncpg" in sys.argv[1]:
    asyncio.run(asynchronous(sys.argv[1]))
else:
    engine = sqlalchemy.create_engine(sys.argv[1], isolation_level=(sys.argv[2:] or [None])[0]) if sys.argv[2:] else sqlalchemy.create_engine(sys.argv[1])
    with engine.connect() as c:
        reads(c)
    engine.dispose()
