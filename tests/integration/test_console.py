"""The operators' console in a real Chromium: what it shows, who may decide in it, and that it stays inert."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import psycopg
import pytest

from conftest import ROOT, binary, pg_bin, running, wait_until
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


# --- deciding --------------------------------------------------------------------------------


def decide(console, key, reason):
    """Opens the dialog by its key and confirms; the ticket's page must be open."""
    console.page.keyboard.press(key)
    console.page.wait_for_selector("dialog[open] textarea:focus")
    console.page.keyboard.type(reason)
    console.page.keyboard.press("Enter")


def test_two_operators_at_once_make_one_decision(stage, opened):
    asked = stage.ask("DELETE FROM shop.items WHERE order_id = 11")
    consoles = [opened("kim"), opened("ada")]
    ticket = [console.open_ticket(asked.sql) for console in consoles][0]
    for console, key in zip(consoles, "ad"):
        console.page.keyboard.press(key)
        console.page.fill("dialog[open] textarea", f"said {key}")
    # Both buttons in one moment: neither page waits for the other's answer.
    for console in consoles:
        console.page.evaluate("setTimeout(() => document.querySelector('dialog button[type=submit]').click(), 200)")
    for console in consoles:
        console.page.wait_for_selector(".became .state")
    state = stage.who["vera"].ask("GET", f"/v1/tickets/{ticket}")[1]
    assert len(state["decisions"]) == 1
    winner, loser = consoles if state["decisions"][0]["operator"] == "kim" else reversed(consoles)
    assert asked.done() == (None if state["decisions"][0]["decision"] == "approve" else "ZB002")
    winner.page.wait_for_selector("dialog", state="detached")
    assert ticket in loser.page.inner_text("dialog[open] .note-bad")
    loser.page.keyboard.press("Escape")
    loser.page.wait_for_selector("dialog", state="detached")


def test_what_has_changed_since_is_not_decided(stage, opened):
    """The entity tag of what was looked at goes along."""
    asked = stage.ask("DELETE FROM shop.items WHERE order_id = 12")
    console = opened("kim")
    console.page.route("**/v1/events", lambda route: route.abort())  # it does not hear of it
    console.page.clock.install()
    ticket = console.open_ticket(asked.sql)
    console.page.keyboard.press("a")
    console.page.wait_for_selector("dialog[open]")
    assert stage.who["lee"].ask("POST", f"/v1/tickets/{ticket}/comment", {"text": "wait"})[0] == 200
    console.page.fill("dialog textarea", "fine")
    console.page.press("dialog textarea", "Enter")
    console.page.wait_for_selector("dialog .note-bad")
    assert "Look at it again" in console.page.inner_text("dialog .note-bad")
    assert stage.who["vera"].ask("GET", f"/v1/tickets/{ticket}")[1]["state"] == "pending"
    console.page.keyboard.press("Escape")
    console.page.wait_for_selector("text=wait")
    asked.leave()


def test_a_denial_reaches_the_agent_and_its_reason_only_operators(stage, opened):
    console = opened("kim")
    asked = stage.ask("DELETE FROM shop.items WHERE order_id = 13")
    ticket = console.open_ticket(asked.sql)
    console.open(f"#/tickets/{ticket}")  # as messages link to it
    console.page.wait_for_selector(f".list .here a[href='#/queue/{ticket}']")
    decide(console, "d", "not on a Friday")
    assert asked.done() == "ZB002" and "Friday" not in str(asked.error)
    console.page.wait_for_selector(".became .state-denied")
    assert "not on a Friday" in console.page.inner_text(".became")
    assert stage.who["vera"].ask("GET", f"/v1/tickets/{ticket}")[1]["reason"] == "not on a Friday"


def test_a_quorum_is_shown_as_it_grows(stage, opened):
    asked = stage.ask("DELETE FROM shop.payments WHERE id = 5")
    kim, lee = opened("kim").live(), opened("lee").live()
    kim.open_ticket(asked.sql)
    lee.open_ticket(asked.sql)
    kim.page.keyboard.press("a")
    kim.page.press("dialog textarea", "Enter")  # the policy wants a reason
    assert "wants a reason" in kim.page.inner_text("dialog .note-bad")
    kim.page.fill("dialog textarea", "checked the books")
    kim.page.press("dialog textarea", "Enter")
    lee.page.wait_for_selector(".quorum >> text=1 of 2")  # told by the stream
    assert "checked the books" in lee.page.inner_text(".said")
    kim.page.wait_for_selector("text=You have approved it")
    assert kim.page.is_disabled("button:has-text('Approve')")
    decide(lee, "a", "so did I")
    assert asked.done() is None
    kim.page.wait_for_selector(".became .state-done")


