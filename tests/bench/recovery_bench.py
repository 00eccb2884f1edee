#!/usr/bin/env python3
"""What the way there and back costs, beside PostgreSQL's own tools, in interleaved rounds.

A recovery point of one table, its proof, restore, diff and the undo of one row, against COPY to
/dev/null, pg_dump and pg_restore, on a wide table with four indexes and on a narrow one.

    script/bench recovery [--json FILE] [--rows N] [--rounds N] [--full] [--only TEXT]

A ratio is made within a round: the peer's time divided by ours, so above 1 we are ahead.
"""

import json
import shutil
import subprocess
import sys

from stage import (BACKSTOP, PROGRAMS, Progress, Results, Stage, act, arguments, check_json, pg_program, run,
                   seconds, write_json)

WIDE = """
CREATE TABLE wide (id bigint GENERATED ALWAYS AS IDENTITY, name text, country char(2),
    amount numeric(12,2), created timestamptz, updated timestamptz, ok bool, u uuid, tags text[],
    doc jsonb, note text, long text);
INSERT INTO wide (name, country, amount, created, updated, ok, u, tags, doc, note, long)
SELECT 'customer ' || g, 'DE', (g % 100000) / 7.0, timestamptz '2026-01-01' - g * interval '1 s',
    now(), g % 3 = 0, md5(g::text)::uuid, ARRAY['a' || g % 10, 'b' || g % 7],
    jsonb_build_object('k', g, 'v', md5(g::text), 'n', jsonb_build_array(g % 5, g % 9)),
    CASE WHEN g % 4 = 0 THEN repeat('some longer note ', 3) END,
    CASE WHEN g % 50 = 0 THEN repeat(md5(g::text), 40) END
FROM generate_series(1, %(rows)d) g;
ALTER TABLE wide ADD PRIMARY KEY (id);
CREATE UNIQUE INDEX ON wide (u);
CREATE INDEX ON wide (created, amount);
CREATE INDEX ON wide USING gin (doc jsonb_path_ops);
"""
NARROW = """
CREATE TABLE narrow AS SELECT g::bigint AS id, g %% 1000 AS k, (g::bigint * 7) %% 100000 AS v
FROM generate_series(1, %(rows)d) g;
ALTER TABLE narrow ADD PRIMARY KEY (id);
"""
TABLES = {"wide": (WIDE.replace("%", "%%").replace("%%(rows)d", "%(rows)d"),
                   "UPDATE wide SET name = 'x' WHERE id = 4711"),
          "narrow": (NARROW, "UPDATE narrow SET v = -1 WHERE id = 4711")}


class Recovery(Stage):
    # maintenance_work_mem stays as it comes: pg_restore is quicker so than with more.
    SETTINGS = "shared_buffers = 2GB\nmax_wal_size = 16GB\n"

    def start(self):
        self.start_postgres()
        self.conninfo = f"host={self.folder} port={self.pg_port} user=postgres dbname=bench"
        folder = self.folder / "backstop"
        self.store, self.spool = folder / "points", folder / "spool"
        self.config = self.write_config(folder, {"bench": self.conninfo})[0]

    def sql(self, *statements):
        self.psql("bench", *statements)

    def copy(self, table):
        subprocess.run([pg_program("psql"), "-X", "-q", "-d", self.conninfo, "-c",
                        f"COPY {table} TO STDOUT (FORMAT binary)"],
                       check=True, stdout=subprocess.DEVNULL)

    def dump(self, table, *options):
        file = self.folder / "dump"
        run(pg_program("pg_dump"), "-Fc", *options, "-t", table, "-d", self.conninfo, "-f", file)
        return file

    def pg_restore(self, file, *options):
        run(pg_program("pg_restore"), *options, "-d", self.conninfo.replace("dbname=bench",
                                                                            "dbname=other"), file)

    def fresh_other(self):
        self.psql("postgres", "DROP DATABASE IF EXISTS other", "CREATE DATABASE other")

    def point(self, table, helpers, grade, *statement):
        return json.loads(run(PROGRAMS / "bench-capture", self.conninfo, f"file://{self.store}",
                              str(self.spool), f"public.{table}", str(helpers), grade,
                              *statement))

    def restore(self, verb, *args):
        out = subprocess.run([BACKSTOP, "restore", verb, *args, "--json",
                              "--config", str(self.config)], capture_output=True, text=True)
        # 1 is diff's answer where there are differences.
        if out.returncode != 0 and not (verb == "diff" and out.returncode == 1):
            raise subprocess.CalledProcessError(out.returncode, verb, out.stdout, out.stderr)
        return out.stdout

    def drop_points(self):
        shutil.rmtree(self.store, ignore_errors=True)


def ahead(results, workload, clients, peer, ours, theirs, figure):
    """Of two times."""
    results.add(workload, clients, peer, figure, theirs / ours)


