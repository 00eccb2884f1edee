// A held statement, whole: what an approver needs to know, in the order in which it is asked.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { ask, type Answer, mayDecide, session } from "../api";
import { count, rows, seconds, size } from "../format";
import type { Actor, Ticket, Tickets } from "../generated/schema";
import { useKeys } from "../keys";
import { line, news } from "../live";
import { to } from "../router";
import * as shapes from "../shapes";
import { useLoad, useSignal } from "../store";
import { Sql } from "../sqlview";
import { Bar, Card, Countdown, Fields, Key, Note, Nothing, Of, Place, Risk, Stamp, State, T, When, Wrong } from "../ui";
import { Decide, type Verdict } from "./decide";
import { BreakGlass, Glass } from "./glass";
import { ReachGraph, ReachTable, SampleTable } from "./reach";

export function TicketPane({ id }: { id: string }): JSX.Element {
  const loaded = useLoad(`ticket ${id}`, (signal) => ask<Ticket>(`/v1/tickets/${encodeURIComponent(id)}`, { signal }));
  const happened = useSignal(news);
  useEffect(() => {
    if (happened > 0) loaded.again();
  }, [happened]);
  // Progress and comments are not events.
  const running = loaded.data?.data.state === "running";
  useEffect(() => {
    const timer = setInterval(loaded.again, running ? 1000 : 5000);
    return () => clearInterval(timer);
  }, [running]);
  return <Of loaded={loaded}>{(answer) => <Whole answer={answer} again={loaded.again} />}</Of>;
}

function Whole({ answer, again }: { answer: Answer<Ticket>; again: () => void }): JSX.Element {
  const t = answer.data;
  const effects = shapes.effectsOf(t);
  const samples = effects.filter((e) => e.sample !== undefined);
  return (
    <article class="ticket" aria-label={`Ticket ${t.id}`}>
      <Head t={t} />
      <Deciding answer={answer} again={again} />
      <Glass t={t} again={again} />
      <Warnings t={t} />
      <div class="columns">
        <div>
          <Card title="Statement">
            <Sql sql={t.sql} params={t.params} />
          </Card>
          <Card title="What it reaches">
            <ReachTable effects={effects} />
            <ReachGraph effects={effects} />
          </Card>
          {samples.length === 0 ? null : (
            <Card title="Rows">
              {samples.map((e, i) => (e.sample ? <SampleTable key={i} e={e} sample={e.sample} /> : null))}
            </Card>
          )}
          <Reasons t={t} />
        </div>
        <div>
          <Standing t={t} />
          <Recovery t={t} />
          <Who t={t} />
          <History actor={t.actor} but={t.id} />
          <Comments t={t} again={again} />
        </div>
      </div>
    </article>
  );
}

function Head({ t }: { t: Ticket }): JSX.Element {
  const what = shapes.summary(t);
  const reached = shapes.rowsReached(t);
  return (
    <header class="ticket-head">
      <a class="back" href={to("queue")}>
        Back to the list
      </a>
      <h1>
        <Risk of={t.risk} />
        <span>
          <T of={what.kind || "Statement"} /> <T of={what.object} />
          {what.more > 0 ? <span class="dim"> and {what.more} more</span> : null}
        </span>
      </h1>
      <p class="ticket-sub">
        <State of={t.state} />
        <Place database={t.database} environment={t.environment} />
        <span>
          {reached.rows > 0 ? `${reached.whole ? "" : "more than "}${rows(reached.rows)}` : reached.whole ? "no rows" : "rows not counted"}
        </span>
        <span>
          asked by <T of={t.actor} /> <When at={t.created} />
          {t.asked > 1 ? `, ${t.asked} times` : ""}
        </span>
        <span class="mono dim id">{t.id}</span>
      </p>
    </header>
  );
}

