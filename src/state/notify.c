/*
 * notify.c - names of events, once.
 */
#include "state/notify.h"

#include <string.h>

static const struct {
    const char *name;
    enum bs_ticket_state state; /* of the ticket; NONE: it is not of one */
    const char *action;         /* the change it tells of; NULL */
} events[BS_NOTIFY_EVENTS] = {
    [BS_NOTIFY_NONE] = {"none", BS_TICKET_NONE, NULL},
    [BS_NOTIFY_TICKET_OPENED] = {"ticket.opened", BS_TICKET_PENDING, NULL},
    [BS_NOTIFY_TICKET_APPROVAL] = {"ticket.approval", BS_TICKET_PENDING, NULL},
    [BS_NOTIFY_TICKET_APPROVED] = {"ticket.approved", BS_TICKET_APPROVED, NULL},
    [BS_NOTIFY_BREAK_GLASS] = {"ticket.break_glass", BS_TICKET_APPROVED, NULL},
    [BS_NOTIFY_TICKET_DENIED] = {"ticket.denied", BS_TICKET_DENIED, NULL},
    [BS_NOTIFY_TICKET_EXPIRED] = {"ticket.expired", BS_TICKET_EXPIRED, NULL},
    [BS_NOTIFY_TICKET_RUNNING] = {"ticket.running", BS_TICKET_RUNNING, NULL},
    [BS_NOTIFY_TICKET_DONE] = {"ticket.done", BS_TICKET_DONE, NULL},
    [BS_NOTIFY_TICKET_FAILED] = {"ticket.failed", BS_TICKET_FAILED, NULL},
    [BS_NOTIFY_TICKET_UNCERTAIN] = {"ticket.uncertain", BS_TICKET_UNCERTAIN, NULL},
    [BS_NOTIFY_PAUSED] = {"pause", BS_TICKET_NONE, "pause"},
    [BS_NOTIFY_RESUMED] = {"resume", BS_TICKET_NONE, "resume"},
    [BS_NOTIFY_QUARANTINED] = {"agent.quarantined", BS_TICKET_NONE, "agent.quarantine"},
    [BS_NOTIFY_RELEASED] = {"agent.released", BS_TICKET_NONE, "agent.release"},
    [BS_NOTIFY_POINT_FAILED] = {"point.failed", BS_TICKET_NONE, NULL},
    [BS_NOTIFY_TEST] = {"test", BS_TICKET_NONE, NULL},
};

const char *
bs_notify_event_name(enum bs_notify_event event)
{
    return (unsigned)event < BS_NOTIFY_EVENTS ? events[event].name : "none";
}

enum bs_notify_event
bs_notify_event_find(const char *name)
{
    for (unsigned i = BS_NOTIFY_NONE + 1; name != NULL && i < BS_NOTIFY_EVENTS; i++) {
        if (strcmp(events[i].name, name) == 0)
            return (enum bs_notify_event)i;
    }
    return BS_NOTIFY_NONE;
}

/* The last of a state's: a pending ticket is told of by name (opened, approval) where it happens. */
enum bs_notify_event
bs_notify_event_of(enum bs_ticket_state state)
{
    for (unsigned i = BS_NOTIFY_TICKET_APPROVED; i < BS_NOTIFY_PAUSED; i++) {
        if (events[i].state == state)
            return (enum bs_notify_event)i;
    }
    return BS_NOTIFY_NONE;
}

enum bs_notify_event
bs_notify_event_of_change(const char *action)
{
    for (unsigned i = BS_NOTIFY_NONE + 1; i < BS_NOTIFY_EVENTS; i++) {
        if (events[i].action != NULL && strcmp(events[i].action, action) == 0)
            return (enum bs_notify_event)i;
    }
    return BS_NOTIFY_NONE;
}

enum bs_ticket_state
bs_notify_event_state(enum bs_notify_event event)
{
    return (unsigned)event < BS_NOTIFY_EVENTS ? events[event].state : BS_TICKET_NONE;
}
