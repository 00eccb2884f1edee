"""`backstop classify --jsonl`, kept running: with the catalog of the database, and without."""

import base64
import json
import subprocess

# Kinds that leave nothing behind which later verdicts of the session depend on, without a flag.
FORGETTABLE = {"SELECT", "SHOW", "EXPLAIN", "EXPLAIN ANALYZE", "COPY TO STDOUT", "INSERT", "UPDATE",
               "DELETE", "COPY FROM STDIN", "TRUNCATE", "DO", "CALL"}
DOUBT = {"volatile", "dynamic_sql", "search_path", "temp", "ddl"}


class Process:
    def __init__(self, binary, *args):
        self.process = subprocess.Popen([binary, "classify", "--jsonl", *args], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, sql, **more):
        line = {"sql_b64": base64.b64encode(sql).decode(), **more}
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


class Judge:
    """Verdicts on the texts of any number of sessions with one database."""

    def __init__(self, binary, conninfo):
        self.with_catalog = Process(binary, "--dsn", conninfo)
        self.by_text = Process(binary)
        self.stale = False  # something ran that may have changed the catalog

    def verdict(self, text, session):
        if self.stale:  # a name that nobody has makes it look again
            self.with_catalog.ask(b"SELECT FROM pg_catalog.nobody_has_this_name")
            self.stale = False
        return self.with_catalog.ask(text, session=session)

    def close(self):
        self.with_catalog.close()
        self.by_text.close()


def kinds_of(verdict):
    return [s["kind"] for s in verdict["statements"]]


def flags_of(verdict):
    return {f for s in verdict["statements"] for f in s["flags"]}


def worth_telling(verdict):
    return not set(kinds_of(verdict)) <= FORGETTABLE or bool(DOUBT & flags_of(verdict))
