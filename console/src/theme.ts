// What the system says, unless the operator has chosen.

import { signal } from "./store";

const system = matchMedia("(prefers-color-scheme: dark)");

function chosen(): string | undefined {
  return document.documentElement.dataset.theme;
}

function now(): "dark" | "light" {
  return (chosen() ?? (system.matches ? "dark" : "light")) === "dark" ? "dark" : "light";
}

export const theme = signal<"dark" | "light">(now());
system.addEventListener("change", () => {
  theme.value = now();
});

export function toggleTheme(): void {
  const next = theme.value === "dark" ? "light" : "dark";
  const asSystem = next === (system.matches ? "dark" : "light");
  try {
    if (asSystem) localStorage.removeItem("backstop.theme");
    else localStorage.setItem("backstop.theme", next);
  } catch {
    // It lasts until the page is loaded again.
  }
  if (asSystem) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  theme.value = next;
}
