"""What takes along more than it names: all that a role owns, extensions, servers, collations. Run as
an agent through a gateway, and given back: the schema, privileges and rows as before, but for the
order of columns."""

import json
import subprocess
import threading

import psycopg
import pytest

from conftest import Gateway, running, wait_until
from operator_side import Operator
from stored import Store

MADE = """
DROP SCHEMA IF EXISTS owned, others CASCADE;
DROP EXTENSION IF EXISTS citext, hstore, postgres_fdw CASCADE;
DO $$BEGIN
    DROP OWNED BY own_a, own_b CASCADE;
    EXCEPTION WHEN undefined_object THEN CREATE ROLE own_a; CREATE ROLE own_b; CREATE ROLE own_c;
END$$;
GRANT CREATE ON DATABASE app TO own_a;
CREATE SCHEMA others AUTHORIZATION app_trust;
GRANT USAGE, CREATE ON SCHEMA others TO own_a WITH GRANT OPTION;
CREATE SCHEMA owned AUTHORIZATION own_a;
SET ROLE own_a;
CREATE TYPE owned.mood AS ENUM ('sad', 'ok');
CREATE TYPE owned.pair AS (x int, y int);
CREATE DOMAIN owned.positive AS int CHECK (VALUE > 0);
CREATE COLLATION owned.coll FROM "C";
CREATE SEQUENCE owned.seq START 5;
CREATE TABLE owned.t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, m owned.mood, b text COLLATE owned.coll);
CREATE INDEX t_b ON owned.t (b);
CREATE TABLE owned.parts (k int PRIMARY KEY) PARTITION BY RANGE (k);
CREATE TABLE owned.parts_1 PARTITION OF owned.parts FOR VALUES FROM (0) TO (100);
CREATE VIEW owned.v AS SELECT id, m FROM owned.t;
CREATE FUNCTION owned.f(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 2';
CREATE STATISTICS owned.st ON id, b FROM owned.t;
INSERT INTO owned.t (m, b) SELECT 'ok', 'b' || n FROM generate_series(1, 20) n;
INSERT INTO owned.parts SELECT n FROM generate_series(1, 30) n;
GRANT SELECT ON owned.t TO app_pw;
ALTER DEFAULT PRIVILEGES IN SCHEMA owned GRANT SELECT ON TABLES TO app_pw;
CREATE TABLE others.mine (id int PRIMARY KEY, v text);
INSERT INTO others.mine VALUES (1, 'mine');
GRANT USAGE ON SCHEMA owned TO app_trust, own_b;
GRANT USAGE ON TYPE owned.mood, owned.positive TO app_trust;
RESET ROLE;
SELECT setval('owned.seq', 9);
SET ROLE app_trust;
CREATE TABLE others.o (id int PRIMARY KEY, m owned.mood DEFAULT 'sad', n int DEFAULT owned.f(2),
    p owned.positive, rest text, twice int GENERATED ALWAYS AS (owned.f(id)) STORED);
INSERT INTO others.o (id, m, p, rest) SELECT n, 'ok', n, 'r' || n FROM generate_series(1, 20) n;
CREATE TABLE others.w (id int PRIMARY KEY, w text COLLATE owned.coll);
INSERT INTO others.w SELECT n, 'w' || n FROM generate_series(1, 20) n;
CREATE TABLE others.child (id int PRIMARY KEY, t int);
CREATE VIEW others.v AS SELECT id FROM owned.v;
ALTER TABLE others.o ENABLE ROW LEVEL SECURITY;
CREATE POLICY two ON others.o TO own_a, app_pw USING (id > 3);
CREATE POLICY one ON others.o TO own_a USING (id > 4);
GRANT SELECT, INSERT ON others.o TO own_a WITH GRANT OPTION;
GRANT UPDATE (w) ON others.w TO own_a;
ALTER DEFAULT PRIVILEGES IN SCHEMA others GRANT SELECT ON TABLES TO own_a;
RESET ROLE;
ALTER TABLE others.child ADD CONSTRAINT child_t FOREIGN KEY (t) REFERENCES owned.t;
"""
TABLES = ("owned.t", "owned.parts_1", "others.mine", "others.o", "others.w", "others.child")

