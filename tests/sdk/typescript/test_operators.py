"""The client of the operators' API: its types are those of the description, its events come as they happen."""

import json
import re

DELETE = "DELETE FROM ts.orders"


def test_an_operators_tool_sees_a_ticket_and_approves_it(site):
    env = {"OPERATORS_URL": site.operator.base, "OPERATORS_TOKEN": site.operator.token}
    script = site.script("tests/operators.mjs", **env)
    assert script.next("ready")["text"] == "string"
    script.next("watching")
    agent = site.script("tests/client.mjs", "pg", "retry", DELETE)
    said = script.rest()
    agent.rest()
    approved, = (one for one in said if one["event"] == "approved")
    assert approved["actor"] == "robot"
    states = [one["of"]["state"] for one in said if one["event"] == "event" and one["of"]["type"] == "ticket"]
    assert states[0] == "pending" and states[-1] == "done"
    streams = [one["last"] for one in said if one["event"] == "stream"]
    assert streams[0] is None and len(streams) > 1 and all(streams[1:])
    assert [one["status"] for one in said if one["event"] == "problem"] == [404, 401, 401]
    refused = [one["message"] for one in said if one["event"] == "no address"]
    assert len(refused) == 6 and "hush" not in "".join(refused)
    assert [one["event"] for one in said].count("no name") == 3 and not [one for one in said if one["event"] == "sent"]
    assert site.rows("orders") == 0


def test_every_operation_of_the_description_is_there(sdk):
    """Made from it by the build: the description's own names, methods and paths."""
    description = json.loads((sdk / "../../src/api/openapi.json").read_text())
    wanted = {of["operationId"]: (method.upper(), path)
              for path, methods in description["paths"].items() for method, of in methods.items() if method != "parameters"}
    made = dict()
    for name, method, path in re.findall(r'^ +(\w+): \["(\w+)", "(.+)"\],$', (sdk / "dist/generated/routes.js").read_text(), re.M):
        made[name] = (method, path)
    assert made == wanted
