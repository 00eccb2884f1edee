// What operators have stopped, and what one has done alone: in sight on every page, for whoever decides must know.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { ask, mayDecide, query, session } from "../api";
import type { Pauses as All, Reviews } from "../generated/schema";
import { news } from "../live";
import { to } from "../router";
import { signal, useLoad, useSignal } from "../store";
import { T, When } from "../ui";
import { Act } from "./act";

type Pause = All["pauses"][number];
type Scope = Pause["scope"];

const EVERY_MS = 10_000;
/** Told by whoever knows that it is not as it was. */
export const changed = signal<number>(0);

function nameOf(p: { scope: Scope; name: string }): JSX.Element {
  if (p.scope === "everything") return <strong>Everything</strong>;
  return (
    <span>
      {p.scope === "actor" ? "Actor" : "Database"}{" "}
      <strong>
        <T of={p.name} />
      </strong>
    </span>
  );
}

export function Pauses(): JSX.Element | null {
  const loaded = useLoad("pauses", (stop) => ask<All>("/v1/pauses", { signal: stop }), EVERY_MS);
  const reviews = useLoad("reviews", (stop) => ask<Reviews>("/v1/reviews?limit=10", { signal: stop }), EVERY_MS);
  const again = useSignal(changed);
  const happened = useSignal(news);
  const who = useSignal(session);
  const [lifting, setLifting] = useState<Pause | undefined>();
  useEffect(() => {
    if (again === 0 && happened === 0) return;
    loaded.again();
    reviews.again();
  }, [again, happened]);
  const all = loaded.data?.data.pauses ?? [];
  const broken = reviews.data?.data.reviews ?? [];
  if (all.length === 0 && broken.length === 0 && !lifting) return null;
  return (
    <section class="pauses" aria-label="Paused, or to be reviewed">
      {all.map((p) => (
        <p key={`${p.scope} ${p.name}`}>
          <span class="badge risk-critical">PAUSED</span> {nameOf(p)}
          <span>
            by <T of={p.by} /> <When at={p.at} />: <T of={p.reason} most={160} />
          </span>
          {who?.role === "admin" ? (
            <button type="button" onClick={() => setLifting(p)}>
              Resume
            </button>
          ) : null}
        </p>
      ))}
      {broken.map((one) => (
        <p key={one.ticket}>
          <span class="badge risk-high">REVIEW</span>
          <span>
            <T of={one.operator} /> broke the glass <When at={one.at} />: <T of={one.reason} most={160} />
          </span>
          <a href={to("queue", one.ticket)}>Look at it</a>
        </p>
      ))}
      {lifting ? <Lift pause={lifting} onClose={() => setLifting(undefined)} /> : null}
    </section>
  );
}

function Lift({ pause: p, onClose }: { pause: Pause; onClose: () => void }): JSX.Element {
  const send = async (form: FormData): Promise<void> => {
    const name = p.scope === "everything" ? undefined : p.name;
    const reason = String(form.get("reason") ?? "").trim();
    await ask(`/v1/pauses${query({ scope: p.scope, name, reason })}`, { method: "DELETE" });
    changed.value = changed.value + 1;
  };
  return (
    <Act title="Let it go on?" button="Resume" onClose={onClose} send={send}>
      <p>{nameOf(p)}</p>
      <label>
        Reason (may be empty)
        <input name="reason" maxLength={500} autocomplete="off" />
      </label>
    </Act>
  );
}

export function PauseButton(): JSX.Element | null {
  const [open, setOpen] = useState(false);
  if (!mayDecide()) return null;
  return (
    <>
      <button type="button" class="pause" onClick={() => setOpen(true)}>
        Pause
      </button>
      {open ? <Begin onClose={() => setOpen(false)} /> : null}
    </>
  );
}

function Begin({ onClose }: { onClose: () => void }): JSX.Element {
  const [scope, setScope] = useState<Scope>("actor");
  const send = async (form: FormData, key: string): Promise<void> => {
    const body: Record<string, unknown> = { scope, reason: String(form.get("reason") ?? "").trim() };
    if (scope !== "everything") body.name = String(form.get("name") ?? "").trim();
    if (form.has("cancel")) body.cancel = true;
    await ask("/v1/pauses", { method: "POST", body, key });
    changed.value = changed.value + 1;
  };
  return (
    <Act title="Let nothing new run" button="Pause" danger onClose={onClose} send={send}>
      <p class="dim">From now on all but ROLLBACK is refused, new logins too, until an administrator lets go on.</p>
      <label>
        What
        <select name="scope" value={scope} onChange={(event) => setScope(event.currentTarget.value as Scope)}>
          <option value="actor">one actor</option>
          <option value="database">one database</option>
          <option value="everything">everything</option>
        </select>
      </label>
      {scope === "everything" ? null : (
        <label>
          {scope === "actor" ? "Actor" : "Database"}
          <input name="name" required maxLength={200} spellcheck={false} autocomplete="off" />
        </label>
      )}
      <label>
        Reason
        <input name="reason" required maxLength={500} autocomplete="off" />
      </label>
      <label class="check">
        <input type="checkbox" name="cancel" /> End what runs and open transactions, too
      </label>
    </Act>
  );
}
