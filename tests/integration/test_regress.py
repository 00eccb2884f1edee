"""A slice of PostgreSQL's own regression SQL: nothing called SAFE changes anything (script/regress
runs the whole of it)."""

import sys

import pytest

from conftest import ROOT, Postgres

sys.path.insert(0, str(ROOT / "tests" / "regress"))

from regress import Run, report, run_files, share  # noqa: E402

SOURCES = ROOT / ".cache" / "regress" / "15"

# A few texts of everything that can be SAFE: built-ins, transactions, cursors, prepared statements,
# settings, temporary objects, sequences, functions with bodies, locks, large objects, privileges.
SLICE = ["test_setup", "boolean", "uuid", "text", "time", "select", "select_implicit", "union", "transactions",
         "portals_p2", "prepare", "guc", "sequence", "advisory_lock", "largeobject",
         "misc_functions", "rangefuncs", "async", "dbsize", "temp", "portals", "privileges"]


@pytest.fixture(scope="module")
def answer():
    if not (SOURCES / "parallel_schedule").exists():
        pytest.skip("PostgreSQL's sources are not there: script/regress fetch")
    pg = Postgres()
    try:
        run = Run(pg, SOURCES)
        run_files(run, SLICE)
        yield report(run, run.categories())
        run.close()
    finally:
        pg.stop()


def test_what_is_called_safe_changes_nothing(answer):
    assert answer["safe"] > 700, "hardly anything was called SAFE: is the judgement asked at all?"
    assert answer["failures"] == []


def test_reads_are_rarely_called_anything_else(answer):
    # 5.5 %: most of them call functions of the server's files, or large objects, which are not SAFE.
    assert share(answer) < 7, answer["groups"]
