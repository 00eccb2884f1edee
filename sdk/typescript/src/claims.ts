// Which run a statement belongs to, what for, and what started it: claims. They are shown to operators and
// kept in the record, and decide nothing.
import { AsyncLocalStorage } from "node:async_hooks";
import { randomUUID } from "node:crypto";

export interface Claims {
  /** In words an operator understands. */
  purpose?: string;
  /** One is made where none is given. */
  runId?: string;
  /** The run that started this one; inside another run that one's id. */
  parent?: string;
}

const LONGEST = 128; // bytes, the gateway's limit
const current = new AsyncLocalStorage<Claims>();
const NAMES = [
  ["runId", "run_id"],
  ["purpose", "purpose"],
  ["parent", "parent"],
] as const;

/**
 * Calls `fn`; what guarded connections do in it carries these claims. Connections opened inside carry them
 * from their start; of other connections of `pg` each statement does, in a comment.
 */
export function run<T>(claims: Claims, fn: () => T): T {
  const outer = current.getStore();
  const parent = claims.parent ?? outer?.runId;
  const whole: Claims = { ...claims, runId: claims.runId ?? randomUUID(), ...(parent === undefined ? {} : { parent }) };
  for (const [key] of NAMES) check(key, whole[key]);
  return current.run(whole, fn);
}

export function claimsNow(): Claims | undefined {
  return current.getStore();
}

function check(name: string, value: string | undefined): void {
  if (value === undefined) return;
  if (/[\u0000-\u001f\u007f-\u009f]/.test(value)) throw new RangeError(`${name} has a control character`);
  if (new TextEncoder().encode(value).length > LONGEST) {
    throw new RangeError(`${name} is longer than ${LONGEST} bytes`);
  }
}

/** As words of the start-up packet's `options`. */
export function startupWords(claims: Claims | undefined): string[] {
  return NAMES.flatMap(([key, name]) => startupWord(name, claims?.[key]));
}

export function startupWord(name: string, value: string | undefined): string[] {
  return value === undefined ? [] : [`-c backstop.${name}=${value.replace(/[\\ ]/g, "\\$&")}`];
}

/** As sqlcommenter writes it, at the start: a text may end in a comment to the end of its line. */
export function commented(text: string, claims: Claims): string {
  const pairs = NAMES.flatMap(([key, name]) => {
    const value = claims[key];
    return value === undefined ? [] : [`${name}='${encodeURIComponent(value).replace(/'/g, "%27")}'`];
  });
  return pairs.length === 0 ? text : `/*${pairs.join(",")}*/ ${text}`;
}