# What the cluster has of them.
SHARED = """
SELECT (SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM pg_database d, unnest(d.datacl) x
    WHERE d.datname = 'app'), (SELECT string_agg(m.roleid::regrole || ' ' || m.member::regrole, ', '
    ORDER BY m.oid::text) FROM (SELECT '' AS oid, roleid, member FROM pg_auth_members) m
    WHERE m.member::regrole::text LIKE 'own%')
"""


class Site:
    def __init__(self, pg, gateway):
        self.pg, self.gateway = pg, gateway
        self.store = Store(gateway.folder / "points")

    def reset(self, *more):
        with self.pg.admin() as c:
            c.execute(MADE)
            for sql in more:
                c.execute(sql)

    def run(self, sql):
        """As the agent; the one point that this made."""
        before = {p.id for p in self.store.points()}
        with self.gateway.connect("root", autocommit=True) as c:
            try:
                c.execute(sql)
            except psycopg.Error as error:
                raise AssertionError(f"{error.sqlstate}: {self.why(sql)}") from error
        point, = [p for p in self.store.points() if p.id not in before]
        wait_until(point.committed)
        verified = self.gateway.cli("points", "verify", point.id, check=False)
        assert verified.returncode == 0, verified.stderr
        return point

    def why(self, sql):
        """What operators are told."""
        return self.gateway.cli("explain", "--agent", "root", sql, check=False).stdout

    def refused(self, sql, codes=("ZB004",)):
        """What is said where no point can be made."""
        was = self.picture()
        with self.gateway.connect("root", autocommit=True) as c, pytest.raises(psycopg.Error) as caught:
            c.execute(sql)
        assert caught.value.sqlstate in codes, caught.value
        assert self.picture() == was
        return str(caught.value)

    def picture(self, tables=TABLES):
        """The schema as pg_dump writes it, its lines sorted, all rows, the cluster's part of it."""
        text = subprocess.run([self.pg.bin / "pg_dump", "-s", "-h", self.pg.folder, "-p",
                               str(self.pg.port), "-U", "postgres", "app"],
                              check=True, capture_output=True, text=True).stdout
        lines = sorted(x.rstrip(",") for x in text.splitlines()
                       if not x.startswith(("\\restrict", "\\unrestrict", "--")))
        with self.pg.admin() as c:
            there = [t for t in tables if c.execute("SELECT to_regclass(%s)", [t]).fetchone()[0]]
            rows = {t: c.execute(f"SELECT to_jsonb(x)::text FROM {t} x ORDER BY 1").fetchall()
                    for t in there}
            return lines, rows, c.execute(SHARED).fetchone()

    def restore(self, *args, status=0):
        out = self.gateway.cli("restore", *args, "--dsn", self.pg.conninfo("postgres"), "--json",
                               check=False)
        assert out.returncode == status, out.stdout + out.stderr
        return json.loads(out.stdout)

    def comes_back(self, point, was, tables=TABLES):
        assert self.picture(tables) != was
        done = self.restore("copy-back", point.id, "--yes")
        lines, rows, shared = self.picture(tables)
        assert [x for x in lines if x not in was[0]] == [x for x in was[0] if x not in lines] == [], done
        assert (lines, rows, shared) == was
        return done


@pytest.fixture(scope="module")
def site(pg):
    rule = {"name": "all", "actors": ["root"], "risk": ["HIGH", "CRITICAL"], "action": "allow"}
    g = Gateway(pg, tls=False, policy={"rules": [rule]}, databases={"app": pg.conninfo("postgres")})
    Operator(g)
    with running(g, "root") as g:
        yield Site(pg, g)
    with pg.admin() as c:
        c.execute("DROP SCHEMA IF EXISTS owned, others CASCADE; DROP OWNED BY own_a, own_b CASCADE;"
                  "DROP EXTENSION IF EXISTS citext, hstore, postgres_fdw CASCADE;"
                  "DROP OWNED BY own_a, own_b CASCADE; DROP ROLE own_a, own_b, own_c")


def named(point):
    return {d["identity"] for d in point.manifest()["closure"]}


def objects(point):
    return {f"{o['schema']}.{o['name']}": o for o in point.manifest()["objects"]}


