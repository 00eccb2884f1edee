"""Who an actor is: where it may come from, its role, and what ends it - in sessions that are open, too."""

import contextlib
import json
import sqlite3
import subprocess
import threading
import time

import psycopg
import pytest

from conftest import PASSWORD, Gateway, binary, running, wait_until
from operator_side import Operator
from rawwire import Raw, startup

WRONG = "password authentication failed"


@pytest.fixture(scope="module")
def gw(pg):
    upstream = pg.conninfo("app_trust")
    with running(Gateway(pg, {"app": upstream, "other": upstream}, extra={"hold": {"wait": "0s"}}), "alice") as g:
        g.cli("operators", "add", "kim")
        yield g


def add(gw, name, *args):
    out = json.loads(gw.cli("agents", "add", name, "--database", "app", "--json", *args).stdout)
    gw.passwords[name] = out["password"]
    return out


def records(gw, **want):
    lines = gw.cli("audit", "tail", "-n", "100000", "--json").stdout.splitlines()
    return [r for r in map(json.loads, lines) if all(r.get(k) == v for k, v in want.items())]


def refused(gw, name, **more):
    with pytest.raises(psycopg.OperationalError) as e:
        gw.connect(name, sslmode="disable", **more)
    return str(e.value)


def agent(gw, name):
    return next(a for a in json.loads(gw.cli("agents", "list", "--json").stdout) if a["name"] == name)


def ended(c, seconds=5):
    """The words with which the gateway ended a session."""
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        try:
            c.execute("SELECT 1")
            c.rollback()
        except psycopg.OperationalError as e:
            assert e.sqlstate == "57P01", e
            return str(e)
        time.sleep(0.05)
    raise AssertionError("the session goes on")


# --- what is known of an actor -----------------------------------------------------------------


def test_an_actor_keeps_what_it_was_given(gw):
    add(gw, "job", "--kind", "app", "--owner", "dora", "--group", "jobs", "--address", "127.0.0.0/8",
        "--address", "local", "--role", "app_clerk")
    got = agent(gw, "job")
    assert {k: got[k] for k in ("kind", "owner", "group", "addresses", "role", "status")} == {
        "kind": "app", "owner": "dora", "group": "jobs", "addresses": ["127.0.0.0/8", "local"],
        "role": "app_clerk", "status": "active"}
    detail = wait_until(lambda: records(gw, action="agent.add", subject="job"))[0]["detail"]
    assert detail["addresses"] == ["127.0.0.0/8", "local"] and detail["kind"] == "app"
    gw.cli("agents", "set", "job", "--kind", "person", "--no-owner", "--any-address", "--no-role")
    got = agent(gw, "job")
    assert (got["kind"], got["owner"], got["addresses"], got["role"], got["group"]) == (
        "person", None, [], None, "jobs")
    changed = wait_until(lambda: records(gw, action="agent.set", subject="job"))[0]["detail"]
    assert changed == {"kind": "person", "owner": None, "addresses": [], "role": None}


@pytest.mark.parametrize("args", [
    ("--kind", "robot"), ("--address", "10.0.0.1/8"), ("--address", "everywhere"), ("--role", ""),
    ("--role", "a", "--no-role"), ("--address", "local", "--any-address"), (), ("--expires", "soon")])
def test_what_cannot_be_is_refused(gw, args):
    out = gw.cli("agents", "set", "alice", *args, check=False)
    assert out.returncode == 64 and out.stderr.startswith("backstop: error: "), out.stderr


# --- where it comes from -----------------------------------------------------------------------


def test_only_from_its_addresses(gw):
    add(gw, "fixed", "--address", "192.0.2.0/24")
    assert WRONG in refused(gw, "fixed")
    gw.cli("agents", "set", "fixed", "--address", "local")
    assert WRONG in refused(gw, "fixed")
    gw.connect("fixed", host=f"{gw.folder}/socket").close()
    gw.cli("agents", "set", "fixed", "--address", "192.0.2.0/24", "--address", "127.0.0.1")
    gw.connect("fixed").close()
    assert WRONG in refused(gw, "fixed", host=f"{gw.folder}/socket")
    why = wait_until(lambda: records(gw, kind="session_open", actor="fixed", outcome="refused"))
    assert {r["text"] for r in why} == {"not from this address"}


