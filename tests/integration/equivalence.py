"""Rewrites of destructive statements that do the same in other words.

A `Kind` has spellings of one effect and a probe that tells whether it happened. `rewrites` draws a
spelling, wraps it (a CTE, a function, a DO block, a prepared statement, a view, ...) and respells
the text (white space, comments, case, quoting of names and literals): one to four steps by a seeded
generator. test_equivalence.py runs them on a server and asks for the verdict.

Spellings are templates: [a|b] is one of them, {t} and the like a name in one of its spellings.
"""

import base64
import dataclasses
import random
import re

LONE = "lone_" + "x" * 58  # 63 bytes: what follows does not count
PARENT = "parent_" + "x" * 56

# The world: whatever a kind destroys is here, and only a ROLLBACK away from being whole again.
WORLD = f"""
DROP SCHEMA IF EXISTS w CASCADE;
DROP SCHEMA IF EXISTS w2 CASCADE;
DROP OWNED BY eq_b;
DROP ROLE IF EXISTS eq_new;
ALTER ROLE eq_b NOSUPERUSER NOLOGIN NOCREATEDB NOCREATEROLE;
ALTER ROLE eq_b RESET ALL;
ALTER ROLE eq_b IN DATABASE eq RESET ALL;
DROP ROUTINE IF EXISTS public.fresh();
DROP ROUTINE IF EXISTS public.fresh(int);
ALTER DATABASE eq RESET ALL;
ALTER DATABASE eq SET search_path = w, public;
DO 'BEGIN REVOKE eq_a, eq_c FROM eq_b; EXCEPTION WHEN undefined_object THEN NULL; END';
DO 'BEGIN CREATE ROLE eq_c; EXCEPTION WHEN duplicate_object THEN NULL; END';
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM eq_b;
CREATE SCHEMA w;
CREATE SCHEMA w2;
CREATE TABLE w2.kept (id int);
INSERT INTO w2.kept SELECT generate_series(1, 9);
CREATE TABLE w.{LONE} (id int PRIMARY KEY, v text NOT NULL DEFAULT 'd', n int,
                       CONSTRAINT positive CHECK (id > 0));
INSERT INTO w.{LONE} SELECT g, 'v' || g, g FROM generate_series(1, 30) g;
ALTER TABLE w.{LONE} ALTER v DROP NOT NULL;
ALTER TABLE w.{LONE} ALTER n SET NOT NULL;
CREATE INDEX ix ON w.{LONE} (n);
CREATE TABLE w.{PARENT} (id int PRIMARY KEY, v text);
CREATE TABLE w.child (id int PRIMARY KEY, p int REFERENCES w.{PARENT} ON DELETE CASCADE);
INSERT INTO w.{PARENT} VALUES (1, 'a');
INSERT INTO w.child SELECT g, 1 FROM generate_series(1, 20) g;
CREATE FUNCTION w.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION w.fn(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE TRIGGER tg AFTER UPDATE ON w.{LONE} EXECUTE FUNCTION w.nothing();
CREATE TABLE w.guarded (id int PRIMARY KEY, v text);
ALTER TABLE w.guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY po ON w.guarded USING (id > 0);
INSERT INTO w.guarded VALUES (1, 'x');
CREATE TABLE w.ruled (id int);
CREATE RULE ru AS ON DELETE TO w.ruled DO INSTEAD NOTHING;
CREATE VIEW w.vw AS SELECT id, v FROM w.{LONE};
CREATE MATERIALIZED VIEW w.mv AS SELECT id FROM w.{LONE};
CREATE SEQUENCE w.sq;
SELECT nextval('w.sq') FROM generate_series(1, 50);
CREATE TYPE w.ty AS ENUM ('a', 'b');
CREATE DOMAIN w.dm AS int CHECK (VALUE > 0);
CREATE TABLE w.parted (id int) PARTITION BY LIST (id);
CREATE TABLE w.part PARTITION OF w.parted FOR VALUES IN (1);
INSERT INTO w.parted VALUES (1);
CREATE TABLE w.base (id int);
CREATE TABLE w.heir () INHERITS (w.base);
CREATE TABLE w.owned (id int);
ALTER TABLE w.owned OWNER TO eq_a;
CREATE TABLE w.sink (id int PRIMARY KEY, a int);
INSERT INTO w.sink VALUES (1, 1);
CREATE PROCEDURE w.pr() LANGUAGE plpgsql AS $$BEGIN DELETE FROM w.{LONE}; END$$;
SELECT lo_unlink(oid) FROM pg_largeobject_metadata;
SELECT lo_from_bytea(4242, 'x');
GRANT SELECT ON w.sink TO eq_b;
"""

ROLES = "CREATE ROLE eq_a; CREATE ROLE eq_b; CREATE ROLE eq_c"

