"""The S3 store against real servers, and against one that fails in every way we know of."""

import datetime
import hashlib
import json
import os
import re
import subprocess
import time

import pytest

import s3servers
from conftest import binary, make_certificate, note
from s3double import Fault

MB = 1 << 20


@pytest.fixture(scope="module", params=["double", "moto", "s3rver", "minio"])
def server(request):
    if request.param == "minio":
        program = os.environ.get("BACKSTOP_MINIO")
        if not program:
            pytest.skip("BACKSTOP_MINIO does not name a MinIO program")
        start = s3servers.minio(program)
    elif request.param == "s3rver":
        start = s3servers.s3rver(request.getfixturevalue("packages"))
    else:
        start = getattr(s3servers, request.param)()
    with start as server:
        yield server


@pytest.fixture
def double():
    with s3servers.double() as server:
        yield server


class Said:
    def __init__(self, text):
        first, _, rest = text.partition("\n")
        *lines, ms = (first + "\n" + rest).strip().splitlines()
        self.ms = int(ms.split()[0])
        self.listed, self.line = lines[:-1], lines[-1]
        self.done, _, self.text = self.line.partition(" ")
        self.code = "" if self.done == "DONE" else self.text.split()[0]


def tool(server, *args, env=None, prefix="t", **options):
    out = subprocess.run([s3servers.TOOL, server.url(prefix, **options), *map(str, args)],
                         capture_output=True, text=True, timeout=120, env=server.env(**(env or {})))
    assert "hunter2" not in out.stdout and server.keys[1] not in out.stdout + out.stderr
    assert out.returncode in (0, 1), out.stdout + out.stderr
    return Said(out.stdout)


def check(server, tmp_path, env=None, **options):
    """`storage check`: exit status, {check: level}, the JSON."""
    config = tmp_path / "backstop.yaml"
    config.write_text(json.dumps({
        "listen": ["127.0.0.1:1"], "state": "sqlite:s", "audit": {"directory": "a"}, "spool": "c",
        "databases": {"a": {"upstream": "dbname=a", "helper": "dbname=a user=b"}},
        "storage": server.url(options.pop("prefix", "check"), **options)}))
    out = subprocess.run([binary(), "storage", "check", "--json", "--config", config], text=True,
                         capture_output=True, timeout=120, env=server.env(**(env or {})))
    assert server.keys[1] not in out.stdout + out.stderr
    told = json.loads(out.stdout)
    return out.returncode, {c["check"]: c["level"] for c in told["checks"]}, told


# --- every server ----------------------------------------------------------------------------


def test_the_contract(server):
    out = subprocess.run([s3servers.CONTRACT], capture_output=True, text=True, timeout=100,
                         env=server.env(BS_STORE_URL=server.url("contract")))
    assert out.returncode == 0, out.stdout + out.stderr
    assert "not ok" not in out.stdout


# What each of them really does.
FACTS = {
    "double": {"create": "honoured", "create_multipart": "honoured", "payload_hash": "checked",
               "content_md5": "checked", "lock": "none", "delete": "allowed"},
    "moto": {"create": "honoured", "create_multipart": "honoured", "payload_hash": "ignored",
             "content_md5": "ignored", "lock": "none", "delete": "allowed"},
    "s3rver": {"create": "ignored", "create_multipart": "ignored", "payload_hash": "ignored",
               "content_md5": "ignored", "lock": "none", "delete": "allowed"},
    "minio": {"create": "honoured", "create_multipart": "honoured", "payload_hash": "checked",
              "content_md5": "checked", "lock": "none", "delete": "allowed"},
}


def test_the_check_says_what_it_really_does(server, tmp_path, request):
    status, levels, told = check(server, tmp_path)
    assert told["facts"] == FACTS[server.name]
    assert levels["delete"] == "warn"
    # s3rver lists folder by folder, which nobody could rely on beyond one page.
    expected = {"pages"} if server.name == "s3rver" else set()
    assert {name for name, level in levels.items() if level == "fail"} == expected
    assert status == (1 if expected else 0)
    note(request, "S3 servers", f"{server.name}: "
         + ", ".join(f"{k} {v}" for k, v in told["facts"].items()))


