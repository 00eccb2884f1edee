"""Other languages call the library with nothing of ours between; what it does in their process, and to their tools."""

import fcntl
import filecmp
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from .conftest import EXAMPLES, ROOT, binary, output

NODE = pathlib.Path(__file__).parent / "node"
TEXTS = ["SELECT 1", "DELETE FROM orders", "SELEC 1", "TRUNCATE \"Ünï\"", "(SELECT 1 LIMIT 1) LIMIT 1" + "+1" * 15000]


@pytest.fixture(scope="module")
def koffi():
    """A folder with the script and its packages; one for each set of versions."""
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("npm is not installed: script/setup sdk does it")
    lock_file = NODE / "package-lock.json"
    folder = ROOT / ".cache" / f"koffi-{hashlib.sha256(lock_file.read_bytes()).hexdigest()[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists() or not filecmp.cmp(folder / "done", lock_file, shallow=False):
            for name in ("package.json", "package-lock.json"):
                shutil.copy(NODE / name, folder / name)
            output("npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", cwd=folder)
            shutil.copy(lock_file, folder / "done")
        shutil.copy(NODE / "judge.mjs", folder / "judge.mjs")
    return folder


def test_node(koffi, installed):
    said = [json.loads(line) for line in output("node", koffi / "judge.mjs", installed.so, *TEXTS).splitlines()]
    asked = "".join(json.dumps({"sql": t}) + "\n" for t in TEXTS)
    command = subprocess.run([binary(), "classify", "--jsonl"], input=asked, capture_output=True, text=True, check=True)
    for i, line in enumerate(command.stdout.splitlines()):
        answer = json.loads(line)
        del answer["id"]
        risk = {"SAFE": 1, "HIGH": 2, "CRITICAL": 3}[answer["risk"]]
        assert said[2 * i:2 * i + 2] == [{"risk": risk, "judged": answer}] * 2


def test_the_documentations_python(installed):
    text = (ROOT / "docs" / "library.md").read_text()
    (block,) = re.findall(r"<!-- run: ctypes -->\n```python\n(.*?)```", text, flags=re.S)
    assert output(sys.executable, "-c", block, env=installed.env) == "CRITICAL\n"


UNLOADED = """
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>

static void *work(void *path)
{
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL), *out = NULL;
    int (*fingerprint)(const char *, size_t, void **, void **);

    if (lib == NULL)
        return NULL;
    *(void **)&fingerprint = dlsym(lib, "backstop_fingerprint");
    int code = fingerprint("SELECT 1", 8, &out, NULL);
    dlclose(lib);
    return code == 0 && out != NULL ? path : NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    void *did = NULL;

    if (argc != 2 || pthread_create(&thread, NULL, work, argv[1]) != 0 || pthread_join(thread, &did) != 0)
        return 1;
    puts("alive");
    return did == NULL;
}
"""


def test_a_thread_ends_after_the_library_was_closed(installed, tmp_path):
    """The grammar has something to clean up then, in code that must still be there."""
    source = tmp_path / "unloaded.c"
    source.write_text(UNLOADED)
    output("cc", source, "-o", tmp_path / "unloaded", "-pthread", "-ldl")
    assert output(tmp_path / "unloaded", installed.so) == "alive\n"


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed: script/setup sdk does it")
@pytest.mark.parametrize("name,arguments", [("classify", ["DELETE FROM a; DROP TABLE b"]), ("same", ["SELECT 1", "SELEC"]),
                                            ("classify", ["DELETE FROM pg_class WHERE oid = 1", "CATALOG"])])
def test_nothing_is_lost(installed, tmp_path, pg, name, arguments):
    """All that an object owns goes with it, also where the text is no SQL, and with a catalog."""
    arguments = [pg.conninfo("backstop") if a == "CATALOG" else a for a in arguments]
    program = installed.compile(EXAMPLES / f"{name}.c", tmp_path / name, "backstop")
    done = subprocess.run(["valgrind", "--quiet", "--leak-check=full", "--error-exitcode=99", program, *arguments],
                          capture_output=True, text=True, timeout=120, env=installed.env)
    assert done.returncode != 99 and "==" not in done.stderr and done.stdout, done.stderr
