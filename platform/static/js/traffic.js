/* Traffic shares: a slider beside each number; the sum is said, and stays 100 as one share is moved.
   What one share gains, the share that was touched longest ago gives, and so on. Without this the numbers are typed. */
(() => {
  document.querySelectorAll("[data-traffic-form]").forEach((form) => {
    const numbers = [...form.querySelectorAll("[data-share]")];
    const places = form.querySelectorAll("[data-share-sum]");
    const order = [...numbers].reverse();  /* touched longest ago first */
    const sliderOf = (input) => form.querySelector(`[data-share-slider="${CSS.escape(input.id)}"]`);
    const valueOf = (input) => Math.min(100, Math.max(0, Math.round(Number(input.value) || 0)));
    const sum = () => numbers.reduce((total, input) => total + (Number(input.value) || 0), 0);
    const write = (input, value) => { input.value = String(value); sliderOf(input).value = input.value; };

    const tell = () => places.forEach((place) => {
      const total = sum();
      const words = total === 100 ? "Adds up to 100 %." : `Adds up to ${total} %: ${total < 100 ? `${100 - total} missing` : `${total - 100} too much`}.`;
      if (place.textContent !== words) place.textContent = words;
      place.classList.toggle("is-wrong", total !== 100);
    });
    const settle = (moved) => {
      order.splice(order.indexOf(moved), 1);
      let left = 100 - valueOf(moved) - order.reduce((total, input) => total + valueOf(input), 0);
      order.forEach((input) => {
        const before = valueOf(input);
        const after = Math.min(100, Math.max(0, before + left));
        left -= after - before;
        if (after !== before) write(input, after);
      });
      order.push(moved);
      tell();
    };

    numbers.forEach((input) => {
      const slider = sliderOf(input);
      slider.hidden = false;
      slider.addEventListener("input", () => { input.value = slider.value; settle(input); });
      input.addEventListener("input", () => { slider.value = input.value; if (input.value !== "") settle(input); else tell(); });
    });
    tell();
  });
})();
