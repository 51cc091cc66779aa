/* Keys of a drill: 1 to 9 choose an option, Enter answers or goes on. */
(() => {
  const isTyping = (element) => element.matches("input:not([type=radio]), textarea, select, [contenteditable]");
  const isControl = (element) => element.matches("button, a, summary");

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (/^[1-9]$/.test(event.key)) {
      const radio = document.querySelector(`[data-drill] input[data-number="${event.key}"]`);
      if (!radio) return;
      radio.checked = true;
      radio.focus();
      event.preventDefault();
    } else if (event.key === "Enter" && !isControl(event.target)) {
      const primary = document.querySelector("[data-drill] [data-primary]");
      if (!primary || primary.disabled) return;
      event.preventDefault();
      primary.click();
    }
  });
})();
