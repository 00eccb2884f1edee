// What can be given back: the points, and when which table had one.

import type { ComponentChildren, JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import { ask, query } from "../api";
import { count, rows, size, stamp } from "../format";
import type { Point, Points as Page, PointWhole } from "../generated/schema";
import { useKeys } from "../keys";
import { go, place, to } from "../router";
import { bag, list, number, text } from "../shapes";
import { useLoad } from "../store";
import { cut, plain } from "../text";
import { BeginRestore } from "./restores";
import { Card, Fields, More, Note, Nothing, Of, Stamp, T, When } from "../ui";

const PAGE = 100;

/** Pages are added to those that are there. */
function usePoints(database: string) {
  const [pages, setPages] = useState(1);
  const loaded = useLoad(`points ${database} ${pages}`, async (signal) => {
    const points: Point[] = [];
    let cursor: string | undefined;
    for (let i = 0; i < pages; i++) {
      const path = `/v1/points${query({ limit: PAGE, database, cursor })}`;
      const { data }: { data: Page } = await ask<Page>(path, { signal });
      points.push(...data.points);
      cursor = data.next;
      if (!cursor) break;
    }
    return { points, next: cursor };
  });
  return { loaded, more: () => setPages(pages + 1) };
}

/** Is it good? In one word, and how sure one may be of it. */
function Outcome({ p }: { p: Point | PointWhole }): JSX.Element {
  const tone =
    p.outcome === "committed" ? "done" : ["not_used", "rolled_back", "abandoned"].includes(p.outcome) ? "expired" : "failed";
  return <span class={`state state-${tone}`}>{p.outcome.replaceAll("_", " ")}</span>;
}

function Marks({ p }: { p: Point }): JSX.Element {
  const marks = [
    p.restored ? "restored" : "",
    p.held ? "legal hold" : "",
    p.expired ? "expired" : "",
    p.erased ? "erased" : "",
  ].filter((mark) => mark !== "");
  return <>{marks.length > 0 ? <span class="dim"> {marks.join(", ")}</span> : null}</>;
}

function tablesOf(p: Point): Array<{ name: string; rows: number }> {
  return list(p.tables).map((t) => ({
    name: `${text(bag(t).schema)}.${text(bag(t).name)}`,
    rows: number(bag(t).rows) ?? 0,
  }));
}

function Entry({ p, here }: { p: Point; here: boolean }): JSX.Element {
  const tables = tablesOf(p);
  return (
    <tr class={here ? "here" : ""}>
      <td>
        <a href={to("points", p.point)} {...(here ? { "aria-current": "true" } : {})}>
          <Stamp at={p.created_at} />
          {p.created_at ? null : <span class="mono">{p.point}</span>}
        </a>
      </td>
      <td>
        <T of={p.kind} />
      </td>
      <td>
        {p.error ? <T of={p.error} most={80} /> : <T of={tables.map((t) => t.name).join(", ")} most={60} />}
      </td>
      <td class="right num" data-h="rows">{p.rows === undefined ? "" : count(p.rows)}</td>
      <td class="right num">{p.stored_bytes === undefined ? "" : size(p.stored_bytes)}</td>
      <td>
        <Outcome p={p} />
        <Marks p={p} />
      </td>
      <td>{p.proof}</td>
      <td>
        <T of={p.agent} most={24} />
      </td>
      <td>{p.database}</td>
    </tr>
  );
}

const LANE = 24;
const MOST_LANES = 14;

/** A line a table, a mark a point: which states of it are there to go back to. */
function Timeline({ points, here }: { points: Point[]; here: string }): JSX.Element | null {
  const lanes = useMemo(() => {
    const found = new Map<string, Array<{ p: Point; rows: number; at: number }>>();
    for (const p of points) {
      const at = Date.parse(p.created_at ?? "");
      if (Number.isNaN(at) || p.erased) continue;
      for (const t of tablesOf(p)) found.set(t.name, [...(found.get(t.name) ?? []), { p, rows: t.rows, at }]);
    }
    return [...found].sort(([a], [b]) => a.localeCompare(b));
  }, [points]);
  if (lanes.length === 0) return null;
  const times = lanes.flatMap(([, marks]) => marks.map((m) => m.at));
  const from = Math.min(...times);
  const until = Math.max(...times, from + 60_000);
  const x = (at: number): string => `${((at - from) / (until - from)) * 100}%`;
  return (
    <Card title="By table" more={<span class="dim">{lanes.length > MOST_LANES ? `${MOST_LANES} of ${lanes.length} tables` : ""}</span>}>
      <div class="timeline">
        {lanes.slice(0, MOST_LANES).map(([name, marks]) => (
          <div class="lane" key={name}>
            <span class="lane-name">
              <T of={cut(name, 40)} />
            </span>
            <svg role="group" aria-label={`${marks.length} points of ${plain(name)}`}>
              <line x1="0" x2="100%" y1={LANE / 2} y2={LANE / 2} />
              {marks.map((m) => (
                <a key={m.p.point} href={to("points", m.p.point)}>
                  <title>{`${stamp(m.at)}: ${plain(m.p.kind ?? "")}, ${rows(m.rows)}, ${m.p.outcome}`}</title>
                  <rect
                    class={`mark ${m.p.outcome === "committed" ? "" : "mark-other"} ${m.p.point === here ? "mark-here" : ""}`}
                    x={x(m.at)}
                    transform="translate(-4 0)"
                    y={4}
                    width={8}
                    height={LANE - 8}
                    rx={2}
                  />
                </a>
              ))}
            </svg>
            <span class="dim num">{marks.length}</span>
          </div>
        ))}
        <div class="lane lane-ends dim">
          <span />
          <span class="num">{stamp(from)}</span>
          <span class="num right">{stamp(until)}</span>
        </div>
      </div>
    </Card>
  );
}

export function Points({ id }: { id: string }): JSX.Element {
  const [database, setDatabase] = useState("");
  const { loaded, more } = usePoints(database);
  const all = loaded.data?.points ?? [];
  const step = (by: number): void => {
    const at = all.findIndex((p) => p.point === place.value.name);
    const next = all[Math.max(0, Math.min(all.length - 1, at + by))];
    if (next) go(to("points", next.point));
  };
  useKeys(() => [
    { keys: ["j", "ArrowDown"], does: "next point", run: () => step(1) },
    { keys: ["k", "ArrowUp"], does: "the one before", run: () => step(-1) },
    { keys: ["Escape"], does: "close it", run: () => go(to("points")) },
  ]);
  const databases = [...new Set(all.flatMap((p) => (p.database ? [p.database] : [])))];
  return (
    <div class="wide stack">
      <div class="title">
        <h1>Recovery points</h1>
        {databases.length > 1 || database !== "" ? (
          <select aria-label="Database" value={database} onChange={(event) => setDatabase(event.currentTarget.value)}>
            <option value="">all databases</option>
            {[...new Set([database, ...databases])].filter((name) => name !== "").map((name) => (
              <option key={name} value={name}>
                {plain(name)}
              </option>
            ))}
          </select>
        ) : null}
      </div>
      {id === "" ? null : <Whole key={id} id={id} />}
      <Of loaded={loaded}>
        {({ points, next }) =>
          points.length === 0 ? (
            <Nothing>There is no recovery point yet. One is made before each statement that destroys something.</Nothing>
          ) : (
            <div class="stack">
              <Timeline points={points} here={id} />
              <Card title="All of them, newest first" more={<span class="dim num">{points.length}{next ? "+" : ""}</span>}>
                <div class="scroll" tabIndex={0} role="region" aria-label="Recovery points">
                  <table class="list-table">
                    <thead>
                      <tr>
                        <th>Made</th>
                        <th>For</th>
                        <th>Tables</th>
                        <th class="right">Rows</th>
                        <th class="right">Stored</th>
                        <th>Outcome</th>
                        <th>Proof</th>
                        <th>Actor</th>
                        <th>Database</th>
                      </tr>
                    </thead>
                    <tbody>
                      {points.map((p) => (
                        <Entry key={p.point} p={p} here={p.point === id} />
                      ))}
                    </tbody>
                  </table>
                </div>
                <More next={next} loading={loaded.loading} onMore={more} />
              </Card>
            </div>
          )
        }
      </Of>
    </div>
  );
}

function Whole({ id }: { id: string }): JSX.Element {
  const loaded = useLoad(`point ${id}`, (signal) => ask<PointWhole>(`/v1/points/${encodeURIComponent(id)}`, { signal }));
  return (
    <Card title="Recovery point" more={<a href={to("points")}>Close</a>} class="point">
      <Of loaded={loaded}>{({ data }) => <Manifest p={data} />}</Of>
    </Card>
  );
}

function Manifest({ p }: { p: PointWhole }): JSX.Element {
  const m = bag(p.manifest);
  const actor = bag(m.actor);
  const statement = bag(m.statement);
  const capture = bag(m.capture);
  const objects = list(m.objects).map(bag);
  const erased = bag(p.erased);
  const ticket = text(actor.ticket);
  const fields: Array<[string, ComponentChildren]> = [
    ["Point", <span class="mono">{p.point}</span>],
    ["Outcome", <Outcome p={p} />],
    ["Proof", p.proof ?? ""],
    ["Made", <Stamp at={text(m.created_us)} />],
    ["Actor", text(actor.agent) ? <a href={to("actors", text(actor.agent))}><T of={text(actor.agent)} /></a> : ""],
    ["Approved", text(actor.approver) ? <T of={text(actor.approver)} /> : ""],
    ["Ticket", ticket ? <a class="mono" href={to("queue", ticket)}><T of={ticket} /></a> : ""],
    ["Captured", text(capture.why) ? <T of={text(capture.why)} /> : ""],
    [
      "Restore",
      p.outcome === "committed" && !p.erased ? (
        <BeginRestore point={p.point} tables={objects.map((o) => `${text(o.schema)}.${text(o.name)}`)} />
      ) : (
        ""
      ),
    ],
  ];
  return (
    <div class="stack">
      {p.erased ? (
        <Note tone="warn">
          It was erased by <T of={text(erased.by)} /> on <Stamp at={text(erased.at)} />: <T of={text(erased.reason)} />
        </Note>
      ) : null}
      <div class="halves">
        <Fields rows={fields} />
        <div>
          {text(statement.text) ? (
            <pre class="box" tabIndex={0} aria-label="Statement">
              <T of={text(statement.text)} most={4000} />
            </pre>
          ) : null}
          <Happened events={p.events} />
        </div>
      </div>
      {objects.length === 0 ? null : (
        <div class="scroll" tabIndex={0} role="region" aria-label="What it holds">
          <table>
            <thead>
              <tr>
                <th>Table</th>
                <th>Why</th>
                <th class="right">Rows</th>
                <th class="right">Stored</th>
                <th>SHA-256</th>
              </tr>
            </thead>
            <tbody>
              {objects.map((o) => (
                <tr>
                  <td>
                    <T of={`${text(o.schema)}.${text(o.name)}`} />
                  </td>
                  <td>
                    <T of={text(o.kind) || text(o.reach)} />
                    {o.partial === true ? <span class="dim"> its changed rows</span> : <span class="dim"> whole</span>}
                  </td>
                  <td class="right num">{count(number(o.row_count) ?? 0)}</td>
                  <td class="right num">{size(number(o.stored_bytes) ?? 0)}</td>
                  <td class="mono dim">{text(o.sha256).slice(0, 16)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}

function Happened({ events }: { events: PointWhole["events"] }): JSX.Element {
  return (
    <ul class="said">
      {events.map((e) => (
        <li>
          <strong>{text(e.state).replaceAll("_", " ")}</strong>{" "}
          <span class="dim">
            by <T of={text(e.by)} />, <When at={text(e.at)} />
          </span>
        </li>
      ))}
    </ul>
  );
}
