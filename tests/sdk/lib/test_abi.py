"""A program that was linked with this library runs with every later one of the same soname."""

import os
import re
import shutil
import subprocess

import pytest

from .conftest import BUILD, HEADER, ROOT

RENEW = "the ABI is another one: is that meant? then script/abi renew (see CONTRIBUTING.md)"


@pytest.mark.skipif(not shutil.which("abidiff"), reason="abidiff is not installed: script/setup sdk does it")
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the record is one of x86_64")
def test_the_abi_is_the_one_on_record():
    if not (BUILD / "libbackstop.so").exists() or "asan" in BUILD.name or "tsan" in BUILD.name:
        pytest.skip("no plain library")
    done = subprocess.run([ROOT / "script" / "abi", BUILD], capture_output=True, text=True)
    assert done.returncode == 0, f"{RENEW}\n{done.stdout}{done.stderr}"


def test_every_value_is_written_down():
    """Where none is, one that is put between others would change those behind it."""
    enumerations = re.findall(r"^enum \w+ \{(.*?)^\};", HEADER.read_text(), flags=re.S | re.M)
    assert len(enumerations) == 3
    for body in enumerations:
        lines = [line for line in re.sub(r"/\*.*?\*/", "", body, flags=re.S).splitlines() if line.strip()]
        assert all(re.fullmatch(r"\s*BACKSTOP_[A-Z_]+ = \d+,\s*", line) for line in lines), lines