def test_the_check_leaves_a_record_which_is_used(server, tmp_path):
    check(server, tmp_path, prefix="recorded")
    listed = tool(server, "list", "probe/records/", prefix="recorded").listed
    assert len(listed) == 1
    check(server, tmp_path, prefix="recorded")
    newest = tool(server, "list", "probe/records/", prefix="recorded").listed
    assert len(newest) == 2 and newest[1] == listed[0]
    if server.double:  # it refuses to overwrite by itself: no look is needed before
        server.double.log.clear()
        assert tool(server, "put", "a/b", "x", prefix="recorded").done == "DONE"
        assert server.double.asked("HEAD", "a/b") == []
        assert tool(server, "put", "a/b", "x", prefix="recorded").code == "CONFLICT"
    assert tool(server, "put", "a/c", "x", prefix="recorded").done == "DONE"
    assert tool(server, "put", "a/c", "y", prefix="recorded").code == "CONFLICT"


def test_locks_are_confirmed(server):
    if server.name == "s3rver":
        pytest.skip("it has no locks: see below")
    options = {"lock": "governance", "lock_days": "3"}
    if server.name != "double":
        options["bucket"] = "locked"
    assert tool(server, "put", "l/one", "x", **options).done == "DONE"
    size, mode, until = tool(server, "head", "l/one", **options).text.split()
    assert (size, mode) == ("1", "GOVERNANCE")
    assert abs(int(until) - time.time() - 3 * 86400) < 300


# Only MinIO does the lock of what comes in parts; moto has forgotten it by then.
LOCKED = {"double": ({"lock": "confirmed", "delete": "refused"}, set()),
          "moto": ({"lock": "confirmed", "delete": "hides"}, {"multipart"}),
          "minio": ({"lock": "confirmed", "delete": "hides"}, set())}


def test_the_check_of_a_store_with_locks(server, tmp_path):
    if server.name == "s3rver":
        pytest.skip("it has no locks: see below")
    options = {} if server.name == "double" else {"bucket": "locked"}
    _, levels, told = check(server, tmp_path, lock="governance", lock_days="2", **options)
    facts, failed = LOCKED[server.name]
    assert {k: told["facts"][k] for k in facts} == facts
    assert {name for name, level in levels.items() if level == "fail"} == failed


def test_a_lock_that_is_ignored_is_no_success(server, tmp_path):
    if server.name not in ("s3rver", "double"):
        pytest.skip("it refuses, which is another row")
    if server.double:
        server.double.locks = "ignore"
    options = {"lock": "compliance", "lock_days": "3"}
    said = tool(server, "put", "i/one", "x", **options)
    assert said.code == "UNSUPPORTED" and "locked" in said.text
    status, levels, _ = check(server, tmp_path, prefix="nolock", **options)
    assert status != 0 and levels["put"] == "fail"
    if server.double:
        server.double.locks = "honour"


# --- the strict double: what we send ---------------------------------------------------------


def test_a_session_token_is_sent_and_signed(double):
    double.double.token = "tok/en=="
    assert tool(double, "put", "a", "x").code == "AUTH"
    assert tool(double, "put", "a", "x", env={"AWS_SESSION_TOKEN": "tok/en=="}).done == "DONE"


def test_awkward_keys_and_prefixes(double):
    key = "a=b-c_d.e~f/%2F%25+".rstrip("+")
    assert tool(double, "put", key, "x", prefix="p/q.r~s").done == "DONE"
    assert list(double.double.objects) == [f"p/q.r~s/{key}"]
    assert tool(double, "get", key, prefix="p/q.r~s").text.split()[0] == "1"
    assert tool(double, "list", "a", prefix="p/q.r~s").listed == [f"{key} 1"]


def test_what_was_read_is_what_was_put(double, tmp_path):
    path = tmp_path / "large"
    path.write_bytes(os.urandom(40 * MB + 5))
    assert tool(double, "put-file", "big", path).done == "DONE"
    assert len(double.double.asked("PUT", "partNumber")) == 3
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert tool(double, "get", "big").text == f"{40 * MB + 5} {digest}"
    assert double.double.uploads == {}


