"""Agents by certificate: who must show one, which, and what becomes of those who do not."""

import contextlib
import json
import signal
import socket
import ssl
import subprocess

import psycopg
import pytest

from conftest import Gateway, running, wait_until
from rawwire import Raw, startup


class Authority:
    """A root that signs certificates and revokes them."""

    def __init__(self, folder, name):
        self.folder = folder / name
        self.folder.mkdir()
        (self.folder / "index").touch()
        (self.folder / "ca.cnf").write_text(f"""[ca]
default_ca = d
[d]
database = {self.folder}/index
default_md = sha256
default_crl_days = 2
""")
        self._openssl("req", "-x509", *self._key("root"), "-days", "2", "-subj", f"/CN={name}",
                      "-addext", "basicConstraints=critical,CA:TRUE",
                      "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", self.path("root.crt"))
        self.root = self.path("root.crt")
        self.list()

    def path(self, name):
        return self.folder / name

    def _openssl(self, *args):
        subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)

    def _key(self, name):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", self.path(f"{name}.key"))

    def sign(self, name, subject):
        """What psycopg.connect takes."""
        self._openssl("req", "-new", *self._key(name), "-subj", subject, "-out", self.path(f"{name}.csr"))
        self._openssl("x509", "-req", "-in", self.path(f"{name}.csr"), "-CA", self.root, "-CAkey",
                      self.path("root.key"), "-CAcreateserial", "-days", 2, "-out", self.path(f"{name}.crt"))
        self.path(f"{name}.key").chmod(0o600)
        return {"sslmode": "require", "sslcert": str(self.path(f"{name}.crt")),
                "sslkey": str(self.path(f"{name}.key"))}

    def list(self, *revoked):
        for name in revoked:
            self._openssl("ca", "-config", self.path("ca.cnf"), "-cert", self.root, "-keyfile",
                          self.path("root.key"), "-revoke", self.path(f"{name}.crt"))
        self._openssl("ca", "-config", self.path("ca.cnf"), "-cert", self.root, "-keyfile",
                      self.path("root.key"), "-gencrl", "-out", self.path("root.crl"))
        self.crl = self.path("root.crl")


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ours"), "ours")


@pytest.fixture(scope="module")
def shown(ours, tmp_path_factory):
    """Certificates by name."""
    other = Authority(tmp_path_factory.mktemp("theirs"), "theirs")
    return {
        "bot": ours.sign("bot", "/CN=bot.example"),
        "job": ours.sign("job", "/O=acme/OU=night/CN=job"),
        "other-unit": ours.sign("other-unit", "/O=acme/OU=day/CN=job"),
        "two-names": ours.sign("two-names", "/CN=bot.example/CN=root"),
        "nameless": ours.sign("nameless", "/O=acme"),
        "stranger": other.sign("stranger", "/CN=bot.example"),
        "none": {"sslmode": "require", "sslcert": "/nonexistent"},
        "plain": {"sslmode": "disable"},
    }


@pytest.fixture(scope="module")
def guarded(pg, ours):
    """bot: by certificate alone; job: by certificate and password; alice: by password."""
    g = Gateway(pg)
    config = json.loads(g.config.read_text())
    config["tls"] = {**config["tls"], "client_ca": str(ours.root)}
    g.config.write_text(json.dumps(config))
    with running(g, "alice"):
        added = g.cli("agents", "add", "bot", "--database", "app", "--certificate-cn", "bot.example",
                      "--certificate-only", "--json")
        assert json.loads(added.stdout)["password"] is None
        g.add_agent("job")
        g.cli("agents", "set", "job", "--certificate-dn", "CN=job,OU=night,O=acme")
        yield g


def enters(gateway, actor, how, **more):
    with gateway.connect(actor, **{**how, **more}) as c:
        assert c.execute("SELECT current_setting('backstop.actor')").fetchone() == (actor,)


def refused(gateway, actor, how, match="password authentication failed for user", **more):
    with pytest.raises(psycopg.OperationalError, match=match):
        gateway.connect(actor, **{**how, **more})


def test_a_certificate_alone(guarded, shown):
    enters(guarded, "bot", shown["bot"], password=None)
    enters(guarded, "bot", shown["bot"], password=None, ssl_max_protocol_version="TLSv1.2")


def test_a_certificate_and_a_password(guarded, shown):
    enters(guarded, "job", shown["job"])
    refused(guarded, "job", shown["job"], password="wrong")


def test_others_need_none_and_may_show_one(guarded, shown):
    for how in ("plain", "none", "bot"):
        enters(guarded, "alice", shown[how])


@pytest.mark.parametrize("actor,how", [
    ("bot", "plain"), ("bot", "none"), ("bot", "job"), ("bot", "two-names"), ("bot", "nameless"),
    ("job", "plain"), ("job", "none"), ("job", "bot"), ("job", "other-unit"),
    ("nobody", "bot"), ("nobody", "none"),
])
def test_without_its_certificate_an_agent_is_nobody(guarded, shown, actor, how):
    """The same exchange and the same words as for one that does not exist."""
    refused(guarded, actor, shown[how], password=guarded.passwords.get(actor, "guessed"))


