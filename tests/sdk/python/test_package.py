"""The package itself: its form, its types, and its wheel where nothing else is installed."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import venv
import zipfile

import pytest

from .conftest import ROOT, SDK

HERE = pathlib.Path(__file__).parent
WHEELS = ROOT / ".cache" / "sdk" / "wheels"
FRAMEWORKS = ROOT / ".cache" / "sdk-frameworks" / "bin" / "python"


def run(*command, **more):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=170, **more)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("how", [("check",), ("format", "--check")], ids=lambda how: how[0])
def test_form(how):
    run(sys.executable, "-m", "ruff", *how, "src", "examples", "generate.py", cwd=SDK)


def mypy(*what):
    if not FRAMEWORKS.exists():
        pytest.skip("the frameworks are not there: script/test sdk installs them")
    run(sys.executable, "-m", "mypy", "--python-executable", FRAMEWORKS, "--cache-dir", ROOT / ".cache" / "sdk-mypy",
        *what, cwd=SDK)


def test_types():
    mypy()


def test_types_of_a_program_that_uses_it():
    mypy("--strict", HERE / "typed_use.py")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    source = shutil.copytree(SDK, tmp_path_factory.mktemp("source") / "sdk")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", source / "dist", source)
    made, = (source / "dist").glob("*.whl")
    return made


def test_what_is_in_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        metadata = packed.read(next(n for n in names if n.endswith("/METADATA"))).decode()
    wanted = {str(p.relative_to(SDK / "src")) for p in (SDK / "src" / "backstop").rglob("*")
              if p.is_file() and p.suffix in ("", ".py", ".typed") and "__pycache__" not in p.parts}
    assert {n for n in names if n.startswith("backstop/")} == wanted and "backstop/py.typed" in names
    assert any(n.endswith("/licenses/LICENSE") for n in names)
    assert "\nRequires-Python: >=3.10" in metadata
    needed = re.findall(r"^Requires-Dist: (.*)$", metadata, re.M)
    assert needed and all("extra ==" in one for one in needed), "nothing is needed but what one asks for"


@pytest.fixture(scope="module")
def empty(wheel, tmp_path_factory):
    """An environment with the wheel and psycopg, and nothing else."""
    if not WHEELS.exists():
        pytest.skip("psycopg's wheels are not there: script/test sdk fetches them")
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--no-index", "--find-links", WHEELS, f"{wheel}[psycopg]", "psycopg[binary]",
        env={**os.environ, "PIP_FIND_LINKS": str(WHEELS)})
    return python


def test_the_example_of_the_readme(site, empty):
    code, = re.findall(r"```python\n(.*?)```", (SDK / "README.md").read_text(), re.S)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    with site.pg.admin() as c:
        c.execute("DROP SCHEMA IF EXISTS shop CASCADE; CREATE SCHEMA shop AUTHORIZATION app_trust; SET ROLE app_trust;"
                  "CREATE TABLE shop.orders AS SELECT n AS id, 'closed' AS status FROM generate_series(1, 12) n")
    deciding = site.decide_next()
    said = run(empty, "-c", code, env={"DATABASE_URL": site.url(), "PATH": os.environ["PATH"]})
    ticket, = deciding.done()
    assert said == f"waiting for {ticket['id']}\n12 orders deleted\n"
    assert ticket["claims"] == {"purpose": "tidy orders"}
    with site.pg.admin() as c:
        c.execute("DROP SCHEMA shop CASCADE")


def test_without_any_driver(wheel, tmp_path):
    """Importing it needs nothing; what is missing is named by the import that fails."""
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path)
    code = ("import backstop, backstop.operators\n"
            "try: backstop.connect('postgresql://x')\n"
            "except ModuleNotFoundError as e: print(e.name)")
    assert run(sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{code}") == "psycopg\n"
