"""What agents are told: that something is refused and what is next; never which rule, nor how to say it otherwise.

Two ways to it. Every text that the sources can send is read: what follows the calls that refuse, the words of the MCP
server, llms.txt and the skill. And a gateway is made to refuse in every way; then agents that do what the texts say,
to the letter, get nothing through that nobody has approved.
"""

import contextlib
import json
import re
import socket

import psycopg
import pytest

from conftest import ROOT, Gateway, running
from operator_side import Operator
from rawwire import Raw, query, report

# --- the rule ------------------------------------------------------------------------------------

# Which rule it was, where rules are, where operators listen.
RULE = re.compile(r"\brules?\b|\bpolic(y|ies)\b|\.ya?ml\b|\b(recovery|hold|impact|evasion|clients|databases)\.(?!md\b)[a-z_]+|"
                  r"\block.budget|/v1/|\b6580\b|BACKSTOP_TOKEN|\bthreshold|\bmax_rows\b|protected (table|column)", re.I)
# How the same could be had in other words.
OTHERWISE = re.compile(r"\bfewer\b|\bsmaller\b|\binstead\b|one by one|(rows|tables) at a time|\bsplit|in parts|\bchunk|\bbatch|"
                       r"\brephrase|\breword|\brewrite|work ?around|\bbypass|without (asking|approval)|"
                       r"\b(add|with|without) (a )?(WHERE|LIMIT|filter)\b|not (be )?held", re.I)
# About the form of messages, or about reading; test_an_agent_that_does_as_it_is_told follows them, and nothing passes by it.
FORM = {
    "Call the function in a SELECT instead.",               # fast-path calls: judged as any SELECT
    "Send BEGIN instead.",                                  # of COMMIT AND CHAIN
    "Ask for fewer rows, or for a count of them.",          # of a result that is too long to be sent
    "From an earlier answer: the rows after it, of the same snapshot. Instead of sql",
    "Send one of them",
}


def wrong(text, allowed=()):
    if text in FORM or text in allowed:
        return []
    return [m[0] for m in (*RULE.finditer(text), *OTHERWISE.finditer(text))]


# --- what the sources can say --------------------------------------------------------------------

CALLS = re.compile(r"\b(bs_refusal_new|refuse_with|bs_gate_fail_as|bs_gate_fail|bs_verdict_refuse|bs_session_fail|"
                   r"bs_session_refuse|bs_msg_put_error|bs_report\)|v->hint =|_hint\[\] =|_message\[\] =|as_select\[\] =)"
                   r"(.*?);", re.DOTALL)
LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"')


def literals(text):
    """Of C, those that stand beside each other as one."""
    joined = re.sub(r'"\s*\n?\s*"', "", text)
    return [m[1].replace('\\"', '"') for m in LITERAL.finditer(joined) if len(m[1]) > 8]


def texts_of_the_gateway():
    for path in sorted((ROOT / "src" / "gateway").glob("*.c")):
        code = path.read_text()
        # The words about pauses stand in tables.
        calls = [re.sub(r"^#include.*$", "", code, flags=re.M)] if path.name == "paused.c" else [c[2] for c in CALLS.finditer(code)]
        for call in calls:
            for text in literals(call):
                yield f"{path.name}: {text}", text


def strings(value):
    if isinstance(value, dict):
        for name, one in value.items():
            if name in ("description", "title", "text"):
                yield one
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)


def texts_of_mcp():
    for name in ("tools.json", "prompts.json"):
        for text in strings(json.loads((ROOT / "src" / "mcp" / name).read_text())):
            if isinstance(text, str):
                yield f"{name}: {text[:60]}", text
    for path in sorted((ROOT / "src" / "mcp").glob("*.c")):
        if path.name.startswith("http"):
            continue  # of the transport: status lines, metadata
        code = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        for text in literals(code):
            if " " in text and not text.startswith(("SELECT", " ", "WITH")) and "pg_catalog" not in text:
                yield f"{path.name}: {text[:60]}", text


def test_no_text_of_the_gateway_names_a_rule():
    found = list(texts_of_the_gateway())
    assert len(found) > 120, "the calls have other names now"
    assert [where for where, text in found if wrong(text)] == []


def test_no_text_of_the_mcp_server_names_a_rule():
    found = list(texts_of_mcp())
    assert len(found) > 100
    assert {where: wrong(text) for where, text in found if wrong(text)} == {}


