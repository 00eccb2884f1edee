"""A gateway that waits on the wire itself, as it does by default."""

import time

import pytest

import backstop

from .conftest import Gateway, Operator, Site, running
from .hands import HANDS

DELETE = "DELETE FROM py.orders"


@pytest.fixture(scope="module")
def place(pg):
    gateway = Gateway(pg, extra={"hold": {"wait": "5s", "notice": "10s"}})
    operator = Operator(gateway, role="admin")
    with running(gateway):
        yield Site(gateway, operator)


@pytest.fixture(params=HANDS)
def made(request):
    return HANDS[request.param]


def test_a_session_that_does_not_want_to_wait_is_held_at_once(site, made):
    hand = made(site, wait=0)
    start = time.monotonic()
    with pytest.raises(backstop.Held):
        hand.execute(DELETE)
    assert time.monotonic() - start < 4
    hand.rollback()
    hand.close()


def test_waiting_ends_when_it_is_decided_or_time_is_over(site, made):
    hand = made(site, wait=0.1)
    with pytest.raises(backstop.Held) as caught:
        hand.execute(DELETE)
    hand.rollback()
    start = time.monotonic()
    assert hand.wait(caught.value.ticket, 1).state == "pending"
    assert time.monotonic() - start < 4, "shorter than the gateway's own wait"
    site.decide_next()
    assert hand.wait(caught.value.ticket, 60).state == "approved"
    hand.close()


def test_approved_on_the_wire_there_is_nothing_to_send_again(site, made):
    hand = made(site)
    told = []
    deciding = site.decide_next()
    hand.retry(hand.transaction(DELETE), timeout=60, on_held=told.append)
    deciding.done()
    assert site.count("orders") == 0 and told == []
    hand.close()


@pytest.mark.parametrize("wait", [-1, "soon"])
def test_what_is_no_time(site, wait):
    with pytest.raises(ValueError):
        backstop.connect(site.url(), wait=wait)


def test_an_agent_that_may_write_nothing_without_asking(site, made):
    """Its transactions begin read only, so the first that is approved has to begin anew, once."""
    hand = made(site)
    deciding = site.decide_next()
    told = []
    hand.retry(hand.transaction("SELECT count(*) FROM py.orders", DELETE), timeout=30, on_held=told.append)
    ticket, = deciding.done()
    assert site.count("orders") == 0 and {h.ticket for h in told} == {ticket["id"]}
    assert {h.retry for h in told} == {"same-transaction"}
    hand.close()
