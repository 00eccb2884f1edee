"""What operators are told of the run that a statement belongs to."""

import re


def test_every_statement_says_its_own_run(site):
    said = site.script("tests/claims.mjs").rest()
    assert [one["name"] for one in said if one["event"] == "held"] == ["Held"] * 11
    assert [one["statement_timeout"] for one in said if one["event"] == "setting"] == ["77s"] * 3
    assert [one["name"] for one in said if one["event"] == "refused"] == ["RangeError"] * 2
    claims = {}
    for one in site.operator.tickets():
        _, ticket = site.operator.ask("GET", f"/v1/tickets/{one['id']}")
        text = ticket["sql"] + " ".join(map(str, ticket.get("params", [])))
        claims[int(re.findall(r"\d+", text.partition(" -- ")[0])[-1])] = ticket.get("claims")
    assert claims == {
        1: {"run": "one", "purpose": "it's 100 % */ nötig"},
        2: {"run": "two"},
        3: {"run": "four", "purpose": "inner", "parent": "three"},
        4: None,
        5: {"run": "five"},
        6: {"run": "six", "purpose": "two words \\ and"},
        7: {"run": "seven", "purpose": "two words \\ and"},
        8: {"run": "eight"},
        9: {"run": "nine"},
        10: {"run": "ten"},
        11: {"run": "eleven"},
    }
