"""The story of script/demo, as `backstop demo` tells it."""

import glob
import os
import subprocess

from conftest import binary, pg_bin


def run(**env):
    return subprocess.run([binary(), "demo"], capture_output=True, text=True, timeout=170,
                          stdin=subprocess.DEVNULL,
                          env={**os.environ, "BACKSTOP_PG_BIN": str(pg_bin()), **env})


def test_nothing_is_lost(tmp_path):
    tmp_path.chmod(0o755)
    done = run(TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    last = done.stdout.strip().splitlines()[-1]
    assert last.strip().startswith("nothing: schema and rows are identical to the start")
    for part in ("held for approval", "denied by an operator", "DROP TABLE",
                 "customers is gone", "rows and row hash equal", "no difference", "intact:"):
        assert part in done.stdout, part
    assert not glob.glob(str(tmp_path / "*")), "it left something behind"


