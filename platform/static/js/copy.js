/* Copies the text (or the value) of the element that data-copy names, and says so for two seconds. */
(() => {
  const textOf = (element) => ("value" in element ? element.value : element.textContent);

  const write = async (text) => {
    if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) throw new Error("copy was refused");
  };

  const tell = (button, words) => {
    const label = button.querySelector("[data-copy-label]") || button;
    const before = button.dataset.copyBefore || label.textContent;
    button.dataset.copyBefore = before;
    label.textContent = words;
    clearTimeout(Number(button.dataset.copyTimer));
    button.dataset.copyTimer = String(setTimeout(() => { label.textContent = before; }, 2000));
    let region = document.getElementById("copy-said");
    if (!region) {
      region = Object.assign(document.createElement("div"), { id: "copy-said", className: "visually-hidden" });
      region.setAttribute("role", "status");
      document.body.append(region);
    }
    region.textContent = words;
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.querySelector(button.dataset.copy);
    if (!source) return;
    try { await write(textOf(source)); tell(button, "Copied"); } catch { tell(button, "Press Ctrl+C"); }
  });
})();
