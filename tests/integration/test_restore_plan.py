"""A copy-back as a file that a second operator approves, and that is carried out once."""

import json

import pytest

from conftest import Gateway, running
from operator_side import Operator
from test_restore_group import transaction
from test_undo import MADE, answer, destroy, picture


@pytest.fixture(scope="module")
def door(pg):
    g = Gateway(pg, policy={"rules": [
        {"name": "somebody is asked", "risk": ["HIGH", "CRITICAL"], "action": "approve"}]},
        extra={"restore": {"approval": "second", "plan_life": "1h"}})
    g.operator = Operator(g)
    g.tokens = {name: json.loads(g.cli("operators", "add", name, "--role", role, "--json").stdout)[
        "token"] for name, role in (("mia", "approver"), ("lee", "approver"), ("vic", "viewer"))}
    with running(g, "bob") as g:
        yield g


@pytest.fixture
def site(door, pg):
    with pg.admin() as c:
        c.execute(MADE)
    return door


def as_operator(gateway, who, *args, status=0):
    env, gateway.env = gateway.env, {**gateway.env, "BACKSTOP_TOKEN": gateway.tokens.get(who, who)}
    try:
        return answer(gateway, *args, status=status)
    finally:
        gateway.env = env


def plan(gateway, point, file, *more, who="mia"):
    return as_operator(gateway, who, "plan", point, "-o", str(file), *more)


def approve(gateway, file, who="lee", status=0):
    return as_operator(gateway, who, "approve", str(file), "--yes", "--reason", "fine",
                       status=status)


def carry_out(gateway, file, who="mia", status=0):
    return as_operator(gateway, who, "copy-back", "--plan-file", str(file), "--yes", status=status)


def test_a_plan_is_approved_and_carried_out_once(site, pg, tmp_path):
    before = picture(pg)
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    after = picture(pg)
    file = tmp_path / "plan.json"
    made = plan(site, point, file, "--remove-inserted")
    text = json.loads(file.read_text())
    assert text["made_by"] == "mia" and text["point"] == point and text["sha256"] == made["plan"]
    assert [t["inserted"] for t in text["tables"]] == [5] and "INSERT INTO" in text["sql"]
    assert text["options"]["remove_inserted"] and file.stat().st_mode & 0o777 == 0o600
    # Without approval, or by whoever made it, or by who may only look: nothing.
    assert carry_out(site, file, status=3)["error"]["code"] == "HELD"
    assert "cannot approve" in approve(site, file, who="mia", status=77)["error"]["message"]
    assert approve(site, file, who="vic", status=77)["error"]["code"] == "FORBIDDEN"
    assert approve(site, file, who="bso_nobody", status=77)["error"]["code"] == "AUTH"
    assert picture(pg) == after
    assert approve(site, file)["approved_by"] == "lee"
    assert approve(site, file, who="kim", status=77)
    assert "approved by lee" in approve(site, file, status=1)["error"]["message"]
    done = carry_out(site, file)
    assert done["tables"][0]["inserted"] == 5 and picture(pg) == before
    # Once.
    assert carry_out(site, file, status=1)["error"]["code"] == "CONFLICT"
    log = [json.loads(x) for x in site.cli("audit", "tail", "--json", "-n", "60").stdout.splitlines()]
    steps = [(r["operator"], r["action"], r["outcome"]) for r in log if r.get("point") == point
             and r["kind"] == "restore" and json.loads(json.dumps(r)).get("outcome") == "done"]
    assert steps == [("mia", "plan", "done"), ("lee", "approve", "done"),
                     ("mia", "copy-back", "done")]
    assert all(made["plan"] in json.dumps(r) for r in log if r.get("point") == point
               and r["kind"] == "restore" and r["outcome"] == "done")


def test_used_up_even_where_it_would_do_the_same_again(site, pg, tmp_path):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    file = tmp_path / "plan.json"
    plan(site, point, file)
    approve(site, file)
    carry_out(site, file)
    with pg.admin() as c:
        c.execute("DELETE FROM undo.t WHERE id <= 5")
    error = carry_out(site, file, status=1)["error"]
    assert "one time" in error["message"]
    with pg.admin() as c:
        assert c.execute("SELECT count(*) FROM undo.t WHERE id <= 5").fetchone() == (0,)


