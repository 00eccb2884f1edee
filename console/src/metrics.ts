// The Prometheus text of /metrics, as far as the dashboard needs it.

export type Metrics = Map<string, number>;

/** By name and labels as they are written: `backstop_decisions_total{decision="allow"}`. */
export function readMetrics(text: string): Metrics {
  const out: Metrics = new Map();
  for (const row of text.split("\n")) {
    if (row.startsWith("#")) continue;
    const found = /^([a-z_]+(?:\{[^}]*\})?) ([-+0-9.eE]+|\+Inf|NaN)$/.exec(row);
    if (found) out.set(found[1] as string, Number(found[2]));
  }
  return out;
}

/** The values of a counter by its one label. */
export function byLabel(all: Metrics, name: string): Array<{ label: string; n: number }> {
  const out: Array<{ label: string; n: number }> = [];
  for (const [key, n] of all) {
    const found = /^([a-z_]+)\{[a-z_]+="([^"]*)"\}$/.exec(key);
    if (found && found[1] === name) out.push({ label: found[2] as string, n });
  }
  return out;
}

export type Bucket = { until: number; n: number };

/** Of a histogram, what fell between one bound and the next. */
export function buckets(all: Metrics, name: string): Bucket[] {
  const cumulative = byLabel(all, `${name}_bucket`)
    .map(({ label, n }) => ({ until: label === "+Inf" ? Infinity : Number(label), n }))
    .sort((a, b) => a.until - b.until);
  return cumulative.map((bucket, i) => ({ until: bucket.until, n: bucket.n - (cumulative[i - 1]?.n ?? 0) }));
}

/** The bound under which that share of them lies; undefined where there are none. */
export function quantile(of: Bucket[], share: number): number | undefined {
  const whole = of.reduce((sum, bucket) => sum + bucket.n, 0);
  if (whole === 0) return undefined;
  let sum = 0;
  for (const bucket of of) {
    sum += bucket.n;
    if (sum >= whole * share) return bucket.until;
  }
  return Infinity;
}
