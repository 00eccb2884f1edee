/*
 * staged_index_test.c - indexes and keys as pg_dump writes them, and what is none of ours.
 */
#include "restore/staged_index.h"

#include "tap.h"

static const struct {
    const char *name;
    const char *text;
    const char *index; /* NULL: refused */
    const char *key;   /* NULL: it is none */
} rows[] = {
    {"an index", "CREATE INDEX a_b ON public.t USING btree (a, b DESC NULLS LAST);\n",
     "CREATE INDEX a_b ON \"s\".\"o\"\"t\" USING btree (a, b DESC NULLS LAST)", NULL},
    {"names in quotes",
     "CREATE UNIQUE INDEX \"An \"\"odd; name\" ON \"a.b\".\"c USING d\" USING btree (\"When\");",
     "CREATE UNIQUE INDEX \"An \"\"odd; name\" ON \"s\".\"o\"\"t\" USING btree (\"When\")", NULL},
    {"more of it",
     "CREATE UNIQUE INDEX i ON p.t USING btree (a COLLATE \"C\" text_pattern_ops) INCLUDE (b)"
     " NULLS NOT DISTINCT WITH (fillfactor='70', deduplicate_items=off);",
     "CREATE UNIQUE INDEX i ON \"s\".\"o\"\"t\" USING btree (a COLLATE \"C\" text_pattern_ops)"
     " INCLUDE (b) NULLS NOT DISTINCT WITH (fillfactor='70', deduplicate_items=off)",
     NULL},
    {"GIN", "CREATE INDEX i ON p.t USING gin (doc jsonb_path_ops);",
     "CREATE INDEX i ON \"s\".\"o\"\"t\" USING gin (doc jsonb_path_ops)", NULL},
    {"a primary key", "ALTER TABLE ONLY p.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (a, b);\n",
     "CREATE UNIQUE INDEX t_pkey ON \"s\".\"o\"\"t\" USING btree (a, b)",
     "ALTER TABLE ONLY \"s\".\"o\"\"t\" ADD CONSTRAINT t_pkey PRIMARY KEY USING INDEX t_pkey"},
    {"a unique key", "ALTER TABLE ONLY p.t\n    ADD CONSTRAINT \"t k\" UNIQUE (a);",
     "CREATE UNIQUE INDEX \"t k\" ON \"s\".\"o\"\"t\" USING btree (a)",
     "ALTER TABLE ONLY \"s\".\"o\"\"t\" ADD CONSTRAINT \"t k\" UNIQUE USING INDEX \"t k\""},
    {"nothing", "", NULL, NULL},
    {"an expression", "CREATE INDEX i ON p.t USING btree (lower(a));", NULL, NULL},
    {"a condition", "CREATE INDEX i ON p.t USING btree (a) WHERE (b > 1);", NULL, NULL},
    {"a parent alone", "CREATE INDEX i ON ONLY p.t USING btree (a);", NULL, NULL},
    {"somebody's operator class", "CREATE INDEX i ON p.t USING gin (a public.gin_trgm_ops);", NULL,
     NULL},
    {"a tablespace before it",
     "SET default_tablespace = x;\nCREATE INDEX i ON p.t USING btree (a);", NULL, NULL},
    {"a second statement",
     "CREATE INDEX i ON p.t USING btree (a);\n\nALTER TABLE p.t CLUSTER ON i;\n", NULL, NULL},
    {"a second statement, hidden", "CREATE INDEX i ON p.t USING btree (a); DROP TABLE t;", NULL,
     NULL},
    {"no end", "CREATE INDEX i ON p.t USING btree (a", NULL, NULL},
    {"a name without an end", "CREATE INDEX \"i ON p.t USING btree (a);", NULL, NULL},
    {"a column in quotes that ends it", "CREATE INDEX i ON p.t USING btree (\"a)b\");", NULL, NULL},
    {"put off", "ALTER TABLE ONLY p.t\n    ADD CONSTRAINT k UNIQUE (a) DEFERRABLE;", NULL, NULL},
    {"with more columns", "ALTER TABLE ONLY p.t\n    ADD CONSTRAINT k UNIQUE (a) INCLUDE (b);",
     NULL, NULL},
    {"nulls are equal", "ALTER TABLE ONLY p.t\n    ADD CONSTRAINT k UNIQUE NULLS NOT DISTINCT (a);",
     NULL, NULL},
    {"without overlaps",
     "ALTER TABLE ONLY p.t\n    ADD CONSTRAINT k PRIMARY KEY (a, b WITHOUT OVERLAPS);", NULL, NULL},
    {"an exclusion", "ALTER TABLE ONLY p.t\n    ADD CONSTRAINT k EXCLUDE USING btree (a WITH =);",
     NULL, NULL},
    {"a foreign key",
     "ALTER TABLE ONLY p.t\n    ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p.o(id);", NULL, NULL},
};

static bool
says(const struct bs_buf *b, const char *want)
{
    return bs_bytes_equal(bs_buf_view(b), bs_bytes_of(want));
}

/* What each row says; told by its name where it does not. */
static bool
row_holds(size_t i)
{
    struct bs_staged_index index;
    bool taken = bs_staged_index_parse(bs_bytes_of(rows[i].text), &index);
    bool good = taken == (rows[i].index != NULL);
    struct bs_buf b;

    bs_buf_init(&b, 1000);
    if (good && taken) {
        bs_put_staged_index(&b, &index, "s", "o\"t");
        good = says(&b, rows[i].index) && (index.key != NULL) == (rows[i].key != NULL);
        bs_buf_clear(&b);
    }
    if (good && taken && rows[i].key != NULL) {
        bs_put_staged_key(&b, &index, "s", "o\"t");
        good = says(&b, rows[i].key);
    }
    bs_buf_fini(&b);
    if (!good)
        printf("# %s\n", rows[i].name);
    return good;
}

static void
every_row(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        EXPECT(row_holds(i));
}

int
main(void)
{
    static const struct tap_case cases[] = {{"every row", every_row}};

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
