/* Streams the chosen files of form[data-upload] one after the other, with progress: asks the site for an address, then PUTs the file there. */
(() => {
  const form = document.querySelector("form[data-upload]");
  if (!form) return;
  const list = form.querySelector("[data-upload-list]");
  const button = form.querySelector("[type=submit]");
  const limit = Number(form.dataset.uploadLimit) * 1024 * 1024;

  const line = (file) => {
    const item = document.createElement("li");
    const name = Object.assign(document.createElement("span"), { className: "upload-name", textContent: file.name });
    const bar = Object.assign(document.createElement("progress"), { max: 100, value: 0 });
    bar.setAttribute("aria-label", `Upload of ${file.name}`);
    const words = Object.assign(document.createElement("span"), { className: "upload-words", textContent: "waiting" });
    item.append(name, bar, words);
    list.append(item);
    return { bar, say: (text) => { words.textContent = text; } };
  };
  const messageOf = (text, status) => { try { return JSON.parse(text).message; } catch { return `The upload failed (${status}).`; } };

  const addressFor = async (file) => {
    const body = new URLSearchParams({ path: form.dataset.uploadPath, name: file.name });
    const token = form.querySelector("[name=csrfmiddlewaretoken]").value;
    const answer = await fetch(form.dataset.upload, { method: "POST", body, headers: { "X-CSRFToken": token } });
    if (!answer.ok) throw new Error(messageOf(await answer.text(), answer.status));
    return (await answer.json()).url;
  };
  const put = (url, file, { bar, say }) => new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => {
      if (!event.lengthComputable || !event.total) return;
      bar.value = (100 * event.loaded) / event.total;
      say(`${Math.round(bar.value)} %`);
    };
    request.onload = () => (request.status < 300 ? resolve() : reject(new Error(messageOf(request.responseText, request.status))));
    request.onerror = () => reject(new Error("The connection broke. Nothing of this file was stored; try again."));
    request.send(file);
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const files = [...form.querySelector("[type=file]").files];
    const lines = files.map((file) => [file, line(file)]);
    button.disabled = true;
    let failed = 0;
    for (const [file, shown] of lines) {
      try {
        if (file.size > limit) throw new Error(`Larger than ${form.dataset.uploadLimit} MB, the limit for one file.`);
        await put(await addressFor(file), file, shown);
        shown.bar.value = 100;
        shown.say("done");
      } catch (error) { failed += 1; shown.bar.remove(); shown.say(error.message); }
    }
    button.disabled = false;
    if (!failed) window.location.reload();
  });
})();
