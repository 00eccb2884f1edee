// What waits for somebody, and what of it is open.

import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";

import { ask } from "../api";
import { rows } from "../format";
import type { Ticket, Tickets } from "../generated/schema";
import { useKeys } from "../keys";
import { answered, line, news } from "../live";
import { go, place, to } from "../router";
import { rowsReached, summary } from "../shapes";
import { type Loaded, useLoad, useSignal } from "../store";
import { cut } from "../text";
import { Countdown, Nothing, Of, Risk, State, T, When } from "../ui";
import { TicketPane } from "./ticket";

type View = "open" | "decided";

const OPEN = ["pending", "approved", "running"];
const LATEST = 200;

async function loadTickets(signal: AbortSignal): Promise<Ticket[]> {
  try {
    const { data } = await ask<Tickets>(`/v1/tickets?limit=${LATEST}`, { signal });
    answered(true);
    return data.tickets;
  } catch (error) {
    if ((error as Error).name !== "AbortError") answered(false);
    throw error;
  }
}

/** Waiting ones first, those whose time is up soonest before the others. */
function byUrgency(a: Ticket, b: Ticket): number {
  const rank = (t: Ticket): number => OPEN.indexOf(t.state);
  return rank(a) - rank(b) || (a.decide_by ?? "").localeCompare(b.decide_by ?? "");
}

function useTickets(): Loaded<Ticket[]> {
  const loaded = useLoad("tickets", loadTickets);
  const count = useSignal(news);
  useEffect(() => {
    if (count > 0) loaded.again();
  }, [count]);
  return loaded;
}

function Entry({ t, here }: { t: Ticket; here: boolean }): JSX.Element {
  const what = summary(t);
  const reached = rowsReached(t);
  return (
    <li class={here ? "here" : ""}>
      <a href={to("queue", t.id)} {...(here ? { "aria-current": "true" } : {})}>
        <span class="entry-top">
          <Risk of={t.risk} />
          <strong>
            <T of={what.kind || "Statement"} /> <T of={what.object} most={36} />
            {what.more > 0 ? <span class="dim"> +{what.more}</span> : null}
          </strong>
          {t.state === "pending" && t.decide_by ? <Countdown until={t.decide_by} from={t.created} /> : <State of={t.state} />}
        </span>
        <span class="entry-sql mono">
          <T of={cut(t.sql.replace(/\s+/g, " "), 90)} />
        </span>
        <span class="entry-end dim">
          <span>
            <T of={t.actor} most={28} /> on <T of={t.database} most={20} />
            {t.environment ? (
              <>
                {" "}
                (<T of={t.environment} most={16} />)
              </>
            ) : null}
          </span>
          <span>
            {reached.whole && reached.rows > 0 ? `${rows(reached.rows)}, ` : ""}
            <When at={t.created} />
          </span>
        </span>
        {t.evades === undefined ? null : <span class="flag">asked for before, and refused</span>}
      </a>
    </li>
  );
}

/** Selected by the keyboard, the entry must be seen. */
function useScrollTo(id: string): void {
  useEffect(() => {
    document.querySelector(".list .here")?.scrollIntoView({ block: "nearest" });
  }, [id]);
}

export function Queue({ id }: { id: string }): JSX.Element {
  const loaded = useTickets();
  const state = useSignal(line);
  const [view, setView] = useState<View>("open");
  const all = loaded.data ?? [];
  const open = useMemo(() => all.filter((t) => OPEN.includes(t.state)).sort(byUrgency), [all]);
  const shown = view === "open" ? open : all.filter((t) => !OPEN.includes(t.state));
  const waiting = open.filter((t) => t.state === "pending").length;
  useScrollTo(id);
  useEffect(() => {
    document.title = waiting > 0 ? `(${waiting}) Backstop` : "Backstop";
  }, [waiting]);

  const step = (by: number): void => {
    const at = shown.findIndex((t) => t.id === place.value.name);
    const next = shown[at < 0 ? (by > 0 ? 0 : shown.length - 1) : Math.max(0, Math.min(shown.length - 1, at + by))];
    if (next) go(to("queue", next.id));
  };
  useKeys(() => [
    { keys: ["j", "ArrowDown"], does: "next statement", run: () => step(1) },
    { keys: ["k", "ArrowUp"], does: "the one before", run: () => step(-1) },
    { keys: ["o"], does: "open or decided ones", run: () => setView(view === "open" ? "decided" : "open") },
    { keys: ["Escape"], does: "back to the list", run: () => go(to("queue")) },
  ]);
  return (
    <div class={`split${id === "" ? "" : " split-open"}`}>
      <aside class={`list${state === "offline" ? " stale" : ""}`} aria-label="Held statements">
        <div class="tabs" role="group" aria-label="Which ones">
          <button type="button" aria-pressed={view === "open"} onClick={() => setView("open")}>
            Open <span class="num">{open.length}</span>
          </button>
          <button type="button" aria-pressed={view === "decided"} onClick={() => setView("decided")}>
            Ended
          </button>
        </div>
        <Of loaded={loaded}>
          {() =>
            shown.length === 0 ? (
              <Nothing>
                {view === "open" ? "Nothing waits. What agents ask for appears here at once." : "Nothing has ended yet."}
              </Nothing>
            ) : (
              <ul>
                {shown.map((t) => (
                  <Entry key={t.id} t={t} here={t.id === id} />
                ))}
              </ul>
            )
          }
        </Of>
      </aside>
      <div class="pane">
        {id === "" ? (
          <Nothing>{waiting > 0 ? "Choose a statement, or press j." : "No statement is open."}</Nothing>
        ) : (
          <TicketPane key={id} id={id} />
        )}
      </div>
    </div>
  );
}