PAGES = ["llms.txt", "skills/backstop/SKILL.md"]


@pytest.mark.parametrize("page", PAGES)
def test_what_agents_read_ahead(page):
    text = (ROOT / page).read_text()
    assert [found for line in text.splitlines() for found in wrong(line)] == []
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert target.startswith("https:") or (ROOT / page).parent.joinpath(target).exists(), target


def test_the_skill_has_its_head():
    """As the format of agent skills wants it."""
    head = (ROOT / "skills" / "backstop" / "SKILL.md").read_text().split("---\n")[1]
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    assert set(fields) <= {"name", "description", "license"} and fields["name"] == "backstop"
    assert 0 < len(fields["description"]) <= 1024


# --- what it does say ----------------------------------------------------------------------------

SCHEMA = """
DROP SCHEMA IF EXISTS wording CASCADE;
CREATE SCHEMA wording AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE wording.t (id int PRIMARY KEY, v text);
CREATE TABLE wording.gone (id int PRIMARY KEY);
INSERT INTO wording.t SELECT n, 'v' || n FROM generate_series(1, 20) n;
INSERT INTO wording.gone SELECT generate_series(1, 20);
CREATE FUNCTION wording.wipe() RETURNS int LANGUAGE plpgsql AS
  $$BEGIN EXECUTE 'TRUN' || 'CATE wording.gone'; RETURN 1; END$$;
RESET ROLE;
"""
SECRET = "zebra-crossing"  # the name of each rule
RULES = [{"name": f"{SECRET} additive", "actors": ["agent-*"], "risk": ["SAFE", "HIGH"], "kinds": ["INSERT"], "action": "allow"},
         {"name": f"{SECRET} blocks", "kinds": ["DROP SCHEMA"], "action": "block"},
         {"name": f"{SECRET} rows", "kinds": ["UPDATE"], "max_rows": 3, "risk": ["HIGH"], "action": "allow",
          "actors": ["sized"]}]

DELETE, TRUNCATE, DROP = "DELETE FROM wording.t WHERE id < 5", "TRUNCATE wording.t", "DROP TABLE wording.gone"
# Each is refused or held when nobody has approved it, whoever asks.
STATEMENTS = {
    "held": [DELETE], "held, all rows": [TRUNCATE], "held, an object": [DROP], "held, a block": ["DO $$BEGIN DELETE FROM wording.t; END$$"],
    "held, a function": ["SELECT wording.wipe()"], "held, in a transaction": ["BEGIN", "SELECT count(*) FROM wording.t", DELETE],
    "held, a role": ["SET ROLE backstop"], "held, a setting": ["SET session_replication_role = replica"],
    "held, privileges": ["GRANT ALL ON wording.t TO PUBLIC"], "held, more rows than allowed": ["UPDATE wording.t SET v = 'x'"],
    "blocked": ["DROP SCHEMA wording CASCADE"], "blocked, a database": ["DROP DATABASE app"],
    "no point": ["DROP SUBSCRIPTION nothing"], "mixed": [f"{DELETE}; COMMIT; {TRUNCATE}"], "mixed, a savepoint": [f"SAVEPOINT s; {DELETE}"],
    "unknown table": ["DELETE FROM wording.nobody"], "unknown function": ["SELECT wording.nobody()"], "not parsable": ["DELETE FORM wording.t"],
    "newer grammar": ["DELETE FROM wording.t WHERE id < 5 RETURNING WITH (OLD AS o) o.id"], "a pinned setting": ["SET standard_conforming_strings = off"],
    "read write": ["BEGIN READ WRITE", DELETE], "read write, later": ["BEGIN", "SET TRANSACTION READ WRITE"],
    "execute": ["PREPARE p AS SELECT $1::int", "EXECUTE p((SELECT 1))"], "copy in": ["COPY wording.t FROM PROGRAM 'cat'"],
    "no ticket": ['SHOW backstop.ticket."T-01KB3ZJ5W8Q2M4R6T8V0X2Z4B6"'], "the door, mixed": ["SHOW backstop.status; SELECT 1"],
    "long": ["SELECT g FROM generate_series(1, 1000) g"],
}
# Of agents that may add nothing either: their sessions are READ ONLY.
READERS = {**STATEMENTS, "and chain": ["BEGIN", "COMMIT AND CHAIN"], "an INSERT": ["INSERT INTO wording.t VALUES (99, 'x')"]}
ASKED = [("agent", what, texts) for what, texts in STATEMENTS.items()] + [("reader", *item) for item in READERS.items()]
each = pytest.mark.parametrize("kind, what, texts", ASKED, ids=[f"{kind}: {what}" for kind, what, _ in ASKED])
# Of these the rows are untouched whatever the texts advise.
BEFORE = "SELECT (SELECT count(*) FROM wording.t), (SELECT count(*) FROM wording.gone), (SELECT string_agg(v, ',' ORDER BY id) FROM wording.t)"