def test_drop_owned(site):
    site.reset()
    was = site.picture()
    point = site.run("DROP OWNED BY own_a CASCADE")
    assert set(objects(point)) == {"owned.t", "owned.parts", "owned.parts_1", "others.mine",
                                   "others.o", "others.w"}
    assert [c["name"] for c in objects(point)["others.o"]["columns"]] == ["id", "m", "p", "twice"]
    assert {"owned.t", "owned.v", "owned.f(integer)", "owned.mood", "owned.seq", "others.mine",
            "others.v", "others.o"} <= named(point)
    assert {s["name"]: s["last_value"] for s in point.manifest()["sequences"]}["seq"] == 9
    site.comes_back(point, was)


def test_drop_owned_without_cascade(site):
    site.reset("DROP VIEW others.v; ALTER TABLE others.child DROP CONSTRAINT child_t;"
               "ALTER TABLE others.o DROP m, DROP p, DROP twice, ALTER n DROP DEFAULT;"
               "ALTER TABLE others.w DROP w; ALTER TABLE others.child OWNER TO own_b")
    was = site.picture()
    point = site.run("DROP OWNED BY own_a, own_b")
    assert set(objects(point)) == {"owned.t", "owned.parts", "owned.parts_1", "others.mine",
                                   "others.child"}
    site.comes_back(point, was)


def test_reassign_owned(site):
    site.reset("GRANT SELECT ON owned.t TO own_b; ALTER DATABASE app OWNER TO own_a")
    was = site.picture()
    point = site.run("REASSIGN OWNED BY own_a TO own_b")
    assert objects(point) == {}
    assert {"owned.t", "owned.f(integer)", "others.mine"} <= named(point)
    assert not {"others.o", "others.v"} & named(point)  # nothing happens to what hangs on it
    site.comes_back(point, was)
    with site.pg.admin() as c:
        assert c.execute("SELECT datdba::regrole::text FROM pg_database WHERE datname = 'app'"
                         ).fetchone() == ("own_a",)
        c.execute("ALTER DATABASE app OWNER TO postgres")


def test_what_others_own_or_did_since_stays(site):
    site.reset()
    point = site.run("REASSIGN OWNED BY own_a TO own_b")
    with site.pg.admin() as c:
        c.execute("ALTER VIEW others.v RENAME TO v2; COMMENT ON TABLE others.o IS 'since';"
                  "DROP INDEX owned.t_b")
    site.restore("copy-back", point.id, "--yes")
    with site.pg.admin() as c:
        assert c.execute("""SELECT (SELECT string_agg(DISTINCT relowner::regrole::text, ',') FROM pg_class
            WHERE relnamespace = 'owned'::regnamespace), to_regclass('others.v2')::text,
            obj_description('others.o'::regclass), to_regclass('owned.t_b')""").fetchone() == (
            "own_a", "others.v2", "since", None)


@pytest.mark.parametrize("sql,before,code", [
    ("DROP OWNED BY own_b", "SELECT lo_from_bytea(4711, 'x'); ALTER LARGE OBJECT 4711 OWNER TO own_b", "ZB004"),
    ("REASSIGN OWNED BY own_a TO own_b", "SET ROLE own_a; CREATE EXTENSION citext SCHEMA owned; RESET ROLE", "ZB004"),
    ("DROP OWNED BY CURRENT_USER", "SELECT 1", "ZB004"),
    ("DROP OWNED BY own_nobody", "SELECT 1", "42704"),
    ("DROP EXTENSION plpgsql CASCADE", "SELECT 1", "42704"),
    ("DO $$BEGIN EXECUTE 'DROP OWNED BY own_a CASCADE'; END$$", "SELECT 1", "ZB004"),
])
def test_what_cannot_be_given_back_is_refused(site, sql, before, code):
    site.reset(before)
    site.refused(sql, (code,))


# --- what others do meanwhile ----------------------------------------------------------------


def run_late(site, sql, held, act):
    """Runs it as the agent; while it waits for what `held` locks, when its point has been made, others
    act. How it ends."""
    ends = []

    def run(c):
        try:
            c.execute(sql)
            ends.append(None)
        except psycopg.Error as error:
            ends.append(error.sqlstate)

    with site.pg.admin() as other, site.pg.admin() as admin, \
            site.gateway.connect("root", autocommit=True) as c:
        other.execute("BEGIN")
        other.execute(held)
        asking = threading.Thread(target=run, args=(c,))
        asking.start()
        try:
            wait_until(lambda: ends or admin.execute(
                "SELECT 1 FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()").fetchone())
            assert not ends, (ends, site.why(sql))
            admin.execute(act)
        finally:
            other.execute("COMMIT")
        asking.join(30)
    return ends[0]


