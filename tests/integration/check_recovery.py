"""script/check recovery: every table of tests/data/recovery destroyed in every way, and given back."""

import argparse
import sys
import time

from fidelity import Report, cases_of, go_through, ground, server


def main():
    parser = argparse.ArgumentParser(prog="script/check recovery", description=__doc__)
    parser.add_argument("--all", action="store_true", help="every column of every table")
    parser.add_argument("--table", help="only tables whose name has this in it")
    parser.add_argument("--kind", help="only statements of this kind, as in the table at the end")
    parser.add_argument("-v", "--verbose", action="store_true", help="what came of each statement")
    parser.add_argument("majors", nargs="*", metavar="MAJOR", help="14 to 18")
    args = parser.parse_args()
    report = Report(lambda text: print(text, flush=True), args.verbose)
    started = time.monotonic()
    for major in args.majors or (["14", "15", "16", "17", "18"] if args.all else ["15", "18"]):
        with server(major) as pg, ground(pg) as g:
            g.load()
            cases = [case for table, _ in g.tables() if (args.table or "") in table
                     for case in cases_of(g, table, args.all) if args.kind in (None, case.kind)]
            print(f"PostgreSQL {major}: {len(cases)} statements", flush=True)
            go_through(g, cases, report)
    print("\n".join(report.table()))
    print(f"{len(report.bad)} did not come back as they were, {time.monotonic() - started:.0f} s")
    return len(report.bad) != 0


if __name__ == "__main__":
    sys.exit(main())
