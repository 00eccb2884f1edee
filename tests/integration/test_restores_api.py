"""The way back over the operators' API: preview, run, diff, plan, copy-back, discard, as jobs."""

import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import subprocess

import jsonschema_rs
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


def test_a_restore_is_as_it_is_described(site):
    doc = ask(site, "GET", "/v1/openapi.json").json()
    closed = {name: {**schema, "additionalProperties": False} if "properties" in schema else schema
              for name, schema in doc["components"]["schemas"].items()}

    def validate(name, value):
        jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{name}",
                                     "components": {**doc["components"], "schemas": closed}}).validate(value)

    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    begun = ask(site, "POST", "/v1/restores", {"point": point}, site.tokens["mia"])
    validate("Restore", begun.json())
    way = Way(site, point, table="undo.t", where="id < 3", verify=True)
    way.step("plan")
    way.step("run", "failed", into="nosuch.t")
    validate("Restore", way.now())
    validate("Restores", way.ask("GET", "/v1/restores?limit=1").json())
    validate("RestoreResult", way.ask("GET", way.path + "/result?limit=1").json())
    way.step("run")
    validate("RestoreRows", way.ask("GET", way.path + "/rows?limit=1").json())
    way.step("discard")


def test_the_role_that_restores_is_the_configured_one(pg):
    with pg.admin() as c:
        c.execute("CREATE SCHEMA kept AUTHORIZATION app_clerk;"
                  "CREATE TABLE kept.t (id int PRIMARY KEY); ALTER TABLE kept.t OWNER TO app_clerk;"
                  "GRANT USAGE ON SCHEMA kept TO app_trust; GRANT SELECT, DELETE ON kept.t TO app_trust;"
                  "INSERT INTO kept.t VALUES (1), (2)")
    plain = {"upstream": pg.conninfo("app_trust"), "helper": pg.conninfo("backstop")}
    try:
        with running(opened(pg, databases={
                "app": {**plain, "restorer": pg.conninfo("app_clerk")}, "as_agents_do": plain,
                "gone": {**plain, "upstream": "host=127.0.0.1 port=1 dbname=app user=x"}}), "bob") as g:
            [point] = destroy(g, "DELETE FROM kept.t WHERE id = 1")
            agents = Way(g, point, database="as_agents_do")
            agents.step("plan")
            error = agents.step("copy-back", "failed")["error"]
            assert error["code"] == "FORBIDDEN" and "restorer" in error["hint"]
            way = Way(g, point, database="app")
            assert way.now()["subject"]["target"]["role"] == "app_clerk" and not way.now()["superuser"]
            way.step("plan")
            way.step("copy-back")
            gone = Way(g, point, database="gone")
            assert "cannot connect" in gone.result()["unreached"] and gone.now()["subject"]["target"] is None
            assert gone.step("run", "failed")["error"]["code"] == "UNAVAILABLE"
            # What was previewed as one role is not done as another.
            assert g.stop() == 0
            config = json.loads(g.config.read_text())
            config["databases"]["app"]["restorer"] = config["databases"]["gone"]["upstream"] = pg.conninfo("app_trust")
            g.config.write_text(json.dumps(config))
            g.start()
            for changed in (way, gone):
                assert changed.step("diff", "failed")["error"]["code"] == "CHANGED"
        with pg.admin() as c:
            assert c.execute("SELECT count(*) FROM kept.t").fetchone() == (2,)
    finally:
        with pg.admin() as c:
            c.execute("DROP SCHEMA kept CASCADE")


@pytest.mark.skipif(not shutil.which("jq") or not shutil.which("curl"), reason="the page uses curl and jq")
def test_the_page_about_it_is_true(site, pg, tmp_path):
    before = picture(pg)
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    (tmp_path / "operator.header").write_text(f"Authorization: Bearer {site.tokens['mia']}\n")
    page = pathlib.Path(__file__).parents[2] / "docs" / "way-back.md"
    script = re.search(r"<!-- run: way back -->\n```sh\n(.*?)```", page.read_text(), re.S).group(1)
    out = subprocess.run(["bash", "-euo", "pipefail", "-c", script.replace("6580", str(site.operators_port))],
                         cwd=tmp_path, env={**os.environ, "POINT": point}, capture_output=True, text=True, timeout=60)
    assert out.returncode == 0, out.stdout + out.stderr
    assert picture(pg) == before and "INSERT INTO" in out.stdout and '"whole": true' in out.stdout


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
    assert way.step("copy-back", "failed")["error"]["code"] == "CONFLICT", "nor again: it was not used up"
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


