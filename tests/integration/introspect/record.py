"""Writes the corpus: see script/record-introspection."""

import collections
import pathlib
import sys
import tempfile

import recorded
from conftest import Postgres, install_packages
from introspect import tools


def main(only):
    pg, bad = Postgres(), 0
    try:
        with recorded.a_recorder(pg) as recorder, tempfile.TemporaryDirectory() as tmp:
            found, names = collections.defaultdict(list), collections.defaultdict(list)
            for run in tools.runs(recorder, "ann", install_packages(), pathlib.Path(tmp)):
                if only and run.corpus not in only:
                    continue
                with recorder.recording() as records:
                    run.run(recorder.env("ann"))
                found[run.corpus] += records
                names[run.corpus].append(run.what)
                bad += recorded.show_unsafe(run.what, records)
            for corpus, records in found.items():
                texts = recorded.entries(records)
                recorded.write(corpus, names[corpus], texts)
                print(f"{corpus}: {len(records)} statements, {len(texts)} kept")
    finally:
        pg.stop()
    return bad


sys.exit(1 if main(sys.argv[1:]) else 0)
