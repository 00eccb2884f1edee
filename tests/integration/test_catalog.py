"""The catalog is watched: what others change behind the gateway counts soon, whoever changes it."""

import time

import psycopg
import pytest

from conftest import wait_until

HARMLESS = "CREATE OR REPLACE VIEW seen.v AS SELECT id FROM seen.t"
HARMFUL = "CREATE OR REPLACE VIEW seen.v AS SELECT seen.gone(id) AS id FROM seen.t"
SCHEMA = f"""
DROP SCHEMA IF EXISTS seen CASCADE;
CREATE SCHEMA seen;
CREATE TABLE seen.t (id int PRIMARY KEY);
INSERT INTO seen.t VALUES (1);
CREATE FUNCTION seen.gone(int) RETURNS int LANGUAGE plpgsql AS
  $$BEGIN DELETE FROM seen.t; RETURN $1; END$$;
{HARMLESS};
GRANT ALL ON SCHEMA seen TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA seen TO PUBLIC;
"""


@pytest.fixture
def session(pg, gateway):
    with pg.admin() as c:
        c.execute(SCHEMA)
    with gateway.connect(autocommit=True) as c:
        wait_until(lambda: passes(c), 20)
        time.sleep(0.5)  # the look that every first session begins with is over
        yield c


def passes(session, sql="SELECT id FROM seen.v"):
    try:
        session.execute(sql).fetchall()
    except psycopg.Error:
        return False
    return True


def helpers(pg):
    with pg.admin() as c:
        return [pid for (pid,) in c.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'backstop/catalog'")]


def test_what_others_change_is_noticed(pg, session):
    """The name stays the same, so nothing but the watch could tell."""
    with pg.admin() as c:
        c.execute(HARMFUL)
    wait_until(lambda: not passes(session), 20)
    with pg.admin() as c:
        c.execute(HARMLESS)
        assert c.execute("SELECT count(*) FROM seen.t").fetchone() == (1,)
    wait_until(lambda: passes(session), 20)


def test_a_change_that_commits_late(pg, session):
    with pg.admin() as c, c.transaction():
        c.execute(HARMFUL)
        time.sleep(3)  # it is seen only when it is there
        assert passes(session, "SELECT 1")
    wait_until(lambda: not passes(session), 20)


def test_the_watch_outlives_its_connection(pg, session):
    wait_until(lambda: helpers(pg), 10)
    with pg.admin() as c:
        for pid in helpers(pg):
            c.execute("SELECT pg_terminate_backend(%s)", [pid])
        c.execute(HARMFUL)
    wait_until(lambda: not passes(session), 20)


def test_nobody_watches_what_nobody_uses(pg, gateway):
    with gateway.connect() as c:
        assert passes(c, "SELECT 1")
        wait_until(lambda: helpers(pg), 10)
    wait_until(lambda: not helpers(pg), 10)


def test_a_helper_that_cannot_ask_is_not_taken_for_fresh(pg, session):
    """Then the age of the picture decides: nothing is judged by one that is too old."""
    with pg.admin() as c:
        c.execute("ALTER ROLE backstop NOLOGIN")
        for pid in helpers(pg):
            c.execute("SELECT pg_terminate_backend(%s)", [pid])
        c.execute(HARMFUL)
    try:
        time.sleep(31)
        assert not passes(session)
    finally:
        with pg.admin() as c:
            c.execute("ALTER ROLE backstop LOGIN")