# What calls the kind's statement: made anew for every kind. {body} is EXECUTE of its text.
CALLERS = """
CREATE FUNCTION w.f() RETURNS int LANGUAGE plpgsql AS $eq$BEGIN {body}; RETURN 1; END$eq$;
CREATE FUNCTION w.f_dynamic() RETURNS int LANGUAGE plpgsql AS $eq$BEGIN {dynamic}; RETURN 1; END$eq$;
CREATE FUNCTION w.f_sql() RETURNS int LANGUAGE sql AS $eq$SELECT w.f()$eq$;
CREATE FUNCTION w.f_stable() RETURNS int LANGUAGE sql STABLE AS $eq$SELECT w.f()$eq$;
CREATE FUNCTION w.f_fixed(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $eq$BEGIN RETURN w.f(); END$eq$;
CREATE FUNCTION w.f_row(w.sink) RETURNS int LANGUAGE sql AS $eq$SELECT w.f()$eq$;
CREATE FUNCTION w.f_two(int, int) RETURNS int LANGUAGE sql AS $eq$SELECT w.f()$eq$;
CREATE FUNCTION w.f_default(a int DEFAULT w.f()) RETURNS int LANGUAGE sql AS $eq$SELECT a$eq$;
CREATE FUNCTION w.f_trigger() RETURNS trigger LANGUAGE plpgsql AS $eq$BEGIN PERFORM w.f(); RETURN NULL; END$eq$;
CREATE OPERATOR w.<+> (leftarg = int, rightarg = int, function = w.f_two);
CREATE AGGREGATE w.f_all(int) (sfunc = w.f_two, stype = int, initcond = '0');
CREATE PROCEDURE w.p() LANGUAGE plpgsql AS $eq$BEGIN {body}; END$eq$;
CREATE VIEW w.seen AS SELECT w.f() AS a;
CREATE VIEW w.seen_twice AS SELECT a FROM w.seen WHERE a > 0;
CREATE TABLE w.by_default (id int, a int DEFAULT w.f());
CREATE TABLE w.by_check (id int CHECK (w.f_two(id, 1) > 0));
CREATE TABLE w.by_trigger (id int);
CREATE TRIGGER t AFTER INSERT ON w.by_trigger EXECUTE FUNCTION w.f_trigger();
CREATE TABLE w.by_rule (id int);
CREATE RULE r AS ON INSERT TO w.by_rule DO ALSO SELECT w.f();
CREATE DOMAIN w.dom AS int CHECK (w.f_two(VALUE, 1) > 0);
CREATE FUNCTION w.f_any(anyelement) RETURNS int LANGUAGE sql AS $eq$SELECT w.f()$eq$;
CREATE FUNCTION w.f_many(VARIADIC int[]) RETURNS int LANGUAGE sql AS $eq$SELECT w.f()$eq$;
CREATE FUNCTION w.f_over(int) RETURNS int LANGUAGE sql AS $eq$SELECT 1$eq$;
CREATE FUNCTION w.f_over(bigint) RETURNS int LANGUAGE sql AS $eq$SELECT w.f()$eq$;
CREATE FUNCTION w.f_view() RETURNS int LANGUAGE sql AS $eq$SELECT a FROM w.seen$eq$;
CREATE FUNCTION w.f_path() RETURNS int LANGUAGE sql SET search_path = w AS $eq$SELECT f()$eq$;
CREATE FUNCTION w.f_atomic() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT w.f(); END;
CREATE FUNCTION w.f_return() RETURNS int LANGUAGE sql RETURN w.f() + 1;
CREATE FUNCTION w.f_table() RETURNS TABLE (a int) LANGUAGE plpgsql AS $eq$BEGIN RETURN QUERY SELECT w.f(); END$eq$;
CREATE FUNCTION w.f_insert() RETURNS int LANGUAGE sql AS $eq$INSERT INTO w.by_trigger VALUES (1) RETURNING id$eq$;
CREATE FUNCTION w.f_again(n int) RETURNS int LANGUAGE plpgsql AS
  $eq$BEGIN IF n > 0 THEN RETURN w.f_again(n - 1); END IF; RETURN w.f(); END$eq$;
CREATE PROCEDURE w.p_out(INOUT a int) LANGUAGE plpgsql AS $eq$BEGIN a := w.f(); END$eq$;
CREATE TABLE w.by_when (id int);
CREATE TRIGGER t BEFORE INSERT ON w.by_when FOR EACH ROW WHEN (w.f_two(NEW.id, 1) > 0) EXECUTE FUNCTION w.nothing();
CREATE DOMAIN w.dom_default AS int DEFAULT w.f();
CREATE TABLE w.by_domain (id int, d w.dom_default);
CREATE TABLE w.by_generated (id int, g int GENERATED ALWAYS AS (w.f_fixed(id)) STORED);
CREATE TABLE w.by_index (id int);
CREATE INDEX ON w.by_index (w.f_fixed(id));
CREATE TABLE w.by_predicate (id int);
CREATE INDEX ON w.by_predicate (id) WHERE w.f_fixed(id) > 0;
CREATE TABLE w.by_key (id int) PARTITION BY LIST (w.f_fixed(id));
CREATE TABLE w.by_key_1 PARTITION OF w.by_key FOR VALUES IN (1);
CREATE TABLE w.by_valid (id int);
INSERT INTO w.by_valid VALUES (1);
ALTER TABLE w.by_valid ADD CONSTRAINT c CHECK (w.f_two(id, 1) > 0) NOT VALID;
CREATE TABLE w.by_deferred (id int);
CREATE CONSTRAINT TRIGGER t AFTER INSERT ON w.by_deferred DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  EXECUTE FUNCTION w.f_trigger();
CREATE VIEW w.instead AS SELECT 1 AS id;
CREATE TRIGGER t INSTEAD OF INSERT OR UPDATE ON w.instead FOR EACH ROW EXECUTE FUNCTION w.f_trigger();
CREATE VIEW w.over AS TABLE w.by_trigger;
CREATE TABLE w.top (id int);
CREATE TABLE w.low () INHERITS (w.top);
INSERT INTO w.low VALUES (1);
CREATE TRIGGER t AFTER UPDATE ON w.low EXECUTE FUNCTION w.f_trigger();
CREATE TRIGGER t2 AFTER UPDATE ON w.low FOR EACH ROW EXECUTE FUNCTION w.f_trigger();
CREATE TABLE w.by_update (id int PRIMARY KEY, v int);
INSERT INTO w.by_update VALUES (1, 1);
CREATE RULE u AS ON UPDATE TO w.by_update DO ALSO SELECT w.f();
CREATE TABLE w.by_statistics (id int, a int);
INSERT INTO w.by_statistics SELECT g, g FROM generate_series(1, 50) g;
CREATE STATISTICS w.st ON (w.f_fixed(a)), id FROM w.by_statistics;
CREATE MATERIALIZED VIEW w2.stored AS SELECT w.f() AS a WITH NO DATA;
CREATE TABLE w.refers (id int REFERENCES w.by_update ON UPDATE CASCADE ON DELETE SET NULL);
"""

# Where PL/pgSQL may hold an expression.
PLACES = [
    "a int := w.f(); BEGIN RETURN a", "a int; BEGIN a := w.f(); RETURN a", "a int; BEGIN SELECT w.f() INTO a; RETURN a",
    "BEGIN PERFORM w.f(); RETURN 1", "BEGIN IF w.f() = 1 THEN RETURN 2; END IF; RETURN 1",
    "BEGIN CASE w.f() WHEN 1 THEN NULL; ELSE NULL; END CASE; RETURN 1", "BEGIN CASE WHEN w.f() = 1 THEN NULL; END CASE; RETURN 1",
    "r record; BEGIN FOR r IN SELECT w.f() LOOP END LOOP; RETURN 1", "BEGIN FOR i IN 1..w.f() LOOP END LOOP; RETURN 1",
    "BEGIN WHILE w.f() > 1 LOOP END LOOP; RETURN 1", "BEGIN LOOP EXIT WHEN w.f() = 1; END LOOP; RETURN 1",
    "a int; BEGIN FOREACH a IN ARRAY ARRAY[w.f()] LOOP END LOOP; RETURN 1", "BEGIN RAISE NOTICE '%', w.f(); RETURN 1",
    "BEGIN ASSERT w.f() = 1; RETURN 1", "c CURSOR FOR SELECT w.f(); a int; BEGIN OPEN c; FETCH c INTO a; RETURN 1",
    "a int; BEGIN EXECUTE 'SELECT $1' INTO a USING w.f(); RETURN a", "BEGIN EXECUTE 'SELECT w.f()'; RETURN 1",
    "BEGIN EXECUTE concat('SELECT w.', 'f()'); RETURN 1", "BEGIN CALL w.p(); RETURN 1", "BEGIN PERFORM 1/0; RETURN 1; EXCEPTION WHEN division_by_zero THEN RETURN w.f()",
    "r refcursor; a int; BEGIN OPEN r FOR EXECUTE 'SELECT w.f()'; FETCH r INTO a; RETURN a",
    "a int[]; BEGIN a[w.f()] := 1; RETURN 1", "BEGIN RETURN (SELECT max(a) FROM w.seen)", "BEGIN RETURN (SELECT a FROM w.f_table())",
    "c CURSOR (x int) FOR SELECT x; a int; BEGIN OPEN c(w.f()); FETCH c INTO a; RETURN a",
    "r record; BEGIN FOR r IN EXECUTE 'SELECT w.f()' LOOP END LOOP; RETURN 1",
    "BEGIN INSERT INTO w.by_trigger VALUES (1); RETURN 1", "BEGIN UPDATE w.top SET id = 2; RETURN 1",
    "BEGIN BEGIN PERFORM w.f(); EXCEPTION WHEN OTHERS THEN RAISE; END; RETURN 1", "BEGIN <<l>> FOR i IN 1..1 LOOP PERFORM w.f(); CONTINUE l; END LOOP; RETURN 1",
    "a w.dom; BEGIN a := 1; RETURN 1", "BEGIN RETURN w.f_any('x'::text)", "BEGIN DROP TABLE IF EXISTS w.none; RETURN w.f()",
]

