/* Traffic shares: a slider beside each number, and the sum said as it changes. Without this the numbers are typed. */
(() => {
  document.querySelectorAll("[data-traffic-form]").forEach((form) => {
    const numbers = [...form.querySelectorAll("[data-share]")];
    const places = form.querySelectorAll("[data-share-sum]");
    const tell = () => {
      const sum = numbers.reduce((total, input) => total + (Number(input.value) || 0), 0);
      places.forEach((place) => {
        place.textContent = sum === 100 ? "Adds up to 100 %." : `Adds up to ${sum} %: ${sum < 100 ? `${100 - sum} missing` : `${sum - 100} too much`}.`;
        place.classList.toggle("is-wrong", sum !== 100);
      });
    };
    const spread = (moved) => {
      /* two entities: the other one takes the rest */
      if (numbers.length !== 2) return;
      const other = numbers.find((input) => input !== moved);
      other.value = String(100 - Math.min(100, Math.max(0, Number(moved.value) || 0)));
      sliderOf(other).value = other.value;
    };
    const sliderOf = (input) => form.querySelector(`[data-share-slider="${CSS.escape(input.id)}"]`);

    numbers.forEach((input) => {
      const slider = sliderOf(input);
      slider.hidden = false;
      slider.addEventListener("input", () => { input.value = slider.value; spread(input); tell(); });
      input.addEventListener("input", () => { slider.value = input.value; tell(); });
    });
    tell();
  });
})();
