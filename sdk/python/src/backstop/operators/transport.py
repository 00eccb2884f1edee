"""HTTP of the standard library, as much of it as the operators' API needs.

No redirect is followed and no proxy is asked: the token goes to the address that was given, and without TLS
only to this machine.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

ANSWER_MAX = 64 << 20  # bytes of one answer


class ProblemError(Exception):
    """What the API answers instead (RFC 9457). `code` never changes its meaning."""

    def __init__(self, status: int, said: dict[str, Any]) -> None:
        self.status = status
        self.code = str(said.get("code", ""))
        self.title = str(said.get("title", ""))
        self.detail = str(said.get("detail", ""))
        self.hint = str(said["hint"]) if "hint" in said else None
        self.retryable = said.get("retryable") is True
        super().__init__(self.detail or self.title or f"HTTP {status}")


@dataclass(frozen=True)
class Answer:
    body: Any
    etag: str | None


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Transport:
    """Where the API is, and who asks. A connection for each request, so threads may share it."""

    def __init__(self, server: str, token: str, timeout: float, context: ssl.SSLContext | None) -> None:
        url = urlsplit(server)
        if url.scheme not in ("http", "https") or not url.hostname or url.path not in ("", "/") or "@" in url.netloc:
            # Not which: a secret may be in it.
            raise ValueError("server is not the address of a gateway, like https://gateway:6580")
        if url.scheme == "http" and not _is_here(url.hostname):
            raise ValueError("a token is sent to another machine by https only")
        if not token or any(not "!" <= c <= "~" for c in token):
            raise ValueError("that is no token")
        self.host, self.port, self.token, self.timeout = url.hostname, url.port, token, timeout
        self.context = (context or ssl.create_default_context()) if url.scheme == "https" else None

    def _connect(self) -> http.client.HTTPConnection:
        if self.context is None:
            return http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        return http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout, context=self.context)

    def open(self, method: str, path: str, body: Any, fields: dict[str, str]) -> http.client.HTTPResponse:
        """The answer, of which nothing is read yet; raises ProblemError for one that is none."""
        connection = self._connect()
        fields = {"Authorization": f"Bearer {self.token}", **fields}
        try:
            if body is None:
                connection.request(method, path, headers=fields)
            else:
                connection.request(method, path, json.dumps(body), {**fields, "Content-Type": "application/json"})
            answer = connection.getresponse()
            if not 200 <= answer.status < 300:
                raise _problem(answer)
        except BaseException:
            connection.close()
            raise
        return answer

    def ask(self, method: str, path: str, body: Any, fields: dict[str, str]) -> Answer:
        with self.open(method, path, body, {"Accept": "application/json", **fields}) as answer:
            text = _read(answer)
            return Answer(json.loads(text) if text else None, answer.getheader("ETag"))


def _read(answer: http.client.HTTPResponse) -> bytes:
    text = answer.read(ANSWER_MAX + 1)
    if len(text) > ANSWER_MAX:
        raise ProblemError(answer.status, {"detail": "the answer is too large"})
    return text


def _problem(answer: http.client.HTTPResponse) -> ProblemError:
    try:
        said = json.loads(_read(answer))
    except ValueError:
        said = {}
    return ProblemError(answer.status, said if isinstance(said, dict) else {})
