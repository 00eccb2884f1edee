"""Recovery points as they lie in the store, read without the product's help."""

import io
import json
import pathlib
import re
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
    """All below the prefix of one point."""

    def __init__(self, store, prefix):
        self.store, self.prefix, self.id = store, prefix, prefix.rsplit("/", 1)[1]

    def names(self):
        return [key[len(self.prefix) + 1:] for key in self.store.keys() if key.startswith(self.prefix)]

    def complete(self):
        return "manifest.json" in self.names()

    def manifest(self):
        return json.loads(self.store.get(f"{self.prefix}/manifest.json"))

    def events(self):
        """States in the order in which they were written."""
        return [name[:-len(".json")].split("-", 1)[1] for name in sorted(self.names())
                if name.startswith("events/") and name.endswith(".json")]

    def committed(self):
        return "committed" in self.events()

    def rows(self):
        """("schema.table", {column: value}) of every row in it."""
        for item in self.manifest()["objects"]:
            if item.get("key") is None:
                continue
            packed = b"".join(self.store.get(part["key"]) for part in item["parts"])
            raw = zstandard.ZstdDecompressor().stream_reader(
                io.BytesIO(packed), read_across_frames=True).read()
            columns = [(c["name"], c["type"]) for c in item["columns"]]
            for row in tuples(raw):
                assert len(row) == len(columns), (row, columns)
                yield (f"{item['schema']}.{item['name']}",
                       {name: value(raw, kind) for (name, kind), raw in zip(columns, row)})


class Store:
    """A local one."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def keys(self):
        return [str(path.relative_to(self.folder)) for path in self.folder.rglob("*")
                if path.is_file()]

    def get(self, key):
        return (self.folder / key).read_bytes()

    def points(self):
        """All, in the order in which they were begun."""
        found = {match.group() for key in self.keys()
                 if (match := re.match(r".*/RP-[0-9A-Z]+(?=/)", key))}
        return [Point(self, prefix) for prefix in sorted(found, key=lambda p: p.rsplit("/", 1)[1])]


class S3Store(Store):
    """What an S3 server's double holds below a prefix."""

    def __init__(self, double, prefix):
        self.double, self.prefix = double, prefix

    def keys(self):
        with self.double.lock:
            return [key[len(self.prefix):] for key in self.double.objects if key.startswith(self.prefix)]

    def get(self, key):
        return self.double.objects[self.prefix + key]["data"]
