"""The clients that people use, each in its own language: everything works as it does past the gateway.

All log in with SCRAM inside TLS and verify the certificate. What each was seen to do is the table in
docs/clients.md: script/clients writes it, and the last test here compares it.
"""

import json
import os
import subprocess
import urllib.parse

import pytest

from clients import languages, table
from conftest import PASSWORD, ROOT, Gateway, make_certificate, running
from operator_side import Operator

DOCUMENT = ROOT / "docs" / "clients.md"
RULES = [{"name": "work", "risk": ["SAFE", "HIGH"], "action": "allow",
          "kinds": ["INSERT", "COPY FROM STDIN", "SELECT", "NOTIFY"]}]
SCHEMA = """
DROP SCHEMA IF EXISTS club CASCADE;
CREATE SCHEMA club AUTHORIZATION app_scram;
SET ROLE app_scram;
CREATE TABLE club.types (id int PRIMARY KEY, big bigint, word text, bytes bytea);
CREATE TABLE club.inbox (n int, word text);
CREATE TABLE club.held (id int PRIMARY KEY, times int NOT NULL DEFAULT 0);
INSERT INTO club.types SELECT n, n * 1000000000000, 'wörd ' || n, decode(md5(n::text), 'hex')
  FROM generate_series(1, 50) n;
RESET ROLE;
"""
FRESH = """
TRUNCATE club.inbox, club.held;
INSERT INTO club.held SELECT generate_series(1, 10);
"""
ONCE, NEVER = [1, 1, 1] + [0] * 7, [0] * 10


class Club:
    def __init__(self, pg, gateway, other):
        self.pg, self.gateway, self.other = pg, gateway, other
        self.operator = Operator(gateway)

    def url(self, client, way):
        """For a client; through the gateway each is an agent of its own."""
        if way == "direct":
            user, password, port, ca = "app_scram", PASSWORD, self.pg.port, self.pg.certificate
        else:
            user, port, ca = client.agent, self.gateway.port, self.gateway.certificate
            password = self.gateway.passwords.get(user) or self.gateway.add_agent(user)
        quote = urllib.parse.quote
        return (f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{port}/app"
                f"?sslmode=verify-full&sslrootcert={quote(str(ca), safe='')}")

    def run(self, client, way):
        """Its version, and what it printed about each item; whatever it asks for is approved."""
        with self.pg.admin() as c:
            c.execute(FRESH)
        process = subprocess.Popen(
            [*client.command(), client.name, self.url(client, way), str(self.other), way], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env(), cwd=client.folder())
        seen, about = {}, {}
        try:
            for line in process.stdout:
                said = json.loads(line)
                if "held" in said:
                    self.approve(client, said["held"])
                    print("approved", file=process.stdin, flush=True)
                elif "item" in said:
                    seen[said["item"]] = said
                else:
                    about = said
            error = process.stderr.read()
        finally:
            process.kill()
            process.communicate()
        assert list(seen) == list(table.ITEMS), f"{sorted(seen)}\n{error}"
        failed = [f"{item}: {s['why']}" for item, s in seen.items() if s["result"] == "failed"]
        assert failed == [], f"{way}: " + "\n".join(failed)
        with self.pg.admin() as c:
            times = [n for n, in c.execute("SELECT times FROM club.held ORDER BY id")]
        assert times == (ONCE if "club.held" in client.held and seen["held"]["result"] == "passed" else NEVER), times
        return about["version"], seen

    def env(self):
        return {**os.environ, "PATH": f"{self.pg.bin}:{os.environ['PATH']}"}

    def approve(self, client, error):
        """The error has every field, and its ticket is this statement."""
        assert error["sqlstate"] == "ZB001" and error["message"], error
        detail = json.loads(error["detail"])
        status, ticket = self.operator.ask("GET", f"/v1/tickets/{detail['ticket']}")
        assert status == 200 and ticket["state"] == detail["state"] == "pending", (detail, ticket)
        assert ticket["actor"] == client.agent, ticket
        assert client.held.lower() in ticket["sql"].replace('"', "").lower(), ticket
        self.operator.decide(detail["ticket"], "approve")


@pytest.fixture(scope="module")
def club(pg, tmp_path_factory, request):
    wanted = [i.callspec.params["client"].language for i in request.session.items if "club" in i.fixturenames]
    for language in set(wanted):
        language.prepare_ahead()
    with pg.admin() as c:
        c.execute(SCHEMA)
    other, _ = make_certificate(tmp_path_factory.mktemp("other"))
    upstream = pg.conninfo("app_scram", "tcp", password=PASSWORD, sslmode="require")
    gateway = Gateway(pg, {"app": upstream}, policy={"rules": RULES}, extra={"hold": {"wait": "0s"}})
    with running(gateway):
        yield Club(pg, gateway, other)


SEEN = {}  # of this run: {client: table.Row}


@pytest.mark.parametrize("client", languages.CLIENTS, ids=lambda c: c.name)
def test_client(club, client):
    """Every item, past the gateway and through it."""
    missing = client.prepare()
    if missing:
        SEEN[client.name] = table.Row(client.name, not_run=missing)
        pytest.skip(f"not run: {missing}")
    version, direct = club.run(client, "direct")
    _, through = club.run(client, "gateway")
    assert through == direct
    SEEN[client.name] = table.Row(
        client.name, version, {i: s["result"] for i, s in through.items()},
        {i: s["why"] for i, s in through.items() if s["result"] == "not offered"})


def test_the_document_says_what_was_seen(pg):
    """Of all clients; script/clients writes it. What could not be run here is not compared."""
    if pg.major != "15":
        pytest.skip("the document speaks of the programs of PostgreSQL 15")
    if set(SEEN) != {c.name for c in languages.CLIENTS}:
        pytest.skip("a part only, or something failed")
    document = DOCUMENT.read_text()
    rows = [SEEN[c.name] for c in languages.CLIENTS]
    if os.environ.get("BACKSTOP_CLIENTS_WRITE"):
        DOCUMENT.write_text(table.replaced(document, rows))
        return
    for row in rows:
        if not row.not_run:
            assert row.line() in document and row.reasons() in document, "run script/clients"
    if not any(row.not_run for row in rows):
        assert table.replaced(document, rows) == document, "run script/clients"
