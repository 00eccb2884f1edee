"""The documentation is true: its steps are taken, its tables compared with the program."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import time

import psycopg
import pytest

from conftest import PASSWORD, ROOT, Postgres, binary, free_port, wait_until

DOCS = ROOT / "docs"
GUIDE = (DOCS / "your-database.md").read_text()
FOLDER = "/var/lib/backstop"


def blocks(text):
    """The code blocks that are marked with <!-- run: NAME -->."""
    found = re.findall(r"<!-- run: (\w+) -->\n```\w*\n(.*?)```", text, flags=re.DOTALL)
    return dict(found)


# What an administrator's machine has and a test's has not: other users to become.
SUDO = """\
#!/bin/sh
[ "$1" = -u ] || exit 64
case $2 in
postgres) export PGHOST={server} PGUSER=postgres ;;
esac
shift 2
exec "$@"
"""

SHOP = """
CREATE ROLE app_owner;
ALTER SCHEMA public OWNER TO app_owner;
SET ROLE app_owner;
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES customers ON DELETE CASCADE);
CREATE INDEX by_name ON customers (name);
CREATE VIEW busy AS SELECT name, count(*) FROM customers JOIN orders ON customer = customers.id GROUP BY 1;
COMMENT ON TABLE customers IS 'people who trust us';
GRANT SELECT ON customers TO app_trust;
INSERT INTO customers SELECT n, 'customer ' || n FROM generate_series(1, 500) n;
INSERT INTO orders SELECT n, 1 + n % 500 FROM generate_series(1, 2000) n;
"""


class Machine:
    """Follows the guide in a folder of its own, with the guide's own words."""

    def __init__(self, folder):
        self.folder = folder
        self.pg = Postgres()
        self.blocks = blocks(GUIDE)
        self.gateway = None
        self.port, self.operators = free_port(), free_port()
        programs = folder / "bin"
        programs.mkdir()
        (programs / "sudo").write_text(SUDO.format(server=self.pg.folder))
        (programs / "sudo").chmod(0o755)
        (programs / "backstop").symlink_to(pathlib.Path(binary()).resolve())
        self.env = {**os.environ, "PATH": f"{programs}:{self.pg.bin}:{os.environ['PATH']}",
                    "HOME": str(folder), "PGPORT": str(self.pg.port), "TERM": "dumb",
                    "BACKSTOP_CONFIG": f"{folder}/backstop.yaml",
                    "BACKSTOP_SERVER": f"http://127.0.0.1:{self.operators}"}

    def text(self, name, **more):
        """A block, with this machine's places and what the guide stands in for."""
        text = self.blocks[name]
        for there, here in {"/var/run/postgresql": self.pg.folder, FOLDER: self.folder,
                            "6543": self.port, "6580": self.operators, **more}.items():
            text = text.replace(there, str(here))
        return text

    def start(self, name, **more):
        script = "set -euo pipefail\n" + self.text(name, **more)
        return subprocess.Popen(["bash", "-c", script], env=self.env, cwd=self.folder, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, name, **more):
        process = self.start(name, **more)
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0, f"{name}:\n{out}"
        return out

    def serve(self):
        """In the background, as the block says; its process number is what the shell tells."""
        script = self.text("serve") + "echo $! >pid\n"
        subprocess.run(["bash", "-c", script], env=self.env, cwd=self.folder, check=True, timeout=60,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.gateway = int((self.folder / "pid").read_text())

    def stop(self):
        if self.gateway is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.gateway, 15)
            wait_until(lambda: not pathlib.Path(f"/proc/{self.gateway}/exe").exists(), 40)
        self.pg.stop()


@pytest.fixture
def machine(tmp_path):
    m = Machine(tmp_path)
    tmp_path.chmod(0o700)
    yield m
    m.stop()


def fingerprint(pg):
    """The schema as text, and the rows."""
    schema = subprocess.run(
        [pg.bin / "pg_dump", "-s", f"host={pg.folder} port={pg.port} user=postgres dbname=app"],
        check=True, capture_output=True, text=True).stdout
    with pg.admin() as c:
        rows = [c.execute(f"SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM {t} t").fetchone()
                for t in ("customers", "orders")]
    return re.sub(r"\\(un)?restrict .*\n", "", schema), rows


