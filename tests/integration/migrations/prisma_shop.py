"""The twenty tables as a schema of Prisma's."""

import pathlib

from migrations import shop

TYPES = {"text": "String?", "numeric": "Decimal? @db.Decimal(12, 2)", "timestamp": "DateTime? @db.Timestamptz",
         "bool": "Boolean?", "int": "Int?"}
HEAD = """generator client {
  provider = "prisma-client"
  output = "./out"
  engineType = "client"
}
datasource db {
  provider = "postgresql"
  url = env("SHOP_URL")
}
"""


def model(table):
    lines = ["  id Int @id @default(autoincrement())"]
    lines += [f"  {c['name']} {TYPES[c['type']]}" for c in table["columns"]]
    for r in table["refs"]:
        lines += [f"  {r}_id Int", f"  {r} {r} @relation(fields: [{r}_id], references: [id])"]
    lines += [f"  of_{t['name']} {t['name']}[]" for t in shop.TABLES if table["name"] in t["refs"]]
    return f"model {table['name']} {{\n" + "\n".join(lines) + "\n}\n"


def write(folder):
    """The schema, and a folder for its first migration; where that goes."""
    first = pathlib.Path(folder) / "migrations" / "0_shop"
    first.mkdir(parents=True)
    (first.parent / "migration_lock.toml").write_text('provider = "postgresql"\n')
    (pathlib.Path(folder) / "schema.prisma").write_text(HEAD + "".join(map(model, shop.TABLES)))
    return first / "migration.sql"
