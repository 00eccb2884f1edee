/* clang-format off */
/* kinds_table.h - RISK.md as rows: name, text, risk and recovery point of the plain form. */
BS_KIND(SELECT, "SELECT", SAFE, NONE)
BS_KIND(DELETE, "DELETE", CRITICAL, ROWS)
/* clang-format on */