def test_the_guide_to_ones_own_database(machine):
    pg = machine.pg
    with pg.admin() as c:
        c.execute("DROP ROLE backstop")  # the guide makes it
        c.execute(SHOP)

    machine.run("role")
    machine.blocks["init"] = machine.blocks["init"].replace(
        "--upstream", "--listen 127.0.0.1:6543 --operators 127.0.0.1:6580 --upstream", 1)
    assert "backstop.yaml" in machine.run("init")
    with pg.admin() as c:
        for role in ("agents_rw", "backstop"):
            c.execute(psycopg.sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                psycopg.sql.Identifier(role), psycopg.sql.Literal(PASSWORD)))
    secret = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    pgpass = machine.folder / ".pgpass"
    pgpass.write_text(f"*:*:app:agents_rw:{secret}\n*:*:app:backstop:{secret}\n")
    pgpass.chmod(0o600)
    hba = pg.data / "pg_hba.conf"
    hba.write_text(machine.text("hba") + hba.read_text())
    with pg.admin() as c:
        c.execute("SELECT pg_reload_conf()")

    actors = machine.run("actors")
    token, password = re.findall(r"(?:token|password):\s+(\S+)", actors)
    doctor = machine.run("doctor")
    assert re.search(r"^fail", doctor, flags=re.MULTILINE) is None, doctor
    assert "ok    app: pg_hba.conf: no agent is let in" in doctor

    machine.serve()
    log = machine.folder / "log"
    wait_until(lambda: '"event":"ready"' in log.read_text() if log.exists() else False)

    machine.env["PGPASSWORD"] = password
    assert "500" in machine.run("read")
    before = fingerprint(pg)
    asked = machine.start("wrong")
    del machine.env["PGPASSWORD"]
    machine.env["BACKSTOP_TOKEN"] = token

    def pending():
        out = subprocess.run([binary(), "approvals", "list", "--json"], env=machine.env,
                             check=True, capture_output=True, text=True).stdout
        return re.findall(r"T-[0-9A-Z]{26}", out)

    ticket = wait_until(pending)[0]
    example, = set(re.findall(r"T-[0-9A-Z]{26}", machine.blocks["approve"]))
    machine.run("approve", **{example: ticket})
    told, _ = asked.communicate(timeout=60)
    assert asked.returncode == 0, told
    notice = re.search(r"( {4}NOTICE: .*\n {4}HINT: .*\n)", GUIDE).group(1)
    for line in notice.splitlines():
        assert line.strip().replace(example, ticket) in told
    with pg.admin() as c:
        assert c.execute("SELECT to_regclass('customers')").fetchone() == (None,)

    del machine.env["BACKSTOP_TOKEN"]
    points = subprocess.run([binary(), "points", "list", "--json"], env=machine.env, check=True,
                            capture_output=True, text=True).stdout
    point = json.loads(points)["points"][0]["point"]
    machine.run("restore", **{"RP-01KB3ZJ8": point})
    assert fingerprint(pg) == before


def test_the_guide_names_the_versions_that_are_tested():
    wanted = json.loads((ROOT / "tests/integration/node/package.json").read_text())["dependencies"]
    for name, version in wanted.items():
        assert "postgres" not in name or name == "postgres" or f"{name}@{version}" in GUIDE  # postgres.js is a driver
    args = json.loads(blocks(GUIDE)["mcp"])["mcpServers"]["app"]["args"]
    assert args[1] in {f"{name}@{version}" for name, version in wanted.items()}


def test_the_guide_has_every_sqlstate_of_ours():
    codes = re.findall(r'"(ZB\d{3})"', (ROOT / "src/base/err_codes.h").read_text())
    assert len(codes) == 6
    for code in codes:
        assert f"| {code} |" in GUIDE


# --- the manual pages -------------------------------------------------------------------------

MAN = DOCS / "man"
COMMON = {"--json", "--config", "--help"}


def told(*words):
    out = subprocess.run([binary(), *words, "--help"], check=True, capture_output=True, text=True,
                         timeout=20)
    return out.stdout


def listed(text):
    """The verbs in a help text."""
    if "\nVerbs:\n" not in text:
        return []
    return re.findall(r"^  (\S+)", text.split("\nVerbs:\n")[1], flags=re.MULTILINE)


def all_verbs():
    """("restore", "run"), ...: whatever takes options of its own."""
    for verb in listed(told()):
        below = listed(told(verb))
        yield from ((verb, name) for name in below)
        if not below:
            yield (verb,)
    yield from BOTH


BOTH = [("mcp", "install")]  # "mcp" alone does something, too, with options that are not those of this one