class Ground:
    def __init__(self, pg, gateway, operator):
        self.pg, self.gateway, self.operator = pg, gateway, operator
        self.n, self.said = 0, []

    def agent(self, kind="agent"):
        self.n += 1
        self.gateway.add_agent(f"{kind}-{self.n}")
        return f"{kind}-{self.n}"

    @contextlib.contextmanager
    def connect(self, agent, **more):
        with self.gateway.connect(agent, autocommit=True, prepare_threshold=None, cursor_factory=psycopg.ClientCursor, **more) as c:
            c.add_notice_handler(self.heard)
            yield c

    def heard(self, diag):
        self.said += [t for t in (diag.message_primary, diag.message_detail, diag.message_hint) if t]

    def ask(self, connection, sql):
        """What is refused, or None; everything that is said is kept."""
        try:
            cursor = connection.execute(sql)
            if "backstop" in sql.lower() and cursor.description:
                self.said += [str(column) for row in cursor.fetchall() for column in row]
        except psycopg.Error as error:
            if error.sqlstate is None:
                self.said.append(str(error))
                return error
            self.heard(error.diag)
            return error
        return None

    def rows(self):
        with self.pg.admin() as c:
            return c.execute(BEFORE).fetchone()


@contextlib.contextmanager
def ground(pg, operator=True, **more):
    with pg.admin() as c:
        c.execute(SCHEMA)
    gateway = Gateway(pg, tls=False, policy={"evasion": {"limit": 1000}, "result_rows": 500, "rules": RULES},
                      extra={"hold": {"wait": "0s"}, **more})
    found = Operator(gateway) if operator else None
    with running(gateway) as gateway:
        yield Ground(pg, gateway, found)


@pytest.fixture(scope="module")
def place(pg):
    with ground(pg) as place:
        yield place


def secrets(place):
    return [SECRET, str(place.gateway.config), str(place.gateway.folder), str(place.gateway.operators_port)]


def clean(place):
    """Nothing that was said breaks the rule; what was said is forgotten."""
    said, place.said = set(place.said), []
    assert said, "nothing was said"
    for text in said:
        assert wrong(text) == [], text
        assert not [s for s in secrets(place) if s in text], text
    return said


@each
def test_what_is_refused(place, kind, what, texts):
    with place.connect(place.agent(kind)) as c:
        refused = [place.ask(c, sql) for sql in texts]
    assert any(refused), "it ran"
    clean(place)


@pytest.mark.parametrize("verdict", ["deny", "approve"])
def test_what_is_decided(place, verdict):
    """Denied; or approved, and not to be covered (ZB005)."""
    with place.connect(place.agent()) as c:
        held = place.ask(c, "SELECT wording.wipe()")
        place.operator.decide(json.loads(held.diag.message_detail)["ticket"], verdict, f"see {SECRET[:5]}")
        again = place.ask(c, "SELECT wording.wipe()")
        ticket = json.loads(held.diag.message_detail)["ticket"]
        place.ask(c, f'SHOW backstop.ticket."{ticket}"')
    assert again.sqlstate == ("ZB005" if verdict == "approve" else "ZB001")
    clean(place)


def test_what_the_gateway_answers_itself(place):
    """Also of what is blocked, and of what cannot be given back: an outcome, and no rule."""
    with place.connect(place.agent(), options="-c backstop.wait=0") as c:
        asked = ["SHOW backstop.status", "SHOW backstop.tickets", "SHOW backstop.points",
                 *(f"EXPLAIN (BACKSTOP) {sql}" for sql in (TRUNCATE, DELETE, DROP, "DROP SCHEMA wording CASCADE",
                                                           "SELECT wording.wipe()", "DROP DATABASE app", "SELECT 1"))]
        refused = [place.ask(c, sql) for sql in asked]
    assert refused == [None] * len(asked)
    said = clean(place)
    assert {json.loads(text).get("outcome") for text in said} >= {"asks", "refused", "runs"}


