// Numbers, sizes and times as operators read them.

const group = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export function count(n: number): string {
  return group.format(n).replaceAll(",", "\u2009");
}

export function rows(n: number): string {
  return `${count(n)} ${n === 1 ? "row" : "rows"}`;
}

/** 0.0004 is not "0 %". */
export function share(of: number): string {
  const percent = of * 100;
  if (percent > 0 && percent < 0.1) return "< 0.1 %";
  if (percent < 100 && percent > 99.9) return "> 99.9 %";
  return `${percent < 10 ? Number(percent.toFixed(1)) : Math.round(percent)} %`;
}

export function size(bytes: number): string {
  let n = bytes;
  let unit = 0;
  const units = ["B", "KB", "MB", "GB", "TB"];
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit++;
  }
  return `${unit === 0 || n >= 100 ? Math.round(n) : Number(n.toFixed(1))} ${units[unit]}`;
}

export function seconds(s: number): string {
  if (s < 0.001) return `${Math.round(s * 1e6)} µs`;
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 60) return `${Number(s.toFixed(1))} s`;
  return span(s * 1000);
}

/** The two largest parts of a length of time. */
export function span(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const parts: Array<[number, string]> = [
    [Math.floor(s / 86400), "d"],
    [Math.floor(s / 3600) % 24, "h"],
    [Math.floor(s / 60) % 60, "min"],
    [s % 60, "s"],
  ];
  const first = parts.findIndex(([n]) => n > 0);
  if (first < 0) return "0 s";
  return parts
    .slice(first, first + 2)
    .filter(([n]) => n > 0)
    .map(([n, unit]) => `${n} ${unit}`)
    .join(" ");
}

export function clock(ms: number): string {
  const s = Math.max(0, Math.ceil(ms / 1000));
  const hours = Math.floor(s / 3600);
  const rest = `${String(Math.floor(s / 60) % 60).padStart(2, "0")}:${String(s % 60).padStart(2, "0")}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}

export function ago(at: number, now: number): string {
  const ms = now - at;
  if (ms < 0) return `in ${span(-ms)}`;
  return ms < 1000 ? "now" : `${span(ms).split(" ").slice(0, 2).join(" ")} ago`;
}

/** "2026-11-27 09:51:06", in the time zone of whoever looks. */
export function stamp(at: string | number): string {
  const d = new Date(at);
  if (Number.isNaN(d.getTime())) return String(at);
  const two = (n: number): string => String(n).padStart(2, "0");
  const day = `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
  return `${day} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}
