"""What Alembic compares: everything of the database with an empty and with the reflected metadata.

alembic_reads.py URL [reads]: to compare defaults it evaluates them, nextval() too; not with `reads`.
"""

import sys

import sqlalchemy
from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.migration import MigrationContext

engine = sqlalchemy.create_engine(sys.argv[1])
with engine.connect() as c:
    options = {"compare_type": True, "compare_server_default": "reads" not in sys.argv, "include_schemas": True,
               "version_table_schema": "rich"}
    context = MigrationContext.configure(c, opts=options)
    context.get_current_revision()
    context.get_current_heads()
    for metadata in (sqlalchemy.MetaData(), sqlalchemy.MetaData()):
        compare_metadata(context, metadata)
        render_python_code(produce_migrations(context, metadata).upgrade_ops)
        metadata.reflect(c, schema="rich")
    reflected = sqlalchemy.MetaData()
    reflected.reflect(c, schema="rich")
    compare_metadata(context, reflected)
engine.dispose()
