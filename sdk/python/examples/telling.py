"""What all examples say, a JSON object a line: what is held, and how it ended."""

import json
import os

TASK = "How many orders are there? Then delete those that are closed."
READ = "SELECT count(*) AS n FROM shop.orders"
DELETE = "DELETE FROM shop.orders WHERE status = 'closed'"
DATABASE_URL = os.environ["DATABASE_URL"]  # of the gateway, with the agent's own credential


def tell(event, **more):
    print(json.dumps({"event": event, **more}, default=str), flush=True)


def next_step(answers):
    """
    The model of these examples, which is a script: what it does after the tools' answers so far. It is what one
    hopes for from a real one: it reads, asks, waits where it is told to, and stops where it is told to.

    Returns ("backstop_query" | "backstop_wait", argument) or ("answer", text).
    """
    last = answers[-1] if answers else None
    if last is None:
        step = ("backstop_query", READ)
    elif len(answers) == 1:
        step = ("backstop_query", DELETE)
    elif last["status"] == "pending_approval":
        tell("held", ticket=last["ticket"])
        step = ("backstop_wait", last["ticket"])
    elif last["status"] == "approved":
        step = ("backstop_query", DELETE)
    elif last["status"] == "completed":
        step = ("answer", f"There were {answers[0]['rows'][0]['n']} orders; {last['command']}.")
    elif last["status"] == "refused":
        step = ("answer", f"I stopped. {last['reason']} {last['next']}")
    else:
        step = ("answer", f"I stopped. {last['message']}")
    return step