def test_a_wrong_address_tells_nothing_of_the_password(gw):
    add(gw, "far", "--address", "192.0.2.0/24")
    right, wrong = refused(gw, "far"), refused(gw, "far", password="wrong")
    assert right == wrong
    assert right == refused(gw, "nobody", password="wrong").replace("nobody", "far")


# --- its role on the server ----------------------------------------------------------------------


def test_a_mapped_role_is_who_the_server_sees(gw):
    add(gw, "clerk", "--role", "app_clerk")
    for name, role in (("clerk", "app_clerk"), ("alice", "app_trust")):
        with gw.connect(name, autocommit=True) as c:
            assert c.execute("SELECT session_user::text, current_user::text").fetchone() == (role, role)
            with pytest.raises(psycopg.Error) as e:
                c.execute("CREATE TABLE public.mine (id int)")
            assert e.value.sqlstate == "ZB001"
        ticket = wait_until(lambda n=name: records(gw, kind="judged", actor=n, decision="approve"))[-1]
        assert ticket["role"] == role


def test_a_mapped_role_has_a_password_of_its_own(pg, tmp_path):
    """Not the one in the connection string, which is another role's."""
    passfile = tmp_path / "pgpass"
    escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    passfile.write_text(f"*:*:*:app_scram:{escaped}\n")
    passfile.chmod(0o600)
    upstream = pg.conninfo("app_pw", password=PASSWORD)
    with running(Gateway(pg, {"app": upstream}, env={"PGPASSFILE": str(passfile)}), "alice") as g:
        add(g, "scram", "--role", "app_scram")
        with g.connect("scram") as c:
            assert c.execute("SELECT session_user::text").fetchone() == ("app_scram",)
        passfile.write_text("")
        with pytest.raises(psycopg.OperationalError, match="cannot be reached now"):
            g.connect("scram")
        g.connect("alice").close()


# --- what ends it --------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [("revoke",), ("disable",), ("set", "--expires", "1ms")], ids=lambda h: h[0])
def test_open_sessions_end(gw, how):
    name = f"ends-{how[0]}"
    add(gw, name)
    with gw.connect(name) as idle, gw.connect("alice") as other:
        gw.cli("agents", how[0], name, *how[1:])
        words = ended(idle)
        assert ("time of this user is over" if how[0] == "set" else "may connect no more") in words
        assert WRONG in refused(gw, name)
        assert other.execute("SELECT 1").fetchone() == (1,)


def test_what_it_runs_is_cancelled_and_rolled_back(gw, pg):
    add(gw, "busy")
    told = []

    def run():
        with gw.connect("busy") as c:
            try:
                c.execute("SELECT pg_sleep(60)")
            except psycopg.Error as e:
                told.append(e.sqlstate)
    thread = threading.Thread(target=run)
    thread.start()

    def runs():
        with pg.admin() as a:
            return a.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'backstop/busy'"
                             " AND state = 'active'").fetchall()
    wait_until(runs)
    gw.cli("agents", "revoke", "busy")
    thread.join(10)
    assert told == ["57P01"]
    wait_until(lambda: not runs())


def test_a_held_statement_ends_with_its_actor(pg):
    with running(Gateway(pg, extra={"hold": {"wait": "60s"}}), "alice") as g:
        g.cli("operators", "add", "kim")
        told = []

        def run():
            with g.connect("alice", autocommit=True) as c:
                try:
                    c.execute("CREATE TABLE public.held (id int)")
                except psycopg.Error as e:
                    told.append(e.sqlstate)
        thread = threading.Thread(target=run)
        thread.start()
        wait_until(lambda: records(g, kind="judged", actor="alice", decision="approve"))
        g.cli("agents", "disable", "alice")
        thread.join(10)
        assert told == ["57P01"]
        g.cli("agents", "enable", "alice")
        g.connect("alice").close()


