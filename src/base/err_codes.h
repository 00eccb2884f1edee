/*
 * err_codes.h - every error Backstop can give, once. Included several times with BS_ERR defined.
 *
 * Never renumbered: add at the end. Exit statuses follow sysexits.h where DESIGN 12 does not say
 * otherwise; UNCERTAIN has one of its own and an HTTP status that clients do not retry by default.
 */
/* clang-format off */
/*     NAME          exit  http  sqlstate  retry  text */
BS_ERR(PROTOCOL,       76,  400, "08P01",  false, "peer broke the wire protocol")
BS_ERR(LIMIT,          65,  413, "54000",  false, "a configured limit was exceeded")
BS_ERR(IO,             74,  502, "08006",  true,  "read or write failed")
BS_ERR(UNCERTAIN,       5,  500, "08007",  false, "it is not known whether the change was applied")
BS_ERR(BLOCKED,        77,  403, "42501",  false, "policy refused the statement")
BS_ERR(USAGE,          64,  400, "22023",  false, "the command line or request is wrong")
BS_ERR(DATA,           65,  422, "22023",  false, "the input is not what was expected")
BS_ERR(CONFIG,         78,  500, "F0000",  false, "the configuration is wrong")
BS_ERR(UNAVAILABLE,    69,  503, "08001",  true,  "a service that is needed does not answer")
BS_ERR(AUTH,           77,  401, "28P01",  false, "authentication failed")
BS_ERR(FORBIDDEN,      77,  403, "42501",  false, "this credential may not do that")
BS_ERR(NOT_FOUND,      65,  404, "42704",  false, "there is no such thing")
BS_ERR(CONFLICT,        1,  409, "55000",  false, "the state does not allow that now")
BS_ERR(SYNTAX,         65,  422, "42601",  false, "the statement cannot be parsed")
BS_ERR(UNSUPPORTED,    65,  501, "0A000",  false, "this is not supported")
BS_ERR(HELD,            3,  409, "ZB001",  true,  "approval required")
BS_ERR(DENIED,          4,  403, "ZB002",  false, "denied by an operator")
BS_ERR(STALE,           3,  409, "ZB003",  true,  "the approval expired or the effect grew")
BS_ERR(NO_POINT,       69,  503, "ZB004",  true,  "no recovery point could be made or proven")
BS_ERR(UNCOVERED,      69,  409, "ZB005",  false, "rolled back: it changed more than was covered")
BS_ERR(PAUSED,         77,  403, "ZB006",  false, "paused or quarantined")
BS_ERR(CANCELLED,     130,  409, "57014",  false, "cancelled")
BS_ERR(DAMAGED,         1,  409, "XX001",  false, "stored data does not match its proof")
BS_ERR(DATABASE,       69,  502, "58000",  false, "the database refused")
BS_ERR(INTERNAL,       70,  500, "XX000",  false, "this should not happen; please report it")
BS_ERR(METHOD,         64,  405, "22023",  false, "this path does not take that method")
BS_ERR(ACCEPT,         64,  406, "22023",  false, "no form of the answer is acceptable")
BS_ERR(MEDIA,          64,  415, "22023",  false, "the body is of a type that is not read")
BS_ERR(CHANGED,         1,  412, "55000",  false, "it has changed since it was read")
BS_ERR(TOO_OFTEN,      69,  429, "53400",  true,  "too many requests")
/* clang-format on */
