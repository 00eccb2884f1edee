"""The benchmarks' arithmetic: which way a ratio is turned, and what the document says. No server."""

import json
import sys

import pytest

from conftest import ROOT

sys.path.append(str(ROOT / "tests" / "bench"))
import document  # noqa: E402
import peers  # noqa: E402
import stage  # noqa: E402
import wire_bench  # noqa: E402


class Process:
    pid = 1


OURS, DIRECT = peers.Peer(peers.AHEAD, 1, Process), peers.Peer("direct", 2)
BOUNCER = peers.Peer("PgBouncer 1.0.0", 3, Process)


def compared(workload, **got):
    results = stage.Results()
    workload.compare({{"ours": OURS, "direct": DIRECT, "bouncer": BOUNCER}[k]: v for k, v in got.items()}, results)
    return {(r["workload"], r["peer"]): (r["figure"], r["ratio_median"]) for r in results.list()}


def test_above_one_we_are_ahead():
    load = wire_bench.Pgbench("select", 16, (), ())
    assert compared(load, direct={"rate": 400}, bouncer={"rate": 100, "CPU us": 30},
                    ours={"rate": 200, "CPU us": 20}) == {
        ("select", "direct"): (200, 0.5), ("select", "PgBouncer 1.0.0"): (200, 2.0),
        ("CPU us, select", "PgBouncer 1.0.0"): (20, 1.5)}


def test_added_latency_is_beyond_that_of_direct():
    got = compared(wire_bench.Alone("select", 1, (), ()), direct={"rate": 1, "p50": 40, "p99": 90},
                   bouncer={"rate": 1, "CPU us": 1, "p50": 60, "p99": 89},
                   ours={"rate": 1, "CPU us": 1, "p50": 50, "p99": 100})
    assert got["added p50, select", "PgBouncer 1.0.0"] == (10, 2.0)
    assert got["added p99, select", "PgBouncer 1.0.0"] == (10, 0.1), "less than nothing counts as a microsecond"


def test_rounds_have_a_least_a_median_and_a_most():
    results = stage.Results()
    for ratio in (3, 1, 2):
        results.add("select, simple", 16, "PgBouncer 1.0.0", 10 * ratio, ratio / 2)
    assert results.list() == [{"workload": "select, simple", "clients": 16, "peer": "PgBouncer 1.0.0", "figure": 20,
                               "ratio_min": 0.5, "ratio_median": 1.0, "ratio_max": 1.5}]
    assert list(wire_bench.promised(results)) == ["holds  select, simple, 16, PgBouncer 1.0.0: 1.00 (at least 1.0)"]


def test_the_document_takes_the_tables_between_its_marks(tmp_path, monkeypatch):
    results = stage.Results()
    results.add("select", 16, "direct", 1234.5, 0.5)
    results.add("CPU us, select", 16, "PgBouncer 1.0.0", 20, 1.5)
    results.add("memory of an idle session", 500, "8 KB", 4096, 2)
    file, page = tmp_path / "wire.json", tmp_path / "page.md"
    file.write_text(json.dumps(results.list()))
    page.write_text(f"before\n{document.BEGIN}\nold\n{document.END}\nafter\n")
    monkeypatch.setattr(document, "DOCUMENT", page)
    monkeypatch.setattr(sys, "argv", ["document", str(file)])
    document.main()
    text = page.read_text()
    assert "old" not in text and text.startswith("before\n") and text.endswith("after\n")
    assert "| select | 16 | 1,234 transactions/s | 0.50 |" in text
    assert "| select | 16 | 20 us | 1.50 |" in text
    assert "| memory of an idle session | 500 | 4,096 bytes | 8 KB | 2.00 |" in text
    file.write_text('{"half": ')
    with pytest.raises(SystemExit, match="is not what script/bench wire --json has written"):
        document.main()
