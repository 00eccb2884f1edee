-- Tables with everything that a definition may hang on them, for PostgreSQL 14 and later. What later
-- majors add is in files named after them.

DO $$ BEGIN
    IF to_regrole('fid_other') IS NULL THEN CREATE ROLE fid_other; END IF;
    IF to_regrole('fid_reader') IS NULL THEN CREATE ROLE fid_reader; END IF;
END $$;
GRANT fid_other TO app_trust;
ALTER DEFAULT PRIVILEGES FOR ROLE app_trust GRANT EXECUTE ON FUNCTIONS TO PUBLIC;
CREATE SCHEMA fid AUTHORIZATION app_trust;
CREATE SCHEMA "fid other" AUTHORIZATION app_trust;
GRANT USAGE, CREATE ON SCHEMA fid TO fid_other;
CREATE EXTENSION IF NOT EXISTS hstore;
CREATE EXTENSION IF NOT EXISTS citext;
CREATE EXTENSION IF NOT EXISTS ltree;
CREATE EXTENSION IF NOT EXISTS btree_gist;
SET ROLE app_trust;
SET search_path = fid, public;

-- Types, functions, sequences that tables share.
CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s');
CREATE DOMAIN email AS text CHECK (VALUE ~ '@');
COMMENT ON DOMAIN email IS 'with an "@"';
CREATE DOMAIN positive AS numeric(10, 2) DEFAULT 1 NOT NULL CONSTRAINT above CHECK (VALUE > 0);
CREATE TYPE address AS (street text, zip varchar(10), moods mood[]);
CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE SEQUENCE shared START 1000 INCREMENT 5 MINVALUE 10 MAXVALUE 100000 CACHE 3 CYCLE;
CREATE SEQUENCE down AS smallint INCREMENT -1;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := 'stamped'; RETURN NEW; END $$;
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE FUNCTION double(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';

-- 1: the complex one. What it had as its third column is gone.
CREATE TABLE users (
    id bigint GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 10) PRIMARY KEY,
    code serial,
    gone text,
    ticket bigint DEFAULT nextval('shared'),
    email email NOT NULL,
    name text COLLATE blind,
    mood mood DEFAULT 'ok',
    home address,
    tags hstore DEFAULT '',
    nick citext,
    tree ltree,
    valid tstzrange,
    spans span_multirange,
    price positive,
    twice numeric GENERATED ALWAYS AS (double(price)) STORED,
    doc jsonb DEFAULT '{}'::jsonb NOT NULL,
    raw json,
    note varchar(50) DEFAULT ('n' || 1),
    many int[][],
    body text,
    born date CONSTRAINT born_late CHECK (born > '1900-01-01'),
    CONSTRAINT users_code UNIQUE (code) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT users_mail UNIQUE (email, name) INCLUDE (note),
    CONSTRAINT users_valid EXCLUDE USING gist (email WITH =, valid WITH &&) WHERE (mood = 'ok')
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.5, toast.autovacuum_enabled = false);
ALTER TABLE users DROP COLUMN gone;
ALTER TABLE users ADD CONSTRAINT named CHECK (name <> 'nobody') NOT VALID;
ALTER TABLE users ALTER body SET STORAGE EXTERNAL;
ALTER TABLE users ALTER doc SET STORAGE MAIN;
ALTER TABLE users ALTER raw SET COMPRESSION pglz;
ALTER TABLE users ALTER mood SET STATISTICS 500;
ALTER TABLE users ALTER email SET (n_distinct = -0.5);
CREATE INDEX users_lower ON users (lower(note) DESC NULLS LAST) WHERE mood = 'sad';
CREATE INDEX users_doc ON users USING gin (doc jsonb_path_ops);
CREATE INDEX users_born ON users USING brin (born) WITH (pages_per_range = 16);
CREATE INDEX users_expr ON users ((price + 1), (doc ->> 'a') COLLATE "C" text_pattern_ops);
ALTER INDEX users_expr ALTER COLUMN 1 SET STATISTICS 77;
CREATE UNIQUE INDEX users_ticket ON users (ticket) WHERE ticket IS NOT NULL;
CREATE UNIQUE INDEX users_identity ON users (email);
ALTER TABLE users REPLICA IDENTITY USING INDEX users_identity;
ALTER TABLE users CLUSTER ON users_pkey;
CREATE STATISTICS users_stats (ndistinct, mcv) ON mood, note FROM users;
CREATE STATISTICS users_stats_expr ON lower(note), born FROM users;
ALTER STATISTICS users_stats SET STATISTICS 55;
CREATE TRIGGER stamped BEFORE UPDATE OF note ON users FOR EACH ROW
    WHEN (OLD.note IS DISTINCT FROM NEW.note) EXECUTE FUNCTION stamp();
