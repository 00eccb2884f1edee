/*
 * agent.c - runs a statement through a gateway with libpq; where it is held, waits for the operator and
 * sends the same again.
 *
 *   cc agent.c $(pkg-config --cflags --libs backstop libpq) -o agent
 *   ./agent "host=gateway port=6543 dbname=app user=cursor-alice" 'DELETE FROM orders WHERE id = 7'
 */
#include <backstop.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#define PATIENCE_MS 900000

/* What the gateway says of a result that is an error. */
static backstop_answer *
decode(const PGresult *result)
{
    backstop_answer *answer = NULL;

    (void)backstop_decode(PQresultErrorField(result, PG_DIAG_SQLSTATE),
                          PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY),
                          PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL), &answer, NULL);
    return answer;
}

/* 1 where it is approved, and the statement may be sent again. */
static int
approved(const char *conninfo, const char *ticket)
{
    backstop_answer *decided;
    backstop_error *error;
    int outcome;

    printf("held: ticket %s waits for an operator\n", ticket);
    if (backstop_wait(conninfo, ticket, PATIENCE_MS, &decided, &error) != BACKSTOP_OK) {
        fprintf(stderr, "agent: %s\n", backstop_error_message(error));
        backstop_error_free(error);
        return 0;
    }
    outcome = backstop_answer_outcome(decided);
    printf("%s\n", outcome == BACKSTOP_NONE ? "approved" : backstop_outcome_name(outcome));
    backstop_answer_free(decided);
    return outcome == BACKSTOP_NONE;
}

int
main(int argc, char **argv)
{
    PGconn *conn;
    PGresult *result;
    int status = 1, tries = 0;

    if (argc != 3) {
        fprintf(stderr, "usage: agent CONNINFO SQL\n");
        return 2;
    }
    conn = PQconnectdb(argv[1]);
    result = PQexec(conn, argv[2]);
    while (PQresultStatus(result) == PGRES_FATAL_ERROR && tries++ < 3) {
        backstop_answer *answer = decode(result);
        int again = backstop_answer_outcome(answer) == BACKSTOP_HELD &&
                    backstop_answer_ticket(answer) != NULL &&
                    approved(argv[1], backstop_answer_ticket(answer));
        backstop_answer_free(answer);
        if (!again)
            break;
        PQclear(result);
        result = PQexec(conn, argv[2]);
    }
    if (PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK) {
        printf("%s\n", PQcmdStatus(result));
        status = 0;
    } else {
        fprintf(stderr, "%s", PQresultErrorMessage(result));
    }
    PQclear(result);
    PQfinish(conn);
    return status;
}
