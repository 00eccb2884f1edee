"""An S3 server that takes everything literally, and fails when it is told to.

It checks each signature, payload hash and Content-MD5, and refuses what a lenient server lets pass:
an unsigned header, a query that is not sorted, a body in chunks. Objects live in memory. A `Fault`
makes it answer otherwise; `log` tells what it was asked.
"""

import base64
import datetime
import hashlib
import hmac
import http.server
import re
import secrets
import socket
import socketserver
import ssl
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

ACCESS, SECRET, REGION, BUCKET = "AKDOUBLE", "double/secret+key", "eu-test-1", "points"
EMPTY = hashlib.sha256(b"").hexdigest()
PART_LEAST = 5 << 20


class Refusal(Exception):
    def __init__(self, status, code, more=""):
        super().__init__(code)
        self.status, self.code, self.more = status, code, more


class Fault:
    """Something that goes wrong `times` times with requests that `method` and `match` fit.

    what: a status to answer (nothing is done), or the name of a way to fail; see Handler.
    """

    def __init__(self, method, match, what, times=1, **more):
        self.method, self.match, self.what, self.times = method, re.compile(match), what, times
        self.more = more

    def fits(self, method, target):
        return self.times > 0 and method == self.method and self.match.search(target)


class Double(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port, certificate=None):
        super().__init__(("127.0.0.1", port), Handler)
        if certificate is not None:  # and its key
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True,
                                              do_handshake_on_connect=False)
        self.lock = threading.Lock()
        self.objects, self.uploads, self.faults, self.log = {}, {}, [], []
        self.token = None             # a session's token that must be sent
        self.skew = 0                 # seconds by which its clock is ahead
        self.region = REGION
        self.conditions = "honour"    # or "ignore", "refuse"
        self.locks = "honour"         # or "ignore"
        self.may_delete = True
        self.versions = False         # a DELETE only hides, unless it names the version
        self.may_delete_versions = True
        self.says_versions = True     # which version it is, in a HEAD
        self.stored = lambda key: None  # called, under the lock, with what was stored
        self.hidden = {}              # what is behind a delete marker
        self.page = 1000              # most keys a listing gives
        self.closing = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.closing.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        pass  # a client that hangs up is none of its errors

    def now(self):
        return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.skew)

    def fault(self, method, target):
        with self.lock:
            for fault in self.faults:
                if fault.fits(method, target):
                    fault.times -= 1
                    return fault
        return None

    def asked(self, method, match=""):
        """The targets of the requests so far that fit."""
        with self.lock:
            return [t for m, t in self.log if m == method and re.search(match, t)]