def test_a_viewer_cannot_decide(stage, opened):
    console = opened("vera")
    page = console.page
    asked = stage.ask("DELETE FROM shop.items WHERE order_id = 14")
    ticket = console.open_ticket(asked.sql)
    page.wait_for_selector("text=Viewers may look, not decide.")
    assert page.is_disabled("button:has-text('Approve')") and page.is_disabled("button:has-text('Deny')")
    for key in "adc":
        page.keyboard.press(key)
    assert page.query_selector("dialog, .comment") is None
    # Nor past the page, with all that the page has.
    status = page.evaluate("""async (ticket) => {
        const {csrf} = await (await fetch("/v1/session")).json();
        const answer = await fetch(`/v1/tickets/${ticket}/approve`, {method: "POST", body: "{}",
            headers: {"Content-Type": "application/json", "X-CSRF-Token": csrf}});
        return answer.status;
    }""", ticket)
    assert status == 403
    assert stage.who["kim"].ask("GET", f"/v1/tickets/{ticket}")[1]["state"] == "pending"
    asked.leave()


def test_comments_are_for_all_who_look(stage, opened):
    asked = stage.ask("DELETE FROM shop.items WHERE order_id = 15")
    kim, vera = opened("kim").live(), opened("vera").live()
    kim.open_ticket(asked.sql)
    vera.open_ticket(asked.sql)
    kim.page.keyboard.press("c")
    kim.page.keyboard.type("whose <b>idea</b> is this?")
    kim.page.keyboard.press("Control+Enter")
    vera.page.wait_for_selector(".words >> text=whose <b>idea</b> is this?")
    asked.leave()


# --- hostile text ----------------------------------------------------------------------------


def test_hostile_text_is_text_and_all_of_it(stage, opened):
    console = opened("kim").live()
    asked = stage.ask(HOSTILE)
    console.open_ticket(HOSTILE)
    page = console.page
    assert page.evaluate("window.owned") is None
    assert page.query_selector("#app img, #app script") is None
    shown = page.inner_text(".sql pre")
    for named in ("U+202E", "U+2066", "U+001B", "U+200B"):
        assert named in shown
    assert not set("\u202e\u2066\x1b\u200b") & set(page.inner_text("#app")) and "<script>" in shown
    assert "cannot be seen" in page.inner_text(".sql .note-warn")
    page.click("text=As it was sent")
    raw = page.inner_text(".sql pre")
    assert "U+202E" in raw and "\n" not in raw.strip()
    asked.leave()


def test_a_value_cannot_pretend_to_be_another(stage, opened):
    console = opened("kim")
    sql = "DELETE FROM shop.items WHERE product = %s AND order_id > %s"
    asked = stage.ask(sql, ("x', $2 = '999999", "5"))
    console.open_ticket(sql.replace("%s", "$1", 1).replace("%s", "$2"))
    rows = console.page.eval_on_selector_all(
        "table.params tbody tr", "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))")
    assert rows == [["$1", "'x'', $2 = ''999999'"], ["$2", "'5'"]]
    asked.leave()


def test_a_hostile_name_is_text_everywhere(stage, opened):
    with stage.pg.admin() as c:
        c.execute("""SET ROLE app_trust; CREATE TABLE shop."<img src=x onerror=window.owned=1>\u202etxt" AS SELECT 1 AS "\u200bid" """)
    asked = stage.ask("""DROP TABLE shop."<img src=x onerror=window.owned=1>\u202etxt" """.strip())
    console = opened("kim").live()
    ticket = console.open_ticket(asked.sql)
    assert "U+202E" in console.page.inner_text(".ticket h1")
    decide(console, "a", "<script>window.owned=1</script>")
    assert asked.done() is None
    console.page.wait_for_selector(".became .state-done")
    point = stage.who["vera"].ask("GET", f"/v1/tickets/{ticket}")[1]["point"]
    for place in (f"#/points/{point}", f"#/audit?ticket={ticket}", "#/actors/cursor-alice", "#/explain", "#/dashboard"):
        console.open(place)
        console.page.wait_for_selector(".card")
        console.page.wait_for_selector(".skeleton", state="detached")
        assert console.page.evaluate("window.owned") is None
        assert console.page.query_selector("#app img, #app script") is None
        assert "\u202e" not in console.page.inner_text("#app")


