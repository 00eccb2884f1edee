"""Real clients, one script a language, and the table of what each was seen to do.

Every script is called as

    SCRIPT CLIENT URL CERTIFICATE direct|gateway

and connects to URL, which says sslmode=verify-full and whose certificate to trust; CERTIFICATE is of another, and to
trust that must fail. It prints a line of JSON for itself, {"client", "version"}, and one for each item of ITEMS:
{"item", "result"}, where result is "passed", "failed" or "not offered", the latter two with "why". In `held` it prints
{"held": {"sqlstate", "message", "detail"}} and waits for a line on standard input: then the operator has said yes.
Past the gateway (`direct`) nothing is held.
"""
