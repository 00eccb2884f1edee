-- What PostgreSQL 16 added.
SET ROLE app_trust;
SET search_path = fid, public;
CREATE COLLATION ruled (provider = icu, locale = 'und', rules = '&V << w <<< W');
CREATE TABLE ordered (id int PRIMARY KEY, v text STORAGE EXTERNAL COLLATE ruled, UNIQUE (v));
INSERT INTO ordered SELECT n, (ARRAY['v', 'w', 'W'])[n % 3 + 1] || n FROM generate_series(1, 12) n;
RESET ROLE;
RESET search_path;
