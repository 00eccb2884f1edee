"""SQLAlchemy over its drivers: Core, Session, and asyncio."""

import asyncio

import pytest
import sqlalchemy
import sqlalchemy.exc
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import backstop

DELETE = text("DELETE FROM py.orders WHERE id < :n")


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customers"
    __table_args__ = {"schema": "py"}  # noqa: RUF012
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@pytest.fixture(params=["psycopg", "psycopg2"])
def engine(site, request):
    made = sqlalchemy.create_engine(site.url().replace("postgresql", f"postgresql+{request.param}", 1))
    assert backstop.guard(made) is made and backstop.guard(made) is made
    yield made
    made.dispose()


@pytest.fixture(params=["psycopg", "asyncpg"])
def asynchronous(site, request):
    """Runs a coroutine function of an asynchronous engine."""
    def run(work):
        async def main():
            made = backstop.guard(create_async_engine(site.url().replace("postgresql", f"postgresql+{request.param}", 1)))
            try:
                return await work(made)
            finally:
                await made.dispose()
        return asyncio.run(main())
    return run


def check(held, site):
    pending, = site.operator.tickets()
    assert (held.ticket, held.state, held.retry) == (pending["id"], "pending", "same-statement")
    assert isinstance(held, sqlalchemy.exc.DBAPIError) and isinstance(held, backstop.Held)
    assert backstop.decode(held.orig).ticket == held.ticket
    assert site.count("orders") == 100


def test_core(site, engine):
    with engine.connect() as c, pytest.raises(backstop.Held) as caught:
        c.execute(DELETE, {"n": 50})
    check(caught.value, site)
    with engine.connect() as c:
        assert c.execute(text("SELECT count(*) FROM py.orders")).scalar_one() == 100


def test_session(site, engine):
    with pytest.raises(sqlalchemy.exc.DatabaseError) as caught, Session(engine) as session, session.begin():
        session.delete(session.get(Customer, 1))
    held = caught.value
    assert isinstance(held, backstop.Held) and held.retry == "same-transaction", "it has read the row before"
    assert site.count("customers") == 20


def test_asyncio(site, asynchronous):
    async def core(engine):
        async with engine.connect() as c:
            with pytest.raises(backstop.Held) as caught:
                await c.execute(DELETE, {"n": 50})
        return caught.value

    check(asynchronous(core), site)

    async def session(engine):
        async with AsyncSession(engine) as s:
            with pytest.raises(backstop.Held) as caught:
                await s.execute(DELETE, {"n": 50})
        return caught.value

    check(asynchronous(session), site)


@pytest.mark.parametrize("wrong", ["SELECT 1/0", "SELECT * FROM py.nothing"])
def test_errors_of_postgresql_stay_what_they_are(engine, wrong):
    with engine.connect() as c, pytest.raises(sqlalchemy.exc.DBAPIError) as caught:
        c.execute(text(wrong))
    assert not isinstance(caught.value, backstop.BackstopError)


def test_blocked_is_typed(site, engine):
    with engine.connect() as c, pytest.raises(sqlalchemy.exc.DBAPIError) as caught:
        c.execute(text("DELETE FROM py.secret"))
    assert isinstance(caught.value, backstop.Blocked)
    assert site.count("secret") == 1


@pytest.mark.parametrize("how", ["parameters", "none", "driver", "no_parameters"])
def test_inside_a_run_statements_say_it(site, engine, how):
    with backstop.run(purpose="100% tidy", run_id="r-1"), engine.connect() as c, pytest.raises(backstop.Held):
        if how == "parameters":
            c.execute(DELETE, {"n": 3})
        elif how == "none":
            c.execute(text("DELETE FROM py.orders WHERE status LIKE 'o%'"))
        elif how == "driver":
            c.exec_driver_sql("DELETE FROM py.orders WHERE status LIKE 'o%%'")
        else:
            c.execution_options(no_parameters=True).exec_driver_sql("DELETE FROM py.orders WHERE status LIKE 'o%'")
    ticket, = site.operator.tickets()
    assert ticket["claims"] == {"run": "r-1", "purpose": "100% tidy"}
    assert site.count("orders") == 100


def test_inside_a_run_statements_say_it_asynchronously(site, asynchronous):
    async def work(engine):
        with backstop.run(purpose="100% tidy", run_id="r-2"):
            async with engine.connect() as c:
                with pytest.raises(backstop.Held):
                    await c.execute(DELETE, {"n": 3})

    asynchronous(work)
    ticket, = site.operator.tickets()
    assert ticket["claims"] == {"run": "r-2", "purpose": "100% tidy"}


# --- sending again ---------------------------------------------------------------------------------


def test_a_session_is_run_again_as_a_whole(site, engine):
    deciding = site.decide_next(n=2)

    @backstop.retry_on_approval(timeout=60)
    def work():
        with Session(engine) as session, session.begin():
            session.add(Customer(id=99, name="new"))
            session.flush()
            session.delete(session.get(Customer, 1))
            session.execute(DELETE, {"n": 50})

    work()
    assert len(deciding.done()) == 2
    assert site.count("orders") == 51 and site.count("customers") == 20


def test_denied_is_not_run_again(site, engine):
    deciding = site.decide_next("deny")

    @backstop.retry_on_approval(timeout=60)
    def work():
        with engine.begin() as c:
            c.execute(DELETE, {"n": 50})

    with pytest.raises(backstop.Denied) as caught:
        work()
    deciding.done()
    assert isinstance(caught.value, sqlalchemy.exc.DBAPIError)
    assert site.count("orders") == 100 and site.operator.tickets() == []


def test_a_transaction_that_is_open_is_not_repeated(site, engine):
    @backstop.retry_on_approval(timeout=60)
    def part(session):
        session.execute(DELETE, {"n": 50})

    with Session(engine) as session, pytest.raises(backstop.Held) as caught:
        session.add(Customer(id=99, name="new"))
        session.flush()
        part(session)
    assert caught.value.state == "pending"
    assert site.count("customers") == 20


def test_asynchronously(site, asynchronous):
    deciding = site.decide_next()

    async def work(engine):
        @backstop.retry_on_approval(timeout=60)
        async def transaction():
            async with AsyncSession(engine) as session, session.begin():
                await session.execute(DELETE, {"n": 50})

        await transaction()

    asynchronous(work)
    deciding.done()
    assert site.count("orders") == 51


def test_a_lost_answer_is_uncertain(site, engine):
    deciding = site.decide_next()
    calls = []

    @backstop.retry_on_approval(timeout=60)
    def work():
        calls.append(1)
        with engine.begin() as c:
            if len(calls) == 2:
                site.lose_connections()
                c.execute(text("SELECT 1"))
            c.execute(DELETE, {"n": 50})

    with pytest.raises(backstop.Uncertain) as caught:
        work()
    deciding.done()
    assert isinstance(caught.value, sqlalchemy.exc.DBAPIError) and calls == [1, 1]
    assert site.count("orders") == 100
