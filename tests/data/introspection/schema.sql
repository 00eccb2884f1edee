-- One of everything that an introspecting client asks about. Run by a superuser with psql in an
-- empty database; most belongs to app_trust, who is who the gateway is on the server.
SET client_min_messages = warning;
CREATE ROLE rich_readers;
COMMENT ON ROLE rich_readers IS 'may read';
GRANT rich_readers TO app_trust;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION hstore;
CREATE EXTENSION citext;
CREATE EXTENSION btree_gist;
CREATE EXTENSION ltree;
CREATE EXTENSION "uuid-ossp";
CREATE EXTENSION pgcrypto;
CREATE EXTENSION intarray;
CREATE EXTENSION unaccent;
CREATE EXTENSION tablefunc;
CREATE EXTENSION file_fdw;
CREATE EXTENSION postgres_fdw;
CREATE SCHEMA rich AUTHORIZATION app_trust;
COMMENT ON SCHEMA rich IS 'one of everything';
SET ROLE app_trust;
SET search_path = rich, public;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
COMMENT ON TYPE mood IS 'how it is';
CREATE TYPE address AS (street text, zip varchar(10), at point);
COMMENT ON COLUMN address.zip IS 'of the post';
CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = float8mi, multirange_type_name = spans);
CREATE DOMAIN positive AS int DEFAULT 1 NOT NULL CONSTRAINT above_zero CHECK (VALUE > 0);
COMMENT ON DOMAIN positive IS 'more than nothing';
COMMENT ON CONSTRAINT above_zero ON DOMAIN positive IS 'so';
CREATE DOMAIN email AS citext CHECK (VALUE ~ '@');
CREATE COLLATION german (provider = icu, locale = 'de-u-co-phonebk');
COMMENT ON COLLATION german IS 'as in the phone book';
CREATE SEQUENCE numbers AS bigint INCREMENT 5 MINVALUE 10 MAXVALUE 1000000 START 20 CACHE 3 CYCLE;
CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE german NOT NULL,
    mail email UNIQUE,
    mood mood DEFAULT 'ok',
    home address,
    tags text[] DEFAULT '{}',
    about jsonb,
    extra hstore,
    path ltree,
    key uuid DEFAULT gen_random_uuid(),
    born date CHECK (born > '1900-01-01'),
    made timestamptz NOT NULL DEFAULT now(),
    shout text GENERATED ALWAYS AS (upper(name)) STORED,
    score positive,
    price numeric(12, 2),
    bits bit(3), pattern varbit, mac macaddr, net inet, money money, x xml, doc tsvector,
    small smallint, r int4range, m nummultirange, b bytea, t time, tz timetz, i interval day to second,
    c "char", n name, fix char(3), real4 real, real8 float8);
COMMENT ON TABLE customers IS 'who buys';
COMMENT ON COLUMN customers.name IS 'it''s a name';
CREATE INDEX customers_name ON customers USING gin (name gin_trgm_ops);
CREATE INDEX customers_made ON customers (made DESC NULLS LAST) INCLUDE (name) WHERE mood <> 'sad';
CREATE UNIQUE INDEX customers_lower ON customers (lower(name), (about ->> 'x'));
CREATE INDEX customers_path ON customers USING gist (path);
CREATE INDEX customers_hash ON customers USING hash (key);
CREATE INDEX customers_brin ON customers USING brin (born) WITH (pages_per_range = 16);
COMMENT ON INDEX customers_made IS 'newest first';
CREATE STATISTICS customers_stat (ndistinct, dependencies, mcv) ON mood, born FROM customers;
CREATE STATISTICS customers_expr ON (lower(name)), born FROM customers;
COMMENT ON STATISTICS customers_stat IS 'they go together';
ALTER TABLE customers ALTER name SET STATISTICS 500, ALTER about SET STORAGE EXTERNAL;
ALTER TABLE customers SET (fillfactor = 80, autovacuum_enabled = off);
CREATE TABLE orders (
    id serial PRIMARY KEY,
    customer bigint NOT NULL CONSTRAINT of_customer REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED,
    parent int REFERENCES orders ON DELETE SET NULL,
    no int DEFAULT nextval('numbers'),
    during tstzrange,
    total numeric(10, 2) NOT NULL DEFAULT 0 CHECK (total >= 0),
    CONSTRAINT one_at_a_time EXCLUDE USING gist (customer WITH =, during WITH &&),
    UNIQUE (customer, no));
