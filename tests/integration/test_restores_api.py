"""The way back over the operators' API: preview, run, diff, plan, copy-back, discard, as jobs."""

import json

import pytest

from conftest import Gateway, running, wait_until
from operator_side import Operator
from test_api import ask
from test_restore_group import told, transaction
from test_undo import MADE, destroy, picture

POLICY = {"rules": [{"name": "somebody is asked", "risk": ["HIGH", "CRITICAL"], "action": "approve"}]}
ENDS = {"done", "failed", "cancelled", "uncertain", "interrupted"}


class Way:
    """One restore, as an operator goes it."""

    def __init__(self, door, point, who="mia", **more):
        self.door, self.who = door, who
        answer = self.ask("POST", "/v1/restores", {"point": point, **more})
        assert answer.status == 202, answer.text
        self.path = answer.headers["Location"]
        assert self.path == "/v1/restores/" + answer.json()["id"]
        self.ended()

    def ask(self, method, path, body=None, who=None, **fields):
        return ask(self.door, method, path, body, self.door.tokens[who or self.who], **fields)

    def now(self):
        return self.ask("GET", self.path).json()

    def ended(self, state="done"):
        """Waits for the end of its step; that step."""
        wait_until(lambda: self.now()["state"] in ENDS)
        step = self.now()["steps"][-1]
        assert step["state"] == state, step
        return step

    def send(self, step, who=None, digest=None, **options):
        return self.ask("POST", f"{self.path}/{step}", {"digest": digest or self.digest(), **options}, who)

    def step(self, step, state="done", who=None, **options):
        answer = self.send(step, who, **options)
        assert answer.status == 202, answer.text
        assert answer.json()["step"] == step and answer.headers["Location"] == self.path
        return self.ended(state)

    def digest(self):
        return [s["digest"] for s in self.now()["steps"] if s["state"] == "done"][-1]

    def result(self, step=None, **more):
        answer = self.ask("GET", self.path + "/result" + (f"?step={step}" if step else ""))
        assert answer.status == 200, answer.text
        return answer.json()["result"]


def opened(pg, **extra):
    g = Gateway(pg, policy=POLICY, extra=extra)
    g.operator = Operator(g)
    g.tokens = {name: Operator(g, name, role).token for name, role in
                (("mia", "approver"), ("lee", "approver"), ("vic", "viewer"), ("ann", "admin"))}
    return g


@pytest.fixture(scope="module")
def door(pg):
    with running(opened(pg), "bob") as g:
        yield g


@pytest.fixture
def site(door, pg):
    with pg.admin() as c:
        c.execute(MADE)
    return door


def records(door, point):
    """What the audit has of restores of this point: operator, action, outcome, oldest first."""
    answer = ask(door, "GET", f"/v1/audit?kind=restore&point={point}&limit=1000", token=door.tokens["vic"]).json()
    return [(r["operator"], r["action"], r["outcome"]) for r in answer["records"][::-1]]


def cli(door, *args):
    return json.loads(door.cli("restore", *args, "--json").stdout)


# --- the whole way ---------------------------------------------------------------------------


def test_deleted_rows_come_back(site, pg):
    before = picture(pg)
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    way = Way(site, point, table="undo.t")
    shown = way.result("preview")
    assert shown["tables"][0]["rows"] == 5 and shown["tables"][0]["now"]["missing"] == 5
    assert {"id": 3} in shown["tables"][0]["examples"]["missing"]
    way.step("run")
    into = way.result("run")["tables"][0]
    assert into["rows"] == 5 and into["into_schema"].startswith("recovery_")
    with pg.admin() as c:
        assert c.execute(f"SELECT count(*) FROM {into['into_schema']}.t").fetchone() == (5,)
    way.step("diff")
    assert way.result()["tables"][0]["missing"] == 5 and not way.result()["same"]
    planned = way.step("plan")
    assert way.result()["plan"]["sha256"] == planned["digest"] and "INSERT INTO" in way.result()["plan"]["sql"]
    assert picture(pg) != before
    way.step("copy-back", digest=planned["digest"])
    assert picture(pg) == before
    done = way.result("copy-back")
    assert done["tables"][0]["inserted"] == 5 and done["whole"]
    way.step("discard")
    assert way.result()["dropped"] == [f"{into['into_schema']}.t", into["into_schema"]]
    now = way.now()
    assert now["ticket"] == [t for t in tickets(site) if t.get("point") == point][0]["id"]
    assert now["created_by"] == "mia" and now["table"] == "undo.t" and now["database"] == "app"
    assert [s["step"] for s in now["steps"]] == ["preview", "run", "diff", "plan", "copy-back", "discard"]
    steps = [r for r in records(site, point) if r[2] == "done"]
    assert steps == [("mia", s, "done") for s in ("preview", "run", "diff", "plan", "copy-back", "discard")]


