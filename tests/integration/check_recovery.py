"""script/check recovery: every table of tests/data/recovery destroyed in every way, and given back."""

import argparse
import collections
import contextlib
import json
import pathlib
import queue
import re
import signal
import sys
import tempfile
import threading
import time

from fidelity import LARGE, ROOT, cases_of, encryption, ground, server, way_back

LOG = ROOT / ".cache" / "recovery.jsonl"
GOOD = ("same", "same, by a superuser", "not possible")


class Log:
    """A line of JSON for each statement that was tried: a run that ended early is gone on with."""

    def __init__(self, path, verbose):
        self.path, self.verbose = path, verbose
        self.lock = threading.Lock()
        self.lines = []

    def known(self):
        """What earlier runs say, the last word on each statement."""
        if not self.path.exists():
            return {}
        lines = [json.loads(x) for x in self.path.read_text().splitlines()]
        return {(x["major"], x["sql"]): x for x in lines}

    def add(self, line, old=False):
        with self.lock:
            self.lines.append(line)
            if old:
                return
            with self.path.open("a") as f:
                f.write(json.dumps(line) + "\n")
            if self.verbose or line["word"] not in GOOD:
                print(f"{line['major']}: {line['sql']}\n    {line['how']}", flush=True)


def reason(how):
    """Without the names in it: refusals are counted by it."""
    return re.sub(r'"[^"]*"|\d+', "*", how.split("; ", 1)[-1])[:200]


def summary(major, lines):
    """What came of all statements of one server."""
    words = collections.Counter(x["word"] for x in lines)
    exact = words["same"] + words["same, by a superuser"]
    yield (f"PostgreSQL {major}: {len(lines)} statements, {exact} exact ({words['same, by a superuser']} by a"
           f" superuser), {words['not possible']} that the server refused, {words['refused']} refused by the"
           f" gateway, {words['broken']} broken")
    for why, n in collections.Counter(reason(x["how"]) for x in lines if x["word"] == "refused").most_common():
        yield f"    refused, {n}: {why}"
    for line in lines:
        if line["word"] == "broken":
            yield f"    broken: {line['sql']}"


def work(g, cases, log, over, more=""):
    """One after the other; what is broken is made anew."""
    def load():
        g.load()
        g.run(more)
        return g.picture()

    before = load()
    while not over.is_set():
        try:
            case = cases.get_nowait()
        except queue.Empty:
            return
        started = time.monotonic()
        how = way_back(g, case, before)
        word = how.split(":")[0]
        log.add({"major": g.pg.major, "kind": case.kind, "table": case.table, "sql": case.sql, "word": word,
                 "how": how, "seconds": round(time.monotonic() - started, 1)})
        if word == "broken":
            before = load()
        elif case.moved:
            before = g.picture()


def fill(cases, g, tables, args, log, known):
    for table in tables:
        for case in cases_of(g, table, args.all) if args.table in table else ():
            line = known.get((g.pg.major, case.sql))
            if args.kind and case.kind not in args.kind:
                continue
            if line is not None and line["word"] in GOOD:
                log.add(line, old=True)
            else:
                cases.put(case)


def one_major(major, args, log, known):
    """Several servers of it, each with the whole schema, share what is to be done."""
    cases, over, failed = queue.Queue(), threading.Event(), []
    large = queue.Queue()

    def begin(g):
        try:
            work(g, cases, log, over)
            if g is grounds[0]:
                work(g, large, log, over, LARGE)
        except BaseException as error:
            failed.append(error)
            over.set()

    with contextlib.ExitStack() as stack:
        keys = stack.enter_context(tempfile.TemporaryDirectory())
        extra = encryption(pathlib.Path(keys)) if args.encrypted else {}
        grounds = [stack.enter_context(ground(stack.enter_context(server(major)), **extra))
                   for _ in range(args.jobs)]
        grounds[0].load()
        fill(cases, grounds[0], [table for table, _ in grounds[0].tables()], args, log, known)
        grounds[0].run(LARGE)
        fill(large, grounds[0], ["fid.large"], args, log, known)
        print(f"PostgreSQL {major}: {cases.qsize() + large.qsize()} statements to try, {len(log.lines)} known",
              flush=True)
        threads = [threading.Thread(target=begin, args=(g,)) for g in grounds]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        finally:
            over.set()
            for thread in threads:
                thread.join()
    if failed:
        raise failed[0]


def main():
    parser = argparse.ArgumentParser(prog="script/check recovery", description=__doc__)
    parser.add_argument("--all", action="store_true", help="every column of every table, on 14 to 18")
    parser.add_argument("--table", default="", help="only tables whose name has this in it")
    parser.add_argument("--kind", action="append", help="only statements of this kind, as in the log: drop, retype, ..")
    parser.add_argument("--encrypted", action="store_true", help="with recovery.encryption")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="servers at once (2)")
    parser.add_argument("--log", type=pathlib.Path, default=LOG, help="a line of JSON per statement (%(default)s)")
    parser.add_argument("--resume", action="store_true", help="leave out what came back, by the log")
    parser.add_argument("-v", "--verbose", action="store_true", help="what came of each statement")
    parser.add_argument("majors", nargs="*", metavar="MAJOR", help="14 to 18")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # no server stays behind
    started, bad, told = time.monotonic(), 0, []
    known = Log(args.log, False).known() if args.resume else {}
    if not args.resume:
        args.log.unlink(missing_ok=True)
    for major in args.majors or (["18", "14", "15", "17", "16"] if args.all else ["15", "18"]):
        log = Log(args.log, args.verbose)
        one_major(major, args, log, known)
        told += summary(major, log.lines)
        bad += sum(x["word"] not in GOOD for x in log.lines)
    print("\n".join(told))
    print(f"{bad} did not come back as they were, {time.monotonic() - started:.0f} s, {args.log}")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
