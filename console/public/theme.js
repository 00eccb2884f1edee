// Before anything is painted: what the operator has chosen, where it is not what the system says.
try {
  const chosen = localStorage.getItem("backstop.theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
  // No storage: the system's choice it is.
}