def tickets(site):
    return ask(site, "GET", "/v1/tickets?limit=1000", token=site.tokens["vic"]).json()["tickets"]


def test_a_dropped_table_comes_back(site, pg):
    before = picture(pg)
    [point] = destroy(site, "DROP TABLE undo.child")
    way = Way(site, point)
    assert not way.result()["tables"][0]["exists"]
    way.step("plan")
    way.step("copy-back")
    assert picture(pg) == before
    assert way.result()["definition"] == "identical" and way.result()["whole"]
    assert way.result()["tables"][0]["rebuilt"]


def test_results_are_those_of_the_command_line(site):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    wait_until(lambda: told(site, [point])[point]["outcome"] == "committed")
    way = Way(site, point)
    assert way.result() == cli(site, "preview", point)
    way.step("diff")
    out = site.cli("restore", "diff", point, "--json", check=False)
    assert way.result() == json.loads(out.stdout) and out.returncode == 1


# --- each step is bound to what was seen -----------------------------------------------------


def test_what_was_not_seen_last_is_not_done(site, pg):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    way = Way(site, point)
    first = way.digest()
    for step in ("run", "diff", "plan", "discard"):
        assert way.send(step, digest="0" * 64).problem() == "CHANGED", step
    assert way.send("copy-back").problem() == "CONFLICT", "there is no plan"
    way.step("diff")
    old = way.send("plan", digest=first)
    assert (old.status, old.problem()) == (412, "CHANGED")
    way.step("plan")
    assert way.send("copy-back", digest=first).problem() == "CHANGED"
    after = picture(pg)
    assert [s["step"] for s in way.now()["steps"]] == ["preview", "diff", "plan"] and picture(pg) == after


def test_a_plan_that_no_longer_holds_does_nothing(site, pg):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    way = Way(site, point)
    way.step("plan")
    with pg.admin() as c:
        c.execute("INSERT INTO undo.t VALUES (3, 'again')")
    before = picture(pg)
    step = way.step("copy-back", "failed")
    assert step["error"]["code"] == "CONFLICT" and '"tables" differs' in step["error"]["detail"]
    assert picture(pg) == before
    assert way.send("copy-back").problem() == "CONFLICT", "a plan is for one time, however that ended"
    assert ("mia", "copy-back", "done") not in records(site, point)
    way.step("plan", conflict="overwrite", remove_inserted=True)
    way.step("copy-back")
    assert way.result()["tables"][0]["inserted"] == 4


def test_a_plan_is_carried_out_once(site, pg):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    way = Way(site, point)
    plan = way.step("plan")["digest"]
    way.step("copy-back")
    with pg.admin() as c:
        c.execute("DELETE FROM undo.t WHERE id <= 5")
    assert way.send("copy-back", digest=plan).problem() == "CONFLICT"
    with pg.admin() as c:
        assert c.execute("SELECT count(*) FROM undo.t WHERE id <= 5").fetchone() == (0,)


def test_what_a_copy_back_replaced_can_be_undone(site, pg):
    before = picture(pg)
    [point] = destroy(site, "UPDATE undo.t SET v = 'x' WHERE id <= 10")
    after = picture(pg)
    way = Way(site, point)
    way.step("plan")
    way.step("copy-back")
    assert picture(pg) == before
    undo = Way(site, way.result()["before"])
    undo.step("plan")
    undo.step("copy-back")
    assert picture(pg) == after


def test_rows_are_chosen_by_a_condition(site, pg):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    way = Way(site, point, table="undo.t", where="id < 3")
    assert way.result()["tables"][0]["chosen"] == 2
    way.step("plan")
    way.step("copy-back")
    with pg.admin() as c:
        assert c.execute("SELECT array_agg(id) FROM undo.t WHERE id <= 5").fetchone() == ([1, 2],)
    bad = ask(site, "POST", "/v1/restores", {"point": point, "table": "undo.t", "where": "nosuch = 1"},
              site.tokens["mia"])
    assert bad.status == 202
    wait_until(lambda: ask(site, "GET", bad.headers["Location"], token=site.tokens["mia"]).json()["state"] in ENDS)
    end = ask(site, "GET", bad.headers["Location"], token=site.tokens["mia"]).json()
    assert end["state"] == "failed" and "nosuch" in end["steps"][0]["error"]["detail"]


def test_all_points_of_a_transaction_go_back_together(site, pg):
    before = picture(pg)
    made = transaction(site, "DELETE FROM undo.t WHERE id <= 5", "UPDATE undo.ident SET name = 'q' || id WHERE id <= 5")
    assert len(made) == 2
    way = Way(site, made[0])
    way.step("plan", group=True)
    assert len(way.result()["plan"]["members"]) == 2
    way.step("copy-back")
    assert picture(pg) == before and way.result()["done"] and len(way.result()["points"]) == 2
