-- What PostgreSQL 17 added.
SET ROLE app_trust;
SET search_path = fid, public;
-- No EXCLUDE here, though 17 has it for partitioned tables: it cannot restore its own dump of one
-- ("cannot attach index", 18.4).
CREATE TABLE counted_parts (id int GENERATED ALWAYS AS IDENTITY, at date, v text) PARTITION BY RANGE (at);
CREATE TABLE counted_part PARTITION OF counted_parts FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
INSERT INTO counted_parts (at, v) SELECT date '2000-01-01' + n, 'v' FROM generate_series(1, 10) n;
CREATE TABLE stored (id int PRIMARY KEY, v text STORAGE EXTERNAL, m text STORAGE MAIN COMPRESSION pglz);
ALTER TABLE stored ALTER v SET STATISTICS DEFAULT;
INSERT INTO stored SELECT n, repeat('v', 3000), 'm' FROM generate_series(1, 10) n;
CREATE COLLATION built_in (provider = builtin, locale = 'C.UTF-8');
CREATE TABLE by_bytes (id int PRIMARY KEY, v text COLLATE built_in DEFAULT 'x', u text GENERATED ALWAYS AS (upper(v)) STORED);
CREATE INDEX ON by_bytes (v);
INSERT INTO by_bytes SELECT n, 'ü' || n FROM generate_series(1, 10) n;
RESET ROLE;
RESET search_path;
GRANT MAINTAIN ON fid.stored TO fid_reader;
