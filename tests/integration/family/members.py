"""Servers of the PostgreSQL family, and how to start each. Used by test_family.py and by script/family.

A member that cannot be started here says why (NotHere); what is fetched is kept in .cache.
"""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import psycopg

import fidelity
from conftest import NODE_CACHE, ROOT, as_server_user, free_port, wait_until

HERE = pathlib.Path(__file__).parent
MAJORS = os.environ.get("BACKSTOP_MAJORS", "14 15 16 17 18").split()
USERS = "CREATE TABLE users (id int, name {text})"
ROWS = "INSERT INTO users VALUES (1, 'ann'), (2, 'bob'), (3, 'cy')"


class NotHere(Exception):
    """Why it was not run."""


class Member:
    """
    One server behind the gateway.

    upstream, helper, direct   connection strings; DIRECT is of whoever makes the tables
    pg_dump                    {major: program} for the configuration
    others                     what else can be asked there: see Extension
    """

    text = "text"
    ordinary = True  # all that Backstop does is done there

    def __init__(self, name, upstream, helper, direct, pg_dump=None, major=None):
        self.name, self.upstream, self.helper, self.direct = name, upstream, helper, direct
        self.pg_dump, self.major = pg_dump or {}, major

    def ask(self, sql):
        """Past the gateway; the rows, where there are any."""
        with psycopg.connect(self.direct, autocommit=True, connect_timeout=10, prepare_threshold=None,
                             cursor_factory=psycopg.ClientCursor) as c:
            cursor = c.execute(sql)
            return cursor.fetchall() if cursor.description else None

    def fresh(self):
        self.ask("DROP TABLE IF EXISTS users")
        self.ask(USERS.format(text=self.text))
        self.ask(ROWS)
        self.settled()

    def settled(self):
        pass

    def rows(self):
        return sorted(self.ask("SELECT id, name FROM users"))


# --- PostgreSQL itself ---

def of_postgres(pg, name=None):
    dumps = {pg.major: str(pg.bin / "pg_dump")}
    return Member(name or f"PostgreSQL {pg.major}", pg.conninfo("app_trust"), pg.conninfo("backstop"),
                  pg.conninfo("app_trust"), dumps, pg.major)


@contextlib.contextmanager
def postgres(major):
    with fidelity.server(major) as pg:
        yield of_postgres(pg)


class Places(Member):
    """With a column of PostGIS."""

    def fresh(self):
        super().fresh()
        self.ask("ALTER TABLE users ADD at public.geometry")
        self.ask("UPDATE users SET at = public.st_makepoint(id, id)")

    def rows(self):
        return sorted(self.ask("SELECT id, name, public.st_astext(at) FROM users"))


@contextlib.contextmanager
def postgis():
    with fidelity.server("15") as pg:
        with pg.admin() as c:
            if not c.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'postgis'").fetchone():
                raise NotHere("script/setup postgis installs it")
            c.execute("CREATE EXTENSION postgis SCHEMA public")
            version = c.execute("SELECT extversion FROM pg_extension WHERE extname = 'postgis'").fetchone()[0]
        made = of_postgres(pg)
        yield Places(f"PostgreSQL 15 with PostGIS {version}", made.upstream, made.helper, made.direct, made.pg_dump, "15")


# --- others ---

@contextlib.contextmanager
def started(command, said, log, seconds=120, **more):
    """A process that has written SAID; ended at the end."""
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **more)
    try:
        deadline = time.monotonic() + seconds
        while said not in log.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                raise NotHere(f"it does not start: {log.read_text()[-300:]}")
            time.sleep(0.1)
        yield process
    finally:
        process.kill()
        process.wait()


class OneSession(Member):
    ordinary = False

    def settled(self):
        """What holds for everybody there until somebody says otherwise."""
        self.settings = self.session()

    def session(self):
        return self.ask("SELECT current_setting('default_transaction_read_only'), current_setting('search_path'),"
                        " current_setting('row_security'), current_setting('statement_timeout')")


def pglite_packages():
    """Their folder; a folder for each set of versions, beside that of other packages."""
    if not shutil.which("npm") or not shutil.which("node"):
        raise NotHere("npm is not installed: script/setup tests does it")
    lock = HERE / "package-lock.json"
    folder = NODE_CACHE.parent / f"family-{hashlib.sha256(lock.read_bytes()).hexdigest()[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, folder)
            subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps"],
                           cwd=folder, check=True, timeout=300, stdout=subprocess.DEVNULL)
            (folder / "done").touch()
    shutil.copy(HERE / "pglite.js", folder)
    return folder


@contextlib.contextmanager
def pglite():
    folder, port = pglite_packages(), free_port()
    with tempfile.TemporaryDirectory(prefix="bs-pglite-") as here:
        with started(["node", "pglite.js", str(port)], "ready", pathlib.Path(here, "log"), cwd=folder):
            at = f"host=127.0.0.1 port={port} dbname=postgres password=none sslmode=disable"
            yield OneSession("PGlite 0.5.14", f"{at} user=postgres", f"{at} user=backstop", f"{at} user=postgres")


QUESTDB, H2 = "9.3.4", "2.4.240"


class Foreign(Member):
    """Speaks the protocol, and is none."""

    ordinary = False

    def __init__(self, *args, text="text"):
        super().__init__(*args)
        self.text = text


