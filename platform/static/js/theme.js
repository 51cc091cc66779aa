/* Sets the theme before the first paint and keeps the choice (light, dark or auto) in localStorage. */
(() => {
  const KEY = "theme";
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const read = () => { try { return localStorage.getItem(KEY) || "auto"; } catch { return "auto"; } };
  const keep = (choice) => { try { localStorage.setItem(KEY, choice); } catch { /* storage is off: the choice lasts for this page */ } };

  const apply = (choice) => {
    const theme = choice === "auto" ? (system.matches ? "dark" : "light") : choice;
    const root = document.documentElement;
    if (root.dataset.bsTheme === theme) return;
    root.dataset.bsTheme = theme;
    document.dispatchEvent(new CustomEvent("themechange", { detail: theme }));
  };
  const mark = (choice) => document.querySelectorAll("[data-theme-choice]").forEach((button) => {
    const chosen = button.dataset.themeChoice === choice;
    button.setAttribute("aria-pressed", String(chosen));
    button.classList.toggle("active", chosen);
  });

  apply(read());
  system.addEventListener("change", () => apply(read()));
  window.addEventListener("storage", (event) => { if (event.key === KEY) { apply(read()); mark(read()); } });
  document.addEventListener("DOMContentLoaded", () => mark(read()));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-choice]");
    if (!button) return;
    keep(button.dataset.themeChoice);
    apply(button.dataset.themeChoice);
    mark(button.dataset.themeChoice);
  });
})();