CREATE TRIGGER off AFTER INSERT OR DELETE ON users FOR EACH STATEMENT EXECUTE FUNCTION nothing('an', 'argument');
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION nothing();
CREATE TRIGGER tables AFTER DELETE ON users REFERENCING OLD TABLE AS old FOR EACH STATEMENT
    EXECUTE FUNCTION nothing();
ALTER TABLE users DISABLE TRIGGER off;
ALTER TABLE users ENABLE ALWAYS TRIGGER late;
CREATE RULE never AS ON DELETE TO users WHERE OLD.note = 'kept' DO INSTEAD NOTHING;
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON users USING (true) WITH CHECK (true);
CREATE POLICY narrow ON users AS RESTRICTIVE FOR UPDATE TO fid_reader USING (mood = 'ok') WITH CHECK (price < 100);
GRANT SELECT, TRIGGER ON users TO fid_reader WITH GRANT OPTION;
GRANT UPDATE (note, mood), REFERENCES (id) ON users TO fid_reader;
GRANT SELECT (id) ON users TO PUBLIC;
COMMENT ON TABLE users IS 'a table; with ''quotes'' and ü';
COMMENT ON COLUMN users.note IS 'a column';
COMMENT ON CONSTRAINT named ON users IS 'a constraint';
COMMENT ON INDEX users_lower IS 'an index';
COMMENT ON TRIGGER stamped ON users IS 'a trigger';
COMMENT ON POLICY narrow ON users IS 'a policy';
COMMENT ON RULE never ON users IS 'a rule';
COMMENT ON STATISTICS users_stats IS 'statistics';
INSERT INTO users (email, name, mood, home, tags, nick, tree, valid, spans, price, doc, raw, many, body, born)
    SELECT n || '@x', 'N' || n, (ARRAY['sad', 'ok', 'it''s']::mood[])[n % 3 + 1],
           CASE WHEN n % 4 > 0 THEN ('s,' || n, NULL, '{ok,NULL}')::address END, 'a=>1,b=>NULL', 'Nick' || n, ('A.b' || n)::ltree,
           tstzrange('2000-01-01'::timestamptz + n * interval '1 day', NULL), '{[1,2],(3,NaN]}', n + 0.10,
           jsonb_build_object('a', n), '{"a":1, "a": 2}', ARRAY[[1, n], [NULL, 4]], repeat(md5(n::text), 200),
           date '1950-01-01' + n
    FROM generate_series(1, 40) n;

-- 2-5: who refers to it, in all ways; and to itself; and in a circle.
CREATE TABLE orders (id int PRIMARY KEY, owner bigint CONSTRAINT orders_owner REFERENCES users ON DELETE CASCADE
    ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED, total numeric(12, 4) DEFAULT 0.0000);
CREATE TABLE lines (owner bigint, n int, what text, PRIMARY KEY (owner, n),
    order_id int REFERENCES orders (id) ON DELETE SET NULL,
    FOREIGN KEY (owner) REFERENCES users ON DELETE SET DEFAULT);
