// The way of a held statement: sent, held, waited for, sent again once.
import { inTransaction, type AnyClient } from "./clients.js";
import { wait, type Ticket, type Waiting } from "./door.js";
import { BackstopError, connectionLost, decode, Denied, Expired, Held, translate, Uncertain } from "./errors.js";

/** The connection whose statement was held: guarded clients leave it on the error. */
const CLIENT = Symbol("backstop client");

export interface Retrying extends Waiting {
  /** Where to ask about tickets; guarded clients tell by themselves. */
  client?: AnyClient | undefined;
  /** Called with each hold, before it is waited for. */
  onHeld?: ((held: Held) => void) | undefined;
  /** Different tickets of one call, 8: what is different at each try would ask for ever. */
  maxTickets?: number | undefined;
}

/** For guards: the gateway's answer as a class that knows its connection. */
export function guarded(error: unknown, client: AnyClient): unknown {
  const found = translate(error);
  if (found instanceof Held && !(CLIENT in found)) Object.defineProperty(found, CLIENT, { value: client });
  return found;
}

/**
 * Calls `fn`, which sends a statement or a whole transaction. Held, it waits for the decision and calls `fn`
 * again, which has to send exactly the same. Whatever is denied, blocked, expired or may have run is never
 * sent again. After `timeout` the `Held` is thrown: its ticket stays, and the same can be tried later.
 */
export async function retryOnApproval<T>(fn: () => PromiseLike<T> | T, retrying: Retrying = {}): Promise<T> {
  const until = retrying.timeout === undefined ? Infinity : Date.now() + retrying.timeout;
  const seen = new Map<string, number>();
  for (let last: Held | undefined; ; ) {
    retrying.signal?.throwIfAborted();
    try {
      return await fn();
    } catch (error) {
      last = heldBy(error, last);
      retrying.onHeld?.(last);
      await decided(last, seen, until, retrying);
    }
  }
}

/** The hold, where it is one; everything else is thrown on. */
function heldBy(error: unknown, last: Held | undefined): Held {
  const found = decode(error);
  if (found instanceof Held) return found;
  if (found === undefined && last !== undefined && connectionLost(error)) {
    const message = "the connection broke while an approved statement ran: it is not known whether it took effect";
    throw new Uncertain({ sqlstate: "08007", message, state: "uncertain", ticket: last.ticket }, { cause: error });
  }
  throw found ?? error;
}

const SAME_TICKET = 3; // times it may come back: approved, but not for what is sent

/** Returns when the same may be sent again. */
async function decided(held: Held, seen: Map<string, number>, until: number, retrying: Retrying): Promise<void> {
  const client = retrying.client ?? (held as { [CLIENT]?: AnyClient })[CLIENT];
  if (client === undefined || held.ticket === null || held.retry === "never") throw held;
  if (inTransaction(client)) throw held; // it was begun before `fn`: sent again, it would be a part of it only
  const times = (seen.get(held.ticket) ?? 0) + 1;
  seen.set(held.ticket, times);
  const left = until - Date.now();
  if (times > SAME_TICKET || seen.size > (retrying.maxTickets ?? 8) || left <= 0) throw held;
  const timeout = left === Infinity ? undefined : left;
  outcome(await wait(client, held.ticket, { signal: retrying.signal, timeout }), held);
}

function outcome(now: Ticket, held: Held): void {
  if (now.state === "approved") return;
  if (now.state === "pending") throw held;
  const facts = { sqlstate: "ZB001", ticket: now.ticket, state: now.state, expires: now.expires, reason: now.reason, message: `ticket ${now.ticket} is ${now.state}` };
  const cause = { cause: held };
  if (now.state === "denied") throw new Denied({ ...facts, sqlstate: "ZB002", retry: "never" }, cause);
  if (now.state === "expired") throw new Expired({ ...facts, sqlstate: "ZB003", retry: "ask-again" }, cause);
  if (now.state === "uncertain") throw new Uncertain({ ...facts, sqlstate: "08007", retry: "never" }, cause);
  // Running, done or failed: somebody has used the approval.
  throw new BackstopError({ ...facts, retry: "never" }, cause);
}
