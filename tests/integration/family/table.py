"""The table of docs/family.md, from what was seen of each member. script/family runs this."""

import contextlib
import re
import sys

from conftest import ROOT, Postgres
from family import members, ordeal

DOCUMENT = ROOT / "docs" / "family.md"
BEGIN, END = "<!-- made by script/family -->\n", "<!-- end -->\n"


def plain(text):
    """Without what differs from run to run."""
    return re.sub(r'database "[a-z0-9-]+"', "this database", re.sub(r"T-[0-9A-Z]{26}", "T-...", text))


def line(member, results):
    signs = ["yes" if results[item] is None else results[item].split()[0] for item in ordeal.ITEMS]
    return "| " + " | ".join([member.name, *signs]) + " |"


def reasons(member, results):
    """What an agent is told instead; items with the same words together. "" where all works."""
    by_text = {}
    for item in ordeal.ITEMS:
        if results[item] is not None and results[item] != ordeal.NOTHING:
            by_text.setdefault(plain(results[item]), []).append(item)
    return f"- {member.name}: " + "; ".join(f"{', '.join(items)}: `{text}`" for text, items in by_text.items()) + "." \
        if by_text else ""


def render(seen, absent):
    head = ["server", *ordeal.ITEMS]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *(line(m, r) for m, r in seen), "",
             "What the agent is told where it is not `yes`:", "", *filter(None, (reasons(m, r) for m, r in seen))]
    lines += [f"- {name} was not run: {why}." for name, why in absent]
    return "\n".join(lines) + "\n"


def replaced(document, seen, absent):
    before, rest = document.split(BEGIN)
    return before + BEGIN + "\n" + render(seen, absent) + "\n" + END + rest.split(END)[1]


def starts(pg):
    """All there are, by the name under which one that is not here is told."""
    found = {f"PostgreSQL {m}": (lambda m=m: members.postgres(m)) for m in members.MAJORS}
    return {**found, "PostGIS": members.postgis, "PgBouncer before `upstream`": lambda: members.pooled(pg, "upstream"),
            "PgBouncer before `helper`": lambda: members.pooled(pg, "helper"), "A standby": lambda: members.standby(pg),
            "PGlite": members.pglite, "QuestDB": members.questdb,
            "H2": members.h2}


def main():
    seen, absent, wrong = [], [], []
    pg = Postgres()
    try:
        with contextlib.ExitStack() as stack:
            found = []
            for name, start in starts(pg).items():
                try:
                    found.append(stack.enter_context(start()))
                except members.NotHere as why:
                    absent.append((name, str(why)))
            family = stack.enter_context(ordeal.gateway_before(found))
            for member in found:
                seen.append((member, ordeal.Ordeal(family, member).run()))
                wrong += [f"{member.name}: {text}" for text in ordeal.uncovered(family, member)]
                if member.ordinary and any(seen[-1][1].values()):
                    wrong.append(f"{member.name}: {seen[-1][1]}")
                print(line(*seen[-1]), flush=True)
    finally:
        pg.stop()
    if wrong:
        sys.exit("\n".join(wrong))
    DOCUMENT.write_text(replaced(DOCUMENT.read_text(), seen, absent))


if __name__ == "__main__":
    main()