ALTER TABLE lines ALTER owner SET DEFAULT 100;
CREATE TABLE nodes (id int PRIMARY KEY, up int REFERENCES nodes ON DELETE CASCADE, label text);
CREATE TABLE ring_a (id int PRIMARY KEY, b int, v text);
CREATE TABLE ring_b (id int PRIMARY KEY, a int REFERENCES ring_a DEFERRABLE, v text);
ALTER TABLE ring_a ADD CONSTRAINT ring FOREIGN KEY (b) REFERENCES ring_b ON DELETE SET NULL DEFERRABLE NOT VALID;
INSERT INTO orders SELECT n, 100 + n % 40 * 10, n * 1.5 FROM generate_series(1, 60) n;
INSERT INTO lines SELECT 100 + n % 40 * 10, n, 'w' || n, n % 60 + 1 FROM generate_series(1, 50) n;
INSERT INTO nodes SELECT n, NULLIF(n / 2, 0), 'l' || n FROM generate_series(1, 30) n;
INSERT INTO ring_a SELECT n, NULL, 'a' FROM generate_series(1, 9) n;
INSERT INTO ring_b SELECT n, n, 'b' FROM generate_series(1, 9) n;
UPDATE ring_a SET b = id;

-- 6-8: inheritance.
CREATE TABLE parent (id int PRIMARY KEY, v text NOT NULL DEFAULT 'p', CONSTRAINT positive CHECK (id > 0),
    CONSTRAINT mine CHECK (id < 100000) NO INHERIT);
CREATE TABLE child (extra int UNIQUE, v text NOT NULL DEFAULT 'c') INHERITS (parent) WITH (fillfactor = 50);
CREATE TABLE grandchild (more text) INHERITS (child);
INSERT INTO parent SELECT n FROM generate_series(1, 10) n;
INSERT INTO child (id, extra) SELECT n, n FROM generate_series(11, 20) n;
INSERT INTO grandchild (id, extra, more) SELECT n, n, 'm' FROM generate_series(21, 30) n;

-- 9-20: partitions, by range, list, hash, below one another; a default; one attached with other order.
CREATE TABLE events (id bigint NOT NULL, at date NOT NULL, kind text, v int DEFAULT 7) PARTITION BY RANGE (at);
CREATE TABLE events_2000 PARTITION OF events FOR VALUES FROM ('2000-01-01') TO ('2001-01-01');
CREATE TABLE events_2001 (v int DEFAULT 8, kind text, at date NOT NULL, dropped int, id bigint NOT NULL);
ALTER TABLE events_2001 DROP COLUMN dropped;
ALTER TABLE events ATTACH PARTITION events_2001 FOR VALUES FROM ('2001-01-01') TO ('2002-01-01');
CREATE TABLE events_2002 PARTITION OF events FOR VALUES FROM ('2002-01-01') TO ('2003-01-01') PARTITION BY LIST (kind);
CREATE TABLE events_2002_a PARTITION OF events_2002 FOR VALUES IN ('a', 'z');
CREATE TABLE events_2002_b PARTITION OF events_2002 DEFAULT PARTITION BY HASH (id);
CREATE TABLE events_2002_b0 PARTITION OF events_2002_b FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE events_2002_b1 PARTITION OF events_2002_b FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE events_rest PARTITION OF events DEFAULT;
ALTER TABLE events ADD PRIMARY KEY (id, at, kind);
CREATE INDEX events_v ON events (v) WHERE v > 3;
CREATE INDEX ON events_2000 (kind);
CREATE TABLE notes (id int PRIMARY KEY, event bigint, at date, kind text,
    FOREIGN KEY (event, at, kind) REFERENCES events ON DELETE CASCADE);
CREATE TRIGGER each AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION nothing();
ALTER TABLE events_2000 DISABLE TRIGGER each;
INSERT INTO events SELECT n, date '2000-01-01' + n * 40, (ARRAY['a', 'b', 'c'])[n % 3 + 1], n
    FROM generate_series(1, 40) n;
INSERT INTO notes SELECT id, id, at, kind FROM events WHERE id % 2 = 0;
CREATE TABLE hashed (id uuid DEFAULT gen_random_uuid() PRIMARY KEY, v text COLLATE "C") PARTITION BY HASH (id);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE "fid other"."hashed 2" PARTITION OF hashed FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO hashed (id, v) SELECT md5(n::text)::uuid, 'v' || n FROM generate_series(1, 50) n;
CREATE TABLE keyless (a int, b text) PARTITION BY RANGE (a, (lower(b)) COLLATE "C");
CREATE TABLE keyless_low PARTITION OF keyless FOR VALUES FROM (MINVALUE, MINVALUE) TO (10, 'm');
CREATE TABLE keyless_high PARTITION OF keyless FOR VALUES FROM (10, 'm') TO (MAXVALUE, MAXVALUE);
INSERT INTO keyless SELECT n, 'k' || n FROM generate_series(1, 20) n, generate_series(1, 2);

