// Pages are named behind the #, so the gateway serves one document.

import { signal } from "./store";

export type Place = { page: string; name: string; query: URLSearchParams };

function read(): Place {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [page = "", name = ""] = path.split("/");
  let decoded = name;
  try {
    decoded = decodeURIComponent(name);
  } catch {
    // Not ours: it will not be found.
  }
  // Links in messages say what they are about; here it is a part of the queue.
  return { page: page === "" || page === "tickets" ? "queue" : page, name: decoded, query: new URLSearchParams(query) };
}

export const place = signal<Place>(read());
addEventListener("hashchange", () => {
  place.value = read();
});

export function to(page: string, name = "", query: Record<string, string> = {}): string {
  const more = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "")).toString();
  return `#/${page}${name === "" ? "" : `/${encodeURIComponent(name)}`}${more === "" ? "" : `?${more}`}`;
}

/** At once, so that a second key does not act on the place before. */
export function go(hash: string): void {
  location.hash = hash;
  place.value = read();
}

/** The same place by another name, without a step in the history. */
export function goInstead(hash: string): void {
  history.replaceState(null, "", hash);
  place.value = read();
}
