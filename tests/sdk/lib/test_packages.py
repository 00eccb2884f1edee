"""What `meson install` leaves, used from there; and what the program says of itself."""

import json
import os
import re
import shutil
import subprocess

import pytest

from .conftest import BUILD, HEADER, ROOT, binary, declared, output

FILES = ["bin/backstop", "include/backstop.h", "share/man/man1/backstop.1", "share/man/man5/backstop.yaml.5", "share/man/man3/backstop.3",
         "share/doc/backstop/LICENSE", "share/doc/backstop/llms.txt", "share/doc/backstop/skills/backstop/SKILL.md", "share/doc/backstop/examples/c/agent.c",
         "share/bash-completion/completions/backstop", "share/zsh/site-functions/_backstop",
         "share/fish/vendor_completions.d/backstop.fish", "lib/systemd/system/backstop.service",
         "lib/systemd/system/backstop.socket"]


def test_the_files(installed):
    missing = [name for name in FILES if not (installed.prefix / name).is_file()]
    assert missing == []
    for name in ("backstop.pc", "backstop-static.pc"):
        assert (installed.libdir / "pkgconfig" / name).is_file()
    assert (installed.libdir / "libbackstop.a").is_file()
    assert installed.so.is_symlink() and installed.so.resolve().name.startswith("libbackstop.so.0.")
    assert (installed.prefix / "include/backstop.h").read_bytes() == HEADER.read_bytes()
    assert (installed.prefix / "share/doc/backstop/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_nothing_of_the_build_is_in_it(installed):
    """Stripped, without a path to find libraries by, and nobody may write it."""
    for path in (installed.bin, installed.so.resolve()):
        assert "debug_info" not in output("readelf", "-SW", path)
        dynamic = output("readelf", "-d", path)
        assert "RPATH" not in dynamic and "RUNPATH" not in dynamic
        assert path.stat().st_mode & 0o022 == 0


def test_the_library_needs_little(installed):
    needed = set(re.findall(r"Shared library: \[(\w+)", output("readelf", "-d", installed.so)))
    assert needed - {"ld"} <= {"libc", "libm", "libpq", "libcrypto", "libjansson"}


def test_the_program_runs_from_there(installed, tmp_path):
    done = subprocess.run([installed.bin, "classify"], input="DROP TABLE t", capture_output=True, text=True,
                          cwd=tmp_path, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0 and json.loads(done.stdout)["risk"] == "CRITICAL"
    folder = tmp_path / "made"
    made = subprocess.run([installed.bin, "init", folder, "--database", "app", "--upstream", "host=/nowhere",
                           "--helper", "host=/nowhere user=helper"], capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert made.returncode == 0, made.stderr
    assert output(installed.bin, "check-config", "--config", folder / "backstop.yaml") is not None


def test_the_units_start_what_is_installed(installed):
    unit = (installed.prefix / "lib/systemd/system/backstop.service").read_text()
    program = re.search(r"^ExecStart=(\S+)", unit, flags=re.M)[1]
    assert installed.folder / program.lstrip("/") == installed.bin
    assert "/usr/bin/backstop" not in unit


def test_completion(installed):
    script = installed.prefix / "share/bash-completion/completions/backstop"
    ask = f"source {script}; COMP_WORDS=({installed.bin} classify --js); COMP_CWORD=2; _backstop; echo ${{COMPREPLY[@]}}"
    assert output("bash", "-c", ask).split() == ["--jsonl", "--json"]


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed")
def test_the_manual_pages(installed):
    env = {**os.environ, "MANPATH": str(installed.prefix / "share/man"), "LC_ALL": "C", "MANPAGER": "cat"}
    for page in sorted(p for p in (installed.prefix / "share/man").rglob("*.[0-9]") if not p.is_symlink()):
        text = output("man", "--warnings", page.suffix[1:], page.stem, env=env)
        assert len(text) > 500, page


def test_each_function_has_its_page(installed):
    """By its name, and the synopsis is the header's."""
    pages = installed.prefix / "share/man/man3"
    for name, (result, arguments) in declared().items():
        page = (pages / f"{name}.3").read_text()
        kind, given = re.search(rf"^\.Ft (.*)\n\.Fn {name} (.*)$", page, flags=re.M).groups()
        given = [] if given == "void" else [re.sub(r"\w+$", "", a).strip() for a in re.findall(r'"([^"]*)"', given)]
        assert (kind, given) == (result, arguments), name


def told():
    return json.loads(output(binary(), "version", "--json"))


def test_the_version():
    facts = told()
    assert facts["version"] == re.search(r"version: '([\d.]+)'", (ROOT / "meson.build").read_text())[1]
    assert facts["grammar"].startswith("PostgreSQL 17.")
    options = {o["name"]: o["value"] for o in json.loads(output("meson", "introspect", "--buildoptions", BUILD))}
    build = facts["build"]
    assert (build["type"], build["lto"], build["sanitizer"]) == (
        options["buildtype"], options["b_lto"], options["b_sanitize"])
    assert re.match(r"(gcc|clang) \d+", build["compiler"])
    assert set(facts["libraries"]) == {"libpq", "openssl", "libuv", "sqlite", "zstd", "curl", "libmicrohttpd", "jansson",
                                       "libyaml", "expat"}
    assert all(re.match(r"\d+\.\d+", v) for v in facts["libraries"].values()), facts["libraries"]
    plain = output(binary(), "version")
    assert plain.splitlines()[0] == f"backstop {facts['version']} ({facts['revision'] or 'of no repository'})"


def test_the_revision():
    if not (ROOT / ".git").exists():
        assert told()["revision"] is None
        return
    known = output("git", "-C", ROOT, "rev-list", "-n", "500", "HEAD").split()
    revision = told()["revision"].removesuffix("-dirty")
    assert len(revision) >= 12 and any(k.startswith(revision) for k in known)
