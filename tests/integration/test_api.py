"""The operators' API over real HTTP: its frame, and who may use which route."""

import http.client
import json
import signal
import socket
import subprocess
import threading
import time

import psycopg
import pytest

from conftest import Gateway, binary, running, wait_until
from operator_side import Operator

PROBLEM = "application/problem+json"


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        endless = response.headers.get("Content-Type") == "text/event-stream"
        self.text = "" if endless else response.read().decode()

    def json(self):
        return json.loads(self.text)

    def problem(self):
        assert self.headers["Content-Type"] == PROBLEM, (self.status, self.text)
        problem = self.json()
        assert problem["status"] == self.status
        assert problem["type"] == "urn:backstop:problem:" + problem["code"]
        assert problem["title"] and problem["detail"]
        return problem["code"]


def ask(gateway, method, path, body=None, token=None, source="127.0.0.1", **headers):
    """`headers`: If_Match="..." and so on. A body that is no text is sent as JSON."""
    c = http.client.HTTPConnection("127.0.0.1", gateway.operators_port, timeout=20, source_address=(source, 0))
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None and not isinstance(body, (str, bytes)):
        body = json.dumps(body)
        fields.setdefault("Content-Type", "application/json")
    if token:
        fields["Authorization"] = f"Bearer {token}"
    try:
        c.request(method, path, body=body, headers=fields)
        return Answer(c.getresponse())
    finally:
        c.close()


