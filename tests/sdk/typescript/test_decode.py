"""Errors as drivers throw them, and what this makes of them."""

ROWS = {
    "ZB001": ("Held", "pending", "same-transaction", "T-1", "2026-01-01T00:15:00.000Z"),
    "ZB002": ("Denied", "denied", "never", "T-1", None),
    "ZB003": ("Expired", "expired", "same-statement", "T-1", None),
    "ZB004": ("NotRecoverable", "failed", "never", "T-1", None),
    "ZB005": ("NotRecoverable", "failed", "never", None, None),
    "ZB006": ("Paused", "quarantined", "never", None, None),
    "42501": ("Blocked", "blocked", "never", None, None),
    "wrapped": ("Held", "pending", "same-statement", None, None),
    "no JSON": ("Held", "pending", "same-statement", None, None),
    "another version": ("Held", "pending", "same-statement", None, None),
    "wrong types": ("Held", "pending", "same-statement", None, None),
    "own 42501": None,
    "own 42501, JSON": None,
    "57014": None,
    "loop": None,
    "text": None,
    "nothing": None,
}


def test_every_row(place):
    said = place.script("tests/decode.mjs").rest()
    got = {one["row"]: tuple(one[k] for k in ("name", "state", "retry", "ticket", "expires")) if "name" in one else None for one in said}
    assert got == ROWS
    assert all(one["again"] for one in said)
