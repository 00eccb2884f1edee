"""The recipes of docs/recipes.md: how each is made and run, and a gateway before a small table for it."""

import contextlib
import pathlib
import shutil
import subprocess
import sys
import threading
import urllib.parse

import yaml

from clients.languages import Built, Language, Node
from conftest import ROOT, Gateway, running
from operator_side import Operator

HERE = pathlib.Path(__file__).parent
ORDERS = """
DROP SCHEMA IF EXISTS public, drizzle CASCADE;
CREATE SCHEMA public AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE orders (id int PRIMARY KEY, paid boolean NOT NULL);
INSERT INTO orders SELECT n, n % 4 <> 0 FROM generate_series(1, 12) n;
RESET ROLE;
"""
# What adds passes; what destroys asks, however little it is.
STAGING = yaml.safe_load((ROOT / "docs" / "policies" / "staging.yaml").read_text())["policy"]["rules"]
POLICY = {"rules": [rule for rule in STAGING if rule["name"] in ("notes of migration tools", "additive work")]}
AT_ONCE = urllib.parse.quote("-c backstop.wait=0")


class Recipe:
    """
    language  of clients/languages.py: how to make it
    args      behind the connection string
    url       what the connection string looks like there
    migrates  it drops the whole table, as a migration
    """

    def __init__(self, name, language, args=(), url="postgresql", migrates=False, env=False):
        self.name, self.language, self.args, self.url, self.migrates, self.env = name, language, args, url, migrates, env

    def command(self, place, agent):
        url = place.url(agent, self.url)
        return [*self.language.command(), *([] if self.env else [url]), *map(str, self.args)], {"DATABASE_URL": url}


class Ruby(Language):
    def prepare(self):
        return super().prepare() and "ActiveRecord is not installed: script/setup recipes does it"


class Drizzle(Node):
    """Beside the packages, where its imports find them."""

    def prepare(self):
        missing = super().prepare()
        if missing is None:
            shutil.copy(self.script, self.packages / "recipe-migrate.mjs")
        return missing

    def command(self):
        return ["node", "recipe-migrate.mjs"]


GO = Built(HERE / "go", ["go"], "recipe", [["go", "build", "-o", "{out}/recipe", "."]], ["{out}/recipe"])
RUST = Built(HERE / "rust", ["cargo"], "recipe", [
    ["cargo", "build", "--quiet", "--locked", "--target-dir", "{cache}/rust-target"],
    ["cp", "{cache}/rust-target/debug/recipe", "{out}/recipe"]], ["{out}/recipe"])


def java(program):
    made = [["mvn", "-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy-dependencies",
             "-DoutputDirectory={out}/lib"],
            ["javac", "-cp", "{out}/lib/*", "-d", "{out}", "Jdbc.java", "Spring.java", "Migrate.java"]]
    return Built(HERE / "java", ["javac", "mvn"], "Migrate.class", made, ["java", "-cp", "{out}:{out}/lib/*", program])


RECIPES = [
    Recipe("psql", Language("bash", HERE / "shell/recipe.sh")),
    Recipe("pgx", GO),
    Recipe("JDBC", java("Jdbc"), url="jdbc"),
    Recipe("Spring", java("Spring"), url="jdbc"),
    Recipe("sqlx", RUST),
    Recipe("Rails", Ruby("ruby", HERE / "ruby/recipe.rb", ["-ractive_record", "-rpg", "-e", "1"])),
    Recipe("PDO", Language("php", HERE / "php/recipe.php", ["-r", "exit((int)!extension_loaded('pdo_pgsql'));"]), url="pdo"),
    Recipe("Alembic", Language(sys.executable, HERE / "alembic/upgrade.py", ["-c", "import alembic"]),
           [HERE / "alembic"], "postgresql+psycopg", migrates=True, env=True),
    Recipe("Flyway", java("Migrate"), [HERE / "flyway"], url="jdbc", migrates=True),
    Recipe("Drizzle", Drizzle("node", HERE / "drizzle/migrate.js"), [HERE / "drizzle/migrations"], migrates=True),
]


class Place:
    def __init__(self, pg, gateway):
        self.pg, self.gateway, self.operator = pg, gateway, Operator(gateway)

    def url(self, agent, how):
        host, port, password = "127.0.0.1", self.gateway.port, self.gateway.passwords[agent]
        if how == "pdo":
            return (f"pgsql:host={host} port={port} dbname=app user={agent} password={password}"
                    " options='-c backstop.wait=0'")
        if how == "jdbc":
            quoted = urllib.parse.quote(password, safe="")
            return f"jdbc:postgresql://{host}:{port}/app?user={agent}&password={quoted}&options={AT_ONCE}"
        return f"{how}://{agent}:{urllib.parse.quote(password, safe='')}@{host}:{port}/app?options={AT_ONCE}"

    def fresh(self):
        with self.pg.admin() as c:
            c.execute(ORDERS)

    def orders(self):
        """None: there is no such table."""
        with self.pg.admin() as c:
            if c.execute("SELECT to_regclass('public.orders')").fetchone()[0] is None:
                return None
            return c.execute("SELECT count(*), count(*) FILTER (WHERE NOT paid) FROM orders").fetchone()

    def run(self, recipe, agent):
        command, env = recipe.command(self, agent)
        done = subprocess.run(command, cwd=recipe.language.folder(), capture_output=True, text=True, timeout=150,
                              env={**self.gateway.env, **env})
        return done.returncode, done.stdout, done.stderr

    @contextlib.contextmanager
    def deciding(self, agent, what):
        """An operator who has a look first; gives the tickets, with what was there when they were decided."""
        over, seen = threading.Event(), []

        def work():
            while not over.wait(0.1):
                for ticket in self.operator.tickets():
                    if ticket["actor"] == agent:
                        seen.append((ticket, self.orders()))
                        self.operator.decide(ticket["id"], what)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield seen
        finally:
            over.set()
            thread.join()


@contextlib.contextmanager
def a_place(pg):
    upstream = pg.conninfo("app_trust", options="-c search_path=public")  # else Flyway sets it, see the recipe
    with running(Gateway(pg, {"app": upstream}, tls=False, policy=POLICY, extra={"hold": {"wait": "2s"}})) as gateway:
        yield Place(pg, gateway)
    with pg.admin() as c:
        c.execute("DROP SCHEMA IF EXISTS public, drizzle CASCADE; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO PUBLIC")


def prepare_ahead():
    for language in {r.language for r in RECIPES if isinstance(r.language, Built)}:
        language.prepare_ahead()