def test_listings_in_pages(double):
    double.double.page = 2
    for i in range(5):
        assert tool(double, "put", f"l/{i}", "x" * i).done == "DONE"
    assert tool(double, "list", "l/").listed == [f"l/{i} {i}" for i in range(5)]
    assert len(double.double.asked("GET", "continuation-token")) == 2


def test_the_bucket_in_the_hosts_name(double):
    options = {"endpoint": f"http://localhost:{double.port}", "style": "virtual"}
    assert tool(double, "put", "a/b", "x", **options).done == "DONE"
    assert list(double.double.objects) == ["t/a/b"]
    assert double.double.asked("PUT") == ["/t/a/b"]
    assert tool(double, "list", "a/", **options).listed == ["a/b 1"]


def test_only_a_certificate_that_is_trusted(tmp_path):
    pair = make_certificate(tmp_path)
    with s3servers.double(pair) as server:
        def put(host, **options):
            return tool(server, "put", f"k{time.monotonic_ns()}", "x", timeout="1s",
                        endpoint=f"https://{host}:{server.port}", **options)

        assert put("127.0.0.1", ca_file=pair[0]).done == "DONE"
        assert put("localhost", ca_file=pair[0]).done == "DONE"
        for said in (put("127.0.0.1"), put("127.0.0.1", ca_file=tmp_path / "none")):
            assert said.code == "CONFIG" and "not trusted" in said.text, said.line
        assert len(server.double.objects) == 2
    pair = make_certificate(tmp_path, name="other", san="DNS:other.example")
    with s3servers.double(pair) as server:
        said = put("127.0.0.1", ca_file=pair[0])
        assert said.code == "CONFIG" and "not trusted" in said.text, said.line
        assert server.double.log == []


# --- the strict double: what may happen ------------------------------------------------------

AGAIN = [500, 502, 503, 504, 429, 408, "drop early", "drop late", "done, but", "large headers"]


@pytest.mark.parametrize("condition, what",
                         [("honour", what) for what in AGAIN]
                         + [(condition, what) for condition in ("ignore", "refuse")
                            for what in (500, "drop late", "done, but")])
def test_a_put_is_tried_again(double, what, condition):
    """Also where the first attempt has done it and nobody told us: our own content is success."""
    double.double.conditions = condition
    double.double.faults.append(Fault("PUT", "/k", what, times=2))
    said = tool(double, "put", "k", "content")
    assert said.done == "DONE", said.line
    assert double.double.objects["t/k"]["data"] == b"content"
    assert double.double.faults[0].times <= 1


@pytest.mark.parametrize("condition", ["honour", "ignore", "refuse"])
def test_a_lost_answer_does_not_excuse_another_content(double, condition):
    double.double.conditions = condition
    double.double.objects["t/k"] = {"data": b"another", "etag": '"x"', "lock": None}
    double.double.faults.append(Fault("HEAD", "/k", 404))  # not seen before
    double.double.faults.append(Fault("PUT", "/k", 500))
    assert tool(double, "put", "k", "content").code == "CONFLICT"
    assert double.double.objects["t/k"]["data"] == b"another"


@pytest.mark.parametrize("verb, what", [
    ((verb, "k"), what) for verb in ("get", "head", "list")
    for what in (500, 503, 429, "drop early", "large headers")] + [
    (("list", "k"), "not XML"), (("list", "k"), "large")])
def test_looking_is_tried_again(double, verb, what):
    tool(double, "put", "k", "content")
    method = "HEAD" if verb[0] == "head" else "GET"
    double.double.faults.append(Fault(method, "list-type" if verb[0] == "list" else "/k", what))
    said = tool(double, *verb)
    if what == "not XML":
        assert said.code == "DATA"  # an answer that came whole is not asked for again
    else:
        assert said.done == "DONE", said.line


