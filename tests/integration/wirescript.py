"""Scripts of raw messages (tests/wire): how they are read, played and compared. Their form is in tests/wire/README.md."""

import codecs
import dataclasses
import pathlib
import re
import struct

from rawwire import (COPY_DONE, FLUSH, SYNC, TERMINATE, Raw, bind, close, describe, execute, message,
                     query, report, startup)

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "wire"
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\S+')
STEP = re.compile(r"(?P<who>[A-Z]?)(?P<how>[<>])(?P<maybe>\??)(?P<only>pg|bs)?(?P<since>\d+[+-])? (?P<what>.*)")


@dataclasses.dataclass
class Step:
    line: int
    how: str  # ">" to the server, "<" from it, "@" SQL beside it, "=" SQL and its result, "!" a decision
    who: str = "A"
    only: str = ""  # "pg" or "bs": where this line is true of one side only
    since: str = ""  # "18+" or "17-": of servers from 18 on, or up to 17
    words: tuple = ()
    maybe: bool = False  # may be left out: what comes then is for the next line


@dataclasses.dataclass
class Case:
    file: str
    line: int
    title: str
    steps: list = dataclasses.field(default_factory=list)
    reason: str = ""  # why the two sides differ
    actor: str = "ann"
    gateway_only: bool = False

    def __str__(self):
        return f"{self.file}: {self.title}"


# --- reading ---------------------------------------------------------------------------------


def words(text):
    """Words and strings of a line, as bytes; NULL is None. "x" * 3 repeats, "x" + "y" joins."""
    out, tokens, joins = [], TOKEN.findall(text), False
    while tokens:
        token = tokens.pop(0)
        if token == "+":
            joins = True
            continue
        word = one_word(token)
        if tokens[:1] == ["*"]:
            word *= int(tokens[1])
            del tokens[:2]
        out.append(out.pop() + word if joins else word)
        joins = False
    return tuple(out)


def one_word(token):
    if token == "NULL":
        return None
    return codecs.escape_decode(token[1:-1].encode())[0] if token.startswith('"') else token.encode()


def read(path):
    cases = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("== "):
            cases.append(Case(path.stem, number, line[3:]))
            continue
        case = cases[-1]
        if line.startswith("~ "):
            case.reason += line[2:] + "\n"
        elif line.startswith("as "):
            case.actor, case.gateway_only = line[3:].strip(), True
        elif line[0] in "@=!":
            case.steps.append(Step(number, line[0], words=(line[2:],)))
        else:
            found = STEP.fullmatch(line)
            assert found, f"{path.name}:{number}: cannot be read: {line}"
            case.steps.append(Step(number, found["how"], found["who"] or "A", found["only"] or "",
                                   found["since"] or "", words(found["what"]),
                                   found["maybe"] == "?"))
    for case in cases:
        differs = any(step.only for step in case.steps)
        assert differs == bool(case.reason), f"{case}: what differs has a reason (~), and only that"
    return cases


def all_cases():
    return [case for path in sorted(FOLDER.glob("*.wire")) for case in read(path)]


# --- messages to the server ------------------------------------------------------------------


def to_parse(name, sql, *types):
    oids = b"".join(struct.pack("!I", int(t)) for t in types)
    return message(b"P", name + b"\0" + sql + b"\0" + struct.pack("!H", len(types)) + oids)


def to_bind(portal, statement, *values):
    if None not in values:
        return bind(portal, statement, *values)
    packed = b"".join(struct.pack("!i", -1) if v is None else struct.pack("!i", len(v)) + v for v in values)
    return message(b"B", portal + b"\0" + statement + b"\0" + struct.pack("!HH", 0, len(values)) + packed +
                   struct.pack("!H", 0))


def to_call(oid, *values):
    """Arguments and result in binary, as libpq does it."""
    packed = b"".join(struct.pack("!i", len(v)) + v for v in values)
    return message(b"F", struct.pack("!IHHH", int(oid), 1, 1, len(values)) + packed + struct.pack("!H", 1))


