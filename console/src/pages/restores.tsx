// The way back: what was begun, and one of them step by step. Each step names what was seen before it.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { ask, mayDecide, query, session } from "../api";
import { count, rows, seconds, size } from "../format";
import type { Restore, RestoreResult, Restores as Page, RestoreStep } from "../generated/schema";
import { restoreNews } from "../live";
import { go, to } from "../router";
import { bag, list, number, text } from "../shapes";
import { Sql } from "../sqlview";
import { useLoad, useSignal } from "../store";
import { Bar, Card, Fields, More, Note, Nothing, Of, Stamp, T, When, Wrong } from "../ui";
import { Act } from "./act";

type Step = RestoreStep["step"];

const STEPS: Record<Step, { title: string; says: string }> = {
  preview: { title: "Preview", says: "proves the point and tells what is there now; touches nothing" },
  run: { title: "Load beside", says: "loads the saved rows into tables beside the live ones" },
  diff: { title: "Compare", says: "compares the saved rows with the live ones; changes nothing" },
  plan: { title: "Plan", says: "finds out what a copy-back would do; changes nothing" },
  "copy-back": { title: "Copy back", says: "does what the plan says, in one transaction" },
  discard: { title: "Discard", says: "drops the tables that were loaded beside" },
};

const PAGE = 50;

function busy(r: Restore): boolean {
  return r.state === "queued" || r.state === "running";
}

function Ended({ of }: { of: string }): JSX.Element {
  const tone =
    of === "done" ? "done" : of === "queued" || of === "running" ? "running" : of === "cancelled" ? "expired" : "failed";
  return <span class={`state state-${tone}`}>{of}</span>;
}

// --- beginning ---

export function BeginRestore({ point, tables }: { point: string; tables: string[] }): JSX.Element | null {
  const [open, setOpen] = useState(false);
  if (!mayDecide()) return null;
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        Restore
      </button>
      {open ? <Begin point={point} tables={tables} onClose={() => setOpen(false)} /> : null}
    </>
  );
}

