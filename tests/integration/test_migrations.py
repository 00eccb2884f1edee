"""Migration tools as they are, before twenty tables with data, under the staging policy.

What they make passes; what they destroy is held, with the tables and their row counts on the
ticket. Those of Python; test_migrations_node.py has the others.
"""

import json

import pytest

from migrations import shop
from migrations.approver import Approver, not_allowed, rows_of
from migrations.place import a_place


def held_by_nobody(place):
    assert place.operator.tickets() == []
    assert not_allowed(place.judged()) == []


@pytest.fixture
def alembic(pg, tmp_path, request):
    with a_place(pg, "shop_alembic", wait=getattr(request, "param", "0s")) as p:
        def run(*args, **env):
            return p.python("alembic_shop.py", tmp_path / "migrations", *args,
                            env={"SHOP_URL": p.url("postgresql+psycopg"), **env})

        for args in (["init"], ["upgrade", "head"]):
            status, said = run(*args)
            assert status == 0, said
        held_by_nobody(p)
        p.fill()
        p.alembic = run
        yield p


def test_alembic_goes_back_in_one_transaction(alembic):
    """Every round holds the next table; nothing of it is lost. What was approved stays approved."""
    for table in ("first", "second"):
        status, said = alembic.alembic("downgrade", "base")
        assert status != 0 and "approval required" in said, said
        (ticket,) = alembic.approve()
        (effect,) = ticket["effects"]
        name = effect["object"].removeprefix("public.")
        assert (effect["kind"], effect["rows"]) == ("DROP TABLE", shop.ROWS[name]), table
        assert ticket["plan"]["kind"] == "whole"
        assert alembic.counts() == shop.ROWS


@pytest.mark.parametrize("alembic", ["30s"], indirect=True)
def test_drop_all_with_an_operator_at_hand(alembic):
    """SQLAlchemy's, each table by itself: approved as it comes, kept, dropped."""
    with Approver(alembic) as seen:
        status, said = alembic.alembic("drop_all")
    assert status == 0, said
    assert rows_of(seen) == shop.ROWS and len(seen) == len(shop.ROWS)
    assert all(t["plan"]["kind"] == "whole" for t in seen)
    assert alembic.counts() == {}


@pytest.fixture
def django(pg, tmp_path):
    with a_place(pg, "shop_django") as p:
        def run(*args, **env):
            # Else the tables of one TRUNCATE come in another order each time: another statement.
            return p.python("django_shop.py", tmp_path, *args, env={"PYTHONHASHSEED": "0", **env})

        for args in (["makemigrations", "shop"], ["migrate"], ["migrate", "--plan"], ["showmigrations"]):
            status, said = run(*args)
            assert status == 0, said
        held_by_nobody(p)
        p.fill()
        p.django = run
        yield p


def test_django_flush(django):
    status, said = django.django("flush", "--no-input")
    assert status != 0 and "couldn't be flushed" in said, said
    (ticket,) = django.approve()
    assert rows_of([ticket]) == shop.ROWS
    assert django.counts() == shop.ROWS
    status, said = django.django("flush", "--no-input")
    assert status == 0, said
    assert sum(django.counts().values()) == 0
    assert django.operator.tickets() == []
    (point,) = [p["point"] for p in json.loads(django.gateway.cli("points", "list", "--json").stdout)["points"]
                if p["ticket"] == ticket["id"]]
    for verb in ("run", "copy-back"):
        done = django.gateway.cli("restore", verb, point, "--yes", check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert django.counts() == shop.ROWS


def test_django_migrate_zero(django):
    status, said = django.django("migrate", "shop", "zero")
    assert status != 0 and "approval required" in said, said
    (ticket,) = django.tickets()
    assert {e["kind"] for e in ticket["effects"]} <= {"ALTER TABLE DROP CONSTRAINT", "ALTER TABLE DROP COLUMN"}
    assert django.counts() == shop.ROWS


def test_django_adds_fields_with_a_default(django):
    """Django takes the default away again in the same transaction: it was of its own making."""
    for args in (["makemigrations", "shop"], ["migrate"]):
        status, said = django.django(*args, SHOP_RANKED="1")
        assert status == 0, said
    held_by_nobody(django)
    assert django.counts() == shop.ROWS
