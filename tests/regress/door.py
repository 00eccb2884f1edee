"""Between psql and the server: every text is judged, passed on, and watched."""

import contextlib
import re
import struct
import threading

import observer
import wire
from judge import DOUBT, flags_of, kinds_of, worth_telling
from opaque import opaque_of

READS = {"SELECT", "SHOW", "EXPLAIN", "EXPLAIN ANALYZE", "COPY TO STDOUT"}
# Kinds that can be SAFE. Of all others only the text is asked about: that loads no catalog.
MAYBE_SAFE = READS | {
    "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT",
    "PREPARE", "EXECUTE", "DEALLOCATE", "DECLARE CURSOR", "FETCH", "MOVE", "CLOSE", "LISTEN",
    "UNLISTEN", "DISCARD", "DISCARD ALL", "SET CONSTRAINTS", "SET", "RESET", "SET TRANSACTION",
    "UNKNOWN"}
# What these end or undo was judged when it was done.
ENDS = {"COMMIT", "ROLLBACK", "ROLLBACK TO SAVEPOINT", "RELEASE SAVEPOINT", "PREPARE TRANSACTION"}
# Nobody but the session sees what these do to its temporary sequences.
WRITES = {"nextval", "setval"}
# Without them no other text of a session means what it did.
FRAME = {"BEGIN", "COMMIT", "ROLLBACK", "PREPARE", "DECLARE CURSOR"}

PLAIN_NAME = re.compile(r"[a-z_]\w*(\.[a-z_]\w*)?")

TOLD_AGAIN = {"CREATE TEMP TABLE": "CREATE TEMP TABLE {} ()",
              "CREATE VIEW": "CREATE TEMP VIEW {} AS SELECT 1"}


class Case:
    """One text, what was said of it and what it did."""

    def __init__(self, file, text, verdict):
        self.file, self.text, self.verdict = file, text, verdict
        self.kinds = kinds_of(verdict)
        self.failed = None  # its SQLSTATE
        self.changed, self.settings, self.wal = [], {}, []
        self.blame = None
        self.opaque = []  # code that it calls and nobody can read
        self.after = False  # such code ran before, in its session

    @property
    def safe(self):
        return self.verdict["risk"] == "SAFE"

    @property
    def read(self):
        return bool(self.kinds) and set(self.kinds) <= READS

    def calls(self):
        return {f.rpartition(".")[2] for s in self.verdict["statements"] for f in s["functions"]}

    @property
    def harmless(self):
        """It did nothing but read, in a session that the gateway would not have ended before."""
        return self.read and self.failed is None and not self.changed and not self.wal \
            and not self.calls() & WRITES \
            and not any(r["code"] == "lexing" for r in self.reasons())

    def reasons(self):
        return [r for s in self.verdict["statements"] for r in s["reasons"] if s["risk"] != "SAFE"]

    def json(self):
        return {"file": self.file, "sql": self.text.decode("utf-8", "replace"),
                "risk": self.verdict["risk"], "kinds": self.kinds, "failed": self.failed,
                "changed": self.changed, "settings": self.settings, "wal": self.wal,
                "functions": [f for s in self.verdict["statements"] for f in s["functions"]],
                "reads": [r for s in self.verdict["statements"] for r in s["reads"]],
                "reasons": self.reasons(), "blame": self.blame, "opaque": self.opaque, "after": self.after}


def named_only(text, verdict):
    """A temporary table or view stays; what it was made of may be gone when it is told again."""
    statements = verdict["statements"]
    names = [e["object"] for s in statements for e in s["effects"]]
    again = TOLD_AGAIN.get(next(iter(kinds_of(verdict)), None))
    if again and len(statements) == len(names) == 1 and PLAIN_NAME.fullmatch(names[0]) \
            and flags_of(verdict) == {"ddl", "temp"}:
        return again.format(names[0])
    return text