def test_there_is_an_end_to_trying(double):
    double.double.faults.append(Fault("PUT", "/k", 503, times=1000, code="SlowDown"))
    said = tool(double, "put", "k", "x", timeout="2s")
    assert said.code == "UNAVAILABLE" and "503 SlowDown" in said.text
    assert 300 < said.ms < 6000  # the waits between are drawn by lot
    assert len(double.double.asked("PUT")) < 40


def test_nobody_there(double):
    port = double.double.server_address[1]
    double.double.close()
    said = tool(double, "put", "k", "x", timeout="1s")
    assert said.code == "UNAVAILABLE" and str(port) in said.text
    assert said.ms < 6000


REFUSALS = [(403, "AccessDenied", "FORBIDDEN"), (403, "InvalidAccessKeyId", "AUTH"),
            (403, "SignatureDoesNotMatch", "AUTH"), (404, "NoSuchBucket", "CONFIG"),
            (400, "BadDigest", "IO"), (400, "InvalidArgument", "IO"), (405, "MethodNotAllowed", "IO"),
            (301, "PermanentRedirect", "CONFIG"), (507, "XMinioStorageFull", "IO"),
            (503, "XMinioStorageFull", "IO"), (400, "Evil\x3c\x2fCode>", "IO")]


@pytest.mark.parametrize("status, code, want", REFUSALS)
def test_what_is_refused_is_not_asked_again(double, status, code, want):
    double.double.faults.append(Fault("PUT", "/k", status, times=9, code=code))
    said = tool(double, "put", "k", "x")
    assert said.code == want, said.line
    assert len(double.double.asked("PUT", "/k")) == 1


def test_a_wrong_region_is_told(double):
    double.double.region = "eu-other-9"
    said = tool(double, "put", "k", "x")
    assert said.code == "CONFIG" and "region=eu-other-9" in said.text


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_clocks_that_differ_are_both_shown(double, seconds):
    double.double.skew = seconds
    for verb in (("put", "k", "x"), ("head", "k")):
        said = tool(double, *verb)
        here, there, apart = re.search(r'it is (\S+) here and "([^"]+)" there, (\d+) seconds apart',
                                       said.text).groups()
        here = datetime.datetime.fromisoformat(here)
        there = datetime.datetime.strptime(there + "+0000", "%a, %d %b %Y %H:%M:%S GMT%z")
        assert said.code == "AUTH"
        assert abs((there - here).total_seconds() - seconds) < 5
        assert abs(int(apart) - 3600) < 5


def test_keys_that_have_expired_are_read_again(double, tmp_path):
    path = double.credentials(tmp_path)
    keys = path.read_text()
    double.double.token = "new"
    double.double.objects["t/a"] = {"data": b"x", "etag": '"e"', "lock": None}
    said = tool(double, "get", "a", credentials=path)
    assert said.code == "AUTH"
    assert len(double.double.asked("GET")) == 1  # they are the same as before

    class Renewed(Fault):
        """Somebody writes new ones while the first request is on its way."""

        def fits(self, method, target):
            path.write_text(keys + "aws_session_token = new\n")
            return False

    path.write_text(keys + "aws_session_token = old\n")
    double.double.faults.append(Renewed("GET", "", 0))
    assert tool(double, "get", "a", credentials=path).done == "DONE"


# --- reading ---------------------------------------------------------------------------------


@pytest.fixture
def stored(double, tmp_path):
    """An object of 3 MB, its size and digest as the tool prints them."""
    data = os.urandom(3 * MB + 7)
    double.double.objects["t/k"] = {"data": data, "etag": '"e"', "lock": None}
    return f"{len(data)} {hashlib.sha256(data).hexdigest()}"


@pytest.mark.parametrize("times", [1, 3])
def test_a_dropped_reading_goes_on_where_it_was(double, stored, times):
    double.double.faults.append(Fault("GET", "/k", "cut", times=times))
    said = tool(double, "get", "k")
    assert said.text == stored, said.line
    assert len(double.double.asked("GET", "/k")) == times + 1


