// A token becomes a session; it is kept nowhere here.

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { logIn, Problem } from "../api";
import { Note, T } from "../ui";

export function Login({ over }: { over: boolean }): JSX.Element {
  const field = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | undefined>();
  useEffect(() => field.current?.focus(), []);

  const submit = (event: Event): void => {
    event.preventDefault();
    const token = field.current?.value.trim() ?? "";
    if (token === "" || busy) return;
    setBusy(true);
    setError(undefined);
    logIn(token).catch((why: Error) => {
      setError(why);
      setBusy(false);
      if (field.current) field.current.value = "";
      field.current?.focus();
    });
  };
  return (
    <main class="login">
      <form onSubmit={submit} autocomplete="off">
        <h1>Backstop</h1>
        {over && !error ? <Note tone="info">Your session has ended. Sign in again to go on.</Note> : null}
        {error ? (
          <Note tone="bad">
            {error instanceof Problem && error.status === 401 ? (
              "This is no operator's token, or it was revoked."
            ) : (
              <T of={error.message} />
            )}
          </Note>
        ) : null}
        <label for="token">Operator's token</label>
        <input id="token" ref={field} type="password" autocomplete="off" spellcheck={false} required />
        <button type="submit" class="main" disabled={busy}>
          {busy ? "Signing in" : "Sign in"}
        </button>
        <p class="dim">
          An administrator makes one with <code>backstop operators add NAME --role approver</code>; it is shown once.
        </p>
      </form>
    </main>
  );
}
