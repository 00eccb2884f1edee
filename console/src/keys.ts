// The keyboard: one table of what each key does here and now, so that help shows what works.

import { useLayoutEffect } from "preact/hooks";

export type Binding = { keys: string[]; does: string; run: () => void };

const layers: Array<{ bindings: () => Binding[] }> = [];

/** What may be pressed now; the innermost first. */
export function bindings(): Binding[] {
  return [...layers].reverse().flatMap((layer) => layer.bindings());
}

/** For as long as the component is there. Pressed inside a field or a dialog, keys are only text. */
export function useKeys(all: () => Binding[]): void {
  useLayoutEffect(() => {
    const layer = { bindings: all };
    layers.push(layer);
    return () => {
      layers.splice(layers.indexOf(layer), 1);
    };
  });
}

function isText(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable], dialog") !== null;
}

let first = "";
let firstAt = 0;

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isText(event.target)) return;
  const two = Date.now() - firstAt < 1000 ? `${first} ${event.key}` : "";
  const all = bindings();
  const hit = all.find((b) => two !== "" && b.keys.includes(two)) ?? all.find((b) => b.keys.includes(event.key));
  first = event.key;
  firstAt = Date.now();
  if (hit === undefined) return;
  event.preventDefault();
  hit.run();
});
