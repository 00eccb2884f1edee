"""What a ticket says of the point that will be made, and what the configuration requires of it."""

import json
import os
import re
import subprocess
import time

import psycopg
import pytest

import s3servers
from conftest import Gateway, binary, running, wait_until
from operator_side import Operator
from place import a_place
from s3double import Fault

SNAPSHOTS = [{"name": "s", "tables": ["ground.*"], "every": "1h", "keep": {"count": 9}}]


def held(place, sql):
    with place.connect("bob") as c:
        with pytest.raises(psycopg.Error) as error:
            c.execute(sql)
    return error.value.sqlstate


def ticket(place):
    t, = place.operator.tickets()
    return place.operator.ask("GET", f"/v1/tickets/{t['id']}")[1]


def carry_out(place, sql):
    """Held, approved, sent again."""
    assert held(place, sql) == "ZB001"
    t, = place.operator.tickets()
    place.operator.decide(t["id"], "approve")
    with place.connect("bob") as c:
        c.execute(sql)


def test_a_ticket_says_how_its_point_will_be(pg):
    with a_place(pg, recovery={"max_bytes": "2MB"}) as place:
        place.reset()
        assert held(place, "TRUNCATE ground.t, ground.child") == "ZB001"
        t = ticket(place)
        plan = t["plan"]
        assert plan["kind"] == "whole" and plan["tables"] and plan["definition"] in (True, False)
        assert plan["store"]["answers"] and plan["store"]["room"] and plan["store"]["free_bytes"] > 0
        assert "estimated_seconds" not in plan  # nothing was captured yet
        assert "effects outside the database" in plan["not_covered"]
        text = subprocess.run([binary(), "approvals", "show", t["id"], "--server",
                               place.operator.base], capture_output=True, text=True, timeout=30,
                              env={**os.environ, "BACKSTOP_TOKEN": place.operator.token}).stdout
        assert "answers" in text and "not covered" in text and "notifications" in text, text
        place.operator.decide(t["id"], "deny")
        carry_out(place, "TRUNCATE ground.child")
        place.reset()
        assert held(place, "TRUNCATE ground.t, ground.child, ground.inbox") == "ZB001"
        plan = ticket(place)["plan"]
        assert 0 < plan["estimated_seconds"] < 60 and plan["fits"] is True
        place.operator.decide(place.operator.tickets()[0]["id"], "deny")
        # The catalog knows no size of what was never analyzed; the ticket does, and the capture.
        with pg.admin() as c:
            c.execute("SET ROLE app_trust; CREATE TABLE ground.large WITH (autovacuum_enabled = off) AS"
                      " SELECT repeat(md5(n::text), 9) FROM generate_series(1, 12000) n")
        assert held(place, "TRUNCATE ground.large") == "ZB001"
        plan = ticket(place)["plan"]
        assert plan["fits"] is False and plan["estimated_bytes"] > 2 << 20, plan
        t, = place.operator.tickets()
        place.operator.decide(t["id"], "approve")
        assert held(place, "TRUNCATE ground.large") == "ZB004"
        assert "bytes would have to be copied, the limit is 2097152" in place.gateway.log()


def test_a_storage_that_does_not_answer_shows_before_anybody_waits(pg):
    with s3servers.double() as server:
        g = Gateway(pg, env=server.env(), policy={"rules": []}, extra={
            "hold": {"wait": "0s"}, "storage": server.url("p", timeout="2s")})
        g.operator = Operator(g)
        with running(g, "bob") as g:
            server.double.faults.append(Fault("HEAD", "readiness", "hang", times=9))
            with pg.admin() as c:
                c.execute("DROP TABLE IF EXISTS public.gone; CREATE TABLE public.gone (id int);"
                          "GRANT ALL ON public.gone TO app_trust; INSERT INTO public.gone VALUES (1)")
            began = time.monotonic()
            with g.connect("bob", autocommit=True) as c, pytest.raises(psycopg.Error) as error:
                c.execute("TRUNCATE public.gone")
            assert error.value.sqlstate == "ZB001" and time.monotonic() - began < 8
            t, = g.operator.tickets()
            store = g.operator.ask("GET", f"/v1/tickets/{t['id']}")[1]["plan"]["store"]
            assert store["answers"] is False and store["error"]


