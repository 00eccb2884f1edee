"""Everything that psql asks the server by itself: its backslash commands, and what TAB completes.

psql of any version, by its program; what an older one does not know is an error of psql's own.
"""

import os
import pty
import select
import signal
import time

# Of the help of psql 15 to 18 (\?), those that ask the server.
OF_OBJECTS = """
d dA dAc dAf dAo dAp da db dc dC dconfig dd dD ddp dE des det deu dew df dfa dfn dfp dft dfw dF dFd
dFp dFt dg di dl dL dm dn do dO dp dP dPi dPt dPn dPit drds drg dRp dRs ds dt dti dtvmsE dT du dv dx
dX dy l lo_list sf sv z
""".split()
MODIFIERS = ["", "S", "+", "S+x"]
PATTERNS = ["", "*.*", "rich.*", "rich.customers", "app_trust", "rich.(orders|of_m.*)"]
SCRIPT = r"""
\set ON_ERROR_STOP off
\pset pager off
\conninfo
\encoding
\encoding UTF8
\sf rich.twice
\sf+ rich.pairs(int)
\sf rich.tidy
\sv rich.happy
\sv+ rich.totals
\ef rich.pairs
\r
\ef rich.twice(int) 2
\r
\ev rich.happy
\r
\df+ rich.twice int
\df rich.* mood
\do rich.=== int
\do + int4 int4
\dAc btree int4
\dAo+ btree integer_ops
\dAp btree
\dAf+ gist ltree
\ddp rich
\drds app_trust rich
\drds rich_readers
\dconfig work_*
\dconfig+ *
\dx+ hstore
\dx+ citext
\d rich.customers_made
\d rich.numbers
\d rich.orders_id_seq
\d rich.address
\d rich.span
\d rich.moods
\d rich.far
\d rich.events_2024
\d rich.buckets
\d rich.secrets
\d rich.typed
\d rich.quick
\d rich.derived
\d pg_toast.*
\d pg_catalog.pg_class
\d information_schema.tables
\dT+ rich.mood
\l rich
\l+ rich
\dn+ rich
\db+ pg_default
\lo_list+
SELECT mood, kind, count(*) FROM rich.customers, rich.events GROUP BY 1, 2 \crosstabview
SELECT id, name FROM rich.customers ORDER BY 1 LIMIT 3 \gdesc
SELECT 1 AS a, 'x'::text AS b \gdesc
SELECT id AS x FROM rich.customers ORDER BY 1 LIMIT 1 \gset
SELECT 'SELECT ' || n FROM generate_series(1, 2) n \gexec
SELECT 1 \g (format=aligned)
SELECT 1 \gx
\set FETCH_COUNT 5
SELECT id FROM rich.customers;
\unset FETCH_COUNT
\copy rich.customers TO '/dev/null'
\copy (SELECT 1) TO '/dev/null' CSV
\set ON_ERROR_ROLLBACK on
BEGIN;
SELECT nothing;
COMMIT;
\set AUTOCOMMIT off
SELECT 1;
COMMIT;
\set AUTOCOMMIT on
\set SHOW_ALL_RESULTS off
SELECT 1 \; SELECT 2;
\errverbose
\h SELECT
\! true
\timing on
SELECT 1;
\c
"""
# What older ones do not know would stay in their buffer.
SINCE = {16: "SELECT $1 \\bind x \\g\nSELECT 1 \\watch c=2 i=0.05\n",
         18: "SELECT 1 \\parse s1\n\\bind_named s1 \\g\n\\close_prepared s1\n\\startpipeline\n"
             "SELECT 2 \\sendpipeline\n\\syncpipeline\n\\endpipeline\n"}


def script(major, quick=False):
    """All commands with all modifiers and patterns, a line each."""
    modifiers, patterns = (["", "S+"], ["", "rich.*"]) if quick else (MODIFIERS, PATTERNS)
    lines = [f"\\{c}{m} {p}" for c in OF_OBJECTS for m in modifiers for p in patterns]
    later = "".join(text for since, text in SINCE.items() if major >= since)
    return (SCRIPT + later + "\n".join(lines) +
            "\n\\set HIDE_TABLEAM on\n\\set HIDE_TOAST_COMPRESSION on\n\\d+ rich.*\n")