# One call in many places. Those marked 'c' show only in the catalog.
CALLS = [
    "SELECT {f}", "SELECT * FROM {g}", "VALUES ({f})", "SELECT (SELECT {f})", "SELECT 1 WHERE {f} = 1",
    "SELECT CASE WHEN true THEN {f} END", "SELECT coalesce(NULL, {f})", "SELECT ARRAY[1, {f}]",
    "SELECT 1 ORDER BY {f}", "SELECT 1 FROM w.sink LIMIT {f}", "SELECT 1 OFFSET {f}",
    "SELECT * FROM generate_series(1, {f})", "SELECT lower({f}::text)",
    "SELECT length(lower(upper(repeat('a', {f}))))",
    "WITH x AS MATERIALIZED (SELECT {f} AS a) SELECT * FROM x",
    "WITH RECURSIVE x(a) AS (SELECT {f} UNION ALL SELECT a + 1 FROM x WHERE a < 3) SELECT * FROM x",
    "SELECT 1 UNION ALL SELECT {f}", "SELECT max(id) FROM w.sink HAVING {f} = 1",
    "SELECT sum({f}) OVER () FROM w.sink", "SELECT greatest(1, {f})", "SELECT nullif({f}, 0)",
    "SELECT 1 FROM w.sink WHERE id = {f}", "SELECT 1 FROM w.sink a JOIN w.sink b ON a.id = {f}",
    "SELECT 1 FROM w.sink, LATERAL (SELECT {f}) y", "SELECT row({f}, 1)", "SELECT 2 BETWEEN {f} AND 3",
    "SELECT 1 IN (2, {f})", "SELECT 1 = ANY (ARRAY[{f}])", "SELECT - {f}",
    "SELECT ({f})::text COLLATE \"C\"",
    "SELECT string_agg('a', 'b' ORDER BY {f})", "SELECT count(*) FILTER (WHERE {f} = 1)",
    "SELECT DISTINCT ON ({f}) 1", "SELECT 1 GROUP BY {f}", "TABLE w.sink ORDER BY {f}",
    "INSERT INTO w.sink SELECT 9, {f}", "INSERT INTO w.sink VALUES (9, {f}) RETURNING *",
    "UPDATE w.sink SET a = {f} WHERE id = 1", "DELETE FROM w.sink WHERE id = 2 OR {f} = 2",
    "COPY (SELECT {f}) TO STDOUT", "EXPLAIN ANALYZE SELECT {f}",
    "EXPLAIN (ANALYZE off, ANALYSE, COSTS off) SELECT {f}",
    "PREPARE eq AS SELECT {f}; EXECUTE eq", "PREPARE eq(int) AS SELECT $1 + {f}; EXECUTE eq(1)",
    "PREPARE eq(int) AS SELECT $1; EXECUTE eq({f})",
    "CREATE TABLE w.made AS SELECT {f}", "CREATE TEMP TABLE made AS SELECT {f}", "SELECT {f} INTO w.made",
    "CREATE MATERIALIZED VIEW w.made AS SELECT {f} AS a",
    "CREATE VIEW w.made AS SELECT {f} AS a; TABLE w.made",
    "DECLARE eq CURSOR FOR SELECT {f}; FETCH ALL FROM eq",
    "DECLARE eq NO SCROLL CURSOR WITH HOLD FOR SELECT {f}; FETCH eq",
    "DECLARE eq CURSOR FOR SELECT {f}; MOVE ALL IN eq",
    "SELECT set_config('application_name', {f}::text, false)",
    "SELECT query_to_xml({q:SELECT {f}}, true, true, '')", "DO {q:BEGIN PERFORM {f}; END}",
    "DO {q:DECLARE a int := {f}; BEGIN END}", "SELECT xmlelement(name a, {f})",
    "SELECT json_build_object('a', {f})",
    "SELECT extract(year FROM now()) + {f}", "SELECT substring('abc' FROM {f})", "SELECT ROW({f}) IS NULL",
    "SELECT ts_stat({q:SELECT to_tsvector({f}::text)})",
    "SELECT table_to_xml('w.sink', true, true, {f}::text)",
    "SELECT pg_sleep(0 * {f})", "SELECT to_char({f}, '9')", "SELECT format('%s', {f})",
    "LOCK TABLE w.sink; SELECT {f}", "SET LOCAL work_mem = '8MB'; SELECT {f}",
]
# Ways to the same function that need the objects of CALLERS.
PATHS = [
    ("SELECT w.f_sql()", ""), ("SELECT w.f_stable()", ""), ("SELECT w.f_fixed(1)", ""),
    ("SELECT w.f_dynamic()", ""),
    ("SELECT w.f_default()", ""), ("EXPLAIN SELECT w.f_fixed(1)", ""),
    ("EXPLAIN SELECT 1 FROM w.sink WHERE id = w.f_fixed(2)", ""),
    ("SELECT 1 OPERATOR(w.<+>) 2", ""), ("SELECT w.f_all(id) FROM w.sink", ""),
    ("SELECT s.f_row FROM w.sink s", "c"),
    ("SELECT (s).f_row FROM w.sink s", "c"), ("SELECT w.f_row(s) FROM w.sink s", ""), ("CALL w.p()", ""),
    ("SELECT 1::w.dom", ""), ("SELECT CAST('1' AS w.dom)", ""), ("SELECT w.dom '1'", ""),
    ("TABLE w.seen", "c"), ("SELECT * FROM w.seen", "c"), ("SELECT a FROM w.seen_twice", "c"),
    ("COPY (TABLE w.seen_twice) TO STDOUT", "c"),
    ("CREATE TABLE w.made AS TABLE w.seen", "c"), ("INSERT INTO w.by_default (id) VALUES (1)", "c"),
    ("INSERT INTO w.by_default DEFAULT VALUES", "c"), ("INSERT INTO w.by_check VALUES (1)", "c"),
    ("INSERT INTO w.by_trigger VALUES (1)", "c"), ("INSERT INTO w.by_trigger SELECT 1 WHERE false", "c"),
    ("INSERT INTO w.by_rule VALUES (1)", "c"),
    ("WITH x AS (INSERT INTO w.by_trigger VALUES (1) RETURNING *) SELECT * FROM x", "c"),
    ("DO $$BEGIN CALL w.p(); END$$", ""), ("PREPARE eq AS TABLE w.seen; EXECUTE eq", "c"),
    ("DECLARE eq CURSOR FOR TABLE w.seen; FETCH ALL FROM eq", "c"),
    ("SELECT query_to_xml('TABLE w.seen', true, true, '')", ""),
    ("SELECT schema_to_xml('w', true, true, '')", ""),
    ("ALTER TABLE w.sink ADD b int DEFAULT w.f()", ""), ("ALTER TABLE w.sink ALTER a TYPE int USING w.f()",
                                                         ""),
    ("ALTER TABLE w.sink ADD CHECK (w.f_two(id, 1) > 0)", ""), ("CREATE INDEX ON w.sink (w.f_fixed(id))",
                                                                ""),
    ("CREATE TABLE w.made (a int DEFAULT w.f()); INSERT INTO w.made DEFAULT VALUES", ""),
    ("SELECT w.f_any(1)", ""), ("SELECT w.f_any('x'::text)", ""), ("SELECT w.f_many(1, 2, 3)", ""), ("SELECT w.f_many(VARIADIC '{1}')", ""),
    ("SELECT w.f_over(1::bigint)", ""), ("SELECT w.f_over(9999999999)", ""), ("SELECT w.f_view()", ""), ("SELECT w.f_path()", ""), ("SELECT w.f_atomic()", ""),
    ("SELECT w.f_return()", ""), ("SELECT * FROM w.f_table()", ""), ("SELECT w.f_insert()", ""), ("SELECT w.f_again(3)", ""), ("CALL w.p_out(1)", ""),
    ("INSERT INTO w.by_when VALUES (1)", "c"), ("INSERT INTO w.by_domain (id) VALUES (1)", "c"), ("INSERT INTO w.by_domain DEFAULT VALUES", "c"),
    ("INSERT INTO w.by_generated (id) VALUES (1)", "c"), ("INSERT INTO w.by_index VALUES (1)", "c"), ("INSERT INTO w.by_predicate VALUES (1)", "c"),
    ("INSERT INTO w.by_key VALUES (1)", "c"), ("ALTER TABLE w.by_valid VALIDATE CONSTRAINT c", "c"), ("ALTER TABLE w.sink ADD d w.dom DEFAULT 1", ""),
    ("INSERT INTO w.by_deferred VALUES (1); SET CONSTRAINTS ALL IMMEDIATE", "c"), ("INSERT INTO w.instead VALUES (1)", "c"), ("UPDATE w.instead SET id = 1", "c"),
    ("INSERT INTO w.over VALUES (1)", "c"), ("UPDATE w.top SET id = 2", "c"), ("UPDATE w.top SET id = 2 WHERE id = 1", "c"), ("UPDATE w.by_update SET v = 2 WHERE id = 1", "c"),
    ("ANALYZE w.by_statistics", "c"), ("REFRESH MATERIALIZED VIEW w2.stored", "c"),
    ("MERGE INTO w.by_trigger USING w.sink ON false WHEN NOT MATCHED THEN INSERT VALUES (1)", "c"), ("PREPARE eq AS INSERT INTO w.by_trigger VALUES ($1); EXECUTE eq(1)", "c"),
    ("INSERT INTO w.by_trigger VALUES (1) ON CONFLICT DO NOTHING", "c"), ("WITH x AS (INSERT INTO w.over VALUES (1)) SELECT 1", "c"),
    ("COPY (INSERT INTO w.by_generated (id) VALUES (1) RETURNING g) TO STDOUT", "c"), ("CREATE TABLE w.made (LIKE w.by_default INCLUDING DEFAULTS); INSERT INTO w.made (id) VALUES (1)", "c"),
    ("CREATE TABLE w.made () INHERITS (w.by_default); INSERT INTO w.made (id) VALUES (1)", "c"), ("CREATE TEMP TABLE made (LIKE w.by_check INCLUDING ALL); INSERT INTO made VALUES (1)", "c"),
    *((f"SELECT w.b{i}()", "") for i in range(1, 1 + len(PLACES))),
    ("SET search_path = w; SELECT f()", ""), ("SELECT set_config('search_path', 'w', false); SELECT f()",
                                              ""),
]

