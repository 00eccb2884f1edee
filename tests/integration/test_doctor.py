"""backstop doctor: what is in place is found good, and each broken thing is found broken."""

import contextlib
import ctypes
import json
import re
import shutil
import socket
import subprocess
import threading
import time

import psycopg
import pytest

from conftest import PASSWORD, Gateway, Postgres, binary, free_port

HELPER = "doc_helper"  # made by the SQL of `backstop init`, unlike the superuser of other tests
GOOD_HBA = f"""\
local all postgres            trust
local all app_rw              scram-sha-256
local all {HELPER}            scram-sha-256
host  all app_rw 127.0.0.1/32 scram-sha-256
host  all {HELPER} 127.0.0.1/32 scram-sha-256
"""


class Site:
    """A server of this module's own, whose roles and pg_hba.conf may be spoilt."""

    def __init__(self, folder):
        self.pg = Postgres()
        self.hba = self.pg.data / "pg_hba.conf"
        subprocess.run([binary(), "init", str(folder)], check=True, capture_output=True)
        sql = (folder / "helper.sql").read_text().replace("backstop", HELPER)
        with self.pg.admin() as c:
            c.execute(sql)
            quoted = psycopg.sql.Literal(PASSWORD).as_string(c)
            c.execute(f"ALTER ROLE {HELPER} PASSWORD {quoted}")
            c.execute(f"CREATE ROLE app_rw LOGIN PASSWORD {quoted}")
        self.write_hba(GOOD_HBA)

    def write_hba(self, text):
        self.hba.write_text(text)
        with self.pg.admin() as c:
            c.execute("SELECT pg_reload_conf()")

    def conninfo(self, role, **more):
        return psycopg.conninfo.make_conninfo(self.pg.conninfo(role, password=PASSWORD), **more)

    def gateway(self, **more):
        g = Gateway(self.pg, {"app": self.conninfo("app_rw")}, **more)
        config = json.loads(g.config.read_text())
        config["databases"]["app"]["helper"] = self.conninfo(HELPER)
        g.config.write_text(json.dumps(config))
        return g


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    s = Site(tmp_path_factory.mktemp("init"))
    yield s
    s.pg.stop()


@pytest.fixture
def gateway(site):
    """Configured, with an agent and an operator; it is never started."""
    g = site.gateway()
    g.cli("operators", "add", "kim", "--role", "approver")
    g.cli("agents", "add", "alice", "--database", "app", "--expires", "30d")
    yield g
    g.remove()


def examine(gateway, *args):
    """(exit status, {check: [finding]})"""
    out = gateway.cli("doctor", "--json", *args, check=False)
    assert PASSWORD not in out.stdout + out.stderr
    answer = json.loads(out.stdout)
    found = {}
    for finding in answer["checks"]:
        found.setdefault(finding["check"], []).append(finding)
    for level in ("ok", "info", "warn", "fail"):
        assert answer[level] == sum(f["level"] == level for f in answer["checks"])
    assert answer["healthy"] == (out.returncode == 0)
    assert (out.returncode == 0) == (answer["fail"] == 0)
    return out.returncode, found


def levels(found, check):
    return [f["level"] for f in found.get(check, [])]


def change(gateway, edit):
    config = json.loads(gateway.config.read_text())
    edit(config)
    gateway.config.write_text(json.dumps(config))


# What comes from how tests are set up: one disk, certificates for two days, and nobody to be told.
HERE = {"storage.apart", "tls", "notify"}


def test_all_is_well(gateway):
    status, found = examine(gateway)
    assert status == 0, found
    for check, findings in found.items():
        if check not in HERE:
            assert {f["level"] for f in findings} == {"ok"}, findings
    assert set(found) >= {
        "config", "state", "audit", "spool", "storage", "storage.folder", "tls", "operators", "agents",
        "helper.connect", "helper.rights", "helper.sees", "server.version", "pg_dump", "spool.room",
        "storage.room", "upstream.connect", "upstream.rights", "upstream.audit", "ways.listen",
        "ways.roles", "ways.pg_hba"}


def test_text_is_one_line_for_each_check(gateway):
    out = gateway.cli("doctor")
    lines = out.stdout.splitlines()
    assert lines[-1].endswith(" 0 fail")
    assert all(line[:4].strip() in ("ok", "info", "warn", "fail") for line in lines[:-1])
    assert "ok    app: helper: connects as doc_helper" in lines
    assert "\033" not in out.stdout
    count = len(json.loads(gateway.cli("doctor", "--json").stdout)["checks"])
    assert len(lines) == count + 1


