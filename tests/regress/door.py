"""Between the gateway and the server: what it passes on is looked up in its log, and watched."""

import contextlib
import struct
import threading

import observer
import wire
from judge import flags_of, kinds_of
from opaque import WORDS, opaque_of

READS = {"SELECT", "SHOW", "EXPLAIN", "EXPLAIN ANALYZE", "COPY TO STDOUT"}
# What these end or undo was judged when it was done.
ENDS = {"COMMIT", "ROLLBACK", "ROLLBACK TO SAVEPOINT", "RELEASE SAVEPOINT", "PREPARE TRANSACTION"}
# Nobody but the session sees what these do to its temporary sequences.
WRITES = {"nextval", "setval"}
OURS = b"backstop_"  # how the names of the gateway's own statements begin
REFUSED = b"!backstop"  # and the text that it lets fail instead of one that it refuses


class Case:
    """One text, what was said of it and what it did."""

    def __init__(self, file, text, verdict):
        self.file, self.text, self.verdict = file, text, verdict
        self.kinds = kinds_of(verdict)
        self.failed = None  # its SQLSTATE
        self.changed, self.settings, self.wal = [], {}, []
        self.opaque = []  # code that it calls and nobody can read
        self.after = False  # such code ran before, in its session
        self.fetches_unsafe = False  # from a cursor whose DECLARE was not called SAFE

    @property
    def safe(self):
        return self.verdict["risk"] == "SAFE"

    @property
    def read(self):
        return bool(self.kinds) and set(self.kinds) <= READS

    def calls(self):
        return {f.rpartition(".")[2] for s in self.verdict["statements"] for f in s["functions"]}

    def cursors(self):
        """Names that a FETCH, a MOVE or a DECLARE may have, and other words."""
        moves = set(self.kinds) & {"FETCH", "MOVE", "DECLARE CURSOR"}
        return set(WORDS.findall(self.text.decode("utf-8", "replace").lower())) if moves else set()

    @property
    def harmless(self):
        """It did nothing but read."""
        return self.read and self.failed is None and not self.changed and not self.wal \
            and not self.calls() & WRITES

    def reasons(self):
        return self.verdict["reasons"]

    def json(self):
        return {"file": self.file, "sql": self.text.decode("utf-8", "replace"),
                "risk": self.verdict["risk"], "kinds": self.kinds, "failed": self.failed,
                "changed": self.changed, "settings": self.settings, "wal": self.wal,
                "functions": [f for s in self.verdict["statements"] for f in s["functions"]],
                "reads": [r for s in self.verdict["statements"] for r in s["reads"]],
                "reasons": self.reasons(), "opaque": self.opaque,
                "after": self.after}


class Relay(threading.Thread):
    """One connection of the gateway."""

    def __init__(self, run, client, server):
        super().__init__(daemon=True)
        self.of, self.client, self.server = run, wire.Stream(client), wire.Stream(server)
        self.session = observer.Session(self.server, self.client)
        self.texts = {}  # of prepared statements, by name
        self.unread = False  # code that nobody can read has run
        self.unsafe = set()  # cursors whose DECLARE was not called SAFE
        self.picture = None  # the last one, while nothing unwatched has run since

    def run(self):
        try:
            with contextlib.suppress(wire.Closed, ConnectionError):
                self.start_up()
                while True:
                    self.one_message()
        finally:
            self.client.sock.close()
            self.server.sock.close()
            self.of.left(self)

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
                return error

    def copy_in(self):
        kind = b""
        while kind not in (wire.COPY_DONE, wire.COPY_FAIL):
            kind, message = self.client.message()
            self.server.send(message)

    def one_message(self):
        kind, message = self.client.message()
        if kind == wire.TERMINATE:
            self.server.send(message)
            self.server.until_closed()  # with what the end of a session does
            raise wire.Closed
        if kind != wire.QUERY:
            self.batch(kind, message)
        elif message[5:].startswith(REFUSED):
            self.server.send(message)
            self.until_ready()
        else:
            self.watched([message[5:-1]], message)

    def batch(self, kind, message):
        """Up to Sync, as \\gdesc and the gateway's own statements are sent."""
        whole, bound, ours = b"", [], True
        while True:
            whole += message
            name, text = (message[5:].split(b"\0") + [b""])[:2]
            if kind == wire.PARSE:
                self.texts[name] = text
                ours = ours and name.startswith(OURS)
            elif kind == wire.BIND:
                bound.append(self.texts.get(text, b""))
            if kind in (wire.SYNC, wire.FUNCTION_CALL):
                break
            kind, message = self.client.message()
        if bound and not ours:
            self.watched(bound, whole)
        else:  # its own, or nothing that runs
            self.server.send(whole)
            self.until_ready()

    def watched(self, texts, message):
        run = self.of
        run.alone(self)
        with run.lock:
            for text in texts:
                case = Case(run.file, text, run.judge.verdict(text))
                case.after = self.unread
                case.fetches_unsafe = bool(case.cursors() & self.unsafe)
                run.cases.append(case)
            if any(c.safe or c.read for c in run.cases[-len(texts):]):
                self.look(case, message)
            else:
                self.server.send(message)
                case.failed = self.until_ready()
                self.picture = None
            if "DECLARE CURSOR" in case.kinds and not case.safe:
                self.unsafe |= case.cursors()
            if not self.unread and case.failed is None \
                    and flags_of(case.verdict) & {"volatile", "dynamic_sql"}:
                self.unread = bool(opaque_of(self.session, case.verdict))

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
        if case.harmless and not case.safe:
            case.opaque = opaque_of(self.session, case.verdict)
