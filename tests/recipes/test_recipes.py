"""Each recipe of docs/recipes.md reads, is held, and runs once after an operator's yes; after a no nothing runs."""

import re

import pytest

import document
import recipes
from conftest import wait_until

ALL, LEFT = (12, 3), (9, 0)  # orders, unpaid ones


@pytest.fixture(scope="module")
def place(pg):
    recipes.prepare_ahead()
    with recipes.a_place(pg) as place:
        yield place


def start(place, recipe, what):
    """The agent, for each run one of its own: what one was denied counts for that one."""
    missing = recipe.language.prepare()
    if missing:
        pytest.skip(f"not run: {missing}")
    agent = f"{recipe.name.lower()}-{what}"
    place.gateway.add_agent(agent, "app")
    place.fresh()
    return agent


@pytest.mark.parametrize("recipe", recipes.RECIPES, ids=lambda r: r.name)
def test_runs_once_after_a_yes(place, recipe):
    agent = start(place, recipe, "approve")
    with place.deciding(agent, "approve") as seen:
        status, said, error = place.run(recipe, agent)
    assert status == 0, said + error
    assert [before for _, before in seen] == [ALL], "one ticket, and nothing has run before it"
    if recipe.migrates:
        assert re.fullmatch(r"held\napplied.*\n", said), said
        assert place.orders() is None
    else:
        assert re.fullmatch(r"read 12\nheld\ndeleted( 3)?\n", said), said
        assert place.orders() == LEFT
    wait_until(lambda: place.operator.ask("GET", f"/v1/tickets/{seen[0][0]['id']}")[1]["state"] == "done")


@pytest.mark.parametrize("recipe", recipes.RECIPES, ids=lambda r: r.name)
def test_nothing_runs_after_a_no(place, recipe):
    agent = start(place, recipe, "deny")
    with place.deciding(agent, "deny") as seen:
        status, said, error = place.run(recipe, agent)
    assert status == 3, said + error
    assert said.splitlines()[-1].startswith("stopped"), said
    assert [before for _, before in seen] == [ALL]
    assert place.orders() == ALL


def test_the_document_has_what_is_run():
    text = document.DOCUMENT.read_text()
    assert document.filled(text) == text, "run tests/recipes/document.py"
