"""Values of every type that PostgreSQL has, chosen where representations go wrong.

VALUES: literals by name of type. A type of the server's that has none here fails the test, so that
none is forgotten.
"""

BIG = "repeat('0123456789abcdef', 65536)"  # 1 MiB: toasted, and compressed
NOISE = "(SELECT string_agg(sha512(n::text::bytea)::text, '') FROM generate_series(1, 4000) n)"

NUMBERS = ["0", "1", "-1", "7"]
OIDS = ["0", "1", "4294967295"]
DATES = ["2000-01-01", "1999-12-31 BC", "4713-11-24 BC", "infinity", "-infinity", "5874897-12-31",
         "2000-02-29"]
STAMPS = ["2000-01-01 00:00:00", "4713-11-24 00:00:00 BC", "294276-12-31 23:59:59.999999", "infinity",
          "-infinity", "1970-01-01 00:00:00.000001"]
FLOATS = ["0", "-0", "1", "NaN", "Infinity", "-Infinity", "0.1", "1e-40", "1.17549435e-38",
          "3.4028235e+38"]
JSON = ['{}', '[]', 'null', '"x"', '1.50', '{"a": 1, "a": 2}', '{"b":  1, "a": [1, 2.0, {"c": null}]}',
        '"\\u00e9\\ud83d\\ude00"', '1e1000', '-0', '[[[[[]]]]]', '""']
TEXTS = ["", " ", "a", "NULL", "\\N", "\\.", "a\tb\nc\rd\be\\f", "é😀𝄞", "''", '"', "{}", "  trailing  "]
QUERIES = ["a & b", "!a | b:*", "'x y' <-> z:AB", "", "a <2> b"]
VECTORS = ["", "a:1A b:2B,3 c", "'x y':16383 '''':5C", "cat:3 fat:2,11"]

