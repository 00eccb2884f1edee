#!/usr/bin/env python3
"""The results of `script/bench wire --json FILE` as tables in docs/performance.md, between its marks.

    script/bench document FILE
"""

import datetime
import json
import os
import pathlib
import re
import sys

from stage import pg_program, run

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "performance.md"
BEGIN, END = "<!-- wire: from here on by script/bench document -->", "<!-- wire: up to here -->"
CPU = "CPU us, "
UNITS = (("added", "us"), ("p99", "us"), ("memory", "bytes"), ("classify", "us"),
         ("instructions", "instructions"), ("cache hit", "us"), ("copy", "MB/s"), ("connect", "connections/s"),
         ("", "transactions/s"))


def unit(workload):
    return next(u for start, u in UNITS if workload.startswith(start))


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}".rstrip("0").rstrip(".")


def ratio(row):
    least, median, most = (row[f"ratio_{k}"] for k in ("min", "median", "max"))
    return f"{median:.2f}" if least == most else f"{median:.2f} ({least:.2f}-{most:.2f})"


def lines_of(rows, columns, unit_of):
    """One line a load; a column for each of these peers."""
    yield f"| load | clients | Backstop | {' | '.join(columns)} |"
    yield f"|---|--:|--:|{'--:|' * len(columns)}"
    loads = {}
    for row in rows:
        loads.setdefault((row["workload"], row["clients"]), {})[row["peer"]] = row
    for (workload, clients), by_peer in loads.items():
        figure = number(next(iter(by_peer.values()))["figure"])
        cells = [ratio(by_peer[c]) if c in by_peer else "" for c in columns]
        yield f"| {workload} | {clients} | {figure} {unit_of(workload)} | {' | '.join(cells)} |"


def section(rows, when):
    beside = sorted(p for p in {r["peer"] for r in rows} if p == "direct" or p.startswith(("HAProxy", "PgBouncer")))
    beside.sort(key=lambda p: p != "direct")
    server = re.search(r"\d+\.\d+", run(pg_program("postgres"), "--version")).group()
    wire = [r for r in rows if r["peer"] in beside]
    cpu = [{**r, "workload": r["workload"].removeprefix(CPU)} for r in wire if r["workload"].startswith(CPU)]
    speed = [r for r in wire if not r["workload"].startswith(CPU)]
    rest = [r for r in rows if r["peer"] not in beside]
    yield (f"Measured on {when:%d %B %Y} with {os.cpu_count()} cores, PostgreSQL {server}, beside "
           f"{', '.join(p for p in beside if p != 'direct')}.")
    yield "Above 1 Backstop is ahead; median, and the least and the most of the rounds."
    yield ""
    yield from lines_of(speed, beside, unit)
    yield ""
    yield "CPU of the process in between, for each transaction, connection or megabyte:"
    yield ""
    yield from lines_of(cpu, [p for p in beside if p != "direct"], lambda _: "us")
    yield ""
    yield "| what | clients | Backstop | beside | ratio |"
    yield "|---|--:|--:|---|--:|"
    for r in rest:
        yield f"| {r['workload']} | {r['clients']} | {number(r['figure'])} {unit(r['workload'])} | {r['peer']} | {ratio(r)} |"


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    path = pathlib.Path(sys.argv[1])
    try:
        rows = json.loads(path.read_text())
        when = datetime.datetime.fromtimestamp(path.stat().st_mtime)
        made = "\n".join(section(rows, when))
    except (OSError, ValueError, KeyError, TypeError) as e:
        sys.exit(f"bench: {path} is not what script/bench wire --json has written: {e}")
    text = DOCUMENT.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        sys.exit(f"bench: {DOCUMENT} needs these two lines once each:\n{BEGIN}\n{END}")
    before, _, rest = text.partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
