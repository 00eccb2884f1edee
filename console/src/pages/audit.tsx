// The record: filtered, newest first, each line whole on demand.

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { ask, mayDecide, query } from "../api";
import { count } from "../format";
import type { Records, Status, Verified } from "../generated/schema";
import { useKeys } from "../keys";
import { goInstead, place, to } from "../router";
import { bag, text } from "../shapes";
import { useLoad, useSignal } from "../store";
import { Card, More, Nothing, Of, Risk, Stamp, T } from "../ui";

type Line = Record<string, unknown> & { seq: number; at: string; kind: string };

const PAGE = 100;
const TEXTS = ["actor", "operator", "database", "table", "ticket", "point", "session"] as const;
const FILTERS = ["kind", "risk", ...TEXTS, "from", "until"] as const;
const KINDS = ["judged", "outcome", "decision", "session_open", "session_close", "restore", "point", "config", "operator", "note", "evasion", "break_glass", "explained"];

/** "2026-11-27T10:00" of the field is local; the API wants the zone. */
function asTime(value: string): string {
  const at = new Date(value);
  return value === "" || Number.isNaN(at.getTime()) ? "" : at.toISOString();
}

function filterOf(search: URLSearchParams): Record<string, string> {
  return Object.fromEntries(
    FILTERS.map((name) => {
      const value = search.get(name) ?? "";
      return [name, name === "from" || name === "until" ? asTime(value) : value.trim()];
    }),
  );
}

export function Audit(): JSX.Element {
  const here = useSignal(place);
  const form = useRef<HTMLFormElement>(null);
  const filter = filterOf(here.query);
  const key = query(filter);
  const [pages, setPages] = useState(1);
  useEffect(() => setPages(1), [key]);
  const loaded = useLoad(`audit ${key} ${pages}`, async (signal) => {
    const lines: Line[] = [];
    let cursor: string | undefined;
    for (let i = 0; i < pages; i++) {
      const path = `/v1/audit${query({ ...filter, limit: PAGE, cursor })}`;
      const { data }: { data: Records } = await ask<Records>(path, { signal });
      lines.push(...(data.records as Line[]));
      cursor = data.next;
      if (!cursor) break;
    }
    return { lines, next: cursor };
  });
  useKeys(() => [
    { keys: ["/"], does: "filter", run: () => form.current?.querySelector<HTMLElement>("input, select")?.focus() },
    { keys: ["r"], does: "ask again", run: loaded.again },
  ]);
  const submit = (event: Event): void => {
    event.preventDefault();
    if (!form.current) return;
    const given = Object.fromEntries([...new FormData(form.current)].map(([name, value]) => [name, String(value)]));
    goInstead(to("audit", "", given));
  };
  return (
    <div class="wide stack">
      <div class="title">
        <h1>Audit</h1>
        <Chain lines={loaded.data?.lines ?? []} whole={key === ""} />
      </div>
      <form ref={form} class="filters" onSubmit={submit} onChange={submit} key={here.query.toString()}>
        <label>
          Kind
          <select name="kind" value={here.query.get("kind") ?? ""}>
            <option value="">all</option>
            {KINDS.map((kind) => (
              <option key={kind} value={kind}>
                {kind.replaceAll("_", " ")}
              </option>
            ))}
          </select>
        </label>
        <label>
          Risk
          <select name="risk" value={here.query.get("risk") ?? ""}>
            <option value="">all</option>
            {["SAFE", "HIGH", "CRITICAL"].map((risk) => (
              <option key={risk} value={risk}>
                {risk}
              </option>
            ))}
          </select>
        </label>
        {TEXTS.map((name) => (
          <label key={name}>
            {name[0]?.toUpperCase()}
            {name.slice(1)}
            <input name={name} value={here.query.get(name) ?? ""} spellcheck={false} autocomplete="off" />
          </label>
        ))}
        {(["from", "until"] as const).map((name) => (
          <label key={name}>
            {name === "from" ? "From" : "Until"}
            <input name={name} type="datetime-local" value={here.query.get(name) ?? ""} />
          </label>
        ))}
        <button type="submit" class="unseen">
          Filter
        </button>
        {key === "" ? null : (
          <a class="clear" href={to("audit")}>
            Clear
          </a>
        )}
      </form>
      <Of loaded={loaded}>
        {({ lines, next }) =>
          lines.length === 0 ? (
            <Nothing>{key === "" ? "Nothing is on record." : "No record is like that."}</Nothing>
          ) : (
            <Card title="Records, newest first" more={<span class="dim num">{lines.length}{next ? "+" : ""}</span>}>
              <ul class="records">
                {lines.map((line) => (
                  <Entry key={`${text(line.log)} ${line.seq}`} line={line} />
                ))}
              </ul>
              <More next={next} loading={loaded.loading} onMore={() => setPages(pages + 1)} />
            </Card>
          )
        }
      </Of>
    </div>
  );
}