class Site:
    """A gateway, an operator of each role, and an agent who asks for things."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.tokens = {role: Operator(gateway, role[:3], role).token for role in ("viewer", "approver", "admin")}

    def ask(self, method, path, body=None, role="approver", **headers):
        return ask(self.gateway, method, path, body, self.tokens.get(role), **headers)

    def held(self, sql):
        """The id of the ticket of a statement that is refused until somebody approves it."""
        with self.gateway.connect() as c, pytest.raises(psycopg.Error) as caught:
            c.autocommit = True
            c.execute(sql)
        return json.loads(caught.value.diag.message_detail)["ticket"]


@pytest.fixture(scope="module")
def site(pg):
    with pg.admin() as c:
        c.execute("CREATE SCHEMA api")
        c.execute("CREATE TABLE api.t (id int PRIMARY KEY, v text)")
        c.execute("INSERT INTO api.t SELECT i, 'v' || i FROM generate_series(1, 50) i")
        c.execute("GRANT ALL ON SCHEMA api TO app_trust; GRANT ALL ON api.t TO app_trust")
    g = Gateway(pg, {"app": pg.conninfo("app_trust")}, extra={"hold": {"wait": "0s"}})
    with running(g, "alice"):
        yield Site(g)
    with pg.admin() as c:
        c.execute("DROP SCHEMA api CASCADE")


@pytest.fixture(scope="module")
def described(site):
    """(method, path with something in place of its variable, role) of each route."""
    doc = site.ask("GET", "/v1/openapi.json", role=None).json()
    assert doc["openapi"].startswith("3.1")
    return [(method.upper(), path.replace("{id}", "T-01ARZ3NDEKTSV4RRFFQ69G5FAV").replace("{name}", "nobody"),
             operation.get("x-signed", operation["x-role"]))
            for path, methods in doc["paths"].items() for method, operation in methods.items()]


# --- who may ---------------------------------------------------------------------------------


def test_agents_and_strangers_open_nothing(site, described):
    """From the description, which a unit test holds against the table: no new route can be forgotten."""
    guarded = [route for route in described if route[2] != "none"]
    assert len(guarded) >= 18
    bearer = json.loads(site.gateway.cli("agents", "token", "alice", "--json").stdout)["bearer"]  # of the agents' HTTP
    for n, (method, path, _) in enumerate(guarded):
        body = None if method == "GET" else {}
        assert ask(site.gateway, method, path, body).problem() == "AUTH", path
        # From an address of its own: more wrong tokens from one are not looked at (test_guessing_is_slowed).
        for secret, source in ((site.gateway.passwords["alice"], f"127.0.1.{n + 1}"), (bearer, f"127.0.3.{n + 1}")):
            answer = ask(site.gateway, method, path, body, secret, source)
            assert answer.problem() == "AUTH" and answer.status == 401, path
            assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("role,above", [("viewer", ("approver", "admin")), ("approver", ("admin",))])
def test_a_role_opens_no_more_than_it_may(site, described, role, above):
    for method, path, needed in described:
        answer = site.ask(method, path, None if method == "GET" else {}, role=role)
        if needed == "slack":  # no token opens it
            assert answer.problem() == "AUTH", path
        elif needed in above:
            assert answer.status == 403 and answer.problem() == "FORBIDDEN", path
        else:
            assert answer.status not in (401, 403), (path, answer.text)


def test_a_revoked_token_opens_nothing(site):
    token = Operator(site.gateway, "gone", "admin").token
    assert ask(site.gateway, "GET", "/v1/tickets", token=token).status == 200
    site.gateway.cli("operators", "revoke", "gone")
    assert ask(site.gateway, "GET", "/v1/tickets", token=token).problem() == "AUTH"


# --- the frame -------------------------------------------------------------------------------


@pytest.mark.parametrize("method,path,headers,body,status,code", [
    ("GET", "/console/nothing.js", {}, None, 404, "NOT_FOUND"),
    ("GET", "/console/%2e%2e/healthz", {}, None, 404, "NOT_FOUND"),
    ("GET", "/console", {}, None, 404, "NOT_FOUND"),
    ("POST", "/", {}, {}, 405, "METHOD"),
    ("GET", "/v1/tickets/", {}, None, 404, "NOT_FOUND"),
    ("GET", "/v1/tickets/a/b", {}, None, 404, "NOT_FOUND"),
    ("GET", "/v1/tickets/%2e%2e%2fmetrics", {}, None, 404, "NOT_FOUND"),
    ("GET", "/v1/tickets/T-1", {}, None, 404, "NOT_FOUND"),
    ("DELETE", "/v1/tickets", {}, None, 405, "METHOD"),
    ("POST", "/v1/tickets", {}, {}, 405, "METHOD"),
    ("PATCH", "/v1/tickets/T-1/approve", {}, {}, 405, "METHOD"),
    ("GET", "/v1/tickets", {"Accept": "text/html"}, None, 406, "ACCEPT"),
    ("GET", "/metrics", {"Accept": "application/json"}, None, 406, "ACCEPT"),
    ("GET", "/v1/tickets?state=none", {}, None, 400, "USAGE"),
    ("GET", "/v1/tickets?sate=pending", {}, None, 400, "USAGE"),
    ("GET", "/v1/tickets?state=pending&state=denied", {}, None, 400, "USAGE"),
    ("GET", "/v1/tickets?actor=a%00b", {}, None, 400, "USAGE"),
    ("GET", "/v1/tickets/T%00", {}, None, 400, "USAGE"),
    ("GET", "/v1/tickets?actor=%ff", {}, None, 400, "USAGE"),
    ("GET", "/v1/tickets/%ff", {}, None, 400, "USAGE"),
    ("GET", "/v1/tickets?" + "&".join(f"p{i}=1" for i in range(40)), {}, None, 413, "LIMIT"),
    ("GET", "/v1/tickets?limit=0", {}, None, 400, "USAGE"),
    ("GET", "/v1/tickets?cursor=xyz", {}, None, 400, "USAGE"),
    ("POST", "/v1/tickets/T-1/approve", {"Content-Type": "text/plain"}, '{"reason": "x"}', 415, "MEDIA"),
    ("POST", "/v1/tickets/T-1/approve", {"Content-Type": "application/x-www-form-urlencoded"}, "a=b", 415, "MEDIA"),
    ("POST", "/v1/tickets/T-1/approve", {}, {"raeson": "x"}, 422, "DATA"),
    ("POST", "/v1/tickets/T-1/approve", {}, {"reason": 1}, 422, "DATA"),
    ("POST", "/v1/tickets/T-1/approve", {}, [], 422, "DATA"),
    ("POST", "/v1/tickets/T-1/approve", {"Content-Type": "application/json"}, "{", 422, "DATA"),
    ("POST", "/v1/tickets/T-1/approve", {"Content-Type": "application/json"}, b'{"reason": "\xff"}', 422, "DATA"),
    ("POST", "/v1/tickets/T-1/approve", {"Idempotency-Key": "a b"}, {}, 400, "USAGE"),
    ("POST", "/v1/tickets/T-1/approve", {}, {}, 404, "NOT_FOUND"),
    ("POST", "/v1/tickets/T-1/comment", {}, {"text": "x"}, 404, "NOT_FOUND"),
    ("POST", "/v1/tickets/T-1/comment", {}, None, 422, "DATA"),
    ("POST", "/v1/tickets/T-1/comment", {}, {"reason": "x"}, 422, "DATA"),
    ("POST", "/v1/tickets/T-1/approve", {}, {"reason": "x" * (1 << 20)}, 413, "LIMIT"),
])
def test_every_error_is_a_problem(site, method, path, headers, body, status, code):
    answer = site.ask(method, path, body, **{k.replace("-", "_"): v for k, v in headers.items()})
    assert (answer.status, answer.problem()) == (status, code), answer.text


def test_a_body_of_unknown_length_has_a_limit(site):
    c = http.client.HTTPConnection("127.0.0.1", site.gateway.operators_port, timeout=20)
    c.request("POST", "/v1/tickets/T-1/deny", body=(b"x" * 65536 for _ in range(20)), encode_chunked=True,
              headers={"Transfer-Encoding": "chunked", "Content-Type": "application/json",
                       "Authorization": "Bearer " + site.tokens["approver"]})
    answer = Answer(c.getresponse())
    assert (answer.status, answer.problem()) == (413, "LIMIT")
    c.close()


def test_fields_have_a_limit(site):
    assert site.ask("GET", "/v1/tickets", X_Long="x" * 40000).status == 431


@pytest.mark.parametrize("path,role", [("/healthz", None), ("/metrics", None), ("/v1/tickets", "viewer"),
                                       ("/nothing", None), ("/v1/openapi.json", None)])
def test_every_answer_is_safe_in_a_browser(site, path, role):
    answer = site.ask("GET", path, role=role, Origin="https://evil.example")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    assert "Server" not in answer.headers and "Set-Cookie" not in answer.headers


def test_methods_are_told(site):
    answer = site.ask("OPTIONS", "/v1/tickets", role=None, Origin="https://evil.example",
                      Access_Control_Request_Method="POST")
    assert (answer.status, answer.headers["Allow"], answer.text) == (204, "GET, HEAD, OPTIONS", "")
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    assert site.ask("OPTIONS", "/v1/tickets/x/deny", role=None).headers["Allow"] == "POST, OPTIONS"
    assert site.ask("DELETE", "/v1/tickets/x", role=None).headers["Allow"] == "GET, HEAD, OPTIONS"
    assert site.ask("OPTIONS", "/nothing", role=None).status == 404


def test_head_is_get_without_the_body(site):
    whole = site.ask("GET", "/v1/tickets?state=denied")
    head = site.ask("HEAD", "/v1/tickets?state=denied")
    assert (head.status, head.text) == (200, "")
    assert head.headers["Content-Length"] == str(len(whole.text.encode()))
    assert head.headers["ETag"] == whole.headers["ETag"]
    assert ask(site.gateway, "HEAD", "/v1/tickets").status == 401


# --- conditions, pages, keys -----------------------------------------------------------------


def test_what_is_not_modified_is_not_sent_again(site):
    ticket = site.held("DELETE FROM api.t WHERE id = 1")
    path = f"/v1/tickets/{ticket}"
    for where in (path, "/v1/tickets?state=pending"):
        first = site.ask("GET", where)
        again = site.ask("GET", where, If_None_Match='"other", ' + first.headers["ETag"])
        assert (again.status, again.text) == (304, "") and again.headers["ETag"] == first.headers["ETag"]
        assert site.ask("GET", where, If_None_Match='"other"').status == 200
    seen = site.ask("GET", path).headers["ETag"]
    assert site.held("DELETE FROM api.t WHERE id = 1") == ticket
    assert site.ask("GET", path, If_None_Match=seen).json()["asked"] == 2
    assert site.ask("POST", path + "/deny", {}).status == 200
    assert site.ask("GET", path, If_None_Match=seen).json()["state"] == "denied"


def test_a_decision_is_about_what_was_seen(site):
    ticket = site.held("DELETE FROM api.t WHERE id = 2")
    path = f"/v1/tickets/{ticket}"
    seen = site.ask("GET", path).headers["ETag"]
    assert site.held("DELETE FROM api.t WHERE id = 2") == ticket, "asked again: no reason to look again"
    assert site.ask("POST", path + "/approve", {}, If_Match='"7.1"').problem() == "CHANGED"
    assert site.ask("GET", path).json()["state"] == "pending"
    assert site.ask("POST", path + "/approve", {}, If_Match=seen).status == 200
    answer = site.ask("POST", path + "/deny", {}, If_Match=seen)
    assert (answer.status, answer.problem()) == (412, "CHANGED")


def test_a_comment_is_seen_before_a_decision(site):
    ticket = site.held("DELETE FROM api.t WHERE id = 9")
    path = f"/v1/tickets/{ticket}"
    seen = site.ask("GET", path).headers["ETag"]
    said = site.ask("POST", path + "/comment", {"text": "not before noon"}, Idempotency_Key="said-once")
    assert site.ask("POST", path + "/comment", {"text": "not before noon"}, Idempotency_Key="said-once").status == 200
    shown = site.ask("GET", path, If_None_Match=seen)
    assert [c["text"] for c in shown.json()["comments"]] == ["not before noon"]
    assert said.headers["ETag"] == shown.headers["ETag"] != seen
    assert site.ask("POST", path + "/approve", {}, If_Match=seen).problem() == "CHANGED"
    assert site.ask("POST", path + "/approve", {}, If_Match=shown.headers["ETag"]).status == 200


def test_pages_show_each_ticket_once(site):
    for n in range(10, 17):
        site.held(f"DELETE FROM api.t WHERE id = {n}")
    every = [t["id"] for t in site.ask("GET", "/v1/tickets?limit=1000").json()["tickets"]]
    seen, path = [], "/v1/tickets?limit=2"
    while True:
        answer = site.ask("GET", path).json()
        assert len(answer["tickets"]) <= 2
        seen += [t["id"] for t in answer["tickets"]]
        if "next" not in answer:
            break
        site.held(f"DELETE FROM api.t WHERE id = {20 + len(seen)}")  # newer ones move no page
        path = "/v1/tickets?limit=2&cursor=" + answer["next"]
    assert seen == every


def test_the_command_line_shows_all_pages(site):
    site.held("DELETE FROM api.t WHERE id = 4")
    every = site.ask("GET", "/v1/tickets?limit=1000").json()["tickets"]
    out = subprocess.run([binary(), "approvals", "list", "--state", "all", "--json"], check=True, timeout=20,
                         capture_output=True, text=True,
                         env={**site.gateway.env, "BACKSTOP_TOKEN": site.tokens["viewer"], "BACKSTOP_SERVER":
                              f"http://127.0.0.1:{site.gateway.operators_port}"}).stdout
    assert [t["id"] for t in json.loads(out)["tickets"]] == [t["id"] for t in every]


def test_a_key_does_it_once(site):
    ticket = site.held("DELETE FROM api.t WHERE id = 3")
    path, key = f"/v1/tickets/{ticket}/approve", {"Idempotency_Key": "k-1"}
    first = site.ask("POST", path, {"reason": "fine"}, **key)
    again = site.ask("POST", path, {"reason": "fine"}, **key)
    assert first.status == again.status == 200 and first.text == again.text
    assert again.headers["Idempotency-Replayed"] == "true" and "Idempotency-Replayed" not in first.headers
    other = site.ask("POST", path, {"reason": "other"}, **key)
    assert (other.status, other.problem()) == (422, "DATA")
    assert site.ask("POST", path, {"reason": "fine"}, role="admin", **key).status == 409, "another's key is another"
    assert site.ask("POST", path, {"reason": "fine"}).status == 409
    missing = site.ask("POST", "/v1/tickets/T-1/deny", {}, Idempotency_Key="k-2")
    again = site.ask("POST", "/v1/tickets/T-1/deny", {}, Idempotency_Key="k-2")
    assert missing.status == again.status == 404 and missing.text == again.text
    assert again.headers["Content-Type"] == PROBLEM


# --- limits, and the end ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def narrow(pg):
    g = Gateway(pg, {"app": pg.conninfo("app_trust")})
    text = json.loads(g.config.read_text())
    text["operators"]["requests"] = 5
    g.config.write_text(json.dumps(text))
    with running(g, "alice"):
        yield g


def test_guessing_is_slowed_and_operators_are_not(narrow):
    kim, late = Operator(narrow, "kim").token, Operator(narrow, "late").token
    assert ask(narrow, "GET", "/v1/evasion", token=kim).status == 200
    guesses = [ask(narrow, "GET", "/v1/evasion", token=f"bso_{n}") for n in range(15)]
    assert [a.status for a in guesses] == [401] * 10 + [429] * 5
    assert guesses[-1].problem() == "TOO_OFTEN" and 1 <= int(guesses[-1].headers["Retry-After"]) <= 6
    assert ask(narrow, "GET", "/v1/evasion", token=kim).status == 200, "who is at work stays at work"
    assert ask(narrow, "GET", "/v1/evasion", token=late).status == 429, "a right guess is not looked at"
    time.sleep(6.2)
    assert ask(narrow, "GET", "/v1/evasion", token=late).status == 200
    assert "bso_" not in narrow.log()


def test_one_who_asks_too_often_waits(narrow):
    tokens = [Operator(narrow, name).token for name in ("fast", "calm")]
    wait_until(lambda: ask(narrow, "GET", "/v1/evasion", token=tokens[1]).status == 200)
    answers = [ask(narrow, "GET", "/v1/evasion", token=tokens[0]) for _ in range(60)]
    late = [a for a in answers if a.status != 200]
    assert late and {a.status for a in late} == {429} and answers[0].status == 200
    assert late[0].headers["Retry-After"] == "1"
    assert ask(narrow, "GET", "/v1/evasion", token=tokens[1]).status == 200, "others are not slowed"
    time.sleep(1.1)
    assert ask(narrow, "GET", "/v1/evasion", token=tokens[0]).status == 200


def test_a_stop_lets_what_is_asked_be_answered(pg):
    g = Gateway(pg, {"app": pg.conninfo("app_trust")})
    with running(g, "alice"):
        token = Operator(g).token
        with socket.create_connection(("127.0.0.1", g.operators_port)) as s:
            s.settimeout(10)
            head = (f"POST /v1/tickets/T-1/deny HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                    "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n")
            s.sendall(head.encode() + b"{")
            time.sleep(0.3)
            stopping = threading.Thread(target=g.stop, args=(signal.SIGTERM,))
            stopping.start()
            wait_until(lambda: "stopping" in g.log())
            time.sleep(0.5)
            with pytest.raises(OSError):
                socket.create_connection(("127.0.0.1", g.operators_port), timeout=1).close()
            s.sendall(b"}")
            assert s.recv(4096).startswith(b"HTTP/1.1 404 ")
        stopping.join()
