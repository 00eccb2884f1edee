"""Alembic, as its users have it: alembic_shop.py FOLDER COMMAND [ARG..]; the URL is in SHOP_URL.

`init` writes the environment and lets autogenerate make the migration.
"""

import json
import os
import pathlib
import sys

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

SPEC = pathlib.Path(__file__).parents[2] / "data" / "migrations" / "shop.json"
TYPES = {"text": sa.Text, "numeric": lambda: sa.Numeric(12, 2), "timestamp": lambda: sa.DateTime(timezone=True),
         "bool": sa.Boolean, "int": sa.Integer}

ENV = """
import os, sys
sys.path.insert(0, {here!r})
import sqlalchemy
from alembic import context
from alembic_shop import metadata

engine = sqlalchemy.create_engine(os.environ["SHOP_URL"], poolclass=sqlalchemy.pool.NullPool,
                                  **({{"isolation_level": "AUTOCOMMIT"}} if os.environ.get("AUTOCOMMIT") else {{}}))
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata(),
                      transactional_ddl=not os.environ.get("AUTOCOMMIT"))
    with context.begin_transaction():
        context.run_migrations()
"""


def metadata():
    made = sa.MetaData()
    for t in json.loads(SPEC.read_text()):
        columns = [sa.Column("id", sa.Integer, primary_key=True)]
        columns += [sa.Column(c["name"], TYPES[c["type"]]()) for c in t["columns"]]
        columns += [sa.Column(f"{r}_id", sa.ForeignKey(f"{r}.id"), nullable=False) for r in t["refs"]]
        sa.Table(t["name"], made, *columns)
    return made


def main(folder, what, *args):
    config = Config(f"{folder}.ini")
    config.set_main_option("script_location", folder)
    if what == "init":
        command.init(config, folder)
        (pathlib.Path(folder) / "env.py").write_text(ENV.format(here=str(pathlib.Path(__file__).parent)))
        command.revision(config, "shop", autogenerate=True)
        return
    if what in ("create_all", "drop_all"):
        engine = sa.create_engine(os.environ["SHOP_URL"], isolation_level="AUTOCOMMIT")
        getattr(metadata(), what)(engine)
        return
    getattr(command, what)(config, *args)


if __name__ == "__main__":
    main(*sys.argv[1:])
