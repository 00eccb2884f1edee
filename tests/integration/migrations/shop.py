"""Twenty tables of a shop, for migration tools: each builds them in its own words from shop.json.

A column `x_id` refers to the table x. Data comes past the gateway, so that row counts are known.
"""

import json

from conftest import ROOT

SPEC = ROOT / "tests" / "data" / "migrations" / "shop.json"
TABLES = json.loads(SPEC.read_text())
ROWS = {t["name"]: t["rows"] for t in TABLES}

VALUES = {"text": "'v' || n", "numeric": "n * 1.5", "timestamp": "timestamptz '2025-01-01' + n * interval '1 hour'",
          "bool": "n % 2 = 0", "int": "n % 10"}


def fill(c, schema="public"):
    """By a superuser's connection. Ids are 1 to the number of rows."""
    for t in TABLES:
        values = {"id": "n"} | {c["name"]: VALUES[c["type"]] for c in t["columns"]}
        values |= {f"{r}_id": f"1 + n % {ROWS[r]}" for r in t["refs"]}
        names = ", ".join(f'"{name}"' for name in values)
        c.execute(f'INSERT INTO {schema}."{t["name"]}" ({names}) SELECT {", ".join(values.values())}'
                  f' FROM generate_series(1, {t["rows"]}) n')
    c.execute("ANALYZE")


def counts(c, schema="public"):
    """{table: rows} of those that are there."""
    there = [r[0] for r in c.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname = ANY(%s)"
                                     " AND relnamespace = %s::regnamespace", (list(ROWS), schema))]
    return {t: c.execute(f'SELECT count(*) FROM {schema}."{t}"').fetchone()[0] for t in there}
