// What the description of the API leaves open: the parts of a ticket that are kept as JSON. Nothing is
// assumed of them: what is missing or of another type reads as absent.

import type { Ticket } from "./generated/schema";

type Bag = Record<string, unknown>;

export type Sample = { columns: string[]; before: Row[]; after: Row[] };
export type Row = Array<string | null>;

export type Effect = {
  kind: string;
  object: string;
  reach: string;
  part: boolean;
  rows?: number;
  about: boolean;
  measured: string;
  share?: number;
  of?: number;
  lock: string;
  rewrites: boolean;
  sample?: Sample;
};

export type Plan = {
  kind: string;
  grade: string;
  why: string;
  bytes?: number;
  rows?: number;
  seconds?: number;
  budget?: number;
  most?: number;
  fits: boolean;
  definition: boolean;
  tables: string[];
  notCovered: string[];
  store?: { answers: boolean; error: string; room: boolean; lock: string; undeletable: boolean };
};

export type Reason = { code: string; text: string };
export type Evades = { of: string; sure: boolean; text: string };
export type Progress = { phase: string; rows: number; bytes: number; of: number; seconds: number; left?: number };

export function bag(value: unknown): Bag {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Bag) : {};
}

export function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

export function text(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}

export function number(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** Fields without those that are undefined. */
function given<T extends object>(all: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as T;
}

function rowsOf(value: unknown): Row[] {
  return list(value).map((row) => list(row).map((v) => (v === null ? null : text(v))));
}

function sampleOf(value: unknown): Sample | undefined {
  const s = bag(value);
  const columns = list(s.columns).map(text);
  if (columns.length === 0) return undefined;
  return { columns, before: rowsOf(s.before), after: rowsOf(s.after) };
}

/** An estimate below zero is none: a view has no rows of its own. */
function estimate(value: unknown): number | undefined {
  const rows = number(value);
  return rows !== undefined && rows >= 0 ? rows : undefined;
}

export function effectOf(value: unknown): Effect {
  const e = bag(value);
  return given<Effect>({
    kind: text(e.kind),
    object: text(e.object),
    reach: text(e.reach),
    part: e.part === true,
    rows: number(e.rows),
    about: e.measured === "estimate",
    measured: text(e.measured),
    share: number(e.share),
    of: estimate(e.estimated_rows),
    lock: text(e.lock),
    rewrites: e.rewrites === true,
    sample: sampleOf(e.sample),
  });
}

export function effectsOf(t: Ticket): Effect[] {
  return list(t.effects).map(effectOf);
}

export function planOf(t: Ticket): Plan | undefined {
  if (typeof t.plan !== "object" || t.plan === null) return undefined;
  const p = bag(t.plan);
  const store = bag(p.store);
  return given<Plan>({
    kind: text(p.kind),
    grade: text(p.grade),
    why: text(p.why),
    bytes: number(p.estimated_bytes),
    rows: number(p.estimated_rows),
    seconds: number(p.estimated_seconds),
    budget: number(p.budget_seconds),
    most: number(p.max_bytes),
    fits: p.fits !== false,
    definition: p.definition === true,
    tables: list(p.tables).map(text),
    notCovered: list(p.not_covered).map(text),
    store:
      p.store === undefined
        ? undefined
        : {
            answers: store.answers === true,
            error: text(store.error),
            room: store.room !== false,
            lock: text(store.lock),
            undeletable: store.delete === "refused",
          },
  });
}

export function reasonsOf(value: unknown): Reason[] {
  return list(value).map((r) => ({ code: text(bag(r).code), text: text(bag(r).text) }));
}

export function evadesOf(t: Ticket): Evades | undefined {
  if (t.evades === undefined) return undefined;
  const e = bag(t.evades);
  return { of: text(e.of), sure: e.sure === true, text: text(e.text) };
}

export function progressOf(value: unknown): Progress | undefined {
  if (value === undefined) return undefined;
  const p = bag(value);
  return given<Progress>({
    phase: text(p.phase),
    rows: number(p.rows) ?? 0,
    bytes: number(p.bytes) ?? 0,
    of: number(p.of) ?? 0,
    seconds: number(p.seconds) ?? 0,
    left: number(p.seconds_left),
  });
}

export function claimsOf(t: Ticket): Array<[string, string]> {
  return Object.entries(bag(t.claims)).map(([name, value]) => [name, text(value) || JSON.stringify(value)]);
}

/** "DELETE of shop.items and 2 more", for lists and headings. */
export function summary(t: Ticket): { kind: string; object: string; more: number } {
  const all = effectsOf(t).filter((e) => !e.part);
  const first = all.find((e) => e.reach === "target") ?? all[0];
  return { kind: first?.kind ?? "", object: first?.object ?? "", more: Math.max(0, all.length - 1) };
}

/** Rows that would change; undefined where some were not counted. */
export function rowsReached(t: Ticket): { rows: number; whole: boolean } {
  const all = effectsOf(t).filter((e) => !e.part);
  const known = all.filter((e) => e.rows !== undefined);
  return { rows: known.reduce((sum, e) => sum + (e.rows ?? 0), 0), whole: all.length > 0 && known.length === all.length };
}