SENT = {
    b"Query": lambda sql: query(sql.decode("latin-1")) if sql.isascii() else message(b"Q", sql + b"\0"),
    b"Parse": to_parse,
    b"Bind": to_bind,
    b"Describe": describe,
    b"Execute": lambda portal=b"", rows=b"0": execute(portal, int(rows)),
    b"Close": close,
    b"Sync": lambda: SYNC,
    b"Flush": lambda: FLUSH,
    b"Terminate": lambda: TERMINATE,
    b"CopyData": lambda data: message(b"d", data),
    b"CopyDone": lambda: COPY_DONE,
    b"CopyFail": lambda why=b"": message(b"f", why + b"\0"),
    b"FunctionCall": to_call,
    b"Message": lambda kind, body=b"": message(kind, body),
    b"Bytes": lambda data: data,
}


def build(sent):
    times = 1
    if sent[0].isdigit():
        times, sent = int(sent[0]), sent[1:]
    return SENT[sent[0]](*sent[1:]) * times


# --- messages of the server ------------------------------------------------------------------


def strings(body):
    return tuple(body.split(b"\0")[:-1])


def columns(body):
    names, at = [], 2
    for _ in range(struct.unpack("!H", body[:2])[0]):
        end = body.index(b"\0", at)
        names.append(body[at:end])
        at = end + 19
    return tuple(names)


def values(body):
    out, at = [], 2
    for _ in range(struct.unpack("!H", body[:2])[0]):
        n, = struct.unpack("!i", body[at:at + 4])
        out.append(None if n < 0 else body[at + 4:at + 4 + n])
        at += 4 + max(n, 0)
    return tuple(out)


def complaint(body):
    fields = report(body)
    worse = fields["S"] in ("FATAL", "PANIC")
    return ((b"FATAL",) if worse else ()) + (fields["C"].encode(),)


RECEIVED = {
    b"1": ("ParseComplete", lambda body: ()),
    b"2": ("BindComplete", lambda body: ()),
    b"3": ("CloseComplete", lambda body: ()),
    b"A": ("Notification", lambda body: strings(body[4:])),
    b"C": ("CommandComplete", strings),
    b"D": ("DataRow", values),
    b"E": ("ErrorResponse", complaint),
    b"G": ("CopyIn", lambda body: ()),
    b"H": ("CopyOut", lambda body: ()),
    b"I": ("EmptyQuery", lambda body: ()),
    b"N": ("Notice", complaint),
    b"S": ("ParameterStatus", strings),
    b"T": ("RowDescription", columns),
    b"V": ("FunctionResult", lambda body: (body[4:],)),
    b"Z": ("Ready", lambda body: (body,)),
    b"c": ("CopyDone", lambda body: ()),
    b"d": ("CopyData", lambda body: (body,)),
    b"n": ("NoData", lambda body: ()),
    b"s": ("PortalSuspended", lambda body: ()),
    b"t": ("ParameterTypes", lambda body: tuple(str(oid).encode() for oid in struct.unpack(
        f"!{(len(body) - 2) // 4}I", body[2:]))),
}


def render(got):
    """The words for it."""
    if got is None:
        return (b"Closed",)
    name, more = RECEIVED[got[0]]
    return (name.encode(), *more(got[1]))


def comparable(got):
    """What must be the same on both sides: all but process numbers and where in its sources the server is."""
    if got is None:
        return None
    kind, body = got
    if kind in b"EN":
        return kind, tuple((k, v) for k, v in report(body).items() if k not in "FLR")
    return (kind, body[4:]) if kind == b"A" else got


def fits(want, got, message=None):
    """`want` may leave off the last words with `...`; an error's may end with its message."""
    if got[0] == b"ErrorResponse" and len(want) > 2 and want[-1] == message:
        want = want[:-1]
    if want[-1] == b"...":
        return got[:len(want) - 1] == want[:-1]
    return got == want


# --- playing ---------------------------------------------------------------------------------