def test_violations_would_be_seen(stage, browser):
    """The other tests rest on it."""
    console = Console(stage, browser, None)
    console.page.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "window.owned = 1";
        document.body.append(script);
        document.body.setAttribute("style", "color: red");
        fetch("http://127.0.0.1:1/").catch(() => undefined);
    }""")
    wait_until(lambda: console.page.wait_for_timeout(20) or len(console.problems) >= 3)
    found = " ".join(console.problems)
    assert "script-src" in found and "style-src" in found and "connect-src" in found
    assert console.page.evaluate("window.owned") is None
    console.close()


# --- the line to the gateway -----------------------------------------------------------------


def test_without_the_stream_it_asks(stage, opened):
    console = opened("kim", **{})
    console.page.route("**/v1/events", lambda route: route.fulfill(status=429, headers={"Retry-After": "60"}, body="{}"))
    console.page.reload()
    console.page.wait_for_selector(".line-polling")
    asked = stage.ask("DELETE FROM shop.items WHERE order_id = 16")
    ticket = stage.ticket_of(asked.sql)["id"]
    console.page.wait_for_selector(f".list a[href='#/queue/{ticket}']", timeout=6000)
    asked.leave()


def test_offline_is_shown_and_what_was_there_stays(stage, opened):
    asked = stage.ask("DELETE FROM shop.items WHERE order_id = 17")
    console = opened("kim").live()
    console.open_ticket(asked.sql)
    console.context.set_offline(True)
    console.page.wait_for_selector(".line-offline")
    assert "last heard" in console.page.inner_text(".line-offline")
    console.page.wait_for_selector(".list.stale")
    assert "order_id = 17" in console.page.inner_text(".sql pre")
    console.page.wait_for_selector("text=Offline: this may not be how it is now.")
    console.context.set_offline(False)
    console.page.wait_for_selector(".line-live")
    console.page.wait_for_selector(".list.stale", state="detached")
    asked.leave()


def test_a_gateway_that_says_nothing_is_not_live(stage, opened):
    """The connection is there, but nobody is at the other end."""
    console = opened("kim").live()
    stage.gateway.process.send_signal(signal.SIGSTOP)
    try:
        console.page.wait_for_selector(".line-offline", timeout=20_000)
    finally:
        stage.gateway.process.send_signal(signal.SIGCONT)
    console.page.wait_for_selector(".line-live", timeout=20_000)


def test_a_session_that_ends_asks_for_the_token_again(stage, opened):
    console = opened("kim").live()
    console.context.clear_cookies()
    console.open("#/actors")
    console.page.wait_for_selector("text=Your session has ended.")
    console.page.fill("#token", "bst_nobody")
    console.page.press("#token", "Enter")
    console.page.wait_for_selector("text=This is no operator's token")
    console.page.fill("#token", stage.who["kim"].token)
    console.page.press("#token", "Enter")
    console.page.wait_for_selector("text=Who may connect")  # where one was
    console.page.click("text=Sign out")
    console.page.wait_for_selector("#token")
    assert not [c for c in console.context.cookies() if c["value"]]


# --- every page, as it looks and reads -------------------------------------------------------


PLACES = ["login", "#/queue", "ticket", "decide", "#/points", "point", "#/restores", "restore", "#/audit", "#/actors",
          "actor", "#/explain", "explained", "#/dashboard"]


def test_a_page_that_nobody_touches_does_not_use_its_login(stage, opened):
    """What it reads by itself, it says so; the gateway then lets the login become idle."""
    page = opened("kim").live().page
    read = []
    page.on("request", lambda r: read.append("x-backstop-watch" in r.headers) if "/v1/tickets?" in r.url else None)
    page.evaluate("Date.now = (was => () => was() + 120000)(Date.now.bind(Date))")
    for key, watches in ((None, True), ("Shift", False)):
        if key:
            page.keyboard.press(key)
        read.clear()
        with page.expect_request(lambda r: "/v1/tickets?" in r.url):
            stage.ask(f"DELETE FROM shop.customers WHERE id = {100 + watches}")
        assert set(read) == {watches}


@pytest.fixture(scope="module")
def furnished(stage):
    """Something on every page, and a ticket that has everything."""
    done = stage.ask("DELETE FROM shop.items WHERE order_id <= 8")
    stage.who["kim"].decide(stage.ticket_of(done.sql)["id"], "approve", "last week's tests")
    assert done.done() is None
    waits = [stage.ask(sql, params, actor) for sql, params, actor in (
        ("DELETE FROM shop.customers WHERE id = ANY(%s)", ([7, 8, 9],), "cursor-alice"),
        ("UPDATE shop.orders SET status = 'sent' WHERE id < 9", None, "nightly-report"),
        ("DROP TABLE shop.payments", None, "cursor-alice"))]
    point = stage.who["vera"].ask("GET", "/v1/points")[1]["points"][0]["point"]
    status, restore = stage.who["kim"].ask("POST", "/v1/restores", {"point": point})
    assert status == 202
    yield {"ticket": stage.ticket_of("DELETE FROM shop.customers WHERE id = ANY($1)")["id"], "point": point,
           "restore": restore["id"]}
    for one in waits:
        one.leave()


def visit(console, place, furnished):
    page = console.page
    hashes = {"ticket": f"#/queue/{furnished['ticket']}", "decide": f"#/queue/{furnished['ticket']}",
              "point": f"#/points/{furnished['point']}", "restore": f"#/restores/{furnished['restore']}", "actor": "#/actors/cursor-alice", "explained": "#/explain"}
    if place == "login":
        return
    console.open(hashes.get(place, place))
    page.wait_for_selector({"#/queue": ".list li", "ticket": ".past li", "decide": ".past li"}.get(place, ".card"))
    page.wait_for_selector(".skeleton", state="detached")
    if place == "decide":
        page.keyboard.press("a")
        page.wait_for_selector("dialog[open]")
    if place == "explained":
        page.fill("textarea[name=sql]", "DELETE FROM shop.customers")
        page.press("textarea[name=sql]", "Control+Enter")
        page.wait_for_selector(".verdict")
    if place == "#/audit":
        page.click(".records summary")


# Contrast is of the theme, what fits is of the width.
@pytest.mark.parametrize("theme, width", [("light", 1440), ("dark", 390)] + (
    [("light", 390), ("dark", 1440)] if "PICTURES" in os.environ else []))
def test_no_page_has_a_serious_fault(stage, opened, furnished, theme, width):
    """axe-core on each page; nothing may be wider than the window, either. PICTURES= keeps what they look like."""
    pictures = os.environ.get("PICTURES")
    console = opened(None, color_scheme=theme, viewport={"width": width, "height": 900})
    page = console.page
    page.wait_for_selector("#token")
    faults = []
    for place in PLACES:
        if place == "#/queue":
            page.fill("#token", stage.who["ada"].token)
            page.press("#token", "Enter")
            console.live()
        visit(console, place, furnished)
        page.evaluate(AXE.read_text())  # by the debugger: the policy would not load it
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        faults += [(place, v["id"], [n["html"][:120] for n in v["nodes"]][:3]) for v in found["violations"]
                   if v["impact"] in ("serious", "critical")]
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            faults.append((place, "wider than the window", []))
        if pictures:
            name = place.strip("#/").replace("/", "-")
            page.screenshot(path=pathlib.Path(pictures) / f"{name}-{theme}-{width}.png")
        if place == "decide":
            page.keyboard.press("Escape")
    assert faults == []


def test_the_way_back(stage, opened):
    sql = "DELETE FROM shop.items WHERE order_id BETWEEN 30 AND 34"
    gone = stage.ask(sql)
    ticket = stage.ticket_of(sql)["id"]
    stage.who["kim"].decide(ticket, "approve")
    assert gone.done() is None
    count = "SELECT count(*) FROM shop.items WHERE order_id BETWEEN 30 AND 34"
    with stage.pg.admin() as c:
        assert c.execute(count).fetchone() == (0,)
    console = opened("kim").live()
    page = console.page
    console.open_ticket(sql)
    page.click(".became >> text=Recovery point")
    page.click("button:has-text('Restore')")
    page.click("dialog button[type=submit]")
    page.wait_for_selector("text=proven")
    page.click("button:has-text('Load beside')")
    page.click("dialog button[type=submit]")
    page.wait_for_selector("text=counted, hash equal, constraints hold")
    page.click("button:has-text('Compare')")
    page.click("dialog button[type=submit]")
    page.wait_for_selector("th:has-text('Missing')")
    page.click("button:has-text('Plan a copy-back')")
    page.click("dialog button[type=submit]")
    page.wait_for_selector("th:has-text('To insert')")
    with stage.pg.admin() as c:
        assert c.execute(count).fetchone() == (0,)
    page.click("button:has-text('Copy back')")
    assert "live tables change" in page.inner_text("dialog")
    page.click("dialog button[type=submit]")
    page.wait_for_selector("text=It is done.")
    assert page.query_selector(".acts .main") is None  # nothing asks to be pressed next
    with stage.pg.admin() as c:
        assert c.execute(count).fetchone() == (10,)
    page.click("text=Discard what was loaded")
    page.click("dialog button[type=submit]")
    page.wait_for_selector("summary:has-text('Dropped')")
    viewer = opened("vera")
    viewer.open(page.evaluate("location.hash"))
    viewer.page.wait_for_selector("text=it takes an approver to see it")
    assert viewer.page.query_selector(".acts button") is None


def test_broken_glass_is_in_sight_until_another_reviews_it(stage, opened):
    asked = stage.ask("DELETE FROM shop.payments WHERE id = 7")
    ada, vera = opened("ada").live(), opened("vera").live()
    ada.open_ticket(asked.sql)
    ada.page.click("button:has-text('Break the glass')")
    ada.page.fill("dialog textarea", "the others are on a plane")
    ada.page.click("dialog button[type=submit]")
    assert asked.done() is None
    vera.page.wait_for_selector(".pauses >> text=the others are on a plane")
    ada.page.wait_for_selector("text=Another operator has to review it.")
    vera.page.click(".pauses >> text=Look at it")
    vera.page.wait_for_selector("text=Another operator has to review it.")
    kim = opened("kim")
    kim.open_ticket(asked.sql)
    assert kim.page.query_selector("button:has-text('Break the glass')") is None
    kim.page.click("button:has-text('Review it')")
    kim.page.fill("dialog textarea", "it was right")
    kim.page.click("dialog button[type=submit]")
    kim.page.wait_for_selector("text=Reviewed by kim")
    kim.page.wait_for_selector(".pauses", state="detached")


def test_a_pause_is_in_sight_until_an_administrator_lifts_it(stage, opened):
    stage.gateway.add_agent("stopped")
    kim, ada = opened("kim").live(), opened("ada").live()
    kim.page.click("button.pause")
    kim.page.fill("dialog input[name=name]", "stopped")
    kim.page.fill("dialog input[name=reason]", "it loops <b>")
    kim.page.click("dialog button[type=submit]")
    kim.page.wait_for_selector(".pauses >> text=it loops <b>")
    with pytest.raises(psycopg.Error, match="paused"):
        stage.connect("stopped")
    assert kim.page.query_selector(".pauses button") is None
    ada.page.reload()
    ada.page.click(".pauses button")
    ada.page.click("dialog button[type=submit]")
    ada.page.wait_for_selector(".pauses", state="detached")
    stage.connect("stopped").close()


def test_the_theme_is_the_systems_until_one_chooses(stage, opened):
    console = opened("vera", color_scheme="dark")
    page = console.page
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.keyboard.press("t")
    light = page.evaluate(ground)
    assert light != dark
    page.reload()
    page.wait_for_selector("header.top")
    assert page.evaluate(ground) == light
    page.emulate_media(color_scheme="light")
    page.keyboard.press("t")
    assert page.evaluate(ground) == dark


def test_the_keyboard_goes_everywhere(stage, opened, furnished):
    console = opened("kim").live()
    page = console.page
    page.wait_for_selector(".list li")
    page.keyboard.press("j")
    first = page.get_attribute(".list .here a", "href")
    page.keyboard.press("j")
    page.wait_for_selector(f".list .here a:not([href='{first}'])")
    page.keyboard.press("k")
    page.wait_for_selector(f".list .here a[href='{first}']")
    page.wait_for_selector(".deciding button")
    page.keyboard.press("?")
    assert "approve this statement" in page.inner_text("dialog[open]")
    page.keyboard.press("Escape")
    for keys, title in (("gp", "Recovery points"), ("gl", "Audit"), ("gw", "Actors"), ("ge", "Explain a statement"),
                        ("gh", "Dashboard")):
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_selector(f"h1:has-text('{title}')")


def test_an_administrator_quarantines_and_releases(stage, opened):
    stage.gateway.add_agent("unruly")
    console = opened("ada")
    console.open("#/actors/unruly")
    console.page.click("button:has-text('Quarantine')")
    console.page.fill("dialog textarea", "asked for odd things")
    console.page.click("dialog button[type=submit]")
    console.page.wait_for_selector(".note-warn >> text=asked for odd things")
    console.page.click("button:has-text('Release')")
    console.page.click("dialog button[type=submit]")
    console.page.wait_for_selector("button:has-text('Quarantine')")
    approver = opened("kim")
    approver.open("#/actors/unruly")
    approver.page.wait_for_selector("text=What it asked for")
    assert approver.page.query_selector("button:has-text('Revoke')") is None


def test_an_administrator_adds_an_actor_whose_password_is_shown_once(stage, opened):
    page = opened("ada").page
    page.goto(stage.url + "#/actors")
    page.click("button:has-text('Add an actor')")
    page.fill("dialog input[name=name]", "newcomer")
    page.fill("dialog input[name=databases]", "app")
    page.fill("dialog input[name=owner]", "alice")
    page.click("dialog button[type=submit]")
    stage.gateway.passwords["newcomer"] = page.inner_text(".secret").strip()
    with stage.connect("newcomer") as c:
        assert c.execute("SELECT 1").fetchone() == (1,)
    page.click("text=I have it")
    page.click("a:has-text('newcomer')")
    assert stage.gateway.passwords["newcomer"] not in page.content()
    page.click("button:has-text('New password')")
    page.click("dialog button[type=submit]")
    assert page.inner_text(".secret").strip() != stage.gateway.passwords["newcomer"]
    page.click("text=I have it")
    with pytest.raises(psycopg.Error):
        stage.connect("newcomer")
    page.click("button:has-text('Add an operator')")
    page.fill("dialog input[name=name]", "max")
    page.select_option("dialog select", "viewer")
    page.click("dialog button[type=submit]")
    token = page.inner_text(".secret").strip()
    assert stage.who["kim"].ask("GET", "/v1/tickets", token=token)[0] == 200


def test_the_audit_is_filtered(stage, opened, furnished):
    console = opened("vera")
    console.open("#/audit")
    page = console.page
    page.wait_for_selector("text=no number missing in what is shown")
    page.select_option("select[name=kind]", "decision")
    page.wait_for_selector(".clear")
    wait_until(lambda: set(page.locator(".records summary > :nth-child(3)").all_inner_texts()) == {"decision"})
    page.click(".records summary")
    record = json.loads(page.inner_text(".record pre"))
    assert record["kind"] == "decision" and record["operator"]
    page.fill("input[name=actor]", "nobody-at-all")
    page.press("input[name=actor]", "Enter")
    page.wait_for_selector("text=No record is like that.")
    assert page.query_selector("text=Verify the chain") is None
    approver = opened("kim")
    approver.open("#/audit")
    approver.page.click("text=Verify the chain")
    approver.page.wait_for_selector("text=chain whole")


# --- docs/guide.md ---------------------------------------------------------------------------


GUIDE = (ROOT / "docs" / "guide.md").read_text()

# Buttons by what shows that they have done their work. Where it takes a dialog, that is its button's.
PRESSED = {"Sign in": "header.top", "Approve": ".deciding .state-done", "Recovery point": "button:has-text('Restore')",
           "Preview": "text=proven", "Load beside": "text=counted, hash equal, constraints hold",
           "Compare": "th:has-text('Missing')", "Plan": "th:has-text('To insert')", "Copy back": "text=It is done.",
           "Discard": "summary:has-text('Dropped')", "Audit": ".records summary", "Verify the chain": "text=chain whole"}
NO_DIALOG = {"Sign in", "Recovery point", "Audit", "Verify the chain"}
REASON = "customers are kept elsewhere since March"


class Demo:
    """`backstop demo --keep`; .told: what it prints for whoever wants to look around."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [binary(), "demo", "--keep"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, env={**os.environ, "BACKSTOP_PG_BIN": str(pg_bin()), "TMPDIR": str(folder)})
        self.told = {}
        said = []
        for line in self.process.stdout:
            said.append(line)
            if found := re.match(r"  (console|token|agent): +(\S.*)", line):
                self.told[found[1]] = found[2]
            if "audit tail" in line:
                break
        assert len(self.told) == 3, "".join(said[-40:])
        self.url = self.told["console"]

    def ask(self, sql):
        """As the agent, in the second terminal."""
        with tempfile.TemporaryFile("w+") as typed:
            typed.write(sql)
            typed.seek(0)
            return subprocess.Popen(["bash", "-c", self.told["agent"] + " -X -At"], stdin=typed, text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def stop(self):
        """As who is in a hurry does; it cleans up all the same."""
        while self.process.poll() is None:
            self.process.terminate()
            time.sleep(0.05)


@pytest.fixture
def demo():
    with tempfile.TemporaryDirectory(prefix="bs-guide-") as folder:
        os.chmod(folder, 0o755)  # the server's user must get in
        made = Demo(folder)
        yield made
        made.stop()
        assert os.listdir(folder) == []


def press(page, label):
    dialog = page.locator("dialog[open]")
    inside = dialog.count() > 0
    named = re.compile(rf"^{label}( a| Enter)?$")
    within = dialog if inside else page
    within.get_by_role("button", name=named).or_(within.get_by_role("link", name=named)).click()
    page.wait_for_selector(PRESSED[label] if inside or label in NO_DIALOG else "dialog[open]")
    if inside:
        dialog.wait_for(state="detached")


def take(page, name):
    """Half the size where Pillow is installed."""
    path = pathlib.Path(os.environ["PICTURES"]) / f"{name}.png"
    page.screenshot(path=path)
    with contextlib.suppress(ImportError):
        from PIL import Image
        Image.open(path).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1).save(path, optimize=True)


