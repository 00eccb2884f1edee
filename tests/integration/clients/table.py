"""The table of clients in docs/clients.md, made from what a run has seen."""

import dataclasses
import json

BEGIN, END = "<!-- made by script/clients -->\n", "<!-- end -->\n"
# As the scripts call them, and as readers do.
ITEMS = {"tls": "TLS", "unprepared": "text", "parameters": "parameters", "prepared": "prepared", "binary": "binary",
         "server_side_cursor": "cursor", "copy_out": "COPY out", "copy_in": "COPY in", "pipeline": "pipeline",
         "notify": "LISTEN", "cancel": "cancel", "error_in_a_transaction": "error", "held": "held"}
SIGNS = {"passed": "yes", "failed": "**no**", "not offered": "-"}


@dataclasses.dataclass
class Row:
    """One client. WHY is for the items that it does not offer; NOT_RUN says why there are none."""

    name: str
    version: str = ""
    results: dict = dataclasses.field(default_factory=dict)
    why: dict = dataclasses.field(default_factory=dict)
    not_run: str = ""

    def line(self):
        signs = [SIGNS[self.results[i]] if i in self.results else "" for i in ITEMS]
        return "| " + " | ".join([self.name, self.version, *signs]) + " |"

    def reasons(self):
        """Items for the same reason together."""
        if self.not_run:
            return f"- {self.name} was not run: {self.not_run}."
        by_reason = {}
        for item in ITEMS:
            if item in self.why:
                by_reason.setdefault(self.why[item], []).append(ITEMS[item])
        if not by_reason:
            return ""
        return f"- {self.name}: " + "; ".join(f"{', '.join(items)} ({why})" for why, items in by_reason.items()) + "."


def render(rows):
    """What stands between the marks."""
    head = ["client", "version", *ITEMS.values()]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *(r.line() for r in rows if not r.not_run),
             "", "`-` is what the client does not offer:", "", *(filter(None, (r.reasons() for r in rows)))]
    return "\n".join(lines) + "\n"


def replaced(document, rows):
    """The document with the table of these rows."""
    before, rest = document.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + "\n" + render(rows) + "\n" + END + after
