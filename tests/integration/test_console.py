"""The operators' console in a real Chromium: what it shows, who may decide in it, and that it stays inert."""

import contextlib
import json
import os
import pathlib
import shutil
import threading
import time

import pytest

from conftest import ROOT, running, wait_until
from console_stage import HOSTILE, Stage

playwright = pytest.importorskip("playwright.sync_api", reason="script/test console installs it")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = ROOT / "console" / "node_modules" / "axe-core" / "axe.min.js"
if CHROMIUM is None:
    pytest.skip("Chromium is not installed: script/setup console does it", allow_module_level=True)

# Told to Python at once, in whatever page of the test it happens.
VIOLATIONS = """document.addEventListener("securitypolicyviolation", (event) => {
    console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});"""
SECONDS = 10_000  # milliseconds, for what has no bound of its own


class Console:
    """A page of an operator who has logged in; .problems: what a sound page does not have."""

    def __init__(self, stage, browser, who, **context):
        self.stage = stage
        self.context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **context})
        self.context.set_default_timeout(SECONDS)
        self.problems = []
        self.page = self.context.new_page()
        self.page.add_init_script(VIOLATIONS)
        self.page.on("console", self.note)
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("request", self.check_request)
        self.page.goto(stage.url)
        if who:
            self.page.fill("#token", stage.who[who].token)
            self.page.press("#token", "Enter")
            self.page.wait_for_selector("header.top")

    def note(self, message):
        # Chromium reports answers that are errors itself; the first one of a session is that nobody is logged in.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.problems.append(message.text)

    def check_request(self, request):
        if not request.url.startswith(self.stage.url):
            self.problems.append(f"asked of others: {request.url}")

    def live(self):
        self.page.wait_for_selector(".line-live")
        return self

    def open(self, place):
        self.page.evaluate("place => { location.hash = place }", place)

    def open_ticket(self, sql):
        ticket = self.stage.ticket_of(sql)["id"]
        self.open(f"#/queue/{ticket}")
        self.page.wait_for_selector(f".ticket[aria-label='Ticket {ticket}']")
        return ticket

    def close(self):
        self.context.close()


@pytest.fixture(scope="module")
def stage(pg):
    made = Stage(pg)
    with running(made.gateway):
        yield made


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as p:
        chromium = p.chromium.launch(executable_path=CHROMIUM)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(stage, browser):
    """Consoles by who looks; none of them may have had a problem."""
    consoles = []

    def make(who, **context):
        consoles.append(Console(stage, browser, who, **context))
        return consoles[-1]
    yield make
    for console in consoles:
        console.close()
    assert [console.problems for console in consoles] == [[] for _ in consoles]


def test_a_drop_appears_at_once_is_approved_with_a_reason_and_runs(stage, opened):
    with stage.pg.admin() as c:
        c.execute("SET ROLE app_trust; CREATE TABLE shop.old_customers AS SELECT * FROM shop.customers")
    console = opened("kim").live()
    page = console.page
    asked = stage.ask("DROP TABLE shop.old_customers")
    held = wait_until(lambda: [t for t in stage.who["vera"].tickets() if t["sql"] == asked.sql], every=0.01)[0]
    page.wait_for_selector(f".list a[href='#/queue/{held['id']}']", timeout=1000)
    page.keyboard.press("j")
    page.wait_for_selector(".ticket")
    assert page.inner_text(".ticket h1").split() == ["CRITICAL", "DROP", "TABLE", "shop.old_customers"]
    assert "500" in page.inner_text("text=What it reaches >> xpath=ancestor::section")
    page.keyboard.press("a")
    page.wait_for_selector("dialog[open] textarea:focus")
    page.keyboard.type("replaced in March, see OPS-7")
    page.keyboard.press("Enter")
    assert asked.done() is None
    page.wait_for_selector(".deciding .state-done")
    ticket = stage.who["vera"].ask("GET", f"/v1/tickets/{held['id']}")[1]
    assert (ticket["state"], ticket["decided_by"], ticket["reason"]) == ("done", "kim", "replaced in March, see OPS-7")
    assert page.query_selector("dialog") is None