def test_a_reading_that_hangs_goes_on(double, stored):
    double.double.faults.append(Fault("GET", "/k", "cut and hang"))
    said = tool(double, "get", "k", timeout="2s")
    assert said.text == stored, said.line
    assert said.ms < 8000


def test_a_slow_reading_is_waited_for(double, stored):
    double.double.faults.append(Fault("GET", "/k", "drip"))
    assert tool(double, "get", "k", timeout="2s").text == stored


@pytest.mark.parametrize("what", ["other range", "whole again"])
def test_another_range_is_not_taken_for_ours(double, stored, what):
    double.double.faults += [Fault("GET", "/k", "cut"), Fault("GET", "/k", what)]
    said = tool(double, "get", "k")
    assert said.code == "IO" and "range" in said.text


def test_an_object_that_changes_while_it_is_read(double, stored):
    """Of the same size, so that only its ETag tells."""
    class Changed(Fault):
        def fits(self, method, target):
            if self.seen:
                double.double.objects["t/k"] = {"data": b"x" * (3 * MB + 7), "etag": '"f"', "lock": None}
            self.seen = True
            return False

        seen = False

    double.double.faults += [Changed("GET", "", 0), Fault("GET", "/k", "cut")]
    assert tool(double, "get", "k").code == "DAMAGED"


def test_an_answer_without_a_length_is_none(double, stored):
    double.double.faults.append(Fault("GET", "/k", "no length", times=99))
    assert tool(double, "get", "k", timeout="1s").done == "FAILED"


HOSTILE = [b"", b"<Error/>", b"<ListBucketResult><Contents><Key>t/k</Key></Contents></ListBucketResult>",
           b"<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
           b"<!DOCTYPE a [<!ENTITY x 'y'>]><ListBucketResult/>",
           b"<ListBucketResult><Contents><Key>t/k</Key><Size>-1</Size></Contents></ListBucketResult>",
           b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
           b"<ListBucketResult>" + b"<Contents><Key>t/k</Key><Size>1</Size></Contents>" * 1001
           + b"</ListBucketResult>"]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_listings(double, body):
    double.double.faults.append(Fault("GET", "list-type", "not XML", times=99, body=body))
    said = tool(double, "list", "k")
    assert said.code == "DATA", said.line


@pytest.mark.parametrize("what, code", [("no end", "DATA"), ("foreign", "DATA"),
                                        ("unordered", "UNSUPPORTED")])
def test_listings_that_make_no_sense(double, what, code):
    double.double.page = 2
    for i in range(6):
        double.double.objects[f"t/l/{i}"] = {"data": b"", "etag": '"e"', "lock": None}
    double.double.faults.append(Fault("GET", "list-type", what, times=500))
    said = tool(double, "list", "l/")
    assert said.code == code, said.line


def test_objects_of_others_are_passed_over(double):
    for key in ("t/l/a b", "t/l/\x01", "t/l/.hidden", "t/l/ok", "t/l/x//y"):
        double.double.objects[key] = {"data": b"", "etag": '"e"', "lock": None}
    assert tool(double, "list", "l/").listed == ["l/ok 0"]


# --- parts -----------------------------------------------------------------------------------


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(os.urandom(33 * MB))
    return path


PARTS = [("PUT", "partNumber=2&", what) for what in (500, "drop early", "drop late", "done, but")] + \
        [("POST", "uploads=", 503), ("POST", "uploadId=", "200 with an error"),
         ("POST", "uploadId=", "drop late"), ("POST", "uploadId=", "200 with nothing"),
         ("POST", "uploadId=", "drop early"), ("POST", "uploadId=", 500)]


@pytest.mark.parametrize("method, match, what", PARTS)
def test_parts_are_tried_again(double, large, method, match, what):
    double.double.faults.append(Fault(method, match, what))
    said = tool(double, "put-file", "k", large)
    assert said.done == "DONE", said.line
    assert double.double.faults[0].times == 0
    assert double.double.objects["t/k"]["data"] == large.read_bytes()
    assert double.double.uploads == {}