const NEARLY_AT_ONCE = 32; // records are shown by time, which is not quite the order of their numbers

/** Numbers of one log that are not among those shown; at the end of the page some may be on the next one. */
function missingOf(seqs: number[]): number {
  const all = new Set(seqs);
  let missing = 0;
  for (let seq = Math.min(...seqs) + NEARLY_AT_ONCE; seq < Math.max(...seqs); seq++) if (!all.has(seq)) missing++;
  return missing;
}

/** Can it be written; and where nothing is filtered out, is any number missing in what is shown? */
function Chain({ lines, whole }: { lines: Line[]; whole: boolean }): JSX.Element {
  const health = useLoad("health", (signal) => ask<Status>("/healthz", { signal }), 10_000);
  const logs = new Map<string, number[]>();
  for (const line of lines) logs.set(text(line.log), [...(logs.get(text(line.log)) ?? []), line.seq]);
  const gaps = whole ? [...logs.values()].reduce((n, seqs) => n + missingOf(seqs), 0) : 0;
  return (
    <span class="chain">
      {health.error ? (
        <span class="state state-failed">cannot be written: gated statements are refused</span>
      ) : health.data ? (
        <span class="state state-done">being written</span>
      ) : null}
      {!whole || lines.length === 0 ? null : gaps === 0 ? (
        <span class="state state-done">no number missing in what is shown</span>
      ) : (
        <span class="state state-failed">{gaps} numbers missing in what is shown</span>
      )}
      <Verifying />
    </span>
  );
}

/** The hashes: the gateway reads all of the log for it, so it is asked for. */
function Verifying(): JSX.Element | null {
  const [busy, setBusy] = useState(false);
  const [found, setFound] = useState<Verified | undefined>();
  const [error, setError] = useState<Error | undefined>();
  const verify = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    setFound(undefined);
    try {
      setFound((await ask<Verified>("/v1/audit/verify", { method: "POST", body: {}, wait: 600_000 })).data);
    } catch (why) {
      setError(why as Error);
    }
    setBusy(false);
  };
  if (!mayDecide()) return null;
  return (
    <>
      {found?.intact ? (
        <span class="state state-done">
          chain whole: {count(found.records)} records in {found.files} files
        </span>
      ) : null}
      {found && !found.intact ? (
        <strong class="bad" role="alert">
          chain BROKEN at {found.break?.file} line {found.break?.line}: <T of={found.break?.why} />
        </strong>
      ) : null}
      {error ? (
        <span class="bad" role="alert">
          <T of={error.message} />
        </span>
      ) : null}
      <button type="button" class="link" disabled={busy} onClick={() => void verify()}>
        {busy ? "Reading all of it" : "Verify the chain"}
      </button>
    </>
  );
}

/** The line of a list: who, what, what came of it. */
function saysOf(line: Line): string {
  const parts = [line.statement_kind, line.action, line.decision, line.outcome, line.subject].map(text);
  return parts.filter((part) => part !== "").join(", ");
}

function Entry({ line }: { line: Line }): JSX.Element {
  const decided = line.kind === "decision" || line.kind === "operator";
  const who = (decided && text(line.operator)) || text(line.actor) || text(line.operator);
  const shown = text(line.statement) || text(line.text);
  return (
    <li>
      <details>
        <summary>
          <span class="num dim">{line.seq}</span>
          <Stamp at={line.at} />
          <span>{line.kind.replaceAll("_", " ")}</span>
          <span>{line.risk ? <Risk of={text(line.risk)} /> : null}</span>
          <span class="cut">
            <T of={who} most={28} />
          </span>
          <span class="cut">
            <T of={saysOf(line)} most={80} />
            {shown ? (
              <span class="mono dim">
                {" "}
                <T of={shown.replace(/\s+/g, " ")} most={120} />
              </span>
            ) : null}
          </span>
        </summary>
        <Detail line={line} />
      </details>
    </li>
  );
}

function Detail({ line }: { line: Line }): JSX.Element {
  return (
    <div class="record">
      {text(bag(line).ticket) ? <a href={to("queue", text(line.ticket))}>Ticket</a> : null}{" "}
      {text(bag(line).point) ? <a href={to("points", text(line.point))}>Recovery point</a> : null}
      <pre class="box" tabIndex={0} aria-label={`Record ${line.seq}`}>
        <T of={JSON.stringify(line, null, 2)} />
      </pre>
    </div>
  );
}