# What is done to the server, how it is undone, what is found, and where its way out leads.
SPOILT = [
    ("helper, rows hidden", f"ALTER ROLE {HELPER} NOBYPASSRLS", f"ALTER ROLE {HELPER} BYPASSRLS",
     "helper.rights", "fail", "BYPASSRLS"),
    ("helper, no data", f"REVOKE pg_read_all_data FROM {HELPER}",
     f"GRANT pg_read_all_data TO {HELPER}", "helper.rights", "fail", "GRANT pg_read_all_data"),
    ("helper, no signals", f"REVOKE pg_signal_backend FROM {HELPER}",
     f"GRANT pg_signal_backend TO {HELPER}", "helper.rights", "fail", "GRANT pg_signal_backend"),
    ("helper, no activity", f"REVOKE pg_monitor FROM {HELPER}", f"GRANT pg_monitor TO {HELPER}",
     "helper.sees", "fail", "pg_monitor"),
    ("helper a superuser", f"ALTER ROLE {HELPER} SUPERUSER", f"ALTER ROLE {HELPER} NOSUPERUSER",
     "helper.rights", "info", "helper.sql"),
    ("upstream a superuser", "ALTER ROLE app_rw SUPERUSER", "ALTER ROLE app_rw NOSUPERUSER",
     "upstream.rights", "warn", "owns the application's tables"),
    ("upstream past row security", "ALTER ROLE app_rw BYPASSRLS", "ALTER ROLE app_rw NOBYPASSRLS",
     "upstream.rights", "warn", "NOBYPASSRLS"),
    ("upstream makes roles", "ALTER ROLE app_rw CREATEROLE", "ALTER ROLE app_rw NOCREATEROLE",
     "upstream.rights", "warn", "take them away"),
    ("upstream runs programs", "GRANT pg_execute_server_program TO app_rw",
     "REVOKE pg_execute_server_program FROM app_rw", "upstream.rights", "warn", "take them away"),
    ("counters off", "ALTER ROLE app_rw SET track_counts = off",
     "ALTER ROLE app_rw RESET track_counts", "upstream.audit", "fail", "track_counts"),
    ("counters revoked",
     "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_stat_get_xact_tuples_deleted(oid) FROM PUBLIC",
     "GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_get_xact_tuples_deleted(oid) TO PUBLIC",
     "upstream.audit", "fail", "EXECUTE"),
    ("a short clock", "ALTER ROLE app_rw SET idle_in_transaction_session_timeout = '5s'",
     "ALTER ROLE app_rw RESET idle_in_transaction_session_timeout", "upstream.timeouts", "info",
     "raise it"),
    ("pg_hba.conf hidden",
     f"REVOKE EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() FROM {HELPER}",
     f"GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO {HELPER}", "ways.pg_hba", "warn",
     "pg_hba_file_rules"),
    ("a role called as the agent", "CREATE ROLE alice LOGIN", "DROP ROLE alice", "ways.roles",
     "warn", "NOLOGIN"),
]


@pytest.mark.parametrize("do, undo, check, level, way", [row[1:] for row in SPOILT],
                         ids=[row[0] for row in SPOILT])
def test_a_spoilt_server(site, gateway, do, undo, check, level, way):
    with site.pg.admin() as c:
        c.execute(do)
        try:
            status, found = examine(gateway)
        finally:
            c.execute(undo)
    assert level in levels(found, check), found.get(check)
    assert any(way in f.get("way_out", "") for f in found[check])
    assert status == (1 if level == "fail" else 0)


HBA = [
    ("everybody by password", "host all all 0.0.0.0/0 scram-sha-256", "", "ways.pg_hba", "warn"),
    ("everybody trusted", "host all all 10.0.0.0/8 trust", "", "ways.pg_hba", "fail"),
    ("an agent without a role", "host app alice 0.0.0.0/0 scram-sha-256", "", "ways.pg_hba", "warn"),
    ("an agent with a role", "host app alice 0.0.0.0/0 scram-sha-256", "alice", "ways.pg_hba", "fail"),
    ("everybody, an agent with a role", "hostssl all all ::/0 md5", "alice", "ways.pg_hba", "fail"),
    ("the gateway's role", "host app app_rw 192.168.0.0/16 md5", "", "ways.pg_hba", "warn"),
    ("the gateway's role trusted", "host app app_rw 192.168.0.0/16 trust", "", "ways.pg_hba", "fail"),
    ("a group", "host app +staff 0.0.0.0/0 md5", "", "ways.pg_hba", "warn"),
    ("trusted on the host", "local all all trust", "", "ways.trust", "warn"),
    ("nonsense", "host all all", "", "ways.pg_hba", "warn"),
    ("rejected first", "host all all 0.0.0.0/0 reject\nhost all all 10.0.0.0/8 md5", "",
     "ways.pg_hba", "ok"),
    ("another database", "host postgres all 0.0.0.0/0 md5", "", "ways.pg_hba", "ok"),
]