def test_a_disabled_actor_comes_back_with_its_password(gw):
    add(gw, "rests")
    gw.cli("agents", "disable", "rests")
    assert agent(gw, "rests")["status"] == "disabled" and WRONG in refused(gw, "rests")
    assert gw.cli("agents", "disable", "rests", check=False).returncode == 1
    gw.cli("agents", "enable", "rests")
    gw.connect("rests").close()
    assert wait_until(lambda: records(gw, action="agent.enable", subject="rests"))


def test_time_runs_out_in_an_open_session(gw):
    add(gw, "brief", "--expires", "2s")
    with gw.connect("brief") as c:
        assert "time of this user is over" in ended(c)


def test_more_time_counts_for_an_open_session(gw):
    add(gw, "longer", "--expires", "3s")
    with gw.connect("longer") as c:
        gw.cli("agents", "set", "longer", "--no-expiry")
        time.sleep(4.5)
        assert c.execute("SELECT 1").fetchone() == (1,)


def test_a_name_given_again_is_another_actor(gw):
    add(gw, "twice")
    with gw.connect("twice") as old:
        gw.cli("agents", "revoke", "twice")
        add(gw, "twice")
        ended(old)
    gw.connect("twice").close()


@pytest.mark.parametrize("decided", [True, False])
def test_a_name_given_again_gets_no_approval_of_the_one_before(pg, gw, decided):
    with pg.admin() as admin:
        admin.execute("DROP TABLE IF EXISTS inherited; CREATE TABLE inherited AS SELECT 1 AS id;"
                      "ALTER TABLE inherited OWNER TO app_trust")
    operator = Operator(gw, f"lee-{decided}".lower())

    def ask():
        with gw.connect("heir", autocommit=True) as c, pytest.raises(psycopg.Error) as caught:
            c.execute("DELETE FROM inherited")
        assert caught.value.sqlstate == "ZB001"
        return json.loads(caught.value.diag.message_detail)["ticket"]

    add(gw, "heir")
    old = ask()
    if decided:
        operator.decide(old, "approve")
    gw.cli("agents", "revoke", "heir")
    add(gw, "heir")
    new = ask()
    assert new != old
    assert wait_until(lambda: operator.ask("GET", f"/v1/tickets/{old}")[1]["state"] == "expired")
    assert operator.ask("POST", f"/v1/tickets/{old}/approve", {"reason": "late"})[0] == 409
    gw.cli("agents", "revoke", "heir")


# What is done while a login is under way, and how it then ends: the SQLSTATE, or who it is recorded to belong to.
BETWEEN = {
    "revoked": (["revoke", "revoked"], "28P01"),
    "disabled": (["disable", "disabled"], "28P01"),
    "rotated": (["rotate", "rotated"], "28P01"),
    "overlap": (["rotate", "overlap", "--overlap", "1h"], "alice"),
    "moved": (["set", "moved", "--address", "10.0.0.0/8"], "28P01"),
    "elsewhere": (["set", "elsewhere", "--database", "other"], "42501"),
    "certified": (["set", "certified", "--certificate-cn", "job.example"], "28P01"),
    "owned": (["set", "owned", "--owner", "robin"], "robin"),
    "untouched": (["list"], "alice"),
}


def test_what_is_changed_between_the_challenge_and_the_proof_counts(gw):
    """The login was looked up before; its proof is right, and comes too late."""
    with contextlib.ExitStack() as stack:
        under_way = {}
        for name in BETWEEN:
            add(gw, name, "--owner", "alice")
            under_way[name] = r = stack.enter_context(Raw(gw.port))
            r.send(startup(user=name, database="app"))
            wait_until(r.readable)
        for what, _ in BETWEEN.values():
            gw.cli("agents", *what)
        time.sleep(1.5)
        for name, (_, end) in BETWEEN.items():
            kind, body = under_way[name].scram(gw.passwords[name])[-1]
            if end in ("28P01", "42501"):
                assert kind == b"E" and b"C" + end.encode() in body, (name, kind, body)
            else:
                assert kind == b"Z", (name, body)
                opened = wait_until(lambda n=name: records(gw, kind="session_open", actor=n))
                assert [r["owner"] for r in opened] == [end]


