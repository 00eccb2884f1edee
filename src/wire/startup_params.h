/*
 * startup_params.h - every setting a client may ask for when it connects, once. Included with
 * BS_PARAM defined. What is not in the table is refused: role, session_authorization,
 * session_replication_role, row_security, default_transaction_read_only, search_path,
 * replication and all that is not known to be harmless.
 *
 * FORWARD goes to the server as it is. TRUE, ENCODING and QUOTES are settings the gateway pins
 * itself: the client may name the pinned value, which is then not forwarded. CLAIM is kept for
 * display and never forwarded. VIA is for connections of this process alone: the gateway refuses it on all others.
 * WAIT is for whoever holds statements.
 */
/* clang-format off */
/*       name                                   rule */
BS_PARAM("application_name",                    FORWARD)
BS_PARAM("backslash_quote",                     QUOTES)
BS_PARAM("backstop.parent",                     CLAIM)
BS_PARAM("backstop.purpose",                    CLAIM)
BS_PARAM("backstop.run",                        CLAIM)
BS_PARAM("backstop.run_id",                     CLAIM)
BS_PARAM("backstop.via",                        VIA)
BS_PARAM("backstop.wait",                       WAIT)
BS_PARAM("bytea_output",                        FORWARD)
BS_PARAM("client_encoding",                     ENCODING)
BS_PARAM("client_min_messages",                 FORWARD)
BS_PARAM("DateStyle",                           FORWARD)
BS_PARAM("default_transaction_deferrable",      FORWARD)
BS_PARAM("default_transaction_isolation",       FORWARD)
BS_PARAM("escape_string_warning",               FORWARD)
BS_PARAM("extra_float_digits",                  FORWARD)
BS_PARAM("geqo",                                FORWARD)
BS_PARAM("idle_in_transaction_session_timeout", FORWARD)
BS_PARAM("idle_session_timeout",                FORWARD)
BS_PARAM("IntervalStyle",                       FORWARD)
BS_PARAM("jit",                                 FORWARD)
BS_PARAM("lc_monetary",                         FORWARD)
BS_PARAM("lc_numeric",                          FORWARD)
BS_PARAM("lc_time",                             FORWARD)
BS_PARAM("lock_timeout",                        FORWARD)
BS_PARAM("plan_cache_mode",                     FORWARD)
BS_PARAM("standard_conforming_strings",         TRUE)
BS_PARAM("statement_timeout",                   FORWARD)
BS_PARAM("tcp_keepalives_count",                FORWARD)
BS_PARAM("tcp_keepalives_idle",                 FORWARD)
BS_PARAM("tcp_keepalives_interval",             FORWARD)
BS_PARAM("tcp_user_timeout",                    FORWARD)
BS_PARAM("TimeZone",                            FORWARD)
BS_PARAM("transaction_timeout",                 FORWARD)
BS_PARAM("xmlbinary",                           FORWARD)
BS_PARAM("xmloption",                           FORWARD)
/* clang-format on */
