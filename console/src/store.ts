// A value that components can watch, and the hooks that do.

import { useEffect, useReducer, useRef, useState } from "preact/hooks";

export type Signal<T> = { value: T; watch(on: () => void): () => void };

export function signal<T>(first: T): Signal<T> {
  let value = first;
  const watchers = new Set<() => void>();
  return {
    get value() {
      return value;
    },
    set value(next: T) {
      if (Object.is(next, value)) return;
      value = next;
      for (const on of [...watchers]) on();
    },
    watch(on) {
      watchers.add(on);
      return () => watchers.delete(on);
    },
  };
}

export function useSignal<T>(of: Signal<T>): T {
  const [, again] = useReducer((n: number) => n + 1, 0);
  useEffect(() => of.watch(() => again(undefined)), [of]);
  return of.value;
}

/** The time, anew every so often. */
export function useNow(every = 1000): number {
  const [now, set] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => set(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

export type Loaded<T> = {
  data?: T;
  error?: Error;
  loading: boolean;
  at: number;
  again: () => void;
};

/**
 * What `load` answers, for as long as `key` is the same. A failure keeps what was there before;
 * `every` asks again; null as the key asks for nothing.
 */
export function useLoad<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>, every = 0): Loaded<T> {
  const [state, set] = useState<{ key: string | null; data?: T; error?: Error; loading: boolean; at: number }>({
    key: null,
    loading: key !== null,
    at: 0,
  });
  const running = useRef<AbortController | null>(null);
  const latest = useRef(load);
  latest.current = load;

  const run = (): void => {
    if (key === null) return;
    running.current?.abort();
    const mine = new AbortController();
    running.current = mine;
    set((was) => (was.key === key ? { ...was, loading: true } : { key, loading: true, at: 0 }));
    latest.current(mine.signal).then(
      (data) => {
        if (running.current === mine) set({ key, data, loading: false, at: Date.now() });
      },
      (error: Error) => {
        if (running.current === mine && error.name !== "AbortError") {
          set((was) => ({ ...was, key, error, loading: false }));
        }
      },
    );
  };
  useEffect(() => {
    run();
    const timer = every > 0 ? setInterval(run, every) : undefined;
    return () => {
      clearInterval(timer);
      running.current?.abort();
      running.current = null;
    };
  }, [key, every]);

  const mine = state.key === key;
  return {
    ...(mine && state.data !== undefined ? { data: state.data } : {}),
    ...(mine && state.error !== undefined ? { error: state.error } : {}),
    loading: !mine || state.loading,
    at: mine ? state.at : 0,
    again: run,
  };
}