def test_a_snapshot_that_is_required(pg):
    with a_place(pg, snapshots=SNAPSHOTS, recovery={"require": {"snapshot_age": "2h"}}) as place:
        place.reset()  # after the first run: the tables are others now
        time.sleep(1)
        with pg.admin() as c:
            c.execute("SET ROLE app_trust; CREATE TABLE public.nobody (id int)")
        try:
            assert held(place, "TRUNCATE public.nobody") == "ZB004"
            assert place.operator.tickets() == []
            assert "has no snapshot, and one is required" in place.gateway.log()
            assert "backstop snapshot public.nobody" in place.gateway.log()
            # Nobody knows beforehand what that changes: it is seen when it has run.
            code = "DO $$BEGIN EXECUTE 'DELETE FROM public.' || 'nobody WHERE id = 7'; END$$"
            with pg.admin() as c:
                c.execute("INSERT INTO public.nobody VALUES (7)")
            assert held(place, code) == "ZB001"
            t, = place.operator.tickets()
            place.operator.decide(t["id"], "approve")
            assert held(place, code) == "ZB004"
            detail = wait_until(lambda: place.operator.ask("GET", f"/v1/tickets/{t['id']}")[1].get("detail"))
            assert "has no snapshot" in detail
            with pg.admin() as c:
                assert c.execute("SELECT id FROM public.nobody").fetchall() == [(7,)]
            place.gateway.cli("snapshot", "public.nobody")
            assert held(place, "TRUNCATE public.nobody") == "ZB001"
            with place.connect("bob") as c:
                assert c.execute("SELECT 1").fetchone() == (1,)  # what changes nothing needs none
        finally:
            with pg.admin() as c:
                c.execute("DROP TABLE public.nobody")


def test_one_that_is_too_old(pg):
    """By a rule: only what it is about needs a younger one."""
    rule = {"name": "fresh", "objects": ["ground.child"], "action": "approve",
            "require": {"snapshot_age": "1s"}}
    often = {**SNAPSHOTS[0], "name": "often", "tables": ["ground.inbox"], "every": "1s"}
    with a_place(pg, rules=[rule], snapshots=[*SNAPSHOTS, often],
                 recovery={"require": {"snapshot_age": "1h"}}) as place:
        place.reset()
        place.gateway.cli("snapshot", "ground.*")
        wait_until(lambda: held(place, "TRUNCATE ground.child") == "ZB004")
        assert re.search(r"is \d+ s old, more than 1 s", place.gateway.log())
        assert "backstop snapshot ground.child" in place.gateway.log()
        assert held(place, "TRUNCATE ground.inbox") == "ZB001"
        assert held(place, "TRUNCATE ground.t, ground.child") == "ZB004"


def problems(tmp_path, **more):
    g = tmp_path / "backstop.yaml"
    g.write_text(json.dumps({
        "listen": ["127.0.0.1:1"], "state": "sqlite:s", "audit": {"directory": "a"}, "spool": "c",
        "databases": {"a": {"upstream": "dbname=a", "helper": "dbname=a user=b"}},
        "storage": "file:///tmp/x", **more}, indent=1))
    out = subprocess.run([binary(), "check-config", "--json", "--config", g], capture_output=True,
                         text=True, timeout=30)
    if out.returncode == 0:
        return []
    lines = g.read_text().splitlines()
    found = json.loads(out.stdout)["error"]["problems"]
    assert all(0 < p["line"] <= len(lines) for p in found), found
    return [p["message"] for p in found]


def test_what_cannot_be_is_said_with_its_line(tmp_path):
    def said(**more):
        return "\n".join(problems(tmp_path, **more))

    assert "on this machine" in said(recovery={"require": {"off_host": "true"}})
    here = "s3://bucket/p?endpoint=http://127.0.0.1:9000&region=us-east-1&credentials=/x"
    assert "on this machine" in said(storage=here, recovery={"require": {"off_host": "true"}})
    assert "there are no `snapshots`" in said(recovery={"require": {"snapshot_age": "1h"}})
    assert "less often" in said(snapshots=[{**SNAPSHOTS[0], "every": "3h"}],
                                recovery={"require": {"snapshot_age": "2h"}})
    one = {"name": "s", "tables": ["a.*"], "every": "1h", "keep": {"count": 1}}
    assert problems(tmp_path, snapshots=[one]) == []
    wrong = said(snapshots=[one, {**one, "database": "zz"}, {"name": "t", "tables": ["x"],
                            "every": "5", "keep": {}}],
                 retention={"keep": {"years": "3"}, "tables": [{"tables": ["a.b"]}]},
                 verify={"every": "1h", "sample": "all"})
    for part in ("two snapshots are called", "\"zz\", which is none", "not schema.name", "duration",
                 "keep says nothing", "unknown key \"years\"", "key \"keep\"", "share such as 5%"):
        assert part in wrong, (part, wrong)
