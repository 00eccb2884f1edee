"""What belongs to the cluster and to no one database - roles, passwords, memberships, settings,
databases - is kept before an agent changes it, and comes back."""

import contextlib
import json
import threading

import psycopg
import pytest

from conftest import Gateway, running, wait_until
from operator_side import Operator
from relay import Relay
from stored import Store

SETUP = """
CREATE ROLE glob_lead CREATEROLE LOGIN PASSWORD 'one' CONNECTION LIMIT 3;
CREATE ROLE glob_team NOINHERIT;
CREATE ROLE glob_spare LOGIN;
GRANT glob_team TO glob_lead WITH ADMIN OPTION;
ALTER ROLE glob_lead SET search_path = "$user", 'a "b', public;
ALTER ROLE glob_lead IN DATABASE glob SET work_mem = '7MB';
ALTER DATABASE glob SET statement_timeout = '9s';
ALTER DATABASE glob CONNECTION LIMIT 5;
COMMENT ON DATABASE glob IS 'side';
GRANT CREATE ON DATABASE glob TO glob_team WITH GRANT OPTION
"""

STATE = """
SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
  SELECT concat_ws('|', 'role', r.rolname, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin,
    r.rolconnlimit, r.rolvaliduntil, shobj_description(r.oid, 'pg_authid'), a.rolpassword)
    FROM pg_roles r JOIN pg_authid a USING (oid) WHERE r.rolname LIKE 'glob%'
  UNION ALL SELECT concat_ws('|', 'member', roleid::regrole, member::regrole, admin_option)
    FROM pg_auth_members WHERE member::regrole::text LIKE 'glob%'
  UNION ALL SELECT concat_ws('|', 'setting', (SELECT datname FROM pg_database d WHERE d.oid = setdatabase),
    setrole::regrole, setconfig) FROM pg_db_role_setting
  UNION ALL SELECT concat_ws('|', 'database', datname, datdba::regrole, datconnlimit, datallowconn,
    (SELECT array_agg(x::text ORDER BY x::text) FROM unnest(datacl) x),
    shobj_description(oid, 'pg_database')) FROM pg_database WHERE datname LIKE 'glob%') s (line)
"""

# Statement, and what is written for operators about how it comes back.
KINDS = [
    ("ALTER ROLE glob_lead NOLOGIN SUPERUSER CONNECTION LIMIT -1", "ALTER ROLE glob_lead WITH NOSUPERUSER LOGIN CONNECTION LIMIT 3"),
    ("ALTER ROLE glob_lead PASSWORD 'two'", "ALTER ROLE glob_lead PASSWORD ***"),
    ("ALTER ROLE glob_lead RENAME TO glob_boss", "ALTER ROLE glob_boss RENAME TO glob_lead"),
    ("COMMENT ON ROLE glob_lead IS 'new'", "COMMENT ON ROLE glob_lead IS NULL"),
    ("DROP ROLE glob_spare", "CREATE ROLE glob_spare WITH LOGIN"),
    ("GRANT glob_team TO glob_spare", "REVOKE glob_team FROM glob_spare"),
    ("REVOKE glob_team FROM glob_lead", "GRANT glob_team TO glob_lead WITH ADMIN"),
    ("ALTER ROLE glob_lead SET search_path = nowhere", "ALTER ROLE glob_lead SET search_path TO"),
    ("ALTER ROLE glob_lead RESET ALL", "ALTER ROLE glob_lead SET search_path TO"),
    ("ALTER DATABASE glob SET work_mem = '1MB'", "ALTER DATABASE glob RESET work_mem"),
    ("ALTER DATABASE glob CONNECTION LIMIT 0", "CONNECTION LIMIT 5"),
    ("ALTER DATABASE glob RENAME TO globe", "ALTER DATABASE globe RENAME TO glob"),
    ("ALTER DATABASE glob OWNER TO glob_lead", "ALTER DATABASE glob OWNER TO postgres"),
    ("REVOKE ALL ON DATABASE glob FROM PUBLIC, glob_team", "GRANT CREATE ON DATABASE glob TO glob_team"),
    ("GRANT ALL ON DATABASE glob TO glob_spare", "REVOKE ALL ON DATABASE glob FROM"),
    ("COMMENT ON DATABASE glob IS NULL", "COMMENT ON DATABASE glob IS 'side'"),
]


