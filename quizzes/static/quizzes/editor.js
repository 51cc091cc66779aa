/* The author's text field: Tab indents by two, Enter keeps the indentation, Esc lets the next Tab leave; unsaved text asks before it goes. */
(() => {
  const field = document.querySelector("[data-editor]");
  if (!field) return;
  let leaves = false;
  const before = field.value;
  let saved = false;

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
  field.form.addEventListener("submit", () => { saved = true; });
  window.addEventListener("beforeunload", (event) => { if (!saved && field.value !== before) event.preventDefault(); });
})();