def test_loaded_rows_are_read_in_pages(site, pg):
    with pg.admin() as c:
        c.execute("CREATE TABLE undo.wide (id int PRIMARY KEY, v text, n numeric, j json); ALTER TABLE undo.wide OWNER TO"
                  " app_trust; INSERT INTO undo.wide VALUES (1, NULL, 'NaN', '{\"a\":1,\"a\":2}'), (2, 'x', 1e30, 'null'),"
                  " (3, (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 1000) i), 0, NULL), (4, '', 0.10, '1')")
    [point] = destroy(site, "DELETE FROM undo.wide")
    way = Way(site, point)
    path = way.path + "/rows"
    assert way.ask("GET", path).problem() == "NOT_FOUND", "nothing is loaded yet"
    way.step("run")
    into = way.result()["tables"][0]["into_schema"]
    whole = way.ask("GET", path).json()
    assert whole["table"] == f"{into}.wide" and whole["columns"] == ["id", "v", "n", "j"] and "next" not in whole
    assert whole["rows"] == [["1", None, "NaN", '{"a":1,"a":2}'], ["2", "x", "1" + "0" * 30, "null"],
                             ["3", {"bytes": whole["rows"][2][1]["bytes"]}, "0", None], ["4", "", "0.10", "1"]]
    assert 8192 < whole["rows"][2][1]["bytes"] < 40000
    rows, cursor = [], ""
    while cursor is not None:
        page = way.ask("GET", f"{path}?table={into}.wide&limit=3{cursor}").json()
        rows += page["rows"]
        cursor = f"&cursor={page['next']}" if "next" in page else None
    assert rows == whole["rows"] and len(page["rows"]) == 1
    for table in ("undo.t", f"{into}.nosuch"):
        assert way.ask("GET", f"{path}?table={table}").problem() == "NOT_FOUND", "only what run has made of this point"
    assert way.ask("GET", path + "?cursor=" + b"(1,2".hex()).problem() == "USAGE"
    assert way.ask("GET", path, who="vic").problem() == "FORBIDDEN"
    assert ("mia", "rows", "done") in records(site, point)
    way.step("discard")


# --- who may, and several at once ------------------------------------------------------------


def test_a_viewer_sees_how_far_it_is_and_no_rows(site):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    way = Way(site, point)
    assert way.ask("GET", way.path, who="vic").json()["state"] == "done"
    assert way.ask("GET", f"/v1/restores?point={point}", who="vic").json()["restores"] == [way.now()]
    assert way.ask("GET", way.path + "/result", who="vic").problem() == "FORBIDDEN"
    for step in ("run", "diff", "plan", "copy-back", "discard"):
        assert way.send(step, who="vic").problem() == "FORBIDDEN", step
    assert way.ask("DELETE", way.path, who="vic").problem() == "FORBIDDEN"
    assert way.ask("POST", "/v1/restores", {"point": point}, who="vic").problem() == "FORBIDDEN"
    assert ask(site, "GET", way.path, token=site.passwords["bob"]).problem() == "AUTH"
    assert not {a for _, a, _ in records(site, point)} - {"preview"}


def test_of_two_operators_one_is_first(site, pg):
    before = picture(pg)
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    way = Way(site, point)
    plan = way.step("plan")["digest"]
    with concurrent.futures.ThreadPoolExecutor(2) as both:
        answers = list(both.map(lambda who: way.send("copy-back", who, plan), ("mia", "lee")))
    assert sorted(a.status for a in answers) == [202, 409], [a.text for a in answers]
    way.ended()
    assert picture(pg) == before
    done = [r for r in records(site, point) if r[1] == "copy-back"]
    assert len(done) == 2 and {r[0] for r in done} == {("mia", "lee")[answers[0].status == 409]}