class Site:
    def __init__(self, pg, gateway):
        self.pg, self.gateway = pg, gateway
        self.store = Store(gateway.folder / "points")

    def clear(self):
        with self.pg.admin() as c:
            for name, in c.execute("SELECT datname FROM pg_database WHERE datname LIKE 'glob%'").fetchall():
                c.execute(f"ALTER DATABASE {name} OWNER TO postgres")
                c.execute(f"DROP DATABASE {name}")
            for name, in c.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'glob%'").fetchall():
                c.execute(f"DROP ROLE {name}")

    def reset(self):
        self.clear()
        with self.pg.admin() as c:
            c.execute("CREATE DATABASE glob")
            for sql in SETUP.strip().split(";\n"):
                c.execute(sql)

    def state(self):
        with self.pg.admin() as c:
            return c.execute(STATE).fetchone()[0]

    def run(self, sql):
        """As the agent; the points that this made."""
        before = {p.id for p in self.store.points()}
        with self.gateway.connect("root", autocommit=True) as c:
            c.execute(sql)
        return [p for p in self.store.points() if p.id not in before]

    def cli(self, *args, check=True):
        return self.gateway.cli(*args, check=check)


@pytest.fixture(scope="module")
def site(pg):
    rule = {"name": "all", "actors": ["root"], "risk": ["HIGH", "CRITICAL"], "action": "allow"}
    with pg.admin() as c:  # as helper.sql makes it
        c.execute("ALTER ROLE backstop NOSUPERUSER BYPASSRLS")
        c.execute("GRANT pg_read_all_data, pg_read_all_stats, pg_signal_backend TO backstop")
        c.execute("GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO backstop")
    helpers = Relay(pg.folder / f".s.PGSQL.{pg.port}")
    helper = psycopg.conninfo.make_conninfo("", host="127.0.0.1", port=helpers.port, user="backstop",
                                            dbname="app", sslmode="disable")
    g = Gateway(pg, tls=False, policy={"rules": [rule]}, extra={
        "databases": {"app": {"upstream": pg.conninfo("postgres"), "helper": helper}}})
    Operator(g)
    with running(g, "root") as g:
        site = Site(pg, g)
        site.helpers = helpers
        yield site
        site.clear()
    helpers.close()
    with pg.admin() as c:
        c.execute("ALTER ROLE backstop SUPERUSER")


@pytest.mark.parametrize("sql,shown", KINDS, ids=[sql for sql, _ in KINDS])
def test_it_comes_back_and_can_be_undone_again(site, sql, shown):
    site.reset()
    was = site.state()
    point, = site.run(sql)
    changed = site.state()
    assert changed != was
    wait_until(point.committed)
    preview = json.loads(site.cli("restore", "preview", point.id, "--json").stdout)
    said = [c.get("statement", "") for c in preview["cluster"]]
    assert any(shown in s for s in said), said
    assert "SCRAM" not in json.dumps(preview)
    assert site.state() == changed  # to look changes nothing
    done = json.loads(site.cli("restore", "copy-back", point.id, "--yes", "--json").stdout)
    assert site.state() == was
    assert done["before"]
    if "RENAME" not in sql:
        site.cli("restore", "copy-back", done["before"], "--yes", "--remove-inserted", check=False)
        if not sql.startswith("DROP"):
            assert site.state() == changed


def test_what_others_change_stays(site):
    site.reset()
    point, = site.run("ALTER ROLE glob_lead NOLOGIN")
    with site.pg.admin() as c:
        c.execute("ALTER ROLE glob_team LOGIN")
        c.execute("ALTER DATABASE glob CONNECTION LIMIT 6")
    site.cli("restore", "copy-back", point.id, "--yes")
    with site.pg.admin() as c:
        assert c.execute("SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname IN"
                         " ('glob_lead', 'glob_team') ORDER BY 1").fetchall() == [
            ("glob_lead", True), ("glob_team", True)]
        assert c.execute("SELECT datconnlimit FROM pg_database WHERE datname = 'glob'").fetchone() == (6,)


def test_a_password_that_cannot_be_read_is_not_overwritten(site):
    site.reset()
    was = site.state()
    with site.pg.admin() as c:
        c.execute("REVOKE pg_read_all_data FROM backstop")
        for name, in c.execute("SELECT quote_ident(nspname) FROM pg_namespace").fetchall():
            c.execute(f"GRANT USAGE ON SCHEMA {name} TO backstop")
    try:
        with pytest.raises(psycopg.Error) as refused:
            site.run("ALTER ROLE glob_lead PASSWORD 'two'")
        assert refused.value.sqlstate == "ZB004"
        with pytest.raises(psycopg.Error):
            site.run("DROP ROLE glob_spare")
        assert site.state() == was
    finally:
        with site.pg.admin() as c:
            c.execute("GRANT pg_read_all_data TO backstop")


