/* Completes names on the SQL page: catalogs, schemas, tables, functions, and columns of the tables that a statement names.
   They come from the server page by page, as many as MAX_PAGES; of a larger workspace the rest is asked for by its beginning. */
window.SqlNames = (() => {
  const MAX_PAGES = 4;
  const PLAIN = /^[a-z_][a-z0-9_]*$/;
  const TABLE_AFTER = /\b(?:from|join|into|update|table|using)\s+((?:`[^`]+`|[\w]+)(?:\s*\.\s*(?:`[^`]+`|[\w]+)){0,2})(?:\s+(?:as\s+)?(?!(?:on|where|group|order|join|left|right|inner|full|cross|set|values|using|limit|version|when|select|having|union)\b)(\w+))?/gi;
  const quoted = (name) => (PLAIN.test(name) ? name : `\`${name.replaceAll("`", "``")}\``);
  const partsOf = (path) => (path.match(/`[^`]*`?|[^.`]+|(?<=\.)(?=\.|$)/g) ?? []).map((part) => part.replaceAll("`", "").trim().toLowerCase());

  const create = (url, scope) => {
    const names = new Map();
    let isPartial = false;
    let loading = null;
    const add = (page) => page.names.forEach((each) => names.set(`${each.type}:${each.name}`, each));
    const fetchPage = async (query) => {
      const answer = await fetch(`${url}?${new URLSearchParams(query)}`, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(`names: ${answer.status}`);
      const page = await answer.json();
      add(page);
      return page.next;
    };
    const loadAll = async () => {
      let after = "";
      for (let i = 0; i < MAX_PAGES; i++) {
        after = await fetchPage(after ? { after } : {});
        if (!after) return;
      }
      isPartial = true;
    };
    const load = () => (loading ??= loadAll().catch(() => { loading = null; }));
    const reload = () => { names.clear(); isPartial = false; loading = null; };

    const completed = (parts) => {
      const [catalog, schema] = scope().split(".");
      return parts.length === 1 ? `${catalog}.${schema}.${parts[0]}` : parts.length === 2 ? `${catalog}.${parts.join(".")}` : parts.join(".");
    };
    const columnsOf = (table) => (names.get(`table:${table}`)?.columns ?? []).map(([label, detail]) => ({ label, detail, type: "property", boost: 3, apply: quoted(label) }));
    const below = (path) => [...names.values()]
      .filter(({ name }) => name.startsWith(`${path}.`) && !name.slice(path.length + 1).includes("."))
      .map(({ name, type, signature }) => {
        const label = name.slice(path.length + 1);
        return { label, detail: type === "function" ? signature : type, type: type === "function" ? "function" : type === "table" ? "class" : "namespace", boost: 2, apply: quoted(label) };
      });
    const tablesIn = (statement) => [...statement.matchAll(TABLE_AFTER)].map(([, path, alias]) => {
      const parts = partsOf(path);
      return { table: completed(parts), called: [alias?.toLowerCase(), parts.at(-1)].filter(Boolean) };
    });
    const inside = (parents, statement) => {
      const [catalog] = scope().split(".");
      const path = parents.join(".");
      const named = parents.length === 1 ? tablesIn(statement).filter(({ called }) => called.includes(path)).flatMap(({ table }) => columnsOf(table)) : [];
      return [...named, ...below(path), ...(parents.length === 1 ? below(`${catalog}.${path}`) : []), ...columnsOf(completed(parents))];
    };
    const plain = (statement) => {
      const catalogs = [...names.values()].filter(({ type }) => type === "catalog").map(({ name }) => ({ label: name, detail: "catalog", type: "namespace", boost: 1, apply: quoted(name) }));
      const [catalog] = scope().split(".");
      return [...tablesIn(statement).flatMap(({ table }) => columnsOf(table)), ...below(scope()), ...below(catalog), ...catalogs];
    };
    const unique = (options) => [...new Map(options.map((each) => [`${each.type}:${each.label}`, each])).values()];

    /* a completion source of CodeMirror; `statementAt` gives the text of the statement around a position */
    const source = (statementAt) => async (context) => {
      const typed = context.matchBefore(/(?:`[^`]*`|[\w$])*(?:\.(?:`[^`]*`|[\w$])*)*(?:`[^`]*)?/);
      if (!typed || (typed.from === typed.to && !context.explicit)) return null;
      await load();
      const parts = typed.text === "" ? [""] : partsOf(typed.text);
      const last = typed.text.endsWith(".") ? "" : parts.at(-1);
      const parents = typed.text.endsWith(".") ? parts.filter(Boolean) : parts.slice(0, -1);
      if (isPartial && last.length > 1) await fetchPage({ q: last }).catch(() => {});
      const statement = statementAt(context.pos);
      const options = unique(parents.length ? inside(parents, statement) : plain(statement));
      const lastTyped = typed.text.slice(typed.text.lastIndexOf(".") + 1);
      return options.length ? { from: typed.to - lastTyped.length, options, validFor: /^`?[\w$]*`?$/ } : null;
    };
    return { source, load, reload };
  };
  return { create, quoted };
})();