def test_two_ways_back_of_one_point_do_not_do_it_twice(site, pg):
    before = picture(pg)
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    ways = [Way(site, point, who) for who in ("mia", "lee")]
    for way in ways:
        way.step("plan")
    answers = [way.send("copy-back") for way in ways]
    assert [a.status for a in answers] == [202, 202]
    wait_until(lambda: all(way.now()["state"] in ENDS for way in ways))
    assert sorted(way.now()["state"] for way in ways) == ["done", "failed"] and picture(pg) == before
    ways[0].step("run")
    assert ways[1].step("run", "failed")["error"]["code"] == "CONFLICT", "never over what is there"
    ways[0].step("discard")


def test_a_request_sent_again_is_not_done_again(site):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    send = [ask(site, "POST", "/v1/restores", {"point": point}, site.tokens["mia"], Idempotency_Key="once")
            for _ in range(2)]
    assert send[0].json()["id"] == send[1].json()["id"] and send[1].headers["Idempotency-Replayed"] == "true"
    assert send[0].headers["Location"] == send[1].headers["Location"]


def test_what_cannot_be_is_refused_at_once(site):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    way = Way(site, point, table="undo.t")
    mia = site.tokens["mia"]
    assert ask(site, "POST", "/v1/restores", {"point": "RP-01ARZ3NDEKTSV4RRFFQ69G5FAV"}, mia).problem() == "NOT_FOUND"
    assert ask(site, "POST", "/v1/restores", {"point": point, "database": "x"}, mia).problem() == "DATA"
    assert ask(site, "GET", "/v1/restores?state=x", token=mia).problem() == "USAGE"
    assert ask(site, "GET", way.path + "/result?step=x", token=mia).problem() == "USAGE"
    assert ask(site, "GET", way.path + "/result?step=diff", token=mia).problem() == "NOT_FOUND"
    assert ask(site, "POST", "/v1/restores/RS-1/run", {"digest": "x"}, mia).problem() == "NOT_FOUND"
    assert way.send("plan", conflict="perhaps").problem() == "DATA"
    assert way.send("plan", group=True).problem() == "DATA", "of one table"
    assert way.send("approve").problem() == "CONFLICT", "nobody needs to"
    assert ask(site, "DELETE", way.path, token=mia).problem() == "CONFLICT", "nothing is running"
    assert way.step("run", "failed", into="nosuch.t")["error"]["detail"]


def test_a_result_comes_in_pages_of_tables(site):
    [point] = destroy(site, "DELETE FROM undo.parent WHERE id > 298")
    way = Way(site, point)
    tables = [t["name"] for t in way.result()["tables"]]
    first = way.ask("GET", way.path + "/result?limit=1").json()
    second = way.ask("GET", f"{way.path}/result?limit=1&cursor={first['next']}").json()
    assert [a["result"]["tables"][0]["name"] for a in (first, second)] == tables and len(tables) == 2
    assert "next" not in second and way.ask("GET", way.path + "/result?cursor=ff").problem() == "USAGE"


# --- calling off, and what goes wrong --------------------------------------------------------


class Locked:
    """A table that nobody else reads, and what waits for it."""

    def __init__(self, c):
        self.c, self.n = c, 0

    def running(self, way, step):
        answer = way.send(step)
        assert answer.status == 202, answer.text
        self.n += 1
        wait_until(lambda: self.c.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() == (self.n,))
        assert way.now()["state"] == "running" and way.now()["progress"]["seconds"] >= 0


@contextlib.contextmanager
def locked(pg, table="undo.t"):
    with pg.admin() as c, c.transaction():
        c.execute(f"LOCK TABLE {table}")
        yield Locked(c)


def test_a_step_is_called_off(site, pg):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    ways = [Way(site, point) for _ in range(3)]
    with locked(pg) as table:
        for way in ways[:2]:
            table.running(way, "diff")
        assert ways[0].send("run").problem() == "CONFLICT", "one step at a time"
        assert ways[2].send("diff").json()["state"] == "queued"
        assert ways[2].now()["state"] == "queued", "two at a time"
        for way in ways[::-1]:
            answer = way.ask("DELETE", way.path, who="lee")
            assert (answer.status, answer.json()["state"]) == (200, "cancelled"), answer.text
    step = ways[0].now()["steps"][-1]
    assert step["error"]["code"] == "CANCELLED" and "digest" not in step
    said = records(site, point)
    assert said.count(("lee", "cancel", "done")) == 3 and said.count(("mia", "diff", "failed")) == 2
    ways[0].step("diff")