def test_the_guide_is_followed_word_for_word(demo, browser):
    """Its buttons in their order, its SQL, its pictures; what it does not name is not pressed."""
    console = Console(demo, browser, None, viewport={"width": 1200, "height": 760}, color_scheme="light")
    page = console.page
    page.fill("#token", demo.told["token"].split()[0])
    pressed, answers = [], []
    began = time.monotonic()
    for label, picture, block in re.findall(r"\*\*(.+?)\*\*|\(pictures/(\S+)\.png\)|<!-- run: (\w+) -->", GUIDE):
        if label:
            press(page, label)
            pressed.append(label)
        if block:
            answers.append(demo.ask(re.search(rf"<!-- run: {block} -->\n```sql\n(.*?)```", GUIDE, flags=re.DOTALL)[1]))
        if block == "ask":
            page.click(".list li a")  # it is there without a reload
            page.wait_for_selector(".past li")
        if picture == "guide-2-approve":
            page.fill("dialog textarea", REASON)
        if picture and "PICTURES" in os.environ:
            take(page, picture)
    took = time.monotonic() - began
    assert f"{len(pressed)} buttons" in GUIDE and took < 300
    dropped, counted = (answer.communicate(timeout=20)[0] for answer in answers)
    example = re.search(r"    (NOTICE: .*T-).*\n    (HINT: .*)\n", GUIDE)
    assert example[1] in dropped and example[2] in dropped and dropped.endswith("DROP TABLE\n")
    assert counted == "10000\n"
    records = page.inner_text(".records")
    assert REASON in records and "copy-back, done" in records
    assert console.problems == []
    console.close()