class Relay(threading.Thread):
    """One connection of psql."""

    def __init__(self, run, client, server):
        super().__init__(daemon=True)
        self.of, self.client, self.server = run, wire.Stream(client), wire.Stream(server)
        self.session = observer.Session(self.server, self.client)
        self.told = []  # (text, verdict) of this session that later verdicts depend on
        self.unread = False  # code that nobody can read has run
        self.picture = None  # the last one, while nothing unwatched has run since

    def run(self):
        with contextlib.suppress(wire.Closed, ConnectionError):
            self.start_up()
            while True:
                self.one_message()
        self.client.sock.close()
        self.server.sock.close()

    def start_up(self):
        hello = self.client.startup()
        self.server.send(hello)
        if struct.unpack("!I", hello[4:8])[0] == wire.CANCEL:
            raise wire.Closed
        self.until_ready()

    def until_ready(self):
        """Passes on what the server answers; the SQLSTATE of an error, or None."""
        error = None
        while True:
            kind, message = self.server.message()
            self.client.send(message)
            if kind == wire.KEY:
                self.session.pid = struct.unpack("!I", message[5:9])[0]
            elif kind == wire.ERROR:
                error = wire.field(message, b"C")
            elif kind == wire.COPY_IN:
                self.copy_in()
            elif kind == wire.READY:
                self.session.state = chr(message[5])
                if self.session.state == "I":
                    self.forget()
                return error

    def forget(self):
        """What was committed the catalog tells, and what was undone nobody."""
        self.told = [(named_only(t, v), v) for t, v in self.told
                     if "ddl" not in flags_of(v) or flags_of(v) & DOUBT - {"ddl"}
                     or set(kinds_of(v)) & FRAME]

    def copy_in(self):
        kind = b""
        while kind not in (wire.COPY_DONE, wire.COPY_FAIL):
            kind, message = self.client.message()
            self.server.send(message)

    def one_message(self):
        kind, message = self.client.message()
        if kind == wire.TERMINATE:
            self.server.send(message)
            raise wire.Closed
        if kind == wire.QUERY:
            self.watched(message[5:-1], message)
        elif kind == wire.PARSE:
            self.batch(message)
        else:  # FunctionCall, which the gateway refuses; Describe of what was judged at Parse
            self.picture, self.of.judge.stale = None, True
            self.server.send(message)
            if kind in (wire.FUNCTION_CALL, wire.SYNC):
                self.until_ready()

    def batch(self, first):
        """Parse up to Sync, as \\gdesc sends it."""
        text, whole, kind = first[5:].split(b"\0")[1], first, wire.PARSE
        while kind != wire.SYNC:
            kind, message = self.client.message()
            whole += message
        self.watched(text, whole)

    def watched(self, text, message):
        run = self.of
        with run.lock:
            by_text = run.judge.by_text.ask(text)
            if not run.thorough and not set(kinds_of(by_text)) <= MAYBE_SAFE:
                self.unasked(text, message, by_text)
                return
            case = Case(run.file, text, run.judge.verdict(text, [t for t, _ in self.told]))
            case.after = self.unread
            if case.safe or case.read:
                self.look(case, message)
            else:
                self.unseen(case, message)
            self.tell(text, case.verdict, case.failed)
            run.cases.append(case)

    def look(self, case, message):
        run = self.of
        before = self.picture or run.observer.picture(self.session)
        self.server.send(message)
        case.failed = self.until_ready()
        after = self.picture = run.observer.picture(self.session)
        case.changed = observer.changes(before, after, case.failed is not None)
        case.settings = observer.changed_settings(before, after)
        if before["WAL"] != after["WAL"]:
            run.look_at_wal.append((case, before["WAL"], after["WAL"]))
        if case.changed or len(case.kinds) > 1 or set(case.kinds) & ENDS:
            run.judge.stale = True
        if case.harmless and not case.safe:
            case.opaque = opaque_of(self.session, case.verdict)
        if run.blame and case.harmless and not case.safe:
            case.blame = self.blamed(case.text)

    def unseen(self, case, message):
        self.server.send(message)
        case.failed = self.until_ready()
        self.picture, self.of.judge.stale = None, True

    def unasked(self, text, message, verdict):
        self.of.unasked += 1
        if flags_of(verdict) & {"volatile", "dynamic_sql"}:  # the catalog of now knows what that code is
            verdict = self.of.judge.verdict(text, [t for t, _ in self.told])
        self.server.send(message)
        failed = self.until_ready()
        self.picture, self.of.judge.stale = None, True
        self.tell(text, verdict, failed)

    def tell(self, text, verdict, failed):
        """What later verdicts of the session depend on."""
        if failed is not None or not worth_telling(verdict):
            return
        self.told.append((text.decode("utf-8", "replace"), verdict))
        if not self.unread and flags_of(verdict) & {"volatile", "dynamic_sql"}:
            self.unread = bool(opaque_of(self.session, verdict))

    def blamed(self, text):
        """What of the session makes a text doubtful; "itself" where nothing of it does."""
        ask = self.of.judge.with_catalog.ask
        if ask(text, session=[])["risk"] != "SAFE":
            return ["itself"]
        out = []
        for flag in sorted(DOUBT):
            part = [t for t, v in self.told
                    if flag in flags_of(v) or set(kinds_of(v)) & FRAME and not DOUBT & flags_of(v)]
            if ask(text, session=part)["risk"] != "SAFE":
                out.append(flag)
        return out or ["several"]