# --- two passwords for a while -----------------------------------------------------------------


def rotate(gw, name, *args):
    return json.loads(gw.cli("agents", "rotate", name, "--json", *args).stdout)["password"]


def logins(gw, name):
    return [r["detail"]["login"] for r in records(gw, kind="session_open", actor=name, outcome="done")]


def test_both_passwords_count_during_the_overlap(gw):
    add(gw, "over")
    old = gw.passwords["over"]
    new = rotate(gw, "over", "--overlap", "4s")
    gw.connect("over", password=old).close()
    gw.connect("over", password=new).close()
    assert WRONG in refused(gw, "over", password="neither")
    newest = rotate(gw, "over", "--overlap", "3s")
    assert WRONG in refused(gw, "over", password=old), "two at a time, not three"
    gw.connect("over", password=new).close()
    wait_until(lambda: agent(gw, "over")["old_password_until"] is None)
    assert WRONG in refused(gw, "over", password=new)
    gw.connect("over", password=newest).close()
    assert wait_until(lambda: len(logins(gw, "over")) == 4 and logins(gw, "over")) == [
        "previous password", "password", "previous password", "password"]


def test_without_an_overlap_all_older_ones_end(gw):
    add(gw, "sharp")
    first = gw.passwords["sharp"]
    second = rotate(gw, "sharp", "--overlap", "1h")
    third = rotate(gw, "sharp")
    for password in (first, second):
        assert WRONG in refused(gw, "sharp", password=password)
    gw.connect("sharp", password=third).close()


# --- short-lived ones ----------------------------------------------------------------------------


def token(gw, name, *args):
    return json.loads(gw.cli("agents", "token", name, "--json", *args).stdout)


def test_a_token_logs_in_beside_the_password_and_ends_with_its_sessions(gw):
    add(gw, "run")
    t = token(gw, "run", "--ttl", "3s", "--note", "job 7")
    with gw.connect("run", password=t["password"]) as c, gw.connect("run") as own:
        assert "time of this user is over" in ended(c, seconds=8)
        assert own.execute("SELECT 1").fetchone() == (1,)
    assert WRONG in refused(gw, "run", password=t["password"])
    opened = records(gw, kind="session_open", actor="run", outcome="done")
    assert {json.dumps(r["detail"], sort_keys=True) for r in opened} == {
        json.dumps({"login": "token", "token": t["token"]}), json.dumps({"login": "password"})}
    listed = json.loads(gw.cli("agents", "tokens", "run", "--json").stdout)
    assert [(x["token"], x["status"], x["note"]) for x in listed] == [(t["token"], "expired", "job 7")]


def test_a_token_is_revoked_alone(gw):
    add(gw, "two")
    a, b = token(gw, "two"), token(gw, "two")
    rotate(gw, "two")  # tokens go on
    with gw.connect("two", password=a["password"]) as ca, gw.connect("two", password=b["password"]) as cb:
        gw.cli("agents", "revoke", "two", "--token", a["token"])
        ended(ca)
        assert cb.execute("SELECT 1").fetchone() == (1,)
    assert WRONG in refused(gw, "two", password=a["password"])
    gw.connect("two", password=b["password"]).close()
    assert gw.cli("agents", "revoke", "two", "--token", a["token"], check=False).returncode == 1
    assert gw.cli("agents", "revoke", "alice", "--token", b["token"], check=False).returncode == 65


