/* The open tab in sight on a phone; the catalog's tree: opens and closes branches (htmx fetches one the first time), and the whole tree on small screens. */
(() => {
  document.querySelector(".tab-bar [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
  document.addEventListener("click", (event) => {
    const toggle = event.target.closest("[data-tree-toggle], [data-tree-open]");
    if (!toggle) return;
    const part = document.getElementById(toggle.getAttribute("aria-controls"));
    const isOpen = toggle.getAttribute("aria-expanded") !== "true";
    toggle.setAttribute("aria-expanded", String(isOpen));
    if (toggle.matches("[data-tree-toggle]")) part.hidden = !isOpen;
    else part.classList.toggle("is-open", isOpen);
  });
})();
