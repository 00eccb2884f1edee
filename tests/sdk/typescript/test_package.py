"""What npm makes of it, installed where nothing else is: the README's example, and its types for both ways of looking."""

import json
import os
import re
import shutil
import subprocess

import pytest

from .conftest import run

# What an application has beside it: as links, since what is asked here is whether ours is whole.
PEERS = ["pg", "postgres", "drizzle-orm", "@types/pg", "@types/node", "typescript", "ai", "@openai", "@langchain",
         "@modelcontextprotocol"]


@pytest.fixture(scope="module")
def folder(sdk, tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    packed, = json.loads(run("npm", "pack", "--json", "--pack-destination", folder))
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    run("npm", "install", "--offline", "--no-audit", "--no-fund", "--ignore-scripts", folder / packed["filename"], cwd=folder)
    assert sorted(os.listdir(folder / "node_modules")) == [".package-lock.json", "backstop-sdk"]
    files = {one["path"] for one in packed["files"]}
    assert {"README.md", "LICENSE", "package.json", "dist/index.js", "dist/index.d.ts"} <= files
    assert not [path for path in files if not path.startswith("dist/") and path not in ("README.md", "LICENSE", "package.json")]
    return folder


@pytest.fixture(scope="module")
def peers(folder, sdk):
    for name in PEERS:
        to = folder / "node_modules" / name
        to.parent.mkdir(exist_ok=True)
        to.symlink_to(sdk / "node_modules" / name)
    return folder


def test_it_needs_no_other_package(folder):
    said = run("node", "-e", "import('backstop-sdk').then(async (s) => { await import('backstop-sdk/operators'); console.log(Object.keys(s).join()) })",
               cwd=folder)
    assert "Held" in said and "retryOnApproval" in said


def readme_example(sdk):
    example = re.search(r"^```js\n(import \{ Denied.*?)^```$", (sdk / "README.md").read_text(), re.M | re.S)[1]
    assert len([line for line in example.splitlines() if line]) <= 11
    return example


@pytest.mark.parametrize("decision, says", [("approve", "60 rows deleted"), ("deny", "an operator said no")])
def test_the_readmes_example(site, peers, sdk, decision, says):
    with site.pg.admin() as c:
        c.execute("SET ROLE app_trust; CREATE TABLE IF NOT EXISTS public.orders (id int, placed date); TRUNCATE public.orders;"
                  "INSERT INTO public.orders SELECT n, date '2019-01-01' + n * 6 FROM generate_series(1, 100) n")
    (peers / "example.mjs").write_text(readme_example(sdk))
    process = subprocess.Popen(["node", "example.mjs"], cwd=peers, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               env={**os.environ, "DATABASE_URL": site.url("robot") + "?options=-c%20backstop.wait%3D0"})
    try:
        waits = process.stdout.readline()
        ticket, = site.operator.tickets()
        assert waits == f"waiting for an operator: {ticket['id']}\n"
        assert ticket["claims"]["purpose"] == "clean up old orders"
        site.operator.decide(ticket["id"], decision)
        rest, _ = process.communicate(timeout=60)
        assert rest == f"{says}\n"
    finally:
        process.kill()
        process.wait()
        with site.pg.admin() as c:
            c.execute("DROP TABLE public.orders")


@pytest.mark.parametrize("resolution, module", [("nodenext", "nodenext"), ("bundler", "esnext")])
def test_its_types(peers, sdk, resolution, module):
    shutil.copy(sdk / "tests" / "types.ts", peers / "types.ts")
    (peers / "tsconfig.json").write_text(json.dumps({
        "compilerOptions": {"strict": True, "noEmit": True, "target": "es2022", "module": module, "moduleResolution": resolution,
                            "exactOptionalPropertyTypes": True, "preserveSymlinks": False, "types": ["node"], "skipLibCheck": True},
        "files": ["types.ts"]}))
    run("node", "node_modules/typescript/bin/tsc", "-p", ".", cwd=peers)


def test_its_declarations_are_whole(folder, sdk):
    """Without skipLibCheck, and without any other package: the parts that need none."""
    (folder / "plain.ts").write_text('import { retryOnApproval, wait } from "backstop-sdk";\nimport { operators } from "backstop-sdk/operators";\n'
                                     "export const all = { retryOnApproval, wait, operators };\n")
    (folder / "tsconfig.plain.json").write_text(json.dumps({
        "compilerOptions": {"strict": True, "noEmit": True, "target": "es2022", "lib": ["es2022", "dom"], "module": "nodenext", "types": [],
                            "skipLibCheck": False},
        "files": ["plain.ts"]}))
    run("node", sdk / "node_modules/typescript/bin/tsc", "-p", "tsconfig.plain.json", cwd=folder)


def test_examples_and_scripts_keep_to_the_types(sdk):
    run("npm", "run", "--silent", "check")


@pytest.mark.parametrize("driver", ["pg", "postgres"])
def test_an_invalid_url_is_not_printed(sdk, driver):
    text = f"""import {{ connect }} from "backstop-sdk/{driver}"; import {{ inspect }} from "node:util";
    try {{ await connect("postgres://u:hu/sh@127.0.0.1:1/d"); }} catch (error) {{ console.log(inspect(error)); }}"""
    said = run("node", "--input-type=module", "-e", text)
    assert "Invalid URL" in said and "hu/sh" not in said
