"""The operators' API against its own description, by schemathesis: no 5xx, nothing undocumented.

BACKSTOP_FUZZ_EXAMPLES says how many requests an operation gets; script/fuzz-api asks for more.
"""

import os
import pathlib
import subprocess
import sys

import jsonschema_rs
import pytest

from conftest import Gateway, running
from test_api import Site

EXAMPLES = os.environ.get("BACKSTOP_FUZZ_EXAMPLES", "10")
CHECKS = ("not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
          "response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance")

RULES = [{"name": "two", "objects": ["fuzzed.t"], "action": "approve", "approvals": {"quorum": 2}}]


@pytest.fixture(scope="module")
def site(pg):
    with pg.admin() as c:
        c.execute("CREATE SCHEMA fuzzed")
        c.execute("CREATE TABLE fuzzed.t (id int PRIMARY KEY)")
        c.execute("INSERT INTO fuzzed.t VALUES (1), (2), (3), (4)")
        c.execute("GRANT ALL ON SCHEMA fuzzed TO app_trust; GRANT ALL ON fuzzed.t TO app_trust")
    g = Gateway(pg, {"app": pg.conninfo("app_trust")}, policy={"rules": RULES}, extra={"hold": {"wait": "0s"}})
    with running(g, "alice"):
        made = Site(g)
        for n in (1, 2, 3):
            made.held(f"DELETE FROM fuzzed.t WHERE id = {n}")
        yield made
    with pg.admin() as c:
        c.execute("DROP SCHEMA fuzzed CASCADE")


def test_a_ticket_is_as_it_is_described(site):
    """Whole, with all that operators say to it, and nothing else. First: what comes next revokes the agent."""
    doc = site.ask("GET", "/v1/openapi.json", role=None).json()
    closed = {name: {**schema, "additionalProperties": False} if "properties" in schema else schema
              for name, schema in doc["components"]["schemas"].items()}
    validator = jsonschema_rs.validator_for(
        {"$ref": "#/components/schemas/Ticket", "components": {**doc["components"], "schemas": closed}})
    path = "/v1/tickets/" + site.held("DELETE FROM fuzzed.t WHERE id = 4")
    said = [site.ask("GET", path), site.ask("POST", path + "/comment", {"text": "a moment"}),
            site.ask("POST", path + "/approve", {"reason": "fine"}),
            site.ask("POST", path + "/approve", {}, role="admin")]
    for answer in said:
        validator.validate(answer.json())
    assert [len(answer.json()["decisions"]) for answer in said] == [0, 0, 1, 2]
    assert "approvals" in said[0].json() and "missing" in said[2].json() and "missing" not in said[3].json()


def test_the_api_is_as_it_is_described(site, tmp_path):
    program = pathlib.Path(sys.executable).with_name("schemathesis")
    base = f"http://127.0.0.1:{site.gateway.operators_port}"
    out = subprocess.run(
        [program, "run", base + "/v1/openapi.json", "--header", f"Authorization: Bearer {site.tokens['admin']}",
         "--checks", CHECKS, "--max-examples", EXAMPLES, "--phases", "examples,coverage,fuzzing",
         "--exclude-path", "/v1/events", "--request-timeout", "20", "--seed", "1", "--continue-on-failure",
         "--suppress-health-check", "all", "--no-color"],
        capture_output=True, text=True, cwd=tmp_path, check=False)
    assert out.returncode == 0, out.stdout[-8000:] + out.stderr[-2000:]
    assert site.ask("GET", "/healthz", role=None).status == 200
    assert site.gateway.process.poll() is None
