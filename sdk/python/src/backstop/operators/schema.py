"""What the operators' API sends and takes. Made by generate.py from src/api/openapi.json: do not edit."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

OPERATIONS: dict[str, tuple[str, str]] = {
    "listTickets": ("GET", "/v1/tickets"),
    "showTicket": ("GET", "/v1/tickets/{id}"),
    "approveTicket": ("POST", "/v1/tickets/{id}/approve"),
    "denyTicket": ("POST", "/v1/tickets/{id}/deny"),
    "commentTicket": ("POST", "/v1/tickets/{id}/comment"),
    "watchTickets": ("GET", "/v1/events"),
    "listActors": ("GET", "/v1/actors"),
    "showActor": ("GET", "/v1/actors/{name}"),
    "addActor": ("POST", "/v1/actors"),
    "setActor": ("PATCH", "/v1/actors/{name}"),
    "rotateActor": ("POST", "/v1/actors/{name}/rotate"),
    "disableActor": ("POST", "/v1/actors/{name}/disable"),
    "enableActor": ("POST", "/v1/actors/{name}/enable"),
    "quarantineActor": ("POST", "/v1/actors/{name}/quarantine"),
    "releaseActor": ("POST", "/v1/actors/{name}/release"),
    "revokeActor": ("POST", "/v1/actors/{name}/revoke"),
    "listPauses": ("GET", "/v1/pauses"),
    "pause": ("POST", "/v1/pauses"),
    "resume": ("DELETE", "/v1/pauses"),
    "listPoints": ("GET", "/v1/points"),
    "showPoint": ("GET", "/v1/points/{id}"),
    "listRestores": ("GET", "/v1/restores"),
    "beginRestore": ("POST", "/v1/restores"),
    "getRestore": ("GET", "/v1/restores/{id}"),
    "cancelRestore": ("DELETE", "/v1/restores/{id}"),
    "getRestoreResult": ("GET", "/v1/restores/{id}/result"),
    "getRestoreRows": ("GET", "/v1/restores/{id}/rows"),
    "runRestore": ("POST", "/v1/restores/{id}/run"),
    "diffRestore": ("POST", "/v1/restores/{id}/diff"),
    "planRestore": ("POST", "/v1/restores/{id}/plan"),
    "approveRestore": ("POST", "/v1/restores/{id}/approve"),
    "copyBackRestore": ("POST", "/v1/restores/{id}/copy-back"),
    "discardRestore": ("POST", "/v1/restores/{id}/discard"),
}


class _Problem(TypedDict):
    """What is always there."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    retryable: bool


class Problem(_Problem, total=False):
    """What went wrong: RFC 9457."""

    # The way out.
    hint: str


class _Actor(TypedDict):
    """What is always there."""

    name: str
    kind: Literal["agent", "app", "person"]
    status: str
    databases: list[str]


class Actor(_Actor, total=False):
    """Who may connect: an agent, an app or a person."""

    owner: str | None
    group: str | None
    role: str | None
    quarantine_why: str | None
    certificate: str | None
    certificate_only: bool
    addresses: list[str]
    created: str | None
    expires: str | None
    disabled: str | None
    revoked: str | None
    quarantined: str | None
    old_password_until: str | None
    paused: str | None


class ActorChange(TypedDict, total=False):
    """ActorChange, as the API has it."""

    # Configured names.
    databases: list[str]
    kind: Literal["agent", "app", "person"]
    # The human who answers for it.
    owner: str | None
    # What policies may name instead of it.
    group: str | None
    # From now, like `30d` or `12h`, or a time in UTC; null: never.
    expires: str | None
    # Ranges it may come from, like `10.0.0.0/8` or `local`; empty: anywhere.
    addresses: list[str]
    # On the server; null: the upstream's.
    role: str | None
    # `cn:NAME` or `dn:SUBJECT` that its certificate must say; null: none is asked for.
    certificate: str | None
    # The certificate is enough. Comes with `certificate`.
    certificate_only: bool


class _ActorNew(TypedDict):
    """What is always there."""

    name: str
    # Configured names.
    databases: list[str]


class ActorNew(_ActorNew, total=False):
    """ActorNew, as the API has it."""

    kind: Literal["agent", "app", "person"]
    # The human who answers for it.
    owner: str | None
    # What policies may name instead of it.
    group: str | None
    # From now, like `30d` or `12h`, or a time in UTC; null: never.
    expires: str | None
    # Ranges it may come from, like `10.0.0.0/8` or `local`; empty: anywhere.
    addresses: list[str]
    # On the server; null: the upstream's.
    role: str | None
    # `cn:NAME` or `dn:SUBJECT` that its certificate must say; null: none is asked for.
    certificate: str | None
    # The certificate is enough. Comes with `certificate`.
    certificate_only: bool


