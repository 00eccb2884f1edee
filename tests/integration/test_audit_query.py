"""Finding records: on the command line and by the API one answer, with the gateway's index and without."""

import json

import pytest

from conftest import Gateway, running, wait_until
from operator_side import Operator

SCHEMA = """
DROP SCHEMA IF EXISTS quest CASCADE;
CREATE SCHEMA quest AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE quest.t (id int PRIMARY KEY, v text);
CREATE TABLE quest.other (id int PRIMARY KEY);
INSERT INTO quest.t SELECT n, 'v' FROM generate_series(1, 50) n;
RESET ROLE;
"""


@pytest.fixture(scope="module")
def gateway(pg):
    with pg.admin() as c:
        c.execute(SCHEMA)
    g = Gateway(pg, policy={"rules": []}, extra={"hold": {"wait": "20s"}})
    config = json.loads(g.config.read_text())
    config["audit"].update({"file_size": "4kB"})
    g.config.write_text(json.dumps(config))
    g.operator = Operator(g)
    with running(g, "ann", "bob") as g:
        work(g)
        folder = g.folder / "audit"
        wait_until(lambda: len(list(folder.glob("*.index"))) == len(list(folder.glob("*.head"))) > 2)
        yield g
    with pg.admin() as c:
        c.execute("DROP SCHEMA quest CASCADE")


def work(g):
    """Some that only reads, and three deletions that are held, of two agents."""
    g.tickets = []
    for i, actor in enumerate(("ann", "bob", "ann")):
        decider = g.operator.deciding()
        with g.connect(actor, autocommit=True) as c:
            for k in range(20):
                c.execute(f"SELECT {k}, v FROM quest.t WHERE id = {k}")
            c.execute(f"DELETE FROM quest.t WHERE id = {i + 1}")
        decider.join(20)
        g.tickets.append(decider.ticket["id"])
    lines = g.folder / "audit"
    wait_until(lambda: sum(p.read_text().count('"outcome":"committed"') for p in lines.glob("*.jsonl")) == 3)


def ask(g, *args):
    out = g.cli("audit", "query", "--json", "--limit", "1000", *args)
    return [json.loads(line) for line in out.stdout.splitlines()]


@pytest.mark.parametrize("args", [
    {}, {"actor": "ann"}, {"table": "quest.t"}, {"table": "quest.other"}, {"actor": "bob", "table": "quest.t"},
    {"kind": "outcome"}, {"risk": "SAFE", "actor": "bob"}, {"ticket": 1}, {"operator": "kim"}])
def test_one_answer(gateway, args):
    args = {k: gateway.tickets[v] if v == 1 else v for k, v in args.items()}
    options = [x for k, v in args.items() for x in (f"--{k}", v)]
    found = ask(gateway, *options)
    assert found == ask(gateway, "--no-index", *options)
    query = "&".join(f"{k}={v}" for k, v in {**args, "limit": "500"}.items())
    status, answer = gateway.operator.ask("GET", f"/v1/audit?{query}")
    assert status == 200 and answer["records"][::-1] == found
    exported = [json.loads(line) for line in
                gateway.cli("audit", "export", *[x for k, v in args.items() for x in (f"--{k}", v)
                                                 if k != "operator"]).stdout.splitlines()]
    if "operator" not in args:
        assert [r["seq"] for r in exported] == sorted(r["seq"] for r in found)
    assert (found == []) == (args.get("table") == "quest.other")


def test_what_is_found(gateway):
    assert {r["ticket"] for r in ask(gateway, "--table", "quest.t") if "ticket" in r} <= set(gateway.tickets)
    mine = ask(gateway, "--ticket", gateway.tickets[1])
    assert {r["actor"] for r in mine} == {"bob"} and {"decision", "outcome"} <= {r["kind"] for r in mine}
    middle = mine[0]["at"]
    assert all(r["at"] >= middle for r in ask(gateway, "--since", middle))
    assert all(r["at"] < middle for r in ask(gateway, "--until", middle))
    assert len(ask(gateway, "--since", middle)) + len(ask(gateway, "--until", middle)) == len(ask(gateway))
    out = gateway.cli("audit", "query", "-n", "2", "--actor", "ann")
    assert len(out.stdout.splitlines()) == 2 and "older ones" in out.stderr


def test_an_index_can_go(gateway):
    """It is made anew, by the gateway or by hand; nothing is verified by it."""
    folder = gateway.folder / "audit"
    before = ask(gateway, "--actor", "bob")
    indexes = sorted(folder.glob("*.index"))
    indexes[0].write_bytes(b"\0" * indexes[0].stat().st_size)
    for path in indexes[1:]:
        path.unlink()
    assert ask(gateway, "--actor", "bob") == before
    assert gateway.cli("audit", "verify").returncode == 0
    gateway.cli("audit", "index")
    assert ask(gateway, "--actor", "bob") == before
    assert all(p.stat().st_size > 1000 and p.read_bytes().startswith(b"bsindex") for p in indexes)