@pytest.mark.parametrize("lines, role, check, level", [row[1:] for row in HBA],
                         ids=[row[0] for row in HBA])
def test_ways_in_pg_hba(site, gateway, lines, role, check, level):
    with site.pg.admin() as c:
        if role:
            c.execute(f"CREATE ROLE {role} LOGIN")
        try:
            site.hba.write_text(GOOD_HBA + lines + "\n")  # read by the server as it is now
            status, found = examine(gateway)
        finally:
            site.hba.write_text(GOOD_HBA)
            if role:
                c.execute(f"DROP ROLE {role}")
    assert levels(found, check) == [level], found[check]
    assert status == (1 if level == "fail" else 0)
    if level != "ok" and lines != "host all all":  # not a rule, so not numbered
        line = len(GOOD_HBA.splitlines()) + 1
        assert f"line {line}" in found[check][0]["message"]


def test_a_server_that_listens_further_than_it_must(site, gateway):
    """The gateway comes by a Unix socket; the server of these tests is restarted for it."""
    config = site.pg.data / "postgresql.conf"
    before = config.read_text()
    try:
        config.write_text(before + "listen_addresses = '*'\n")
        site.pg._run("pg_ctl", "-D", site.pg.data, "-l", site.pg.log, "-w", "restart")
        status, found = examine(gateway)
    finally:
        config.write_text(before)
        site.pg._run("pg_ctl", "-D", site.pg.data, "-l", site.pg.log, "-w", "restart")
    assert levels(found, "ways.listen") == ["warn"]
    assert status == 0


def database(**changes):
    return lambda config: config["databases"]["app"].update(changes)


@pytest.mark.parametrize("key, check", [("upstream", "upstream.connect"), ("helper", "helper.connect")])
@pytest.mark.parametrize("how", ["no server", "wrong password"])
def test_a_database_that_cannot_be_reached(site, gateway, key, check, how):
    role = {"upstream": "app_rw", "helper": HELPER}[key]
    text = {"no server": f"host=127.0.0.1 port={free_port()} user={role} dbname=app",
            "wrong password": site.conninfo(role, password="hunter2")}[how]
    change(gateway, database(**{key: text}))
    out = gateway.cli("doctor", "--json", check=False)
    assert out.returncode == 69
    assert "hunter2" not in out.stdout
    found = [f for f in json.loads(out.stdout)["checks"] if f["check"] == check]
    assert [f["level"] for f in found] == ["fail"]
    assert f"databases.app.{key}" in found[0]["way_out"]


def test_helper_and_upstream_in_different_databases(site, gateway):
    change(gateway, database(helper=site.conninfo(HELPER, dbname="postgres")))
    status, found = examine(gateway)
    assert status == 1
    assert levels(found, "helper.sees") == ["fail"]


class Pooler:
    """What counts about one: the process number that it tells is not the server's."""

    def __init__(self, target):
        self.listener = socket.create_server(("127.0.0.1", free_port()))
        self.port = self.listener.getsockname()[1]
        self.target = target
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target)
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self.pass_on, args=(one, other), daemon=True).start()

    def pass_on(self, one, other):
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(re.sub(rb"K\0\0\0\x0c....", b"K\0\0\0\x0c\0\0\0\x07", data,
                                     flags=re.DOTALL))
        other.close()


def test_a_pooler_between(site, gateway):
    pooler = Pooler(("127.0.0.1", site.pg.port))
    change(gateway, database(upstream=site.conninfo("app_rw", host="127.0.0.1", port=pooler.port,
                                                    sslmode="disable")))
    status, found = examine(gateway)
    pooler.listener.close()
    assert status == 1
    assert levels(found, "upstream.direct") == ["fail"]


def test_a_pooler_before_the_gateways_own_session(site, gateway):
    """Nothing is set there, so nothing else is tried."""
    pooler = Pooler(("127.0.0.1", site.pg.port))
    change(gateway, database(helper=site.conninfo(HELPER, host="127.0.0.1", port=pooler.port, sslmode="disable")))
    status, found = examine(gateway)
    pooler.listener.close()
    assert status == 69, "the database cannot be used"
    assert "no session of the server's own" in found["helper.connect"][0]["message"]
    assert "the server itself" in found["helper.connect"][0]["way_out"]