def sign(secret, date, region, text):
    key = ("AWS4" + secret).encode()
    for part in (date[:8], region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def quote(text, safe=""):
    return urllib.parse.quote(text, safe=safe + "-._~")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def log_message(self, *args):
        pass

    def date_time_string(self, timestamp=None):
        return self.server.now().strftime("%a, %d %b %Y %H:%M:%S GMT")

    # --- what every request goes through ---

    def do(self):
        self.drop = False
        with self.server.lock:
            self.server.log.append((self.command, self.path))
        length = int(self.headers.get("Content-Length", 0))
        fault = self.server.fault(self.command, self.path)
        if fault and fault.what == "drop early":
            return self.hang_up()
        if fault and fault.what == "hang in body":
            self.rfile.read(min(length, 1000))
            return self.hang()
        body = self.rfile.read(length)
        if len(body) < length:
            return self.hang_up()
        try:
            self.target()
            self.check_signature(body)
            self.check_body(body)
            self.act(body, fault)
        except Refusal as r:
            self.answer(r.status, self.error(r.code, r.more))
        if self.drop:
            self.hang_up()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do

    def hang_up(self):
        self.close_connection = True
        try:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def hang(self):
        """Until the client has had enough, or the test is over."""
        self.wfile.flush()
        self.connection.settimeout(0.1)
        while not self.server.closing.is_set():
            try:
                if self.connection.recv(65536) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        self.close_connection = True

    def error(self, code, more=""):
        return (f"<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code>"
                f"<Message>no</Message>{more}</Error>").encode()

    def answer(self, status, body=b"", headers=(), length=None):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def target(self):
        path, _, query = self.path.partition("?")
        self.raw_path, self.raw_query = path, query
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        bucket, _, key = urllib.parse.unquote(path)[1:].partition("/")
        if self.headers["Host"].startswith(BUCKET + "."):
            bucket, key = BUCKET, urllib.parse.unquote(path)[1:]
        if quote(urllib.parse.unquote(path), "/") != path:
            raise Refusal(400, "InvalidURI")
        self.key = key
        if bucket != BUCKET:
            raise Refusal(404, "NoSuchBucket")

    def check_signature(self, body):
        s, h = self.server, self.headers
        match = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, "
                             r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
                             h.get("Authorization", ""))
        if not match:
            raise Refusal(403, "AccessDenied")
        access, day, region, signed, signature = match.groups()
        date = h.get("x-amz-date", "")
        if region != s.region:
            raise Refusal(400, "AuthorizationHeaderMalformed", f"<Region>{s.region}</Region>")
        if access != ACCESS:
            raise Refusal(403, "InvalidAccessKeyId")
        at = datetime.datetime.strptime(date + "+0000", "%Y%m%dT%H%M%SZ%z")
        if abs((s.now() - at).total_seconds()) > 900:
            raise Refusal(403, "RequestTimeTooSkewed")
        names = signed.split(";")
        # All that S3 acts on must be signed, or somebody in between could change it.
        must = {n.lower() for n in h if n.lower().startswith(("x-amz-", "if-", "content-md5", "range"))}
        if names != sorted(names) or not (must | {"host"}) <= set(names) or day != date[:8]:
            raise Refusal(403, "AccessDenied")
        if self.raw_query != "&".join(sorted(self.raw_query.split("&"))) or any(
                "=" not in p for p in self.raw_query.split("&") if p):
            raise Refusal(403, "SignatureDoesNotMatch")
        canonical = "\n".join([
            self.command, self.raw_path, self.raw_query,
            *(f"{n}:{' '.join(','.join(h.get_all(n)).split())}" for n in names), "", signed,
            h.get("x-amz-content-sha256", "")])
        text = "\n".join(["AWS4-HMAC-SHA256", date, f"{day}/{region}/s3/aws4_request",
                          hashlib.sha256(canonical.encode()).hexdigest()])
        if not hmac.compare_digest(sign(SECRET, date, region, text), signature):
            raise Refusal(403, "SignatureDoesNotMatch")
        if s.token is not None and h.get("x-amz-security-token") != s.token:
            raise Refusal(400, "ExpiredToken")

    def check_body(self, body):
        h = self.headers
        if h.get("Transfer-Encoding") or "aws-chunked" in h.get("Content-Encoding", "") or \
                h.get("x-amz-trailer") or h.get("Expect"):
            raise Refusal(501, "NotImplemented")
        if h.get("x-amz-content-sha256") != hashlib.sha256(body).hexdigest():
            raise Refusal(400, "XAmzContentSHA256Mismatch")
        if self.command == "PUT" and not h.get("Content-MD5"):
            raise Refusal(400, "InvalidRequest")
        if h.get("Content-MD5", "") not in ("", base64.b64encode(hashlib.md5(body).digest()).decode()):
            raise Refusal(400, "BadDigest")

    # --- what it does ---

    def act(self, body, fault):
        what = fault and fault.what
        if isinstance(what, int):
            raise Refusal(what, fault.more.get("code", "InternalError"))
        if what == "not XML":
            return self.answer(200, fault.more.get("body", b"<ListBucketResult><Contents>"))
        if what == "large":
            return self.answer(200, b"<ListBucketResult>" + b" " * (8 << 20) + b"</ListBucketResult>")
        if what == "large headers":
            return self.answer(200, b"", [(f"x-h{i}", "v" * 1000) for i in range(90)])
        if what == "hang":
            return self.hang()
        name = {"GET": "get", "HEAD": "head", "PUT": "put", "POST": "post",
                "DELETE": "delete"}[self.command]
        return getattr(self, name)(body, what)

    def head(self, body, what):
        if self.key == "":
            return self.answer(200)
        return self.answer(200, b"", self.about(), length=len(self.found()["data"]))

    def found(self):
        with self.server.lock:
            if self.key not in self.server.objects:
                raise Refusal(404, "NoSuchKey")
            return self.server.objects[self.key]

    def about(self):
        o = self.found()
        lock = [("x-amz-object-lock-mode", o["lock"][0]),
                ("x-amz-object-lock-retain-until-date", o["lock"][1])] if o["lock"] else []
        version = [("x-amz-version-id", o["version"])] \
            if self.server.versions and self.server.says_versions else []
        return [("ETag", o["etag"]), ("Accept-Ranges", "bytes"), *lock, *version]

    def get(self, body, what):
        if self.key == "":
            return self.list(what)
        data, status, more = self.found()["data"], 200, []
        if self.headers.get("If-Match", self.found()["etag"]) != self.found()["etag"]:
            raise Refusal(412, "PreconditionFailed")
        range_ = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if range_:
            start = int(range_[1]) + (1 if what == "other range" else 0)
            more = [("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")]
            data, status = data[start:], 206
        if what == "whole again":
            data, status, more = self.found()["data"], 200, []
        if what == "flip":
            data = bytes([data[0] ^ 1]) + data[1:]
        if what == "longer":
            data += b"x"
            return self.answer(status, data, self.about() + more)
        if what == "no length":
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(data[:len(data) // 2])
            return self.hang_up()
        if what in ("cut", "cut and hang"):
            self.answer(status, data[:len(data) // 2], self.about() + more, length=len(data))
            return self.hang() if what == "cut and hang" else self.hang_up()
        if what == "drip":
            self.answer(status, b"", self.about() + more, length=len(data))
            for i in range(0, len(data), 1 + len(data) // 20):
                self.wfile.write(data[i:i + 1 + len(data) // 20])
                self.wfile.flush()
                time.sleep(0.05)
            return None
        return self.answer(status, data, self.about() + more)

    def list(self, what):
        if self.query.get("list-type") != "2" or self.query.get("encoding-type") != "url":
            raise Refusal(400, "InvalidArgument")
        prefix, token = self.query.get("prefix", ""), self.query.get("continuation-token", "")
        most = min(self.server.page, int(self.query.get("max-keys", 1000)))
        with self.server.lock:
            rows = sorted((k, len(o["data"])) for k, o in self.server.objects.items()
                          if k.startswith(prefix) and k > token[2:])
        if what == "unordered":
            rows.reverse()
        more = len(rows) > most or what == "no end"
        rows = rows[:most]
        next_ = "t:" + (rows[-1][0] if rows and what != "no end" else token[2:])
        if what == "no end":
            rows, next_ = [], f"t:{secrets.token_hex(4)}"
        if what == "foreign":
            rows.append(("elsewhere/x", 1))
        text = "".join(f"<Contents><Key>{escape(quote(k, '/'))}</Key><Size>{n}</Size></Contents>"
                       for k, n in rows)
        text = (f"<ListBucketResult>{text}<IsTruncated>{str(more).lower()}</IsTruncated>"
                "<EncodingType>url</EncodingType>" +
                (f"<NextContinuationToken>{escape(next_)}</NextContinuationToken>" if more else "") +
                "</ListBucketResult>")
        return self.answer(200, text.encode())

    def wanted_lock(self):
        mode = self.headers.get("x-amz-object-lock-mode")
        until = self.headers.get("x-amz-object-lock-retain-until-date")
        if (mode is None) != (until is None):
            raise Refusal(400, "InvalidRequest")
        return (mode, until) if mode and self.server.locks == "honour" else None

    def store(self, data, etag, lock, what):
        """Under the server's lock."""
        objects, condition = self.server.objects, self.headers.get("If-None-Match")
        if condition and self.server.conditions == "refuse":
            raise Refusal(501, "NotImplemented")
        if condition and self.server.conditions == "honour" and self.key in objects:
            raise Refusal(412, "PreconditionFailed")
        if what != "lose":
            objects[self.key] = {"data": data, "etag": etag, "lock": lock,
                                 "version": secrets.token_urlsafe(16)}
            self.server.stored(self.key)

    def put(self, body, what):
        if "uploadId" in self.query:
            return self.put_part(body, what)
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        with self.server.lock:
            self.store(body, etag, self.wanted_lock(), what)
        if what == "done, but":
            raise Refusal(500, "InternalError")
        if what == "hang late":
            return self.hang()
        if what == "drop late":
            self.drop = True
            return None
        return self.answer(200, b"", [("ETag", etag)])

    def put_part(self, body, what):
        with self.server.lock:
            upload = self.server.uploads.get(self.query["uploadId"])
            if upload is None or upload["key"] != self.key:
                raise Refusal(404, "NoSuchUpload")
            upload["parts"][int(self.query["partNumber"])] = body
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        return self.answer(200, b"", [] if what == "no ETag" else [("ETag", etag)])

    def post(self, body, what):
        if "uploads" in self.query:
            id_ = secrets.token_urlsafe(24) + "/+="
            with self.server.lock:
                self.server.uploads[id_] = {"key": self.key, "parts": {}, "lock": self.wanted_lock()}
            return self.answer(200, (f"<InitiateMultipartUploadResult><UploadId>{escape(id_)}"
                                     "</UploadId></InitiateMultipartUploadResult>").encode())
        return self.complete(body, what)

    def complete(self, body, what):
        if what == "200 with an error":
            return self.answer(200, self.error("InternalError"))
        if what == "200 with a refusal":
            return self.answer(200, self.error("AccessDenied"))
        listed = re.findall(r"<PartNumber>(\d+)</PartNumber><ETag>&quot;([0-9a-f]{32})&quot;</ETag>",
                            body.decode())
        with self.server.lock:
            upload = self.server.uploads.get(self.query.get("uploadId"))
            if upload is None or upload["key"] != self.key:
                raise Refusal(404, "NoSuchUpload")
            parts = [upload["parts"].get(int(n)) for n, _ in listed]
            if [int(n) for n, _ in listed] != sorted(upload["parts"]) or any(
                    p is None or hashlib.md5(p).hexdigest() != e for p, (_, e) in zip(parts, listed)):
                raise Refusal(400, "InvalidPart")
            if any(len(p) < PART_LEAST for p in parts[:-1]):
                raise Refusal(400, "EntityTooSmall")
            etag = f'"{hashlib.md5(b"".join(parts)).hexdigest()}-{len(parts)}"'
            self.store(b"".join(parts), etag, upload["lock"], what)
            del self.server.uploads[self.query["uploadId"]]
        if what == "drop late":
            self.drop = True
            return None
        text = "" if what == "200 with nothing" else (
            f"<CompleteMultipartUploadResult><ETag>{escape(etag)}</ETag>"
            "</CompleteMultipartUploadResult>")
        return self.answer(200, text.encode())

    def is_locked(self, o):
        return o["lock"] and o["lock"][1] > self.server.now().strftime("%Y-%m-%dT%H:%M:%S")

    def delete(self, body, what):
        s, marker = self.server, []
        if what == "lie":
            return self.answer(204)
        with s.lock:
            o = s.objects.get(self.key)
            if "uploadId" in self.query:
                if s.uploads.pop(self.query["uploadId"], None) is None:
                    raise Refusal(404, "NoSuchUpload")
            elif not s.may_delete:
                raise Refusal(403, "AccessDenied")
            elif "versionId" in self.query:
                if o is None or o["version"] != self.query["versionId"]:
                    raise Refusal(404, "NoSuchVersion")
                if not s.may_delete_versions or self.is_locked(o):
                    raise Refusal(403, "AccessDenied")
                del s.objects[self.key]
            elif s.versions:
                marker = [("x-amz-delete-marker", "true")]
                s.hidden[self.key] = s.objects.pop(self.key, None)
            elif o is not None and self.is_locked(o):
                raise Refusal(403, "AccessDenied")
            else:
                s.objects.pop(self.key, None)
        if what == "done, but":
            raise Refusal(500, "InternalError")
        if what == "drop late":
            self.drop = True
            return None
        return self.answer(204, headers=marker)
