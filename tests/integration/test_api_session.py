"""Operators who log in with a browser: the cookie, what has to come with it, and how a login ends."""

import http.cookies
import json
import time

import pytest

from conftest import Gateway, running
from operator_side import Operator
from test_api import Site, ask

HERE = object()  # "the page's own origin"
CSP = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
       "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")


class Browser:
    """A cookie, and the token that the page keeps."""

    def __init__(self, gateway, token, **headers):
        self.gateway = gateway
        self.answer = ask(gateway, "POST", "/v1/session", {"token": token}, **headers)
        self.cookie = self.csrf = None
        if self.answer.status == 200:
            self.cookie = self.answer.headers["Set-Cookie"].split(";")[0]
            self.csrf = self.answer.json()["csrf"]

    def ask(self, method, path, body=None, csrf=HERE, **headers):
        if csrf is HERE and method not in ("GET", "HEAD"):
            csrf = self.csrf
        if isinstance(csrf, str):
            headers["X_CSRF_Token"] = csrf
        return ask(self.gateway, method, path, body, Cookie=f"theme=dark; {self.cookie}; a=b", **headers)


@pytest.fixture(scope="module")
def site(pg):
    with pg.admin() as c:
        c.execute("CREATE SCHEMA browsed")
        c.execute("CREATE TABLE browsed.t (id int PRIMARY KEY)")
        c.execute("INSERT INTO browsed.t SELECT generate_series(1, 20)")
        c.execute("GRANT ALL ON SCHEMA browsed TO app_trust; GRANT ALL ON browsed.t TO app_trust")
    g = Gateway(pg, {"app": pg.conninfo("app_trust")}, extra={"hold": {"wait": "0s"}})
    with running(g, "alice"):
        yield Site(g)
    with pg.admin() as c:
        c.execute("DROP SCHEMA browsed CASCADE")


def browser(site, role="approver", **headers):
    return Browser(site.gateway, site.tokens[role], **headers)


# --- logging in ------------------------------------------------------------------------------


def test_the_cookie_is_the_browsers_alone(site):
    b = browser(site)
    assert (b.answer.status, b.answer.headers["Cache-Control"]) == (200, "no-store")
    assert {k: v for k, v in b.answer.json().items() if k in ("operator", "role")} == \
        {"operator": "app", "role": "approver"}
    assert set(b.answer.json()) == {"operator", "role", "csrf", "expires"}
    (name, cookie), = http.cookies.SimpleCookie(b.answer.headers["Set-Cookie"]).items()
    assert name == "__Host-backstop" and len(cookie.value) == 64 and int(cookie.value, 16)
    assert (cookie["path"], cookie["secure"], cookie["httponly"], cookie["samesite"]) == ("/", True, True, "Strict")
    assert cookie["domain"] == "" and 43000 < int(cookie["max-age"]) <= 43200
    assert cookie.value not in b.answer.text and len(b.csrf) == 64
    assert browser(site).cookie != b.cookie


def test_a_login_is_its_operator(site):
    b = browser(site, "viewer")
    assert b.ask("GET", "/v1/session").json() == b.answer.json()
    assert b.ask("HEAD", "/v1/session").status == 200
    assert b.ask("GET", "/v1/tickets").status == 200
    assert b.ask("POST", "/v1/tickets/T-1/deny", {}).problem() == "FORBIDDEN"
    plain = site.ask("GET", "/v1/session", role="viewer").json()
    assert plain == {"operator": "vie", "role": "viewer", "csrf": None, "expires": None}
    assert ask(site.gateway, "GET", "/v1/session").problem() == "AUTH"


def test_a_decision_is_the_operators(site):
    b = browser(site)
    path = "/v1/tickets/" + site.held("DELETE FROM browsed.t WHERE id = 1")
    answer = b.ask("POST", path + "/approve", {"reason": "by hand"}, Idempotency_Key="k", If_Match=b.ask(
        "GET", path).headers["ETag"])
    assert (answer.status, answer.json()["decided_by"]) == (200, "app")
    site.gateway.connect().execute("DELETE FROM browsed.t WHERE id = 1")


@pytest.mark.parametrize("body,status", [({}, 422), ({"token": 1}, 422), ({"token": "x", "next": "//evil"}, 422),
                                         (None, 422), ("token=x", 415)])
def test_a_login_that_is_none(site, body, status):
    headers = {"Content_Type": "application/x-www-form-urlencoded"} if isinstance(body, str) else {}
    answer = ask(site.gateway, "POST", "/v1/session", body, **headers)
    assert answer.status == status and answer.problem() and "Set-Cookie" not in answer.headers


def test_nothing_leads_elsewhere(site):
    for path in ("/v1/session?next=https://evil.example", "/?next=//evil.example", "//evil.example", "/console/"):
        answer = ask(site.gateway, "GET", path, Host="evil.example")
        assert answer.status in (400, 401, 404) and "Location" not in answer.headers
        assert "evil" not in str(answer.headers)


