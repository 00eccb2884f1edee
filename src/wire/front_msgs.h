/*
 * front_msgs.h - every message a client may send after the start, once. Included with BS_FRONT
 * defined. What is not in the table is refused.
 *
 * min and max are bytes of body. SMALL is PostgreSQL's own limit for messages that hold no data;
 * CAP is the configured limit of what is assembled; DATA is never assembled, only counted through.
 */
/* clang-format off */
/*       byte NAME           min  max    section of the manual */
BS_FRONT('B', BIND,            8, CAP,   "PROTOCOL-FLOW-EXT-QUERY")
BS_FRONT('C', CLOSE,           2, SMALL, "PROTOCOL-FLOW-EXT-QUERY")
BS_FRONT('D', DESCRIBE,        2, SMALL, "PROTOCOL-FLOW-EXT-QUERY")
BS_FRONT('E', EXECUTE,         5, SMALL, "PROTOCOL-FLOW-EXT-QUERY")
BS_FRONT('F', FUNCTION_CALL,  10, CAP,   "PROTOCOL-FLOW-FUNCTION-CALL")
BS_FRONT('H', FLUSH,           0, EMPTY, "PROTOCOL-FLOW-EXT-QUERY")
BS_FRONT('P', PARSE,           4, CAP,   "PROTOCOL-FLOW-EXT-QUERY")
BS_FRONT('Q', QUERY,           1, CAP,   "PROTOCOL-FLOW-SIMPLE-QUERY")
BS_FRONT('S', SYNC,            0, EMPTY, "PROTOCOL-FLOW-EXT-QUERY")
BS_FRONT('X', TERMINATE,       0, EMPTY, "PROTOCOL-FLOW-TERMINATION")
BS_FRONT('c', COPY_DONE,       0, EMPTY, "PROTOCOL-COPY")
BS_FRONT('d', COPY_DATA,       0, DATA,  "PROTOCOL-COPY")
BS_FRONT('f', COPY_FAIL,       1, SMALL, "PROTOCOL-COPY")
BS_FRONT('p', AUTH_RESPONSE,   0, SMALL, "PROTOCOL-FLOW-START-UP")
/* clang-format on */
