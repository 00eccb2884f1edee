"""Whether a text calls code that nobody can read: C, other languages, SQL put together at run time.

Asked of the server's catalogs in the session itself, and not of the judgement: of that come only
the names that the text reaches, through views, operators, casts and operator classes, too.
"""

import re

# Functions by their name, and what they are called for: operators, types, parts of aggregates.
FUNCTIONS = """
WITH f AS (SELECT p.oid, p.proname::text AS name, l.lanname::text AS language,
  coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc) AS body
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
  WHERE p.oid >= 16384 AND p.prokind <> 'a')
SELECT f.name, f.language, f.body FROM f
UNION ALL SELECT o.oprname::text, f.language, f.body
  FROM pg_catalog.pg_operator o JOIN f ON f.oid = o.oprcode
UNION ALL SELECT t.typname::text, f.language, f.body
  FROM pg_catalog.pg_type t JOIN f ON f.oid IN (t.typinput, t.typoutput)
UNION ALL SELECT p.proname::text, f.language, f.body
  FROM pg_catalog.pg_aggregate a JOIN pg_catalog.pg_proc p ON p.oid = a.aggfnoid
  JOIN f ON f.oid IN (a.aggtransfn, a.aggfinalfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn,
    a.aggcombinefn, a.aggserialfn, a.aggdeserialfn)
"""
READABLE = {"sql", "plpgsql"}
NAMED = re.compile(r"([^\s.]+)\(\)|(?:function|type|operator) (\S+)")
WORDS = re.compile(r"[\w$]+")


def is_opaque(language, body):
    return language not in READABLE or (language == "plpgsql"
                                        and re.search(r"\bexecute\b", body, re.IGNORECASE))


def names_of(verdict):
    """All that a verdict says is called, for itself or in a reason."""
    out = set()
    for statement in verdict["statements"]:
        out |= {f.rpartition(".")[2] for f in statement["functions"]}
    for reason in verdict["reasons"]:
        out |= {a or b for a, b in NAMED.findall(reason["text"])}
    return out


def opaque_of(session, verdict):
    """The names of such code that the text reaches; [] also where the session cannot be asked."""
    rows = session.rows(FUNCTIONS) if session.state != "E" else None
    todo, met, found = list(names_of(verdict)), set(), set()
    if any("dynamic_sql" in s["flags"] for s in verdict["statements"]):
        found.add("SQL as text")  # of PostgreSQL's own, too: ts_stat, query_to_xml
    while todo and rows:
        name = todo.pop()
        if name in met:
            continue
        met.add(name)
        for _, language, body in (r for r in rows if r[0] == name):
            if is_opaque(language, body or ""):
                found.add(name)
            else:
                todo += WORDS.findall(body or "")
    return sorted(found)