-- 21-31: odd ones.
CREATE UNLOGGED TABLE quick (id int PRIMARY KEY, v text);
CREATE TABLE bag (a int, b text);
CREATE TABLE empty (id int PRIMARY KEY, v text);
CREATE TABLE one (lone boolean PRIMARY KEY DEFAULT true CHECK (lone), v text);
CREATE TABLE nothing_at_all ();
CREATE TABLE of_type OF address (PRIMARY KEY (zip), street WITH OPTIONS DEFAULT 'none');
CREATE TABLE wide (id int PRIMARY KEY);
CREATE TABLE big (id int PRIMARY KEY, b bytea, l text COMPRESSION pglz, n numeric);
CREATE TABLE full_identity (id int, v text);
ALTER TABLE full_identity REPLICA IDENTITY FULL;
CREATE TABLE theirs (id int PRIMARY KEY, v text);
CREATE TABLE counted (id smallint GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME counted_own MAXVALUE 99 CYCLE),
    v int DEFAULT nextval('down'), w bigserial, PRIMARY KEY (id) INCLUDE (v));
INSERT INTO quick SELECT n, 'q' FROM generate_series(1, 20) n;
INSERT INTO bag SELECT n % 5, 'b' || n % 3 FROM generate_series(1, 30) n;
INSERT INTO bag VALUES (NULL, NULL), (NULL, NULL);
INSERT INTO one VALUES (true, 'x');
INSERT INTO of_type VALUES ('a', '1', '{sad}'), (NULL, '2', NULL);
DO $$ BEGIN FOR n IN 1..80 LOOP EXECUTE format('ALTER TABLE fid.wide ADD c%s int DEFAULT %s', n, n); END LOOP; END $$;
INSERT INTO wide (id) SELECT n FROM generate_series(1, 10) n;
INSERT INTO big SELECT n, decode(repeat(md5(n::text), 30000), 'hex'), repeat('x', n * 100000), 10::numeric ^ (n * 100)
    FROM generate_series(1, 4) n;
INSERT INTO full_identity SELECT n, 'f' FROM generate_series(1, 5) n;
INSERT INTO theirs SELECT n, 't' FROM generate_series(1, 10) n;
INSERT INTO counted DEFAULT VALUES;
INSERT INTO counted DEFAULT VALUES;
GRANT ALL ON theirs TO app_trust WITH GRANT OPTION;
GRANT SELECT ON theirs TO fid_reader;
RESET ROLE;
ALTER TABLE fid.theirs OWNER TO fid_other;
SET ROLE app_trust;