@pytest.mark.parametrize("sql,act,still", [
    ("DROP OWNED BY own_a CASCADE",
     "SET ROLE own_a; CREATE FUNCTION owned.late() RETURNS int LANGUAGE sql AS 'SELECT 1'; RESET ROLE",
     "SELECT to_regproc('owned.late') IS NOT NULL"),
    ("DROP OWNED BY own_a CASCADE", "GRANT SELECT ON others.plain TO own_a",
     "SELECT has_table_privilege('own_a', 'others.plain', 'SELECT')"),
    ("DROP SCHEMA owned CASCADE", "ALTER TABLE others.plain ALTER n SET DEFAULT owned.f(7)",
     "SELECT EXISTS (SELECT FROM pg_attrdef WHERE adrelid = 'others.plain'::regclass)"),
])
def test_what_others_add_meanwhile_is_not_lost(site, sql, act, still):
    """It is in no point: made behind the dump, before the statement takes it along."""
    site.reset("CREATE TABLE others.plain (n int); CREATE VIEW owned.vv AS SELECT 1 AS x;"
               "ALTER VIEW owned.vv OWNER TO own_a")
    assert run_late(site, sql, "SELECT * FROM owned.vv", act) == "ZB005"
    with site.pg.admin() as c:
        assert c.execute(still).fetchone() == (True,)


def test_temporary_tables_of_others_are_not_lost(site):
    """Nobody but their sessions can read them."""
    site.reset()
    with site.pg.admin() as other:
        other.execute("CREATE TEMP TABLE mine AS SELECT 1 AS n; ALTER TABLE mine OWNER TO own_a")
        site.refused("DROP OWNED BY own_a CASCADE", ("ZB005",))
        assert other.execute("SELECT n FROM mine").fetchone() == (1,)


def test_what_no_dump_has_stays_as_it_is(site):
    """An extension brings its parts along, and the server its own."""
    site.reset("CREATE EXTENSION hstore SCHEMA others")
    of_it = "FUNCTION others.hstore(text, text)"
    kept = (f"CREATE OR REPLACE {of_it} RETURNS others.hstore LANGUAGE sql AS 'SELECT NULL::others.hstore'",
            f"ALTER {of_it} COST 55", f"COMMENT ON {of_it} IS 'x'", "ALTER TYPE others.hstore OWNER TO own_b",
            "ALTER FUNCTION pg_catalog.initcap(text) COST 55", "ALTER FUNCTION initcap(text) COST 55",
            "ALTER OPERATOR + (int, int) SET (RESTRICT = NONE)",
            "ALTER TEXT SEARCH CONFIGURATION danish ALTER MAPPING FOR word WITH simple",
            "COMMENT ON SCHEMA information_schema IS 'x'")
    seen = ("DROP COLLATION ucs_basic", "DROP TEXT SEARCH CONFIGURATION danish",
            "DROP SCHEMA information_schema CASCADE", "COMMENT ON COLLATION ucs_basic IS 'x'")
    with site.gateway.connect("root", autocommit=True) as c:
        for sql in kept + seen:
            with pytest.raises(psycopg.Error) as caught:
                c.execute(sql)
            # some of the server's own cannot be dropped at all in later releases
            assert caught.value.sqlstate in (("ZB004",) if sql in kept else ("ZB005", "2BP01")), sql
    assert site.gateway.log().count("no dump has its definition") >= len(kept)
    site.run(f"GRANT EXECUTE ON {of_it} TO own_b")
    site.run("CREATE FUNCTION others.hstore(point) RETURNS int LANGUAGE sql AS 'SELECT 1'")
    site.run("COMMENT ON SCHEMA public IS 'ours'")


# --- extensions ------------------------------------------------------------------------------

