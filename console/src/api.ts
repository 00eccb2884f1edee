// Asking the gateway. The session is a cookie that scripts cannot read; what changes something carries
// the session's CSRF token, which other sites cannot read either.

import { signal } from "./store";

export type Session = { operator: string; role: "viewer" | "approver" | "admin"; csrf: string; expires: string };

/** Undefined: not known yet; null: nobody is logged in. */
export const session = signal<Session | null | undefined>(undefined);
export const ended = signal<boolean>(false);

export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly hint: string,
    readonly retry: number,
  ) {
    super(detail);
  }
}

export type Answer<T> = { data: T; etag: string };
export type Ask = { method?: string; body?: unknown; match?: string; key?: string; accept?: string; wait?: number; signal?: AbortSignal };

const TIME_OUT_MS = 20_000;
const AT_WORK_MS = 60_000;

/** When somebody last did something here. What is read long after that is read by the page alone. */
let touched = Date.now();
for (const kind of ["pointerdown", "keydown", "wheel", "touchmove"]) {
  addEventListener(kind, () => { touched = Date.now(); }, { capture: true, passive: true });
}

async function problemOf(answer: Response): Promise<Problem> {
  const said = (await answer.json().catch(() => ({}))) as Record<string, unknown>;
  const detail = typeof said.detail === "string" ? said.detail : `the gateway answered ${answer.status}`;
  const hint = typeof said.hint === "string" ? said.hint : "";
  const retry = Number(answer.headers.get("Retry-After") ?? 0);
  return new Problem(answer.status, typeof said.code === "string" ? said.code : "", detail, hint, retry);
}

function fieldsOf(how: Ask): Record<string, string> {
  const fields: Record<string, string> = { Accept: how.accept ?? "application/json, application/problem+json" };
  if (how.body !== undefined) fields["Content-Type"] = "application/json";
  if (how.match) fields["If-Match"] = how.match;
  if (how.key) fields["Idempotency-Key"] = how.key;
  const csrf = session.value?.csrf;
  const changes = how.method !== undefined && how.method !== "GET";
  if (changes && csrf) fields["X-CSRF-Token"] = csrf;
  if (!changes && Date.now() - touched > AT_WORK_MS) fields["X-Backstop-Watch"] = "1";
  return fields;
}

async function send(path: string, how: Ask): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), how.wait ?? TIME_OUT_MS);
  how.signal?.addEventListener("abort", () => late.abort());
  try {
    return await fetch(path, {
      method: how.method ?? "GET",
      headers: fieldsOf(how),
      body: how.body === undefined ? null : JSON.stringify(how.body),
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      signal: late.signal,
    });
  } catch {
    if (how.signal?.aborted) throw new DOMException("not wanted any more", "AbortError");
    throw new Problem(0, "OFFLINE", "the gateway does not answer", "It may be restarting, or the network is down.", 0);
  } finally {
    clearTimeout(timer);
  }
}

export async function ask<T>(path: string, how: Ask = {}): Promise<Answer<T>> {
  const answer = await send(path, how);
  if (answer.status === 401 && session.value) {
    ended.value = true;
    session.value = null;
  }
  if (!answer.ok) throw await problemOf(answer);
  const data = answer.status === 204 ? undefined : await answer.json();
  return { data: data as T, etag: answer.headers.get("ETag") ?? "" };
}

export async function askText(path: string, abort?: AbortSignal): Promise<string> {
  const answer = await send(path, { accept: "text/plain, application/problem+json", ...(abort ? { signal: abort } : {}) });
  if (!answer.ok) throw await problemOf(answer);
  return answer.text();
}

/** A name for one act of the operator: sent twice, it happens once. */
export function actKey(): string {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export async function resume(): Promise<void> {
  try {
    session.value = (await ask<Session>("/v1/session")).data;
  } catch (error) {
    if (error instanceof Problem && error.status === 401) session.value = null;
    else throw error;
  }
}

export async function logIn(token: string): Promise<void> {
  session.value = (await ask<Session>("/v1/session", { method: "POST", body: { token } })).data;
  ended.value = false;
}

export async function logOut(): Promise<void> {
  await ask("/v1/session", { method: "DELETE" }).catch(() => undefined);
  ended.value = false;
  session.value = null;
}

export function mayDecide(): boolean {
  const role = session.value?.role;
  return role === "approver" || role === "admin";
}

export function query(fields: Record<string, string | number | undefined>): string {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text === "" ? "" : `?${text}`;
}
