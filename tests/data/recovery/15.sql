-- What PostgreSQL 15 added.
SET ROLE app_trust;
SET search_path = fid, public;
CREATE TABLE distinct_nulls (id int PRIMARY KEY, v text, UNIQUE NULLS NOT DISTINCT (v));
CREATE TABLE some_columns (id int PRIMARY KEY, owner bigint, n int, v text,
    FOREIGN KEY (owner, n) REFERENCES lines ON DELETE SET NULL (n));
CREATE VIEW invoking WITH (security_invoker) AS SELECT * FROM distinct_nulls;
CREATE UNLOGGED SEQUENCE quick_numbers;
CREATE TABLE icu (id int PRIMARY KEY, v text COLLATE "de-x-icu", w numeric(3, 5), x numeric(3, -2));
INSERT INTO distinct_nulls SELECT n, NULLIF('v' || n, 'v1') FROM generate_series(1, 10) n;
INSERT INTO some_columns SELECT n, l.owner, l.n FROM generate_series(1, 5) n JOIN lines l USING (n);
INSERT INTO icu SELECT n, 'ä' || n, 0.00123, 12300 FROM generate_series(1, 10) n;
RESET ROLE;
RESET search_path;
CREATE PUBLICATION fid_all FOR TABLE fid.sales (id, amount) WHERE (id > 10), fid.events WITH (publish_via_partition_root);
