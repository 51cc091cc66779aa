/* Takes a text apart into its statements: at semicolons that stand in no string, name, comment or $$ body. */
window.SqlStatements = (() => {
  const CLOSERS = { "'": "'", '"': '"', "`": "`", "--": "\n", "/*": "*/", $$: "$$" };
  const opener = (text, at) => {
    const two = text.slice(at, at + 2);
    return two in CLOSERS ? two : text[at] in CLOSERS ? text[at] : null;
  };
  const endOf = (text, at, open) => {
    const close = CLOSERS[open];
    for (let i = at + open.length; i < text.length; i++) {
      if ((open === "'" || open === '"') && text[i] === "\\") i++;
      else if (text.startsWith(close, i)) return i + close.length;
    }
    return text.length;
  };
  /* [{from, to, end, words}]: the statement without what is blank around it, and where its semicolon ends */
  const split = (text) => {
    const found = [];
    let start = 0, words = "";
    const add = (to, end) => {
      const part = text.slice(start, to);
      if (words.trim()) found.push({ from: start + part.length - part.trimStart().length, to: start + part.trimEnd().length, end, words });
      start = end;
      words = "";
    };
    for (let at = 0; at < text.length;) {
      const open = opener(text, at);
      if (open) {
        const end = endOf(text, at, open);
        if (open !== "--" && open !== "/*") words += text.slice(at, end);
        at = end;
      } else {
        if (text[at] === ";") add(at, at + 1);
        else words += text[at];
        at++;
      }
    }
    add(text.length, text.length);
    return found;
  };
  /* the one that the cursor is in or right behind; the last one when it is behind them all */
  const at = (text, position) => {
    const all = split(text);
    const index = all.findIndex((each) => position <= each.end);
    return { all, index: index < 0 ? all.length - 1 : index };
  };
  return { split, at };
})();
