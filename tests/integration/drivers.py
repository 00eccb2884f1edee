"""The Python drivers and mappers that agents use, each in its default transaction mode.

All do the same small work in their own words, inside one transaction that they begin and end as
they always do: read, rename, clear, note, and nested blocks with savepoints.
"""

import asyncio
import contextlib
import json
import urllib.parse

import asyncpg
import psycopg
import psycopg2
import sqlalchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

SCHEMA = """
DROP SCHEMA IF EXISTS work CASCADE;
CREATE SCHEMA work AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE work.people (id int PRIMARY KEY, g int NOT NULL, name text NOT NULL UNIQUE);
CREATE TABLE work.notes (id serial PRIMARY KEY, what text NOT NULL);
INSERT INTO work.people SELECT n, n % 5, 'p' || n FROM generate_series(1, 50) n;
RESET ROLE;
"""

READ = "SELECT name FROM work.people WHERE id = {}"
RENAME = "UPDATE work.people SET name = {} WHERE id = {}"
CLEAR = "DELETE FROM work.people WHERE g = {}"
NOTE = "INSERT INTO work.notes (what) VALUES ({})"


class Refused(Exception):
    """What the gateway or the server said, whatever the driver calls it."""

    def __init__(self, sqlstate, detail):
        super().__init__(sqlstate, detail)
        self.sqlstate = sqlstate
        self.ticket = json.loads(detail).get("ticket") if detail and detail[0] == "{" else None


class Driver:
    name = None

    def __init__(self, gateway, actor):
        self.where = {"host": "127.0.0.1", "port": gateway.port, "user": actor,
                      "password": gateway.passwords[actor], "dbname": "app"}
        self.connect()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def url(self, scheme):
        w = self.where
        return (f"{scheme}://{w['user']}:{urllib.parse.quote(w['password'], safe='')}"
                f"@{w['host']}:{w['port']}/{w['dbname']}")

    def run(self, work):
        """Does the work in one transaction; Refused where something was."""
        try:
            with self.transaction():
                return work(self)
        except Refused:
            raise
        except Exception as error:
            found = self.reason(error)
            if found is None:
                raise
            raise Refused(*found) from error

    def reason(self, error):
        """(SQLSTATE, DETAIL) where a server has said so."""
        if isinstance(error, psycopg.Error):
            return error.sqlstate, error.diag.message_detail
        return None


class Psycopg3(Driver):
    name = "psycopg 3"

    def connect(self):
        self.c = psycopg.connect(**self.where)

    def close(self):
        self.c.close()

    @contextlib.contextmanager
    def transaction(self):
        """As it comes: the first statement begins it, commit() ends it."""
        try:
            yield
            self.c.commit()
        except BaseException:
            self.c.rollback()
            raise

    def nested(self):
        return self.c.transaction()

    def read(self, key):
        row = self.c.execute(READ.format("%s"), (key,)).fetchone()
        return row and row[0]

    def rename(self, key, name):
        return self.c.execute(RENAME.format("%s", "%s"), (name, key)).rowcount

    def clear(self, group):
        return self.c.execute(CLEAR.format("%s"), (group,)).rowcount

    def note(self, what):
        return self.c.execute(NOTE.format("%s"), (what,)).rowcount


class Psycopg2(Driver):
    name = "psycopg2"

    def connect(self):
        self.c = psycopg2.connect(**self.where)

    def close(self):
        self.c.close()

    def transaction(self):
        return self.c

    def reason(self, error):
        if isinstance(error, psycopg2.Error):
            return error.pgcode, error.diag.message_detail
        return None

    @contextlib.contextmanager
    def nested(self):
        self.ask("SAVEPOINT inner_block")
        try:
            yield
            self.ask("RELEASE SAVEPOINT inner_block")
        except BaseException:
            self.ask("ROLLBACK TO SAVEPOINT inner_block")
            raise

    def ask(self, sql, *params):
        cursor = self.c.cursor()
        cursor.execute(sql, params)
        return cursor

    def read(self, key):
        row = self.ask(READ.format("%s"), key).fetchone()
        return row and row[0]

    def rename(self, key, name):
        return self.ask(RENAME.format("%s", "%s"), name, key).rowcount

    def clear(self, group):
        return self.ask(CLEAR.format("%s"), group).rowcount

    def note(self, what):
        return self.ask(NOTE.format("%s"), what).rowcount