def test_more_than_can_wait_are_told_to_come_back(site, pg):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    mia = site.tokens["mia"]
    with locked(pg):
        begun = [ask(site, "POST", "/v1/restores", {"point": point}, mia) for _ in range(2)]
        wait_until(lambda: all(ask(site, "GET", a.headers["Location"], token=mia).json()["state"] == "running"
                               for a in begun))
        begun += [ask(site, "POST", "/v1/restores", {"point": point}, mia) for _ in range(17)]
        assert [a.status for a in begun] == [202] * 18 + [429]
        assert begun.pop().headers["Retry-After"]
        assert len(ask(site, "GET", "/v1/restores?state=queued", token=mia).json()["restores"]) == 16
        for a in begun[::-1]:
            assert ask(site, "DELETE", a.headers["Location"], token=mia).json()["state"] == "cancelled"


@pytest.mark.parametrize("ended", [["revoke", "zoe{}"], ["set", "zoe{}", "--role", "viewer"]])
def test_a_step_that_waits_ends_with_the_right_to_it(site, pg, ended):
    name, verb = f"zoe{len(ended)}", [word.format(len(ended)) for word in ended]
    site.tokens[name] = Operator(site, name).token
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    after = picture(pg)
    ways = [Way(site, point), Way(site, point), Way(site, point, name)]
    plan = ways[2].step("plan")["digest"]
    with locked(pg) as table:
        for way in ways[:2]:
            table.running(way, "diff")
        assert ways[2].send("copy-back", digest=plan).json()["state"] == "queued"
        site.cli("operators", *verb)
    ways[2].who = "mia"
    assert ways[2].ended("failed")["error"]["code"] == "FORBIDDEN"
    assert picture(pg) == after
    ways[2].step("copy-back", digest=plan)  # it was not used up


def test_a_run_that_is_called_off_leaves_nothing(site, pg):
    [point] = destroy(site, "DELETE FROM undo.parent WHERE id > 298")
    way = Way(site, point)
    with locked(pg, "undo.parent") as table:  # its constraints are held against the rows, once these are loaded
        table.running(way, "run")
        assert way.ask("DELETE", way.path).json()["state"] == "cancelled"
    with pg.admin() as c:  # what it had made is taken away once the server has ended what it ran
        wait_until(lambda: c.execute("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'recovery_%'").fetchone() == (0,))


def test_a_copy_back_ends_by_itself(site, pg):
    before = picture(pg)
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    way = Way(site, point)
    way.step("plan")
    with locked(pg) as table:
        table.running(way, "copy-back")
        assert way.ask("DELETE", way.path).problem() == "CONFLICT"
    way.ended()
    assert picture(pg) == before


def test_a_damaged_point_gives_nothing_back(site, pg):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    way = Way(site, point)
    [rows] = [f for f in (site.folder / "points").rglob("*") if point.removeprefix("RP-") in str(f) and f.is_file()
              and "undo.t" in f.name]
    rows.chmod(0o600)
    rows.write_bytes(rows.read_bytes()[:-8] + b"damaged!")
    after = picture(pg)
    for step in ("run", "diff", "plan"):
        assert way.step(step, "failed")["error"]["code"] == "DAMAGED", step
    again = ask(site, "POST", "/v1/restores", {"point": point}, site.tokens["mia"])
    wait_until(lambda: ask(site, "GET", again.headers["Location"], token=site.tokens["mia"]).json()["state"] == "failed")
    assert picture(pg) == after


def test_the_database_goes_away(site, pg):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    way = Way(site, point)
    with locked(pg) as table, pg.admin() as c:
        table.running(way, "diff")
        wait_until(lambda: c.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
                                     " application_name = 'backstop/restore'").fetchone())
        assert way.ended("failed")["error"]["code"] == "UNAVAILABLE"
    way.step("diff")


def test_what_happens_is_streamed(site):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    c = http.client.HTTPConnection("127.0.0.1", site.operators_port, timeout=20)
    c.request("GET", "/v1/events", headers={"Authorization": f"Bearer {site.tokens['vic']}"})
    stream = c.getresponse()
    way = Way(site, point)
    seen, kind = [], ""
    while "done" not in [e["state"] for e in seen]:
        line = stream.readline().decode().strip()
        kind = line[7:] if line.startswith("event: ") else kind
        if line.startswith("data: ") and kind == "restore":
            seen.append(json.loads(line[6:]))
    c.close()
    assert [e["state"] for e in seen if e["state"] != "running"] == ["queued", "done"]
    assert {(e["id"], e["point"], e["step"]) for e in seen} == {(way.now()["id"], point, "preview")}


