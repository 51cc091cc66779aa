/* A row of page links that does not fit shows the current one. Tabs of [data-tabs]: arrow keys, Home and End; groups with the same data-tabs-remember follow the last choice. */
(() => {
  const stored = (name) => { try { return localStorage.getItem(`tabs:${name}`); } catch { return null; } };
  const store = (name, label) => { try { localStorage.setItem(`tabs:${name}`, label); } catch { /* storage is off */ } };
  const tabsOf = (group) => [...group.querySelectorAll("[role=tab]")];

  const show = (group, chosen) => tabsOf(group).forEach((tab) => {
    const is = tab === chosen;
    tab.setAttribute("aria-selected", String(is));
    tab.tabIndex = is ? 0 : -1;
    const panel = document.getElementById(tab.getAttribute("aria-controls"));
    if (panel) panel.hidden = !is;
  });

  const start = (group) => {
    if (group.dataset.tabsReady) return;
    group.dataset.tabsReady = "yes";
    const tabs = tabsOf(group);
    const name = group.dataset.tabsRemember;
    const wanted = name && tabs.find((tab) => tab.textContent.trim() === stored(name));
    show(group, wanted || tabs.find((tab) => tab.getAttribute("aria-selected") === "true") || tabs[0]);
  };
  const choose = (group, tab) => {
    show(group, tab);
    const name = group.dataset.tabsRemember;
    if (name) store(name, tab.textContent.trim());
  };
  const STEP = { ArrowRight: 1, ArrowLeft: -1 };

  document.addEventListener("click", (event) => {
    const tab = event.target.closest("[data-tabs] [role=tab]");
    if (tab) choose(tab.closest("[data-tabs]"), tab);
  });
  document.addEventListener("keydown", (event) => {
    const tab = event.target.closest && event.target.closest("[data-tabs] [role=tab]");
    if (!tab) return;
    const group = tab.closest("[data-tabs]");
    const tabs = tabsOf(group);
    const at = tabs.indexOf(tab);
    const next = event.key in STEP ? tabs[(at + STEP[event.key] + tabs.length) % tabs.length]
      : event.key === "Home" ? tabs[0] : event.key === "End" ? tabs[tabs.length - 1] : null;
    if (!next) return;
    event.preventDefault();
    choose(group, next);
    next.focus();
  });

  document.querySelectorAll(".tab-bar").forEach((bar) => {
    const current = bar.querySelector("[aria-current=page]");
    if (current) bar.scrollLeft = current.offsetLeft - bar.offsetLeft - (bar.clientWidth - current.clientWidth) / 2;
  });

  const startAll = (root) => root.querySelectorAll("[data-tabs]").forEach(start);
  startAll(document);
  document.addEventListener("htmx:afterSettle", (event) => startAll(event.target.parentElement || document));
})();