COMMENT ON CONSTRAINT of_customer ON orders IS 'somebody''s';
CREATE INDEX ON orders (customer);
CREATE TABLE "Odd Name" ("Key" int PRIMARY KEY, "select" text, "a.b" text);
CREATE TABLE pair (a int, b int, PRIMARY KEY (a, b));
CREATE TABLE pair_user (id int PRIMARY KEY, a int, b int,
    FOREIGN KEY (a, b) REFERENCES pair (a, b) MATCH FULL ON DELETE SET NULL);
ALTER TABLE pair_user ADD CONSTRAINT late CHECK (id > 0) NOT VALID;
CREATE TABLE base (id int PRIMARY KEY, v text);
CREATE TABLE derived (w text) INHERITS (base);
CREATE TABLE typed OF address (PRIMARY KEY (street));
CREATE UNLOGGED TABLE quick (id int, payload text);
ALTER TABLE pair REPLICA IDENTITY FULL;
CREATE TABLE events (id bigint, at date NOT NULL, kind text) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')
    PARTITION BY LIST (kind);
CREATE TABLE events_2024_a PARTITION OF events_2024 FOR VALUES IN ('a');
CREATE TABLE events_2024_rest PARTITION OF events_2024 DEFAULT;
CREATE TABLE events_rest PARTITION OF events DEFAULT;
CREATE INDEX events_at ON events (at);
CREATE TABLE buckets (id int PRIMARY KEY) PARTITION BY HASH (id);
CREATE TABLE buckets_0 PARTITION OF buckets FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE buckets_1 PARTITION OF buckets FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE secrets (id int PRIMARY KEY, owner name DEFAULT current_user, v text);
ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON secrets FOR SELECT TO rich_readers USING (owner = current_user);
CREATE POLICY own_writes ON secrets AS RESTRICTIVE FOR UPDATE USING (true) WITH CHECK (v <> '');
COMMENT ON POLICY own_rows ON secrets IS 'each his own';
CREATE VIEW happy WITH (security_barrier) AS SELECT id, name, mail FROM customers WHERE mood = 'happy' WITH LOCAL CHECK OPTION;
COMMENT ON VIEW happy IS 'only the happy';
CREATE VIEW totals (customer, total) AS SELECT c.name, sum(o.total) FROM customers c JOIN orders o ON o.customer = c.id GROUP BY 1;
CREATE RECURSIVE VIEW chain (id, depth) AS SELECT id, 1 FROM orders WHERE parent IS NULL
    UNION ALL SELECT o.id, chain.depth + 1 FROM orders o JOIN chain ON chain.id = o.parent;
CREATE MATERIALIZED VIEW moods AS SELECT mood, count(*) AS n FROM customers GROUP BY 1;
CREATE UNIQUE INDEX moods_mood ON moods (mood);
COMMENT ON MATERIALIZED VIEW moods IS 'how they are';
CREATE FUNCTION twice(n int, OUT doubled int) LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT $1 * 2';
CREATE FUNCTION word(VARIADIC words text[] DEFAULT '{}') RETURNS text LANGUAGE sql STABLE
    BEGIN ATOMIC SELECT array_to_string(words, ' '); END;
CREATE FUNCTION of_mood(m mood) RETURNS SETOF customers LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = rich, pg_temp AS 'SELECT * FROM customers WHERE mood = $1';
CREATE FUNCTION pairs(n int) RETURNS TABLE (a int, b text) LANGUAGE plpgsql AS
    $$ BEGIN RETURN QUERY SELECT i, i::text FROM generate_series(1, n) i; END $$;
CREATE PROCEDURE tidy(INOUT n int) LANGUAGE plpgsql AS $$ BEGIN n := n + 1; END $$;
CREATE FUNCTION on_write() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.made := now(); RETURN NEW; END $$;
COMMENT ON FUNCTION twice(int) IS 'times two';
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE OF name ON customers FOR EACH ROW
    WHEN (NEW.mood IS NOT NULL) EXECUTE FUNCTION on_write();
