"""The operators' client against the gateway's own API."""

import subprocess
import sys
import threading

import pytest

import backstop
from backstop.operators import Client, ProblemError

from .conftest import ROOT, SDK, wait_until


@pytest.fixture
def api(site):
    return Client(site.operator.base, site.operator.token)


def held(site, sql="DELETE FROM py.orders"):
    with backstop.connect(site.url(), autocommit=True) as c, pytest.raises(backstop.Held) as caught:
        c.execute(sql)
    return caught.value.ticket


def test_its_types_are_what_the_gateway_describes():
    made = subprocess.run([sys.executable, SDK / "generate.py", ROOT / "src" / "api" / "openapi.json"],
                          check=True, capture_output=True, text=True).stdout
    shaped = subprocess.run([sys.executable, "-m", "ruff", "format", "-"], input=made, check=True, cwd=SDK,
                            capture_output=True, text=True).stdout
    assert (SDK / "src" / "backstop" / "operators" / "schema.py").read_text() == shaped, \
        "run sdk/python/generate.py: see its first lines"


def test_the_agents_side_does_not_know_it():
    code = ("import sys, backstop, backstop.psycopg, backstop.psycopg2, backstop.asyncpg, backstop.sqlalchemy\n"
            "assert not [m for m in sys.modules if m.startswith('backstop.operators')]")
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(SDK / "src")})


def test_tickets(site, api):
    ticket = held(site)
    assert [t["id"] for t in api.tickets(state="pending")] == [ticket]
    shown = api.ticket(ticket)
    assert (shown["state"], shown["actor"], shown["sql"]) == ("pending", site.agent, "DELETE FROM py.orders")
    assert api.comment(ticket, "is that so?")["comments"][0]["text"] == "is that so?"
    assert api.approve(ticket, reason="yes")["state"] == "approved"
    with pytest.raises(ProblemError) as caught:
        api.deny(ticket)
    assert (caught.value.status, caught.value.code, caught.value.retryable) == (409, "CONFLICT", False)
    with backstop.connect(site.url(), autocommit=True) as c:
        c.execute("DELETE FROM py.orders")
    wait_until(lambda: api.ticket(ticket)["state"] == "done")
    point = api.ticket(ticket)["point"]
    assert point in [p["point"] for p in api.points()]
    assert api.point(point)["outcome"] == "committed"


def test_pages_are_followed(site, api):
    wanted = {held(site, f"DELETE FROM py.orders WHERE id = {n}") for n in range(3)}
    seen = {t["id"] for t in api._pages("listTickets", "tickets", state="pending", limit=1)}
    assert seen == wanted


def test_a_way_back(site, api):
    ticket = held(site)
    api.approve(ticket)
    with backstop.connect(site.url(), autocommit=True) as c:
        c.execute("DELETE FROM py.orders")
    wait_until(lambda: api.ticket(ticket)["state"] == "done")
    begun = api.begin_restore({"point": api.ticket(ticket)["point"]})
    preview = api.wait_restore(begun["id"])
    assert (preview["step"], preview["state"]) == ("preview", "done")
    assert api.restore_result(begun["id"])["step"] == "preview"
    api.step_restore(begun["id"], "run", {"digest": preview["steps"][-1]["digest"]})
    ran = api.wait_restore(begun["id"])
    assert (ran["step"], ran["state"]) == ("run", "done")
    assert begun["id"] in [r["id"] for r in api.restores()]
    api.step_restore(begun["id"], "discard", {"digest": ran["steps"][-1]["digest"]})
    assert api.wait_restore(begun["id"])["state"] == "done"


def test_actors_and_pauses(site, api):
    made = api.add_actor({"name": "by-api", "databases": ["app"], "owner": "alice"})
    assert made["password"] and api.actor("by-api")["owner"] == "alice"
    assert {"by-api", site.agent} <= {a["name"] for a in api.actors()}
    assert api.rotate_actor("by-api")["password"] != made["password"]
    assert api.set_actor("by-api", {"owner": "bob"})["owner"] == "bob"
    assert api.disable_actor("by-api")["disabled"] and not api.enable_actor("by-api")["disabled"]
    assert api.quarantine_actor("by-api", reason="test")["quarantined"]
    assert not api.release_actor("by-api", reason="test")["quarantined"]
    assert api.pause({"scope": "actor", "name": "by-api", "reason": "test"})["pauses"][0]["name"] == "by-api"
    assert api.pauses()["pauses"]
    assert api.resume("actor", "by-api", reason="test")["pause"]
    assert api.revoke_actor("by-api")["revoked"]
    with pytest.raises(ProblemError) as caught:
        api.actor("../tickets")
    assert caught.value.status in (400, 404)


def test_events(site, api):
    seen, ready = [], threading.Event()

    def watch():
        for event in api.events():
            seen.append(event)
            if event.kind == "ticket" and event.data["state"] == "denied":
                ready.set()
                return

    first = held(site, "DELETE FROM py.orders WHERE id = 1")
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    while not seen:  # the stream is open
        ticket = held(site, f"DELETE FROM py.orders WHERE id = {100 + threading.active_count()}")
        thread.join(0.2)
    api.deny(ticket)
    assert ready.wait(10)
    assert ticket != first and all(e.id for e in seen)
    again = api.events(seen[0].id)
    rest = [next(again) for _ in range(len(seen) - 1)]
    assert [(e.data["id"], e.data["state"]) for e in rest] == [(e.data["id"], e.data["state"]) for e in seen[1:]]


def test_who_may_not(site):
    with pytest.raises(ProblemError) as caught:
        list(Client(site.operator.base, "bso_wrong").tickets())
    assert (caught.value.status, caught.value.code) == (401, "AUTH")
    with pytest.raises(ProblemError):
        next(Client(site.operator.base, "bso_wrong").events())


@pytest.mark.parametrize("server", ["http://192.0.2.1:6580", "http://gateway.example", "ftp://127.0.0.1", "127.0.0.1:6580",
                                    "http://127.0.0.1/elsewhere", "http://127.0.0.1.example.com", "",
                                    "https://o:hush@127.0.0.1", "https://o:hush@127.0.0.1/v1", "o:hush@127.0.0.1"])
def test_a_token_does_not_go_anywhere(server):
    with pytest.raises(ValueError) as caught:
        Client(server, "bso_x")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_does_not_lead_to_another_operation(name):
    with pytest.raises(ValueError):
        Client("http://127.0.0.1:1", "bso_x").deny(name)


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "ä"])
def test_what_is_no_token(token):
    with pytest.raises(ValueError):
        Client("http://127.0.0.1:1", token)


def test_a_redirect_is_not_followed(free):
    with pytest.raises(ProblemError) as caught:
        list(Client(free, "bso_x").tickets())
    assert caught.value.status == 302


@pytest.fixture
def free():
    """A server that sends everybody elsewhere."""
    import http.server

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