def test_agents_do_not_log_in(site):
    answer = ask(site.gateway, "POST", "/v1/session", {"token": site.gateway.passwords["alice"]}, source="127.0.2.1")
    assert (answer.status, answer.problem()) == (401, "AUTH") and "Set-Cookie" not in answer.headers


def test_a_guess_is_a_guess_wherever_it_is_made(site):
    late = Operator(site.gateway, "late").token
    for n in range(5):
        assert ask(site.gateway, "GET", "/v1/tickets", token=f"bso_{n}", source="127.0.2.2").status == 401
        assert ask(site.gateway, "POST", "/v1/session", {"token": f"bso_x{n}"}, source="127.0.2.2").status == 401
    answer = ask(site.gateway, "POST", "/v1/session", {"token": late}, source="127.0.2.2")
    assert (answer.status, answer.problem()) == (429, "TOO_OFTEN") and "Retry-After" in answer.headers
    assert ask(site.gateway, "GET", "/v1/tickets", token=late, source="127.0.2.2").status == 429
    assert ask(site.gateway, "POST", "/v1/session", {"token": late}, source="127.0.2.3").status == 200
    assert "bso_x" not in site.gateway.log()


# --- forged requests -------------------------------------------------------------------------


def origin(site):
    return f"http://127.0.0.1:{site.gateway.operators_port}"


CROSS = [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1"},
         {"Origin": "http://127.0.0.1:1"}, {"Origin": "file://"}, {"Origin": ""}, {"Sec_Fetch_Site": "cross-site"},
         {"Sec_Fetch_Site": "same-site"}, {"Sec_Fetch_Site": "none"},
         {"Origin": HERE, "Sec_Fetch_Site": "cross-site"}]
SAME = [{}, {"Origin": HERE}, {"Origin": HERE, "Sec_Fetch_Site": "same-origin"}, {"Sec_Fetch_Site": "same-origin"}]


def fields(site, row):
    return {k: origin(site) if v is HERE else v for k, v in row.items()}


@pytest.mark.parametrize("row", CROSS)
def test_another_origin_changes_nothing(site, row):
    b = browser(site)
    answer = b.ask("POST", "/v1/tickets/T-1/deny", {}, **fields(site, row))
    assert (answer.status, answer.problem()) == (403, "FORBIDDEN")
    answer = ask(site.gateway, "POST", "/v1/session", {"token": site.tokens["viewer"]}, **fields(site, row))
    assert (answer.status, answer.problem()) == (403, "FORBIDDEN") and "Set-Cookie" not in answer.headers
    assert b.ask("DELETE", "/v1/session", **fields(site, row)).status == 403
    assert b.ask("GET", "/v1/session").status == 200, "nor is anybody logged out"


@pytest.mark.parametrize("row", SAME)
def test_the_pages_own_origin_does(site, row):
    b = browser(site, **fields(site, row))
    assert b.ask("POST", "/v1/tickets/T-1/deny", {}, **fields(site, row)).status == 404


def test_a_change_needs_the_pages_token(site):
    b, other = browser(site), browser(site)
    for csrf in (None, "", b.csrf[:-1], b.csrf + "0", other.csrf, b.cookie.split("=")[1], "0" * 64):
        answer = b.ask("POST", "/v1/tickets/T-1/deny", {}, csrf=csrf)
        assert (answer.status, answer.problem()) == (403, "FORBIDDEN"), csrf
    assert b.ask("DELETE", "/v1/session", csrf=other.csrf).status == 403
    assert b.ask("POST", "/v1/tickets/T-1/deny", {}).status == 404
    assert b.ask("POST", "/v1/explain", {"actor": "alice", "sql": "SELECT 1"}, csrf=None).status == 403


def test_every_change_is_guarded(site):
    """Whatever the description knows: no new route can be forgotten."""
    b = browser(site, "admin")
    doc = site.ask("GET", "/v1/openapi.json", role=None).json()
    changes = [(method, path) for path, methods in doc["paths"].items() for method, op in methods.items()
               if method != "get" and op["x-role"] != "none"]
    assert len(changes) >= 8
    for method, path in changes:
        path = path.replace("{id}", "T-1").replace("{name}", "nobody")
        answer = b.ask(method.upper(), path, {}, csrf=None)
        assert (answer.status, answer.problem()) == (403, "FORBIDDEN"), path
    assert b.ask("GET", "/v1/session").status == 200


def test_a_token_needs_no_cookie_and_no_page(site):
    """With both, the token counts: it is nothing that a browser adds by itself."""
    b = browser(site, "viewer")
    answer = ask(site.gateway, "POST", "/v1/tickets/T-1/deny", {}, token=site.tokens["approver"], Cookie=b.cookie)
    assert answer.status == 404
    assert ask(site.gateway, "GET", "/v1/session", token="bso_no", Cookie=b.cookie, source="127.0.2.4").status == 401
    assert ask(site.gateway, "POST", "/v1/tickets/T-1/deny", {}, Cookie=b.cookie, Authorization="Basic eDp5",
               X_CSRF_Token=b.csrf).problem() == "FORBIDDEN"