CREATE CONSTRAINT TRIGGER late_check AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION on_write();
ALTER TABLE orders DISABLE TRIGGER late_check;
COMMENT ON TRIGGER stamp ON customers IS 'when';
CREATE RULE no_quick AS ON DELETE TO quick DO INSTEAD NOTHING;
COMMENT ON RULE no_quick ON quick IS 'stays';
CREATE AGGREGATE all_of(anycompatible) (sfunc = pg_catalog.array_append, stype = anycompatiblearray);
CREATE OPERATOR === (leftarg = int, rightarg = int, function = int4eq, commutator = ===);
COMMENT ON OPERATOR === (int, int) IS 'the same';
CREATE FUNCTION mood_to_int(mood) RETURNS int LANGUAGE sql IMMUTABLE AS
    $$ SELECT CASE $1 WHEN 'sad' THEN 0 WHEN 'ok' THEN 1 ELSE 2 END $$;
CREATE CAST (mood AS int) WITH FUNCTION mood_to_int(mood) AS ASSIGNMENT;
CREATE TEXT SEARCH DICTIONARY short (TEMPLATE = simple, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION plain (COPY = simple);
ALTER TEXT SEARCH CONFIGURATION plain ALTER MAPPING FOR word WITH short;
COMMENT ON TEXT SEARCH CONFIGURATION plain IS 'few words';
ALTER DEFAULT PRIVILEGES IN SCHEMA rich GRANT SELECT ON TABLES TO rich_readers;
GRANT SELECT ON happy TO rich_readers;
GRANT SELECT (id, name), UPDATE (name) ON customers TO rich_readers WITH GRANT OPTION;
GRANT USAGE ON SCHEMA rich TO PUBLIC;
GRANT EXECUTE ON FUNCTION twice(int) TO rich_readers;
GRANT USAGE ON TYPE mood TO rich_readers;
INSERT INTO customers (name, mail, mood, born, score, price, about) SELECT 'n' || n, n || '@x.org', 'happy', '2000-01-01', n, n, '{"x": 1}' FROM generate_series(1, 20) n;
INSERT INTO orders (customer, total) SELECT n, n FROM generate_series(1, 20) n;
INSERT INTO events SELECT n, date '2024-01-01' + n, chr(97 + n % 3) FROM generate_series(0, 50) n;
INSERT INTO base VALUES (1, 'a');
INSERT INTO "Odd Name" VALUES (1, 'x', 'y');
REFRESH MATERIALIZED VIEW moods;
RESET ROLE;
CREATE AGGREGATE middle(float8 ORDER BY anyelement) (sfunc = ordered_set_transition, stype = internal, finalfunc = percentile_disc_final, finalfunc_extra);
CREATE OPERATOR FAMILY mood_ops USING btree;
CREATE OPERATOR CLASS int_abs FOR TYPE int USING btree AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int, int);
CREATE CONVERSION latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE ACCESS METHOD rich_heap TYPE TABLE HANDLER heap_tableam_handler;
CREATE TABLE rich.on_am (id int) USING rich_heap;
ALTER TABLE rich.on_am OWNER TO app_trust;
CREATE LANGUAGE rich_lang HANDLER plpgsql_call_handler;
CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION pg_catalog.prsd_lextype(internal));
CREATE FUNCTION rich.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER rich_ddl ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION rich.on_ddl();
COMMENT ON EVENT TRIGGER rich_ddl IS 'sees tables made';
CREATE SERVER rich_files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE rich.far_lines (line text OPTIONS (force_not_null 'true')) SERVER rich_files OPTIONS (filename '/dev/null');
ALTER FOREIGN TABLE rich.far_lines OWNER TO app_trust;
CREATE SERVER rich_far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'localhost', dbname 'none');
GRANT USAGE ON FOREIGN SERVER rich_far TO app_trust;
CREATE USER MAPPING FOR app_trust SERVER rich_far OPTIONS (user 'u', password_required 'true');
CREATE FOREIGN TABLE rich.far (id int) SERVER rich_far;
COMMENT ON SERVER rich_far IS 'nowhere';
CREATE PUBLICATION rich_all FOR ALL TABLES;
CREATE PUBLICATION rich_some FOR TABLE rich.pair, TABLES IN SCHEMA rich WITH (publish = 'insert');
CREATE PUBLICATION rich_rows FOR TABLE rich.base (id) WHERE (id > 0);
CREATE SUBSCRIPTION rich_sub CONNECTION 'dbname=none' PUBLICATION p WITH (connect = false, slot_name = NONE);
ALTER ROLE rich_readers IN DATABASE rich SET work_mem = '8MB';
COMMENT ON DATABASE rich IS 'of tests';
SELECT lo_from_bytea(424242, 'large') \gset
COMMENT ON LARGE OBJECT 424242 IS 'one';
GRANT SELECT ON LARGE OBJECT 424242 TO app_trust;