class ActorSecret(Actor, total=False):
    """With its password, which is shown once."""

    # Not there where the certificate is enough.
    password: str


class _Actors(TypedDict):
    """What is always there."""

    actors: list[Actor]


class Actors(_Actors, total=False):
    """Actors, as the API has it."""

    next: str


class Comment(TypedDict):
    """Comment, as the API has it."""

    # The operator's words, for all who look at the ticket.
    text: str


class Overlap(TypedDict, total=False):
    """Overlap, as the API has it."""

    # That the old one counts, too, like `24h`, up to 90 days.
    overlap: str


class _Pause(TypedDict):
    """What is always there."""

    scope: Literal["actor", "database", "everything"]
    # The operator's words, for the audit.
    reason: str


class Pause(_Pause, total=False):
    """Pause, as the API has it."""

    # Which actor or database; left out for everything.
    name: str
    # End what runs, and open transactions, too, with their sessions.
    cancel: bool


class Pauses(TypedDict):
    """Pauses, as the API has it."""

    pauses: list[dict[str, Any]]


class _PointWhole(TypedDict):
    """What is always there."""

    point: str
    outcome: str
    held: bool
    expired: bool
    events: list[dict[str, Any]]


class PointWhole(_PointWhole, total=False):
    """A recovery point with its manifest and events; of one that was erased, by whom and why."""

    proof: str
    restored: bool
    manifest: dict[str, Any] | None
    erased: dict[str, Any]


class _Points(TypedDict):
    """What is always there."""

    points: list[Point]


class Points(_Points, total=False):
    """Points, as the API has it."""

    next: str


class _Point(TypedDict):
    """What is always there."""

    point: str
    outcome: str
    proof: str
    restored: bool
    held: bool
    expired: bool
    erased: bool


class Point(_Point, total=False):
    """A recovery point, as a line of a list."""

    # Why its manifest cannot be read.
    error: str
    created_at: str
    database: str
    mode: str
    kind: str
    agent: str
    approver: str
    ticket: str
    rows: int
    stored_bytes: int
    tables: list[dict[str, Any]]


class Reason(TypedDict, total=False):
    """Reason, as the API has it."""

    # The operator's words, for the audit.
    reason: str


class _Restore(TypedDict):
    """What is always there."""

    id: str
    point: str
    created_by: str
    created_at: str
    step: Literal["preview", "run", "diff", "plan", "copy-back", "discard"]
    state: Literal["queued", "running", "done", "failed", "cancelled", "uncertain", "interrupted"]
    steps: list[RestoreStep]


class Restore(_Restore, total=False):
    """A way back, step by step."""

    database: str
    table: str
    # Only saved rows that it is true of.
    where: str
    # Of the statement that the point was made for.
    ticket: str
    # It connects as one: what agents wrote into triggers, checks and domains runs with all rights.
    superuser: bool
    # Saved rows of the point.
    rows: int
    stored_bytes: int
    progress: RestoreProgress
    subject: RestoreSubject


class _RestoreStep(TypedDict):
    """What is always there."""

    step: Literal["preview", "run", "diff", "plan", "copy-back", "discard"]
    state: Literal["queued", "running", "done", "failed", "cancelled", "uncertain", "interrupted"]
    by: str
    asked_at: str


class RestoreStep(_RestoreStep, total=False):
    """RestoreStep, as the API has it."""

    started_at: str
    finished_at: str
    # Of what it has shown: the next step names it.
    digest: str
    # Of a plan: the second operator.
    approved_by: str
    error: Problem


class _RestoreProgress(TypedDict):
    """What is always there."""

    bytes: int
    seconds: int


class RestoreProgress(_RestoreProgress, total=False):
    """RestoreProgress, as the API has it."""

    phase: str
    # Bytes in all, where that is known.
    of: int


class RestoreSubject(TypedDict):
    """What the preview was about, and all further steps are."""

    manifest_sha256: str
    # Null where the database could not be looked at.
    target: dict[str, Any] | None


class _RestoreApprove(TypedDict):
    """What is always there."""

    # Of what the operator has seen: that of the step that was done last; of the plan.
    digest: str


class RestoreApprove(_RestoreApprove, total=False):
    """Agreed to."""

    # Why; kept with the approval.
    reason: str


class _RestoreBegin(TypedDict):
    """What is always there."""

    # Its id, or the start of one.
    point: str


class RestoreBegin(_RestoreBegin, total=False):
    """What is to come back."""

    # The configured database, where several fit.
    database: str
    # Only this table, as schema.name.
    table: str
    # Only saved rows of the table that this condition is true of.
    where: str
    # Read the point again, however large it is.
    verify: bool