def jar(group, name, version):
    """Of Maven, fetched once."""
    if not shutil.which("java") or not shutil.which("mvn"):
        raise NotHere("java or mvn is not installed: script/setup family does it")
    folder = ROOT / ".cache" / "family-jars"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / f"{name}-{version}.jar").exists():
        subprocess.run(["mvn", "-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy",
                        f"-Dartifact={group}:{name}:{version}", f"-DoutputDirectory={folder}"],
                       check=True, timeout=600, cwd=folder, stdout=subprocess.DEVNULL)
    return str(folder / f"{name}-{version}.jar")


@contextlib.contextmanager
def questdb():
    program, port = jar("org.questdb", "questdb", QUESTDB), free_port()
    with tempfile.TemporaryDirectory(prefix="bs-quest-") as root:
        env = {**os.environ, "QDB_PG_NET_BIND_TO": f"127.0.0.1:{port}", "QDB_PG_READONLY_USER_ENABLED": "true",
               **{f"QDB_{what}_ENABLED": "false"
                  for what in ("HTTP", "HTTP_MIN", "LINE_TCP", "LINE_UDP", "TELEMETRY", "METRICS")}}
        with started(["java", "-p", program, "-m", "io.questdb/io.questdb.ServerMain", "-d", root], "enjoy",
                     pathlib.Path(root, "log"), env=env):
            at = f"host=127.0.0.1 port={port} dbname=qdb password=quest sslmode=disable"
            yield Foreign(f"QuestDB {QUESTDB}", f"{at} user=admin", f"{at} user=user", f"{at} user=admin", text="string")


@contextlib.contextmanager
def h2():
    program, port = jar("com.h2database", "h2", H2), free_port()
    with tempfile.TemporaryDirectory(prefix="bs-h2-") as folder:
        with started(["java", "-cp", program, "org.h2.tools.Server", "-pg", "-pgPort", str(port), "-ifNotExists", "-baseDir",
                      folder], "running", pathlib.Path(folder, "log")):
            at = f"host=127.0.0.1 port={port} dbname=app password=none sslmode=disable"
            member = Foreign(f"H2 {H2}", f"{at} user=sa", f"{at} user=backstop", f"{at} user=sa")
            member.ask("CREATE USER backstop PASSWORD 'none' ADMIN")
            yield member


# --- ways to have it that leave something out ---

@contextlib.contextmanager
def pooled(pg, how):
    """PgBouncer before the agents' sessions (`upstream`), or before the gateway's own (`helper`)."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not os.path.exists(program):
        raise NotHere("PgBouncer is not installed: script/setup family does it")
    folder, port = pathlib.Path(tempfile.mkdtemp(prefix="bs-bouncer-")), free_port()
    folder.chmod(0o777)
    (folder / "users.txt").write_text('"app_trust" ""\n"backstop" ""\n')
    (folder / "ini").write_text(
        f"[databases]\napp = host={pg.folder} port={pg.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nauth_type = trust\nauth_file = {folder}/users.txt\npool_mode = transaction\n"
        "unix_socket_dir =\nignore_startup_parameters = options,backslash_quote,extra_float_digits,"
        "default_transaction_read_only,search_path\n")
    made = of_postgres(pg)
    at = f"host=127.0.0.1 port={port} dbname=app sslmode=disable"
    ways = {"upstream": (f"{at} user=app_trust", made.helper), "helper": (made.upstream, f"{at} user=backstop")}
    try:
        with started(as_server_user([program, str(folder / "ini")]), "process up", folder / "log"):
            member = Member(f"PostgreSQL {pg.major}, PgBouncer before `{how}`", *ways[how], made.direct, made.pg_dump)
            member.ordinary = False
            yield member
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Behind(Member):
    ordinary = False

    def settled(self):
        """What the server has done is there, too."""
        (at,), = self.ask("SELECT pg_current_wal_lsn()")
        with psycopg.connect(self.helper, autocommit=True) as c:
            wait_until(lambda: c.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (at,)).fetchone()[0], 30)


@contextlib.contextmanager
def standby(pg):
    """The gateway's own sessions are sent to a copy that follows the server, as a reader's address does."""
    program = pg.bin / "pg_basebackup"
    if not program.exists():
        raise NotHere("there is no pg_basebackup of this server's version")
    folder, port = pathlib.Path(tempfile.mkdtemp(prefix="bs-standby-")), free_port()
    shutil.chown(folder, "postgres", "postgres") if os.geteuid() == 0 else None
    made, hba = of_postgres(pg), pg.data / "pg_hba.conf"
    lines = hba.read_text()
    run = dict(check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
    try:
        hba.write_text(lines + "local replication postgres trust\n")
        with pg.admin() as c:
            c.execute("SELECT pg_reload_conf()")
        subprocess.run(as_server_user([str(program), "-h", str(pg.folder), "-p", str(pg.port), "-U", "postgres",
                                       "-D", str(folder / "data"), "-R", "-c", "fast"]), **run)
        with (folder / "data" / "postgresql.conf").open("a") as f:
            f.write(f"port = {port}\nunix_socket_directories = '{folder}'\n")
        subprocess.run(as_server_user([str(pg.bin / "pg_ctl"), "-D", str(folder / "data"), "-l",
                                       str(folder / "log"), "-w", "start"]), **run)
        helper = f"host={folder} port={port} dbname=app user=backstop"
        yield Behind(f"PostgreSQL {pg.major}, `helper` on a standby", made.upstream, helper, made.direct, made.pg_dump)
    finally:
        hba.write_text(lines)
        with pg.admin() as c:
            c.execute("SELECT pg_reload_conf()")
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(as_server_user([str(pg.bin / "pg_ctl"), "-D", str(folder / "data"), "-m", "immediate",
                                           "-w", "stop"]), **run)
        shutil.rmtree(folder, ignore_errors=True)
