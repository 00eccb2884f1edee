"""Migration tools of Node as they are, behind one gateway: up, and back with an operator at hand.

As in test_migrations.py: what they make passes, what they destroy is held with its tables and rows.
What is approved runs, so that each test sees its tool through to the end.
"""

import pytest

from conftest import ROOT
from migrations import prisma_shop, shop
from migrations.approver import Approver, not_allowed, rows_of
from migrations.place import a_place

NODE = ROOT / "tests" / "integration" / "node"
NONE_LEFT = {}
ALL_EMPTY = dict.fromkeys(shop.ROWS, 0)


class Shop:
    """Of one tool, which finds no tables. FOLDER is for the migrations that it writes."""

    def __init__(self, place, packages, folder):
        self.place, self.packages, self.folder = place, packages, folder
        with place.admin() as c:
            c.execute("DROP SCHEMA IF EXISTS drizzle, public CASCADE")
            c.execute("CREATE SCHEMA public AUTHORIZATION app_trust")

    def run(self, *args, **env):
        return self.place.run("node", *args, cwd=self.packages, env={
            "BS_URL": self.place.url(), "BS_OUT": str(self.folder), "SHOP_OUT": str(self.folder), **env})

    def node(self, *args, **env):
        status, said = self.run(*args, **env)
        assert status == 0, said

    def up(self, *args, **env):
        """A migration that nobody is asked for."""
        known = len(self.place.judged())
        self.node(*args, **env)
        assert self.place.operator.tickets() == []
        assert not_allowed(self.place.judged()[known:]) == []

    def back(self, *args, **env):
        """A reset to which an operator says yes; the tickets. There is one for whatever did not pass."""
        known = len(self.place.judged())
        with Approver(self.place) as seen:
            self.node(*args, **env)
        assert [t["sql"] for t in seen] == not_allowed(self.place.judged()[known:])
        return seen

    def back_again(self, *args):
        """A reset in a transaction, where nobody waits: it fails, is approved, and runs as it is; the tickets."""
        status, said = self.run(*args)
        assert status != 0 and "approval required" in said, said
        seen = self.place.approve()
        self.node(*args)
        assert self.place.operator.tickets() == []
        return seen


@pytest.fixture(scope="module")
def place(pg):
    with a_place(pg, "shop_node", wait="30s") as p:
        yield p


@pytest.fixture
def at(place, packages, tmp_path):
    return Shop(place, packages, tmp_path)


def each_table_by_itself(tickets):
    """Kept whole before it is dropped, its rows counted."""
    assert rows_of(tickets) == shop.ROWS and len(tickets) == len(shop.ROWS)
    for t in tickets:
        assert [e["kind"] for e in t["effects"] if e["reach"] == "target"] == ["DROP TABLE"], t["sql"]
        assert t["plan"]["kind"] == "whole" and t["risk"] == "CRITICAL"


def test_knex(at):
    at.up(NODE / "knex_shop.js", "latest")
    at.place.fill()
    each_table_by_itself(at.back(NODE / "knex_shop.js", "rollback"))
    assert at.place.counts() == NONE_LEFT


def drizzle_kit(*args):
    return ("node_modules/drizzle-kit/bin.cjs", *args, f"--config={NODE / 'drizzle.config.js'}")


def test_drizzle(at):
    """Its migrator; the reset of drizzle-seed, which truncates; and a push of a schema without tables."""
    schema = {"BS_SCHEMA": str(NODE / "drizzle_shop.js"), "BS_SCHEMAS": "public"}
    at.node(*drizzle_kit("generate"), **schema)
    at.up(NODE / "drizzle_shop.js", "migrate", at.folder)
    at.place.fill()
    (ticket,) = at.back(NODE / "drizzle_shop.js", "reset")
    assert {e["kind"] for e in ticket["effects"]} == {"TRUNCATE"}
    assert rows_of([ticket]) == shop.ROWS and ticket["plan"]["kind"] == "whole"
    assert at.place.counts() == ALL_EMPTY
    at.place.fill()
    each_table_by_itself(at.back(*drizzle_kit("push", "--force"), SHOP_EMPTY="1", **schema))
    assert at.place.counts() == NONE_LEFT


def typeorm(*args):
    return ("node_modules/typeorm/cli.js", *args, "-d", NODE / "typeorm_shop.js")


def constraints_of(tickets):
    """The tables that lose one, as often as they do; what is done to them is nothing else."""
    for t in tickets:
        (effect,) = t["effects"]
        assert effect["kind"] == "ALTER TABLE DROP CONSTRAINT" and t["risk"] == "CRITICAL", t["sql"]
        assert t["plan"]["kind"] == "record" and t["plan"]["definition"]
    return sorted(t["effects"][0]["object"] for t in tickets)


def test_typeorm(at):
    """What it generates itself; reverted without a transaction, and its schema:drop."""
    at.up(*typeorm("migration:generate", "--outputJs", at.folder / "Shop"))
    at.up(*typeorm("migration:run"))
    at.place.fill()
    seen = at.back(*typeorm("migration:revert", "-t", "none"))
    tables = len(shop.ROWS)
    assert constraints_of(seen[:-tables]) == sorted(f"public.{t['name']}" for t in shop.TABLES for _ in t["refs"])
    each_table_by_itself(seen[-tables:])
    assert at.place.counts() == NONE_LEFT

    at.up(*typeorm("migration:run"))
    at.place.fill()
    (ticket,) = at.back_again(*typeorm("schema:drop"))
    assert rows_of([ticket]) == {**shop.ROWS, "migrations": 1} and ticket["plan"]["kind"] == "whole"
    assert at.place.counts() == NONE_LEFT


def prisma(*args):
    return ("node_modules/prisma/build/index.js", *args, "--config", NODE / "prisma.config.js")


def test_prisma(at):
    """Its reset drops the schema, and makes everything again."""
    first = prisma_shop.write(at.folder)
    at.node(*prisma("migrate", "diff", "--from-empty", "--to-schema-datamodel", at.folder / "schema.prisma",
                    "--script", "-o", first))
    at.up(*prisma("migrate", "deploy"))
    at.place.fill()
    (ticket,) = at.back(*prisma("migrate", "reset", "--force", "--skip-seed", "--skip-generate"))
    assert ticket["sql"] == 'DROP SCHEMA "public" CASCADE' and ticket["risk"] == "CRITICAL"
    assert rows_of([ticket]) == {**shop.ROWS, "_prisma_migrations": 1}
    assert ticket["plan"]["kind"] == "whole"
    assert at.place.counts() == ALL_EMPTY
