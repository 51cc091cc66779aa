/* The SQL page: a CodeMirror editor in place of the text area, and what is run of it. Without this the text area does. */
(() => {
  const form = document.getElementById("sql-form");
  const area = document.getElementById("sql");
  const CM = window.CodeMirror;
  const KEYWORDS = "add all alter always analyze and anti as asc at between by case cast catalog catalogs change column columns comment constraint copy create cross cube current database default delete desc describe detail distinct drop else end escape except exists explain extended false filter first fixed for foreign from full function functions generated grant group grouping having history identity if ilike in inner insert intersect interval into is join key language last lateral left like limit matched merge minus natural not null nulls of offset on or order outer over overwrite owner partition partitioned pivot primary properties python qualify recursive references rename replace restore returns return revoke right rlike rollup row rows schema schemas select semi set sets show source system_time table tables tag tags target tblproperties then timeseries timestamp to true truncate union unique unpivot unset update use using values version view views volume volumes when where window with";
  const TYPES = "array bigint binary boolean byte char date decimal double float int integer long map short smallint string struct timestamp timestamp_ntz tinyint varchar void";
  const FUNCTIONS = "abs add_months ai_query any_value approx_count_distinct approx_percentile array array_contains array_distinct array_join array_sort avg bool_and bool_or cast ceil coalesce collect_list collect_set concat concat_ws contains corr count count_if cume_dist current_catalog current_date current_schema current_timestamp current_user date_add date_format date_part date_sub date_trunc datediff dayofweek dense_rank element_at every exp explode extract first first_value floor from_json from_unixtime get_json_object greatest hour ifnull initcap instr isnan isnull lag last last_value lead least length ln log lower lpad ltrim max max_by md5 mean median min min_by minute mod mode month named_struct ntile nullif nvl nvl2 percent_rank percentile percentile_approx posexplode pow quarter rank regexp_extract regexp_replace replace round row_number rpad rtrim second sha2 sign size split sqrt startswith stddev string_agg substring sum table_changes timestampadd timestampdiff to_date to_json to_timestamp transform trim trunc try_add try_cast try_divide try_subtract unix_timestamp upper var_pop variance weekofyear window year";
  if (!form) return;

  let view = null;
  let ranFrom = 0;
  const text = () => (view ? view.state.doc.toString() : area.value);
  const names = window.SqlNames.create(form.dataset.names, () => document.getElementById("sql-scope").value);

  /* --- what Run means: what is selected, else the statement that the cursor is in --- */
  const part = () => {
    const { from, to } = view.state.selection.main;
    if (from !== to && text().slice(from, to).trim()) return { from, to, words: "the selection" };
    const { all, index } = window.SqlStatements.at(text(), from);
    if (index < 0) return { from: 0, to: 0, words: "" };
    return { from: all[index].from, to: all[index].to, words: all.length > 1 ? `statement ${index + 1} of ${all.length}` : "" };
  };
  const sayWhat = () => {
    const { words } = part();
    document.querySelectorAll("[data-run-what]").forEach((place) => { place.textContent = words ? ` ${words}` : ""; });
  };
  const goOn = () => {
    const { all, index } = window.SqlStatements.at(text(), view.state.selection.main.head);
    const next = all[index + 1];
    if (next) view.dispatch({ selection: { anchor: next.from }, scrollIntoView: true });
  };
  const run = () => { form.requestSubmit(document.getElementById("sql-run")); return true; };
  form.addEventListener("submit", () => {
    if (!view) return;
    CM.closeCompletion(view); // names that arrive late would open it over the result
    const chosen = part();
    ranFrom = chosen.from;
    document.getElementById("sql-part").value = text().slice(chosen.from, chosen.to);
  }, true);

  /* --- what was typed is there again after a reload of this tab --- */
  const DRAFT = "sql:draft";
  const keepDraft = () => { try { sessionStorage.setItem(DRAFT, JSON.stringify({ at: location.search, text: text() })); } catch { /* storage is off */ } };
  const draft = () => {
    try {
      const kept = JSON.parse(sessionStorage.getItem(DRAFT) ?? "null");
      return kept?.at === location.search ? kept.text : null;
    } catch { return null; }
  };

  const dialect = () => CM.SQLDialect.define({
    keywords: KEYWORDS, types: TYPES, builtin: FUNCTIONS, identifierQuotes: "`", doubleQuotedStrings: true, backslashEscapes: true, doubleDollarQuotedStrings: true,
  });
  const word = (label, type) => (type === "keyword"
    ? { label: label.toUpperCase(), type, boost: -1 }
    : type === "type" ? { label: label.toUpperCase(), type, boost: -2 } : { label, type: "function", detail: "()" });
  const look = () => {
    const { tags: t } = CM;
    return CM.HighlightStyle.define([
      { tag: t.keyword, class: "sql-keyword" }, { tag: t.typeName, class: "sql-type" }, { tag: t.standard(t.name), class: "sql-builtin" },
      { tag: [t.string, t.special(t.string)], class: "sql-string" }, { tag: [t.number, t.bool, t.null], class: "sql-number" }, { tag: t.comment, class: "sql-comment" },
    ]);
  };
  const statementAt = (position) => {
    const { all, index } = window.SqlStatements.at(text(), position);
    return index < 0 ? "" : text().slice(all[index].from, all[index].to);
  };
  const extensions = () => {
    const sql = dialect();
    return [
      CM.Prec.highest(CM.keymap.of([
        { key: "Mod-Enter", run },
        { key: "Shift-Enter", run: () => { run(); goOn(); return true; } },
      ])),
      CM.lineNumbers(), CM.highlightSpecialChars(), CM.history(), CM.drawSelection(), CM.indentOnInput(), CM.bracketMatching(), CM.closeBrackets(),
      CM.autocompletion({ icons: false }), CM.highlightActiveLine(), CM.EditorView.lineWrapping, CM.EditorState.tabSize.of(2),
      CM.keymap.of([...CM.closeBracketsKeymap, ...CM.completionKeymap, ...CM.defaultKeymap, ...CM.historyKeymap, CM.indentWithTab]),
      CM.sql({ dialect: sql, keywordCompletion: word }),
      sql.language.data.of({ autocomplete: names.source(statementAt) }),
      CM.syntaxHighlighting(look()),
      CM.placeholder("SELECT …"), // the grey words of an empty editor
      CM.EditorView.contentAttributes.of({ "aria-label": "SQL statement", tabindex: "0", spellcheck: "false", autocapitalize: "off" }),
      CM.EditorView.updateListener.of((update) => {
        if (update.docChanged) { area.value = text(); keepDraft(); }
        if (update.docChanged || update.selectionSet) sayWhat();
        if (update.focusChanged && update.view.hasFocus) names.load();
      }),
    ];
  };
  const mount = () => {
    const place = Object.assign(document.createElement("div"), { className: "sql-editor" });
    area.before(place);
    area.value = draft() ?? area.value;
    view = new CM.EditorView({ doc: area.value, extensions: extensions(), parent: place });
    area.hidden = true;
    document.querySelector("label[for=sql]").hidden = true;
    document.querySelector("[data-sql-keys]").hidden = false;
    sayWhat();
    if (window.matchMedia("(min-width: 768px)").matches) view.focus();
  };
  if (CM) mount();

  /* --- the place of an error --- */
  const errorAt = ({ line, near }) => {
    const whole = text();
    const within = window.SqlStatements.split(whole).find((each) => each.end > ranFrom) ?? { from: 0, to: whole.length };
    const body = whole.slice(within.from, within.to);
    const tail = near.trim().split(/\s+/).at(-1);
    /* the server says names in full, the statement may not */
    for (const name of near.split(".").map((_, i, parts) => parts.slice(i).join(".")).filter(Boolean)) {
      const found = body.toLowerCase().indexOf(name.toLowerCase());
      if (found >= 0) return { from: within.from + found, to: within.from + found + name.length };
    }
    const start = body.split("\n").slice(0, Math.max(0, Number(line) - 1)).join("\n").length + (Number(line) > 1 ? 1 : 0);
    const last = tail ? body.indexOf(tail, start) : -1;
    if (last >= 0) return { from: within.from + last, to: within.from + last + tail.length };
    return Number(line) ? { from: within.from + start, to: within.from + start + body.slice(start).split("\n")[0].length } : null;
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-show-error]");
    const found = button && view && errorAt(button.dataset);
    if (!found) return;
    view.dispatch({ selection: { anchor: found.from, head: found.to }, scrollIntoView: true });
    view.focus();
  });

  /* --- names of the tree go into the statement --- */
  const insert = (name) => {
    const said = name.split(".").map(window.SqlNames.quoted).join(".");
    if (view) {
      view.dispatch(view.state.replaceSelection(said));
      view.focus();
    } else area.setRangeText(said, area.selectionStart, area.selectionEnd, "end");
  };
  const addInsertButtons = () => document.querySelectorAll(".catalog-tree .tree-link:not([data-insertable])").forEach((link) => {
    link.dataset.insertable = "";
    const found = /\/sandbox\/catalog\/(?:tables|functions)\/([^/]+)\/$/.exec(new URL(link.href).pathname);
    if (!found) return;
    const name = decodeURIComponent(found[1]);
    const button = Object.assign(document.createElement("button"), { type: "button", className: "tree-insert", textContent: "+", title: "Insert into the statement" });
    button.setAttribute("aria-label", `Insert ${name} into the statement`);
    button.addEventListener("click", () => insert(name));
    link.after(button);
  });

  /* --- after each answer --- */
  let said = null;
  const afterAnswer = () => {
    addInsertButtons();
    document.querySelectorAll("[data-show-error]").forEach((button) => { button.hidden = !view; });
    const statement = document.getElementById("statement");
    if (!statement || statement === said) return;
    said = statement;
    document.getElementById("sql-said").textContent = statement.dataset.said ?? "";
    keepDraft();
    names.reload();
  };
  document.addEventListener("htmx:afterSettle", afterAnswer);
  addInsertButtons();
  document.querySelectorAll("[data-show-error]").forEach((button) => { button.hidden = !view; });
  said = document.getElementById("statement");
})();
