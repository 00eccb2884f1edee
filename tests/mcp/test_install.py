"""`backstop mcp install`: into every client's configuration, in a home folder of its own."""

import json
import os
import stat
import subprocess
import tomllib

import pytest

from conftest import binary

DSN = "postgresql://alice:s3cr%20et'@127.0.0.1:6543/app"
SECRET = "s3cr et'"
WHERE = {
    "claude": (".claude.json", "mcpServers"),
    "cursor": (".cursor/mcp.json", "mcpServers"),
    "vscode": (".config/Code/User/mcp.json", "servers"),
    "codex": (".codex/config.toml", "mcp_servers"),
    "gemini": (".gemini/settings.json", "mcpServers"),
    "windsurf": (".codeium/windsurf/mcp_config.json", "mcpServers"),
}
BEARER = {"claude": "Bearer ${BACKSTOP_TOKEN}", "cursor": "Bearer ${env:BACKSTOP_TOKEN}",
          "vscode": "Bearer ${env:BACKSTOP_TOKEN}", "gemini": "Bearer $BACKSTOP_TOKEN",
          "windsurf": "Bearer ${env:BACKSTOP_TOKEN}"}

every = pytest.mark.parametrize("client", WHERE)


class Home:
    def __init__(self, folder):
        self.folder = folder
        self.env = {"HOME": str(folder), "PATH": os.environ["PATH"]}

    def install(self, client, *args, status=0):
        done = subprocess.run([binary(), "mcp", "install", client, *args], env=self.env, cwd=self.folder,
                              capture_output=True, text=True, timeout=30)
        assert done.returncode == status, done.stderr
        return done

    def path(self, client):
        return self.folder / WHERE[client][0]

    def read(self, client):
        text = self.path(client).read_text()
        return tomllib.loads(text) if client == "codex" else json.loads(text)

    def entry(self, client, name="backstop"):
        return self.read(client)[WHERE[client][1]][name]


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@every
def test_writes_where_there_is_nothing(home, client):
    home.install(client, "--dsn", DSN, "--write")
    entry = home.entry(client)
    assert os.path.samefile(entry["command"], binary())
    kept = home.folder / ".config/backstop/mcp-backstop.password"
    program, flag, dsn, *password = entry["args"]
    assert (program, flag, password) == ("mcp", "--dsn", ["--password", f"file:{kept}"])
    assert set(dsn.split()) == {"user=alice", "dbname=app", "host=127.0.0.1", "port=6543"}
    assert kept.read_text() == SECRET
    assert mode(kept) == mode(home.path(client)) == 0o600
    assert "s3cr" not in home.path(client).read_text()
    assert not (home.path(client).parent / (home.path(client).name + ".bak")).exists()


@every
def test_leaves_what_is_there(home, client):
    path = home.path(client)
    path.parent.mkdir(parents=True, exist_ok=True)
    if client == "codex":
        before = ('model = "x"\n\n[mcp_servers.other]\ncommand = "o"\n\n[mcp_servers.backstop]\ncommand = "old"\n'
                  '[mcp_servers.backstop.env]\nA = "1"\n\n[mcp_servers.backstop2]\ncommand = "two"\n')
    else:
        before = json.dumps({"theme": "dark", "zoom": 0.1, WHERE[client][1]: {
            "other": {"command": "o"}, "backstop": {"command": "old", "env": {"A": "1"}}}})
    path.write_text(before)
    home.install(client, "--dsn", DSN, "--write")
    now = home.read(client)
    servers = now[WHERE[client][1]]
    assert servers["other"] == {"command": "o"}
    assert servers["backstop"]["command"] != "old" and "env" not in servers["backstop"]
    assert now.get("model" if client == "codex" else "theme") in ("x", "dark")
    if client == "codex":
        assert servers["backstop2"] == {"command": "two"}
    else:
        assert "0.1," in path.read_text()
    assert (path.parent / (path.name + ".bak")).read_text() == before
    assert "nothing to change" in home.install(client, "--dsn", DSN, "--write").stdout
    assert (path.parent / (path.name + ".bak")).read_text() == before


@every
@pytest.mark.parametrize("broken", ["{", "[1]", '{"a": 1, "a": 2}', '// a comment\n{}', b"\xff\xfe"])
def test_never_overwrites_what_it_cannot_read(home, client, broken):
    if client == "codex":
        broken = {"{": "mcp_servers = {}\n", "[1]": 'mcp_servers.backstop.command = "x"\n',
                  '{"a": 1, "a": 2}': 'x = """\n[mcp_servers.backstop]\n"""\n',
                  '// a comment\n{}': '["mcp_servers".backstop]\n'}.get(broken, broken)
    path = home.path(client)
    path.parent.mkdir(parents=True, exist_ok=True)
    broken = broken if isinstance(broken, bytes) else broken.encode()
    path.write_bytes(broken)
    said = home.install(client, "--dsn", DSN, "--write", status=65)
    assert "left as it is" in said.stderr
    assert path.read_bytes() == broken
    assert not (path.parent / (path.name + ".bak")).exists()


@every
def test_print_changes_nothing(home, client):
    said = home.install(client, "--dsn", DSN)
    assert "s3cr" not in said.stdout + said.stderr
    assert sorted(p.name for p in home.folder.iterdir()) == []
    shown = tomllib.loads(said.stdout) if client == "codex" else json.loads(said.stdout)
    assert shown[WHERE[client][1]]["backstop"]["args"][0] == "mcp"


@every
def test_over_http(home, client):
    home.install(client, "--url", "https://db.example.com/mcp/app", "--write", "--name", "db")
    entry = home.entry(client, "db")
    if client == "codex":
        assert entry == {"url": "https://db.example.com/mcp/app", "bearer_token_env_var": "BACKSTOP_TOKEN"}
        return
    url = {"gemini": "httpUrl", "windsurf": "serverUrl"}.get(client, "url")
    assert entry[url] == "https://db.example.com/mcp/app"
    assert entry["headers"] == {"Authorization": BEARER[client]}


def test_a_link_stays_a_link(home):
    real = home.folder / "dotfiles.json"
    real.write_text("{}")
    home.path("claude").symlink_to(real)
    home.install("claude", "--dsn", DSN, "--write")
    assert home.path("claude").is_symlink() and "backstop" in real.read_text()


@pytest.mark.parametrize("args", [
    ["nobody", "--dsn", DSN], ["claude"], ["claude", "--dsn", DSN, "--url", "http://x"], [],
    ["claude", "--dsn", DSN, "--name", "a b"], ["claude", "--dsn", "x y z"],
    ["claude", "--dsn", DSN, "--print", "--write"]])
def test_wrong_command_lines(home, args):
    done = subprocess.run([binary(), "mcp", "install", *args], env=home.env, capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 64, done.stderr
    assert "s3cr" not in done.stderr + done.stdout
    assert list(home.folder.iterdir()) == []


def test_no_other_secret_is_written(home):
    for args in (("--dsn", f"{DSN}?sslpassword=s3cret"), ("--url", "https://alice:s3cret@db.example.com/mcp")):
        for how in ("--write", "--print"):
            done = home.install("cursor", *args, how, status=64)
            assert "s3cret" not in done.stdout + done.stderr
    assert list(home.folder.iterdir()) == []