EXTENSIONS = """
CREATE EXTENSION citext SCHEMA others VERSION '1.5';
CREATE EXTENSION hstore SCHEMA others;
CREATE TABLE others.ext (id int PRIMARY KEY, c others.citext, h others.hstore NOT NULL, rest text);
INSERT INTO others.ext SELECT n, 'C' || n, 'k=>v'::others.hstore, 'r' FROM generate_series(1, 20) n;
CREATE INDEX ext_c ON others.ext (c);
CREATE VIEW others.ext_v AS SELECT id, c FROM others.ext;
CREATE TABLE others.untouched (id int PRIMARY KEY);
"""
WITH_EXT = TABLES + ("others.ext",)


def versions(site):
    with site.pg.admin() as c:
        return dict(c.execute("SELECT extname, extversion FROM pg_extension").fetchall())


@pytest.mark.parametrize("sql,columns", [
    ("DROP EXTENSION citext CASCADE", ["id", "c"]),
    ("DROP EXTENSION hstore, citext CASCADE", ["id", "c", "h"]),
])
def test_drop_extension(site, sql, columns):
    site.reset(EXTENSIONS)
    was, version = site.picture(WITH_EXT), versions(site)
    point = site.run(sql)
    assert {n: [c["name"] for c in o["columns"]] for n, o in objects(point).items()} == {
        "others.ext": columns}
    assert {"citext", "others.ext_v"} <= named(point)
    site.comes_back(point, was, WITH_EXT)
    assert versions(site) == version and version["citext"] == "1.5"


def test_drop_extension_that_nothing_uses(site):
    site.reset("CREATE EXTENSION citext SCHEMA others VERSION '1.5'")
    was = site.picture()
    point = site.run("DROP EXTENSION citext")
    assert objects(point) == {} and point.manifest()["capture"]["mode"] == "record"
    assert site.comes_back(point, was)["definition"] == "identical"
    assert versions(site)["citext"] == "1.5"


def test_extensions_go_with_their_schema_and_owner(site):
    for sql in ("DROP SCHEMA owned CASCADE", "DROP OWNED BY own_a CASCADE"):
        site.reset("SET ROLE own_a; CREATE EXTENSION citext SCHEMA owned VERSION '1.5';"
                   "RESET ROLE; CREATE TABLE others.ext (id int PRIMARY KEY, c owned.citext);"
                   "INSERT INTO others.ext VALUES (1, 'C')")
        was = site.picture(WITH_EXT)
        point = site.run(sql)
        assert "others.ext" in objects(point)
        site.comes_back(point, was, WITH_EXT)
        assert versions(site)["citext"] == "1.5"


def test_an_update_has_a_way_back_only_where_the_extension_has(site):
    site.reset("CREATE EXTENSION citext SCHEMA others VERSION '1.5'")
    point = site.run("ALTER EXTENSION citext UPDATE TO '1.6'")
    said = site.restore("copy-back", point.id, "--yes", status=1)
    told, = [x for x in said["definitions"] if x["type"] == "EXTENSION"]
    assert "no update path" in told["why"] and "VERSION E'1.5'" in told["sql"]
    assert versions(site)["citext"] == "1.6"


def test_an_extension_is_moved_back(site):
    site.reset("CREATE EXTENSION citext SCHEMA others")
    was = site.picture()
    site.comes_back(site.run("ALTER EXTENSION citext SET SCHEMA owned"), was)


def test_rows_of_an_extension_are_not_lost(site):
    site.reset("CREATE EXTENSION citext SCHEMA others; CREATE TABLE others.conf (id int);"
               "INSERT INTO others.conf VALUES (1); ALTER EXTENSION citext ADD TABLE others.conf")
    for sql in ("DROP EXTENSION citext CASCADE", "DROP SCHEMA others CASCADE"):
        site.refused(sql)
        assert "the table others.conf" in site.why(sql)


# --- other servers ---------------------------------------------------------------------------

SERVERS = """
CREATE FOREIGN DATA WRAPPER own_fdw OPTIONS (a 'wra''pper', "b c" ',
    z');
CREATE SERVER own_far FOREIGN DATA WRAPPER own_fdw OPTIONS (host 'nowhere');
CREATE USER MAPPING FOR own_a SERVER own_far OPTIONS (user 'me', password 'hidden%word');
CREATE USER MAPPING FOR PUBLIC SERVER own_far;
CREATE FOREIGN TABLE others.remote (id int, v text OPTIONS (x 'y')) SERVER own_far OPTIONS (t 'there');
CREATE VIEW others.remote_v AS SELECT id FROM others.remote;
GRANT SELECT ON others.remote TO app_pw;
GRANT USAGE ON FOREIGN SERVER own_far TO own_b;
"""


