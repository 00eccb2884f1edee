// What happens to tickets, as it happens: the stream of events where it can be had, polling where not.
//
// Read by fetch rather than EventSource: the stream's comments show that the gateway is still there, and
// EventSource keeps those to itself.

import { Problem, session } from "./api";
import { signal } from "./store";

/** live: each event comes at once; polling: the list is asked for anew; offline: nobody answers. */
export type Line = "connecting" | "live" | "polling" | "offline";

export const line = signal<Line>("connecting");
/** When the gateway was last heard of. */
export const heard = signal<number>(0);
/** The news: one more for each event, or each time that some may have been missed. */
export const news = signal<number>(0);
/** The same for restores. */
export const restoreNews = signal<number>(0);

const SILENCE_MS = 12_000; // a comment comes every five seconds
const POLL_MS = 4_000;
const WAIT_MS = [250, 1_000, 2_000, 5_000];

let last = "";
let running: AbortController | null = null;

function tell(event = "reset"): void {
  if (event !== "restore") news.value = news.value + 1;
  if (event !== "ticket") restoreNews.value = restoreNews.value + 1;
}

function takeBlock(block: string): void {
  const fields = new Map<string, string>();
  for (const row of block.split("\n")) {
    const colon = row.indexOf(":");
    if (colon > 0) fields.set(row.slice(0, colon), row.slice(colon + 1).trimStart());
  }
  if (fields.has("id")) last = fields.get("id") ?? "";
  const event = fields.get("event");
  if (event !== undefined) tell(event);
}

/** Returns when the stream has ended by itself, as it does every minute. */
async function listen(stop: AbortController): Promise<void> {
  const round = new AbortController();
  const end = (): void => round.abort();
  stop.signal.addEventListener("abort", end);
  addEventListener("offline", end);
  let silent = setTimeout(end, SILENCE_MS);
  try {
    const fields: Record<string, string> = { Accept: "text/event-stream" };
    if (last !== "") fields["Last-Event-ID"] = last;
    const answer = await fetch("/v1/events", {
      headers: fields,
      credentials: "same-origin",
      cache: "no-store",
      signal: round.signal,
    });
    if (!answer.ok || answer.body === null) {
      if (answer.status === 401) session.value = null;
      throw new Problem(answer.status, "", "no stream", "", Number(answer.headers.get("Retry-After") ?? 0));
    }
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    if (last === "" || line.value !== "live") tell();
    line.value = "live";
    heard.value = Date.now();
    for (let rest = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(silent);
      silent = setTimeout(end, SILENCE_MS);
      heard.value = Date.now();
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop() ?? "";
      blocks.forEach(takeBlock);
    }
  } finally {
    clearTimeout(silent);
    stop.signal.removeEventListener("abort", end);
    removeEventListener("offline", end);
  }
}

function pause(ms: number, stop: AbortController): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    const soon = (): void => {
      clearTimeout(timer);
      done();
    };
    stop.signal.addEventListener("abort", soon, { once: true });
    addEventListener("online", soon, { once: true });
  });
}

async function keepListening(stop: AbortController): Promise<void> {
  for (let failures = 0; !stop.signal.aborted; ) {
    try {
      await listen(stop);
      failures = 0;
    } catch (error) {
      if (stop.signal.aborted) return;
      const retry = error instanceof Problem ? error.retry : 0;
      line.value = error instanceof Problem ? "polling" : "offline";
      await pause(retry > 0 ? retry * 1000 : (WAIT_MS[Math.min(failures++, WAIT_MS.length - 1)] ?? 0), stop);
    }
  }
}

/** The lists report how their asking went: without the stream that is all we know. */
export function answered(well: boolean): void {
  if (well) heard.value = Date.now();
  if (line.value === "live" || line.value === "connecting") return;
  line.value = well ? "polling" : "offline";
}

function follow(): void {
  const wanted = session.value != null;
  if (wanted === (running !== null)) return;
  if (!wanted) {
    running?.abort();
    running = null;
    line.value = "connecting";
    last = "";
    return;
  }
  running = new AbortController();
  void keepListening(running);
}

session.watch(follow);
setInterval(() => {
  if (running !== null && line.value !== "live") tell();
}, POLL_MS);
