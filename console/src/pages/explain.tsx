// What would be decided about a statement, and why; nothing runs.

import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";

import { ask } from "../api";
import type { Actors, Explained } from "../generated/schema";
import { useKeys } from "../keys";
import { bag, effectOf, list, reasonsOf, text } from "../shapes";
import { useLoad } from "../store";
import { plain } from "../text";
import { Card, Fields, Key, Nothing, Of, Risk, T, Wrong } from "../ui";
import { ReachGraph, ReachTable } from "./reach";

type Asked = { actor: string; sql: string; database?: string; rows?: number };

export function Explain(): JSX.Element {
  const actors = useLoad("actors for explain", (signal) => ask<Actors>("/v1/actors?limit=1000", { signal }));
  const form = useRef<HTMLFormElement>(null);
  const [busy, setBusy] = useState(false);
  const [answer, setAnswer] = useState<Explained | undefined>();
  const [error, setError] = useState<Error | undefined>();
  const submit = async (): Promise<void> => {
    if (!form.current || busy) return;
    const given = new FormData(form.current);
    const value = (name: string): string => String(given.get(name) ?? "").trim();
    const body: Asked = { actor: value("actor"), sql: value("sql") };
    if (value("database") !== "") body.database = value("database");
    if (value("rows") !== "") body.rows = Number(value("rows"));
    if (body.sql === "" || body.actor === "") return;
    setBusy(true);
    setError(undefined);
    try {
      setAnswer((await ask<Explained>("/v1/explain", { method: "POST", body })).data);
    } catch (why) {
      setError(why as Error);
      setAnswer(undefined);
    }
    setBusy(false);
  };
  useKeys(() => [
    { keys: ["/"], does: "the statement", run: () => form.current?.querySelector("textarea")?.focus() },
  ]);
  return (
    <div class="wide stack">
      <h1>Explain a statement</h1>
      <Of loaded={actors}>
        {({ data }) =>
          data.actors.length === 0 ? (
            <Nothing>There is no actor yet who could send it.</Nothing>
          ) : (
            <Card title="What would be decided, if it were sent">
              <form
                ref={form}
                class="explain"
                onSubmit={(event) => {
                  event.preventDefault();
                  void submit();
                }}
              >
                <label class="explain-sql">
                  Statement
                  <textarea
                    name="sql"
                    class="mono"
                    rows={5}
                    required
                    spellcheck={false}
                    placeholder="DELETE FROM orders WHERE placed < now() - interval '1 year'"
                    onKeyDown={(event) => {
                      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void submit();
                      if (event.key === "Escape") event.currentTarget.blur();
                    }}
                  />
                </label>
                <label>
                  Actor
                  <select name="actor">
                    {data.actors.map((a) => (
                      <option key={a.name} value={a.name}>
                        {plain(a.name)}
                      </option>
                    ))}
                  </select>
                </label>
                <label>
                  Database
                  <input name="database" placeholder="its only one" spellcheck={false} autocomplete="off" />
                </label>
                <label>
                  As if so many rows
                  <input name="rows" type="number" min={0} placeholder="count them" />
                </label>
                <button type="submit" class="main" disabled={busy}>
                  {busy ? "Asking" : "Explain"} <Key of="Ctrl Enter" />
                </button>
              </form>
            </Card>
          )
        }
      </Of>
      {error ? <Wrong error={error} /> : null}
      {answer ? <Verdict of={answer} /> : null}
    </div>
  );
}

const DECISIONS: Record<string, string> = {
  allow: "It would run at once.",
  approve: "It would wait for an operator.",
  block: "It would be refused.",
};

function Verdict({ of }: { of: Explained }): JSX.Element {
  const statements = list(of.statements).map(bag);
  const effects = statements.flatMap((s) => list(s.reached).map(effectOf));
  const recovery = bag(of.recovery);
  return (
    <div class="columns">
      <div>
        <Card title="Decision">
          <p class="verdict">
            <Risk of={of.risk} /> <strong>{DECISIONS[of.decision] ?? of.decision}</strong>
          </p>
          <p class="dim">
            <T of={of.why} />
          </p>
        </Card>
        <Card title="What it reaches">
          <ReachTable effects={effects} />
          <ReachGraph effects={effects} />
        </Card>
        <Card title="Reasoning">
          <pre class="box" tabIndex={0} aria-label="Reasoning">
            <T of={list(of.reasoning).map(text).join("\n")} />
          </pre>
        </Card>
      </div>
      <div>
        <Card title="Recovery">
          <Fields
            rows={[
              ["Plan", <T of={text(recovery.plan)} />],
              ["Why", <T of={text(recovery.why)} />],
              ["Waived", recovery.waived === true ? "yes, by the policy" : ""],
            ]}
          />
        </Card>
        <Card title="Why">
          <ul class="plain">
            {statements.flatMap((s) => reasonsOf(s.reasons)).map((r, i) => (
              <li key={i}>
                <T of={r.text} />
              </li>
            ))}
          </ul>
        </Card>
        <Card title="Policy">
          <Fields rows={[["Digest", <span class="mono">{of.policy_digest.slice(0, 24)}</span>]]} />
        </Card>
      </div>
    </div>
  );
}