VALUES = {
    "bool": ["t", "f"],
    "bytea": ["", "\\x00", "\\xdeadbeef00ff0a0d5c", "\\x5c2e0a"],
    "char": ["", "a", "\\", "'", " ", "\\377", "\\200"],
    "name": ["", "a", "é" * 31, "x" * 63, "a b\tc\\"],
    "int2": [*NUMBERS, "32767", "-32768"],
    "int4": [*NUMBERS, "2147483647", "-2147483648"],
    "int8": [*NUMBERS, "9223372036854775807", "-9223372036854775808"],
    "int2vector": ["", "1 2 3", "-1", "0 32767"],
    "oidvector": ["", "1 2 3", "4294967295"],
    "oid": OIDS, "xid": ["0", "1", "3", "4294967295"], "cid": OIDS,
    "xid8": ["0", "1", "18446744073709551615"],
    "tid": ["(0,0)", "(0,1)", "(4294967295,65535)"],
    "text": TEXTS, "varchar": TEXTS, "bpchar": ["", "a", "a  ", "é😀"],
    "refcursor": TEXTS,
    "regproc": ["0", "now", "-"], "regprocedure": ["0", "now()", "-", "abs(integer)"],
    "regoper": ["0", "|/"], "regoperator": ["0", "+(integer,integer)", "-(none,integer)"],
    "regclass": ["0", "pg_class", "-", "4000000000"], "regtype": ["0", "integer", "-", "numeric[]"],
    "regcollation": ["0", '"C"', "-"], "regrole": ["0", "postgres", "-", "app_trust"],
    "regnamespace": ["0", "pg_catalog", "-", "public"], "regconfig": ["0", "english", "-"],
    "regdictionary": ["0", "simple", "-"], "regdatabase": ["0", "postgres", "-"],
    "json": [*JSON, '  {"k" :\n1}  '], "jsonb": JSON,
    "jsonpath": ["$", "strict $.a[*] ? (@.b > 1 && exists (@.c))", "$.\"x y\".size()", "$.**{2 to last}"],
    "xml": ["", "<a/>", "<a>é&amp;</a><b/>", "text only", "<?xml version=\"1.0\"?><a/>",
            "<!-- c --><a x='1'> <![CDATA[<]]> </a>"],
    "pg_lsn": ["0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF"],
    "point": ["(0,0)", "(-0,NaN)", "(Infinity,-Infinity)", "(1e-300,1e300)"],
    "lseg": ["[(0,0),(1,1)]", "[(-0,1),(NaN,2)]"],
    "path": ["((0,0),(1,1))", "[(0,0),(1,1),(2,0)]", "((-0,NaN))"],
    "box": ["(1,1),(0,0)", "(Infinity,1),(-Infinity,0)"],
    "polygon": ["((0,0),(1,1),(2,0))", "((0,0))"],
    "line": ["{1,2,3}", "{0,-1,0}", "{-1,0,5e-324}"],
    "circle": ["<(0,0),1>", "<(1,2),0>", "<(NaN,Infinity),3>"],
    "float4": FLOATS, "float8": [*FLOATS, "5e-324", "1.7976931348623157e+308", "0.30000000000000004"],
    "money": ["0", "-92233720368547758.08", "92233720368547758.07", "1.5"],
    "macaddr": ["00:00:00:00:00:00", "08:00:2b:01:02:03", "ff:ff:ff:ff:ff:ff"],
    "macaddr8": ["08:00:2b:01:02:03:04:05", "ff:ff:ff:ff:ff:ff:ff:ff"],
    "inet": ["0.0.0.0/0", "192.168.1.5", "192.168.1.5/24", "::/0", "fe80::1/64", "::ffff:1.2.3.4"],
    "cidr": ["0.0.0.0/0", "192.168.1.0/24", "::/0", "2001:db8::/32", "10.0.0.1/32"],
    "aclitem": ["=r/postgres", "app_trust=arwdDxt/postgres", "postgres=U*C*/postgres"],
    "date": DATES, "timestamp": STAMPS,
    "time": ["00:00:00", "24:00:00", "23:59:59.999999"],
    "timetz": ["00:00:00+00", "24:00:00-15:59:59", "23:59:59.999999+15:59:59", "12:00:00.5+05:30"],
    "timestamptz": [x if "inf" in x else x + ("+00" if "BC" not in x else "") for x in STAMPS],
    "interval": ["0", "1 year -1 mon 2 days -03:04:05.678901", "178000000 years", "-178000000 years",
                 "1 mon", "30 days", "720:00:00", "00:00:00.000001"],
    "bit": ["0", "1"], "varbit": ["", "0", "101", "1" * 70],
    "numeric": ["0", "0.00", "-0.0", "1.0", "1.000", "NaN", "Infinity", "-Infinity", "1e-16383",
                "9" * 500 + "." + "9" * 400, "1e131071", "-123456789.987654321000", "10000", "1e4"],
    "uuid": ["00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
    "tsvector": VECTORS, "tsquery": QUERIES,
    "txid_snapshot": ["1:1:", "10:20:10,14,15"], "pg_snapshot": ["1:1:", "10:20:10,14,15"],
}

# Types whose values nobody can write: they come from the catalog, in the columns named.
# A point of them could not be given back, so their tables are refused.
UNREADABLE = {
    "pg_node_tree": "SELECT adbin FROM pg_attrdef LIMIT 2",
    "pg_ndistinct": "SELECT stxdndistinct FROM pg_statistic_ext_data",
    "pg_dependencies": "SELECT stxddependencies FROM pg_statistic_ext_data",
    "pg_mcv_list": "SELECT stxdmcv FROM pg_statistic_ext_data",
    "pg_brin_bloom_summary": "SELECT NULL::pg_brin_bloom_summary",
    "pg_brin_minmax_multi_summary": "SELECT NULL::pg_brin_minmax_multi_summary",
    "gtsvector": "SELECT NULL::gtsvector",
}


def of_range(bounds, multi):
    """Ranges over a subtype's two values, lower first."""
    a, b = bounds
    one = ["empty", "(,)", f"[{a},{b})", f"({a},{b}]", f"[{a},{a}]", f"(,{b})", f"[{a},)"]
    return ["{}", *["{" + x + "}" for x in one[1:]], "{" + f"(,{a}),[{b},)" + "}"] if multi else one


RANGES = {
    "int4": ("-5", "2147483646"), "int8": ("-5", "9223372036854775806"), "num": ("-0.50", "1.000"),
    "ts": ('"4713-11-24 00:00:00 BC"', '"2000-01-01 00:00:00.5"'),
    "tstz": ('"4713-11-24 00:00:00+00 BC"', '"2000-01-01 00:00:00.5+00"'),
    "date": ('"4713-11-24 BC"', '"2000-01-01"'),
}


def values_of(name):
    """The literals of a built-in type; None where it has none here."""
    for kind, bounds in RANGES.items():
        if name in (kind + "range", kind + "multirange"):
            return of_range(bounds, name.endswith("multirange"))
    return VALUES.get(name)


# Types of our own, made in schema `ty`, and of extensions: (what makes it, its name, values).
OWN = [
    ("CREATE TYPE ty.mood AS ENUM ('sad', 'o k', '''', '😀', '')", "ty.mood", ["sad", "o k", "'", "😀", ""]),
    ("CREATE DOMAIN ty.positive AS int NOT NULL CHECK (VALUE > 0)", "ty.positive", ["1", "2147483647"]),
    ("CREATE DOMAIN ty.scaled AS numeric(10, 3) DEFAULT 5", "ty.scaled", ["1", "1.5", "-9999999.999", "NaN"]),
    ("CREATE DOMAIN ty.nested AS ty.scaled CHECK (VALUE <> 0)", "ty.nested", ["1", "NaN"]),
    ("CREATE DOMAIN ty.list AS int[] CHECK (array_ndims(VALUE) = 1)", "ty.list", ["{1,2,NULL}", "[0:1]={1,2}"]),
    ("CREATE TYPE ty.pair AS (n numeric, t text, j json)", "ty.pair",
     ["(,,)", "(1.50,\"a,\"\"b\",\"{\"\"a\"\":1, \"\"a\"\":2}\")", "(NaN,\"\",null)"]),
    ("CREATE TYPE ty.deep AS (p ty.pair, l ty.pair[], m ty.mood, d ty.scaled)", "ty.deep",
     ["(,,,)", "(\"(1.0,x,[])\",\"{\"\"(,,)\"\",NULL}\",sad,1.5)"]),
    ("CREATE DOMAIN ty.pair_domain AS ty.pair", "ty.pair_domain", ["(1.0,x,[])"]),
    ("CREATE TYPE ty.span AS RANGE (subtype = float8, subtype_diff = float8mi)", "ty.span",
     ["empty", "(,)", "[-0,NaN]", "(1e-300,Infinity)"]),
    (None, "ty.span_multirange", ["{}", "{(,)}", "{[1,2],(3,Infinity)}"]),
    ("CREATE TYPE ty.words AS RANGE (subtype = text, collation = \"C\")", "ty.words",
     ["empty", "[a,b)", "[\"\",\"é,\"\"\"]"]),
    ("CREATE TYPE ty.moods AS RANGE (subtype = ty.mood)", "ty.moods", ["[sad,\"o k\"]", "empty"]),
    ("CREATE TABLE ty.row (a int, b text, c numeric[])", "ty.row", ["(1,x,\"{1.0,NULL}\")", "(,,)"]),
    ("CREATE TABLE ty.holes (a int, gone text, b text); ALTER TABLE ty.holes DROP COLUMN gone", "ty.holes",
     ["(1,x)", "(,)"]),
    ("CREATE TYPE ty.acl AS (a aclitem, n int)", "ty.acl", ["(=r/postgres,1)", "(,)"]),
    ("", "numeric(7,-2)", ["100", "-9999900"]), ("", "varchar(3)", ["", "é😀a", "a  "]),
    ("", "char(5)", ["", "a", "é😀"]), ("", "bit(3)", ["000", "101"]), ("", "timestamp(0)", ["2000-01-01"]),
    ("", "interval year to month", ["1 year 2 mons"]), ("", "interval second(2)", ["00:00:01.25"]),
    ("", "numeric(5,2)", ["1", "NaN", "-999.99"]),
]
EXTENSIONS = {
    "hstore": [("hstore", ["", "a=>1", '"a b"=>NULL, c=>"\\"x,\\"", "é"=>""'])],
    "citext": [("citext", TEXTS)],
    "ltree": [("ltree", ["", "Top.Science.a_1"]), ("lquery", ["*.a{2,3}.!b", "a|b*@"]),
              ("ltxtquery", ["a & !b@*"])],
    "cube": [("cube", ["(1)", "(1,2),(3,4)", "(NaN),(-0)", "(1e-300,Infinity)"])],
    "seg": [("seg", ["1", "~1.50", "1 .. 2", "<3.00", "5(+-)0.3", ".. 5"])],
    "isn": [("ean13", ["9780393040029"]), ("isbn13", ["978-0-393-04002-9"]), ("isbn", ["0-393-04002-X"]),
            ("issn", ["1436-4522"]), ("upc", ["220356483481"]), ("ismn", ["979-0-2600-0043-8"])],
    "lo": [("lo", ["0", "4294967295"])],
    "intarray": [("query_int", ["1&2|!3", "7"])],
    "vector": [("vector", ["[1,2,3]", "[-0,1e-30]"]), ("halfvec", ["[1,0.5]"]), ("sparsevec", ["{1:1,3:2}/5"])],
    "postgis": [("geometry", ["POINT(1 2)", "SRID=4326;POLYGON((0 0,1 1,1 0,0 0))", "POINT EMPTY"]),
                ("geography", ["POINT(1 2)"]), ("box2d", ["BOX(0 0,1 1)"]), ("box3d", ["BOX3D(0 0 0,1 1 1)"])],
}
