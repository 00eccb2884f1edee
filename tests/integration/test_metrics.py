"""/healthz, /readyz and /metrics, as a load balancer and Prometheus read them."""

import re
import signal
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from conftest import Gateway, running, wait_until
from operator_side import Operator


def get(gateway, path):
    url = f"http://127.0.0.1:{gateway.operators_port}{path}"
    try:
        with urllib.request.urlopen(url, timeout=10) as r:
            return r.status, r.headers["Content-Type"], r.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.headers["Content-Type"], e.read().decode()


def values(gateway):
    """{name with labels: value}, and every line is of the format."""
    status, kind, text = get(gateway, "/metrics")
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r'[a-z_]+(\{[a-z]+="[^"]*"\})? [0-9.]+', line) for line in lines), text
    typed = re.findall(r"^# TYPE (\S+) (\S+)$", text, flags=re.MULTILINE)
    assert len(dict(typed)) == len(typed), "each name once"
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines}


@pytest.fixture(scope="module")
def busy(pg):
    """A gateway that has let pass, blocked, held, approved and refused something; values before and after."""
    rules = [{"name": "no truncate", "kinds": ["TRUNCATE"], "action": "block"}]
    with pg.admin() as a:
        a.execute("CREATE TABLE met (id int PRIMARY KEY); GRANT ALL ON met TO PUBLIC; INSERT INTO met VALUES (1)")
    g = Gateway(pg, policy={"rules": rules}, extra={"hold": {"wait": "10s", "notice": "1s"}})
    operator = Operator(g)
    with running(g, "alice") as g:
        before = values(g)
        with g.connect(autocommit=True) as c:
            for _ in range(40):
                c.execute("SELECT 1")
            with pytest.raises(psycopg.Error):
                c.execute("TRUNCATE met")
            decider = operator.deciding("approve")
            assert c.execute("DELETE FROM met WHERE id = 1").rowcount == 1
            decider.done()
            sessions = values(g)["backstop_sessions"]
        with pytest.raises(psycopg.OperationalError):
            g.connect(password="wrong")
        wait_until(lambda: values(g)["backstop_sessions"] == 0)
        yield g, before, sessions
    with pg.admin() as a:
        a.execute("DROP TABLE met")


def test_what_happened_is_counted(busy):
    g, before, sessions = busy
    after = values(g)
    grown = {name: after[name] - before[name] for name in after}
    assert set(after) == set(before), "no name comes or goes"
    assert sessions == 1
    assert grown['backstop_decisions_total{decision="allow"}'] >= 40
    assert grown['backstop_decisions_total{decision="approve"}'] == 1
    assert grown['backstop_decisions_total{decision="block"}'] == 1
    assert grown['backstop_operator_decisions_total{decision="approve"}'] == 1
    assert grown['backstop_operator_decisions_total{decision="deny"}'] == 0
    assert grown['backstop_logins_total{outcome="done"}'] == 1
    assert grown['backstop_logins_total{outcome="refused"}'] == 2  # with TLS, and libpq tries without
    assert grown['backstop_captures_total{outcome="done"}'] == 1


@pytest.mark.parametrize("name,least,most_seconds", [
    ("relay_seconds", 2, 20), ("classify_seconds", 5, 5), ("hold_seconds", 1, 10), ("capture_seconds", 1, 20),
    ("audit_lag_seconds", 3, 60), ("capture_bytes", 1, 1e9)])
def test_histograms(busy, name, least, most_seconds):
    after = values(busy[0])
    name = f"backstop_{name}"
    assert after[f"{name}_count"] >= least
    assert 0 < after[f"{name}_sum"] < most_seconds
    buckets = [v for k, v in after.items() if k.startswith(f"{name}_bucket")]
    assert len(buckets) == 16 and buckets == sorted(buckets) and buckets[-1] == after[f"{name}_count"]


def test_nobody_is_named(busy):
    text = get(busy[0], "/metrics")[2]
    for secret in ("alice", "met", "app_trust", "127.0.0.1"):
        assert not re.search(rf"\b{secret}\b", text)


def test_ready_until_it_stops(pg):
    with running(Gateway(pg), "alice") as g:
        assert get(g, "/healthz")[0] == 200
        wait_until(lambda: get(g, "/readyz")[0] == 200)
        assert get(g, "/readyz") == (200, "application/json", '{"status":"ready"}')
        with g.connect(autocommit=True) as c, ThreadPoolExecutor(1) as other:
            runs = other.submit(lambda: c.execute("SELECT pg_sleep(1.5), 42").fetchone()[1])
            with pg.admin() as a:
                wait_until(lambda: a.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE starts_with(query, 'SELECT pg_sleep(1.5), 42') "
                    "AND state = 'active'").fetchone() == (1,))
            g.process.send_signal(signal.SIGTERM)
            wait_until(lambda: get(g, "/readyz")[0] == 503)
            assert "stopping" in get(g, "/readyz")[2]
            assert get(g, "/healthz")[0] == 200, "it is not ill"
            assert runs.result(20) == 42
