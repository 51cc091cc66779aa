/* Shows the parts of a form that belong to the chosen kind (data-shown-for); without this all parts are shown. */
(() => {
  const radios = [...document.querySelectorAll("input[type=radio][name=kind]")];
  const show = () => {
    const chosen = radios.find((radio) => radio.checked)?.value;
    document.querySelectorAll("[data-shown-for]").forEach((part) => { part.hidden = part.dataset.shownFor !== chosen; });
  };
  radios.forEach((radio) => radio.addEventListener("change", show));
  show();
})();