ALWAYS = [
    "true", "1 = 1", "true OR {c:id} = 1", "NOT false", "'a' = 'a'", "{c:id} = {c:id}",
    "{c:id} IS NOT NULL OR {c:id} IS NULL",
    "CASE WHEN true THEN true ELSE {c:id} = 1 END", "CASE WHEN {c:id} > 3 THEN true ELSE true END",
    "COALESCE(true, {c:id} = 1)",
    "{c:id} IN (SELECT {c:id} FROM {t})", "EXISTS (SELECT 1)", "ctid IS NOT NULL", "{c:id} % 1 = 0",
    "{c:id} > -5",
    "{c:id}::text LIKE '%'", "{c:id} = ANY (ARRAY(SELECT {c:id} FROM {t}))", "now() > '2000-01-01'",
    "random() < 2",
    "pg_typeof({c:id})::text = 'integer'", "length({c:id}::text) > 0", "(SELECT true)",
    "{c:id} BETWEEN -1 AND 2147483647",
    "current_user IS NOT NULL", "({c:id}, 1) = ({c:id}, 1)", "{c:id} = {c:id} + 0",
    "NOT ({c:id} = 1 AND false)", "true IS NOT FALSE",
    "{c:id} < 10 OR {c:id} >= 10", "{c:id} <> 0", "{c:id} IS DISTINCT FROM NULL",
    "tableoid IS NOT NULL AND 2 > 1",
    "{c:id} NOT IN (0)", "EXISTS (SELECT * FROM w.sink)", "({c:id} > 0) IS NOT UNKNOWN",
    "{c:id} IN (SELECT generate_series(1, 30))",
    "{c:id} IS NOT DISTINCT FROM {c:id}", "xmin IS NOT NULL", "abs({c:id}) >= 0", "{c:id} & 0 = 0",
    "'x' ~ '.'", "mod({c:id}, 1) = 0",
]


@dataclasses.dataclass
class Kind:
    name: str
    spellings: list
    probe: str  # true once it has happened
    rows: str = ""  # 'r': a change of rows, with RETURNING; 'm': without
    inside: bool = True  # may run inside a transaction and a function
    undo: str = ""  # what a ROLLBACK does not take back
    call: str = ""  # the statement is a SELECT of this expression
    before: str = ""  # run outside, before each attempt


def gone(name):
    return f"to_regclass('{name}') IS NULL"


def catalog(table, condition):
    return f"NOT EXISTS (SELECT FROM pg_catalog.{table} WHERE {condition})"


def there(table, condition):
    return f"EXISTS (SELECT FROM pg_catalog.{table} WHERE {condition})"


T = "[{t}|ONLY {t}|{t} *|ONLY ({t})]"
COUNT = f"(SELECT count(*) FROM w.{LONE})"
ALTER = "ALTER TABLE[| IF EXISTS] " + T + " "
_RELATION = f"oid = 'w.{LONE}'::regclass"

