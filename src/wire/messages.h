/*
 * messages.h - the bodies of typed messages: put together what we send, take apart what we read.
 *
 * bs_msg_put_* append one whole message (type, length, body); past the buffer's ceiling, or where a
 * text holds a NUL, they append nothing and set b->failed. bs_msg_read_* take a frame's body apart
 * and require that it is consumed exactly: missing or trailing bytes are PROTOCOL. Repeated parts
 * (parameters, columns, formats) stay views that were checked whole; the *_next and *_at functions
 * walk them and cannot fail on them.
 *
 * Layer  wire. Pure: no I/O, no clock, no globals.
 * Spec   PostgreSQL manual, protocol-message-formats.html and protocol-error-fields.html.
 * Owns   nothing. Every view borrows the body it was read from.
 */
#ifndef BS_WIRE_MESSAGES_H
#define BS_WIRE_MESSAGES_H

#include "base/bytes.h"
#include "base/err.h"

#define BS_NAME_MAX 63 /* bytes of a statement or portal name; the server cuts longer ones */

/* ------------------------------------------------------------------ parts */

/* A parameter or column: bytes in text or binary format, or NULL. */
struct bs_value {
    bool is_null;
    struct bs_bytes bytes;
};

/* A checked list of n values, in wire form: for bs_values_next. */
struct bs_values {
    size_t n;
    struct bs_bytes raw;
};

/* A checked list of n numbers of two (formats) or four bytes (type OIDs), in wire form. */
struct bs_formats {
    size_t n;
    struct bs_bytes raw;
};
struct bs_oids {
    size_t n;
    struct bs_bytes raw;
};

/* The next value; false at the end. Walk a copy to walk it again. */
bool bs_values_next(struct bs_values *values, struct bs_value *out);
/* Type OID i, or 0 ("not said") at and past the end. */
uint32_t bs_oids_at(const struct bs_oids *oids, size_t i);
/* Format of value i: 0 text, 1 binary. No formats: all text; one: it is that of all values. */
uint16_t bs_formats_at(const struct bs_formats *formats, size_t i);

/* ------------------------------------------------- reading what clients send */

struct bs_parse {
    struct bs_bytes name;  /* empty: the unnamed statement */
    struct bs_bytes query; /* without its NUL */
    struct bs_oids types;  /* of the first parameters; 0: the server decides */
};

struct bs_bind {
    struct bs_bytes portal;
    struct bs_bytes statement;
    struct bs_formats formats; /* of the parameters: 0, 1 or values.n */
    struct bs_values values;
    struct bs_formats results;
};

/* Describe or Close. */
struct bs_named {
    uint8_t kind; /* 'S' statement, 'P' portal */
    struct bs_bytes name;
};

struct bs_execute {
    struct bs_bytes portal;
    uint32_t max_rows; /* 0: all. As unsigned: the server reads a negative number as "all" */
};

struct bs_function_call {
    uint32_t oid;              /* of the function */
    struct bs_formats formats; /* of the arguments: 0, 1 or values.n */
    struct bs_values values;
    uint16_t result; /* format */
};

struct bs_sasl_initial {
    struct bs_bytes mechanism;
    bool has_data;
    struct bs_bytes data; /* the client-first-message */
};

/*
 * Each takes the body of one frame. err: PROTOCOL, and LIMIT where a name is longer than
 * BS_NAME_MAX (then the message is well-formed and `out` is filled). Texts and names are not
 * checked to be UTF-8: see bs_utf8_valid.
 */
/* The text of a Query, without its NUL: exactly one, at the end. */
BS_MUST_CHECK enum bs_done
bs_msg_read_query(struct bs_bytes body, struct bs_bytes *text, struct bs_err *err);
BS_MUST_CHECK enum bs_done
bs_msg_read_parse(struct bs_bytes body, struct bs_parse *out, struct bs_err *err);
BS_MUST_CHECK enum bs_done
bs_msg_read_bind(struct bs_bytes body, struct bs_bind *out, struct bs_err *err);
/*
 * The names of a Bind whose body is still arriving, so that its parameters can be streamed.
 * BS_SCAN-like: BS_FAILED with err unset means that more bytes are needed.
 *
 * head      the part of the body received so far
 * body_len  the whole body's length, from the header
 */
BS_MUST_CHECK enum bs_done bs_msg_read_bind_names(struct bs_bytes head,
                                                  uint32_t body_len,
                                                  struct bs_bytes *portal,
                                                  struct bs_bytes *statement,
                                                  struct bs_err *err);