class Asyncpg(Driver):
    name = "asyncpg"

    def connect(self):
        w = self.where
        self.runner = asyncio.Runner()
        self.c = self.runner.run(asyncpg.connect(
            host=w["host"], port=w["port"], user=w["user"], password=w["password"],
            database=w["dbname"], ssl=False))

    def close(self):
        with contextlib.suppress(Exception):
            self.runner.run(asyncio.wait_for(self.c.close(), 10))
        self.runner.close()

    @contextlib.contextmanager
    def transaction(self):
        block = self.c.transaction()
        self.runner.run(block.start())
        try:
            yield
        except BaseException:
            self.runner.run(block.rollback())
            raise
        self.runner.run(block.commit())

    nested = transaction

    def reason(self, error):
        if isinstance(error, asyncpg.PostgresError):
            return error.sqlstate, error.detail
        return None

    def ask(self, sql, *params):
        return int(self.runner.run(self.c.execute(sql, *params)).split()[-1])

    def read(self, key):
        return self.runner.run(self.c.fetchval(READ.format("$1"), key))

    def rename(self, key, name):
        return self.ask(RENAME.format("$1", "$2"), name, key)

    def clear(self, group):
        return self.ask(CLEAR.format("$1"), group)

    def note(self, what):
        return self.ask(NOTE.format("$1"), what)


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "people"
    __table_args__ = {"schema": "work"}
    id: Mapped[int] = mapped_column(primary_key=True)
    g: Mapped[int]
    name: Mapped[str]


class Note(Base):
    __tablename__ = "notes"
    __table_args__ = {"schema": "work"}
    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str]


class SqlAlchemy(Driver):
    def connect(self):
        self.engine = sqlalchemy.create_engine(self.url("postgresql+psycopg"))

    def close(self):
        self.engine.dispose()

    def reason(self, error):
        if isinstance(error, sqlalchemy.exc.DBAPIError):
            error = error.orig
        return super().reason(error)


class Core(SqlAlchemy):
    name = "SQLAlchemy Core"

    @contextlib.contextmanager
    def transaction(self):
        with self.engine.begin() as self.c:
            yield

    def nested(self):
        return self.c.begin_nested()

    def read(self, key):
        return self.c.execute(sqlalchemy.select(Person.name).where(Person.id == key)).scalar()

    def rename(self, key, name):
        return self.c.execute(sqlalchemy.update(Person).where(Person.id == key)
                              .values(name=name)).rowcount

    def clear(self, group):
        return self.c.execute(sqlalchemy.delete(Person).where(Person.g == group)).rowcount

    def note(self, what):
        return self.c.execute(sqlalchemy.insert(Note).values(what=what)).rowcount


class Orm(SqlAlchemy):
    name = "SQLAlchemy ORM"

    @contextlib.contextmanager
    def transaction(self):
        with Session(self.engine) as self.s, self.s.begin():
            yield

    def nested(self):
        return self.s.begin_nested()

    def read(self, key):
        person = self.s.get(Person, key, populate_existing=True)
        return person and person.name

    def rename(self, key, name):
        """Reads it first, as mappers do."""
        self.s.get(Person, key).name = name
        self.s.flush()
        return 1

    def clear(self, group):
        return self.s.execute(sqlalchemy.delete(Person).where(Person.g == group)).rowcount

    def note(self, what):
        self.s.add(Note(what=what))
        self.s.flush()
        return 1


class Django(Driver):
    name = "Django"

    def connect(self):
        import django
        from django.conf import settings
        from django.db import connections

        w = self.where
        if not settings.configured:
            settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql"}},
                               USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.AutoField")
            django.setup()
        self.connections, self.alias = connections, "default"
        connections["default"].close()
        connections["default"].settings_dict.update(
            NAME=w["dbname"], USER=w["user"], PASSWORD=w["password"], HOST=w["host"], PORT=w["port"])
        self.person, self.noted = models()

    def close(self):
        self.connections["default"].close()

    def transaction(self):
        from django.db import transaction
        return transaction.atomic()

    nested = transaction

    def reason(self, error):
        return super().reason(error.__cause__ or error)

    def read(self, key):
        person = self.person.objects.filter(pk=key).first()
        return person and person.name

    def rename(self, key, name):
        person = self.person.objects.get(pk=key)
        person.name = name
        person.save()
        return 1

    def clear(self, group):
        return self.person.objects.filter(g=group).delete()[0]

    def note(self, what):
        self.noted.objects.create(what=what)
        return 1


def models():
    """Django's; made once it is configured."""
    if not hasattr(models, "made"):
        from django.db import models as fields

        class DjangoPerson(fields.Model):
            id = fields.IntegerField(primary_key=True)
            g = fields.IntegerField()
            name = fields.TextField()

            class Meta:
                app_label, managed, db_table = "work", False, 'work"."people'

        class DjangoNote(fields.Model):
            what = fields.TextField()

            class Meta:
                app_label, managed, db_table = "work", False, 'work"."notes'

        models.made = DjangoPerson, DjangoNote
    return models.made


DRIVERS = {d.name: d for d in (Psycopg2, Psycopg3, Asyncpg, Core, Orm, Django)}