def test_what_others_alter_meanwhile_is_not_lost(site):
    """While DROP ROLE waits for who comments on the role, others change it."""
    site.reset()
    ends = []

    def drop(c):
        try:
            c.execute("DROP ROLE glob_spare")
        except psycopg.Error as error:
            ends.append(error.sqlstate)

    with site.pg.admin() as other, site.pg.admin() as admin, \
            site.gateway.connect("root", autocommit=True) as c:
        other.execute("BEGIN")
        other.execute("COMMENT ON ROLE glob_spare IS 'x'")
        dropping = threading.Thread(target=drop, args=(c,))
        dropping.start()
        try:
            wait_until(lambda: ends or admin.execute(
                "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'object'").fetchone())
            admin.execute("GRANT glob_spare TO glob_lead" if admin.info.server_version < 160000 else
                          "ALTER ROLE glob_spare CONNECTION LIMIT 9")  # from 16 on GRANT waits, too
        finally:
            other.execute("ROLLBACK")
        dropping.join(30)
    assert ends == ["ZB005"] and "spare" in site.state()


def test_a_function_that_changes_roles_is_rolled_back(site):
    """Nothing of the cluster was kept for it: the audit sees the catalog."""
    site.reset()
    was = site.state()
    for sql in ("DO $$BEGIN ALTER ROLE glob_lead NOLOGIN; END$$",
                "DO $$BEGIN EXECUTE 'ALTER DATABASE glob SET work_mem = ''2MB'''; END$$"):
        with pytest.raises(psycopg.Error) as refused:
            site.run(sql)
        assert refused.value.sqlstate in ("ZB004", "ZB005")
        assert site.state() == was


def test_what_is_kept_of_one_thing_does_not_explain_another(site):
    """An event trigger does not fire for roles, but a unit can say two things: each is kept."""
    site.reset()
    was = site.state()
    before = {p.id for p in site.store.points()}
    with site.gateway.connect("root", autocommit=True) as c:
        with c.transaction():
            c.execute("ALTER ROLE glob_lead NOLOGIN")
            c.execute("ALTER DATABASE glob CONNECTION LIMIT 0")
    made = [p for p in site.store.points() if p.id not in before]
    assert len(made) == 2
    for p in reversed(made):
        site.cli("restore", "copy-back", p.id, "--yes")
    assert site.state() == was


# --- ALTER SYSTEM, which runs outside of a transaction ----------------------------------------


def settings(site):
    """What the file says, and what the server that has read it does."""
    with site.pg.admin() as c:
        c.execute("SELECT pg_reload_conf()")
        wait_until(lambda: c.execute("SELECT pg_conf_load_time() > now() - interval '1 minute'").fetchone()[0])
        return c.execute("SELECT name, setting FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'"
                         " ORDER BY name").fetchall()


@pytest.fixture
def system(site):
    """The server with two settings of its own, which are gone afterwards."""
    with site.pg.admin() as c:
        c.execute("ALTER SYSTEM SET work_mem = '5MB'")
        c.execute("ALTER SYSTEM SET log_line_prefix = '%m '")
    yield site
    with site.pg.admin() as c:
        c.execute("ALTER SYSTEM RESET ALL")
        c.execute("SELECT pg_reload_conf()")


@pytest.mark.parametrize("sql,shown", [
    ("ALTER SYSTEM SET work_mem = '9MB'", "ALTER SYSTEM SET work_mem = '5MB'"),
    ("ALTER SYSTEM RESET work_mem", "ALTER SYSTEM SET work_mem = '5MB'"),
    ('ALTER SYSTEM SET "Work_Mem" TO 4096', "ALTER SYSTEM SET work_mem = '5MB'"),
    ("ALTER SYSTEM SET statement_timeout = '9min'", "ALTER SYSTEM RESET statement_timeout"),
    ("ALTER SYSTEM RESET ALL", "ALTER SYSTEM SET log_line_prefix = '%m '"),
])
def test_a_setting_of_the_server_comes_back(system, sql, shown):
    site, was = system, settings(system)
    point, = site.run(sql)
    changed = settings(site)
    assert changed != was
    wait_until(point.committed)
    assert point.events()[:2] == ["armed", "committed"]
    assert "outside of a transaction" in point.manifest()["capture"]["why"]
    with site.pg.admin() as c:  # somebody else's
        c.execute("ALTER SYSTEM SET deadlock_timeout = '2s'")
    preview = json.loads(site.cli("restore", "preview", point.id, "--json").stdout)
    said = [c.get("statement", "") for c in preview["cluster"]]
    assert shown in said, said
    done = json.loads(site.cli("restore", "copy-back", point.id, "--yes", "--json").stdout)
    assert done["reloaded"] and done["restart"] == [] and done.get("cluster_failed") is None
    with site.pg.admin() as c:
        assert c.execute("SHOW work_mem").fetchone() == ("5MB",)
    kept = [row for row in settings(site) if row[0] != "deadlock_timeout"]
    assert kept == was
    if "ALL" not in sql:  # that was about everything
        assert ("deadlock_timeout", "2s") in settings(site)
    assert done["before"]
    with site.pg.admin() as c:
        c.execute("ALTER SYSTEM RESET deadlock_timeout")


