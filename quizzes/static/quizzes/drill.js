/* A drill: 1 to 9 choose an option, Enter answers or goes on, arrow keys and buttons move the steps of an ordering. */
(() => {
  const isTyping = (element) => element.matches("input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]");
  const isControl = (element) => element.matches("button, a, summary");

  /* --- choosing ------------------------------------------------------------------------------- */

  const count = () => {
    const line = document.querySelector("[data-drill] [data-wanted]");
    if (!line) return;
    const chosen = document.querySelectorAll("[data-drill] input[name=option]:checked").length;
    line.querySelector("[data-chosen]").textContent = `${chosen} of ${line.dataset.wanted} chosen.`;
  };
  document.addEventListener("change", (event) => { if (event.target.matches("[data-drill] input[name=option]")) count(); });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (/^[1-9]$/.test(event.key)) {
      const input = document.querySelector(`[data-drill] input[data-number="${event.key}"]`);
      if (!input) return;
      input.checked = input.type === "checkbox" ? !input.checked : true;
      input.focus();
      count();
      event.preventDefault();
    } else if (event.key === "Enter" && !isControl(event.target)) {
      const primary = document.querySelector("[data-drill] [data-primary]");
      if (!primary || primary.disabled) return;
      event.preventDefault();
      primary.click();
    }
  });

  /* --- ordering: without this the buttons send the form, and the page comes back in the new order ----------------- */

  const renumber = (list) => {
    const steps = [...list.children];
    steps.forEach((step, place) => {
      step.querySelector("[data-place]").textContent = String(place + 1);
      step.querySelector("[data-move=up]").setAttribute("aria-disabled", String(place === 0));
      step.querySelector("[data-move=down]").setAttribute("aria-disabled", String(place === steps.length - 1));
    });
  };
  const move = (step, direction) => {
    const list = step.parentElement;
    const other = direction === "up" ? step.previousElementSibling : step.nextElementSibling;
    if (other) {
      if (direction === "up") list.insertBefore(step, other); else list.insertBefore(other, step);
      renumber(list);
    }
    const place = [...list.children].indexOf(step) + 1;
    const said = list.parentElement.querySelector("[data-order-said]");
    if (said) said.textContent = `${step.querySelector(".option-text").textContent} is now at place ${place} of ${list.children.length}.`;
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-order] [data-move]");
    if (!button) return;
    event.preventDefault();
    event.stopPropagation();
    move(button.closest("[data-step]"), button.dataset.move);
    button.focus();
  }, true);
  document.addEventListener("keydown", (event) => {
    const button = event.target.closest?.("[data-order] [data-move]");
    if (!button || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    event.preventDefault();
    move(button.closest("[data-step]"), event.key === "ArrowUp" ? "up" : "down");
    button.focus();
  });

  document.addEventListener("htmx:afterSettle", count);
  count();
})();