def test_one_role_for_both(site, gateway):
    """In different words: the same words are refused as a configuration already."""
    change(gateway, database(upstream=site.conninfo(HELPER, connect_timeout=9)))
    status, found = examine(gateway)
    assert status == 0, found
    assert any("helper's role, too" in f["message"] for f in found["upstream.rights"])


def test_what_is_tried_without_a_newer_keyword_is_told(site, gateway):
    """The gateway goes by it, an older libpq does not."""
    older = ctypes.CDLL("libpq.so.5").PQlibVersion() < 180000
    change(gateway, database(upstream=site.conninfo("app_rw") + " max_protocol_version=3.0"))
    status, found = examine(gateway)
    assert status == 0 and levels(found, "upstream.connect") == ["ok"]
    assert levels(found, "upstream.libpq") == (["info"] if older else [])


def test_what_the_gateway_cannot_do_in_a_connection_string(site, gateway):
    change(gateway, database(upstream=site.conninfo("app_rw", target_session_attrs="read-write")))
    status, found = examine(gateway)
    assert status == 1
    assert "target_session_attrs" in found["upstream.connect"][0]["message"]


FOLDERS = [("audit", "audit"), ("points", "storage.folder"), ("spool", "spool")]


@pytest.mark.parametrize("name, check", FOLDERS)
@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_a_folder_that_others_can_use(gateway, name, check, mode):
    (gateway.folder / name).mkdir(exist_ok=True)
    (gateway.folder / name).chmod(mode)
    status, found = examine(gateway)
    assert status == 1
    assert levels(found, check) == ["fail"]
    assert "chmod 700" in found[check][0]["way_out"]


@pytest.mark.parametrize("name, check", FOLDERS)
def test_a_folder_that_cannot_be(gateway, name, check):
    (gateway.folder / name).write_text("not a folder")
    status, found = examine(gateway)
    assert status == 1
    assert levels(found, check) == ["fail"]


def test_a_storage_that_does_not_answer(gateway):
    (gateway.folder / "points").write_text("not a folder")
    status, found = examine(gateway)
    assert status == 1
    assert levels(found, "storage") == ["fail"]


def test_a_storage_that_gives_back_something_else(gateway):
    examine(gateway)
    probe, = (gateway.folder / "points" / "doctor").iterdir()
    probe.write_text("something else")
    status, found = examine(gateway)
    assert status == 1
    assert levels(found, "storage") == ["fail"]


def test_the_storage_gets_one_probe_a_day(gateway):
    examine(gateway)
    examine(gateway)
    assert len(list((gateway.folder / "points" / "doctor").iterdir())) == 1
    assert json.loads(gateway.cli("points", "list", "--json").stdout)["points"] == []


def test_a_state_that_others_can_read(gateway):
    (gateway.folder / "state.db").chmod(0o644)
    status, found = examine(gateway)
    assert status == 1
    assert levels(found, "state") == ["fail"]


def test_a_state_that_others_can_replace(gateway):
    gateway.folder.chmod(0o777)
    status, found = examine(gateway)
    assert status == 1
    assert levels(found, "state") == ["fail"]


def test_passwords_that_others_can_read(gateway):
    gateway.config.chmod(0o644)
    status, found = examine(gateway)
    assert status == 1
    assert levels(found, "config") == ["fail"]
    assert "chmod 600" in found["config"][0]["way_out"]


def test_nobody_to_approve_and_nobody_to_connect(site):
    g = site.gateway()
    try:
        status, found = examine(g)
    finally:
        g.remove()
    assert status == 0
    assert levels(found, "operators") == ["warn"]
    assert levels(found, "agents") == ["info"]


def test_a_viewer_is_nobody_to_approve(site, gateway):
    gateway.cli("operators", "revoke", "kim")
    gateway.cli("operators", "add", "eve", "--role", "viewer")
    _, found = examine(gateway)
    assert levels(found, "operators") == ["warn"]


def test_an_agent_without_end(gateway):
    gateway.cli("agents", "add", "forever", "--database", "app")
    _, found = examine(gateway)
    assert levels(found, "agents") == ["info"]
    assert "forever" in found["agents"][0]["message"]
    assert "alice" not in found["agents"][0]["message"]


def test_agents_over_the_network_in_the_clear(site):
    g = site.gateway(tls=False, extra={"listen": [f"0.0.0.0:{free_port()}"]})
    try:
        status, found = examine(g)
    finally:
        g.remove()
    assert status == 1
    assert levels(found, "tls") == ["fail"]


