#!/usr/bin/env python3
"""What the way there and back costs, beside PostgreSQL's own tools, in interleaved rounds.

A recovery point of one table, its proof, restore, diff and the undo of one row, against COPY to
/dev/null, pg_dump and pg_restore, on a wide table with four indexes and on a narrow one.

    script/bench recovery [--json FILE] [--rows N] [--rounds N] [--full] [--only TEXT]

A ratio is made within a round: the peer's time divided by ours, so above 1 we are ahead.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from bench import Bench, as_server_user, free_port, pg_program, run

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


def seconds(function, *args):
    start = time.monotonic()
    out = function(*args)
    return time.monotonic() - start, out


class Stage(Bench):
    def start(self):
        self.start_postgres()
        # maintenance_work_mem stays as it comes: pg_restore is quicker so than with more.
        self.psql("postgres", "ALTER SYSTEM SET shared_buffers = '2GB'",
                  "ALTER SYSTEM SET max_wal_size = '16GB'")
        run(*as_server_user([pg_program("pg_ctl"), "-D", self.folder / "pg", "-l",
                             self.folder / "pg.log", "-w", "restart"]), cwd="/",
            stdin=subprocess.DEVNULL)
        self.conninfo = f"host={self.folder} port={self.pg_port} user=postgres dbname=bench"
        self.store, self.spool = self.folder / "points", self.folder / "spool"
        self.config = self.folder / "backstop.yaml"
        self.config.write_text(json.dumps({
            "listen": [f"127.0.0.1:{free_port()}"],
            "operators": {"listen": f"127.0.0.1:{free_port()}"},
            "databases": {"bench": {
                "upstream": self.conninfo,
                "helper": self.conninfo.replace("user=postgres", "user=backstop")}},
            "state": f"sqlite://{self.folder}/state.db",
            "audit": {"directory": f"{self.folder}/audit"},
            "storage": f"file://{self.store}", "spool": str(self.spool)}))
        self.config.chmod(0o600)

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
        return json.loads(run(os.environ["BENCH_CAPTURE"], self.conninfo, f"file://{self.store}",
                              str(self.spool), f"public.{table}", str(helpers), grade,
                              *statement))

    def restore(self, verb, *args):
        out = subprocess.run([os.environ["BACKSTOP_BIN"], "restore", verb, *args, "--json",
                              "--config", str(self.config)], capture_output=True, text=True)
        # 1 is diff's answer where there are differences.
        if out.returncode != 0 and not (verb == "diff" and out.returncode == 1):
            raise subprocess.CalledProcessError(out.returncode, verb, out.stdout, out.stderr)
        return out.stdout

    def drop_points(self):
        shutil.rmtree(self.store, ignore_errors=True)


class Results:
    """Times of one round beside each other; ratios are made within it."""

    def __init__(self):
        self.rows = {}

    def add(self, workload, clients, peer, ours, theirs, figure):
        row = self.rows.setdefault((workload, clients, peer), {"figure": [], "ratio": []})
        row["figure"].append(figure)
        row["ratio"].append(theirs / ours)

    def list(self):
        return [{"workload": w, "clients": c, "peer": p,
                 "figure": round(statistics.median(r["figure"]), 3),
                 "ratio_min": round(min(r["ratio"]), 3),
                 "ratio_median": round(statistics.median(r["ratio"]), 3),
                 "ratio_max": round(max(r["ratio"]), 3)} for (w, c, p), r in self.rows.items()]

    def show(self):
        print("| workload | helpers | peer | figure | ratio | least | most |")
        print("|----------|--------:|------|-------:|------:|------:|-----:|")
        for r in self.list():
            print(f"| {r['workload']} | {r['clients']} | {r['peer']} | {r['figure']:,.2f} |"
                  f" {r['ratio_median']:.2f} | {r['ratio_min']:.2f} | {r['ratio_max']:.2f} |")


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
            results.add(f"capture {what}", helpers, peer, t, ours[key], rows / t)
    t = ours["proven"]
    for peer, key in peers[:2]:
        results.add(f"capture with proof {what}", 2, peer, t, ours[key], rows / t)
    results.add(f"locked, seconds, {what}", 2, "capture with proof", ours["locked"], t,
                ours["locked"])


def add_restores(results, ours, what, rows):
    """pg_restore believes what it has written; the third peer reads the table once, as we do."""
    back, two = ours["back"], ours["restored2"]
    for peer, theirs in (("pg_restore", ours["restored"]), ("pg_restore -j2", two),
                         ("pg_restore -j2, then copy binary", two + ours["copy"])):
        results.add(f"restore copy-back of a dropped table {what}", 1, peer, back, theirs,
                    rows / back)
    results.add(f"restore run (rows alone) {what}", 1, "pg_restore", ours["run"],
                ours["restored"], rows / ours["run"])
    results.add(f"restore diff {what}", 1, "copy binary", ours["diff"], ours["copy"],
                rows / ours["diff"])
    results.add(f"restore preview, seconds, {what}", 1, "1 second", ours["preview"], 1,
                ours["preview"])
    results.add(f"undo of one row, seconds, {what}", 1, "1 second", ours["undo"], 1, ours["undo"])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--full", action="store_true",
                        help="10 million narrow rows, too, and captures of 4 million wide ones")
    parser.add_argument("--only", default="wide,narrow", help="tables")
    options = parser.parse_args()
    todo = [(table, options.rows, False) for table in options.only.split(",")]
    if options.full:
        todo += [("narrow", 10_000_000, False), ("wide", 4_000_000, True)]

    folder = pathlib.Path(tempfile.mkdtemp(prefix="bs-bench-"))
    folder.chmod(0o755)
    stage, results = Stage(folder, 1), Results()
    try:
        stage.start()
        for table, rows, alone in todo:
            stage.sql(TABLES[table][0] % {"rows": rows})
            stage.sql(f"VACUUM ANALYZE {table}")
            for number in range(options.rounds):
                round_of(stage, table, results, rows, number, alone)
                print(f"{table}, {rows:,} rows: round {number + 1} of {options.rounds}",
                      file=sys.stderr)
            stage.sql(f"DROP TABLE {table}")
        results.show()
        if options.json:
            options.json.write_text(json.dumps(results.list(), indent=1) + "\n")
    except subprocess.CalledProcessError as e:
        sys.exit(f"bench: {e}\n{e.stdout}\n{e.stderr}")
    finally:
        stage.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