# --- a gateway of its own --------------------------------------------------------------------


@pytest.fixture
def own(pg):
    """One that is stopped and started, and where a second operator has to agree."""
    with pg.admin() as c:
        c.execute(MADE)
    with running(opened(pg, restore={"approval": "second"}), "bob") as g:
        yield g


def test_a_restart_interrupts_what_runs_and_keeps_what_is_done(own, pg):
    before = picture(pg)
    [point] = destroy(own, "DELETE FROM undo.t WHERE id <= 5")
    way, other, third = Way(own, point), Way(own, point, table="undo.t"), Way(own, point)
    plan = other.step("plan")["digest"]
    with locked(pg) as table:
        table.running(way, "diff")
        table.running(third, "diff")
        own.process.kill()
        own.process.wait()
    own.start()
    step = way.now()["steps"][-1]
    assert step["state"] == way.now()["state"] == "interrupted" and step["error"]["code"] == "CANCELLED"
    assert ("mia", "diff", "interrupted") in records(own, point)
    assert way.ask("GET", way.path + "/result").problem() == "NOT_FOUND", "rows are not kept on disk"
    way.step("diff")
    # A stop that waits: what can be called off is.
    with locked(pg) as table:
        table.running(way, "diff")
        assert own.stop() == 0
    own.start()
    assert way.now()["state"] == "interrupted"
    # The plan is still that plan.
    assert other.send("copy-back", digest=plan).problem() == "HELD"
    assert other.send("approve", digest=plan).problem() == "FORBIDDEN", "whoever made it cannot"
    assert other.send("approve", "lee", "0" * 64).problem() == "CHANGED"
    assert other.send("approve", "lee", plan, reason="agreed").status == 200
    assert other.now()["steps"][-1]["approved_by"] == "lee"
    other.step("copy-back", digest=plan)
    assert picture(pg) == before
    steps = [r for r in records(own, point) if r[1] in ("plan", "approve", "copy-back") and r[2] == "done"]
    assert steps == [("mia", "plan", "done"), ("lee", "approve", "done"), ("mia", "copy-back", "done")]


def test_all_are_there_after_a_start(own, pg):
    """They are read in pages."""
    [point] = destroy(own, "DELETE FROM undo.t WHERE id <= 5")
    ways = [Way(own, point) for _ in range(11)]
    assert own.stop() == 0
    own.start()
    assert [way.now()["state"] for way in ways] == ["done"] * 11


def test_a_stop_lets_a_copy_back_end(own, pg):
    before = picture(pg)
    [point] = destroy(own, "DELETE FROM undo.t WHERE id <= 5")
    way = Way(own, point)
    assert way.step("plan") and way.send("approve", "lee").status == 200
    with locked(pg) as table:
        table.running(way, "copy-back")
        own.process.terminate()
        wait_until(lambda: '"stopping"' in own.log())
    assert own.process.wait(30) == 0
    own.start()
    assert way.now()["state"] == "done" and picture(pg) == before


def test_a_kill_during_a_copy_back_leaves_it_whole_or_undone(own, pg):
    [point] = destroy(own, "DELETE FROM undo.t WHERE id <= 5")
    after = picture(pg)
    way = Way(own, point)
    plan = way.step("plan")["digest"]
    assert way.send("approve", "lee", plan).status == 200
    own.cli("operators", "revoke", "lee")
    assert way.step("copy-back", "failed")["error"]["code"] == "FORBIDDEN", "their word ends with their token"
    plan = way.step("plan")["digest"]
    assert way.send("approve", "ann", plan).status == 200
    with locked(pg) as table:
        table.running(way, "copy-back")
        own.process.kill()
        own.process.wait()
    own.start()
    step = way.now()["steps"][-1]
    assert step["state"] == "interrupted" and step["error"]["code"] == "UNCERTAIN"
    assert picture(pg) == after
    assert way.send("copy-back", digest=plan).problem() == "CONFLICT", "its plan is not there any more"
