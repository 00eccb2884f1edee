"""What the gateway says of a text: its own record, written before it passes the text on."""

import base64
import contextlib
import json
import subprocess
import time

from conftest import Gateway, binary

ACTOR = "regress"


class Process:
    """`backstop classify --jsonl`, kept running: of what kinds a text is, and what it names."""

    def __init__(self):
        self.process = subprocess.Popen([binary(), "classify", "--jsonl"], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, sql):
        line = {"sql_b64": base64.b64encode(sql).decode()}
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"backstop classify has ended at {sql[:200]!r}")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        if self.process.wait() != 0:
            raise RuntimeError("backstop classify has failed")


class Records:
    """The lines of an audit log that tell of judged texts, in the order of their writing."""

    def __init__(self, folder):
        self.folder, self.file, self.rest, self.lines = folder, None, b"", []

    def _read(self):
        paths = sorted(self.folder.glob("audit-*.jsonl"))
        while True:
            if self.file is None or (self.file.name != str(paths[-1]) and not self.rest):
                after = [p for p in paths if self.file is None or str(p) > self.file.name]
                if self.file:
                    self.file.close()
                self.file = after[0].open("rb")
            more = self.file.read()
            if not more:
                return
            *whole, self.rest = (self.rest + more).split(b"\n")
            found = (json.loads(line) for line in whole if b'"judged"' in line)
            self.lines += [line for line in found if line["kind"] == "judged"]

    def of(self, text, seconds=20):
        """The record of a text that the gateway has just passed on."""
        deadline = time.monotonic() + seconds
        while True:
            while self.lines:
                line = self.lines.pop(0)
                if statement_of(line) == text:
                    return line
            if time.monotonic() > deadline:
                raise RuntimeError(f"the gateway has passed on what it has not recorded: {text!r}")
            self._read()
            if not self.lines:
                time.sleep(0.0003)


def statement_of(line):
    if "statement_base64" in line:
        return base64.b64decode(line["statement_base64"])
    return line.get("statement", "").encode()


class Judge:
    """A gateway in shadow mode: it judges everything, and lets everything run."""

    def __init__(self, pg, upstream, helper):
        self.gateway = Gateway(
            pg, {"regression": upstream}, tls=False, policy={"mode": "shadow"},
            extra={"workers": 1, "audit_safe": "all",
                   "databases": {"regression": {"upstream": upstream, "helper": helper}}})
        self.gateway.folder.chmod(0o755)
        self.gateway.add_agent(ACTOR)
        self.gateway.start()
        self.by_text = Process()
        self.records = Records(self.gateway.folder / "audit")

    def env(self):
        """How psql finds the gateway."""
        return {"PGHOST": str(self.gateway.folder / "socket"), "PGPORT": str(self.gateway.port),
                "PGUSER": ACTOR, "PGPASSWORD": self.gateway.passwords[ACTOR]}

    def verdict(self, text):
        """That of the gateway, with what the text alone tells of kinds and names."""
        record, out = self.records.of(text), self.by_text.ask(text)
        return {**out, "risk": record["risk"], "reasons": record.get("reasons", [])}

    def close(self):
        self.by_text.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self.gateway.stop() != 0:
                raise RuntimeError("the gateway has failed:\n" + self.gateway.log()[-2000:])
        self.gateway.remove()


def kinds_of(verdict):
    return [s["kind"] for s in verdict["statements"]]


def flags_of(verdict):
    return {f for s in verdict["statements"] for f in s["flags"]}
