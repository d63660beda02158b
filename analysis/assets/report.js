// Draws the charts of the report from the JSON block of the page, and makes the page's few
// controls work. It asks nobody for anything, writes text only as text (never as markup),
// and everything it shows in a chart is also a table behind "Data".
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("run-data").textContent);
  const root = document.documentElement;
  const plots = [];
  const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [14, 4], [5, 2], [1, 4], [12, 3, 5, 3], [3, 6]];
  const HEIGHT = 230;

  // ---- words and numbers ----
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const digits = (value) => {
    const size = Math.abs(value);
    if (size >= 999.5) return Math.round(value).toLocaleString("en-US");
    if (size !== 0 && size < 1e-4) return value.toExponential(1);
    return String(Number(value.toPrecision(3)));
  };
  const UNITS = {
    per_second: (value) => digits(value) + "/s",
    ms: (value) => value >= 10000 ? digits(value / 1000) + " s" : digits(value) + " ms",
    us: (value) => value >= 1000 ? digits(value / 1000) + " ms" : digits(value) + " µs",
    count: digits,
    cores: digits,
    bytes: (value) => digits(value / 1e6) + " MB",
  };
  const clock = (seconds) => {
    const whole = Math.round(seconds * 10) / 10;
    const two = (part) => String(part).padStart(2, "0");
    const rest = Math.round((whole % 60) * 10) / 10;
    const minutes = Math.floor(whole / 60) % 60;
    const hours = Math.floor(whole / 3600);
    const tail = Number.isInteger(rest) ? two(rest) : rest.toFixed(1).padStart(4, "0");
    return hours ? `${hours}:${two(minutes)}:${tail}` : `${minutes}:${tail}`;
  };

  // ---- colours, read from the style sheet so that themes need no second list ----
  const color = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
  const lineColor = (index) => () => color("line-" + (index + 1));
  const isDark = () => getComputedStyle(root).colorScheme.includes("dark");

  // ---- tables behind the charts ----
  const table = (caption, headings, rows) => {
    const head = make("tr", {}, ...headings.map((text) => make("th", { scope: "col", className: "number", textContent: text })));
    const body = rows.map((cells) => make("tr", {}, ...cells.map((text, index) =>
      make(index ? "td" : "th", { className: "number", textContent: text }))));
    const scroll = make("div", { className: "scroll", tabIndex: 0 },
      make("table", {}, make("caption", { className: "hidden", textContent: caption }), make("thead", {}, head), make("tbody", {}, ...body)));
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", caption);
    return scroll;
  };
  const fillOnce = (details, build) => details.addEventListener("toggle", () => {
    if (details.open && !details.querySelector("table")) details.append(build());
  });

  // ---- the row above a chart: keys that hide lines, values under the cursor ----
  const swatch = (index) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
    const set = (element, values) => Object.entries(values).forEach(([key, value]) => element.setAttribute(key, value));
    set(svg, { width: 28, height: 8, "aria-hidden": "true" });
    set(line, { x1: 0, x2: 28, y1: 4, y2: 4, "stroke-width": 2.5, "stroke-dasharray": DASHES[index].join(" ") });
    line.style.stroke = `var(--line-${index + 1})`;
    svg.append(line);
    return svg;
  };
  const keys = (bar, labels, toggle) => labels.map((label, index) => {
    const value = make("output");
    const button = make("button", { type: "button", className: "key" }, swatch(index), label, value);
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(shown));
      toggle(index + 1, shown);
    });
    bar.append(button);
    return value;
  });

  // ---- drawing helpers ----
  const withContext = (plot, draw) => {
    const { ctx } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
    ctx.clip();
    ctx.textAlign = "left";
    ctx.lineJoin = "round";
    ctx.font = `${11 * uPlot.pxRatio}px system-ui, "DejaVu Sans", sans-serif`;
    draw(ctx, uPlot.pxRatio);
    ctx.restore();
  };
  const fitted = (ctx, text, width) => {
    if (ctx.measureText(text).width <= width) return text;
    for (let length = text.length - 1; length > 2; length -= 1) {
      const cut = text.slice(0, length) + "…";
      if (ctx.measureText(cut).width <= width) return cut;
    }
    return "";
  };
  // Text over lines needs a rim in the colour of the paper to stay readable.
  const rimmed = (ctx, text, x, y, ratio) => {
    const dash = ctx.getLineDash();
    const { strokeStyle, lineWidth } = ctx;
    ctx.setLineDash([]);
    ctx.strokeStyle = color("paper");
    ctx.lineWidth = 4 * ratio;
    ctx.strokeText(text, x, y);
    ctx.fillText(text, x, y);
    Object.assign(ctx, { strokeStyle, lineWidth });
    ctx.setLineDash(dash);
  };
  const bandColor = (role, index) => {
    if (role === "spike") return color("band-spike");
    if (role === "warmup") return color("band-warmup");
    return index % 2 ? "transparent" : color("band");
  };
  const eachPhase = (plot, draw) => withContext(plot, (ctx, ratio) => data.phases.forEach((phase, index) => {
    const from = Math.max(plot.bbox.left, plot.valToPos(phase.from_s, "x", true));
    const to = Math.min(plot.bbox.left + plot.bbox.width, plot.valToPos(phase.to_s, "x", true));
    if (to > from) draw(ctx, ratio, { phase, index, from, width: to - from });
  }));
  const drawPhases = (plot) => eachPhase(plot, (ctx, ratio, { phase, index, from, width }) => {
    ctx.fillStyle = bandColor(phase.role, index);
    ctx.fillRect(from, plot.bbox.top, width, plot.bbox.height);
    ctx.fillStyle = color("rule");
    ctx.fillRect(from, plot.bbox.top, ratio, plot.bbox.height);
  });
  const drawPhaseNames = (plot) => eachPhase(plot, (ctx, ratio, { phase, from, width }) => {
    ctx.fillStyle = color("quiet");
    ctx.textBaseline = "top";
    rimmed(ctx, fitted(ctx, phase.name, width - 8 * ratio), from + 4 * ratio, plot.bbox.top + 3 * ratio, ratio);
  });
  const drawLimits = (limits) => (plot) => withContext(plot, (ctx, ratio) => {
    limits.forEach((limit) => {
      const from = Math.max(plot.bbox.left, plot.valToPos(limit.from_s, "x", true));
      const to = Math.min(plot.bbox.left + plot.bbox.width, plot.valToPos(limit.to_s, "x", true));
      const y = plot.valToPos(limit.value, "y", true);
      if (to <= from) return;
      ctx.strokeStyle = ctx.fillStyle = color("limit");
      ctx.lineWidth = 1.5 * ratio;
      ctx.setLineDash([6 * ratio, 3 * ratio]);
      ctx.beginPath();
      ctx.moveTo(from, y);
      ctx.lineTo(to, y);
      ctx.stroke();
      const room = plot.bbox.left + plot.bbox.width - from;
      ctx.textBaseline = "bottom";
      rimmed(ctx, fitted(ctx, limit.label, room), from + 4 * ratio, y - 3 * ratio, ratio);
    });
  });
  const drawRecovery = (plot) => withContext(plot, (ctx, ratio) => {
    const y = plot.bbox.top + 26 * ratio;
    data.recovery.forEach(({ from_s, to_s, label }) => {
      const from = plot.valToPos(from_s, "x", true);
      const to = plot.valToPos(to_s, "x", true);
      ctx.setLineDash([]);
      ctx.strokeStyle = ctx.fillStyle = color("mark");
      ctx.lineWidth = 1.5 * ratio;
      ctx.beginPath();
      [from, to].forEach((x) => { ctx.moveTo(x, y - 5 * ratio); ctx.lineTo(x, y + 5 * ratio); });
      ctx.moveTo(from, y);
      ctx.lineTo(to, y);
      ctx.stroke();
      ctx.textBaseline = "middle";
      rimmed(ctx, label, to + 6 * ratio, y, ratio);
    });
  });

  // Fitted lines of the drift analysis; the label stands above the end of its line.
  const drawTrends = (id) => (plot) => withContext(plot, (ctx, ratio) => {
    data.trends.filter((trend) => trend.chart === id).forEach((trend, index) => {
      const place = (time, value) => [plot.valToPos(time, "x", true), plot.valToPos(value, "y", true)];
      const [x, y] = place(trend.from_s, trend.from);
      const [endX, endY] = place(trend.to_s, trend.to);
      if (![x, y, endX, endY].every(Number.isFinite)) return;
      ctx.strokeStyle = ctx.fillStyle = color("mark");
      ctx.lineWidth = 1.5 * ratio;
      ctx.setLineDash([2 * ratio, 2 * ratio]);
      ctx.beginPath();
      ctx.moveTo(x, y);
      ctx.lineTo(endX, endY);
      ctx.stroke();
      ctx.textBaseline = "bottom";
      ctx.textAlign = "right";
      rimmed(ctx, trend.label, Math.min(endX, plot.bbox.left + plot.bbox.width) - 4 * ratio, endY - (3 + 13 * index) * ratio, ratio);
    });
  });

  // ---- options every chart shares ----
  const axis = (extra) => ({
    stroke: () => color("quiet"),
    grid: { stroke: () => color("rule"), width: 1 },
    ticks: { stroke: () => color("rule"), width: 1 },
    font: '11px system-ui, "DejaVu Sans", sans-serif',
    ...extra,
  });
  // The head room keeps the names of the phases and the recovery bracket clear of the lines.
  const verticalScale = (isLog, limits) => {
    const most = Math.max(0, ...limits.map((limit) => limit.value));
    const linear = (_, low, high) => [0, (Math.max(high ?? 0, most) || 1) * 1.25];
    const logarithmic = (_, low, high) => low > 0 ? [low / 1.5, Math.max(high, most) * 6] : [1, 10];
    return isLog ? { distr: 3, range: logarithmic } : { range: linear };
  };
  // A logarithmic axis has no place for 0: such a value leaves a gap.
  const positive = (values) => values.map((value) => value > 0 ? value : null);
  // Ticks at 1, 2 and 5 times powers of ten, or at the powers alone where that is a crowd.
  const logTicks = (low, high) => {
    const ticks = (leads) => {
      const found = [];
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
        leads.forEach((lead) => found.push(Number(`${lead}e${power}`)));
      }
      return found.filter((value) => value >= low && value <= high);
    };
    const fine = ticks([1, 2, 5]);
    return fine.length <= 9 ? fine : ticks([1]);
  };
  const verticalAxis = (unit, isLog) => axis({
    size: 74,
    values: (_, splits) => splits.map(UNITS[unit]),
    ...(isLog ? { splits: (_, __, low, high) => logTicks(low, high), filter: (_, splits) => splits } : {}),
  });
  const timeAxis = () => axis({ values: (_, splits) => splits.map(clock), space: 70, incrs: [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400] });
  const widthOf = (host) => Math.max(280, Math.floor(host.getBoundingClientRect().width));

  // ---- charts over time ----
  const sync = uPlot.sync("time");
  let isZooming = false;
  const zoom = (from, to) => {
    isZooming = true;
    plots.forEach(({ plot, isTime }) => isTime && plot.setScale("x", { min: from, max: to }));
    isZooming = false;
  };
  const end = data.t_s.length ? data.t_s[data.t_s.length - 1] + data.step_s : 1;

  const timeOptions = (chart, isLog, host, values) => ({
    width: widthOf(host),
    height: HEIGHT,
    legend: { show: false },
    cursor: { sync: { key: sync.key }, drag: { x: true, y: false, setScale: true }, y: false },
    scales: { x: { time: false, range: (_, low, high) => low === high ? [0, end] : [low, high] }, y: verticalScale(isLog, chart.limits) },
    axes: [
      timeAxis(),
      verticalAxis(chart.unit, isLog),
    ],
    series: [{}, ...chart.lines.map((line, index) => ({
      label: line.label, stroke: lineColor(index), width: index === 0 ? 2 : 1.6, dash: DASHES[index],
      points: { show: data.t_s.length <= 2 },
    }))],
    hooks: {
      drawClear: [drawPhases],
      drawAxes: [drawPhaseNames],
      draw: [drawLimits(chart.limits), drawTrends(chart.id), ...(chart.id === "response" ? [drawRecovery] : [])],
      setCursor: [(plot) => values.forEach((output, index) => {
        const value = plot.cursor.idx == null ? null : plot.data[index + 1][plot.cursor.idx];
        output.textContent = value == null ? "" : UNITS[chart.unit](value);
      })],
      setScale: [(plot, key) => {
        if (key === "x" && !isZooming && plots.length) zoom(plot.scales.x.min, plot.scales.x.max);
      }],
    },
  });

  const timeChart = (figure) => {
    const chart = data.charts[Number(figure.dataset.chart)];
    const host = figure.querySelector(".plot");
    const bar = figure.querySelector(".bar");
    const columns = chart.lines.map((line) => data.columns[line.column]);
    const entry = { isTime: true, host, plot: null };
    const values = keys(bar, chart.lines.map((line) => line.label), (index, show) => entry.plot.setSeries(index, { show }));
    let isLog = chart.is_log;
    const draw = () => {
      const shown = entry.plot && entry.plot.scales.x;
      const window = shown ? [shown.min, shown.max] : null;
      if (entry.plot) entry.plot.destroy();
      const series = isLog ? columns.map(positive) : columns;
      entry.plot = new uPlot(timeOptions(chart, isLog, host, values), [data.t_s, ...series], host);
      bar.querySelectorAll(".key").forEach((key, index) => {
        if (key.getAttribute("aria-pressed") === "false") entry.plot.setSeries(index + 1, { show: false });
      });
      if (window) zoom(...window);
    };
    const log = make("button", { type: "button", className: "end", textContent: "Logarithmic" });
    const press = () => log.setAttribute("aria-pressed", String(isLog));
    log.addEventListener("click", () => { isLog = !isLog; press(); draw(); });
    press();
    bar.append(log);
    draw();
    plots.push(entry);
    fillOnce(figure.querySelector("details"), () => table(
      chart.title,
      [data.step_s > 1 ? `time, ${data.step_s} s from` : "time", ...chart.lines.map((line) => line.label)],
      data.t_s.map((second, row) => [clock(second), ...columns.map((column) => column[row] == null ? "-" : UNITS[chart.unit](column[row]))]),
    ));
  };

  // ---- heat map ----
  // From faint to strong on either paper; readable without telling colours apart.
  const heatColor = (share) => {
    const [from, to] = isDark() ? [[38, 62, 84], [253, 231, 37]] : [[214, 230, 240], [8, 29, 88]];
    return `rgb(${from.map((value, index) => Math.round(value + share * (to[index] - value))).join(" ")})`;
  };
  const heatChart = (figure) => {
    const { step_s, lowest_ms, factor, columns } = data.heat;
    const host = figure.querySelector(".plot");
    const cellsOf = (column) => Array.from({ length: (column.length - 1) / 2 }, (_, index) => [column[1 + 2 * index], column[2 + 2 * index]]);
    const all = columns.flatMap(cellsOf);
    const most = Math.max(...all.map(([, count]) => count));
    const highest = Math.max(...all.map(([cell]) => cell));
    const edge = (cell) => lowest_ms * factor ** cell;
    const strength = (count) => most > 1 ? Math.log(count) / Math.log(most) : 1;
    const output = figure.querySelector(".bar").appendChild(make("output"));
    const xs = columns.map((_, index) => index * step_s);
    const drawCells = (plot) => withContext(plot, (ctx, ratio) => columns.forEach((column, index) => {
      const from = plot.valToPos(index * step_s, "x", true);
      const width = Math.max(ratio, plot.valToPos((index + 1) * step_s, "x", true) - from);
      cellsOf(column).forEach(([cell, count]) => {
        const bottom = plot.valToPos(edge(cell), "y", true);
        const top = plot.valToPos(edge(cell + 1), "y", true);
        ctx.fillStyle = heatColor(strength(count));
        ctx.fillRect(from, top, width + 0.5, bottom - top + 0.5);
      });
      if (column[0]) {
        ctx.fillStyle = color("limit");
        ctx.fillRect(from, plot.bbox.top, Math.max(ratio, width), 4 * ratio);
      }
    }));
    const entry = { isTime: true, host, plot: null };
    entry.plot = new uPlot({
      width: widthOf(host),
      height: HEIGHT + 40,
      legend: { show: false },
      cursor: { sync: { key: sync.key }, drag: { x: true, y: false, setScale: true }, y: false },
      scales: {
        x: { time: false, range: (_, low, high) => low === high || low == null ? [0, end] : [low, high] },
        y: { distr: 3, range: () => [edge(0), edge(highest + 1) * 2] },
      },
      axes: [timeAxis(), verticalAxis("ms", true)],
      series: [{}, { paths: () => null, points: { show: false } }],
      hooks: {
        drawAxes: [drawCells, drawPhaseNames],
        setCursor: [(plot) => {
          const at = plot.cursor.idx;
          const column = at == null ? null : columns[at];
          const ok = column ? cellsOf(column).reduce((sum, [, count]) => sum + count, 0) : 0;
          output.textContent = column ? `${clock(xs[at])}: ${digits(ok)} ok, ${digits(column[0])} failed` : "";
        }],
        setScale: [(plot, key) => {
          if (key === "x" && !isZooming && plots.length) zoom(plot.scales.x.min, plot.scales.x.max);
        }],
      },
    }, [xs, xs.map(() => edge(0))], host);
    plots.push(entry);
    fillOnce(figure.querySelector("details"), () => {
      const used = [...new Set(all.map(([cell]) => cell))].sort((a, b) => a - b);
      const heads = used.map((cell) => `${UNITS.ms(edge(cell))} to ${UNITS.ms(edge(cell + 1))}`);
      return table("Response-time heat map", [step_s > 1 ? `time, ${step_s} s from` : "time", ...heads, "failed"],
        columns.map((column, index) => {
          const counts = new Map(cellsOf(column));
          return [clock(xs[index]), ...used.map((cell) => digits(counts.get(cell) ?? 0)), digits(column[0])];
        }));
    });
  };

  // ---- percentile curve ----
  const drawIntervals = (curves) => (plot) => withContext(plot, (ctx, ratio) => {
    curves.forEach((curve, index) => curve.points.forEach(({ x, low, high }) => {
      if (!plot.series[index + 1].show || low == null || high == null) return;
      const at = plot.valToPos(x, "x", true);
      ctx.strokeStyle = color("line-" + (index + 1));
      ctx.lineWidth = ratio;
      ctx.beginPath();
      [low, high].forEach((value) => {
        const y = plot.valToPos(value, "y", true);
        ctx.moveTo(at - 4 * ratio, y);
        ctx.lineTo(at + 4 * ratio, y);
      });
      ctx.moveTo(at, plot.valToPos(low, "y", true));
      ctx.lineTo(at, plot.valToPos(high, "y", true));
      ctx.stroke();
    }));
  });
  const drawPoints = (curves) => (plot) => withContext(plot, (ctx, ratio) => {
    curves.forEach((curve, index) => curve.points.forEach(({ x, y, is_doubtful }) => {
      if (!plot.series[index + 1].show) return;
      ctx.strokeStyle = color("line-" + (index + 1));
      ctx.fillStyle = is_doubtful ? color("paper") : ctx.strokeStyle;
      ctx.lineWidth = 1.5 * ratio;
      ctx.beginPath();
      ctx.arc(plot.valToPos(x, "x", true), plot.valToPos(y, "y", true), 3.5 * ratio, 0, 2 * Math.PI);
      ctx.fill();
      ctx.stroke();
    }));
  });
  const levelName = (x) => x === 2 ? "p50" : x === 4 ? "p75" : "p" + Number((100 - 100 / x).toPrecision(12));

  const curveChart = (figure) => {
    const host = figure.querySelector(".plot");
    const bar = figure.querySelector(".bar");
    const curves = data.curve.series.filter((curve) => curve.points.length);
    const xs = [...new Set(curves.flatMap((curve) => curve.points.map((point) => point.x)))].sort((a, b) => a - b);
    const column = (curve) => xs.map((x) => (curve.points.find((point) => point.x === x) ?? {}).y ?? null);
    const last = xs[xs.length - 1];
    const entry = { isTime: false, host, plot: null };
    const values = keys(bar, curves.map((curve) => curve.label), (index, show) => entry.plot.setSeries(index, { show }));
    const levels = [2, 4, 10, 20, 100, 1000, 1e4, 1e5, 1e6, 1e7].filter((x) => x <= last * 1.01);
    entry.plot = new uPlot({
      width: widthOf(host),
      height: HEIGHT + 40,
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false },
      scales: { x: { time: false, distr: 3, range: () => [1.8, Math.max(last * 1.3, 4)] }, y: verticalScale(true, []) },
      axes: [
        axis({ splits: () => levels, values: (_, splits) => splits.map(levelName), filter: (_, splits) => splits }),
        verticalAxis("ms", true),
      ],
      series: [{}, ...curves.map((curve, index) => ({ label: curve.label, stroke: lineColor(index), width: 2, dash: DASHES[index], spanGaps: true, points: { show: false } }))],
      hooks: {
        draw: [drawIntervals(curves), drawPoints(curves)],
        setCursor: [(plot) => values.forEach((output, index) => {
          const value = plot.cursor.idx == null ? null : plot.data[index + 1][plot.cursor.idx];
          output.textContent = value == null ? "" : UNITS.ms(value);
        })],
      },
    }, [xs, ...curves.map(column)], host);
    plots.push(entry);
    const cell = (value) => value == null ? "-" : UNITS.ms(value);
    fillOnce(figure.querySelector("details"), () => table(
      "Percentile curve",
      ["percentile", ...curves.flatMap((curve) => [curve.label, "95 % interval"])],
      [...new Set(curves.flatMap((curve) => curve.points.map((point) => point.name)))].map((name) => [name, ...curves.flatMap((curve) => {
        const point = curve.points.find((one) => one.name === name) ?? {};
        return [cell(point.y), point.low == null ? "-" : `${cell(point.low)} to ${cell(point.high)}`];
      })]),
    ));
  };

  // ---- zoom by keyboard: a list of the phases ----
  const stretches = () => {
    const select = document.getElementById("stretch");
    if (!select) return;
    const option = (text, from, to) => select.append(make("option", { textContent: text, value: `${from} ${to}` }));
    option("the whole run", 0, end);
    data.phases.forEach((phase) => option(`${phase.name} (${phase.role})`, phase.from_s, phase.to_s));
    select.addEventListener("change", () => zoom(...select.value.split(" ").map(Number)));
    select.parentElement.hidden = false;
  };

  // ---- tables that sort ----
  const sortKey = (text) => {
    const found = /^(?:>= |~)?(-?[\d,.]+)(?: (µs|ms|s|min|h))?/.exec(text);
    if (!found) return text === "failed" ? Infinity : text === "-" ? -Infinity : text;
    const unit = { "µs": 1e-3, s: 1e3, min: 6e4, h: 3.6e6 }[found[2]] ?? 1;
    return Number(found[1].replaceAll(",", "")) * unit;
  };
  const sortable = (tableElement) => {
    const heads = [...tableElement.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = make("button", { type: "button", textContent: head.textContent });
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const isDown = head.getAttribute("aria-sort") !== "descending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
        const key = (row) => sortKey(row.cells[column].textContent);
        const compare = (a, b) => (key(a) > key(b)) - (key(a) < key(b));
        const rows = [...tableElement.tBodies[0].rows].sort((a, b) => isDown ? compare(b, a) : compare(a, b));
        tableElement.tBodies[0].append(...rows);
      });
    });
  };

  // ---- theme and print ----
  const redraw = () => plots.forEach(({ plot }) => plot.redraw(false, true));
  const resize = () => plots.forEach(({ plot, host }) => plot.setSize({ width: widthOf(host), height: plot.height }));
  const themeButton = document.getElementById("theme");
  const setTheme = (theme) => {
    root.dataset.theme = theme;
    themeButton.setAttribute("aria-pressed", String(theme === "dark"));
    redraw();
  };
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  let isChosen = false;
  system.addEventListener("change", () => isChosen || setTheme(system.matches ? "dark" : "light"));
  themeButton.addEventListener("click", () => { isChosen = true; setTheme(isDark() ? "light" : "dark"); });
  document.getElementById("print").addEventListener("click", () => window.print());

  let themeBefore = "light";
  const PRINT_WIDTH = 700; // A4 less its margins, in CSS pixels.
  window.addEventListener("beforeprint", () => {
    themeBefore = root.dataset.theme;
    setTheme("light");
    plots.forEach(({ plot }) => plot.setSize({ width: PRINT_WIDTH, height: plot.height }));
  });
  window.addEventListener("afterprint", () => { setTheme(themeBefore); resize(); });

  setTheme(system.matches ? "dark" : "light");
  const heatFigure = document.getElementById("chart-heat");
  if (heatFigure) heatChart(heatFigure);
  document.querySelectorAll("figure[data-chart]").forEach(timeChart);
  const curveFigure = document.getElementById("chart-curve");
  if (curveFigure) curveChart(curveFigure);
  stretches();
  document.querySelectorAll("table.sortable").forEach(sortable);
  document.getElementById("tools").hidden = false;
  let pending = 0;
  window.addEventListener("resize", () => { cancelAnimationFrame(pending); pending = requestAnimationFrame(resize); });
})();