# What is typed before TAB. Completion asks for names of every kind, by where the cursor is.
TYPED = r"""
SELECT * FROM |SELECT * FROM r|SELECT * FROM rich.|SELECT * FROM rich.cu|SELECT * FROM "Odd|
SELECT * FROM pg_catalog.pg_cl|SELECT * FROM rich.customers WHERE |
INSERT INTO |INSERT INTO rich.|INSERT INTO rich.customers |INSERT INTO rich.customers (|UPDATE |UPDATE rich.|
UPDATE rich.customers SET |UPDATE rich.customers SET mood = |DELETE FROM |DELETE FROM rich.customers WHERE |
MERGE INTO |MERGE INTO rich.customers USING |TRUNCATE |TRUNCATE TABLE |COPY |COPY rich.|\copy |
ALTER |ALTER TABLE |ALTER TABLE rich.|ALTER TABLE rich.customers ADD |ALTER TABLE rich.customers ALTER COLUMN |
ALTER TABLE rich.customers DROP COLUMN |ALTER TABLE rich.customers DROP CONSTRAINT |
ALTER TABLE rich.customers RENAME |ALTER TABLE rich.customers RENAME COLUMN |
ALTER TABLE rich.customers RENAME CONSTRAINT |ALTER TABLE rich.orders VALIDATE CONSTRAINT |
ALTER TABLE rich.customers DISABLE TRIGGER |ALTER TABLE rich.quick DISABLE RULE |
ALTER TABLE rich.events ATTACH PARTITION |ALTER TABLE rich.events DETACH PARTITION |
ALTER TABLE rich.customers CLUSTER ON |ALTER TABLE rich.customers REPLICA IDENTITY USING INDEX |
ALTER TABLE rich.customers SET TABLESPACE |ALTER TABLE rich.customers SET SCHEMA |ALTER TABLE rich.customers OWNER TO |
ALTER TABLE rich.derived NO INHERIT |ALTER TABLE rich.derived INHERIT |ALTER TABLE rich.customers SET ACCESS METHOD |
ALTER TABLE rich.customers ADD FOREIGN KEY (a) REFERENCES |ALTER TABLE rich.customers ADD UNIQUE USING INDEX |
ALTER INDEX |ALTER INDEX rich.customers_made |ALTER INDEX rich.customers_lower ALTER COLUMN |ALTER INDEX ALL IN TABLESPACE |
ALTER VIEW |ALTER VIEW rich.happy |ALTER VIEW rich.happy RENAME COLUMN |ALTER MATERIALIZED VIEW |ALTER MATERIALIZED VIEW rich.moods RENAME COLUMN |
ALTER SEQUENCE |ALTER SEQUENCE rich.numbers |ALTER TYPE |ALTER TYPE rich.mood RENAME VALUE |ALTER TYPE rich.address RENAME ATTRIBUTE |
ALTER DOMAIN |ALTER DOMAIN rich.positive DROP CONSTRAINT |ALTER FUNCTION |ALTER FUNCTION rich.twice(|ALTER PROCEDURE |
ALTER AGGREGATE |ALTER AGGREGATE rich.all_of(|ALTER ROLE |ALTER ROLE app_trust SET |ALTER ROLE app_trust IN DATABASE |ALTER GROUP |ALTER USER |
ALTER DATABASE |ALTER DATABASE rich SET |ALTER SCHEMA |ALTER EXTENSION |ALTER EXTENSION hstore UPDATE TO |
ALTER EXTENSION hstore ADD TABLE |ALTER PUBLICATION |ALTER PUBLICATION rich_some ADD TABLE |ALTER PUBLICATION rich_some DROP TABLES IN SCHEMA |
ALTER SUBSCRIPTION |ALTER SERVER |ALTER FOREIGN DATA WRAPPER |ALTER FOREIGN TABLE |ALTER EVENT TRIGGER |ALTER TRIGGER |
ALTER TRIGGER stamp ON |ALTER POLICY |ALTER POLICY own_rows ON |ALTER POLICY own_rows ON rich.secrets TO |ALTER RULE |ALTER RULE no_quick ON |
ALTER STATISTICS |ALTER COLLATION |ALTER CONVERSION |ALTER LANGUAGE |ALTER OPERATOR |ALTER TABLESPACE |
ALTER TEXT SEARCH CONFIGURATION |ALTER TEXT SEARCH DICTIONARY |ALTER SYSTEM SET |ALTER SYSTEM RESET |ALTER LARGE OBJECT |
ALTER DEFAULT PRIVILEGES FOR ROLE |ALTER DEFAULT PRIVILEGES IN SCHEMA |ALTER USER MAPPING FOR |
ANALYZE |ANALYZE rich.customers (|VACUUM |VACUUM FULL |CLUSTER |CLUSTER rich.customers USING |REINDEX TABLE |REINDEX INDEX |REINDEX SCHEMA |REINDEX DATABASE |
REINDEX SYSTEM |REFRESH MATERIALIZED VIEW |LOCK |LOCK TABLE |CALL |CALL rich.|DO |EXECUTE |DEALLOCATE |FETCH FROM |FETCH 1 FROM |CLOSE |MOVE FROM |
COMMENT ON |COMMENT ON COLUMN |COMMENT ON COLUMN rich.customers.|COMMENT ON CONSTRAINT |COMMENT ON CONSTRAINT of_customer ON |COMMENT ON TRIGGER |COMMENT ON TRIGGER stamp ON |
COMMENT ON POLICY |COMMENT ON RULE |COMMENT ON DOMAIN |COMMENT ON INDEX |COMMENT ON EVENT TRIGGER |COMMENT ON TEXT SEARCH CONFIGURATION |
COMMENT ON CAST (|COMMENT ON FOREIGN DATA WRAPPER |COMMENT ON FOREIGN TABLE |COMMENT ON PROCEDURAL LANGUAGE |COMMENT ON TRANSFORM FOR |
CREATE TABLE |CREATE TABLE x (a |CREATE TABLE x OF |CREATE TABLE x PARTITION OF |CREATE TABLE x () INHERITS (|CREATE TABLE x USING |
CREATE INDEX ON |CREATE INDEX x ON rich.customers (|CREATE INDEX x ON rich.customers USING |CREATE INDEX x ON rich.customers USING gin (|
CREATE TRIGGER x AFTER INSERT ON |CREATE TRIGGER x AFTER UPDATE OF name ON rich.customers FOR EACH ROW EXECUTE FUNCTION |
CREATE POLICY x ON |CREATE POLICY x ON rich.secrets TO |CREATE RULE x AS ON INSERT TO |CREATE STATISTICS x ON a FROM |CREATE VIEW |CREATE OR REPLACE VIEW |
CREATE EXTENSION |CREATE EXTENSION hstore VERSION |CREATE PUBLICATION x FOR TABLE |CREATE PUBLICATION x FOR TABLES IN SCHEMA |
CREATE DATABASE x TEMPLATE |CREATE DATABASE x OWNER |CREATE SCHEMA AUTHORIZATION |CREATE ROLE x IN ROLE |CREATE SERVER x FOREIGN DATA WRAPPER |
CREATE USER MAPPING FOR |CREATE USER MAPPING FOR app_trust SERVER |CREATE FOREIGN TABLE x () SERVER |CREATE EVENT TRIGGER x ON ddl_command_end EXECUTE FUNCTION |
CREATE CAST (|CREATE TRANSFORM FOR |CREATE COLLATION |CREATE COLLATION x FROM |CREATE TEXT SEARCH CONFIGURATION |CREATE OPERATOR CLASS |CREATE CONVERSION |
CREATE MATERIALIZED VIEW |CREATE SEQUENCE |CREATE DOMAIN x AS |CREATE FUNCTION |CREATE ACCESS METHOD |
DROP TABLE |DROP TABLE rich.|DROP VIEW |DROP MATERIALIZED VIEW |DROP SEQUENCE |DROP INDEX |DROP INDEX CONCURRENTLY |DROP SCHEMA |DROP TYPE |DROP DOMAIN |
DROP FUNCTION |DROP FUNCTION rich.twice(|DROP PROCEDURE |DROP ROUTINE |DROP AGGREGATE |DROP AGGREGATE rich.all_of(|DROP ROLE |DROP USER |DROP DATABASE |DROP EXTENSION |
DROP PUBLICATION |DROP SUBSCRIPTION |DROP SERVER |DROP FOREIGN DATA WRAPPER |DROP FOREIGN TABLE |DROP EVENT TRIGGER |DROP TRIGGER |DROP TRIGGER stamp ON |
DROP POLICY |DROP POLICY own_rows ON |DROP RULE |DROP RULE no_quick ON |DROP STATISTICS |DROP COLLATION |DROP CONVERSION |DROP LANGUAGE |DROP ACCESS METHOD |
DROP OWNED BY |DROP TABLESPACE |DROP TEXT SEARCH CONFIGURATION |DROP TRANSFORM FOR |DROP USER MAPPING FOR |
GRANT |GRANT SELECT ON |GRANT SELECT ON TABLE |GRANT USAGE ON SCHEMA |GRANT USAGE ON TYPE |GRANT EXECUTE ON FUNCTION |GRANT ALL ON DATABASE |GRANT USAGE ON FOREIGN SERVER |
GRANT USAGE ON SEQUENCE |GRANT USAGE ON LANGUAGE |GRANT CREATE ON TABLESPACE |GRANT SET ON PARAMETER |GRANT SELECT ON rich.customers TO |GRANT rich_readers TO |REVOKE |REVOKE SELECT ON rich.customers FROM |REVOKE rich_readers FROM |
IMPORT FOREIGN SCHEMA |IMPORT FOREIGN SCHEMA x FROM SERVER |LISTEN |NOTIFY |UNLISTEN |REASSIGN OWNED BY |REASSIGN OWNED BY app_trust TO |SECURITY LABEL ON TABLE |
SET |SET ROLE |SET SESSION AUTHORIZATION |SET search_path TO |SET TimeZone TO |SET default_text_search_config TO |SET CONSTRAINTS |SET enable_seqscan TO |SET client_encoding TO |SET DateStyle TO |RESET |SHOW |SET myvar|
TABLE |VALUES |WITH x AS (SELECT * FROM |EXPLAIN SELECT * FROM |SELECT * FROM rich.customers JOIN |SELECT rich.|SELECT 1 WHERE a IN (SELECT * FROM |
START TRANSACTION |PREPARE TRANSACTION |COMMIT PREPARED |ROLLBACK PREPARED |DECLARE x CURSOR FOR SELECT * FROM |
\d |\d rich.|\d+ rich.cu|\da |\dA |\dAc |\dAo |\db |\dc |\dC |\dconfig |\dD |\ddp |\dE |\des |\det |\deu |\dew |\df |\df rich.t|\dF |\dFd |\dFp |\dFt |\dg |\di |\dL |\dm |\dn |\do |\dO |\dp |\dP |\dPi |\drds |\drg |\dRp |\dRs |\ds |\dt |\dt rich.|\dT |\du |\dv |\dx |\dX |\dy |
\ef |\ev |\sf |\sv |\l |\lo_list |\c |\c r|\c rich |\encoding |\h ALT|\password |\z |\setenv |\pset |\unset |\g 
"""