def sections(page):
    """Each part of the page under its heading: .Ss's operands, or .Sh's."""
    found = {}
    for part in re.split(r"^\.S[sh] ", page, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        found[re.split(r" (?:Ar|Op)\b", heading)[0]] = body
    return found


def options(text):
    """[(-s or "", --long)] of a help text, or of a part of the page."""
    if "\nOptions:\n" in text:
        text = text.split("\nOptions:\n")[1].split("\n\n")[0]
        return re.findall(r"^  (-\w|  )[, ] (--[\w-]+)", text, flags=re.MULTILINE)
    return [(f"-{short}" if short else "  ", f"--{long}") for short, long in re.findall(
        r"^\.It (?:Fl (\w) , )?Fl -([\w-]+)", text, flags=re.MULTILINE)]


def test_the_manual_page_has_every_verb_and_option_and_no_other():
    page = sections((MAN / "backstop.1").read_text())
    assert {long for _, long in options(page["OPTIONS"])} == COMMON
    verbs = list(all_verbs())
    assert ("restore", "copy-back") in verbs and ("serve",) in verbs
    shared = {}
    for verb in verbs:
        name = " ".join(verb)
        assert name in page, f"backstop.1 has nothing about {name}"
        wanted = {o for o in options(told(*verb)) if o[1] not in COMMON}
        own = set(options(page[name]))
        group = set(options(page.get(verb[0], ""))) if len(verb) == 2 and verb not in BOTH else set()
        assert own <= wanted, f"backstop.1: {name} does not take {own - wanted}"
        assert wanted <= own | group, f"backstop.1: {name} lacks {wanted - own - group}"
        shared.setdefault(verb[0], []).append((group, wanted))
    for verb, uses in shared.items():
        assert all(group <= wanted for group, wanted in uses), verb
    groups = {verb[0] for verb in verbs if len(verb) == 2}
    headings = set(page) - {" ".join(verb) for verb in verbs} - groups
    assert all(h.isupper() for h in headings), f"backstop.1 tells of what is not there: {headings}"


def test_verbs_of_the_source_are_those_of_the_program():
    source = (ROOT / "src/cli/verbs.h").read_text()
    assert re.findall(r'^BS_VERB\(\w+, +"([^"]+)"', source, flags=re.MULTILINE) == listed(told())


def test_the_manual_page_has_every_exit_status():
    source = (ROOT / "src/base/err_codes.h").read_text()
    statuses = {int(n) for n in re.findall(r"^BS_ERR\(\w+, +(\d+),", source, flags=re.MULTILINE)}
    page = sections((MAN / "backstop.1").read_text())["EXIT STATUS"]
    assert {int(n) for n in re.findall(r"^\.It (\d+)", page, flags=re.MULTILINE)} == statuses | {0}


def keys():
    """(path, row) of the table of keys."""
    source = (ROOT / "src/policy/keys.c").read_text()
    table = source.split("bs_keys[] = {")[1].split("\n};")[0]
    return re.findall(r'^    \{"([^"]+)",(.*)\},$', table, flags=re.MULTILINE)


def test_the_manual_page_has_every_key_and_its_default():
    page = (MAN / "backstop.yaml.5").read_text()
    parts = dict(re.findall(r"^\.It Ic (\S+)\n(.*?)(?=^\.It|^\.El)", page,
                            flags=re.MULTILINE | re.DOTALL))
    assert len(keys()) > 40
    for path, row in keys():
        if "LATER" in row.split(",")[0]:
            assert path not in parts and f".Ic {path}" in page, path
            continue
        assert path in parts, f"backstop.yaml.5 has nothing about {path}"
        default = re.search(r'\.fallback = "([^"]+)"', row)
        if default:
            assert default.group(1) in parts[path], f"{path}: its default is {default.group(1)}"
        assert (" REQUIRED" in row.split(",")[0]) == ("Required" in parts[path]), path
    assert set(parts) <= {path for path, _ in keys()}


def test_the_example_of_the_manual_page_is_a_configuration(tmp_path):
    page = (MAN / "backstop.yaml.5").read_text()
    example = page.split(".Sh EXAMPLES\n.Bd -literal\n")[1].split(".Ed")[0]
    path = tmp_path / "backstop.yaml"
    path.write_text(example)
    out = subprocess.run([binary(), "check-config", path], capture_output=True, text=True, timeout=20)
    assert out.returncode == 0, out.stderr


@pytest.mark.parametrize("page", sorted(path.name for path in MAN.glob("*.[15]")))
def test_a_manual_page_is_set_without_complaint(page):
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    out = subprocess.run(["groff", "-mandoc", "-Tutf8", "-ww", str(MAN / page)], capture_output=True,
                         text=True, timeout=60)
    assert (out.returncode, out.stderr) == (0, "")
    assert "SEE ALSO" in re.sub(r".\x08", "", out.stdout)


# --- the rest ---------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/guide.md", "docs/console.md", "docs/your-database.md", "docs/way-back.md", "docs/notify.md", "docs/agents.md",
                                  "docs/threat-model.md", "docs/policies/README.md"])
def test_links_lead_somewhere(page):
    path = ROOT / page
    text = path.read_text()
    anchors = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-")
               for h in re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif "://" not in target:
            assert (path.parent / target.split("#")[0]).exists(), target
