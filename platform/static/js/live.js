/* Live parts, on top of htmx: <div data-live hx-get="…" hx-trigger="every 3s, refresh" hx-swap="outerHTML">.
   Polling rests while the tab is hidden or a field in the part has the focus; an unchanged answer is not swapped in;
   [data-say] is a sentence on the state, read aloud when it changes; [data-live-said] says when the part was last refreshed. The server ends the polling by answering without hx-trigger. */
(() => {
  let last = new WeakMap();
  const time = () => new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const say = (part, words) => part.querySelectorAll("[data-live-said]").forEach((place) => { place.textContent = words; });
  const isTyping = (part) => part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");
  const livePart = (event) => (event.detail.elt?.matches?.("[data-live]") ? event.detail.elt : null);

  document.addEventListener("htmx:beforeRequest", (event) => {
    const part = livePart(event);
    if (part && (document.hidden || isTyping(part))) event.preventDefault();
  });
  /* what was scrolled stays where it was; a log that was at its end ([data-keep-end]) stays at its end */
  const scrolled = (part) => [...part.querySelectorAll("pre[id], .table-responsive[id]")].map((box) => ({
    id: box.id, top: box.scrollTop, left: box.scrollLeft,
    atEnd: box.hasAttribute("data-keep-end") && box.scrollTop + box.clientHeight >= box.scrollHeight - 4,
  }));
  const scrollBack = (places) => places.forEach(({ id, top, left, atEnd }) => {
    const box = document.getElementById(id);
    if (box) { box.scrollTop = atEnd ? box.scrollHeight : top; box.scrollLeft = left; }
  });
  let places = [];
  /* the sentence of [data-say] goes into one region that stays on the page when it changes, so that it is read aloud once */
  const aloud = Object.assign(document.createElement("div"), { id: "live-aloud", className: "visually-hidden" });
  aloud.setAttribute("role", "status");
  document.body.append(aloud);
  let said = document.querySelector("[data-say]")?.dataset.say;
  const sayAloud = (part) => {
    if (!part.dataset.say || part.dataset.say === said) return;
    said = part.dataset.say;
    aloud.textContent = said;
  };
  document.querySelectorAll("[data-keep-end]").forEach((box) => { box.scrollTop = box.scrollHeight; });
  document.querySelectorAll("[data-live]").forEach((part) => say(part, `refreshed ${time()}`));

  document.addEventListener("htmx:beforeSwap", (event) => {
    const part = livePart(event);
    if (!part || !event.detail.shouldSwap) return;
    places = scrolled(part);
    const answer = event.detail.serverResponse;
    if (last.get(part) === answer) { event.detail.shouldSwap = false; say(part, `refreshed ${time()}`); }
    last.set(part, answer);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const part = document.getElementById(event.detail.target?.id) || event.detail.elt;
    if (!part?.matches?.("[data-live]")) return;
    last.set(part, event.detail.xhr.responseText);
    scrollBack(places);
    sayAloud(part);
    say(part, `refreshed ${time()}`);
    document.dispatchEvent(new CustomEvent("livechange"));
  });
  document.addEventListener("htmx:responseError", (event) => {
    const part = livePart(event);
    if (part) say(part, `could not refresh (${event.detail.xhr.status})`);
  });
  document.addEventListener("htmx:sendError", (event) => {
    const part = livePart(event);
    if (part) say(part, "no connection, trying again");
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) document.querySelectorAll("[data-live][hx-trigger]").forEach((part) => window.htmx?.trigger(part, "refresh"));
  });
})();