BS_MUST_CHECK enum bs_done
bs_msg_read_function_call(struct bs_bytes body, struct bs_function_call *out, struct bs_err *err);
/* Body of a Describe or of a Close. */
BS_MUST_CHECK enum bs_done
bs_msg_read_target(struct bs_bytes body, struct bs_named *out, struct bs_err *err);
BS_MUST_CHECK enum bs_done
bs_msg_read_execute(struct bs_bytes body, struct bs_execute *out, struct bs_err *err);
/* The reason in a CopyFail. */
BS_MUST_CHECK enum bs_done
bs_msg_read_copy_fail(struct bs_bytes body, struct bs_bytes *reason, struct bs_err *err);
/* The first 'p' after AuthenticationSASL; later ones are the mechanism's bytes as they are. */
BS_MUST_CHECK enum bs_done
bs_msg_read_sasl_initial(struct bs_bytes body, struct bs_sasl_initial *out, struct bs_err *err);
/* A password in a 'p': exactly one NUL, at the end. */
BS_MUST_CHECK enum bs_done
bs_msg_read_password(struct bs_bytes body, struct bs_bytes *password, struct bs_err *err);

/* -------------------------------------------------- reading what servers send */

/* Fields of an ErrorResponse or NoticeResponse; p == NULL: not sent. Every one may be missing. */
struct bs_report_fields {
    struct bs_bytes severity_local; /* S: may be translated */
    struct bs_bytes severity;       /* V */
    struct bs_bytes sqlstate;       /* C: any length, any bytes */
    struct bs_bytes message;        /* M */
    struct bs_bytes detail;         /* D */
    struct bs_bytes hint;           /* H */
    struct bs_bytes schema;         /* s */
    struct bs_bytes table;          /* t */
    struct bs_bytes column;         /* c */
    struct bs_bytes constraint;     /* n */
};

struct bs_column {
    struct bs_bytes name;
    uint32_t table_oid;
    uint16_t attnum;
    uint32_t type_oid;
    uint16_t type_len;
    uint32_t type_mod;
    uint16_t format;
};

struct bs_columns {
    size_t n;
    struct bs_bytes raw;
};

/* What a CommandComplete says. */
struct bs_tag {
    struct bs_bytes text; /* "INSERT 0 5" */
    struct bs_bytes verb; /* "INSERT", "DROP TABLE" */
    bool has_rows;
    uint64_t rows; /* 5 */
};

struct bs_key_data {
    uint32_t pid;
    struct bs_bytes secret; /* 4 to 256 bytes */
};

/* A NegotiateProtocolVersion. */
struct bs_negotiation {
    uint32_t version; /* major << 16 | minor, of the newest that the server speaks */
    size_t n_unknown;
    struct bs_bytes unknown; /* n C strings: options that it does not know */
};

struct bs_notification {
    uint32_t pid;
    struct bs_bytes channel;
    struct bs_bytes payload;
};

/* What an AuthenticationXxx asks for, by its number on the wire; all others are refused. */
enum bs_auth_kind {
    BS_AUTH_UNKNOWN = -1,
    BS_AUTH_OK = 0,
    BS_AUTH_PASSWORD = 3,
    BS_AUTH_MD5 = 5,
    BS_AUTH_SASL = 10,
    BS_AUTH_SASL_CONTINUE = 11,
    BS_AUTH_SASL_FINAL = 12,
};

struct bs_auth_request {
    enum bs_auth_kind kind;
    uint8_t salt[4];      /* MD5 */
    struct bs_bytes data; /* SASL: mechanism names, checked; _CONTINUE and _FINAL: its bytes */
};

BS_MUST_CHECK enum bs_done
bs_msg_read_report(struct bs_bytes body, struct bs_report_fields *out, struct bs_err *err);
BS_MUST_CHECK enum bs_done
bs_msg_read_columns(struct bs_bytes body, struct bs_columns *out, struct bs_err *err);
/* The next column; false at the end. */
bool bs_columns_next(struct bs_columns *columns, struct bs_column *out);
/* A DataRow. */
BS_MUST_CHECK enum bs_done
bs_msg_read_row(struct bs_bytes body, struct bs_values *out, struct bs_err *err);
/* A ParameterDescription. */
BS_MUST_CHECK enum bs_done
bs_msg_read_param_types(struct bs_bytes body, struct bs_oids *out, struct bs_err *err);
/* A CommandComplete. */
BS_MUST_CHECK enum bs_done
bs_msg_read_tag(struct bs_bytes body, struct bs_tag *out, struct bs_err *err);
/* A ReadyForQuery: 'I', 'T' or 'E'. */
BS_MUST_CHECK enum bs_done
bs_msg_read_ready(struct bs_bytes body, uint8_t *status, struct bs_err *err);
BS_MUST_CHECK enum bs_done
bs_msg_read_key_data(struct bs_bytes body, struct bs_key_data *out, struct bs_err *err);
BS_MUST_CHECK enum bs_done bs_msg_read_parameter_status(struct bs_bytes body,
                                                        struct bs_bytes *name,
                                                        struct bs_bytes *value,
                                                        struct bs_err *err);
