"""An admin adds and changes agents and operators over the API, by the command line's rules."""

import json

import psycopg
import pytest

from conftest import Gateway, running, wait_until
from test_api import Site, ask


@pytest.fixture(scope="module")
def site(pg):
    g = Gateway(pg, {"app": pg.conninfo("app_trust"), "other": pg.conninfo("app_trust")})
    with running(g, "alice"):
        yield Site(g)


def do(site, method, path, body=None, role="admin", **headers):
    answer = site.ask(method, path, body, role=role, **headers)
    assert answer.status < 300, answer.text
    return answer.json()


def logs_in(site, name, password):
    site.gateway.passwords[name] = password
    try:
        with site.gateway.connect(name) as c:
            return c.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def is_operator(site, token):
    # From an address of its own: wrong ones are counted.
    return ask(site.gateway, "GET", "/v1/session", token=token, source="127.0.3.1").status == 200


def changes_of(site, subject):
    def records():
        return site.ask("GET", "/v1/audit?kind=operator&limit=1000").json()["records"]
    return [(r["action"], r["operator"]) for r in records() if r.get("subject") == subject][::-1]


# --- agents ----------------------------------------------------------------------------------


def test_an_agent_is_added(site):
    body = {"name": "bot", "databases": ["app"], "kind": "app", "owner": "kim", "expires": "30d",
            "addresses": ["127.0.0.0/8", "local"]}
    answer = site.ask("POST", "/v1/actors", body, role="admin", Idempotency_Key="once")
    assert answer.status == 201 and answer.headers["Cache-Control"] == "no-store"
    password = answer.json().pop("password")
    assert logs_in(site, "bot", password)
    shown = do(site, "GET", "/v1/actors/bot")
    assert {**shown, "password": password} == answer.json()
    assert (shown["owner"], shown["kind"], shown["addresses"]) == ("kim", "app", ["127.0.0.0/8", "local"])
    listed = json.loads(site.gateway.cli("agents", "list", "--json").stdout)
    assert shown in listed
    again = site.ask("POST", "/v1/actors", body, role="admin", Idempotency_Key="once")
    assert (again.status, again.problem()) == (409, "CONFLICT") and "secret" in again.json()["detail"]
    assert site.ask("POST", "/v1/actors", body, role="admin").problem() == "CONFLICT"
    wait_until(lambda: changes_of(site, "bot") == [("agent.add", "operator:adm")])
    everything = site.gateway.log() + site.ask("GET", "/v1/audit?limit=1000").text
    for path in site.gateway.config.parent.rglob("*"):
        everything += path.read_bytes().decode(errors="replace") if path.is_file() else ""
    assert password not in everything


@pytest.mark.parametrize("body,status", [
    ({"name": "x", "databases": ["nowhere"]}, 400), ({"name": "X", "databases": ["app"]}, 400),
    ({"name": "x", "databases": []}, 400), ({"name": "x", "databases": "app"}, 422), ({"name": "x"}, 422),
    ({"name": "x", "databases": ["app"], "kind": "robot"}, 400), ({"name": "x", "databases": ["app"], "kind": None}, 422),
    ({"name": "x", "databases": ["app"], "expires": "soon"}, 400), ({"name": "x", "databases": ["app"], "expires": "-1d"}, 400),
    ({"name": "x", "databases": ["app"], "expires": "2001-01-01T00:00:00Z"}, 400),
    ({"name": "x", "databases": ["app"], "addresses": ["10.0.0.0/33"]}, 400),
    ({"name": "x", "databases": ["app"], "certificate_only": True}, 400),
    ({"name": "x", "databases": ["app"], "certificate": "x"}, 400),
    ({"name": "x", "databases": ["app"], "verifier": "SCRAM"}, 422), ({"name": "x", "databases": ["app"], "password": "p"}, 422)])
def test_what_is_no_agent(site, body, status):
    answer = site.ask("POST", "/v1/actors", body, role="admin")
    assert answer.status == status and answer.problem()
    assert site.ask("GET", "/v1/actors/x").status == 404