KINDS = [
    Kind("DELETE",
         ["DELETE FROM " + T + "[| {a}| AS {a}][| WHERE {always}| WHERE {always}| WHERE {always} AND {always}]",
                    "[WITH {a} AS (SELECT 1) |]DELETE FROM " + T + " USING [generate_series(1, 1)|(VALUES (1)) AS {a}(z)|w.sink] WHERE {always}"],
         f"{COUNT} = 0", rows="r"),
    Kind("DELETE by key",
         ["DELETE FROM " + T + " WHERE [{c:id} = 7|7 = {c:id}|{c:id} IN (7)|{c:id} = '7'|{c:id} = 7::bigint|({c:id} = 7) AND (true)|{c:id} = 7 AND {always}|{c:id} BETWEEN 7 AND 7|{c:id} = ANY ('{7\\}')|{c:id} = (SELECT 7)|{c:id} OPERATOR(pg_catalog.=) 7]"],
         f"{COUNT} = 29", rows="r"),
    Kind("DELETE cascading", ["DELETE FROM {t:parent} WHERE [{c:id} = 1|{always:parent}]"],
         "(SELECT count(*) FROM w.child) = 0", rows="r"),
    Kind("UPDATE",
         ["UPDATE " + T + "[| AS {a}] SET [{c:v} = 'x'|({c:v}, {c:n}) = ('x', 5)|({c:v}) = ROW('x')|({c:v}, {c:n}) = (SELECT 'x', 5)][| WHERE {always}| WHERE {always}]",
                    "UPDATE {t} SET {c:v} = 'x' FROM (VALUES (1)) AS {a}(z) WHERE {always}"],
         f"(SELECT bool_and(v = 'x') FROM w.{LONE})", rows="r"),
    Kind("UPDATE to NULL",
         ["UPDATE " + T + " SET {c:v} = [NULL|nullif('', '')|CASE WHEN false THEN 'x' END|(SELECT NULL)|NULL::text|(SELECT {c:v} LIMIT 0)][| WHERE {always}]"],
         f"(SELECT bool_and(v IS NULL) FROM w.{LONE})", rows="r"),
    Kind("MERGE",
         ["MERGE INTO {t} AS {a} USING [w.sink|(VALUES (1)) AS s(z)|generate_series(1, 1) AS s(z)] ON true WHEN MATCHED [|AND true ]THEN [DELETE|DELETE WHEN NOT MATCHED THEN DO NOTHING]",
                   "MERGE INTO {t} AS m USING {t} AS s ON m.{c:id} = s.{c:id} WHEN NOT MATCHED THEN DO NOTHING WHEN MATCHED THEN DELETE"],
         f"{COUNT} = 0", rows="m"),
    Kind("INSERT ON CONFLICT",
         ["INSERT INTO {t}[| AS {a}] ({c:id}, {c:v}, {c:n}) SELECT {c:id}, 'x', 1 FROM {t} [|WHERE {always} |WHERE true ]ON CONFLICT ({c:id}) DO UPDATE SET {c:v} = [excluded.{c:v}|'x']"],
         f"(SELECT bool_and(v = 'x') FROM w.{LONE})", rows="r"),
    Kind("TRUNCATE",
         ["TRUNCATE[| TABLE] " + T + "[|, w.child][| RESTART IDENTITY| CONTINUE IDENTITY][| CASCADE| RESTRICT]"], f"{COUNT} = 0"),
    Kind("DROP TABLE", ["DROP TABLE[| IF EXISTS] {t} CASCADE",
                        "DROP TABLE[| IF EXISTS] {t}, w.child CASCADE"], gone(f"w.{LONE}")),
    Kind("DROP TABLE and again", ["DROP TABLE {t} CASCADE; CREATE TABLE {t} (id int)",
                                  "ALTER TABLE {t} RENAME TO hidden; CREATE TABLE {t} (id int); DROP TABLE w.hidden CASCADE"], f"{COUNT} = 0"),
    Kind("DROP SCHEMA", ["DROP SCHEMA[| IF EXISTS] {n:w2} CASCADE"], "to_regnamespace('w2') IS NULL"),
    Kind("DROP COLUMN", [ALTER + "DROP [|COLUMN ][|IF EXISTS ]{c:v} CASCADE",
                         ALTER + "ADD extra int, DROP {c:v} CASCADE"],
         catalog("pg_attribute", f"attrelid = 'w.{LONE}'::regclass AND attname = 'v'")),
    Kind("DROP VIEW", ["DROP VIEW[| IF EXISTS] {r:vw}[| CASCADE| RESTRICT]"], gone("w.vw")),
    Kind("DROP MATERIALIZED VIEW", ["DROP MATERIALIZED VIEW[| IF EXISTS] {r:mv}[| CASCADE]"], gone("w.mv")),
    Kind("DROP SEQUENCE", ["DROP SEQUENCE[| IF EXISTS] {r:sq}[| CASCADE]"], gone("w.sq")),
    Kind("DROP INDEX", ["DROP INDEX[| IF EXISTS] {r:ix}[| CASCADE| RESTRICT]"], gone("w.ix")),
    Kind("DROP FUNCTION",
         ["DROP [FUNCTION|ROUTINE][| IF EXISTS] {r:fn}[(int)|(pg_catalog.int4)|(IN a integer)|][| CASCADE]"], "to_regprocedure('w.fn(int)') IS NULL"),
    Kind("DROP TYPE", ["DROP TYPE[| IF EXISTS] {r:ty}[| CASCADE]"], "to_regtype('w.ty') IS NULL"),
    Kind("DROP DOMAIN", ["DROP [DOMAIN|TYPE][| IF EXISTS] {r:dm}[| CASCADE]"],
         "to_regtype('w.dm') IS NULL"),
    Kind("DROP TRIGGER", ["DROP TRIGGER[| IF EXISTS] {n:tg} ON {t}[| CASCADE]"], catalog("pg_trigger",
                                                                                         "tgname = 'tg'")),
    Kind("DROP POLICY", ["DROP POLICY[| IF EXISTS] {n:po} ON {r:guarded}"], catalog("pg_policy",
                                                                                    "polname = 'po'")),
    Kind("DROP RULE", ["DROP RULE[| IF EXISTS] {n:ru} ON {r:ruled}[| CASCADE]"], catalog("pg_rewrite",
                                                                                         "rulename = 'ru'")),
    Kind("DROP CONSTRAINT", [ALTER + "DROP CONSTRAINT [|IF EXISTS ]{n:positive}[| CASCADE]"],
         catalog("pg_constraint", "conname = 'positive'")),
    Kind("DROP NOT NULL", [ALTER + "ALTER [|COLUMN ]{c:n} DROP NOT NULL"], there("pg_attribute",
                                                                                 f"attrelid = 'w.{LONE}'::regclass AND attname = 'n' AND NOT attnotnull")),
    Kind("DROP OWNED", ["DROP OWNED BY {n:eq_a}[|, eq_c] CASCADE"], gone("w.owned")),
    Kind("DROP ROLE", ["DROP [ROLE|USER|GROUP][| IF EXISTS] {n:eq_c}"], catalog("pg_roles",
                                                                                "rolname = 'eq_c'")),
    Kind("ALTER TYPE USING NULL",
         ["ALTER TABLE {r:guarded} ALTER [|COLUMN ]{c:v} [|SET DATA ]TYPE [int|bigint] USING [NULL|NULL::int|nullif(1, 1)]"],
         "(SELECT count(v) FROM w.guarded) = 0 AND EXISTS (SELECT FROM w.guarded)", ),
    Kind("SET UNLOGGED", ["ALTER TABLE[| IF EXISTS] {r:sink} SET UNLOGGED",
                          "ALTER TABLE {r:sink} ADD z int, SET UNLOGGED"], there("pg_class",
                                                                                 "oid = 'w.sink'::regclass AND relpersistence = 'u'")),
    Kind("DISABLE TRIGGER", [ALTER + "DISABLE TRIGGER [{n:tg}|ALL|USER]"], there("pg_trigger",
                                                                                 "tgname = 'tg' AND tgenabled = 'D'")),
    Kind("DISABLE ROW LEVEL SECURITY",
         ["ALTER TABLE[| IF EXISTS][| ONLY] {r:guarded} [|ADD z int, ]DISABLE ROW LEVEL SECURITY"],
         there("pg_class", "oid = 'w.guarded'::regclass AND NOT relrowsecurity")),
    Kind("DETACH PARTITION", ["ALTER TABLE[| IF EXISTS] {r:parted} DETACH PARTITION {r:part}"],
         there("pg_class", "oid = 'w.part'::regclass AND NOT relispartition")),
    Kind("NO INHERIT", ["ALTER TABLE[| IF EXISTS][| ONLY] {r:heir} NO INHERIT {r:base}"],
         catalog("pg_inherits", "inhrelid = 'w.heir'::regclass")),
    Kind("OWNER TO", ["ALTER TABLE[| IF EXISTS] {r:sink} [|ADD z int, ]OWNER TO {n:eq_b}",
                      "ALTER TABLE ONLY {r:sink} OWNER TO {n:eq_b}"], there("pg_class",
                                                                            "oid = 'w.sink'::regclass AND relowner = 'eq_b'::regrole")),
    Kind("RENAME", ["ALTER TABLE[| IF EXISTS] {t} RENAME TO {n:elsewhere}",
                    "ALTER TABLE ONLY {t} RENAME TO {n:elsewhere}"], gone(f"w.{LONE}")),
    Kind("SET SCHEMA", ["ALTER TABLE[| IF EXISTS] " + T + " SET SCHEMA {n:w2}"], gone(f"w.{LONE}")),
    Kind("GRANT",
         ["GRANT [DELETE|ALL|ALL PRIVILEGES|SELECT, DELETE|delete, TRUNCATE] ON [|TABLE ]{t}[|, w.child] TO [|GROUP ]{n:eq_b}[| WITH GRANT OPTION]", "GRANT ALL ON ALL TABLES IN SCHEMA {n:w} TO {n:eq_b}, eq_c"],
         f"has_table_privilege('eq_b', 'w.{LONE}', 'DELETE')"),
    Kind("REVOKE", ["REVOKE [SELECT|ALL] ON [|TABLE ]{r:sink} FROM {n:eq_b}[| CASCADE| RESTRICT]",
                    "REVOKE ALL ON ALL TABLES IN SCHEMA {n:w} FROM {n:eq_b}"],
         "NOT has_table_privilege('eq_b', 'w.sink', 'SELECT')"),
    Kind("GRANT ROLE",
         ["GRANT {n:eq_a}[|, eq_c] TO {n:eq_b}[| WITH ADMIN OPTION][| GRANTED BY CURRENT_USER]"],
         "pg_has_role('eq_b', 'eq_a', 'MEMBER')"),
    Kind("ALTER ROLE",
         ["ALTER [ROLE|USER] {n:eq_b} [|WITH ][SUPERUSER|LOGIN SUPERUSER|CREATEDB SUPERUSER CREATEROLE]"],
         there("pg_roles", "rolname = 'eq_b' AND rolsuper")),
    Kind("ALTER ROLE SET",
         ["ALTER [ROLE|USER] {n:eq_b}[| IN DATABASE eq] SET [search_path|row_security] [=|TO] 'off'"],
         there("pg_db_role_setting", "setrole = 'eq_b'::regrole")),
    Kind("CREATE ROLE", ["CREATE [ROLE|USER|GROUP] {n:eq_new}[| SUPERUSER| WITH LOGIN PASSWORD 'x']"],
         there("pg_roles", "rolname = 'eq_new'")),
    Kind("DEFAULT PRIVILEGES",
         ["ALTER DEFAULT PRIVILEGES [|IN SCHEMA {n:w} |FOR ROLE postgres ]GRANT [ALL|DELETE] ON TABLES TO {n:eq_b}"], "EXISTS (SELECT FROM pg_default_acl)"),
    Kind("CREATE OR REPLACE FUNCTION",
         ["CREATE OR REPLACE FUNCTION {r:fn}(int) RETURNS int [LANGUAGE sql AS 'SELECT 666'|AS 'SELECT 666' LANGUAGE 'sql'|LANGUAGE sql RETURN 666|LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT 666; END]"],
         "w.fn(1) = 666"),
    Kind("CREATE OR REPLACE VIEW",
         ["CREATE OR REPLACE VIEW {r:vw} (id, v) AS [SELECT 666, 'x'::text|VALUES (666, 'x'::text)]"],
         "(SELECT count(*) FROM w.vw) = 1"),
    Kind("CREATE TRIGGER",
         ["CREATE [|OR REPLACE ]TRIGGER {n:fresh} [AFTER|BEFORE] [DELETE|DELETE OR UPDATE|INSERT OR DELETE] ON {t} [|FOR EACH STATEMENT ]EXECUTE [FUNCTION|PROCEDURE] w.nothing()"], there("pg_trigger", "tgname = 'fresh'")),
    Kind("CREATE RULE",
         ["CREATE [|OR REPLACE ]RULE {n:fresh} AS ON [DELETE|UPDATE|INSERT] TO {t} DO [INSTEAD NOTHING|ALSO NOTHING|INSTEAD DELETE FROM w.child|INSTEAD (DELETE FROM w.child; DELETE FROM w.sink)]"], there("pg_rewrite", "rulename = 'fresh'")),
    Kind("CREATE POLICY",
         ["CREATE POLICY {n:fresh} ON {r:guarded}[| FOR ALL| AS PERMISSIVE| TO eq_b] USING ([true|id > 0])"], there("pg_policy", "polname = 'fresh'")),
    Kind("ALTER POLICY", ["ALTER POLICY {n:po} ON {r:guarded}[| TO PUBLIC] USING ([true|1 = 1])"],
         there("pg_policy", "polname = 'po' AND pg_get_expr(polqual, polrelid) NOT LIKE '%0%'")),
    Kind("COPY TO PROGRAM",
         ["COPY [{t}|{t} ({c:id})|(SELECT 1)|(TABLE w.sink)|(VALUES (1), (2))] TO PROGRAM 'cat > /tmp/eq-program'[| (FORMAT csv)| WITH CSV HEADER]"],
         "(pg_stat_file('/tmp/eq-program', true)).size > 0",
         undo="COPY (SELECT 1 WHERE false) TO PROGRAM 'rm -f /tmp/eq-program'"),
    Kind("COPY TO file",
         ["COPY [{t}|{t} ({c:id})|(SELECT 1)|(TABLE w.sink)] TO '/tmp/eq-file'[| (FORMAT csv)| WITH BINARY| CSV]"],
         "(pg_stat_file('/tmp/eq-file', true)).size > 0",
         undo="COPY (SELECT 1 WHERE false) TO PROGRAM 'rm -f /tmp/eq-file'"),
    Kind("COPY FROM PROGRAM",
         ["COPY {r:sink}[| (id, a)] FROM PROGRAM ['echo 5,5'|'printf 5,5'] [CSV|(FORMAT csv)|WITH (FORMAT 'csv')|DELIMITER ',']"], "EXISTS (SELECT FROM w.sink WHERE id = 5)"),
    Kind("COPY FROM file", ["COPY w2.kept FROM '/proc/sys/kernel/pid_max'[| CSV| (FORMAT text)]"],
         "EXISTS (SELECT FROM w2.kept WHERE id > 1000)"),
    Kind("DO", ["DO {q:BEGIN DELETE FROM w." + LONE + "; END}[| LANGUAGE plpgsql]"], f"{COUNT} = 0"),
    Kind("CALL", ["CALL {r:pr}()"], f"{COUNT} = 0"),
    Kind("setval", ["SELECT {call}"], "(SELECT last_value FROM w.sq) = 7",
         call="[|pg_catalog.]setval('w.sq'[|::regclass], [7|7::bigint|3 + 4], [true|false])",
         undo="SELECT setval('w.sq', 50)"),
    Kind("ALTER SEQUENCE",
         ["ALTER SEQUENCE[| IF EXISTS] {r:sq} [RESTART|RESTART WITH 1|RESTART 1|INCREMENT BY 1 RESTART]"],
         "(SELECT last_value FROM w.sq) = 1"),
    Kind("REFRESH WITH NO DATA", ["REFRESH MATERIALIZED VIEW {r:mv} WITH NO DATA"], there("pg_class",
                                                                                          "oid = 'w.mv'::regclass AND NOT relispopulated")),
    Kind("lo_unlink", ["SELECT {call}"],
         "NOT EXISTS (SELECT FROM pg_largeobject_metadata WHERE oid = 4242)",
         call="[|pg_catalog.]lo_unlink([4242|'4242'|4242::oid|(SELECT 4242::oid)])"),
    Kind("set_config", ["SELECT {call}"], "current_setting('session_replication_role') = 'replica'",
         call="[|pg_catalog.]set_config('session_replication_role', 'replica', [true|false])"),
    Kind("SET", ["SET [|LOCAL |SESSION ]session_replication_role [=|TO] ['replica'|replica|\"replica\"]"],
         "current_setting('session_replication_role') = 'replica'"),
    Kind("SET ROLE", ["SET [|LOCAL |SESSION ]ROLE [{n:eq_b}|'eq_b']",
                      "SET [|LOCAL ]role [=|TO] [eq_b|'eq_b']"], "current_user = 'eq_b'"),
    Kind("UPDATE pg_settings",
         ["UPDATE [|pg_catalog.]pg_settings SET setting = 'replica' WHERE name = 'session_replication_role'"], "current_setting('session_replication_role') = 'replica'", rows="m"),
    Kind("UPDATE of a catalog",
         ["UPDATE [|pg_catalog.]pg_class SET reltuples = 77 WHERE oid = 'w.sink'::regclass"],
         there("pg_class", "oid = 'w.sink'::regclass AND reltuples = 77"), rows="r"),
    Kind("ALTER DATABASE SET", ["ALTER DATABASE {n:eq} SET [row_security|search_path] [=|TO] ['off'|off]"],
         "EXISTS (SELECT FROM pg_db_role_setting WHERE setrole = 0 AND setconfig::text LIKE '%off%')"),
    Kind("ALTER SYSTEM", ["ALTER SYSTEM SET [work_mem|maintenance_work_mem] [=|TO] ['5MB'|5120]"],
         "EXISTS (SELECT FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf')", inside=False,
         undo="ALTER SYSTEM RESET ALL"),
    # Not destructive, and never SAFE all the same.
    Kind("INSERT",
         ["INSERT INTO {r:sink}[| AS {a}] [VALUES (5, 5)|(id, a) VALUES (5, 5)|(a, id) SELECT 5, 5|SELECT 5, 5|VALUES (5, 5), (6, 6)|VALUES (5, 5) ON CONFLICT DO NOTHING]"],
         "EXISTS (SELECT FROM w.sink WHERE id = 5)", rows="r"),
    Kind("SELECT FOR UPDATE",
         ["SELECT [*|id|1] FROM {t} [FOR UPDATE|FOR NO KEY UPDATE|FOR SHARE|FOR KEY SHARE|FOR UPDATE NOWAIT|LIMIT 5 FOR UPDATE SKIP LOCKED]",
                               "SELECT * FROM (SELECT id FROM {t} FOR UPDATE) AS {a}",
                               "WITH q AS (SELECT id FROM {t} FOR SHARE) SELECT * FROM q",
                               "SELECT (SELECT 1 FROM {t} LIMIT 1 FOR UPDATE)",
                               "SELECT 1 WHERE EXISTS (SELECT FROM {t} FOR KEY SHARE)",
                               "SELECT ARRAY(SELECT id FROM {t} FOR UPDATE)",
                               "COPY (SELECT id FROM {t} FOR UPDATE) TO STDOUT",
                               "EXPLAIN ANALYZE SELECT id FROM {t} FOR UPDATE"],
         f"EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'w.{LONE}'::regclass AND mode = 'RowShareLock')"),
    Kind("LOCK TABLE", ["LOCK[| TABLE] " + T + "[| IN ACCESS EXCLUSIVE MODE][| NOWAIT]"],
         f"EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'w.{LONE}'::regclass AND mode = 'AccessExclusiveLock')"),
    Kind("nextval", ["SELECT {call}"], "(SELECT last_value FROM w.sq) <> 50",
         call="[|pg_catalog.]nextval('w.sq'[|::regclass|::text])", undo="SELECT setval('w.sq', 50)"),
    Kind("advisory lock", ["SELECT {call}"],
         "EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory')",
         call="[|pg_catalog.][pg_advisory_lock|pg_try_advisory_lock|pg_advisory_xact_lock|pg_advisory_lock_shared|pg_try_advisory_xact_lock_shared]([1|1, 2|77::bigint])"),
    Kind("CREATE TABLE",
         ["CREATE [|UNLOGGED ]TABLE[| IF NOT EXISTS] {r:fresh} [(id int)|(LIKE w.sink)|AS SELECT 1|(id) AS VALUES (1)|() INHERITS (w.base)|AS TABLE w.sink WITH NO DATA]",
                          "SELECT 1 AS a INTO {r:fresh}", "SELECT * INTO TABLE {r:fresh} FROM w.sink",
                          "CREATE TABLE {r:fresh} PARTITION OF w.parted FOR VALUES IN (2)"],
         "to_regclass('w.fresh') IS NOT NULL"),
    Kind("CREATE INDEX",
         ["CREATE [|UNIQUE ]INDEX[| IF NOT EXISTS] {n:fresh} ON [|ONLY ]{t} [(id)|USING btree (id)|(id DESC)|(abs(id))|(id) WHERE id > 3]"], "to_regclass('w.fresh') IS NOT NULL"),
    Kind("ADD COLUMN",
         [ALTER + "ADD [|COLUMN ][|IF NOT EXISTS ]{n:fresh} [int|text DEFAULT 'x'|int NOT NULL DEFAULT 1|timestamptz DEFAULT now()]"], there("pg_attribute", "attname = 'fresh'")),
    Kind("COMMENT", ["COMMENT ON [TABLE {t}|COLUMN {t}.{c:id}] IS 'x'"],
         "EXISTS (SELECT FROM pg_description WHERE description = 'x')"),
    Kind("DROP DATABASE", ["DROP DATABASE[| IF EXISTS] {n:eq_gone}[| WITH (FORCE)| (FORCE)]"],
         catalog("pg_database", "datname = 'eq_gone'"), inside=False,
         before="CREATE DATABASE eq_gone STRATEGY file_copy"),
]


