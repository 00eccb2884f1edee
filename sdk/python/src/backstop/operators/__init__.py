"""The operators' API: for programs of operators, with an operator's token. Agents never have one.

api = Client("http://127.0.0.1:6580", token)
for ticket in api.tickets(state="pending"):
    api.approve(ticket["id"], reason="agreed with alice")
"""

from .client import Client, Event, ProblemError

__all__ = ["Client", "Event", "ProblemError"]
