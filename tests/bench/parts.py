"""Single parts: microseconds to judge a text, and instructions, which no other load on the machine changes."""

import re
import shutil
import subprocess

from stage import PROGRAMS, Fault, run

BOUNDS = {"pgbench SELECT": 1.5, "pgbench UPDATE": 1.5, "psql \\dt": 6.0}
TIMES = 2000


def instructions(part, times):
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                           str(PROGRAMS / "bench-parts"), part, str(times)], capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        raise Fault(f"callgrind of bench-parts {part}: {done.stderr[-500:]}")
    return int(found.group(1))


def measure(stage, results):
    for name, us in re.findall(r"^(.+?) +([\d.]+) us$", run(PROGRAMS / "bench-classify"), re.M):
        if name in BOUNDS:
            results.add(f"classify, {name}", 1, f"{BOUNDS[name]:g} us", float(us), BOUNDS[name] / float(us))
    if not shutil.which("valgrind"):
        raise Fault("valgrind is missing: script/setup bench installs it")
    counts = {}
    for part in run(PROGRAMS / "bench-parts").split():
        # Twice as often less once: starting and ending is the same in both.
        counts[part] = (instructions(part, 2 * TIMES) - instructions(part, TIMES)) / TIMES
    for part, count in counts.items():
        if part != "miss":
            results.add(f"instructions, {part}", 1, "cache miss", count, counts["miss"] / count)
    results.add("instructions, miss", 1, "cache miss", counts["miss"], 1)