class Player:
    """Plays cases on one side: `connect(actor)` gives a Raw that is logged in."""

    def __init__(self, side, connect, admin, decide=None):
        self.side, self.connect, self.admin, self.decide = side, connect, admin, decide
        self.major = admin.info.server_version // 10000

    def counts(self, step):
        """Whether the line is true of this side and this server."""
        of_server = not step.since or (self.major >= int(step.since[:-1]) if step.since[-1] == "+"
                                       else self.major <= int(step.since[:-1]))
        return of_server and step.only in ("", self.side)

    def play(self, case):
        """What came on each line, comparable; those of one side only are None."""
        lines, seen = {}, []
        out = {}

        def line(who):
            if who not in lines:
                lines[who] = self.connect(case.actor)
            return lines[who]

        try:
            for sent in batches(case.steps):
                step = sent[0]
                if step.how == ">":
                    send(line(step.who), b"".join(build(s.words) for s in sent if self.counts(s)))
                elif step.how == "<":
                    if self.counts(step):
                        self.expect(case, step, line(step.who), seen, out)
                elif step.how == "!":
                    self.decide(step.words[0].strip())
                else:
                    self.beside(case, step)
            for who, r in lines.items():
                self.in_step(case, who, r, seen)
        finally:
            for r in lines.values():
                r.socket.close()
        return out

    def expect(self, case, step, r, seen, out):
        got = received(r)
        while held(case, step, got):
            got = received(r)
        if step.maybe and not fits(step.words, render(got)):
            r.unread = [got]
            return
        seen.append(f"  {step.who}< {shown(render(got))}")
        if got is None:
            r.ended = True
        if not fits(step.words, render(got), said_in(got)):
            raise AssertionError(f"{case} ({self.side}), line {step.line}: wanted {shown(step.words)}\n" +
                                 "\n".join(seen) + said(got))
        if not step.only:
            out[step.line] = comparable(got)

    def beside(self, case, step):
        sql, _, wanted = step.words[0].partition(" -> ")
        cursor = self.admin.execute(sql)
        if step.how == "=":
            got = "|".join(str(v) for v in cursor.fetchone())
            assert got == wanted, f"{case} ({self.side}), line {step.line}: {got}"

    def in_step(self, case, who, r, seen):
        """The line has no answer too many, and none too few."""
        if getattr(r, "ended", False):
            return
        send(r, query("SELECT 'the end'"))
        got = r.until()
        kinds = b"".join(m[0] if m else b"." for m in got)
        if kinds not in (b"TDCZ", b"EZ") or kinds == b"EZ" and report(got[0][1])["C"] != "25P02":
            raise AssertionError(f"{case} ({self.side}): {who} is out of step at the end: {kinds}\n" +
                                 "\n".join(seen))


def batches(steps):
    """Messages on lines that follow each other are sent as one; all else stands alone."""
    run = []
    for step in steps:
        if run and not (step.how == ">" and step.who == run[-1].who):
            yield run
            run = []
        if step.how == ">":
            run.append(step)
        else:
            yield [step]
    if run:
        yield run


def send(r, data):
    try:
        r.send(data)
    except (BrokenPipeError, ConnectionResetError):
        pass  # what it said before is what counts


def held(case, step, got):
    """How often the gateway says that it holds a statement is a matter of time."""
    return case.gateway_only and got is not None and got[0] == b"N" and step.words[0] != b"Notice"


def received(r):
    if getattr(r, "unread", None):
        return r.unread.pop()
    try:
        return r.next()
    except ConnectionResetError:
        return None


def shown(some):
    return " ".join("NULL" if w is None else repr(w[:60])[1:] for w in some)


def said_in(got):
    return report(got[1]).get("M", "").encode() if got is not None and got[0] == b"E" else None


def said(got):
    return f"\n  {report(got[1])}" if got is not None and got[0] in b"EN" else ""


def log_in(port, user, password=None):
    """A line that is logged in; without a password on trust."""
    r = Raw(port, timeout=10)
    if password is None:
        r.send(startup(user=user, database="app"))
        seen = r.until()
    else:
        seen = r.login(user, password)
    assert seen[-1] == (b"Z", b"I"), seen
    key = next(body for kind, body in seen if kind == b"K")
    r.pid, r.secret = struct.unpack("!I", key[:4])[0], key[4:]
    return r