def round_of(stage, table, results, rows, number, alone):
    """Everything once, or the captures alone. Who is first changes with the round: caches and write-back drift."""
    ours = {}

    def bare():
        ours["copy"] = seconds(stage.copy, table)[0]

    def dumps():
        ours["dump"], file = seconds(stage.dump, table)
        stage.fresh_other()
        ours["restored"] = seconds(stage.pg_restore, file)[0]
        stage.fresh_other()
        ours["restored2"] = seconds(stage.pg_restore, file, "-j2")[0]
        ours["dump1"] = seconds(stage.dump, table, "-Z1")[0]

    def captures():
        for helpers in (1, 2):
            ours[f"stored{helpers}"] = stage.point(table, helpers, "stored")["total_us"] / 1e6
        proven = stage.point(table, 2, "read-back")
        ours["proven"], ours["locked"] = proven["total_us"] / 1e6, proven["locked_us"] / 1e6

    def back():
        point = stage.point(table, 2, "read-back", f"DROP TABLE {table}")["point"]
        ours["preview"] = seconds(stage.restore, "preview", point)[0]
        ours["run"] = seconds(stage.restore, "run", point)[0]
        stage.sql(f"DROP SCHEMA recovery_{point[-8:].lower()} CASCADE")
        ours["back"] = seconds(stage.restore, "copy-back", point, "--yes")[0]
        ours["diff"] = seconds(stage.restore, "diff", point)[0]
        one = stage.point(table, 1, "rows", TABLES[table][1])["point"]
        ours["undo"] = seconds(stage.restore, "copy-back", one, "--yes")[0]
        stage.drop_points()
        stage.sql(f"VACUUM ANALYZE {table}")

    steps = [bare, captures] if alone else [bare, dumps, captures, back]
    first = number % len(steps)
    for step in steps[first:] + steps[:first]:
        step()
    what = f"{table}, {rows:,} rows"
    add_captures(results, ours, what, rows)
    if not alone:
        add_restores(results, ours, what, rows)


def add_captures(results, ours, what, rows):
    peers = [(p, k) for p, k in (("copy binary", "copy"), ("pg_dump -Fc", "dump"),
                                 ("pg_dump -Fc -Z1", "dump1")) if k in ours]
    for helpers in (1, 2):
        t = ours[f"stored{helpers}"]
        for peer, key in peers:
            ahead(results, f"capture {what}", helpers, peer, t, ours[key], rows / t)
    t = ours["proven"]
    for peer, key in peers[:2]:
        ahead(results, f"capture with proof {what}", 2, peer, t, ours[key], rows / t)
    ahead(results, f"locked, seconds, {what}", 2, "capture with proof", ours["locked"], t,
                ours["locked"])


def add_restores(results, ours, what, rows):
    """pg_restore believes what it has written; the third peer reads the table once, as we do."""
    back, two = ours["back"], ours["restored2"]
    for peer, theirs in (("pg_restore", ours["restored"]), ("pg_restore -j2", two),
                         ("pg_restore -j2, then copy binary", two + ours["copy"])):
        ahead(results, f"restore copy-back of a dropped table {what}", 1, peer, back, theirs,
                    rows / back)
    ahead(results, f"restore run (rows alone) {what}", 1, "pg_restore", ours["run"],
                ours["restored"], rows / ours["run"])
    ahead(results, f"restore diff {what}", 1, "copy binary", ours["diff"], ours["copy"],
                rows / ours["diff"])
    ahead(results, f"restore preview, seconds, {what}", 1, "1 second", ours["preview"], 1,
                ours["preview"])
    ahead(results, f"undo of one row, seconds, {what}", 1, "1 second", ours["undo"], 1, ours["undo"])


def main():
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--full", action="store_true",
                        help="10 million narrow rows, too, and captures of 4 million wide ones")
    parser.add_argument("--only", default="wide,narrow", metavar="TABLE,..", help="tables")
    options = parser.parse_args()
    todo = [(table, options.rows, False) for table in options.only.split(",")]
    if not all(table in TABLES for table, _, _ in todo):
        parser.error(f"--only knows {', '.join(TABLES)}")
    if options.full:
        todo += [("narrow", 10_000_000, False), ("wide", 4_000_000, True)]
    stage, results = Recovery(), Results()

    def body():
        check_json(options.json)
        stage.start()
        progress = Progress(len(todo) * options.rounds)
        for table, rows, alone in todo:
            stage.sql(TABLES[table][0] % {"rows": rows})
            stage.sql(f"VACUUM ANALYZE {table}")
            for number in range(options.rounds):
                progress.step(f"{table}, {rows:,} rows")
                round_of(stage, table, results, rows, number, alone)
                progress.line(f"{table}, {rows:,} rows: round {number + 1} of {options.rounds}")
            stage.sql(f"DROP TABLE {table}")
        results.show("helpers")
        write_json(options.json, results.list())

    return act(stage, body)


if __name__ == "__main__":
    sys.exit(main())