def test_an_agent_is_changed_as_it_was_seen(site):
    do(site, "POST", "/v1/actors", {"name": "moved", "databases": ["app"], "owner": "kim", "group": "night"})
    seen = site.ask("GET", "/v1/actors/moved").headers["ETag"]
    assert site.ask("PATCH", "/v1/actors/moved", {}, role="admin").status == 400
    assert site.ask("PATCH", "/v1/actors/nobody", {"group": "a"}, role="admin").status == 404
    now = do(site, "PATCH", "/v1/actors/moved", {"group": "day", "owner": None, "databases": ["other"]}, If_Match=seen)
    assert (now["group"], now["owner"], now["databases"]) == ("day", None, ["other"])
    for method, path, body in (("PATCH", "", {"group": "late"}), ("POST", "/rotate", {}), ("POST", "/disable", {}),
                               ("POST", "/revoke", {})):
        answer = site.ask(method, "/v1/actors/moved" + path, body, role="admin", If_Match=seen)
        assert (answer.status, answer.problem()) == (412, "CHANGED"), path
    assert do(site, "GET", "/v1/actors/moved") == now
    assert do(site, "PATCH", "/v1/actors/moved", {"group": None}, If_Match="*")["group"] is None
    assert site.ask("PATCH", "/v1/actors/moved", {"databases": ["nowhere"]}, role="admin").status == 400


def test_an_agent_gets_new_passwords(site):
    first = do(site, "POST", "/v1/actors", {"name": "keyed", "databases": ["app"]})["password"]
    second = do(site, "POST", "/v1/actors/keyed/rotate", {"overlap": "1h"})
    assert second["old_password_until"] and logs_in(site, "keyed", first) and logs_in(site, "keyed", second["password"])
    third = do(site, "POST", "/v1/actors/keyed/rotate")["password"]
    assert [logs_in(site, "keyed", p) for p in (first, second["password"], third)] == [False, False, True]
    assert site.ask("POST", "/v1/actors/keyed/rotate", {"overlap": "91d"}, role="admin").status == 400
    assert site.ask("POST", "/v1/actors/keyed/rotate", {"overlap": "x"}, role="admin").status == 400
    run = do(site, "POST", "/v1/actors/keyed/token", {"ttl": "5m", "note": "a run"})
    assert set(run) == {"name", "token", "password", "expires"} and logs_in(site, "keyed", run["password"])
    assert site.ask("POST", "/v1/actors/keyed/token", {"ttl": "25h"}, role="admin").status == 400
    second = do(site, "POST", "/v1/actors/keyed/token", {"ttl": "5m"})
    listed = site.ask("GET", "/v1/actors/keyed/tokens", role="viewer")
    assert [(t["token"], t["status"], t["note"], t["by"]) for t in listed.json()["tokens"]] == [
        (second["token"], "active", None, "operator:adm"), (run["token"], "active", "a run", "operator:adm")]
    assert run["password"] not in listed.text and listed.json()["tokens"] == json.loads(
        site.gateway.cli("agents", "tokens", "keyed", "--json").stdout)
    page = site.ask("GET", "/v1/actors/keyed/tokens?limit=1", role="viewer").json()
    assert [t["token"] for t in page["tokens"]] == [second["token"]]
    page = site.ask("GET", f"/v1/actors/keyed/tokens?limit=1&cursor={page['next']}", role="viewer").json()
    assert [t["token"] for t in page["tokens"]] == [run["token"]] and "next" not in page
    assert site.ask("GET", "/v1/actors/nobody/tokens", role="viewer").status == 404
    do(site, "POST", "/v1/actors/keyed/revoke", {"token": run["token"]})
    assert not logs_in(site, "keyed", run["password"]) and logs_in(site, "keyed", third)
    assert site.ask("POST", "/v1/actors/keyed/revoke", {"token": run["token"]}, role="admin").problem() == "CONFLICT"


