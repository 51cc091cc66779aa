/* The chart of a result: made in the browser from the rows that the table shows, with its numbers in a table beside it. */
(() => {
  const MAX_X = 200;
  const MAX_GROUPS = 12;
  const COUNT = "count";
  const HOW = {
    sum: (values) => values.reduce((a, b) => a + b, 0),
    avg: (values) => values.reduce((a, b) => a + b, 0) / values.length,
    min: (values) => Math.min(...values),
    max: (values) => Math.max(...values),
  };
  const tidy = (number) => (number === null ? null : Number(number.toPrecision(12)));

  const read = (table) => ({
    columns: [...table.tHead.rows[0].cells].map((cell, index) => ({ index, name: cell.querySelector("[data-name]").textContent, kind: cell.dataset.kind })),
    rows: [...table.tBodies[0].rows].filter((row) => row.cells.length === table.tHead.rows[0].cells.length && !row.cells[0].hasAttribute("colspan"))
      .map((row) => [...row.cells].map((cell) => (cell.hasAttribute("data-null") ? null : cell.textContent))),
  });

  const fill = (select, options, chosen) => {
    select.replaceChildren(...options.map(([value, label]) => new Option(label, value)));
    select.value = String(chosen);
  };
  const offer = (picks, { columns }) => {
    const numbers = columns.filter(({ kind }) => kind === "number");
    const x = columns.find(({ kind }) => kind !== "number") ?? columns[0];
    const y = numbers.find((each) => each !== x);
    const other = columns.find((each) => each.kind === "text" && each !== x && each !== y);
    const named = (list) => list.map(({ index, name }) => [String(index), name]);
    fill(picks.x, named(columns), x.index);
    fill(picks.y, [...named(numbers), [COUNT, "Number of rows"]], y?.index ?? COUNT);
    fill(picks.group, [["", "Nothing"], ...named(columns)], other && numbers.length ? other.index : "");
    picks.type.value = x.kind === "time" ? "line" : "bar";
  };

  const compare = (kind) => (a, b) => (kind === "number" ? Number(a) - Number(b) : a < b ? -1 : a > b ? 1 : 0);
  /* {xs, groups, value(x, group), isCut} of the chosen columns */
  const aggregate = ({ columns, rows }, { x, y, how, group }) => {
    const found = new Map();
    const xs = new Set(), groups = new Set();
    rows.forEach((row) => {
      const at = row[x] ?? "NULL", of = group === "" ? "" : row[group] ?? "NULL";
      const value = y === COUNT ? 1 : row[y] === null ? null : Number(row[y]);
      xs.add(at);
      groups.add(of);
      if (value !== null && Number.isFinite(value)) found.set(`${at}\u0000${of}`, [...(found.get(`${at}\u0000${of}`) ?? []), value]);
    });
    const { kind } = columns[x];
    const inOrder = kind === "text" ? [...xs] : [...xs].sort(compare(kind));
    const use = HOW[y === COUNT ? "sum" : how];
    return {
      xs: inOrder.slice(0, MAX_X), groups: [...groups].slice(0, MAX_GROUPS), isCut: xs.size > MAX_X || groups.size > MAX_GROUPS,
      value: (at, of) => (found.has(`${at}\u0000${of}`) ? tidy(use(found.get(`${at}\u0000${of}`))) : null),
    };
  };
  const points = ({ rows }, { x, y, group }) => {
    const of = new Map();
    rows.forEach((row) => {
      if (row[x] === null || row[y] === null) return;
      const key = group === "" ? "" : row[group] ?? "NULL";
      of.set(key, [...(of.get(key) ?? []), [row[x], Number(row[y])]]);
    });
    return of;
  };

  const frame = (data, { type, x, y, how }, more) => ({
    grid: { left: 8, right: 16, top: 48, bottom: 28, containLabel: true },
    legend: { top: 0, type: "scroll", itemWidth: 14, itemHeight: 10, show: more.series.length > 1 },
    tooltip: { trigger: type === "scatter" ? "item" : "axis" },
    yAxis: { type: "value", name: y === COUNT ? "rows" : type === "scatter" ? data.columns[y].name : `${how} of ${data.columns[y].name}`, nameTextStyle: { align: "left" }, scale: type !== "bar" },
    ...more,
    xAxis: { name: data.columns[x].name, nameLocation: "middle", nameGap: 28, axisLabel: { hideOverlap: true }, ...more.xAxis },
  });
  const grouped = (data, chosen) => {
    const made = aggregate(data, chosen);
    const series = made.groups.map((group) => ({ type: chosen.type, name: group || chosen.yName, data: made.xs.map((at) => made.value(at, group)), barMaxWidth: 48, showSymbol: made.xs.length < 60, connectNulls: false }));
    const heads = [data.columns[chosen.x].name, ...made.groups.map((group) => group || chosen.yName)];
    const rows = made.xs.map((at) => [at, ...made.groups.map((group) => made.value(at, group))]);
    return { option: frame(data, chosen, { xAxis: { type: "category", data: made.xs }, series }), heads, rows, isCut: made.isCut };
  };
  const scattered = (data, chosen) => {
    const made = points(data, chosen);
    const isNumber = data.columns[chosen.x].kind === "number";
    const groups = [...made.keys()].slice(0, MAX_GROUPS);
    const series = groups.map((group) => ({ type: "scatter", name: group || chosen.yName, symbolSize: 8, data: made.get(group).map(([at, value]) => [isNumber ? Number(at) : at, value]) }));
    const heads = [data.columns[chosen.x].name, data.columns[chosen.y].name, ...(chosen.group === "" ? [] : [data.columns[chosen.group].name])];
    const rows = groups.flatMap((group) => made.get(group).map(([at, value]) => [at, value, ...(chosen.group === "" ? [] : [group])]));
    return { option: frame(data, chosen, { xAxis: { type: isNumber ? "value" : "category", scale: true }, series }), heads, rows: rows.slice(0, MAX_X), isCut: made.size > MAX_GROUPS || rows.length > MAX_X };
  };

  const tabulate = (table, { heads, rows }) => {
    const cell = (tag, words, isNumber) => Object.assign(document.createElement(tag), { textContent: words ?? "", className: isNumber ? "number" : "" });
    const head = document.createElement("tr");
    head.append(...heads.map((name, i) => Object.assign(cell("th", name, i > 0), { scope: "col" })));
    const body = rows.map((row) => {
      const line = document.createElement("tr");
      line.append(...row.map((value, i) => cell("td", value === null ? "" : String(value), i > 0 && typeof value === "number")));
      return line;
    });
    table.createTHead().replaceChildren(head);
    (table.tBodies[0] ?? table.createTBody()).replaceChildren(...body);
  };

  const draw = (box) => {
    const data = read(document.querySelector("[data-result]"));
    const picks = Object.fromEntries([...box.querySelectorAll("[data-pick]")].map((select) => [select.dataset.pick, select]));
    if (!picks.x.options.length) offer(picks, data);
    const isScatter = picks.type.value === "scatter";
    if (isScatter && picks.y.value === COUNT) picks.y.value = [...picks.y.options].find(({ value }) => value !== COUNT)?.value ?? COUNT;
    const y = picks.y.value === COUNT ? COUNT : Number(picks.y.value);
    const chosen = {
      type: isScatter && y === COUNT ? "bar" : picks.type.value, x: Number(picks.x.value), y, how: picks.how.value,
      group: picks.group.value === "" || picks.group.value === picks.x.value ? "" : Number(picks.group.value), yName: picks.y.selectedOptions[0].text,
    };
    picks.how.disabled = isScatter || y === COUNT;
    const made = chosen.type === "scatter" ? scattered(data, chosen) : grouped(data, chosen);
    box.querySelector("[data-chart-note]").textContent = `Made from the ${data.rows.length} row${data.rows.length === 1 ? "" : "s"} that the table shows.${made.isCut ? ` Only the first ${MAX_X} values and ${MAX_GROUPS} groups are drawn: aggregate in the statement.` : ""}`;
    tabulate(box.querySelector("[data-chart-table]"), made);
    document.getElementById("sql-chart").dataset.chart = JSON.stringify(made.option);
    document.dispatchEvent(new CustomEvent("livechange"));
  };

  const drawWhenOpened = () => {
    const box = document.querySelector("[data-sql-chart]");
    if (!box || document.getElementById("chart-panel").hidden || box.dataset.drawn) return;
    box.dataset.drawn = "yes";
    draw(box);
  };
  ["click", "keyup"].forEach((name) => document.addEventListener(name, drawWhenOpened));
  document.addEventListener("change", (event) => { if (event.target.matches("[data-pick]")) draw(event.target.closest("[data-sql-chart]")); });
})();