def test_what_pauses(place):
    agent = place.agent()
    with place.connect(agent) as c:
        body = {"scope": "actor", "name": agent, "reason": f"because of {SECRET}"}
        assert place.operator.ask("POST", "/v1/pauses", body)[0] == 200
        error = place.ask(c, DELETE)
    assert error.sqlstate == "ZB006"
    clean(place)


def test_nobody_to_ask(pg):
    with ground(pg, operator=False) as place:
        with place.connect(place.agent()) as c:
            assert place.ask(c, DELETE).sqlstate == "42501"
        clean(place)


def test_no_point_without_a_store(pg):
    """The storage is a file: nothing can be stored there."""
    with ground(pg) as place:
        with place.connect(place.agent()) as c:
            held = place.ask(c, DROP)
            place.operator.decide(json.loads(held.diag.message_detail)["ticket"], "approve")
            folder = place.gateway.folder / "points"
            for path in folder.iterdir():
                path.rename(place.gateway.folder / f"was-{path.name}")
            folder.rmdir()
            folder.write_text("")
            assert place.ask(c, DROP).sqlstate == "ZB004"
            folder.unlink()
            folder.mkdir()
        clean(place)


@pytest.mark.parametrize("more", [{"password": "wrong"}, {"dbname": "nowhere"}, {"options": "-c search_path=wording"},
                                  {"options": "-c backstop.wait=soon"}, {"options": "-c default_transaction_read_only=off"},
                                  {"replication": "database"}])
def test_what_is_told_at_the_login(place, more):
    with pytest.raises(psycopg.Error) as caught, place.connect(place.agent(), **more) as c:
        c.execute("SELECT 1")
    text = re.sub(r'^.*?(FATAL|ERROR):', "", str(caught.value), flags=re.DOTALL)
    assert wrong(text) == [] and not [s for s in secrets(place) if s in text], text


def test_a_function_call_is_told_so(place):
    agent = place.agent()
    with Raw(place.gateway.port, timeout=30) as r:
        r.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        r.login(agent, place.gateway.passwords[agent])
        r.send(query(f"{DELETE}; SELECT 1; COMMIT"))
        said = report(dict(r.until(b"Z"))[b"E"])
    assert said["C"] == "0A000"
    assert [wrong(said.get(field, "")) for field in "MDH"] == [[], [], []]


# --- agents that do as they are told -------------------------------------------------------------

ROUNDS = 6


def advice(error, sql):
    """What the texts say is next: texts to send, or None to stop. Of several things that could be meant, all."""
    detail = error.diag.message_detail or ""
    told = json.loads(detail) if detail.startswith("{") else {}
    hint = error.diag.message_hint or ""
    if told.get("retry") == "never" or re.search(r"\bStop\b|Do not (ask|try)|Tell (the|whoever)|Ask whoever", hint):
        return None
    if told.get("ticket"):
        return [f'SHOW backstop.wait."{told["ticket"]}"', sql]
    if re.search(r"separately|of its own|in a pipeline|Send BEGIN|the statement itself", hint):
        return [part.strip() for part in sql.split(";") if part.strip()]
    if "again" in hint:
        return [sql]
    return None


def follow(place, connection, sql):
    """To the letter, and again after each refusal."""
    todo = [sql]
    for _ in range(ROUNDS):
        coming = []
        for text in todo:
            error = place.ask(connection, text)
            if error is None or connection.closed:
                continue
            coming += advice(error, text) or []
            if connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR:
                connection.execute("ROLLBACK")
        todo = coming
        if not todo:
            return


@each
def test_an_agent_that_does_as_it_is_told(place, kind, what, texts):
    """Nobody approves, so nothing that was held or refused has happened."""
    before, tickets = place.rows(), place.operator.tickets("done")
    with place.connect(place.agent(kind)) as c:
        for sql in texts:
            follow(place, c, sql)
    assert place.rows() == before
    assert place.operator.tickets("done") == tickets
    clean(place)