/** The bar that stays in sight, for as long as there is something to decide. */
function Deciding({ answer, again }: { answer: Answer<Ticket>; again: () => void }): JSX.Element {
  const t = answer.data;
  const who = useSignal(session);
  const connection = useSignal(line);
  const [verdict, setVerdict] = useState<Verdict | undefined>();
  const said = t.state === "pending" ? t.decisions?.find((d) => d.operator === who?.operator) : undefined;
  const open = t.state === "pending" && mayDecide() && said === undefined;
  useKeys(() =>
    open
      ? [
          { keys: ["a"], does: "approve this statement", run: () => setVerdict("approve") },
          { keys: ["d"], does: "deny this statement", run: () => setVerdict("deny") },
        ]
      : [],
  );
  return (
    <div class="deciding">
      {t.state === "pending" ? (
        <>
          <button type="button" class="main" disabled={!open} onClick={() => setVerdict("approve")}>
            Approve <Key of="a" />
          </button>
          <button type="button" class="danger" disabled={!open} onClick={() => setVerdict("deny")}>
            Deny <Key of="d" />
          </button>
          {t.decide_by ? (
            <span class="deciding-clock">
              <span class="dim">expires in</span> <Countdown until={t.decide_by} from={t.created} />
            </span>
          ) : null}
          <BreakGlass answer={answer} again={again} />
          {mayDecide() ? null : <span class="dim">Viewers may look, not decide.</span>}
          {said ? <span class="dim">You have {said.decision === "approve" ? "approved" : "denied"} it; others must, too.</span> : null}
          {connection === "offline" ? <span class="warn">Offline: this may not be how it is now.</span> : null}
        </>
      ) : (
        <Became t={t} />
      )}
      {/* Kept while it is being decided, whatever happens to the ticket: the dialog says what came of it. */}
      {verdict ? (
        <Decide ticket={t} etag={answer.etag} verdict={verdict} onClose={() => setVerdict(undefined)} onDone={again} />
      ) : null}
    </div>
  );
}

function Became({ t }: { t: Ticket }): JSX.Element {
  const progress = shapes.progressOf(t.progress);
  return (
    <div class="became">
      <State of={t.state} />
      {t.decided_by ? (
        <span>
          by <T of={t.decided_by} /> <When at={t.decided} />
        </span>
      ) : null}
      {t.reason ? (
        <q>
          <T of={t.reason} />
        </q>
      ) : null}
      {t.state === "approved" && t.redeem_by ? (
        <span>
          runs when the agent asks again, within <Countdown until={t.redeem_by} from={t.decided} />
        </span>
      ) : null}
      {progress ? (
        <span class="progress">
          {progress.phase}: {rows(progress.rows)}, {size(progress.bytes)}
          {progress.of > 0 ? <Bar share={progress.bytes / progress.of} /> : null}
          {progress.left === undefined ? "" : `${seconds(progress.left)} left`}
        </span>
      ) : null}
      {t.finished ? (
        <span class="dim">
          ended <When at={t.finished} />
        </span>
      ) : null}
      {t.detail ? <T of={t.detail} /> : null}
      {t.point ? <a href={to("points", t.point)}>Recovery point</a> : null}
    </div>
  );
}

function Warnings({ t }: { t: Ticket }): JSX.Element {
  const evades = shapes.evadesOf(t);
  const plan = shapes.planOf(t);
  return (
    <>
      {evades ? (
        <Note tone={evades.sure ? "bad" : "warn"}>
          <T of={evades.text} /> {evades.of ? <a href={to("queue", evades.of)}>See what was refused</a> : null}
        </Note>
      ) : null}
      {plan && !plan.fits ? (
        <Note tone="bad">
          The recovery point does not fit: recovery.lock_budget is {seconds(plan.budget ?? 0)}, recovery.max_bytes{" "}
          {size(plan.most ?? 0)}. It would be refused. Raise them, or have it done in parts.
        </Note>
      ) : null}
      {plan?.store && !plan.store.answers ? (
        <Note tone="bad">
          The storage does not answer, so it would be refused: <T of={plan.store.error} />
        </Note>
      ) : null}
      {plan?.store?.answers && !plan.store.room ? <Note tone="bad">The storage has no room for the recovery point.</Note> : null}
      {plan && (plan.kind === "none" || plan.kind === "waived") ? (
        <Note tone="warn">
          No recovery point will be made: <T of={plan.why} />
        </Note>
      ) : null}
    </>
  );
}

