// How the gateway does: what was decided, how long it took, what is stored.

import type { ComponentChildren, JSX } from "preact";

import { ask, askText } from "../api";
import { count, seconds, size } from "../format";
import type { Captures, Points, Ticket, Tickets } from "../generated/schema";
import { type Bucket, buckets, byLabel, quantile, readMetrics, type Metrics } from "../metrics";
import { progressOf } from "../shapes";
import { useLoad } from "../store";
import { Bar, Card, Nothing, Of } from "../ui";

const EVERY_MS = 10_000;
const LATEST = 500;

export function Dashboard(): JSX.Element {
  const metrics = useLoad("metrics", async (signal) => readMetrics(await askText("/metrics", signal)), EVERY_MS);
  const tickets = useLoad("tickets of the dashboard", (signal) => ask<Tickets>(`/v1/tickets?limit=${LATEST}`, { signal }), EVERY_MS);
  const captures = useLoad("captures", (signal) => ask<Captures>("/v1/captures", { signal }), EVERY_MS);
  const points = useLoad("points of the dashboard", (signal) => ask<Points>("/v1/points?limit=200", { signal }), 60_000);
  return (
    <div class="wide stack">
      <h1>Dashboard</h1>
      <Card title="Since the start">
        <Of loaded={metrics}>{(all) => <Figures all={all} />}</Of>
      </Card>
      <div class="grid">
        <Card title="Statements held, by risk" more={<span class="dim">the last {LATEST}</span>}>
          <Of loaded={tickets}>{({ data }) => <ByRisk tickets={data.tickets} />}</Of>
        </Card>
        <Card title="What became of them" more={<span class="dim">the last {LATEST}</span>}>
          <Of loaded={tickets}>{({ data }) => <ByState tickets={data.tickets} />}</Of>
        </Card>
        <Card title="How long a decision took" more={<span class="dim">the last {LATEST}</span>}>
          <Of loaded={tickets}>{({ data }) => <DecisionTimes tickets={data.tickets} />}</Of>
        </Card>
        <Card title="What the policy decided" more={<span class="dim">since the start</span>}>
          <Of loaded={metrics}>{(all) => <Rows of={byLabel(all, "backstop_decisions_total")} />}</Of>
        </Card>
        <Card title="Making a recovery point" more={<span class="dim">since the start</span>}>
          <Of loaded={metrics}>{(all) => <Histogram of={buckets(all, "backstop_capture_seconds")} />}</Of>
        </Card>
        <Card title="Storage">
          <Of loaded={points}>{({ data }) => <Stored points={data} />}</Of>
        </Card>
      </div>
      <Of loaded={captures}>{({ data }) => <Now captures={data.captures} />}</Of>
    </div>
  );
}

function Figure({ n, of, children }: { n: ComponentChildren; of: string; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="figure">
      <strong class="num">{n}</strong>
      <span>{of}</span>
      {children ? <span class="dim">{children}</span> : null}
    </div>
  );
}

function about(s: number | undefined): string {
  return s === undefined ? "–" : s === Infinity ? "longer" : `≤ ${seconds(s)}`;
}

function Figures({ all }: { all: Metrics }): JSX.Element {
  const of = (name: string): number => all.get(name) ?? 0;
  const holds = buckets(all, "backstop_hold_seconds");
  return (
    <div class="figures">
      <Figure n={count(of("backstop_sessions"))} of="sessions" />
      <Figure n={count(of('backstop_decisions_total{decision="approve"}'))} of="held for a decision" />
      <Figure n={count(of('backstop_decisions_total{decision="block"}'))} of="refused by policy" />
      <Figure n={about(quantile(holds, 0.5))} of="a hold, median">
        95 %: {about(quantile(holds, 0.95))}
      </Figure>
      <Figure n={count(of('backstop_captures_total{outcome="done"}'))} of="recovery points made">
        {count(of('backstop_captures_total{outcome="failed"}'))} failed
      </Figure>
      <Figure n={size(of("backstop_capture_bytes_sum"))} of="copied before it changed" />
    </div>
  );
}

