/*
 * run.h - one statement on a connection of the door, by the extended protocol, and what became of it.
 *
 * Rows come one by one: a result of any size costs the memory of the page that is answered with. A
 * statement that only reads may stay open behind its page; any other is read to its end first, since it
 * has not happened before.
 *
 * Layer  mcp. Blocks; ended by the watch.
 * Spec   PostgreSQL manual, libpq-single-row-mode.html and protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY.
 * Owns   a run owns its JSON until bs_mcp_run_fini; its connection belongs to the caller.
 */
#ifndef BS_MCP_RUN_H
#define BS_MCP_RUN_H

#include "mcp/inside.h"

enum bs_mcp_ran {
    BS_MCP_RAN_UNCERTAIN = 0, /* the connection was lost: it may have happened, or not */
    BS_MCP_RAN_DONE,          /* to its end */
    BS_MCP_RAN_OPEN,          /* a page was read and there are more rows: the connection is busy */
    BS_MCP_RAN_FAILED,        /* the server or the gateway said no; see error */
    BS_MCP_RAN_CANCELLED,     /* by the watch */
};

/* What an ErrorResponse said. NULL: not given. */
struct bs_mcp_said {
    char sqlstate[6];
    char *message, *detail, *hint;
    long position; /* of the statement, 1-based, in characters; 0: none */
};

struct bs_mcp_statement {
    const char *sql;
    const json_t *params; /* array, or NULL */
    int64_t max_rows;     /* of the page */
    size_t max_bytes;     /* of the page's values; one row is always given */
    size_t max_value;     /* bytes of one value; the rest of it is not given */
    bool may_stay;        /* it only reads: what is beyond the page may be read later */
    /* told of notices as they come, and now and then that it still runs; NULL: nobody is */
    struct bs_mcp_request *tells;
};

struct bs_mcp_run {
    enum bs_mcp_ran ran;
    json_t *columns;  /* [{"name","type"}]; NULL where the statement has no rows */
    json_t *rows;     /* [[value]]; NULL likewise */
    char command[64]; /* command tag: "DELETE 3" */
    int64_t skipped;  /* rows beyond the page that were read and are not given */
    int64_t cut;      /* values that were longer than they may be */
    json_t *notices;  /* [text]; NULL: none */
    struct bs_mcp_said said;
    PGresult *next; /* OPEN: the row that the next page begins with */
};

/* Sends the statement and reads the first page. */
void bs_mcp_run(PGconn *conn,
                const struct bs_watch *watch,
                const struct bs_mcp_statement *statement,
                struct bs_mcp_run *run);
/*
 * The next page of one that is OPEN.
 *
 * run  a fresh one, but for `columns` (shared) and `next` (handed over)
 */
void bs_mcp_run_on(PGconn *conn,
                   const struct bs_watch *watch,
                   const struct bs_mcp_statement *page,
                   struct bs_mcp_run *run);
void bs_mcp_run_fini(struct bs_mcp_run *run);

/*
 * Ends an open transaction and puts the session back to what it was.
 *
 * touched  false: nothing but a read has run
 * Returns what the connection can be used for.
 */
enum bs_mcp_conn bs_mcp_clean(PGconn *conn, bool touched);

#endif
