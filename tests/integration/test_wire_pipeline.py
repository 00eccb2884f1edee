"""PostgreSQL's own tests of pipelines (src/test/modules/libpq_pipeline), whole, through the gateway.

script/regress fetches and builds the program. Besides its own checks, what libpq saw of the protocol must be
what PostgreSQL expects, to the last message, and the same as it sees without us.
"""

import subprocess

import psycopg
import pytest

import shaping
from conftest import ROOT, Gateway, running

FOLDER = ROOT / ".cache" / "regress" / "15" / "libpq_pipeline"
PROGRAM = FOLDER / "libpq_pipeline"
# How many messages are under way when an answer comes is a matter of time.
TIMED = {"uniqviol", "pipelined_insert"}
TESTS = ["disallowed_in_pipeline", "multi_pipelines", "nosync", "pipeline_abort", "pipeline_idle",
         "pipelined_insert", "prepared", "simple_pipeline", "singlerow", "transaction", "uniqviol"]
TABLES = "DROP TABLE IF EXISTS pq_pipeline_demo, pq_pipeline_tst, ppln_uniqviol"

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="script/regress fetch builds libpq_pipeline")


@pytest.fixture(scope="module")
def through(pg):
    """All is allowed and recorded. It sets lc_messages, as only a superuser may."""
    everything = {"name": "all", "risk": ["SAFE", "HIGH", "CRITICAL"], "action": "allow", "recovery": "none"}
    g = Gateway(pg, {"app": pg.conninfo("postgres")}, tls=False, policy={"rules": [everything]})
    with running(g, "ann"):
        yield psycopg.conninfo.make_conninfo("", host="127.0.0.1", port=g.port, user="ann", dbname="app",
                                             password=g.passwords["ann"])
    with pg.admin() as c:
        c.execute(TABLES)


def run(test, conninfo, file):
    """What libpq saw; nothing of those that send for as long as no answer has come."""
    trace = [] if test in TIMED else ["-t", file]
    done = subprocess.run([PROGRAM, "-r", "700", *trace, test, conninfo], capture_output=True, text=True,
                          timeout=400 if shaping.HOW else 120)  # each of 700 round trips has 15 ms there
    assert done.returncode == 0, done.stderr[-2000:]
    return file.read_text() if trace else None


def test_all_of_them_are_here():
    said = subprocess.run([PROGRAM, "tests"], check=True, capture_output=True, text=True)
    assert said.stdout.split() == TESTS


@pytest.mark.parametrize("test", TESTS)
def test_pipeline(pg, through, tmp_path, test):
    seen = []
    for name, conninfo in (("direct", pg.conninfo("postgres")), ("through", through)):
        with pg.admin() as c:
            c.execute(TABLES)
        seen.append(run(test, conninfo, tmp_path / name))
    if test in TIMED:
        return
    assert seen[1] == seen[0]
    expected = FOLDER / "traces" / f"{test}.trace"
    assert seen[1] == expected.read_text()