def test_a_password_does_not_replace_the_certificate(guarded, shown):
    """rotate would give it one that nobody asks for."""
    done = guarded.cli("agents", "rotate", "bot", check=False)
    assert done.returncode != 0 and "certificate alone" in done.stderr


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name,alert", [("stranger", "UNKNOWN_CA")])
def test_a_bad_certificate_is_told_by_an_alert(guarded, shown, version, name, alert):
    """In TLS 1.3 the client is through before it is judged, and has sent more: no reset may overtake
    the alert."""
    for _ in range(10):
        with Raw(guarded.port) as r:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.minimum_version = context.maximum_version = version
            context.set_alpn_protocols(["postgresql"])
            context.load_cert_chain(shown[name]["sslcert"], shown[name]["sslkey"])
            with pytest.raises(ssl.SSLError) as e:
                r.socket = context.wrap_socket(r.socket)
                r.send(startup(user="bot", database="app"))
                r.next()
            assert alert in e.value.reason
            if version == ssl.TLSVersion.TLSv1_3:
                assert r.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0, "no reset"
    wait_until(lambda: "the client's certificate is not accepted" in guarded.log())


def test_revoked_and_expired_agents_are_refused_with_the_right_certificate(guarded, shown, ours):
    how = ours.sign("gone", "/CN=gone")
    for name, more in (("gone", ()), ("late", ("--expires", "1s"))):
        guarded.cli("agents", "add", name, "--database", "app", "--certificate-cn", "gone",
                    "--certificate-only", *more)
    enters(guarded, "gone", how, password=None)
    guarded.cli("agents", "revoke", "gone")
    refused(guarded, "gone", how, password="x")

    def late():
        with contextlib.suppress(psycopg.OperationalError):
            guarded.connect("late", password="x", **how).close()
            return False
        return True

    wait_until(late)
    refused(guarded, "late", how, password="x")


def test_the_audit_says_how_it_logged_in(guarded, shown):
    enters(guarded, "bot", shown["bot"], password=None)

    def logged():
        lines = [json.loads(x) for p in (guarded.folder / "audit").glob("audit-*.jsonl")
                 for x in p.read_text().splitlines()]
        return any(x.get("actor") == "bot" and x.get("detail") == {"login": "certificate"} for x in lines)

    wait_until(logged)


def test_set_names_and_takes_away(guarded, shown):
    guarded.add_agent("carol")
    enters(guarded, "carol", shown["plain"])
    guarded.cli("agents", "set", "carol", "--certificate-cn", "bot.example")
    refused(guarded, "carol", shown["plain"])
    enters(guarded, "carol", shown["bot"])
    agents = {a["name"]: a for a in json.loads(guarded.cli("agents", "list", "--json").stdout)}
    assert (agents["carol"]["certificate"], agents["carol"]["certificate_only"]) == ("cn:bot.example", False)
    guarded.cli("agents", "set", "carol", "--no-certificate")
    enters(guarded, "carol", shown["plain"])


@pytest.mark.parametrize("args", [
    ["--certificate-only"], ["--certificate-cn", "a", "--certificate-dn", "CN=a"],
    ["--no-certificate", "--certificate-cn", "a"], ["--certificate-cn", ""], [],
])
def test_set_refuses_nonsense(guarded, args):
    assert guarded.cli("agents", "set", "alice", *args, check=False).returncode == 64


# --- SIGHUP: after what counts without it ----------------------------------------------------


def hup(gateway, says, **tls):
    before = gateway.log().count(says)
    config = json.loads(gateway.config.read_text())
    config["tls"] = {k: v for k, v in {**config["tls"], **tls}.items() if v is not None}
    gateway.config.write_text(json.dumps(config))
    gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: gateway.log().count(says) > before)


def test_a_revoked_certificate_counts_after_a_reload(guarded, shown, ours):
    how = ours.sign("stolen", "/CN=bot.example")
    hup(guarded, "same as before", client_crl=str(ours.crl))
    enters(guarded, "bot", how, password=None)
    ours.list("stolen")
    enters(guarded, "bot", how, password=None)  # nobody has said that there is another list
    hup(guarded, "same as before")
    refused(guarded, "bot", how, match="revoked|unexpectedly|alert", password=None)
    enters(guarded, "bot", shown["bot"], password=None)
    hup(guarded, "not reloaded", client_crl="/nonexistent")
    enters(guarded, "bot", shown["bot"], password=None)
    refused(guarded, "bot", how, match="revoked|unexpectedly|alert", password=None)
    hup(guarded, "same as before", client_crl=None)


def test_certificates_can_be_required_of_all(guarded, shown):
    hup(guarded, "same as before", client_cert="require")
    for how in ("plain", "none"):
        refused(guarded, "alice", shown[how], match="requires a valid client certificate")
        refused(guarded, "nobody", shown[how], match="requires a valid client certificate", password="x")
    enters(guarded, "alice", shown["bot"])
    enters(guarded, "bot", shown["bot"], password=None)
    hup(guarded, "same as before", client_cert="optional")
    enters(guarded, "alice", shown["plain"])


def test_without_roots_nobody_is_let_in_by_certificate(guarded, shown, ours):
    hup(guarded, "same as before", client_ca=None)
    refused(guarded, "bot", shown["bot"], password="x")
    refused(guarded, "job", shown["job"])
    enters(guarded, "alice", shown["bot"])
    hup(guarded, "same as before", client_ca=str(ours.root))
    enters(guarded, "bot", shown["bot"], password=None)