class _RestorePlan(TypedDict):
    """What is always there."""

    # Of what the operator has seen: that of the step that was done last; of the plan.
    digest: str


class RestorePlan(_RestorePlan, total=False):
    """What was seen, and how rows go back."""

    # Rows that others have changed since; skip where it is left out.
    conflict: Literal["skip", "overwrite", "abort"]
    # User triggers do not fire.
    no_triggers: bool
    # Rows that the transaction made go, too.
    remove_inserted: bool
    # Sequences go back to what they were.
    set_sequences: bool
    # Bring back all that the database had and lacks.
    all_missing: bool
    # All points of the same transaction, in one.
    group: bool


class _RestoreResult(TypedDict):
    """What is always there."""

    step: Literal["preview", "run", "diff", "plan", "copy-back", "discard"]
    result: dict[str, Any]


class RestoreResult(_RestoreResult, total=False):
    """RestoreResult, as the API has it."""

    # `cursor` of the next page of tables.
    next: str


class _RestoreRows(TypedDict):
    """What is always there."""

    table: str
    columns: list[str]
    rows: list[list[str | dict[str, Any] | None]]


class RestoreRows(_RestoreRows, total=False):
    """RestoreRows, as the API has it."""

    # `cursor` of the next page.
    next: str


class _RestoreRun(TypedDict):
    """What is always there."""

    # Of what the operator has seen: that of the step that was done last; of the plan.
    digest: str


class RestoreRun(_RestoreRun, total=False):
    """What was seen, and where the rows go."""

    # Load one table here instead, as schema.name.
    into: str


class RestoreSeen(TypedDict):
    """What was seen."""

    # Of what the operator has seen: that of the step that was done last; of the plan.
    digest: str


class _Restores(TypedDict):
    """What is always there."""

    restores: list[Restore]


class Restores(_Restores, total=False):
    """Restores, as the API has it."""

    # `cursor` of the next page.
    next: str


class Resumed(TypedDict):
    """Resumed, as the API has it."""

    scope: Literal["actor", "database", "everything"]
    name: str
    # A pause was lifted.
    pause: bool
    # A quarantine was lifted.
    quarantine: bool


class _Ticket(TypedDict):
    """What is always there."""

    id: str
    state: Literal["pending", "approved", "denied", "expired", "running", "done", "failed", "uncertain"]
    actor: str
    database: str
    sql: str
    created: str
    # How often the same request came.
    asked: int


class Ticket(_Ticket, total=False):
    """A held statement."""

    owner: str
    environment: str
    role: str
    session: str
    client: str
    params: str
    risk: str
    effects: Any
    plan: Any
    reasons: Any
    evades: Any
    approvals: Approvals
    # What the client says of itself; nobody has proven it.
    claims: dict[str, str]
    decide_by: str
    decided: str
    decided_by: str
    reason: str
    redeem_by: str
    started: str
    finished: str
    detail: str
    point: str
    # Oldest first; a list of tickets leaves this out.
    decisions: list[Decision]
    # Oldest first; a list of tickets leaves this out.
    comments: list[Said]
    # The approvals that it still needs, while it is pending; a list of tickets leaves this out.
    missing: list[Missing]
    progress: dict[str, Any]
    break_glass: BreakGlass


class Approvals(TypedDict):
    """What the policy wants before it may run; missing: one approver."""

    v: int
    needs: list[dict[str, Any]]
    require_reason: bool
    # The owner of the actor may not approve.
    exclude_owner: bool


class _Decision(TypedDict):
    """What is always there."""

    operator: str
    decision: Literal["approve", "deny"]
    at: str
    # Those of the operator, then.
    groups: list[str]


class Decision(_Decision, total=False):
    """Decision, as the API has it."""

    reason: str
    # False where the operator may not approve any more.
    counts: bool


class Said(TypedDict):
    """Said, as the API has it."""

    operator: str
    at: str
    text: str


class Missing(TypedDict):
    """Missing, as the API has it."""

    quorum: int
    have: int
    groups: list[str]
    # Operators whose approval would count.
    could: list[str]


class _BreakGlass(TypedDict):
    """What is always there."""

    operator: str
    reason: str
    at: str


class BreakGlass(_BreakGlass, total=False):
    """An admin let it through alone."""

    reviewed_by: str
    reviewed: str
    # The reviewer's words.
    note: str
    # Whoever broke it is no admin any more: it approves nothing.
    counts: Any


class _Tickets(TypedDict):
    """What is always there."""

    tickets: list[Ticket]


class Tickets(_Tickets, total=False):
    """Tickets, as the API has it."""

    # Cursor of the next page; missing on the last one.
    next: str


class TokenEnd(TypedDict, total=False):
    """TokenEnd, as the API has it."""

    # Only this short-lived password.
    token: str
