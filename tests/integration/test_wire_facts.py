"""tests/wire/FACTS.md: every section of the protocol has facts, and each test that it names is there."""

import pathlib
import re

import pytest

from wirescript import FOLDER, all_cases

PAGE = (FOLDER / "FACTS.md").read_text()
ROOT = FOLDER.parents[1]
MANUAL = """PROTOCOL-MESSAGE-CONCEPTS PROTOCOL-MESSAGE-FORMATS PROTOCOL-ERROR-FIELDS PROTOCOL-FLOW-START-UP
SASL-AUTHENTICATION PROTOCOL-FLOW-SIMPLE-QUERY PROTOCOL-FLOW-EXT-QUERY PROTOCOL-FLOW-PIPELINING
PROTOCOL-FLOW-FUNCTION-CALL PROTOCOL-COPY PROTOCOL-ASYNC PROTOCOL-FLOW-CANCELING-REQUESTS PROTOCOL-FLOW-TERMINATION
PROTOCOL-FLOW-SSL PROTOCOL-FLOW-GSSAPI PROTOCOL-REPLICATION""".split()
FACTS = {part.split("\n", 1)[0].strip(): re.findall(r"^\| (?!Fact|--)(.+?) \| (.+) \|$", part, re.M)
         for part in PAGE.split("\n## ")[1:]}
CASES = {f"{case.file}: {case.title}" for case in all_cases()}


def is_there(name):
    if re.match(r"test_\w+\.py::", name):
        file, test = name.split("::")
        path = pathlib.Path(__file__).parent / file
        return path.exists() and re.search(rf"^def {test}\(", path.read_text(), re.M)
    if ".c: " in name:
        file, row = name.split(": ", 1)
        path = ROOT / "tests" / "unit" / file
        return path.exists() and re.search(rf'"{re.escape(row)}|\b{re.escape(row)}\b', path.read_text())
    return name in CASES


def test_every_section_of_the_manual_has_facts():
    assert set(MANUAL) == {section for section, facts in FACTS.items() if facts}


def test_every_message_belongs_to_a_section_with_facts():
    table = (ROOT / "src" / "wire" / "front_msgs.h").read_text()
    named = set(re.findall(r'^BS_FRONT\(.*"([\w-]+)"\)', table, re.M))
    assert named and named <= set(FACTS)


def test_every_script_states_facts():
    used = {name.split(": ")[0] for facts in FACTS.values() for _, tests in facts for name in re.findall(r"`(.+?)`", tests)}
    assert {path.stem for path in FOLDER.glob("*.wire")} <= used


@pytest.mark.parametrize("section", FACTS)
def test_each_fact_names_tests_that_exist(section):
    for fact, tests in FACTS[section]:
        names = re.findall(r"`(.+?)`", tests)
        assert names, fact
        assert not [name for name in names if not is_there(name)], fact