@pytest.mark.parametrize("method, match, what, times", [
    ("PUT", "partNumber=2&", 403, 1), ("PUT", "partNumber=1&", "no ETag", 1),
    ("POST", "uploadId=", "200 with a refusal", 1), ("POST", "uploadId=", 400, 1),
    ("POST", "uploadId=", "200 with an error", 1000), ("PUT", "partNumber", 503, 1000)])
def test_an_upload_that_fails_is_taken_back(double, large, method, match, what, times):
    double.double.faults.append(Fault(method, match, what, times=times, code="Refused"))
    said = tool(double, "put-file", "k", large, timeout="2s")
    assert said.done == "FAILED", said.line
    assert double.double.objects == {} and double.double.uploads == {}
    assert said.ms < 15000


def test_parts_do_not_overwrite(double, large):
    double.double.objects["t/k"] = {"data": b"another", "etag": '"x"', "lock": None}
    assert tool(double, "put-file", "k", large).code == "CONFLICT"
    double.double.faults.append(Fault("HEAD", "/k", 404))  # not seen before
    double.double.faults.append(Fault("POST", "uploadId=", 412))
    assert tool(double, "put-file", "k", large).code == "CONFLICT"
    assert double.double.objects["t/k"]["data"] == b"another" and double.double.uploads == {}


@pytest.mark.parametrize("how", ["BS_STOP_MS", "BS_DEADLINE_MS"])
@pytest.mark.parametrize("method, match, what", [
    ("PUT", "partNumber=1&", "hang in body"), ("POST", "uploadId=", "hang"), ("HEAD", "/k", "hang"),
    ("PUT", "partNumber=2&", 503)])
def test_an_upload_that_hangs_is_ended_at_once(double, large, how, method, match, what):
    double.double.faults.append(Fault(method, match, what, times=1000))
    said = tool(double, "put-file", "k", large, env={how: "700"}, timeout="60s")
    assert said.code == ("CANCELLED" if how == "BS_STOP_MS" else "NO_POINT"), said.line
    assert said.ms < 6000
    assert double.double.objects == {} and double.double.uploads == {}


def test_parts_that_cannot_be_taken_back_hold_up_nobody(double, large):
    """Where somebody has stopped the upload, he waits for a second at most."""
    double.double.faults += [Fault("PUT", "partNumber=1&", "hang in body"), Fault("DELETE", "", "hang")]
    said = tool(double, "put-file", "k", large, env={"BS_STOP_MS": "500"}, timeout="60s")
    assert said.code == "CANCELLED" and said.ms < 4000
    assert len(double.double.uploads) == 1  # for the bucket's own rule about such parts


@pytest.mark.parametrize("verb, method, match", [
    (("put", "k", "x"), "PUT", "/k"), (("get", "k"), "GET", "/k"), (("head", "k"), "HEAD", "/k"),
    (("list", "k"), "GET", "list-type")])
def test_whatever_hangs_is_ended_at_once(double, verb, method, match):
    double.double.faults.append(Fault(method, match, "hang", times=9))
    said = tool(double, *verb, env={"BS_STOP_MS": "300"}, timeout="60s")
    assert said.code == "CANCELLED" and said.ms < 4000


def test_what_hangs_is_tried_again_without_a_watch(double):
    double.double.faults.append(Fault("PUT", "/k", "hang"))
    said = tool(double, "put", "k", "x", timeout="2s")
    assert said.done == "DONE" and 900 < said.ms < 6000


# --- storage check ---------------------------------------------------------------------------


@pytest.mark.parametrize("change, fact, value, level", [
    ({"conditions": "ignore"}, "create", "ignored", "info"),
    ({"conditions": "refuse"}, "create", "refused", "info"),
    ({"may_delete": False}, "delete", "refused", "ok"),
    ({"skew": 120}, None, None, "warn")])
def test_the_check_finds_out(double, tmp_path, change, fact, value, level):
    for name, to in change.items():
        setattr(double.double, name, to)
    status, levels, told = check(double, tmp_path)
    assert status == 0
    assert fact is None or told["facts"][fact] == value
    assert levels[fact or "clock"] == level