CHANGES = {
    "rows": ("DELETE FROM undo.t WHERE id = 6; INSERT INTO undo.t VALUES (3, 'again')", '"tables"'),
    "a conflict": ("INSERT INTO undo.t VALUES (1, 'other')", '"tables"'),
    "another table": ("ALTER TABLE undo.t RENAME TO was; CREATE TABLE undo.t (LIKE undo.was"
                      " INCLUDING ALL); ALTER TABLE undo.t OWNER TO app_trust", "another table"),
    "a trigger": ("CREATE FUNCTION undo.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW;"
                  " END'; CREATE TRIGGER x BEFORE INSERT ON undo.t FOR EACH ROW EXECUTE FUNCTION"
                  " undo.f()", '"sql"'),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_would_be_done_must_be_what_was_approved(site, pg, tmp_path, what):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    file = tmp_path / "plan.json"
    plan(site, point, file, "--no-triggers")
    approve(site, file)
    sql, part = CHANGES[what]
    with pg.admin() as c:
        c.execute(sql)
    before = picture(pg)
    error = carry_out(site, file, status=1)["error"]
    assert error["code"] == "CONFLICT" and part in error["message"]
    assert picture(pg) == before


def test_a_changed_file_is_refused(site, pg, tmp_path):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    file = tmp_path / "plan.json"
    plan(site, point, file, "--where", "id = 1")
    approve(site, file)
    good = json.loads(file.read_text())
    for change in ({"expires_at": "2099-01-01T00:00:00Z"}, {"made_by": "lee"},
                   {"options": {**good["options"], "where": "id > 0"}}, {"sql": "-- nothing"}):
        file.write_text(json.dumps({**good, **change}))
        assert carry_out(site, file, status=1)["error"]["code"] == "DAMAGED"
        assert approve(site, file, status=1)["error"]["code"] == "DAMAGED"
    file.write_text("{}")
    assert carry_out(site, file, status=65)["error"]["code"] == "DATA"
    # Written otherwise it is the same.
    file.write_text(json.dumps(dict(reversed(good.items()))))
    assert carry_out(site, file)["tables"][0]["inserted"] == 1


def test_a_plan_that_the_state_does_not_know_is_none(site, pg, tmp_path):
    """With a digest of its own: whoever can write a file cannot approve it."""
    import hashlib
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    file = tmp_path / "plan.json"
    plan(site, point, file)
    approve(site, file)
    text = json.loads(file.read_text())
    text["made_by"] = "lee"
    del text["sha256"]
    text["sha256"] = hashlib.sha256(json.dumps(text, sort_keys=True, separators=(",", ":"),
                                               ensure_ascii=False).encode()).hexdigest()
    file.write_text(json.dumps(text))
    assert carry_out(site, file, status=65)["error"]["code"] == "NOT_FOUND"
    assert approve(site, file, status=65)["error"]["code"] == "NOT_FOUND"


def test_it_expires(site, pg, tmp_path):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    config = json.loads(site.config.read_text())
    site.config.write_text(json.dumps({**config, "restore": {"approval": "second",
                                                             "plan_life": "1s"}}))
    try:
        file, other = tmp_path / "plan.json", tmp_path / "other.json"
        plan(site, point, file)
        import time
        time.sleep(1.1)
        assert approve(site, file, status=3)["error"]["code"] == "STALE"
        site.config.write_text(json.dumps({**config, "restore": {"plan_life": "4s"}}))
        plan(site, point, other)
        approve(site, other)
        time.sleep(4.1)
        assert carry_out(site, other, status=3)["error"]["code"] == "STALE"
    finally:
        site.config.write_text(json.dumps(config))
    with pg.admin() as c:
        assert c.execute("SELECT count(*) FROM undo.t WHERE id <= 5").fetchone() == (0,)


def test_where_it_is_demanded_nothing_goes_without(site, pg, tmp_path):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    error = answer(site, "copy-back", point, "--yes", status=77)["error"]
    assert error["code"] == "BLOCKED"
    assert "INSERT INTO" in answer(site, "copy-back", point, "--plan")["sql"]
    file = tmp_path / "plan.json"
    for args in ([], ["--plan-file", str(file), point], ["--plan-file", str(file), "--where", "true"],
                 ["--plan-file", str(file), "--conflict", "overwrite"]):
        assert answer(site, "copy-back", "--yes", *args, status=64)
    assert answer(site, "plan", point, status=64)
    file.write_text("mine")
    assert as_operator(site, "mia", "plan", point, "-o", str(file), status=1)
    assert file.read_text() == "mine"
    assert as_operator(site, "vic", "plan", point, "-o", str(tmp_path / "new"), status=77)
    assert not (tmp_path / "new").exists()


def test_the_word_of_a_revoked_operator_is_worth_nothing(site, pg, tmp_path):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    site.tokens["zoe"] = json.loads(site.cli("operators", "add", "zoe", "--json").stdout)["token"]
    file = tmp_path / "plan.json"
    plan(site, point, file)
    approve(site, file, who="zoe")
    site.cli("operators", "revoke", "zoe")
    error = carry_out(site, file, status=77)["error"]
    assert "no operator any more" in error["message"]
    with pg.admin() as c:
        assert c.execute("SELECT count(*) FROM undo.t WHERE id <= 5").fetchone() == (0,)


@pytest.mark.parametrize("between", [None, "UPDATE undo.t SET v = 'theirs' WHERE id = 3",
                                     "INSERT INTO undo.child VALUES (5, 1, NULL)"])
def test_a_plan_of_all_points_of_a_transaction(site, pg, tmp_path, between):
    """Rows and a table that is gone; what others do meanwhile makes it another plan."""
    before = picture(pg)
    made = transaction(site, "UPDATE undo.t SET v = 'x' WHERE id <= 5", "DROP TABLE undo.ident",
                       "DELETE FROM undo.child WHERE id = 5")
    file = tmp_path / "plan.json"
    shown = plan(site, made[0], file, "--group")
    assert sorted(m["point"] for m in shown["members"]) == sorted(made)
    assert "INSERT INTO" in json.loads(file.read_text())["sql"]
    assert carry_out(site, file, status=3)["error"]["code"] == "HELD"
    approve(site, file)
    if between is not None:
        with pg.admin() as c:
            c.execute(between)
        assert carry_out(site, file, status=1)["error"]["code"] == "CONFLICT"
        with pg.admin() as c:
            assert c.execute("SELECT to_regclass('undo.ident')").fetchone() == (None,)
        return
    done = carry_out(site, file)
    assert done["done"] and "apart" not in done and picture(pg) == before
    assert carry_out(site, file, status=1)["error"]["code"] == "CONFLICT"
