"""Shells complete what the program itself says; asking it runs nothing."""

import os
import pathlib
import shutil
import subprocess

import pytest

from conftest import binary


def words(*typed):
    done = subprocess.run([binary(), "completion", "words", *typed], capture_output=True, text=True, timeout=20,
                          stdin=subprocess.DEVNULL, cwd="/", env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0 and done.stderr == "", done
    return dict(line.split("\t", 1) for line in done.stdout.splitlines())


def test_every_verb_tells_its_options_and_runs_nothing():
    def walk(*typed):
        found = words(*typed)
        assert found and all(found.values()), typed
        if "--help" in found:
            assert all(word.startswith("--") for word in found)
            return 1
        return sum(walk(*typed, word) for word in found)

    assert walk() > 50


def test_a_value_is_not_completed_by_words_of_ours():
    assert words("approvals", "list", "--state") == {} == words("approvals", "list", "-s")
    assert "--state" in words("approvals", "list", "--json")
    assert words("nonsense") == {} == words("approvals", "nonsense")


@pytest.fixture
def shell(tmp_path):
    """Runs a script with `backstop` on its path; the lines that it printed."""
    (tmp_path / "backstop").symlink_to(binary())

    def run(program, script):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
        done = subprocess.run([program, *(["-f"] if program == "zsh" else []), "-c", script], capture_output=True,
                              text=True, timeout=30, cwd=tmp_path, env={
                                  "PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path), "TERM": "xterm"})
        assert done.returncode == 0, done
        return done.stdout.splitlines()
    return run


def test_bash(shell, tmp_path):
    def complete(*typed):
        return shell("bash", f"source <(backstop completion bash); COMP_WORDS=({' '.join(typed)}); "
                             f"COMP_CWORD={len(typed) - 1}; _backstop; printf '%s\\n' \"${{COMPREPLY[@]}}\"")

    assert complete("backstop", "app") == ["approvals"]
    assert complete("backstop", "approvals", "d") == ["deny"]
    assert complete("backstop", "approvals", "deny", "--r") == ["--reason"]
    assert complete("backstop", "approvals", "deny", "--token-file", "x") == [""]
    assert not pathlib.Path(tmp_path, "backstop.yaml").exists()


def test_fish(shell):
    got = shell("fish", "backstop completion fish | source; complete -C 'backstop approvals de'; "
                        "complete -C 'backstop approvals deny --rea'")
    assert got == ["deny\trefuse a held statement", "--reason\tyour words, for the record"]


def test_zsh(shell):
    """_describe works only inside the line editor: what it is given is looked at."""
    got = shell("zsh", "compdef() { :; }; _describe() { print -l -- ${(P)2}; }; eval \"$(backstop completion zsh)\"; "
                       "words=(backstop approvals d); CURRENT=3; _backstop")
    assert "deny:refuse a held statement" in got


def test_another_shell_is_named():
    done = subprocess.run([binary(), "completion", "tcsh"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 64 and 'none for "tcsh": bash, zsh or fish' in done.stderr