@pytest.mark.parametrize("method, match, what, check_, times", [
    ("PUT", "one", "lose", "get", 1), ("GET", "one", "flip", "get", 1),
    ("GET", "list-type.*probe%2F(?!records)", "unordered", "pages", 99),
    ("POST", "uploadId", "lose", "multipart", 1)])
def test_the_check_fails_where_points_would_be_lost(double, tmp_path, method, match, what, check_, times):
    double.double.faults.append(Fault(method, match, what, times=times))
    status, levels, _ = check(double, tmp_path)
    assert status != 0
    assert levels[check_] == "fail", levels


@pytest.mark.parametrize("method, what, code, status", [
    ("PUT", 403, "AccessDenied", 77), ("PUT", 403, "InvalidAccessKeyId", 77),
    ("PUT", 503, "SlowDown", 69), ("HEAD", 403, "AccessDenied", 77)])
def test_the_checks_exit_status(double, tmp_path, method, what, code, status):
    double.double.faults.append(Fault(method, "probe", what, times=999, code=code))
    assert check(double, tmp_path, timeout="1s")[0] == status


def test_the_check_without_keys(double, tmp_path):
    status, _, told = check(double, tmp_path,
                            env={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
                                 "HOME": str(tmp_path)})
    assert status == 78 and "AWS_ACCESS_KEY_ID" in json.dumps(told)


# --- taking away -----------------------------------------------------------------------------


def test_removing(server):
    assert tool(server, "put", "r/one", "x").done == "DONE"
    assert tool(server, "remove", "r/one").line == "DONE gone"
    assert tool(server, "get", "r/one").code == "NOT_FOUND"
    assert tool(server, "remove", "r/one").line == "DONE gone"


def test_a_locked_object_stays_and_is_not_hidden(server):
    if server.name == "s3rver":
        pytest.skip("it has no locks")
    options = {"lock": "governance", "lock_days": "3"}
    if server.name == "double":
        server.double.versions = True
    else:
        options["bucket"] = "locked"
    assert tool(server, "put", "r/locked", "x", **options).done == "DONE"
    said = tool(server, "remove", "r/locked", **options)
    assert said.code == "CONFLICT" and "locked (GOVERNANCE) until 2" in said.text
    assert tool(server, "get", "r/locked", **options).done == "DONE"
    if server.name == "double":
        assert server.double.asked("DELETE", "r/locked") == []
        server.double.versions = False


def test_a_version_is_deleted_and_not_hidden(double):
    double.double.versions = True
    assert tool(double, "put", "r/v", "x").done == "DONE"
    assert tool(double, "remove", "r/v").line == "DONE gone"
    assert double.double.objects == {} and double.double.hidden == {}
    assert "versionId=" in double.double.asked("DELETE", "r/v")[0]


def test_who_may_not_delete_is_told(double):
    assert tool(double, "put", "r/one", "x").done == "DONE"
    double.double.may_delete = False
    said = tool(double, "remove", "r/one")
    assert said.code == "FORBIDDEN" and "delete" in said.text
    assert tool(double, "get", "r/one").done == "DONE"
    double.double.may_delete, double.double.versions = True, True
    double.double.may_delete_versions = False
    assert tool(double, "remove", "r/one").code == "FORBIDDEN"
    assert tool(double, "get", "r/one").done == "DONE"  # hidden it would be no less there


@pytest.mark.parametrize("what", ["drop early", "drop late", 500, 503, "done, but"])
def test_removing_is_tried_again(double, what):
    assert tool(double, "put", "r/one", "x").done == "DONE"
    double.double.faults.append(Fault("DELETE", "r/one", what))
    assert tool(double, "remove", "r/one").line == "DONE gone"
    assert double.double.objects == {}


def test_a_store_that_only_says_so_is_not_believed(double):
    assert tool(double, "put", "r/one", "x").done == "DONE"
    double.double.faults.append(Fault("DELETE", "r/one", "lie"))
    assert tool(double, "remove", "r/one").code == "IO"
    assert tool(double, "remove", "r/one").line == "DONE gone"
