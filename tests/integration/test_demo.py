"""The story of script/demo, as `backstop demo` tells it."""

import glob
import os
import subprocess
import tempfile

from conftest import binary, pg_bin


def run(**env):
    return subprocess.run([binary(), "demo"], capture_output=True, text=True, timeout=170,
                          stdin=subprocess.DEVNULL,
                          env={**os.environ, "BACKSTOP_PG_BIN": str(pg_bin()), **env})


def test_nothing_is_lost():
    with tempfile.TemporaryDirectory(prefix="bs-demo-") as folder:
        os.chmod(folder, 0o755)  # the server's user must get in
        done = run(TMPDIR=folder)
        assert not glob.glob(f"{folder}/*"), "it left something behind"
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    last = done.stdout.strip().splitlines()[-1]
    assert last.strip().startswith("nothing: schema and rows are identical to the start")
    for part in ("held for approval", "denied by an operator", "DROP TABLE",
                 "customers is gone", "rows and row hash equal", "no difference", "intact and signed:"):
        assert part in done.stdout, part