# --- the end ---------------------------------------------------------------------------------


def test_logging_out_ends_it(site):
    b, other = browser(site), browser(site)
    answer = b.ask("DELETE", "/v1/session")
    assert (answer.status, answer.text) == (204, "")
    (name, cookie), = http.cookies.SimpleCookie(answer.headers["Set-Cookie"]).items()
    assert (name, cookie.value, cookie["max-age"], cookie["path"], cookie["secure"]) == \
        ("__Host-backstop", "", "0", "/", True)
    answer = b.ask("GET", "/v1/session")
    assert (answer.status, answer.problem()) == (401, "AUTH")
    assert b.ask("POST", "/v1/tickets/T-1/deny", {}).status == 401
    assert other.ask("GET", "/v1/session").status == 200
    assert site.ask("DELETE", "/v1/session").status == 204


def test_another_login_of_the_browser_ends_the_first(site):
    b = browser(site)
    ask(site.gateway, "POST", "/v1/session", {"token": site.tokens["viewer"]}, Cookie=b.cookie)
    assert b.ask("GET", "/v1/session").status == 401


def test_a_revoked_operator_is_logged_out(site):
    gone = Browser(site.gateway, Operator(site.gateway, "gone").token)
    assert gone.ask("GET", "/v1/tickets").status == 200
    site.gateway.cli("operators", "revoke", "gone")
    assert gone.ask("GET", "/v1/tickets").problem() == "AUTH"
    Operator(site.gateway, "gone")  # another one of that name
    assert gone.ask("GET", "/v1/tickets").problem() == "AUTH"


def test_a_login_ends_with_its_token(site):
    old = Operator(site.gateway, "turned").token
    before = Browser(site.gateway, old)
    new = json.loads(site.gateway.cli("operators", "rotate", "turned", "--overlap", "1h", "--json").stdout)["token"]
    after = Browser(site.gateway, new)
    assert [b.ask("GET", "/v1/session").status for b in (before, after)] == [200, 200]
    site.gateway.cli("operators", "set", "turned", "--expires", "1h")
    assert after.ask("GET", "/v1/session").json()["expires"] < after.answer.json()["expires"]
    site.gateway.cli("operators", "rotate", "turned")
    assert [b.ask("GET", "/v1/session").status for b in (before, after)] == [401, 401]


def test_one_operator_has_eight(site):
    many = [browser(site, "viewer") for _ in range(9)]
    assert [b.ask("GET", "/v1/session").status for b in many] == [401] + [200] * 8


def test_logins_are_on_record_and_their_secrets_nowhere(site):
    token = Operator(site.gateway, "recorded").token
    b = Browser(site.gateway, token)
    b.ask("DELETE", "/v1/session")
    records = site.ask("GET", "/v1/audit?operator=recorded", role="viewer").json()["records"]
    assert [r["action"] for r in records if r["subject"] == "recorded"][:2] == ["operator.logout", "operator.login"]
    everything = site.gateway.log() + json.dumps(records)
    for path in site.gateway.config.parent.rglob("*"):
        if path.is_file():
            everything += path.read_bytes().decode(errors="replace")
    assert token not in everything and b.cookie.split("=")[1] not in everything and b.csrf not in everything


def test_it_ends_when_it_is_not_used_and_at_a_restart(pg):
    g = Gateway(pg, {"app": pg.conninfo("app_trust")})
    text = json.loads(g.config.read_text())
    text["operators"].update(session="60s", session_idle="1s")
    g.config.write_text(json.dumps(text))
    with running(g, "alice"):
        token = Operator(g).token
        b = Browser(g, token)
        assert "Max-Age=60" in b.answer.headers["Set-Cookie"] or "Max-Age=59" in b.answer.headers["Set-Cookie"]
        end = time.monotonic() + 1.1  # a page that reads by itself does not use it
        while time.monotonic() < end:
            b.ask("GET", "/v1/tickets", X_Backstop_Watch="1")
            time.sleep(0.1)
        assert b.ask("GET", "/v1/session").problem() == "AUTH"
        b = Browser(g, token)
        g.stop()
        g.start()
        assert b.ask("GET", "/v1/session").problem() == "AUTH"


# --- the console's files ---------------------------------------------------------------------


def test_the_console_is_served_under_a_strict_policy(site):
    answer = ask(site.gateway, "GET", "/", Accept="text/html,application/xhtml+xml")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/")
    assert answer.headers["Content-Security-Policy"] == CSP
    assert answer.headers["Cache-Control"] == "no-cache"
    assert (answer.headers["X-Content-Type-Options"], answer.headers["Referrer-Policy"]) == ("nosniff", "no-referrer")
    again = ask(site.gateway, "GET", "/", If_None_Match=answer.headers["ETag"])
    assert (again.status, again.text, again.headers["ETag"]) == (304, "", answer.headers["ETag"])
    assert again.headers["Content-Security-Policy"] == CSP and again.headers["Cache-Control"] == "no-cache"
    assert ask(site.gateway, "HEAD", "/").headers["Content-Length"] == str(len(answer.text.encode()))