function Rows({ of }: { of: Array<{ label: string; n: number; tone?: string }> }): JSX.Element {
  const most = Math.max(1, ...of.map((row) => row.n));
  if (of.every((row) => row.n === 0)) return <Nothing>Nothing yet.</Nothing>;
  return (
    <dl class="rows">
      {of.map((row) => (
        <div key={row.label}>
          <dt>{row.label}</dt>
          <dd>
            <Bar share={row.n / most} tone={row.tone ?? ""} />
            <span class="num">{count(row.n)}</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function ByRisk({ tickets }: { tickets: Ticket[] }): JSX.Element {
  const of = (risk: string): number => tickets.filter((t) => t.risk === risk).length;
  const other = tickets.length - of("CRITICAL") - of("HIGH") - of("SAFE");
  return (
    <Rows
      of={[
        { label: "critical", n: of("CRITICAL"), tone: "bar-high" },
        { label: "high", n: of("HIGH") },
        ...(of("SAFE") > 0 ? [{ label: "safe", n: of("SAFE") }] : []),
        ...(other > 0 ? [{ label: "unknown", n: other, tone: "bar-high" }] : []),
      ]}
    />
  );
}

function ByState({ tickets }: { tickets: Ticket[] }): JSX.Element {
  const states = ["pending", "approved", "running", "done", "denied", "expired", "failed", "uncertain"];
  const all = states.map((state) => ({
    label: state === "pending" ? "waits" : state,
    n: tickets.filter((t) => t.state === state).length,
    tone: state === "failed" || state === "uncertain" ? "bar-high" : "",
  }));
  return <Rows of={all.filter((row) => row.n > 0)} />;
}

const TIMES: Array<[string, number]> = [
  ["under 10 s", 10_000],
  ["under 1 min", 60_000],
  ["under 5 min", 300_000],
  ["under 15 min", 900_000],
  ["longer", Infinity],
];

function DecisionTimes({ tickets }: { tickets: Ticket[] }): JSX.Element {
  const took = tickets
    .filter((t) => t.decided && t.decided_by)
    .map((t) => Date.parse(t.decided ?? "") - Date.parse(t.created))
    .filter((ms) => ms >= 0)
    .sort((a, b) => a - b);
  if (took.length === 0) return <Nothing>Nobody has decided anything yet.</Nothing>;
  const rows = TIMES.map(([label, until], i) => ({
    label,
    n: took.filter((ms) => ms < until && ms >= (TIMES[i - 1]?.[1] ?? 0)).length,
  }));
  return (
    <>
      <Rows of={rows} />
      <p class="dim">
        median {seconds((took[Math.floor(took.length / 2)] ?? 0) / 1000)}, longest{" "}
        {seconds((took[took.length - 1] ?? 0) / 1000)}
      </p>
    </>
  );
}

function Histogram({ of }: { of: Bucket[] }): JSX.Element {
  const first = of.findIndex((bucket) => bucket.n > 0);
  if (first < 0) return <Nothing>None was made yet.</Nothing>;
  const last = of.length - 1 - [...of].reverse().findIndex((bucket) => bucket.n > 0);
  const shown = of.slice(Math.max(0, first - 1), last + 1);
  return <Rows of={shown.map((b) => ({ label: b.until === Infinity ? "longer" : `≤ ${seconds(b.until)}`, n: b.n }))} />;
}

function Stored({ points }: { points: Points }): JSX.Element {
  const good = points.points.filter((p) => p.outcome === "committed" && !p.erased);
  if (points.points.length === 0) return <Nothing>There is no recovery point yet.</Nothing>;
  const bytes = points.points.reduce((sum, p) => sum + (p.stored_bytes ?? 0), 0);
  return (
    <div class="figures">
      <Figure n={`${count(good.length)}${points.next ? "+" : ""}`} of="points to go back to" />
      <Figure n={`${size(bytes)}${points.next ? "+" : ""}`} of="stored, compressed" />
      <Figure n={count(points.points.filter((p) => p.held).length)} of="under legal hold" />
    </div>
  );
}

function Now({ captures }: { captures: Captures["captures"] }): JSX.Element | null {
  if (captures.length === 0) return null;
  return (
    <Card title="Being captured now">
      <ul class="plain">
        {captures.map((capture) => {
          const p = progressOf(capture);
          return p ? (
            <li>
              {p.phase}: {count(p.rows)} rows, {size(p.bytes)}, {seconds(p.seconds)}
            </li>
          ) : null;
        })}
      </ul>
    </Card>
  );
}