@pytest.mark.parametrize("sql", [
    "DROP SERVER own_far CASCADE",
    "DROP FOREIGN DATA WRAPPER own_fdw CASCADE",
    "DROP FOREIGN TABLE others.remote CASCADE",
    "ALTER SERVER own_far OPTIONS (SET host 'elsewhere', ADD \"port x\" '1, 2')",
    "ALTER FOREIGN DATA WRAPPER own_fdw OPTIONS (DROP a)",
    "DROP USER MAPPING FOR own_a SERVER own_far",
    "ALTER USER MAPPING FOR own_a SERVER own_far OPTIONS (SET password 'hidden%other')",
    "DROP OWNED BY own_a CASCADE",
])
def test_other_servers(site, sql):
    site.reset("DROP FOREIGN DATA WRAPPER IF EXISTS own_fdw CASCADE", SERVERS)
    was = site.picture()
    point = site.run(sql)
    shown = site.gateway.cli("restore", "copy-back", point.id, "--plan", check=False).stdout
    shown += site.gateway.cli("restore", "diff", point.id, "--json", check=False).stdout
    done = site.comes_back(point, was)
    assert "hidden%word" not in shown + json.dumps(done)
    audit = "".join(p.read_text() for p in (site.gateway.folder / "audit").glob("audit-*.jsonl"))
    assert "hidden%word" not in audit + site.gateway.log()


def test_options_that_the_helper_is_not_shown(site):
    site.reset("DROP FOREIGN DATA WRAPPER IF EXISTS own_fdw CASCADE", SERVERS)
    with site.pg.admin() as c:
        c.execute("ALTER ROLE backstop NOSUPERUSER BYPASSRLS; GRANT pg_read_all_data TO backstop")
    try:
        site.refused("DROP SERVER own_far CASCADE")
        site.refused("DROP USER MAPPING FOR own_a SERVER own_far")
    finally:
        with site.pg.admin() as c:
            c.execute("ALTER ROLE backstop SUPERUSER; DROP FOREIGN DATA WRAPPER own_fdw CASCADE")


# --- what else others hang on ----------------------------------------------------------------


@pytest.mark.parametrize("sql,before,table", [
    ("DROP COLLATION owned.coll CASCADE", "", "others.w"),
    ("DROP TABLE owned.coin CASCADE", "CREATE TABLE owned.coin (a int, b text);"
     "CREATE TABLE others.purse (id int PRIMARY KEY, c owned.coin, cs owned.coin[]);"
     "INSERT INTO others.purse SELECT n, (n::int, 'b'::text)::owned.coin, ARRAY[(n::int, 'c'::text)::owned.coin] FROM generate_series(1, 9) n",
     "others.purse"),
    ("DROP ACCESS METHOD own_heap CASCADE", "CREATE ACCESS METHOD own_heap TYPE TABLE HANDLER heap_tableam_handler;"
     "CREATE TABLE others.purse (id int PRIMARY KEY) USING own_heap; INSERT INTO others.purse VALUES (1)",
     "others.purse"),
    ("DROP OPERATOR CLASS owned.opc USING btree CASCADE", "CREATE OPERATOR CLASS owned.opc FOR TYPE int USING btree AS"
     " OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int, int);"
     "CREATE TABLE others.purse (id int) PARTITION BY RANGE (id owned.opc);"
     "CREATE TABLE others.purse_1 PARTITION OF others.purse FOR VALUES FROM (0) TO (9);"
     "INSERT INTO others.purse VALUES (1)", "others.purse_1"),
])
def test_what_hangs_on_others(site, sql, before, table):
    tables = TABLES + ("others.purse",)
    site.reset("DROP ACCESS METHOD IF EXISTS own_heap CASCADE", before or "SELECT 1")
    was = site.picture(tables)
    point = site.run(sql)
    assert table in objects(point)
    site.comes_back(point, was, tables)
    if "ACCESS" in sql:
        site.reset("DROP ACCESS METHOD own_heap CASCADE")
