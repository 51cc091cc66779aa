/* The create and edit form: a picker of the model before that of its version, fields that belong to a choice, secrets to insert.
   Without this every field is shown, and one picker has all versions of all models. */
(() => {
  const change = (element) => element.dispatchEvent(new Event("change", { bubbles: true }));

  document.querySelectorAll("[data-version-picker] select[name$='-model']").forEach((versions) => {
    const groups = [...versions.querySelectorAll("optgroup")];
    if (!groups.length) return;
    const id = `${versions.id}-of`;
    const field = Object.assign(document.createElement("div"), { className: "field" });
    const label = Object.assign(document.createElement("label"), { className: "form-label", htmlFor: id, textContent: "Registered model" });
    const models = Object.assign(document.createElement("select"), { className: "form-select", id });
    models.append(new Option("Choose a model", ""), ...groups.map((group) => new Option(group.label, group.label)));
    field.append(label, models);
    versions.closest(".field").before(field);
    const short = (text, model) => text.replace(`${model}, `, "").replace(/^version/, "Version");
    const options = groups.map((group) => [group.label, [...group.children]]);
    options.forEach(([model, each]) => each.forEach((option) => { option.textContent = short(option.textContent, model); }));
    const show = (model, wanted) => {
      const found = options.find(([name]) => name === model);
      versions.replaceChildren(new Option(model ? "Choose a version" : "Choose a model first", ""), ...(found ? found[1] : []));
      versions.value = wanted;
      versions.disabled = !model;
    };
    const chosen = versions.value;
    const group = groups.find((each) => [...each.children].some((option) => option.value === chosen));
    models.value = group ? group.label : "";
    show(models.value, chosen);
    models.addEventListener("change", () => { show(models.value, options.find(([name]) => name === models.value)?.[1][0]?.value || ""); });
  });

  document.querySelectorAll(".entity-card").forEach((card) => {
    const size = card.querySelector("select[name$='-workload_size']");
    const type = card.querySelector("select[name$='-workload_type']");
    const range = card.querySelector(".range-fields");
    const note = card.querySelector("[data-gpu-note]");
    if (!size) return;
    const show = () => {
      range.hidden = size.value !== "range";
      note.hidden = !type.value.includes("GPU");
    };
    [size, type].forEach((select) => select.addEventListener("change", show));
    show();
  });

  document.querySelectorAll("[data-insert-into]").forEach((picker) => {
    const area = document.getElementById(picker.dataset.insertInto);
    const select = picker.querySelector("select");
    picker.hidden = false;
    select.addEventListener("change", (event) => {
      event.stopPropagation();
      if (!select.value) return;
      const key = select.value.split("/").pop().replace(/\W/g, "").toUpperCase() || "SECRET";
      area.value = `${area.value}${area.value && !area.value.endsWith("\n") ? "\n" : ""}${key}=${select.value}`;
      select.value = "";
      area.focus();
      change(area);
    });
  });
})();
