"""Single parts: microseconds to judge a text, and instructions, which no other load on the machine changes."""

import re
import shutil
import subprocess

from stage import PROGRAMS, Fault, run

BOUNDS = {"pgbench SELECT": 1.5, "pgbench UPDATE": 1.5, "psql \\dt": 6.0}
HIT, MISS, HIT_BOUND = "cache hit", "cache miss", 0.2
TIMES = 2000
LINE = re.compile(r"^(.+?) +([\d.]+) us$", re.M)


def instructions(conninfo, part, times):
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                           str(PROGRAMS / "bench-parts"), conninfo, part, str(times)], capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        raise Fault(f"callgrind of bench-parts {part}: {done.stderr[-500:]}")
    return int(found.group(1))


def measure(stage, results):
    conninfo = f"host={stage.folder} port={stage.pg_port} dbname=bench user=backstop"
    for name, us in LINE.findall(run(PROGRAMS / "bench-classify")):
        if name in BOUNDS:
            results.add(f"classify, {name}", 1, f"{BOUNDS[name]:g} us", float(us), BOUNDS[name] / float(us))
    took = {name: float(us) for name, us in LINE.findall(run(PROGRAMS / "bench-parts", conninfo))}
    results.add(HIT, 1, f"{HIT_BOUND:g} us", took[HIT], HIT_BOUND / took[HIT])
    results.add(HIT, 1, MISS, took[HIT], took[MISS] / took[HIT])
    if not shutil.which("valgrind"):
        raise Fault("valgrind is missing: script/setup bench installs it")
    # Twice as often less once: what starting and ending costs is the same in both.
    counts = {part: (instructions(conninfo, part, 2 * TIMES) - instructions(conninfo, part, TIMES)) / TIMES
              for part in took}
    for part, count in counts.items():
        results.add(f"instructions, {part}", 1, MISS, count, counts[MISS] / count)