/* err UNSUPPORTED: a method that we do not know; the message says which number. */
BS_MUST_CHECK enum bs_done
bs_msg_read_auth(struct bs_bytes body, struct bs_auth_request *out, struct bs_err *err);
/* True where an AuthenticationSASL offers that mechanism. */
bool bs_auth_offers(const struct bs_auth_request *auth, const char *mechanism);
BS_MUST_CHECK enum bs_done
bs_msg_read_negotiation(struct bs_bytes body, struct bs_negotiation *out, struct bs_err *err);
BS_MUST_CHECK enum bs_done
bs_msg_read_notification(struct bs_bytes body, struct bs_notification *out, struct bs_err *err);

/* ------------------------------------------------------ writing to clients */

/* What an ErrorResponse or NoticeResponse of ours says; detail and hint may be NULL. */
struct bs_report {
    const char *severity; /* "ERROR", "FATAL", "NOTICE", ...: goes into S and V */
    const char *sqlstate; /* five characters */
    const char *message;
    const char *detail;
    const char *hint;
    uint32_t position; /* in the statement, in characters from 1; 0: none */
};

/* `mechanisms`: names ended by a NULL pointer. */
void bs_msg_put_auth_sasl(struct bs_buf *b, const char *const *mechanisms);
void bs_msg_put_auth_sasl_continue(struct bs_buf *b, struct bs_bytes data);
void bs_msg_put_auth_sasl_final(struct bs_buf *b, struct bs_bytes data);
void bs_msg_put_auth_ok(struct bs_buf *b);
void bs_msg_put_parameter_status(struct bs_buf *b, const char *name, const char *value);
void bs_msg_put_key_data(struct bs_buf *b, uint32_t pid, struct bs_bytes secret);
void bs_msg_put_ready(struct bs_buf *b, uint8_t status); /* 'I', 'T' or 'E' */
void bs_msg_put_error(struct bs_buf *b, const struct bs_report *report);
void bs_msg_put_notice(struct bs_buf *b, const struct bs_report *report);
/* An ErrorResponse with what `err` holds; severity "ERROR" or "FATAL". */
void bs_msg_put_err(struct bs_buf *b, const char *severity, const struct bs_err *err);
/* NegotiateProtocolVersion: the highest minor version we speak, and options we do not know. */
void bs_msg_put_negotiate(struct bs_buf *b,
                          uint16_t minor,
                          const char *const *unknown,
                          size_t n_unknown);
void bs_msg_put_command_complete(struct bs_buf *b, const char *tag);
void bs_msg_put_empty_query(struct bs_buf *b);
void bs_msg_put_parse_complete(struct bs_buf *b);
void bs_msg_put_bind_complete(struct bs_buf *b);
void bs_msg_put_close_complete(struct bs_buf *b);
void bs_msg_put_no_data(struct bs_buf *b);

/* ------------------------------------------------------ writing to servers */

void bs_msg_put_query(struct bs_buf *b, struct bs_bytes text);
void bs_msg_put_parse(struct bs_buf *b,
                      struct bs_bytes name,
                      struct bs_bytes query,
                      const uint32_t *types,
                      size_t n_types);
/* Text parameters (binary ones are not ours to make), text results. */
void bs_msg_put_bind(struct bs_buf *b,
                     struct bs_bytes portal,
                     struct bs_bytes statement,
                     const struct bs_value *values,
                     size_t n_values);
/* What a client has sent, without its parameters. */
void bs_msg_put_bind_without(struct bs_buf *b, const struct bs_bind *bind);
void bs_msg_put_describe(struct bs_buf *b, uint8_t kind, struct bs_bytes name);
void bs_msg_put_execute(struct bs_buf *b, struct bs_bytes portal, uint32_t max_rows);
void bs_msg_put_close(struct bs_buf *b, uint8_t kind, struct bs_bytes name);
void bs_msg_put_sync(struct bs_buf *b);
void bs_msg_put_flush(struct bs_buf *b);
void bs_msg_put_terminate(struct bs_buf *b);
void bs_msg_put_copy_fail(struct bs_buf *b, const char *reason);
void bs_msg_put_password(struct bs_buf *b, const char *password);
void bs_msg_put_sasl_initial(struct bs_buf *b, const char *mechanism, struct bs_bytes data);
void bs_msg_put_sasl_response(struct bs_buf *b, struct bs_bytes data);

#endif
