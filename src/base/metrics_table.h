/*
 * metrics_table.h - everything that is counted or measured, once. Included with BS_COUNTER, BS_GAUGE
 * and BS_HISTOGRAM defined. Names are Prometheus's; labels stand behind the name, those of one name
 * one below the other. What is measured in nanoseconds is shown in seconds.
 */
/* clang-format off */
/*         NAME             name                                  labels                 help */
BS_COUNTER(ALLOWED,         "backstop_decisions_total",           "decision=\"allow\"",   "Statements by what the policy decided")
BS_COUNTER(HELD,            "backstop_decisions_total",           "decision=\"approve\"", "")
BS_COUNTER(BLOCKED,         "backstop_decisions_total",           "decision=\"block\"",   "")
BS_COUNTER(APPROVED,        "backstop_operator_decisions_total",  "decision=\"approve\"", "Tickets by what operators decided")
BS_COUNTER(DENIED,          "backstop_operator_decisions_total",  "decision=\"deny\"",    "")
BS_COUNTER(GLASS_BROKEN,    "backstop_operator_decisions_total",  "decision=\"break-glass\"", "")
BS_COUNTER(LOGINS,          "backstop_logins_total",              "outcome=\"done\"",     "Clients that logged in, or were refused after they said who they are")
BS_COUNTER(LOGINS_REFUSED,  "backstop_logins_total",              "outcome=\"refused\"",  "")
BS_COUNTER(CAPTURES,        "backstop_captures_total",            "outcome=\"done\"",     "Recovery points that statements needed")
BS_COUNTER(CAPTURES_FAILED, "backstop_captures_total",            "outcome=\"failed\"",   "")
BS_COUNTER(NOTIFY_DONE,     "backstop_notify_tries_total",        "outcome=\"taken\"",    "Tries to tell a target of notify, by what became of them")
BS_COUNTER(NOTIFY_LATER,    "backstop_notify_tries_total",        "outcome=\"failed\"",   "")
BS_COUNTER(NOTIFY_DEAD,     "backstop_notify_tries_total",        "outcome=\"given_up\"", "")
BS_COUNTER(VERDICT_HITS,    "backstop_verdict_cache_total",       "outcome=\"hit\"",      "Texts to be judged, by whether the worker had kept the verdict")
BS_COUNTER(VERDICT_MISSES,  "backstop_verdict_cache_total",       "outcome=\"miss\"",     "")
BS_COUNTER(UPLOADS,         "backstop_audit_uploads_total",       "outcome=\"done\"",     "Finished files of the audit log that were sent to the store")
BS_COUNTER(UPLOADS_FAILED,  "backstop_audit_uploads_total",       "outcome=\"failed\"",   "")

/*       NAME           name                           help */
BS_GAUGE(VERDICT_BYTES, "backstop_verdict_cache_bytes", "Memory of the verdicts that are kept, of all workers")
BS_GAUGE(UPLOAD_WAITING, "backstop_audit_upload_waiting_files", "Finished files of the audit log that the store does not have yet")
BS_GAUGE(UPLOAD_LAG,     "backstop_audit_upload_lag_seconds",   "How long the oldest of them has been finished; 0: there is none")
BS_GAUGE(LONG_TEXTS,    "backstop_long_texts",          "Texts of over 64 KB that are being judged, or wait for their turn")

/*           NAME           name                              unit     help */
BS_HISTOGRAM(RELAY,         "backstop_relay_seconds",         SECONDS, "Added by the gateway to what a client sends at once, from read to written; one of sixteen is measured")
BS_HISTOGRAM(CLASSIFY,      "backstop_classify_seconds",      SECONDS, "Judging one text, where its verdict was not kept")
BS_HISTOGRAM(HOLD,          "backstop_hold_seconds",          SECONDS, "How long statements were held for a decision")
BS_HISTOGRAM(CAPTURE,       "backstop_capture_seconds",       SECONDS, "Making and proving a recovery point")
BS_HISTOGRAM(CAPTURE_BYTES, "backstop_capture_bytes",         BYTES,   "Rows that a recovery point copied, before compression")
BS_HISTOGRAM(AUDIT,         "backstop_audit_lag_seconds",     SECONDS, "Between a record of the audit and its being on disk, for the oldest of each batch")
/* clang-format on */
