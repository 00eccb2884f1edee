"""libbackstop as it is installed, in a folder of its own, and a gateway to decode the answers of."""

import ctypes
import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from conftest import (  # noqa: E402,F401 - fixtures and hooks of the integration tests
    Gateway, binary, leaves_nothing, pg, pytest_runtest_makereport, running, wait_until)
from operator_side import Operator  # noqa: E402

HEADER = ROOT / "include" / "backstop.h"
MAP = ROOT / "src" / "lib" / "backstop.map"
EXAMPLES = ROOT / "docs" / "examples" / "c"
BUILD = pathlib.Path(binary()).resolve().parent


def output(*command, **more):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120, **more)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


class Installed:
    """What `meson install` leaves under an empty folder."""

    def __init__(self, folder):
        self.folder = folder
        output("meson", "install", "-C", BUILD, "--no-rebuild", "--strip", "--destdir", folder)
        prefix = next(folder.rglob("bin/backstop")).parents[1]
        self.prefix, self.bin = prefix, prefix / "bin" / "backstop"
        self.libdir = next(prefix.rglob("libbackstop.so")).parent
        self.so = self.libdir / "libbackstop.so"
        self.env = {**os.environ, "PKG_CONFIG_PATH": str(self.libdir / "pkgconfig"), "LD_LIBRARY_PATH": str(self.libdir)}

    def flags(self, *packages):
        if "pcfiledir" not in (self.libdir / "pkgconfig" / "backstop.pc").read_text():
            pytest.skip(f"{BUILD} is older than that it can be moved: meson configure -Dpkgconfig.relocatable=true")
        return output("pkg-config", "--cflags", "--libs", *packages, env=self.env).split()

    def compile(self, source, out, *packages, compiler=("cc", "-std=c11", "-Wall", "-Wextra", "-Werror")):
        output(*compiler, source, *self.flags(*packages), "-o", out)
        return out

    def run(self, *command, **more):
        return subprocess.run([*map(str, command)], env=self.env, capture_output=True, text=True,
                              timeout=120, **more)


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    if not (BUILD / "libbackstop.so").exists():
        pytest.skip(f"no library in {BUILD}")
    return Installed(tmp_path_factory.mktemp("root"))


def declared():
    """Name, result and arguments of each function of the header."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    found = re.findall(r"BACKSTOP_API\s+([\w\s*]+?)(\w+)\(([^)]*)\);", text)
    return {name: (result.strip(), [re.sub(r"\w+$", "", a).strip() for a in arguments.split(",") if a != "void"])
            for result, name, arguments in found}


def as_ctypes(kind):
    kind = kind.replace("const ", "")
    if kind.endswith("**"):
        return ctypes.POINTER(ctypes.c_void_p)
    plain = {"int": ctypes.c_int, "size_t": ctypes.c_size_t, "int64_t": ctypes.c_int64, "void": None}
    return plain.get(kind, ctypes.c_void_p)


class Library:
    """The header's functions, as any language with an FFI would call them."""

    def __init__(self, path):
        self.c = ctypes.CDLL(str(path))
        for name, (result, arguments) in declared().items():
            function = getattr(self.c, name)
            function.restype = ctypes.c_char_p if result == "const char *" else as_ctypes(result)
            function.argtypes = [ctypes.c_char_p if a == "const char *" else as_ctypes(a) for a in arguments]

    def __getattr__(self, name):
        return getattr(self.c, "backstop_" + name)

    def make(self, function, *arguments):
        """What a call hands out, or Failed."""
        out, error = ctypes.c_void_p(), ctypes.c_void_p(1)
        code = getattr(self, function)(*arguments, ctypes.byref(out), ctypes.byref(error))
        if code == 0:
            assert out.value and error.value is None
            return out.value
        assert out.value is None and self.error_code(error) == code
        failed = Failed(code, self.error_message(error).decode(), self.error_sqlstate(error).decode())
        self.error_free(error)
        raise failed

    def text(self, function, *arguments):
        got = self.make(function, *arguments)
        try:
            return ctypes.string_at(got).decode()
        finally:
            self.text_free(got)


class Failed(Exception):
    def __init__(self, code, message, sqlstate):
        super().__init__(message)
        self.code, self.message, self.sqlstate = code, message, sqlstate


@pytest.fixture(scope="session")
def lib(installed):
    if "asan" in BUILD.name or "tsan" in BUILD.name:
        pytest.skip("a sanitized library cannot be loaded into Python")
    return Library(installed.so)
