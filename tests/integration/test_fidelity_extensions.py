"""Extensions that people have most: their types, their indexes and a table that an extension fills, destroyed and given back.

Skipped where the server does not have them. Debian 12: postgresql-15-postgis-3 by apt; pgvector is not
packaged there, its sources (Debian's pgvector) are built against postgresql-server-dev-15.
"""

import pytest

from fidelity import ground

VECTORS = """
CREATE TABLE ext.items (id int PRIMARY KEY, v public.vector(3), h public.halfvec(3), s public.sparsevec(5),
    b bit(4), vs public.vector[], note text, CONSTRAINT nonzero CHECK (public.vector_norm(v) > 0));
INSERT INTO ext.items SELECT n, ARRAY[n, -0.1, n / 3.0]::real[]::public.vector, ARRAY[n, 6e-8, 65504]::real[]::public.halfvec,
    format('{1:%s,5:-0.5}/5', n)::public.sparsevec, n::bit(4), ARRAY['[1,2]', '[3]']::public.vector[], 'n' || n
    FROM generate_series(1, 60) n;
INSERT INTO ext.items VALUES (61);
CREATE INDEX items_near ON ext.items USING hnsw (v public.vector_cosine_ops) WITH (m = 8, ef_construction = 32);
CREATE INDEX items_lists ON ext.items USING ivfflat (h public.halfvec_l2_ops) WITH (lists = 2);
CREATE INDEX items_bits ON ext.items USING hnsw (b public.bit_hamming_ops);
CREATE VIEW ext.nearest AS SELECT id, v OPERATOR(public.<->) '[1,1,1]'::public.vector AS far FROM ext.items;
"""
PLACES = """
CREATE TABLE ext.places (id int PRIMARY KEY, p public.geometry(Point, 4326) NOT NULL, area public.geometry(MultiPolygonZ, 3857),
    g public.geography(Point), whatever public.geometry, box public.box2d, many public.geometry[], note text,
    x double precision GENERATED ALWAYS AS (public.st_x(p)) STORED, CONSTRAINT valid CHECK (public.st_isvalid(area)));
INSERT INTO ext.places SELECT n, public.st_setsrid(public.st_makepoint(n / 3.0, n / 7.0), 4326),
    public.st_setsrid(public.st_multi(public.st_force3d(public.st_buffer(public.st_makepoint(n, n), 1))), 3857),
    public.st_makepoint(n / 3.0, n / 7.0)::public.geography,
    CASE n % 3 WHEN 0 THEN public.st_geomfromewkt('SRID=4326;LINESTRING ZM (0 0 1 2, 1e-300 -0 NaN 3)')
    WHEN 1 THEN 'GEOMETRYCOLLECTION EMPTY' END, public.box2d(public.st_makepoint(n, n)),
    ARRAY['POINT(1 2)', 'POINT EMPTY']::public.geometry[], 'n' || n FROM generate_series(1, 60) n;
CREATE INDEX places_p ON ext.places USING gist (p);
CREATE INDEX places_area ON ext.places USING spgist (area);
CREATE INDEX places_nd ON ext.places USING gist (whatever public.gist_geometry_ops_nd);
CREATE VIEW ext.far AS SELECT id, public.st_transform(p, 3857) AS t FROM ext.places WHERE public.st_x(p) > 3;
GRANT ALL ON public.spatial_ref_sys TO app_trust;
INSERT INTO public.spatial_ref_sys VALUES (990001, 'own', 1, 'LOCAL_CS["own"]', '+proj=longlat');
"""
STATEMENTS = {
    "vector": [
        "DROP TABLE ext.items CASCADE", "TRUNCATE ext.items", "DELETE FROM ext.items WHERE id % 2 = 0",
        "UPDATE ext.items SET v = NULL, h = NULL, s = NULL, vs = NULL", "ALTER TABLE ext.items DROP COLUMN v CASCADE",
        "ALTER TABLE ext.items ALTER COLUMN s TYPE text USING left(s::text, 2)"],
    "postgis": [
        "DROP TABLE ext.places CASCADE", "TRUNCATE ext.places", "DELETE FROM ext.places WHERE id % 2 = 0",
        "UPDATE ext.places SET area = NULL, g = NULL, whatever = NULL, box = NULL, many = NULL",
        "ALTER TABLE ext.places DROP COLUMN p CASCADE",
        "ALTER TABLE ext.places ALTER COLUMN area TYPE public.geometry(Point, 4326) USING public.st_setsrid("
        "public.st_point(0, 0), 4326), DROP CONSTRAINT valid",
        "DELETE FROM public.spatial_ref_sys WHERE srid > 4000", "UPDATE public.spatial_ref_sys SET proj4text = NULL"],
}
MADE = {"vector": VECTORS, "postgis": PLACES}
TABLES = {"vector": ["ext.items"], "postgis": ["ext.places", "public.spatial_ref_sys"]}


@pytest.fixture(scope="module", params=MADE)
def made(pg, request):
    name = request.param
    with pg.admin("postgres") as c:
        if not c.execute("SELECT FROM pg_available_extensions WHERE name = %s", (name,)).fetchall():
            pytest.skip(f"PostgreSQL {pg.major} here does not have the extension {name}")
        c.execute(f"CREATE DATABASE with_{name}")
    with ground(pg, f"with_{name}") as g:
        g.run(f"CREATE EXTENSION {name} SCHEMA public; CREATE SCHEMA ext; {MADE[name]}")
        g.run("ALTER SCHEMA ext OWNER TO app_trust")
        with g.admin() as c:
            for table, in c.execute("SELECT oid::regclass FROM pg_class WHERE relnamespace = 'ext'::regnamespace"
                                    " AND relkind IN ('r', 'v')").fetchall():
                c.execute(f"ALTER TABLE {table} OWNER TO app_trust")
        g.extension = name
        yield g
    with pg.admin("postgres") as c:
        c.execute(f"DROP DATABASE with_{name} WITH (FORCE)")


def picture(g):
    """Definitions, their lines sorted: a column comes back at the end. All rows, each column's bytes."""
    rows = []
    with g.admin() as c:
        c.execute("SET extra_float_digits = 3")
        for table in TABLES[g.extension]:
            names = [x for x, in c.execute("SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = %s::regclass AND"
                                           " attnum > 0 AND NOT attisdropped ORDER BY attname", (table,))]
            rows.append(c.execute(f"SELECT count(*), md5(string_agg(ROW({', '.join(names)})::text, ',' ORDER BY 1))"
                                  f" FROM (SELECT * FROM {table} ORDER BY 1) x").fetchall())
    return sorted(x.rstrip(",") for x in g.definition()), rows


@pytest.mark.parametrize("n", range(8))
def test_everything_comes_back(made, n):
    if n >= len(STATEMENTS[made.extension]):
        pytest.skip("the other extension has more statements")
    statement = STATEMENTS[made.extension][n]
    before = picture(made)
    for point in reversed(made.destroy(statement)):
        made.restore(point, "--conflict", "overwrite")
    assert picture(made) == before, statement
