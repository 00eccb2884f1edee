// What a statement reaches: by table, with bars; the way there, as a graph; and rows, before and after.

import type { JSX } from "preact";

import { count } from "../format";
import type { Effect, Row, Sample } from "../shapes";
import { cut, plain } from "../text";
import { Nothing, Share, T } from "../ui";

const REACHES: Record<string, string> = {
  target: "named in the statement",
  cascade: "by a foreign key",
  trigger: "by a trigger",
  rule: "by a rule",
  view: "through a view",
  function: "by a function",
  partition: "a partition",
  child: "inherits",
};

function rowsCell(e: Effect): JSX.Element {
  if (e.rows === undefined) {
    return <span class="dim">{e.of === undefined ? "not counted" : `not counted, of about ${count(e.of)}`}</span>;
  }
  return (
    <span class="num">
      {e.about ? "about " : ""}
      {count(e.rows)}
      {e.measured === "rehearsal" ? <span class="dim"> rehearsed</span> : null}
    </span>
  );
}

export function ReachTable({ effects }: { effects: Effect[] }): JSX.Element {
  if (effects.length === 0) return <Nothing>Nothing is known of what it would change.</Nothing>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="What it reaches">
      <table>
        <thead>
          <tr>
            <th>Effect</th>
            <th>Object</th>
            <th class="right">Rows</th>
            <th>Share of the table</th>
            <th>Lock</th>
          </tr>
        </thead>
        <tbody>
          {effects.map((e, i) => (
            <tr key={i} class={e.part ? "part" : ""}>
              <td>
                <T of={e.kind} />
              </td>
              <td>
                <T of={e.object} />
                {e.reach !== "" && e.reach !== "target" ? <div class="dim">{REACHES[e.reach] ?? e.reach}</div> : null}
              </td>
              <td class="right">{rowsCell(e)}</td>
              <td>
                <Share of={e.share} />
              </td>
              <td>
                <T of={e.lock.toLowerCase()} />
                {e.rewrites ? <div class="warn">rewrites the table</div> : null}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const BOX = { width: 190, height: 38, gap: 10, between: 70 };
const MOST = 24; // boxes; the table has all of them

function Box({ e, x, y }: { e: Effect; x: number; y: number }): JSX.Element {
  const said = e.rows === undefined ? "rows not counted" : `${e.about ? "about " : ""}${count(e.rows)} rows`;
  return (
    <g transform={`translate(${x} ${y})`} class={`node ${(e.share ?? 1) >= 0.1 ? "node-high" : ""}`}>
      <title>{plain(`${e.kind} ${e.object}`)}</title>
      <rect width={BOX.width} height={BOX.height} rx="4" />
      <text x="10" y="16">
        {cut(plain(e.object), 26)}
      </text>
      <text x="10" y="30" class="node-small">
        {cut(plain(e.kind), 14)}, {said}
      </text>
    </g>
  );
}

/** From what is named in the statement to what goes along; the API does not say by which table. */
export function ReachGraph({ effects }: { effects: Effect[] }): JSX.Element | null {
  const whole = effects.filter((e) => !e.part);
  const left = whole.filter((e) => e.reach === "target").slice(0, MOST);
  const right = whole.filter((e) => e.reach !== "target").slice(0, MOST);
  if (left.length === 0 || right.length === 0) return null;
  const step = BOX.height + BOX.gap;
  const height = Math.max(left.length, right.length) * step - BOX.gap;
  const width = BOX.width * 2 + BOX.between;
  const top = (n: number): number => (height - (n * step - BOX.gap)) / 2;
  const middle = (n: number, i: number): number => top(n) + i * step + BOX.height / 2;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Graph of what goes along">
      <svg class="graph" width={width + 2} height={height + 2} viewBox={`-1 -1 ${width + 2} ${height + 2}`} role="img" aria-label="What goes along">
        {right.map((e, i) => {
          const y = middle(right.length, i);
          const from = height / 2;
          const x = BOX.width + BOX.between;
          return (
            <g key={i}>
              <path class="edge" d={`M${BOX.width} ${from}C${BOX.width + 35} ${from} ${x - 35} ${y} ${x} ${y}`} />
              <text class="edge-text" x={x - 6} y={y > from ? y + 12 : y - 5} text-anchor="end">
                {cut(plain(e.reach), 10)}
              </text>
            </g>
          );
        })}
        {left.map((e, i) => (
          <Box key={`l${i}`} e={e} x={0} y={top(left.length) + i * step} />
        ))}
        {right.map((e, i) => (
          <Box key={`r${i}`} e={e} x={BOX.width + BOX.between} y={top(right.length) + i * step} />
        ))}
      </svg>
    </div>
  );
}

function Cell({ value, now }: { value: string | null; now?: string | null | undefined }): JSX.Element {
  const shown = (v: string | null): JSX.Element => (v === null ? <span class="null">NULL</span> : <T of={v} most={60} />);
  if (now === undefined || now === value) return <td>{shown(value)}</td>;
  return (
    <td class="changed">
      <del>{shown(value)}</del> <ins>{shown(now)}</ins>
    </td>
  );
}

function SampleRow({ before, after }: { before: Row; after: Row | undefined }): JSX.Element {
  return (
    <tr>
      {before.map((value, i) => (
        <Cell key={i} value={value} now={after?.[i]} />
      ))}
    </tr>
  );
}

export function SampleTable({ e, sample }: { e: Effect; sample: Sample }): JSX.Element {
  const changes = sample.after.length > 0;
  return (
    <div class="sample">
      <h3>
        <T of={e.object} />{" "}
        <span class="dim">
          {changes ? "before and after" : "rows as they are now"}, {sample.before.length}
          {e.rows === undefined ? "" : ` of ${count(e.rows)}`}
        </span>
      </h3>
      <div class="scroll" tabIndex={0} role="region" aria-label={`Rows of ${plain(e.object)}`}>
        <table class="mono">
          <thead>
            <tr>
              {sample.columns.map((name) => (
                <th key={name}>
                  <T of={name} />
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {sample.before.map((row, i) => (
              <SampleRow key={i} before={row} after={sample.after[i]} />
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
