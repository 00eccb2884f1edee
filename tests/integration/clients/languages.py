"""How to make and run each client. What is downloaded or compiled is kept in .cache/clients."""

import contextlib
import dataclasses
import fcntl
import hashlib
import pathlib
import re
import shutil
import subprocess
import sys
import threading

from conftest import ROOT, install_packages

HERE = pathlib.Path(__file__).parent
CACHE = ROOT / ".cache" / "clients"


@dataclasses.dataclass(frozen=True)
class Client:
    """HELD is a part of what it asks that is held."""

    name: str
    language: "Language"
    held: str = "UPDATE club.held SET times"

    @property
    def agent(self):
        return re.sub(r"[^a-z0-9_]+", "-", self.name.lower())

    def prepare(self):
        return self.language.prepare()

    def command(self):
        return self.language.command()

    def folder(self):
        return self.language.folder()


class Language:
    """One that needs no more than its interpreter, and modules that script/setup installs."""

    def __init__(self, program, script, *modules):
        self.program, self.script, self.modules = program, HERE / script, modules

    def prepare(self):
        """Why it cannot be run, or None."""
        if not shutil.which(self.program):
            return f"{self.program} is not installed"
        for args in self.modules:
            if subprocess.run([self.program, *args], capture_output=True).returncode != 0:
                return f"{self.program} {' '.join(args)} fails: script/setup clients installs what it needs"
        return None

    def command(self):
        return [self.program, str(self.script)]

    def folder(self):
        return None

    def prepare_ahead(self):
        pass


class Node(Language):
    """In the folder of the packages that other tests use, too."""

    def prepare(self):
        if not shutil.which("npm"):
            return "npm is not installed"
        self.packages = install_packages()
        return super().prepare()

    def folder(self):
        return self.packages


class Built(Language):
    """
    One that is compiled or fetched first: once for what the folder holds.

    needs  programs that must be there
    made   what comes of it, in the folder of the cache
    make   commands, run in the folder; {out} is the folder of the cache
    """

    def __init__(self, folder, needs, made, make, command):
        self.source, self.needs, self.make = HERE / folder, needs, make
        text = b"".join(p.read_bytes() for p in sorted(self.source.rglob("*")) if p.is_file())
        self.out = CACHE / f"{self.source.name}-{hashlib.sha256(text).hexdigest()[:8]}"
        self.made = self.out / made
        self.line = [part.format(out=self.out, source=self.source) for part in command]

    def prepare(self):
        for program in self.needs:
            if not shutil.which(program):
                return f"{program} is not installed"
        self.out.mkdir(parents=True, exist_ok=True)
        with (self.out / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two suites at once
            if not self.made.exists():
                for command in self.make:
                    self.run(*(part.format(out=self.out, cache=CACHE) for part in command))
        return None

    def prepare_ahead(self):
        """Compiles while other clients run, since that takes longest; prepare() waits for it, and says what failed."""
        def work():
            with contextlib.suppress(Exception):
                self.prepare()
        threading.Thread(target=work, daemon=True).start()

    def run(self, *command):
        done = subprocess.run(command, cwd=self.source, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"

    def command(self):
        return self.line


PYTHON = Language(sys.executable, "python/clients.py")

SHELL = Language("bash", "shell/clients.sh")
PERL = Language("perl", "perl/clients.pl", ["-MDBD::Pg", "-e", "1"])
PHP = Language("php", "php/clients.php", ["-r", "exit((int)!extension_loaded('pdo_pgsql'));"])
RUBY = Language("ruby", "ruby/clients.rb", ["-rpg", "-e", "1"])

NODE = Node("node", "node/clients.js")
GO = Built("go", ["go"], "clients", [["go", "build", "-o", "{out}/clients", "."]], ["{out}/clients"])
# What others have compiled for it stays when the program changes.
RUST = Built("rust", ["cargo"], "clients", [
    ["cargo", "build", "--quiet", "--locked", "--target-dir", "{cache}/rust-target"],
    ["cp", "{cache}/rust-target/debug/clients", "{out}/clients"]], ["{out}/clients"])
JAVA = Built("java", ["javac", "mvn"], "Clients.class", [
    ["mvn", "-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy-dependencies",
     "-DoutputDirectory={out}/lib"],
    ["javac", "-cp", "{out}/lib/*", "-d", "{out}", "Clients.java"]], ["java", "-cp", "{out}:{out}/lib/*", "Clients"])

CLIENTS = [
    Client("psql", SHELL), Client("pg_dump", SHELL), Client("pg_restore", SHELL, "SET check_function_bodies"),
    Client("pgbench", SHELL), *(Client(name, language) for name, language in [
        ("psycopg", PYTHON), ("psycopg2", PYTHON), ("asyncpg", PYTHON), ("pg8000", PYTHON), ("SQLAlchemy", PYTHON),
        ("Django", PYTHON), ("node-postgres", NODE), ("postgres.js", NODE), ("Drizzle", NODE), ("Knex", NODE),
        ("pgx", GO), ("lib/pq", GO), ("pgjdbc", JAVA), ("tokio-postgres", RUST), ("DBD::Pg", PERL), ("PDO", PHP),
        ("Ruby pg", RUBY)]),
]
