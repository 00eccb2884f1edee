// The parts that pages are made of.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { Problem } from "./api";
import { ago, clock, share as shareText, stamp } from "./format";
import { cut, pieces, plain } from "./text";
import { type Loaded, useNow } from "./store";

/** Text of others: only ever text, and all of it visible. */
export function T({ of, most }: { of: string | undefined | null; most?: number }): JSX.Element {
  const whole = of ?? "";
  const shown = most === undefined ? whole : cut(whole, most);
  return (
    <span class="t" {...(shown === whole ? {} : { title: plain(whole) })}>
      {pieces(shown).map((piece) =>
        piece.hidden ? (
          <span class="odd" title="a character that would not be seen">
            {piece.hidden}
          </span>
        ) : piece.spoof ? (
          <span class="odd spoof" title="letters of several alphabets">
            {piece.text}
          </span>
        ) : (
          piece.text
        ),
      )}
    </span>
  );
}

export function Risk({ of }: { of: string | undefined }): JSX.Element {
  const known = of === "SAFE" || of === "HIGH" || of === "CRITICAL";
  return <span class={`badge risk-${known ? of.toLowerCase() : "critical"}`}>{known ? of : "UNKNOWN"}</span>;
}

const STATES: Record<string, string> = {
  pending: "waits",
  approved: "approved",
  running: "running",
  done: "done",
  denied: "denied",
  expired: "expired",
  failed: "failed",
  uncertain: "uncertain",
};

export function State({ of }: { of: string }): JSX.Element {
  return <span class={`state state-${of in STATES ? of : "other"}`}>{STATES[of] ?? of}</span>;
}

export function Place({ database, environment }: { database: string; environment: string | undefined }): JSX.Element {
  const production = /^prod/i.test(environment ?? "");
  return (
    <span class="place">
      <T of={database} />
      {environment ? (
        <span class={`badge env${production ? " env-production" : ""}`}>
          <T of={environment} />
        </span>
      ) : null}
    </span>
  );
}

export function When({ at }: { at: string | undefined | null }): JSX.Element | null {
  const now = useNow(1000);
  if (!at) return null;
  const time = Date.parse(at);
  if (Number.isNaN(time)) return <T of={at} />;
  return (
    <time dateTime={at} title={stamp(time)}>
      {ago(time, now)}
    </time>
  );
}

export function Stamp({ at }: { at: string | undefined | null }): JSX.Element | null {
  return at ? (
    <time class="num" dateTime={at}>
      {stamp(at)}
    </time>
  ) : null;
}

export function Countdown({ until, from }: { until: string; from?: string | undefined }): JSX.Element {
  const now = useNow(1000);
  const left = Date.parse(until) - now;
  const whole = from ? Date.parse(until) - Date.parse(from) : 0;
  return (
    <span class={`countdown${left < 60_000 ? " soon" : ""}`} title={stamp(until)}>
      <span class="num">{left > 0 ? clock(left) : "over"}</span>
      {whole > 0 ? <Bar share={Math.max(0, left) / whole} /> : null}
    </span>
  );
}

export function Bar({ share, tone }: { share: number; tone?: string }): JSX.Element {
  const width = Math.max(0, Math.min(1, share)) * 100;
  return (
    <svg class={`bar ${tone ?? ""}`} viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
      <rect class="bar-of" width="100" height="6" />
      <rect class="bar-is" width={width > 0 ? Math.max(width, 1) : 0} height="6" />
    </svg>
  );
}

export function Share({ of }: { of: number | undefined }): JSX.Element {
  if (of === undefined) return <span class="dim">not known</span>;
  return (
    <span class="share">
      <Bar share={of} tone={of >= 0.1 ? "bar-high" : ""} />
      <span class="num">{shareText(of)}</span>
    </span>
  );
}

export function Card(props: {
  title: string;
  more?: ComponentChildren;
  class?: string;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <section class={`card ${props.class ?? ""}`}>
      <header>
        <h2>{props.title}</h2>
        {props.more}
      </header>
      {props.children}
    </section>
  );
}

export function Fields({ rows }: { rows: Array<[string, ComponentChildren]> }): JSX.Element {
  const given = rows.filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== false);
  return (
    <dl class="fields">
      {given.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Note({ tone, children }: { tone: "bad" | "warn" | "info"; children: ComponentChildren }): JSX.Element {
  return (
    <div class={`note note-${tone}`} role={tone === "bad" ? "alert" : "note"}>
      {children}
    </div>
  );
}

export function Wrong({ error, again }: { error: Error; again?: () => void }): JSX.Element {
  return (
    <Note tone="bad">
      <strong>
        <T of={error.message} />
      </strong>
      {error instanceof Problem && error.hint !== "" ? (
        <div>
          <T of={error.hint} />
        </div>
      ) : null}
      {again ? (
        <button type="button" class="link" onClick={again}>
          Try again
        </button>
      ) : null}
    </Note>
  );
}

export function Nothing({ children }: { children: ComponentChildren }): JSX.Element {
  return <p class="nothing">{children}</p>;
}

/** What is loading, has failed, is old, or is there. */
export function Of<T>(props: { loaded: Loaded<T>; children: (data: T) => ComponentChildren }): JSX.Element {
  const { data, error, again } = props.loaded;
  if (data === undefined) {
    return error ? <Wrong error={error} again={again} /> : <Skeleton />;
  }
  return (
    <>
      {error ? (
        <Note tone="warn">
          This is what was there <When at={new Date(props.loaded.at).toISOString()} />: <T of={error.message} />{" "}
          <button type="button" class="link" onClick={again}>
            Try again
          </button>
        </Note>
      ) : null}
      <div class={error ? "stale" : ""}>{props.children(data)}</div>
    </>
  );
}

/** Only after a moment: what comes at once should not flicker. */
function Skeleton(): JSX.Element {
  const [late, set] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => set(true), 150);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div class={`skeleton${late ? " seen" : ""}`} role="status" aria-label="Loading">
      <i />
      <i />
      <i />
    </div>
  );
}

/** A dialog that keeps the focus, and gives it back. */
export function Dialog(props: { title: string; onClose: () => void; children: ComponentChildren }): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={ref}
      aria-label={props.title}
      onCancel={(event) => {
        event.preventDefault();
        props.onClose();
      }}
      onClick={(event) => {
        if (event.target === ref.current) props.onClose();
      }}
    >
      <div class="dialog">
        <h2>{props.title}</h2>
        {props.children}
      </div>
    </dialog>
  );
}

export function Key({ of }: { of: string }): JSX.Element {
  return <kbd aria-hidden="true">{of}</kbd>;
}

/** The rest of a list whose next page has a cursor. */
export function More({ next, loading, onMore }: { next: string | undefined; loading: boolean; onMore: () => void }): JSX.Element | null {
  return next ? (
    <p class="more">
      <button type="button" onClick={onMore} disabled={loading}>
        {loading ? "Loading" : "Show more"}
      </button>
    </p>
  ) : null;
}
