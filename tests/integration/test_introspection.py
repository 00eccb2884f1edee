"""What clients ask a database by themselves is SAFE: recorded long ago, and asked again now.

The corpus is what script/record-introspection has written: every backslash command of psql, TAB,
pg_dump, mappers and migration tools before a schema that has one of everything.
"""

import json
import re
import subprocess

import pytest

import recorded
from conftest import ROOT, binary
from introspect import tools
from operator_side import Operator

CORPORA = sorted(p.stem for p in recorded.CORPUS.glob("*.sql") if p.stem != "schema")


@pytest.fixture(scope="module")
def recorder(pg):
    with recorded.a_recorder(pg) as r:
        yield r


def questions(name):
    """Each text after those that belong before it."""
    for entry in recorded.read(recorded.CORPUS / f"{name}.sql"):
        for n, text in enumerate(entry):
            yield {"sql": text, "session": entry[:n]}


@pytest.mark.parametrize("name", CORPORA)
def test_what_was_recorded_is_safe(recorder, name):
    asked = list(questions(name))
    got = subprocess.run(
        [binary(), "classify", "--jsonl", "--dsn", recorded.dsn(recorder.pg, "backstop")],
        input="".join(json.dumps(q) + "\n" for q in asked), capture_output=True, text=True, timeout=100)
    assert got.returncode == 0, got.stderr
    answers = [json.loads(line) for line in got.stdout.splitlines()]
    assert len(answers) == len(asked) > 0
    bad = [f"{a['risk']} {[r['text'] for s in a['statements'] for r in s['reasons']]}: {q['sql'][:300]}"
           for q, a in zip(asked, answers)
           if a["risk"] != "SAFE" and not recorded.is_write(q["sql"])]
    assert not bad, "\n".join(bad)


def test_the_corpus_is_whole():
    """One that is lost would be missed by nobody."""
    texts = sum(len(list(questions(name))) for name in CORPORA)
    assert texts > 2500
    assert {"alembic", "django", "drizzle", "drivers", "knex", "pg", "pg_dump-15", "pg_dumpall",
            "psql-15", "psql-15-completion", "sqlalchemy", "typeorm"} <= set(CORPORA)


def test_it_is_asked_as_ever(recorder, packages, tmp_path):
    """By the tools themselves, and of an agent that may read and nothing else."""
    operator = Operator(recorder.gateway)
    bad = []
    for run in tools.runs(recorder, "bob", packages, tmp_path, quick=True):
        with recorder.recording() as records:
            run.run(recorder.env("bob"))
        assert records, run.what
        bad += [f"{run.what}: {risk}: {text[:300]}" for text, risk in recorded.unsafe(records).items()]
    assert not bad, "\n".join(bad)
    assert operator.tickets() == []


def test_the_page_names_what_is_run():
    """docs/clients.md and what is installed cannot drift apart."""
    page = (ROOT / "docs" / "clients.md").read_text()
    page = page[page.index("<!-- end -->"):]  # the table above it is made by script/clients, and has its own test
    wanted = (ROOT / "tests/integration/requirements.txt").read_text().replace("[binary]", "")
    wanted += "".join(f"{name}=={version}\n" for name, version in json.loads(
        (ROOT / "tests/integration/node/package.json").read_text())["dependencies"].items())
    rows = re.findall(r"^\| ([\w-]+) \| (\d+\.\d[\d.]+) \|", page, flags=re.M)
    assert len(rows) == 22
    for name, version in rows:
        assert f"\n{name}=={version}\n" in "\n" + wanted, name
