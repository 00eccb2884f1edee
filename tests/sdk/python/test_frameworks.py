"""The examples as they are, each in the environment of its framework, with the scripted model: no network."""

import json
import os
import pathlib
import queue
import subprocess
import threading

import pytest

from .conftest import ROOT, SDK

HERE = pathlib.Path(__file__).parent
EXAMPLES = {"langgraph": "sdk-frameworks", "openai_agents": "sdk-frameworks", "pydantic_ai": "sdk-frameworks",
            "llama_index": "sdk-frameworks", "crewai": "sdk-crewai"}
SECONDS = 120
SHOP = """
DROP SCHEMA IF EXISTS shop CASCADE;
CREATE SCHEMA shop AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE shop.orders (id int PRIMARY KEY, status text);
INSERT INTO shop.orders SELECT n, CASE WHEN n > 100 THEN 'closed' ELSE 'open' END FROM generate_series(1, 140) n;
"""


class Example:
    """A running example."""

    def __init__(self, site, name, home, *program):
        program = program or (SDK / "examples" / f"{name}_agent.py",)
        python = ROOT / ".cache" / EXAMPLES[name] / "bin" / "python"
        if not python.exists():
            pytest.skip(f"{python.parent.parent.name} is not there: script/test sdk makes it")
        # Nothing may be asked of the network: what tried would end with an error at once.
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "DATABASE_URL": site.url(),
               "PYTHONPATH": str(SDK / "src"), "HTTPS_PROXY": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"}
        self.process = subprocess.Popen([python, *program], env=env, cwd=home, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.said, self.errors = queue.Queue(), []
        threading.Thread(target=self._read, daemon=True).start()
        self.reader = threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                self.said.put(json.loads(line))
        self.said.put(None)

    def next(self, event):
        said = self.said.get(timeout=SECONDS)
        if said is None:
            self.reader.join(SECONDS)
            raise AssertionError(f"it ended before {event}:\n" + "".join(self.errors)[-4000:])
        assert said["event"] == event, said
        return said

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self):
        assert self.said.get(timeout=SECONDS) is None
        assert self.process.wait(SECONDS) == 0, "".join(self.errors)


    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture(params=EXAMPLES)
def example(site, request, tmp_path):
    with site.pg.admin() as c:
        c.execute(SHOP)
    made = Example(site, request.param, tmp_path)
    yield made
    made.stop()
    with site.pg.admin() as c:
        c.execute("DROP SCHEMA shop CASCADE")


def orders(site):
    with site.pg.admin() as c:
        return c.execute("SELECT count(*) FROM shop.orders").fetchone()[0]


def test_it_reads_is_held_and_runs_once_when_approved(site, example):
    held = example.next("held")
    assert orders(site) == 140
    pending, = site.operator.tickets()
    assert pending["id"] == held["ticket"]
    assert pending["claims"]["purpose"].startswith("How many orders")
    site.operator.decide(held["ticket"], "approve")
    assert example.next("answer")["text"] == "There were 140 orders; DELETE 40."
    example.end()
    assert orders(site) == 100
    assert site.runs(held["ticket"]) == ["DELETE"]
    assert site.operator.tickets() == [], "nothing was asked for again"


def test_when_denied_nothing_runs(site, example):
    held = example.next("held")
    site.operator.decide(held["ticket"], "deny")
    text = example.next("answer")["text"]
    example.end()
    assert text == "I stopped. An operator denied it. Do not ask for this again. Tell the user."
    assert orders(site) == 140
    assert site.runs(held["ticket"]) == [] and site.operator.tickets() == []


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_graph_that_resumes_sends_again_only_what_was_held(site, tmp_path, how):
    """Five calls of one node, which LangGraph runs at once; two of them are held. It is resumed three times: before
    anybody has decided, when one is decided, and when both are."""
    made = Example(site, "langgraph", tmp_path, HERE / "frameworks_replay.py", how)
    first, second = made.next("held")["held"]
    assert first["sql"] == "DELETE FROM py.orders" and second["sql"] == "DELETE FROM py.customers WHERE id < 5"
    made.go_on()
    assert [h["ticket"] for h in made.next("held")["held"]] == [first["ticket"], second["ticket"]]
    site.operator.decide(first["ticket"], "approve")
    made.go_on()
    assert [h["ticket"] for h in made.next("held")["held"]] == [second["ticket"]]
    assert site.count("orders") == 0
    site.operator.decide(second["ticket"], "deny")
    made.go_on()
    assert made.next("answer")["answers"] == ["DELETE 100", "INSERT 0 1", "SELECT 1", "An operator denied it.", "INSERT 0 1"]
    made.end()
    assert site.count("customers") == 22
    assert site.runs(first["ticket"]) == ["DELETE"] and site.operator.tickets() == []
    asked = [site.operator.ask("GET", f"/v1/tickets/{h['ticket']}")[1]["asked"] for h in (first, second)]
    assert asked == [2, 1], "once, and once more when it was approved"


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "pydantic_ai"])
def test_tools_as_the_framework_calls_them(site, tmp_path, name):
    """Whatever comes of a statement is an answer: no tool raises what a framework would make a text of its own of."""
    made = Example(site, name, tmp_path, HERE / "frameworks_plain.py", name)
    assert made.next("failed")["answer"]["sqlstate"] == "42P01"
    assert made.next("blocked")["answer"]["status"] == "refused"
    ticket = made.next("held")["answer"]["ticket"]
    site.operator.decide(ticket, "approve")
    assert made.next("waited")["answer"]["status"] == "approved"
    assert made.next("ran")["answer"]["command"] == "DELETE 100"
    assert made.next("made up")["answer"]["status"] == "failed"
    made.end()
    assert site.runs(ticket) == ["DELETE"]
