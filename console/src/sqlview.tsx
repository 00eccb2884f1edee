// A statement, with its parameters.

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import { params as readParams, readable, tokens, type Token } from "./sql";
import { oddities } from "./text";
import { Note, T } from "./ui";

const LONG = 20_000; // characters; laying out more is not worth the wait

function Piece({ token, values }: { token: Token; values: Map<string, string> }): JSX.Element {
  if (token.kind === "space") return <>{token.text}</>;
  const value = token.kind === "param" ? values.get(token.text) : undefined;
  return (
    <span class={`sql-${token.kind}`}>
      <T of={token.text} />
      {value === undefined ? null : (
        <span class="sql-value">
          <T of={value} most={40} />
        </span>
      )}
    </span>
  );
}

export function Sql({ sql, params }: { sql: string; params?: string | undefined }): JSX.Element {
  const [raw, setRaw] = useState(false);
  const [whole, setWhole] = useState(false);
  const shown = sql.length > LONG && !whole ? sql.slice(0, LONG) : sql;
  const pieces = useMemo(() => (raw || sql.length > LONG ? tokens(shown) : readable(shown)), [shown, raw]);
  const values = useMemo(() => (params === undefined ? [] : readParams(params)), [params]);
  const odd = useMemo(() => oddities(`${sql}\n${params ?? ""}`), [sql, params]);
  return (
    <div class="sql">
      {odd.map((text) => (
        <Note tone="warn">
          <T of={text} />
        </Note>
      ))}
      {/* Wide texts scroll, so the keyboard must reach them. */}
      <pre tabIndex={0} aria-label="Statement">
        <code>
          {pieces.map((token, i) => (
            <Piece key={i} token={token} values={new Map((values ?? []).map((p) => [p.name, p.value]))} />
          ))}
        </code>
      </pre>
      <div class="sql-tools">
        <button type="button" class="link" aria-pressed={raw} onClick={() => setRaw(!raw)}>
          {raw ? "Lay out" : "As it was sent"}
        </button>
        {shown === sql ? null : (
          <button type="button" class="link" onClick={() => setWhole(true)}>
            Show all of {sql.length} characters
          </button>
        )}
      </div>
      {params === undefined ? null : values === undefined ? (
        <pre class="params" tabIndex={0} aria-label="Parameters">
          <T of={params} />
        </pre>
      ) : (
        <table class="params">
          <thead>
            <tr>
              <th>Parameter</th>
              <th>Value</th>
            </tr>
          </thead>
          <tbody>
            {values.map((p) => (
              <tr key={p.name}>
                <td>{p.name}</td>
                <td class="mono">
                  <T of={p.value} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}
