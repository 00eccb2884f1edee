-- What PostgreSQL 18 added.
SET ROLE app_trust;
SET search_path = fid, public;
CREATE TABLE computed (id int PRIMARY KEY, a int CONSTRAINT a_is_there NOT NULL, b int GENERATED ALWAYS AS (a * 2) VIRTUAL,
    c int GENERATED ALWAYS AS (a * 3) STORED, d int, e int CONSTRAINT e_inherits NOT NULL NO INHERIT);
ALTER TABLE computed ADD CONSTRAINT d_later NOT NULL d NOT VALID;
COMMENT ON CONSTRAINT a_is_there ON computed IS 'a named one';
INSERT INTO computed (id, a, d, e) SELECT n, n, n, n FROM generate_series(1, 10) n;
CREATE TABLE booked (room int, at daterange, who text, PRIMARY KEY (room, at WITHOUT OVERLAPS));
CREATE TABLE booked_part (id int, room int, at daterange, v text, UNIQUE (id, at WITHOUT OVERLAPS),
    FOREIGN KEY (room, PERIOD at) REFERENCES booked (room, PERIOD at));
INSERT INTO booked SELECT n, daterange('2000-01-01', '2000-02-01'), 'w' FROM generate_series(1, 10) n;
INSERT INTO booked_part SELECT n, n, daterange('2000-01-05', '2000-01-06'), 'v' FROM generate_series(1, 10) n;
CREATE TABLE unenforced (id int PRIMARY KEY, v int CONSTRAINT small CHECK (v < 5) NOT ENFORCED,
    o int REFERENCES orders NOT ENFORCED);
INSERT INTO unenforced SELECT n, n, n FROM generate_series(1, 10) n;
RESET ROLE;
RESET search_path;
