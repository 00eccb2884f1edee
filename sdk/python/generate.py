#!/usr/bin/env python3
"""
Write src/backstop/operators/schema.py from the gateway's description of its operators' API.

    generate.py ../../src/api/openapi.json > src/backstop/operators/schema.py

A test runs this and compares, so what the types say is what the gateway says.
"""

import json
import sys
import textwrap

OPERATIONS = """
    listTickets showTicket approveTicket denyTicket commentTicket watchTickets
    listActors showActor addActor setActor rotateActor disableActor enableActor quarantineActor releaseActor revokeActor
    listPauses pause resume
    listPoints showPoint
    listRestores beginRestore getRestore cancelRestore getRestoreResult getRestoreRows
    runRestore diffRestore planRestore approveRestore copyBackRestore discardRestore
""".split()  # noqa: SIM905
PLAIN = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
    "object": "dict[str, Any]",
}


def name_of(ref):
    return ref.rsplit("/", 1)[1]


def type_of(schema):
    if "$ref" in schema:
        return name_of(schema["$ref"])
    if "enum" in schema:
        return f"Literal[{', '.join(json.dumps(value) for value in schema['enum'])}]"
    kinds = schema.get("type")
    if kinds is None:
        return "Any"
    if isinstance(kinds, list):
        return " | ".join(type_of({**schema, "type": kind}) for kind in sorted(kinds, key="null".__eq__))
    if kinds == "array":
        return f"list[{type_of(schema.get('items', {}))}]"
    if kinds == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"dict[str, {type_of(schema['additionalProperties'])}]"
    return PLAIN[kinds]


def comment(text, indent="    "):
    return textwrap.wrap(text, 118, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def members(schema, wanted):
    required = set(schema.get("required", []))
    for name, of in schema.get("properties", {}).items():
        if (name in required) == wanted:
            if "description" in of:
                yield from comment(of["description"])
            yield f"    {name}: {type_of(of)}"


def class_of(name, base, total, doc, lines):
    ending = "" if total else ", total=False"
    yield ""
    yield ""
    yield f"class {name}({base}{ending}):"
    yield f'    """{doc}"""'
    if lines:
        yield ""
        yield from lines


def classes(name, schema):
    """TypedDict knows Required and NotRequired from Python 3.11 on, so what is required is a class of its own."""
    parts = schema.get("allOf", [schema])
    bases = [name_of(part["$ref"]) for part in parts if "$ref" in part]
    own = next((part for part in parts if "$ref" not in part), {})
    doc = schema.get("description", f"{name}, as the API has it.").split(". ")[0].rstrip(".") + "."
    needed, other = list(members(own, True)), list(members(own, False))
    base = ", ".join(bases) or "TypedDict"
    if needed and other:
        yield from class_of(f"_{name}", base, True, "What is always there.", needed)
        yield from class_of(name, f"_{name}", False, doc, other)
    else:
        yield from class_of(name, base, not other, doc, needed or other)


def refs(of):
    if isinstance(of, dict):
        if isinstance(of.get("$ref"), str) and "/schemas/" in of["$ref"]:
            yield name_of(of["$ref"])
        for value in of.values():
            yield from refs(value)
    elif isinstance(of, list):
        for value in of:
            yield from refs(value)


def reached(schemas, names):
    """Those named and all they name, each behind what it is a kind of."""
    seen = []

    def visit(name):
        if name in seen:
            return
        for part in schemas[name].get("allOf", []):
            if "$ref" in part:
                visit(name_of(part["$ref"]))
        if name not in seen:
            seen.append(name)
        for other in refs(schemas[name]):
            visit(other)

    for name in names:
        visit(name)
    return seen


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        api = json.load(file)
    calls = {}
    for path, methods in api["paths"].items():
        for method, of in methods.items():
            if isinstance(of, dict) and of.get("operationId") in OPERATIONS:
                calls[of["operationId"]] = (method.upper(), path, of)
    missing = set(OPERATIONS) - set(calls)
    if missing:
        sys.exit(f"generate.py: the API has no {', '.join(sorted(missing))}")
    bodies = [{"body": calls[o][2].get("requestBody"), "answers": calls[o][2]["responses"]} for o in OPERATIONS]
    bodies += [api["components"]["responses"], api["components"].get("requestBodies", {})]
    wanted = ["Problem", *sorted({name for body in bodies for name in refs(body)} - {"Problem"})]
    lines = [
        '"""What the operators\' API sends and takes. Made by generate.py from src/api/openapi.json: do not edit."""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import Any, Literal, TypedDict",
        "",
        "OPERATIONS: dict[str, tuple[str, str]] = {",
    ]
    lines += [f'    "{o}": ("{calls[o][0]}", "{calls[o][1]}"),' for o in OPERATIONS]
    lines.append("}")
    for name in reached(api["components"]["schemas"], wanted):
        lines += classes(name, api["components"]["schemas"][name])
    print("\n".join(lines))


if __name__ == "__main__":
    main()