def test_tokens_are_few_and_short(gw):
    add(gw, "many", "--expires", "1h")
    for _ in range(8):
        assert token(gw, "many", "--ttl", "24h")["expires"] == agent(gw, "many")["expires"]
    out = gw.cli("agents", "token", "many", check=False)
    assert out.returncode == 65 and "agents revoke many --token" in out.stderr
    for ttl in ("25h", "0s", "soon"):
        assert gw.cli("agents", "token", "alice", "--ttl", ttl, check=False).returncode == 64
    assert gw.cli("agents", "token", "nobody", check=False).returncode == 65


def test_what_ended_locks_nobody_out(gw):
    """A token for each run of a job leaves thousands in a week; they are listed, and nothing more."""
    add(gw, "spent")
    t = token(gw, "spent", "--ttl", "1s", "--note", "n" * 200)
    time.sleep(1.1)
    with sqlite3.connect(gw.folder / "state.db") as db:
        db.executemany(
            "INSERT INTO tokens SELECT ?, agent, verifier, made_by, note, created_us, expires_us, revoked_us"
            " FROM tokens WHERE id = ?", [(f"K-01J9ZQ5W3N8V7XG2M4T6{i:06d}", t["token"]) for i in range(5000)])
    gw.connect("spent").close()
    gw.connect("spent", password=token(gw, "spent")["password"]).close()
    assert WRONG in refused(gw, "spent", password=t["password"])
    long = gw.cli("agents", "token", "spent", "--note", "n" * 201, check=False)
    assert long.returncode == 64 and "longer than 200" in long.stderr


def test_a_token_of_an_actor_that_is_shut_out_is_nothing(gw):
    add(gw, "shut", "--address", "192.0.2.1")
    t = token(gw, "shut")
    assert WRONG in refused(gw, "shut", password=t["password"])
    assert t["password"] not in gw.log() and not any(
        t["password"].encode() in f.read_bytes() for f in gw.folder.rglob("*") if f.is_file())


# --- what a client says of itself ----------------------------------------------------------------


def test_claims_are_in_the_record_and_before_the_operator(pg):
    g = Gateway(pg, extra={"hold": {"wait": "0s"}})
    operator = Operator(g)
    with running(g, "alice") as g:
        options = "-c backstop.run_id=r7 -c backstop.purpose=nightly\\ report"
        with g.connect("alice", autocommit=True, options=options) as c:
            c.execute("SELECT 1 /*run_id='r8',traceparent='00-ab-cd-01'*/")
            c.execute("SELECT 2")
            with pytest.raises(psycopg.Error) as e:
                c.execute("CREATE TABLE public.claimed (id int) /*parent='loop%20'*/")
            assert e.value.sqlstate == "ZB001"
        session = {"run": "r7", "purpose": "nightly report"}
        assert wait_until(lambda: records(g, kind="session_open"))[0]["claims"] == session
        said = {r["statement"]: r["claims"] for r in wait_until(
            lambda: len(records(g, kind="judged")) == 3 and records(g, kind="judged"))}
        assert said["SELECT 2"] == session
        first = next(t for t in said if t.startswith("SELECT 1"))
        assert said[first] == {"run": "r8", "purpose": "nightly report", "traceparent": "00-ab-cd-01"}
        ticket = operator.next_ticket()
        assert ticket["claims"] == {**session, "parent": "loop "}
        shown = subprocess.run(
            [binary(), "approvals", "show", ticket["id"], "--server", operator.base], check=True,
            capture_output=True, text=True, env={**g.env, "BACKSTOP_TOKEN": operator.token}).stdout
        assert "run *        r7" in shown and "nightly report" in shown and "client says of itself" in shown
        with psycopg.connect(host="127.0.0.1", port=g.port, user="alice", dbname="app",
                             password=g.passwords["alice"]) as c:
            assert c.execute("SELECT 3").fetchone() == (3,)
        assert "claims" not in records(g, kind="session_open")[-1]


def test_a_claim_that_could_paint_a_terminal_is_refused(gw):
    with pytest.raises(psycopg.OperationalError, match="without control characters"):
        gw.connect("alice", options="-c backstop.run=\x1b[31m")