def test_no_certificate_is_needed_on_loopback(site):
    g = site.gateway(tls=False)
    try:
        _, found = examine(g)
    finally:
        g.remove()
    assert levels(found, "tls") == ["ok"]


CA = """\
[ca]
default_ca = x
[x]
database = index.txt
new_certs_dir = .
serial = serial
default_md = sha256
policy = p
[p]
commonName = supplied
"""


def certify(gateway, days):
    """`openssl ca` is what can sign for a time that is over."""
    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=gateway.folder)

    end = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + days * 86400 + 3600))
    (gateway.folder / "ca.cnf").write_text(CA)
    (gateway.folder / "index.txt").write_text("")
    (gateway.folder / "serial").write_text("01\n")
    openssl("req", "-new", "-key", "server.key", "-subj", "/CN=localhost", "-out", "server.csr")
    openssl("ca", "-batch", "-selfsign", "-config", "ca.cnf", "-keyfile", "server.key", "-in",
            "server.csr", "-startdate", "20200101000000Z", "-enddate", end, "-notext", "-out",
            "server.crt")


@pytest.mark.parametrize("days, level", [(400, "ok"), (3, "warn"), (-1, "fail")])
def test_a_certificate_and_its_end(gateway, days, level):
    certify(gateway, days)
    _, found = examine(gateway)
    assert levels(found, "tls") == [level]


def test_a_certificate_that_is_none(gateway):
    gateway.certificate.write_text("hello")
    status, found = examine(gateway)
    assert status == 1
    assert levels(found, "tls") == ["fail"]


def examine_with_mount(gateway, folder, options, then="true"):
    """With a file system of its own at `folder`, in a mount namespace of its own."""
    unshare = ["unshare", "-m", "sh", "-c"]
    mount = f"mount -t tmpfs -o {options} none {folder}"
    if not shutil.which("unshare") or subprocess.run([*unshare, mount], capture_output=True).returncode:
        pytest.skip("no right to mount a file system here")
    out = subprocess.run([*unshare, f"{mount} && {then}; exec {binary()} doctor --json --config {gateway.config}"],
                         capture_output=True, text=True, timeout=60)
    found = {}
    for finding in json.loads(out.stdout)["checks"]:
        found.setdefault(finding["check"], []).append(finding)
    return out.returncode, found


def test_a_spool_without_room(gateway, tmp_path):
    change(gateway, lambda config: config.update(spool=str(tmp_path)))
    status, found = examine_with_mount(gateway, tmp_path, "size=1m,mode=700")
    assert status == 1
    assert levels(found, "spool") == ["ok"]
    assert levels(found, "spool.room") == ["fail"]


@pytest.mark.parametrize("key, check", [("audit", "audit"), ("spool", "spool"), ("state", "state")])
def test_a_disk_that_is_read_only(gateway, tmp_path, key, check):
    value = {"audit": {"directory": str(tmp_path)}, "spool": str(tmp_path),
             "state": f"sqlite://{tmp_path}/state.db"}[key]
    change(gateway, lambda config: config.update({key: value}))
    status, found = examine_with_mount(gateway, tmp_path, "ro,mode=700")
    assert status == 1
    assert levels(found, check) == ["fail"]
    assert "cannot be written" in found[check][0]["message"]


def test_a_disk_that_is_full(gateway, tmp_path):
    change(gateway, lambda config: config.update(audit={"directory": str(tmp_path)}))
    status, found = examine_with_mount(gateway, tmp_path, "size=64k,mode=700",
                                       f"head -c 1m /dev/zero 2>/dev/null >{tmp_path}/rest")
    assert status == 1
    assert levels(found, "audit") == ["fail"]


def test_a_point_of_limited_size_needs_less_room(gateway):
    change(gateway, lambda config: config.update(recovery={"max_bytes": "1MB"}))
    _, found = examine(gateway)
    assert "up to 1 MB" in found["spool.room"][0]["message"]


def test_only_one_database(site, gateway):
    change(gateway, lambda config: config["databases"].update(
        other={"upstream": f"host=127.0.0.1 port={free_port()} user=x", "helper": "dbname=none"}))
    status, found = examine(gateway, "--database", "app")
    assert status == 0
    assert {f["scope"] for all_of in found.values() for f in all_of} == {"host", "app"}
    assert gateway.cli("doctor", "--database", "nowhere", check=False).returncode == 64
    assert gateway.cli("doctor", check=False).returncode == 69
