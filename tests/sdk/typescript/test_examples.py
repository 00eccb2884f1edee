"""Each adapter's example, with a scripted model: it reads, is held, and an operator decides elsewhere."""

import json

import pytest

EXAMPLES = ["ai-sdk", "openai-agents", "langgraph"]
# What a model may be told of why, or of how else: nothing.
NEVER = ["polic", "rule", "CRITICAL", "HIGH", "TRUNCATE", "instead", "another way", "operators_port", "127.0.0.1"]


@pytest.fixture(params=EXAMPLES)
def example(request, site):
    return site.script(f"examples/{request.param}.mjs")


def told(said):
    """What the model was sent, as text."""
    return "\n".join(json.dumps(one["message"]) for one in said if one["event"] == "model")


def test_approved_it_runs_once(site, example):
    held = example.next("held")
    ticket, = site.operator.tickets()
    assert (held["ticket"], ticket["claims"]["purpose"]) == (ticket["id"], "clean up orders")
    assert site.rows("orders") == 100
    site.operator.decide(held["ticket"], "approve")
    said = example.rest()
    assert site.rows("orders") == 10
    assert site.runs(held["ticket"]) == ["DELETE"]
    text = told(said).replace("\\", "")
    assert '"n":100' in text.replace(" ", "")
    assert '"row_count":90' in text.replace(" ", "")
    assert not site.operator.tickets()


def test_denied_nothing_runs(site, example):
    held = example.next("held")
    site.operator.decide(held["ticket"], "deny", reason="policy 7 forbids it; use TRUNCATE instead")
    said = example.rest()
    assert site.rows("orders") == 100
    assert site.runs(held["ticket"]) == []
    text = told(said)
    assert "enied by an operator" in text
    assert [word for word in NEVER if word in text] == []
    assert not site.operator.tickets()