class Writer:
    """Draws texts from a seed."""

    def __init__(self, seed, version):
        self.rng = random.Random(seed)
        self.version = version

    def pick(self, options):
        return self.rng.choice(options)

    def maybe(self, p):
        return self.rng.random() < p

    # Names.

    def escaped(self, name):
        mark = self.pick(["\\", "!", "^"])
        out = "".join(c if self.maybe(0.6) else self.pick([f"{mark}{ord(c):04x}",
                                                           f"{mark}+{ord(c):06X}"]) for c in name)
        return f'U&"{out}"' + ("" if mark == "\\" else f" UESCAPE '{mark}'")

    def part(self, name):
        long = name + self.pick(["", "_and_more",
                                 "y" * 70]) if len(name) == 63 and self.maybe(0.4) else name
        how = self.rng.random()
        if how < 0.5:
            return long
        if how < 0.7:
            return "".join(c.upper() if self.maybe(0.5) else c for c in long)
        return f'"{long}"' if how < 0.85 else self.escaped(long)

    def relation(self, name, database=True):
        dot = self.pick([".", ".", " . ", "./**/"])
        parts = [self.part(name)]
        if self.maybe(0.8):
            parts.insert(0, self.part("w"))
            if database and self.maybe(0.1):
                parts.insert(0, "eq")
        return dot.join(parts)

    # Literals.

    def literal(self, text):
        how = self.rng.random()
        if how < 0.4 and "\\" not in text:
            return "'" + text.replace("'", "''") + "'"
        if how < 0.7:
            tag = next(t for t in ("", "a", "eq_1",
                                   "zz9") if f"${t}$" not in text and not text.endswith("$"))
            return f"${tag}${text}${tag}$"
        out = "".join(c if c.isalnum() and self.maybe(0.9) else f"\\x{ord(c):02x}" if self.maybe(0.5) else f"\\{ord(c):03o}"
                      if ord(c) < 128 else c for c in text)
        return f"E'{out}'"

    # Templates.

    def fill(self, template, kind):
        """[a|b] and {x}; a backslash keeps the next character."""
        text = template
        while m := re.search(r"\[([^\[\]|]*(?:\|[^\[\]|]*)+)\]", text):
            text = text[:m.start()] + self.pick(m.group(1).split("|")) + text[m.end():]

        def one(m):
            what, _, of = m.group(1).partition(":")
            if what == "t":
                return self.relation(PARENT if of == "parent" else LONE)
            if what == "r":
                return self.relation(of, database=of not in ("fn", "pr", "ty", "dm"))
            if what in ("c", "n"):
                return self.part(of)
            if what == "a":
                return self.pick(["x", "aka", '"Odd one"', "lone"])
            if what == "always":
                inner = self.fill(self.pick([a for a in ALWAYS if "{t}" not in a]) if of else self.pick(ALWAYS), kind)
                return f"({inner})" if self.maybe(0.6) or " OR " in inner else inner
            if what == "call":
                return self.fill(kind.call, kind)
            raise ValueError(what)

        text = re.sub(r"\{q:((?:[^{}]|\{[^{}]*\})*)\}", lambda m: "\0" + m.group(1) + "\1", text)
        text = re.sub(r"(?<!\\)\{(\w+(?::\w+)?)\}", one, text)
        text = re.sub("\0(.*?)\1", lambda m: self.literal(m.group(1)), text, flags=re.S)
        return text.replace("\\}", "}")

    # Wrapping.

    def spell(self, kind):
        return self.fill(self.pick(kind.spellings), kind)

    def execute(self, text):
        """PL/pgSQL that runs a text."""
        half = len(text) // 2
        coded = base64.b64encode(text.encode()).decode()
        return self.pick([
            lambda: f"EXECUTE {self.literal(text)}",
            lambda: f"EXECUTE {self.literal(text[:half])} || {self.literal(text[half:])}",
            lambda: f"EXECUTE convert_from(decode('{coded}', 'base64'), 'UTF8')",
            lambda: f"EXECUTE format('%s', {self.literal(text)})",
            lambda: f"EXECUTE reverse({self.literal(text[::-1])})",
            lambda: f"EXECUTE concat({self.literal(text[:half])}, {self.literal(text[half:])})",
        ])()

    def block(self, text, tail=""):
        static = not re.match(r"\s*(\(|SELECT|VALUES|TABLE|WITH|EXPLAIN|PREPARE|COPY|DECLARE|FETCH|LOCK)",
                              text, re.I) and ";" not in text
        run = text if static and self.maybe(0.5) else self.execute(text)
        body = self.pick([
            "{run};", "IF true THEN {run}; END IF;", "FOR i IN 1..1 LOOP {run}; END LOOP;",
            "BEGIN {run}; EXCEPTION WHEN division_by_zero THEN NULL; END;", "PERFORM 1; {run};",
            "CASE WHEN true THEN {run}; ELSE NULL; END CASE;", "WHILE true LOOP {run}; EXIT; END LOOP;",
        ]).replace("{run}", run)
        return f"BEGIN {body} {tail}END"

    def wrap_block(self, text, kind):
        body = self.block(text)
        quoted = self.literal(body)
        return self.pick([f"DO {quoted}", f"DO LANGUAGE plpgsql {quoted}",
                          f"DO {quoted} LANGUAGE 'plpgsql'"])

    def wrap_function(self, text, kind):
        quoted = self.literal(self.block(text, "RETURN 1; "))
        where = self.pick(["pg_temp.", "w.", "public."])
        name = where + "fresh"
        return self.pick([
            f"CREATE FUNCTION {name}() RETURNS int LANGUAGE plpgsql AS {quoted}; SELECT {name}()",
            f"CREATE OR REPLACE FUNCTION {name}(a int) RETURNS int AS {quoted} LANGUAGE plpgsql; SELECT * FROM {name}(1)",
            f"CREATE PROCEDURE {name}() LANGUAGE plpgsql AS {self.literal(self.block(text))}; CALL {name}()",
        ])

    def wrap_many(self, text, kind):
        return self.pick([
            f"SELECT 1; {text}", f"{text}; SELECT 1", f"SELECT 1; {text}; SELECT 2", f";;{text};",
            f"SHOW work_mem; {text}",
            f"SAVEPOINT a; {text}; RELEASE a", f"SELECT 1 AS \"DELETE\"; {text}",
            f"SET LOCAL statement_timeout = 9999; {text}",
            f"INSERT INTO w.sink VALUES (77, 1); {text}", f"EXPLAIN SELECT 1; {text}",
            f"SELECT ';--'; {text}",
            f"SELECT $$ ; $$; {text}", f"SELECT 'it''s; --'; {text}", f"VALUES (1); {text}",
            f"LISTEN x; {text}",
            f"SELECT E'\\';'; {text}", f"DECLARE c CURSOR FOR SELECT 1; {text}; CLOSE c",
        ])

    def wrap_rows(self, text, kind):
        """A change of rows inside a query."""
        if text.lstrip()[:4].upper() == "WITH":
            return self.pick([f"EXPLAIN ANALYZE {text}", f"PREPARE eq AS {text}; EXECUTE eq"])
        back = text + " RETURNING " + self.pick(["*", "1 AS a", "id", "id AS a, 2 AS b"])
        explain = ["EXPLAIN ANALYZE", "EXPLAIN (ANALYZE)", "EXPLAIN (ANALYZE off, ANALYZE)",
                   "EXPLAIN (analyse true, COSTS off)",
                   "EXPLAIN ANALYZE VERBOSE", 'EXPLAIN ("analyze" on, FORMAT json)',
                   "EXPLAIN (ANALYZE 1, TIMING off)"]
        run = [f"{self.pick(explain)} {text}", f"PREPARE eq AS {text}; EXECUTE eq",
               f"PREPARE eq AS {text}; EXPLAIN ANALYZE EXECUTE eq"]
        if kind.rows == "m":
            return self.pick(run)
        return self.pick([
            f"WITH q AS ({text}) SELECT 1", f"WITH q AS ({back}) SELECT count(*) FROM q",
            f"WITH q AS ({back}) TABLE q",
            f"WITH o AS (SELECT 1), q AS ({back}), p AS (SELECT * FROM q) SELECT * FROM p, o",
            f"WITH q AS ({text}) INSERT INTO w.sink VALUES (9, 9)",
            f"WITH q AS ({back}) SELECT 1 WHERE EXISTS (SELECT FROM q)",
            f"WITH RECURSIVE q AS ({back}), n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2) SELECT * FROM n",
            f"COPY ({back}) TO STDOUT", f"COPY (WITH q AS ({back}) SELECT * FROM q) TO STDOUT",
            f"CREATE TABLE w.made AS WITH q AS ({back}) SELECT 1 AS one FROM q",
            f"EXPLAIN ANALYZE WITH q AS ({back}) SELECT * FROM q",
            f"PREPARE eq AS WITH q AS ({back}) SELECT * FROM q; EXECUTE eq",
            f"INSERT INTO w.sink WITH q AS ({text}) SELECT 8, 8",
            f"WITH q AS ({back}) UPDATE w.sink SET a = 2 WHERE id = 1",
            *run])

    def wrap_call(self, text, kind):
        """The text is in a function by now: call it."""
        if kind.call and self.maybe(0.7):
            template = self.pick([c for c in CALLS if "{f}" in c and "{g}" not in c])
            cast = "::int" if kind.name == "setval" or kind.name == "lo_unlink" else "::text"
            return self.fill(template.replace("{f}",
                                              f"coalesce(length(({self.fill(kind.call, kind)}){'::text' if cast else ''}), 1)"), kind), ""
        if self.maybe(0.4):
            return self.pick(PATHS)
        f = self.pick(["w.f()", "w.f_sql()", "w.f_dynamic()", "w.f_stable()", "w.f_fixed(1)", "w . f ( )",
                       '"w"."f"()', "W.F()",
                       "w.f_two(1, 2)", "w.f_default()", 'U&"\\0077".f()'])
        return self.fill(self.pick(CALLS).replace("{f}", f).replace("{g}", f), kind), ""

    # Respelling of a whole text.

    TOKEN = re.compile(r"""
        (?P<space>\s+|--[^\n\r]*|/\*.*?\*/)|(?P<uquote>U&"(?:[^"]|"")*"|U&'(?:[^']|'')*')|(?P<estring>E'(?:[^'\\]|\\.|'')*')
        |(?P<dollar>\$(?P<tag>[A-Za-z_]\w*)?\$.*?\$(?P=tag)\$|\$\$.*?\$\$)|(?P<string>'(?:[^']|'')*')|(?P<quoted>"(?:[^"]|"")*")
        |(?P<word>[A-Za-z_][\w$]*)|(?P<number>\d+)|(?P<other>.)""", re.X | re.S)

    def gap(self):
        blanks = [" ", " ", "  ", "\t", "\n", "\r\n", "\f", "/**/", "/* x */", "/* a /* b */ c */",
                  "/* ; */", "/* ' */", "/*\n*/",
                  "-- x\n", "-- '; --\n", "--\r", "--\n", "/* $$ */", "/* -- */ "]
        if self.version >= 160000:
            blanks.append("\v")
        return "".join(self.pick(blanks) for _ in range(self.pick([1, 1, 1, 2, 3])))

    def respell(self, text):
        spaces, case, strings = self.maybe(0.7), self.maybe(0.5), self.maybe(0.5)
        out = []
        for m in self.TOKEN.finditer(text):
            token = m.group()
            sort = m.lastgroup if m.lastgroup != "tag" else "dollar"
            if sort == "space" and not token.startswith(("--", "/*")) and spaces and self.maybe(0.6):
                token = self.gap()
            elif sort == "word" and case and self.maybe(0.6):
                token = "".join(c.upper() if self.maybe(0.5) else c.lower() for c in token)
            elif sort == "string" and strings and out and "UESCAPE" not in "".join(out[-2:]).upper() and out[-1][-1:] not in "&xXbBnN'" and self.maybe(0.6):
                token = self.other_string(token[1:-1].replace("''", "'"), token)
            out.append(token)
        return "".join(out)

    def other_string(self, value, token):
        if not value or "\n" in value:
            return token
        at = self.rng.randrange(len(value))
        two = "'" + value[:at].replace("'", "''") + "'\n '" + value[at:].replace("'", "''") + "'"
        escaped = "".join(f"\\{ord(c):04x}" if self.maybe(0.4) or c in "\\'" else c for c in value)
        return self.pick([self.literal(value), two if "\\" not in value else token, f"U&'{escaped}'",
                          token])

    def rewrite(self, kind):
        """(text, marks): 'c' shows only in the catalog, 'x' has transaction control of its own."""
        text, marks = self.spell(kind), ""
        if kind.inside:
            steps = self.rng.random()
            if steps < 0.3:
                text, marks = self.wrap_call(text, kind)
            elif kind.rows and steps < 0.65:
                text = self.wrap_rows(text, kind)
            for _ in range(self.pick([0, 0, 1, 1, 2])):
                again = ";" not in text and "STDOUT" not in text
                wrap = self.pick([self.wrap_block,
                                  self.wrap_function]) if again and self.maybe(0.6) else self.wrap_many
                text = wrap(text, kind) if "STDOUT" not in text else text
            if self.maybe(0.06) and "STDOUT" not in text and "SAVEPOINT" not in text:
                text, marks = self.pick([f"BEGIN; {text}; COMMIT", f"BEGIN;{text};END;",
                                         f"START TRANSACTION; {text}; COMMIT; SELECT 1"]), marks + "x"
        if self.maybe(0.7) or not kind.inside:
            text = self.respell(text)
        return text, marks


def callers(kind, text):
    """The functions, views and triggers that lead to one spelling of a kind."""
    quoted = text.replace("'", "''")
    static = ";" not in text and not text.upper().startswith(("SELECT", "COPY", "WITH"))
    places = "".join(f"CREATE FUNCTION w.b{i}() RETURNS int LANGUAGE plpgsql AS $eq${'' if p.startswith('BEGIN') else 'DECLARE '}{p}; END$eq$;\n"
                     for i, p in enumerate(PLACES, 1))
    made = CALLERS.replace("{body}", text if static else f"EXECUTE '{quoted}'")
    return made.replace("{dynamic}", f"EXECUTE '{quoted}'") + places