function Begin({ point, tables, onClose }: { point: string; tables: string[]; onClose: () => void }): JSX.Element {
  const send = async (form: FormData, key: string): Promise<void> => {
    const body: Record<string, string> = { point };
    for (const name of ["table", "where"]) {
      const value = String(form.get(name) ?? "").trim();
      if (value !== "") body[name] = value;
    }
    const { data } = await ask<Restore>("/v1/restores", { method: "POST", body, key });
    go(to("restores", data.id));
  };
  return (
    <Act title="Begin a restore" button="Preview" onClose={onClose} send={send}>
      <p class="dim">A preview comes first. It touches nothing.</p>
      <label>
        Table
        <select name="table">
          <option value="">all that the point has</option>
          {tables.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        Only rows where
        <input name="where" class="mono" placeholder="id = 42; needs a table" spellcheck={false} autocomplete="off" />
      </label>
    </Act>
  );
}

// --- the list ---

export function Restores({ id }: { id: string }): JSX.Element {
  const [pages, setPages] = useState(1);
  const happened = useSignal(restoreNews);
  const loaded = useLoad(`restores ${pages}`, async (signal) => {
    const all: Restore[] = [];
    let cursor: string | undefined;
    for (let i = 0; i < pages; i++) {
      const { data }: { data: Page } = await ask<Page>(`/v1/restores${query({ limit: PAGE, cursor })}`, { signal });
      all.push(...data.restores);
      cursor = data.next;
      if (!cursor) break;
    }
    return { all, next: cursor };
  });
  useEffect(() => {
    if (happened > 0) loaded.again();
  }, [happened]);
  return (
    <div class="wide stack">
      <h1>Restores</h1>
      {id === "" ? null : <One key={id} id={id} />}
      <Of loaded={loaded}>
        {({ all, next }) =>
          all.length === 0 ? (
            <Nothing>
              Nothing was restored yet. Choose a <a href={to("points")}>recovery point</a> and begin there.
            </Nothing>
          ) : (
            <Card title="All of them, newest first" more={<span class="dim num">{all.length}{next ? "+" : ""}</span>}>
              <div class="scroll" tabIndex={0} role="region" aria-label="Restores">
                <table class="list-table">
                  <thead>
                    <tr>
                      <th>Begun</th>
                      <th>By</th>
                      <th>Of</th>
                      <th class="right">Saved rows</th>
                      <th>Step</th>
                      <th>State</th>
                      <th>Database</th>
                    </tr>
                  </thead>
                  <tbody>
                    {all.map((r) => (
                      <tr key={r.id} class={r.id === id ? "here" : ""}>
                        <td>
                          <a href={to("restores", r.id)}>
                            <Stamp at={r.created_at} />
                          </a>
                        </td>
                        <td>
                          <T of={r.created_by} />
                        </td>
                        <td>{r.table ? <T of={r.table} most={40} /> : <span class="mono">{r.point}</span>}</td>
                        <td class="right num" data-h="rows">{r.rows === undefined ? "" : count(r.rows)}</td>
                        <td>{STEPS[r.step].title}</td>
                        <td>
                          <Ended of={r.state} />
                        </td>
                        <td>
                          <T of={r.database} />
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
              <More next={next} loading={loaded.loading} onMore={() => setPages(pages + 1)} />
            </Card>
          )
        }
      </Of>
    </div>
  );
}

// --- one of them ---

function One({ id }: { id: string }): JSX.Element {
  const happened = useSignal(restoreNews);
  const loaded = useLoad(`restore ${id}`, (signal) => ask<Restore>(`/v1/restores/${encodeURIComponent(id)}`, { signal }));
  const running = loaded.data ? busy(loaded.data.data) : false;
  useEffect(() => {
    if (happened > 0) loaded.again();
  }, [happened]);
  useEffect(() => {
    const timer = running ? setInterval(loaded.again, 1000) : undefined;
    return () => clearInterval(timer);
  }, [running]);
  return (
    <Card title="Restore" more={<a href={to("restores")}>Close</a>}>
      <Of loaded={loaded}>{({ data }) => <Whole r={data} again={loaded.again} />}</Of>
    </Card>
  );
}

function Whole({ r, again }: { r: Restore; again: () => void }): JSX.Element {
  const [chosen, setChosen] = useState<Step | undefined>();
  const newest = r.steps.length;
  useEffect(() => setChosen(undefined), [newest]);
  const shown = chosen ?? r.step;
  const step = [...r.steps].reverse().find((one) => one.step === shown);
  const target = bag(r.subject?.target);
  return (
    <div class="stack">
      <div class="halves">
        <Fields
          rows={[
            ["Point", <a class="mono" href={to("points", r.point)}>{r.point}</a>],
            ["Only", r.table ? <T of={r.table} /> : ""],
            ["Where", r.where ? <span class="mono"><T of={r.where} /></span> : ""],
            ["Holds", r.rows === undefined ? "" : `${rows(r.rows)}, ${size(r.stored_bytes ?? 0)} stored`],
            ["Ticket", r.ticket ? <a class="mono" href={to("queue", r.ticket)}>{r.ticket}</a> : ""],
          ]}
        />
        <Fields
          rows={[
            ["Into", text(target.database) ? <T of={text(target.database)} /> : ""],
            ["As", text(target.role) ? <T of={text(target.role)} /> : ""],
            ["Begun", <><Stamp at={r.created_at} /> by <T of={r.created_by} /></>],
            ["Restore", <span class="mono">{r.id}</span>],
          ]}
        />
      </div>
      {r.superuser ? (
        <Note tone="warn">
          It connects as a superuser: what agents wrote into triggers, checks and domains would run with all rights.
          `restorer` in the configuration names another role.
        </Note>
      ) : null}
      <ol class="steps">
        {r.steps.map((one, i) => (
          <li key={i}>
            <button type="button" aria-pressed={one.step === shown && one === step} onClick={() => setChosen(one.step)}>
              {STEPS[one.step].title}
              <Ended of={one.state} />
            </button>
          </li>
        ))}
      </ol>
      {busy(r) ? <Running r={r} again={again} /> : <Next r={r} again={again} />}
      {step ? <Shown key={`${shown} ${step.finished_at ?? ""}`} r={r} step={step} /> : null}
    </div>
  );
}

function Running({ r, again }: { r: Restore; again: () => void }): JSX.Element {
  const [error, setError] = useState<Error | undefined>();
  const p = r.progress;
  const cancel = (): void => {
    ask(`/v1/restores/${encodeURIComponent(r.id)}`, { method: "DELETE" }).then(again, setError);
  };
  return (
    <div class="became" role="status">
      <Ended of={r.state} />
      <span>
        {STEPS[r.step].title}
        {p?.phase ? `, ${p.phase}` : ""}
      </span>
      {p ? (
        <span class="progress">
          {size(p.bytes)}
          {p.of ? (
            <>
              {" "}
              of {size(p.of)} <Bar share={p.bytes / p.of} />
            </>
          ) : null}{" "}
          {seconds(p.seconds)}
        </span>
      ) : null}
      {mayDecide() ? (
        <button type="button" onClick={cancel}>
          Call it off
        </button>
      ) : null}
      {error ? <Wrong error={error} /> : null}
    </div>
  );
}

function digestOf(r: Restore, step?: Step): string | undefined {
  return [...r.steps].reverse().find((one) => one.digest && (step === undefined || one.step === step))?.digest;
}

/** What may come next; the gateway decides whether it does. */
function Next({ r, again }: { r: Restore; again: () => void }): JSX.Element | null {
  const who = useSignal(session);
  const [act, setAct] = useState<Step | "approve" | undefined>();
  const seen = digestOf(r);
  const last = r.steps[r.steps.length - 1];
  const planned = last?.step === "plan" && last.state === "done" ? last : undefined;
  const beside = r.steps.map((one) => (one.state === "done" ? one.step : "")).lastIndexOf("run");
  const gone = r.steps.map((one) => (one.state === "done" ? one.step : "")).lastIndexOf("discard");
  const back = r.steps.some((one) => one.step === "copy-back" && one.state === "done"); // what then may come is no next step
  if (!mayDecide() || seen === undefined) return null;
  const send = (step: Step | "approve", digest: string) => async (form: FormData, key: string): Promise<void> => {
    await ask(`/v1/restores/${encodeURIComponent(r.id)}/${step}`, { method: "POST", body: bodyOf(step, digest, form), key });
    again();
  };
  return (
    <div class="acts">
      {planned ? (
        <button type="button" class="main danger" onClick={() => setAct("copy-back")}>
          Copy back
        </button>
      ) : null}
      {planned && planned.by !== who?.operator && !planned.approved_by ? (
        <button type="button" onClick={() => setAct("approve")}>
          Agree to the plan
        </button>
      ) : null}
      <button type="button" class={planned || back ? "" : "main"} onClick={() => setAct("plan")}>
        {planned ? "Plan anew" : "Plan a copy-back"}
      </button>
      <button type="button" onClick={() => setAct("diff")}>
        Compare
      </button>
      <button type="button" onClick={() => setAct("run")}>
        Load beside
      </button>
      {beside > gone ? (
        <button type="button" class="danger" onClick={() => setAct("discard")}>
          Discard what was loaded
        </button>
      ) : null}
      {act === undefined ? null : (
        <StepDialog act={act} r={r} onClose={() => setAct(undefined)} send={send(act, act === "copy-back" || act === "approve" ? (planned?.digest ?? seen) : seen)} />
      )}
    </div>
  );
}

const CHOICES = {
  no_triggers: "User triggers do not fire",
  remove_inserted: "Rows that the transaction made go, too",
  set_sequences: "Sequences go back to what they were",
  all_missing: "Bring back all that the database had and lacks",
  group: "All points of the same transaction, in one",
};

function bodyOf(step: Step | "approve", digest: string, form: FormData): Record<string, unknown> {
  const body: Record<string, unknown> = { digest };
  const given = (name: string): string => String(form.get(name) ?? "").trim();
  if (step === "approve" && given("reason") !== "") body.reason = given("reason");
  if (step === "run" && given("into") !== "") body.into = given("into");
  if (step === "plan") {
    body.conflict = given("conflict");
    for (const name of Object.keys(CHOICES)) if (form.has(name)) body[name] = true;
  }
  return body;
}

function StepDialog(props: {
  act: Step | "approve";
  r: Restore;
  onClose: () => void;
  send: (form: FormData, key: string) => Promise<void>;
}): JSX.Element {
  const { act, onClose, send } = props;
  if (act === "approve") {
    return (
      <Act title="Agree to the plan" button="Agree" onClose={onClose} send={send}>
        <label>
          Reason
          <input name="reason" maxLength={2000} autocomplete="off" />
        </label>
      </Act>
    );
  }
  return (
    <Act title={STEPS[act].title} button={STEPS[act].title} danger={act === "copy-back" || act === "discard"} onClose={onClose} send={send}>
      <p class="dim">It {STEPS[act].says}.</p>
      {act === "copy-back" ? (
        <p>The live tables change. What is replaced gets a recovery point of its own first, so this can be undone, too.</p>
      ) : null}
      {act === "run" ? (
        <label>
          Into another table (may be empty)
          <input name="into" class="mono" placeholder="schema.name, for one table" spellcheck={false} autocomplete="off" />
        </label>
      ) : null}
      {act === "plan" ? (
        <>
          <label>
            Rows that others have changed since
            <select name="conflict">
              <option value="skip">stay as they are now</option>
              <option value="overwrite">become what was saved</option>
              <option value="abort">stop it all</option>
            </select>
          </label>
          {Object.entries(CHOICES).map(([name, says]) => (
            <label class="check" key={name}>
              <input type="checkbox" name={name} /> {says}
            </label>
          ))}
        </>
      ) : null}
    </Act>
  );
}

// --- what a step has shown ---

function Shown({ r, step }: { r: Restore; step: RestoreStep }): JSX.Element {
  const problem = step.error;
  return (
    <div class="stack">
      <p class="dim">
        {STEPS[step.step].title}, asked for by <T of={step.by} /> <When at={step.asked_at} />
        {step.approved_by ? (
          <>
            , agreed to by <T of={step.approved_by} />
          </>
        ) : null}
      </p>
      {problem ? (
        <Note tone="bad">
          <strong>
            <T of={problem.detail} />
          </strong>
          {problem.hint ? (
            <div>
              <T of={problem.hint} />
            </div>
          ) : null}
        </Note>
      ) : null}
      {step.state === "uncertain" ? <Note tone="bad">It is not known whether it was done: a new preview shows it.</Note> : null}
      {step.state === "interrupted" ? <Note tone="warn">The gateway stopped meanwhile. Nothing is half done; of a copy-back a new preview shows whether it was.</Note> : null}
      {step.state === "done" ? mayDecide() ? <Result r={r} step={step.step} /> : <Nothing>What it has shown holds rows, so it takes an approver to see it.</Nothing> : null}
    </div>
  );
}

function Result({ r, step }: { r: Restore; step: Step }): JSX.Element {
  const loaded = useLoad(`result ${r.id} ${step}`, (signal) =>
    ask<RestoreResult>(`/v1/restores/${encodeURIComponent(r.id)}/result${query({ step, limit: 200 })}`, { signal }),
  );
  return (
    <Of loaded={loaded}>
      {({ data }) => (
        <div class="stack">
          <Said result={bag(data.result)} step={step} />
          <Tables tables={list(data.result.tables).map(bag)} step={step} />
          {text(bag(data.result.plan).sql) ? (
            <details>
              <summary>The SQL of the plan</summary>
              <Sql sql={text(bag(data.result.plan).sql)} />
            </details>
          ) : null}
          <details>
            <summary>All of it, as JSON</summary>
            <pre class="box" tabIndex={0} aria-label="Result">
              <T of={JSON.stringify(data.result, null, 2)} />
            </pre>
          </details>
        </div>
      )}
    </Of>
  );
}

/** What is no table of rows: warnings first. */
function Said({ result, step }: { result: Record<string, unknown>; step: Step }): JSX.Element {
  const before = text(result.before);
  const conflicts = list(result.conflicts).map(text);
  const dropped = list(result.dropped).map(text);
  const lists: Array<[string, string[]]> = [
    ["Also goes along", list(result.cascade).map((c) => `${text(bag(c).type)} ${text(bag(c).identity)}`)],
    [step === "copy-back" ? "Objects that came back" : "Objects that come back", list(result.objects).map(text)],
    ["Dropped", dropped],
    ["Points of the same transaction", list(result.same_transaction).map(text)],
    ["To be done again by hand", list(result.again).map(text)],
    ["What cannot come back", list(result.cannot).map(text)],
  ];
  return (
    <>
      {text(result.unreached) ? (
        <Note tone="warn">
          The database could not be looked at: <T of={text(result.unreached)} />
        </Note>
      ) : null}
      {conflicts.map((one) => (
        <Note tone="warn">
          <T of={one} />
        </Note>
      ))}
      {["sequences_failed", "cluster_failed", "uncompared", "difference", "kept"].map((name) =>
        text(result[name]) ? (
          <Note tone="warn">
            <T of={text(result[name])} />
          </Note>
        ) : null,
      )}
      {step === "copy-back" ? (
        <Note tone="info">
          It is done.{" "}
          {before ? (
            <>
              What it replaced is kept: <a href={to("points", before)}>the point to undo it</a>.
            </>
          ) : null}
        </Note>
      ) : null}
      {step === "diff" && result.same === true ? <Note tone="info">What is saved and what is live are the same.</Note> : null}
      {step === "preview" && text(bag(result.proof).result) === "ok" ? (
        <p>
          <span class="state state-done">proven</span> <span class="dim">{text(bag(result.proof).level)}, {rows(number(bag(result.proof).rows) ?? 0)}</span>
        </p>
      ) : null}
      {lists.filter(([, all]) => all.length > 0).map(([title, all]) => (
        <details open={title !== "What cannot come back"}>
          <summary>
            {title} ({all.length})
          </summary>
          <ul class="plain">
            {all.slice(0, 100).map((one) => (
              <li>
                <T of={one} />
              </li>
            ))}
          </ul>
        </details>
      ))}
    </>
  );
}

/** The numbers of a table that are worth a column, by step: what they are called there, and here. */
const NUMBERS: Record<Step, Array<[string, string]>> = {
  preview: [["rows", "Saved"], ["live_rows", "Live"], ["now.missing", "Missing"], ["now.by_statement", "As the statement left them"], ["now.conflicts", "Changed since"], ["now.made", "Made by it"], ["now.equal", "Equal"]],
  run: [["rows", "Loaded"], ["bytes", "Bytes"]],
  diff: [["saved_rows", "Saved"], ["live_rows", "Live"], ["missing", "Missing"], ["changed", "Differ"], ["conflicts", "Changed since"], ["extra", "Extra"], ["equal", "Equal"]],
  plan: [["inserted", "To insert"], ["updated", "To update"], ["removed", "To remove"], ["skipped", "Left as they are"]],
  "copy-back": [["inserted", "Inserted"], ["updated", "Updated"], ["removed", "Removed"], ["skipped", "Left as they are"]],
  discard: [],
};

function at(of: Record<string, unknown>, path: string): number | undefined {
  const [first = "", second] = path.split(".");
  return number(second === undefined ? of[first] : bag(of[first])[second]);
}

function Tables({ tables, step }: { tables: Array<Record<string, unknown>>; step: Step }): JSX.Element | null {
  const columns = NUMBERS[step].filter(([path], i) => i < 2 || tables.some((t) => (at(t, path) ?? 0) > 0));
  if (tables.length === 0 || columns.length === 0) return null;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Tables">
      <table>
        <thead>
          <tr>
            <th>Table</th>
            {columns.map(([path, title]) => (
              <th key={path} class="right">
                {title}
              </th>
            ))}
            <th>Notes</th>
          </tr>
        </thead>
        <tbody>
          {tables.map((t, i) => (
            <tr key={i}>
              <td>
                <T of={`${text(t.schema)}.${text(t.name)}`} />
                {text(t.into_name) ? (
                  <div class="dim">
                    into <T of={`${text(t.into_schema)}.${text(t.into_name)}`} />
                  </div>
                ) : null}
              </td>
              {columns.map(([path]) => (
                <td key={path} class="right num">
                  {at(t, path) === undefined ? "" : count(at(t, path) ?? 0)}
                </td>
              ))}
              <td>
                <Notes t={t} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const KEYS: Array<[string, string]> = [["missing", "missing"], ["conflicts", "changed since"], ["changed", "differ"], ["extra", "extra"], ["made", "made by it"]];

/** Keys of some rows, and what would stop it. */
function Notes({ t }: { t: Record<string, unknown> }): JSX.Element {
  const examples = bag(t.examples);
  const broken = [...list(t.foreseen), ...list(bag(t.validation).broken)].map(bag);
  return (
    <>
      {t.exists === false || t.rebuilt === true ? <div>is made anew</div> : null}
      {text(bag(t.validation).row_hash) === "equal" ? <div class="dim">counted, hash equal, constraints hold</div> : null}
      {broken.map((b) => (
        <div class="bad">
          <T of={`${text(b.kind)} ${text(b.name)}: ${text(b.error)}`} most={200} />
        </div>
      ))}
      {KEYS.filter(([name]) => list(examples[name]).length > 0)
        .slice(0, 3)
        .map(([name, says]) => (
          <div class="dim">
            {says}:{" "}
            <span class="mono">
              <T of={list(examples[name]).slice(0, 5).map(keyText).join(" ")} most={120} />
            </span>
          </div>
        ))}
    </>
  );
}

function keyText(key: unknown): string {
  const fields = Object.entries(bag(key));
  return fields.length === 1 ? String(fields[0]?.[1]) : `(${fields.map(([, value]) => String(value)).join(", ")})`;
}
