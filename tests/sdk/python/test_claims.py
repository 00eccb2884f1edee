"""What a program says of its work."""

import asyncio
import re
import threading

import pytest

import backstop
from backstop.claims import commented, options


def test_a_run_has_an_id_and_ends():
    assert backstop.current_run() is None
    with backstop.run(purpose="nightly") as run:
        assert backstop.current_run() is run
        assert re.fullmatch("[0-9a-f]{32}", run.run_id)
    assert backstop.current_run() is None


def test_a_run_inside_has_the_outer_one_as_parent():
    with backstop.run(run_id="a"), backstop.run(run_id="b", purpose="p") as inner:
        assert inner.parent == "a"
        with backstop.run(parent="else") as other:
            assert other.parent == "else"


def test_tasks_and_threads_do_not_mix():
    async def one(name):
        with backstop.run(run_id=name):
            for _ in range(5):
                await asyncio.sleep(0)
                assert backstop.current_run().run_id == name

    async def all_of_them():
        await asyncio.gather(*(one(str(n)) for n in range(5)))

    asyncio.run(all_of_them())
    with backstop.run():
        seen = []
        thread = threading.Thread(target=lambda: seen.append(backstop.current_run()))
        thread.start()
        thread.join()
        assert seen == [None]


@pytest.mark.parametrize("value", ["x" * 129, "ä" * 65, "a\nb", "\x7f", "\0"])
def test_what_the_gateway_would_leave_out_is_said_here(value):
    with pytest.raises(ValueError), backstop.run(purpose=value):
        pass


def test_a_comment_cannot_be_left():
    hostile = "*/; DROP TABLE t; /*'\\% ä"
    with backstop.run(purpose=hostile, run_id="r"):
        text = commented("DELETE FROM t", percent=False)
    inside = text[len("DELETE FROM t /*"):-2]
    assert text.startswith("DELETE FROM t /*run_id='r',purpose='") and text.endswith("*/")
    assert "*/" not in inside and "/*" not in inside and ";" not in inside and "\\" not in inside


def test_percent_is_doubled_for_drivers_that_take_it():
    with backstop.run(purpose="a b", run_id="r"):
        assert commented("SELECT 1", percent=True) == "SELECT 1 /*run_id='r',purpose='a%%20b'*/"
        assert commented("SELECT 1", percent=False) == "SELECT 1 /*run_id='r',purpose='a%20b'*/"


def test_a_comment_to_the_end_of_the_line_does_not_take_it_in():
    with backstop.run(run_id="r"):
        assert commented("SELECT 1 -- one", percent=False) == "SELECT 1 -- one\n/*run_id='r'*/"
        assert commented("SELECT 1 -- one\n + 1", percent=False) == "SELECT 1 -- one\n + 1 /*run_id='r'*/"


@pytest.mark.parametrize("text", ["", "  ", "SELECT 1 /* mine */", "SELECT 1 /*x*/ "])
def test_where_nothing_is_added(text):
    with backstop.run():
        assert commented(text, percent=False) == text
    assert commented("SELECT 1", percent=False) == "SELECT 1"


def test_start_up_options_are_escaped(monkeypatch):
    monkeypatch.delenv("PGOPTIONS", raising=False)
    assert options({"backstop.purpose": "a b\\c"}, None) == "-c backstop.purpose=a\\ b\\\\c"
    assert options({"backstop.run_id": "r"}, "-c geqo=off") == "-c geqo=off -c backstop.run_id=r"
    monkeypatch.setenv("PGOPTIONS", "-c jit=off")
    assert options({"backstop.run_id": "r"}, None) == "-c jit=off -c backstop.run_id=r"
    assert options({"backstop.run_id": "r"}, "") == "-c backstop.run_id=r"