def typed():
    return [t for line in TYPED.strip("\n").split("\n") for t in line.split("|") if t]


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, command, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, {**env, "TERM": "dumb", "INPUTRC": "/dev/null"})

    def send(self, text):
        os.write(self.fd, text.encode())

    def quiet(self, seconds, at_most=10):
        """Reads until nothing has come for so long; what came."""
        out, end = b"", time.monotonic() + at_most
        while time.monotonic() < end:
            if not select.select([self.fd], [], [], seconds)[0]:
                break
            try:
                some = os.read(self.fd, 65536)
            except OSError:
                break
            if not some:
                break
            out += some
        return out

    def end(self):
        os.kill(self.pid, signal.SIGHUP)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def complete(command, env, quick=False):
    """Types each text and TAB, twice; nothing is ever sent as a statement. What it showed."""
    t = Terminal([*command, "-X"], env)
    answers = {}
    t.quiet(0.5)
    t.send("\\set PROMPT1 '> '\n\\pset pager off\n")
    t.quiet(0.2)
    for text in typed()[::12] if quick else typed():
        t.send(text + "\t\t")
        out = t.quiet(0.04)
        while b"Display all" in out and b"(y or n)" in out[-40:]:
            t.send("n")
            out = t.quiet(0.04)
        answers[text] = out.decode(errors="replace")
        t.send("\x01\x0b")  # to the start of the line, and kill it
        t.quiet(0.02)
    t.send("\x01\x0b\\q\n")
    t.quiet(0.3)
    t.end()
    return answers