function Reasons({ t }: { t: Ticket }): JSX.Element | null {
  const all = shapes.reasonsOf(t.reasons);
  return all.length === 0 ? null : (
    <Card title="Why it is held">
      <ul class="plain">
        {all.map((r, i) => (
          <li key={i}>
            <T of={r.text} />
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Standing({ t }: { t: Ticket }): JSX.Element {
  const needs = t.approvals?.needs ?? [];
  return (
    <Card title="Decision">
      {needs.length > 0 || t.approvals?.require_reason || t.approvals?.exclude_owner ? (
        <ul class="plain dim">
          {needs.map((n) => (
            <li>
              {n.quorum} {n.groups.length > 0 ? `of ${n.groups.join(" or ")}` : n.quorum === 1 ? "approver" : "approvers"}
            </li>
          ))}
          {t.approvals?.require_reason ? <li>a reason must be given</li> : null}
          {t.approvals?.exclude_owner ? <li>not by the agent's owner</li> : null}
        </ul>
      ) : null}
      <ul class="said">
        {(t.decisions ?? []).map((d) => (
          <li class={d.counts === false ? "dim" : ""}>
            <span class={d.decision === "approve" ? "yes" : "no"}>{d.decision === "approve" ? "approved" : "denied"}</span> by{" "}
            <strong>
              <T of={d.operator} />
            </strong>{" "}
            <When at={d.at} />
            {d.counts === false ? " (may not approve any more: does not count)" : ""}
            {d.reason ? (
              <p class="words">
                <T of={d.reason} />
              </p>
            ) : null}
          </li>
        ))}
      </ul>
      {(t.missing ?? []).map((m) => (
        <div class="quorum">
          <span class="num">
            {m.have} of {m.quorum}
          </span>
          <Bar share={m.have / m.quorum} />
          <span>
            {m.could.length === 0 ? <strong class="bad">nobody could approve</strong> : "could approve: "}
            <T of={m.could.join(", ")} />
          </span>
        </div>
      ))}
    </Card>
  );
}

const GRADES: Record<string, string> = {
  stored: "stored",
  "read-back": "read back and compared",
  restored: "restored and compared",
};

function Recovery({ t }: { t: Ticket }): JSX.Element {
  const p = shapes.planOf(t);
  if (!p) {
    return (
      <Card title="Recovery">
        <Nothing>No recovery point is planned.</Nothing>
      </Card>
    );
  }
  return (
    <Card title="Recovery">
      <Fields
        rows={[
          ["Plan", <T of={p.why} />],
          ["Proof", GRADES[p.grade] ?? p.grade],
          ["Size", p.bytes === undefined ? "" : `about ${size(p.bytes)}${p.rows === undefined ? "" : `, ${rows(p.rows)}`}`],
          ["Time", p.seconds === undefined ? "" : `${seconds(p.seconds)}, as the last ones took`],
          ["Definitions", p.definition ? "kept, too" : ""],
          [
            "Storage",
            p.store === undefined
              ? ""
              : p.store.answers
                ? `answers${p.store.lock === "confirmed" ? ", objects are locked" : ""}${p.store.undeletable ? ", cannot be deleted from here" : ""}`
                : <span class="bad">does not answer</span>,
          ],
          ["Point", t.point ? <a href={to("points", t.point)}><T of={t.point} /></a> : ""],
        ]}
      />
      {p.notCovered.length === 0 ? null : (
        <details>
          <summary>An undo will not cover {count(p.notCovered.length)} things</summary>
          <ul class="plain">
            {p.notCovered.map((one) => (
              <li>
                <T of={one} />
              </li>
            ))}
          </ul>
        </details>
      )}
    </Card>
  );
}

function Who({ t }: { t: Ticket }): JSX.Element {
  const claims = shapes.claimsOf(t);
  return (
    <Card title="Who asks">
      <Fields
        rows={[
          ["Actor", <a href={to("actors", t.actor)}><T of={t.actor} /></a>],
          ["Owner", t.owner ? <T of={t.owner} /> : ""],
          ["From", t.client ? <T of={t.client} /> : ""],
          ["Role", t.role ? <T of={t.role} /> : ""],
          ["Session", t.session ? <a class="mono" href={to("audit", "", { session: t.session })}><T of={t.session} /></a> : ""],
          ["Asked", <Stamp at={t.created} />],
          ["Record", <a href={to("audit", "", { ticket: t.id })}>in the audit</a>],
        ]}
      />
      {claims.length === 0 ? null : (
        <>
          <h3>
            Says of itself <span class="dim">nobody has proven it</span>
          </h3>
          <Fields rows={claims.map(([name, value]): [string, ComponentChildren] => [name, <T of={value} most={200} />])} />
        </>
      )}
    </Card>
  );
}

const PAST = 100;

function History({ actor, but }: { actor: string; but: string }): JSX.Element {
  const path = encodeURIComponent(actor);
  const loaded = useLoad(`history ${actor}`, async (signal) => {
    const [past, now] = await Promise.all([
      ask<Tickets>(`/v1/tickets?limit=${PAST}&actor=${path}`, { signal }),
      ask<Actor>(`/v1/actors/${path}`, { signal }).catch(() => undefined),
    ]);
    return { tickets: past.data.tickets.filter((t) => t.id !== but), actor: now?.data };
  });
  return (
    <Card title="What this actor did before">
      <Of loaded={loaded}>
        {({ tickets, actor: now }) => (
          <>
            {now && now.status !== "active" ? (
              <Note tone="warn">
                This actor is <T of={now.status} />
                {now.quarantine_why ? (
                  <>
                    : <T of={now.quarantine_why} />
                  </>
                ) : null}
              </Note>
            ) : null}
            <Tally tickets={tickets} />
            <ul class="past">
              {tickets.slice(0, 6).map((t) => (
                <li>
                  <State of={t.state} />
                  <a class="mono" href={to("queue", t.id)}>
                    <T of={t.sql.replace(/\s+/g, " ")} most={44} />
                  </a>
                  <span class="dim">
                    <When at={t.created} />
                  </span>
                </li>
              ))}
            </ul>
          </>
        )}
      </Of>
    </Card>
  );
}

function Tally({ tickets }: { tickets: Ticket[] }): JSX.Element {
  if (tickets.length === 0) return <Nothing>This is the first statement of this actor that was held.</Nothing>;
  const of = (...states: string[]): number => tickets.filter((t) => states.includes(t.state)).length;
  const rowsOf: Array<[string, number]> = [
    ["done", of("done")],
    ["denied", of("denied")],
    ["failed", of("failed", "uncertain")],
    ["expired", of("expired")],
    ["open", of("pending", "approved", "running")],
  ];
  return (
    <p class="tally">
      {rowsOf.filter(([, n]) => n > 0).map(([name, n]) => (
        <span>
          <strong class="num">{n}</strong> {name}
        </span>
      ))}
      {tickets.length >= PAST - 1 ? <span class="dim">of the last {PAST}</span> : null}
    </p>
  );
}

function Comments({ t, again }: { t: Ticket; again: () => void }): JSX.Element {
  const field = useRef<HTMLTextAreaElement>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | undefined>();
  const all = t.comments ?? [];
  useKeys(() => (mayDecide() ? [{ keys: ["c"], does: "comment", run: () => field.current?.focus() }] : []));
  const submit = async (): Promise<void> => {
    const text = field.current?.value.trim() ?? "";
    if (text === "" || busy) return;
    setBusy(true);
    setError(undefined);
    try {
      await ask(`/v1/tickets/${encodeURIComponent(t.id)}/comment`, { method: "POST", body: { text } });
      if (field.current) field.current.value = "";
      again();
    } catch (why) {
      setError(why as Error);
    }
    setBusy(false);
  };
  return (
    <Card title="Comments">
      {all.length === 0 ? <Nothing>Nobody has said anything.</Nothing> : null}
      <ul class="said">
        {all.map((c) => (
          <li>
            <strong>
              <T of={c.operator} />
            </strong>{" "}
            <When at={c.at} />
            <p class="words">
              <T of={c.text} />
            </p>
          </li>
        ))}
      </ul>
      {mayDecide() ? (
        <form
          class="comment"
          onSubmit={(event) => {
            event.preventDefault();
            void submit();
          }}
        >
          {error ? <Wrong error={error} /> : null}
          <label class="unseen" for="comment">
            Comment
          </label>
          <textarea
            id="comment"
            ref={field}
            rows={2}
            maxLength={2000}
            placeholder="For all who look at this"
            onKeyDown={(event) => {
              if (event.key === "Escape") event.currentTarget.blur();
              if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void submit();
            }}
          />
          <button type="submit" disabled={busy}>
            Comment
          </button>
        </form>
      ) : null}
    </Card>
  );
}