def test_what_counts_at_the_next_start_is_told(system):
    """Nothing is to be told where the server still runs with the old value."""
    site = system
    point, = site.run("ALTER SYSTEM SET max_connections = 77")
    done = json.loads(site.cli("restore", "copy-back", point.id, "--yes", "--json").stdout)
    assert done["reloaded"] and done["restart"] == []
    with site.pg.admin() as c:
        c.execute("ALTER SYSTEM SET max_connections = 78")
    point, = site.run("ALTER SYSTEM RESET max_connections")
    done = json.loads(site.cli("restore", "copy-back", point.id, "--yes", "--json").stdout)
    assert done["restart"] == ["max_connections"]


@pytest.mark.parametrize("sql,theirs", [
    ("ALTER SYSTEM SET work_mem = '9MB'", "ALTER SYSTEM SET work_mem = '7MB'"),
    ("ALTER SYSTEM RESET ALL", "ALTER SYSTEM SET log_line_prefix = '%p '"),
])
def test_what_others_set_meanwhile_is_not_overwritten(system, sql, theirs):
    """Between the point and the statement; nobody could tell afterwards what it was."""
    site, ends = system, []

    def run():
        try:
            site.run(sql)
        except psycopg.Error as error:
            ends.append(error.sqlstate)

    stop = site.helpers.stop_at("COPY (SELECT g.class", "answered")
    running = threading.Thread(target=run)
    running.start()
    try:
        stop.wait()
        with site.pg.admin() as c:
            c.execute(theirs)
    finally:
        stop.go()
        running.join(30)
    point = max(site.store.points(), key=lambda p: p.id)
    was = theirs.split("'")[1]
    assert ends == ["ZB004"] and was in dict(settings(site)).values()
    wait_until(lambda: point.events()[-1] in ("rolled_back", "not_used"))
    site.run(sql)  # and again, with nobody else
    assert was not in dict(settings(site)).values()


def test_a_setting_that_cannot_be_read_is_not_overwritten(system):
    site, was = system, settings(system)
    with site.pg.admin() as c:
        c.execute("REVOKE EXECUTE ON FUNCTION pg_show_all_file_settings() FROM backstop")
    try:
        with pytest.raises(psycopg.Error) as refused:
            site.run("ALTER SYSTEM SET work_mem = '9MB'")
        assert refused.value.sqlstate == "ZB004"
        assert settings(site) == was
    finally:
        with site.pg.admin() as c:
            c.execute("GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO backstop")


def test_a_setting_in_a_transaction_is_refused(system):
    site, was = system, settings(system)
    with site.gateway.connect("root") as c, pytest.raises(psycopg.errors.FeatureNotSupported):
        c.execute("ALTER SYSTEM SET work_mem = '9MB'")
    assert settings(site) == was


def test_a_password_is_written_nowhere(site):
    site.reset()
    assert len(site.run("ALTER ROLE glob_lead PASSWORD 'sesame-open'")) == 1
    with contextlib.suppress(psycopg.Error):  # may be refused; written nowhere all the same
        site.run("DO $$BEGIN ALTER ROLE glob_lead PASSWORD 'sesame-open'; END$$")
    site.run("CREATE FUNCTION public.glob_f() RETURNS void LANGUAGE sql AS"
             " $$ALTER ROLE glob_lead PASSWORD 'sesame-open'$$; DROP FUNCTION public.glob_f()")
    with site.gateway.connect("root", autocommit=True) as c, pytest.raises(psycopg.errors.SyntaxError):
        c.execute("ALTER ROLE glob_lead, PASSWORD 'sesame-open'")
    files = [path for path in site.gateway.folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [path for path in files if b"sesame-open" in path.read_bytes()] == []
    assert "sesame-open" not in site.gateway.log()
    assert b"PASSWORD '***'" in b"".join(path.read_bytes() for path in files if path.suffix == ".jsonl")
