/* Draws every [data-chart] (an ECharts option as JSON) in the colours of the theme; loads the library only where there is a chart.
   In a live part the picture stays (hx-preserve) and [data-chart-for] beside it brings the new option in data-chart-option. */
(() => {
  const library = document.currentScript.dataset.library;
  let loading = null;
  const load = () => (loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = library;
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  }));

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const PALETTE = ["--chart-1", "--chart-2", "--chart-3", "--chart-4", "--chart-5", "--chart-6"];
  const axis = (given) => {
    const style = {
      axisLine: { lineStyle: { color: colour("--chart-axis") } },
      axisLabel: { color: colour("--chart-text") },
      splitLine: { lineStyle: { color: colour("--chart-grid") } },
      nameTextStyle: { color: colour("--chart-text") },
    };
    const one = (a) => ({
      ...style, ...a,
      axisLabel: { ...style.axisLabel, ...a.axisLabel }, nameTextStyle: { ...style.nameTextStyle, ...a.nameTextStyle },
    });
    return Array.isArray(given) ? given.map(one) : one(given);
  };
  const themed = (option) => {
    const full = {
      color: PALETTE.map(colour),
      backgroundColor: "transparent",
      animation: !window.matchMedia("(prefers-reduced-motion: reduce)").matches,
      aria: { enabled: true },
      ...option,
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: colour("--chart-text"), ...option.textStyle },
    };
    if (option.legend) full.legend = { ...option.legend, textStyle: { color: colour("--chart-text"), ...option.legend.textStyle } };
    if (option.xAxis) full.xAxis = axis(option.xAxis);
    if (option.yAxis) full.yAxis = axis(option.yAxis);
    if (option.series) full.series = option.series.map((one) => (one.tone ? { ...one, color: colour(PALETTE[one.tone - 1]) } : one));
    full.tooltip = option.tooltip && {
      backgroundColor: colour("--chart-tip"), borderColor: colour("--chart-grid"), textStyle: { color: colour("--chart-text") }, ...option.tooltip,
    };
    return full;
  };

  const watch = new ResizeObserver((entries) => entries.forEach(({ target }) => window.echarts?.getInstanceByDom(target)?.resize()));
  const draw = (element, option) => {
    const chart = window.echarts.getInstanceByDom(element) || window.echarts.init(element, null, { renderer: "canvas" });
    chart.setOption(themed(JSON.parse(option)), true);
    watch.observe(element);
  };
  const drawAll = async () => {
    const wanted = [...document.querySelectorAll("[data-chart]")].map((element) => [element, element.dataset.chart]);
    document.querySelectorAll("[data-chart-for]").forEach(({ dataset }) => wanted.push([document.getElementById(dataset.chartFor), dataset.chartOption]));
    if (!wanted.length) return;
    await load();
    wanted.forEach(([element, option]) => { if (element?.isConnected) draw(element, option); });
  };

  drawAll();
  ["themechange", "livechange", "htmx:afterSettle"].forEach((name) => document.addEventListener(name, drawAll));
})();
