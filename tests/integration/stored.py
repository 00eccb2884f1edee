"""Recovery points as they lie in a local store, read without the product's help."""

import io
import json
import pathlib
import struct

import zstandard

MAGIC = b"PGCOPY\n\xff\r\n\0"


def tuples(data):
    """The rows of a binary COPY stream: lists of bytes, None for NULL."""
    assert data[:11] == MAGIC, data[:11]
    (skip,) = struct.unpack_from("!I", data, 15)
    at = 19 + skip
    while True:
        (fields,) = struct.unpack_from("!h", data, at)
        at += 2
        if fields < 0:
            assert at == len(data), "bytes behind the trailer"
            return
        row = []
        for _ in range(fields):
            (size,) = struct.unpack_from("!i", data, at)
            at += 4
            row.append(None if size < 0 else data[at:at + size])
            at += max(size, 0)
        yield row


def value(raw, kind):
    if raw is None:
        return None
    if kind in ("integer", "bigint", "smallint"):
        return int.from_bytes(raw, "big", signed=True)
    return raw.decode() if kind == "text" else raw


class Point:
    """One folder RP-..."""

    def __init__(self, store, folder):
        self.store, self.folder, self.id = store, folder, folder.name

    def complete(self):
        return (self.folder / "manifest.json").exists()

    def manifest(self):
        return json.loads((self.folder / "manifest.json").read_text())

    def events(self):
        """States in the order in which they were written."""
        return [path.stem.split("-", 1)[1] for path in sorted((self.folder / "events").glob("*.json"))]

    def committed(self):
        return "committed" in self.events()

    def rows(self):
        """("schema.table", {column: value}) of every row in it."""
        for item in self.manifest()["objects"]:
            if item.get("key") is None:
                continue
            packed = b"".join((self.store / part["key"]).read_bytes() for part in item["parts"])
            raw = zstandard.ZstdDecompressor().stream_reader(
                io.BytesIO(packed), read_across_frames=True).read()
            columns = [(c["name"], c["type"]) for c in item["columns"]]
            for row in tuples(raw):
                assert len(row) == len(columns), (row, columns)
                yield (f"{item['schema']}.{item['name']}",
                       {name: value(raw, kind) for (name, kind), raw in zip(columns, row)})


class Store:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def points(self):
        """All, in the order in which they were begun."""
        return [Point(self.folder, path) for path in
                sorted(self.folder.glob("v1/*/*/rp/*/*/*/RP-*"), key=lambda p: p.name)]