def test_an_agent_is_disabled_and_revoked(site):
    password = do(site, "POST", "/v1/actors", {"name": "off", "databases": ["app"]})["password"]
    assert do(site, "POST", "/v1/actors/off/disable")["status"] == "disabled" and not logs_in(site, "off", password)
    assert site.ask("POST", "/v1/actors/off/disable", role="admin").problem() == "CONFLICT"
    assert do(site, "POST", "/v1/actors/off/enable")["status"] == "active" and logs_in(site, "off", password)
    assert do(site, "POST", "/v1/actors/off/revoke")["status"] == "revoked" and not logs_in(site, "off", password)
    assert site.ask("PATCH", "/v1/actors/off", {"group": "a"}, role="admin").problem() == "CONFLICT"
    wait_until(lambda: [a for a, _ in changes_of(site, "off")] ==
               ["agent.add", "agent.disable", "agent.enable", "agent.revoke"])


# --- operators -------------------------------------------------------------------------------


def test_an_operator_is_added_changed_and_ended(site):
    added = site.ask("POST", "/v1/operators", {"name": "sam", "groups": ["dba"], "owners": ["Sam Lee"]}, role="admin")
    assert added.status == 201
    token = added.json()["token"]
    assert is_operator(site, token) and added.json()["role"] == "approver"
    seen = site.ask("GET", "/v1/operators/sam")
    assert {**seen.json(), "token": token} == added.json()
    now = do(site, "PATCH", "/v1/operators/sam", {"role": "viewer", "groups": [], "expires": "1h"},
             If_Match=seen.headers["ETag"])
    assert (now["role"], now["groups"], now["owners"]) == ("viewer", [], ["Sam Lee"]) and now["expires"]
    for method, path, body in (("PATCH", "", {"role": "admin"}), ("POST", "/rotate", {}), ("POST", "/revoke", {})):
        answer = site.ask(method, "/v1/operators/sam" + path, body, role="admin", If_Match=seen.headers["ETag"])
        assert (answer.status, answer.problem()) == (412, "CHANGED"), path
    assert do(site, "PATCH", "/v1/operators/sam", {"expires": None})["expires"] is None
    fresh = do(site, "POST", "/v1/operators/sam/rotate", {"overlap": "1h"})["token"]
    assert is_operator(site, token) and is_operator(site, fresh)
    last = do(site, "POST", "/v1/operators/sam/rotate")["token"]
    assert [is_operator(site, t) for t in (token, fresh, last)] == [False, False, True]
    assert do(site, "POST", "/v1/operators/sam/revoke")["status"] == "revoked" and not is_operator(site, last)
    assert do(site, "GET", "/v1/operators")["operators"]
    wait_until(lambda: changes_of(site, "sam") == [(a, "operator:adm") for a in (
        "operator.add", "operator.set", "operator.set", "operator.rekey", "operator.rekey", "operator.revoke")])
    everything = site.gateway.log() + site.ask("GET", "/v1/audit?limit=1000").text
    assert not [t for t in (token, fresh, last) if t in everything]


@pytest.mark.parametrize("body,status", [
    ({"name": "No!"}, 400), ({}, 422), ({"name": "x", "role": "king"}, 400), ({"name": "x", "role": None}, 422),
    ({"name": "x", "groups": ["a b"]}, 400), ({"name": "x", "owners": [""]}, 400), ({"name": "x", "owners": ["a"] * 17}, 400),
    ({"name": "x", "token": "bso_mine"}, 422), ({"name": "x", "expires": "never"}, 400), ({"name": "adm"}, 409)])
def test_what_is_no_operator(site, body, status):
    assert site.ask("POST", "/v1/operators", body, role="admin").status == status
    assert site.ask("GET", "/v1/operators/x").status == 404


def test_nobody_but_an_admin(site):
    for role in ("viewer", "approver"):
        assert site.ask("POST", "/v1/operators", {"name": "mine", "role": "admin"}, role=role).problem() == "FORBIDDEN"
        assert site.ask("PATCH", f"/v1/operators/{role[:3]}", {"role": "admin"}, role=role).problem() == "FORBIDDEN"
        assert site.ask("POST", "/v1/actors", {"name": "mine", "databases": ["app"]}, role=role).problem() == "FORBIDDEN"
        assert site.ask("POST", "/v1/actors/alice/rotate", {}, role=role).problem() == "FORBIDDEN"
    assert site.ask("GET", "/v1/operators/mine").status == site.ask("GET", "/v1/actors/mine").status == 404
