// The frame around every page: where one is, who one is, and whether what one sees is of now.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { ended, logOut, resume, session } from "./api";
import { ago } from "./format";
import { bindings, useKeys } from "./keys";
import { heard, line } from "./live";
import { Actors } from "./pages/actors";
import { Audit } from "./pages/audit";
import { Dashboard } from "./pages/dashboard";
import { Explain } from "./pages/explain";
import { Login } from "./pages/login";
import { Points } from "./pages/points";
import { Pauses, PauseButton } from "./pages/pauses";
import { Queue } from "./pages/queue";
import { Restores } from "./pages/restores";
import { go, place, to } from "./router";
import { useNow, useSignal } from "./store";
import { theme, toggleTheme } from "./theme";
import { Dialog, Nothing, T, Wrong } from "./ui";

type Page = { name: string; title: string; key: string; show: (name: string) => JSX.Element };

const PAGES: Page[] = [
  { name: "queue", title: "Queue", key: "q", show: (name) => <Queue id={name} /> },
  { name: "points", title: "Recovery points", key: "p", show: (name) => <Points id={name} /> },
  { name: "restores", title: "Restores", key: "r", show: (name) => <Restores id={name} /> },
  { name: "audit", title: "Audit", key: "l", show: () => <Audit /> },
  { name: "actors", title: "Actors", key: "w", show: (name) => <Actors name={name} /> },
  { name: "explain", title: "Explain", key: "e", show: () => <Explain /> },
  { name: "dashboard", title: "Dashboard", key: "h", show: () => <Dashboard /> },
];

const LINES = {
  connecting: "connecting",
  live: "live",
  polling: "no stream, asking every 4 s",
  offline: "offline",
};

function Live(): JSX.Element {
  const state = useSignal(line);
  const at = useSignal(heard);
  const now = useNow(1000);
  const old = state === "offline" && at > 0 ? `, last heard ${ago(at, now)}` : "";
  return (
    <span class={`line line-${state}`} role="status">
      <i aria-hidden="true" />
      {LINES[state]}
      {old}
    </span>
  );
}

function Help({ onClose }: { onClose: () => void }): JSX.Element {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl class="keys">
        {bindings().map((b) => (
          <div>
            <dt>
              {b.keys.map((key) => (
                <kbd>{key}</kbd>
              ))}
            </dt>
            <dd>{b.does}</dd>
          </div>
        ))}
      </dl>
      <p class="dialog-actions">
        <button type="button" onClick={onClose}>
          Close
        </button>
      </p>
    </Dialog>
  );
}

function Top({ onHelp }: { onHelp: () => void }): JSX.Element {
  const here = useSignal(place);
  const who = useSignal(session);
  const dark = useSignal(theme);
  return (
    <header class="top">
      <a class="brand" href={to("queue")}>
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="M4 4v8M7 8h5M9.500 5.500 12 8l-2.500 2.500" />
        </svg>
        Backstop
      </a>
      <nav aria-label="Pages">
        {PAGES.map((page) => (
          <a key={page.name} href={to(page.name)} {...(page.name === here.page ? { "aria-current": "page" } : {})}>
            {page.title}
          </a>
        ))}
      </nav>
      <div class="top-end">
        <Live />
        <PauseButton />
        <span class="who" title={who?.role ?? ""}>
          <T of={who?.operator} />
          <span class="dim"> {who?.role}</span>
        </span>
        <button type="button" class="quiet" onClick={toggleTheme} aria-label={`Theme: ${dark}. Change it`}>
          {dark === "dark" ? "☾" : "☼"}
        </button>
        <button type="button" class="quiet help" onClick={onHelp} aria-label="Keys">
          ?
        </button>
        <button type="button" class="quiet" onClick={() => void logOut()}>
          Sign out
        </button>
      </div>
    </header>
  );
}

function Shell(): JSX.Element {
  const here = useSignal(place);
  const [help, setHelp] = useState(false);
  useKeys(() => [
    ...PAGES.map((page) => ({ keys: [`g ${page.key}`], does: page.title, run: () => go(to(page.name)) })),
    { keys: ["t"], does: "dark or light", run: toggleTheme },
    { keys: ["?"], does: "this list", run: () => setHelp(true) },
  ]);
  const page = PAGES.find((one) => one.name === here.page);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => {
        event.preventDefault();
        document.getElementById("main")?.focus();
      }}>
        To the content
      </a>
      <Top onHelp={() => setHelp(true)} />
      <Pauses />
      <main id="main" tabIndex={-1} class={`page-${here.page}`}>
        {page ? page.show(here.name) : <Nothing>There is no such page.</Nothing>}
      </main>
      {help ? <Help onClose={() => setHelp(false)} /> : null}
    </>
  );
}

export function App(): JSX.Element {
  const who = useSignal(session);
  const over = useSignal(ended);
  const [error, setError] = useState<Error | undefined>();
  const start = (): void => {
    setError(undefined);
    resume().catch(setError);
  };
  useEffect(start, []);
  if (error) {
    return (
      <main class="alone">
        <Wrong error={error} again={start} />
      </main>
    );
  }
  if (who === undefined) return <main class="alone" aria-busy="true" />;
  return who === null ? <Login over={over} /> : <Shell />;
}