-- 32-36: names.
CREATE TABLE "fid other"."Quoted ""name""; DROP" ("Id" int PRIMARY KEY, "a b" text, "select" int, "ünï😀" text);
CREATE TABLE "tab	and\slash" (id int PRIMARY KEY, "new
line" text);
CREATE TABLE "ééééééééééééééééééééééééééééééé" (id int CONSTRAINT "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
    PRIMARY KEY, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" text);
CREATE TABLE "table" ("user" int PRIMARY KEY, "order" text, "ctid_" text, "Row" int[]);
CREATE TABLE "%s{}$1:x" (id int PRIMARY KEY, "%d" text);
INSERT INTO "fid other"."Quoted ""name""; DROP" SELECT n, 'a', n, 'ü' FROM generate_series(1, 10) n;
INSERT INTO "tab	and\slash" SELECT n, E'a\nb\tc\\d' FROM generate_series(1, 10) n;
INSERT INTO "ééééééééééééééééééééééééééééééé" SELECT n, 'é' FROM generate_series(1, 10) n;
INSERT INTO "table" SELECT n, 'o', 'c', '[2:3]={1,2}' FROM generate_series(1, 10) n;
INSERT INTO "%s{}$1:x" SELECT n, '%n%s' FROM generate_series(1, 10) n;

-- 37-40: what else is read: views on views, matviews, functions with and without a parsed body.
CREATE TABLE sales (id int PRIMARY KEY, item text, amount numeric, at timestamp with time zone DEFAULT '2000-01-01 UTC');
CREATE TABLE items (name text PRIMARY KEY, price money);
CREATE TABLE log (at timestamp, what text);
CREATE TABLE audit (id bigserial PRIMARY KEY, what text, who name DEFAULT current_user);
INSERT INTO items SELECT 'i' || n, n::money FROM generate_series(1, 5) n;
INSERT INTO sales SELECT n, 'i' || n % 5 + 1, n * 1.25 FROM generate_series(1, 40) n;
INSERT INTO log SELECT timestamp '2000-01-01' + n * interval '1 hour', 'w' FROM generate_series(1, 10) n;
INSERT INTO audit (what) SELECT 'x' FROM generate_series(1, 5) n;
CREATE VIEW totals AS SELECT item, sum(amount) AS total FROM sales GROUP BY item;
CREATE VIEW rich WITH (security_barrier) AS SELECT t.*, i.price FROM totals t JOIN items i ON i.name = t.item
    WHERE total > 10;
CREATE VIEW plain AS SELECT id, item FROM sales WHERE id > 5 WITH LOCAL CHECK OPTION;
ALTER VIEW plain ALTER item SET DEFAULT 'none';
CREATE RULE plain_insert AS ON INSERT TO plain DO ALSO INSERT INTO log VALUES (now(), NEW.item);
CREATE FUNCTION view_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER instead INSTEAD OF UPDATE ON rich FOR EACH ROW EXECUTE FUNCTION view_trigger();
CREATE MATERIALIZED VIEW best WITH (fillfactor = 80) AS SELECT * FROM rich ORDER BY total DESC LIMIT 3;
CREATE UNIQUE INDEX best_item ON best (item);
CREATE MATERIALIZED VIEW unfilled AS SELECT count(*) AS n FROM sales WITH NO DATA;
CREATE FUNCTION total_of(text) RETURNS numeric STABLE
    BEGIN ATOMIC SELECT total FROM totals WHERE item = $1; END;
CREATE FUNCTION total_by_name(text) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT total FROM fid.totals WHERE item = $1';
CREATE FUNCTION of_row(sales) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1.item';
CREATE PROCEDURE tidy(sales[]) LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE VIEW calls AS SELECT total_of(name) FROM items;
CREATE AGGREGATE latest(sales) (sfunc = pg_catalog.array_append, stype = sales[]);
COMMENT ON VIEW rich IS 'a view';
COMMENT ON COLUMN rich.total IS 'of a view';
COMMENT ON MATERIALIZED VIEW best IS 'a matview';
COMMENT ON FUNCTION of_row IS 'a function';
GRANT SELECT ON rich, best TO fid_reader;
GRANT SELECT (item) ON totals TO fid_reader;
CREATE TABLE stock (id int PRIMARY KEY, item text, held int);
CREATE TABLE typed (id int PRIMARY KEY, s stock, ss stock[]);
INSERT INTO stock SELECT n, 'i' || n, n FROM generate_series(1, 10) n;
INSERT INTO typed SELECT n, (SELECT s FROM stock s WHERE id = n), (SELECT array_agg(s) FROM stock s) FROM generate_series(1, 3) n;
RESET ROLE;
RESET search_path;
-- What these would add to whatever is made again is more, or less, than it had.
ALTER DEFAULT PRIVILEGES FOR ROLE app_trust IN SCHEMA fid GRANT SELECT ON TABLES TO fid_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE app_trust IN SCHEMA fid GRANT ALL ON TABLES TO fid_other WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE app_trust REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE app_trust GRANT USAGE ON SEQUENCES TO fid_reader;
CREATE PUBLICATION fid_some FOR TABLE fid.orders, fid.users, ONLY fid.parent WITH (publish = 'insert, update');
