"""Who approves while a migration tool runs, and what was to be seen on the tickets."""

import threading
import time


class Approver(threading.Thread):
    """An operator who approves whatever comes, and remembers it as it was shown."""

    def __init__(self, place):
        super().__init__(daemon=True)
        self.place, self.seen, self.over = place, [], threading.Event()

    def run(self):
        while not self.over.is_set():
            self.seen += self.place.approve()
            time.sleep(0.05)

    def __enter__(self):
        self.start()
        return self.seen

    def __exit__(self, *_):
        self.over.set()
        self.join(20)


def rows_of(tickets, kinds=("DROP TABLE", "TRUNCATE", "DELETE")):
    """{table: rows} over all effects that destroy."""
    return {e["object"].removeprefix("public."): e.get("rows") for t in tickets for e in t["effects"]
            if e["kind"] in kinds}


def not_allowed(judged):
    """What was held or refused, by the audit; not what names no table that is there."""
    return [r["statement"] for r in judged
            if r["decision"] not in ("allow", None) and r.get("sqlstate") != "42P01"]
