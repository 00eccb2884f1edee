"""Sessions that do nothing, or wait: what each takes of the process in between."""

import contextlib
import pathlib
import resource
import sys
import time

import peers
from stage import Fault, free_port, rss_bytes

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "integration"))
from rawwire import Raw, query  # noqa: E402

REAL, DOUBLE = 500, 5000


def login(peer):
    """A session that has run one statement: PgBouncer has given it a server connection then."""
    raw = Raw(peer.port, timeout=60)
    last = raw.login("bench", peer.password, "bench")[-1]
    if last is None or last[0] != b"Z":
        raise Fault(f"{peer.name} does not let a session in: {last}")
    return raw


@contextlib.contextmanager
def sessions(peer, count):
    with contextlib.ExitStack() as all_of_them:
        for _ in range(count):
            raw = all_of_them.enter_context(login(peer))
            raw.send(query("SELECT 1"))
            answer = raw.until()
            if answer[-1] is None or any(kind == b"E" for kind, _ in answer):
                raise Fault(f"{peer.name} does not answer an idle session: {answer[-1]}")
        yield


@contextlib.contextmanager
def held(peer, count):
    """So many statements that wait for an operator; none of them is ever decided."""
    with contextlib.ExitStack() as all_of_them:
        waiting = [all_of_them.enter_context(login(peer)) for _ in range(count)]
        for number, raw in enumerate(waiting):
            raw.send(query(f"DELETE FROM held WHERE id = {number + 1}"))
        for raw in waiting:
            kind, body = raw.next() or (b"", b"the connection ended")
            if kind != b"N":
                raise Fault(f"a statement was not held: {body!r}")
        yield


def grown(peer, count):
    """Bytes a session; the first ones pay for what is made once."""
    with sessions(peer, 20):
        pass
    time.sleep(0.5)
    before = rss_bytes(peer.pid)
    with sessions(peer, count):
        time.sleep(1)
        return (rss_bytes(peer.pid) - before) / count


def wanted(count):
    """Fewer where this process may not have so many files open: the gateway needs two for each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < 2 * count + 500:
        count = (hard - 500) // 2
        print(f"bench: {count} idle sessions only: raise the limit of open files (ulimit -Hn is {hard})",
              file=sys.stderr)
    return count


def on_real(stage):
    for start in (peers.start_haproxy, peers.start_pgbouncer, peers.start_backstop,
                  lambda s: peers.start_pgbouncer(s, "pgbouncer-current")):
        peer = start(stage)
        if peer:
            yield peer, REAL


def on_double(stage, count):
    port = free_port()
    double = stage.spawn([sys.executable, str(pathlib.Path(__file__).with_name("double.py")), str(port)])
    stage.wait_for("the server's double", port, double)
    to = ("127.0.0.1", port)
    for start in (peers.start_pgbouncer, peers.start_backstop):
        yield start(stage, to=to), count


def measure(stage, results):
    count = wanted(DOUBLE)
    for rows in (on_real(stage), on_double(stage, count)):
        found = {}
        for peer, sessions_of_it in rows:
            found[peer.name] = grown(peer, sessions_of_it)
            peers.end(stage, peer)
        ours = found.pop(peers.AHEAD)
        for name, theirs in {**found, "8 KB": 8192}.items():
            results.add("memory of an idle session", DOUBLE if sessions_of_it != REAL else REAL, name, ours,
                        theirs / ours)
