/* The author's editor. YAML field: Tab indents by two, Enter keeps the indentation, Esc lets the next Tab leave.
   Form and field: unsaved changes ask before they go; after an option was moved the focus stays on its button. */
(() => {
  let dirty = false;
  let saved = false;
  document.addEventListener("input", (event) => { if (event.target.closest("#editor-form")) dirty = true; });
  document.addEventListener("submit", (event) => { if (event.target.id === "editor-form") saved = true; });
  window.addEventListener("beforeunload", (event) => { if (dirty && !saved) event.preventDefault(); });

  let pressed = "";
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.name === "do") { dirty = true; pressed = event.target.id; }
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    // a preview that arrives between the press and its answer settles too
    if (!pressed || event.detail.requestConfig?.elt?.id !== pressed) return;
    const button = document.getElementById(pressed);
    const added = [...document.querySelectorAll("#item-options .item-option textarea")].filter((text) => text.id.startsWith("f-text-")).pop();
    const other = button && document.getElementById(pressed.startsWith("up-") ? pressed.replace("up-", "down-") : pressed.replace("down-", "up-"));
    const next = pressed === "add-option" ? added : !button ? document.getElementById("add-option") : button.disabled ? other : button;
    pressed = "";
    if (next) next.focus();
  });

  const field = document.querySelector("[data-editor]");
  if (!field) return;
  let leaves = false;
  const insert = (text) => field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
  const changed = () => field.dispatchEvent(new Event("input", { bubbles: true }));

  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { leaves = true; return; }
    if (event.key === "Tab" && !event.shiftKey && !leaves) {
      event.preventDefault();
      insert("  ");
      changed();
    } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) {
      const line = field.value.slice(0, field.selectionStart).split("\n").pop();
      event.preventDefault();
      insert(`\n${line.match(/^ */)[0]}`);
      changed();
    }
    if (event.key !== "Shift") leaves = false;
  });
})();
