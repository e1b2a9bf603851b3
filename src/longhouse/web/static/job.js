// A job's page: the run form says what is wrong before anything is sent, and the durations are drawn.

// --- the form ------------------------------------------------------------------------------------------------------

// The same as zerg/_kinds.py says; the server looks again.
const RULES = {
  int: [(text) => /^[+-]?\d+(_\d+)*$/.test(text), "has to be a whole number"],
  float: [(text) => text !== "" && Number.isFinite(Number(text.replaceAll("_", ""))), "has to be a number"],
  date: [(text) => /^\d{4}-\d\d-\d\d$/.test(text) && real(text), "has to be a date such as 2026-02-04"],
  datetime: [(text) => /^\d{4}-\d\d-\d\d([T ]|$)/.test(text) && real(text), "has to be a time such as 2026-02-04T08:00"],
};

function real(text) {
  const [year, month, day] = text.slice(0, 10).split("-").map(Number), found = new Date(Date.UTC(year, month - 1, day));
  return found.getUTCMonth() === month - 1 && found.getUTCDate() === day;
}

function problem(field) {
  const text = field.value.trim(), [fits, sentence] = RULES[field.dataset.kind] ?? [];
  if (fits && (field.validity.badInput || (text && !fits(text)))) return `${field.dataset.name} ${sentence}.`;
  if ("needed" in field.dataset && !text) return `${field.dataset.name} is needed.`;
  return "";
}

function judge(field) {
  const id = `e-${field.dataset.name}`, text = problem(field);
  let place = document.getElementById(id);
  if (text) {
    if (!place) {
      place = Object.assign(document.createElement("span"), { className: "wrong", id });
      field.after(place);
    }
    place.textContent = text;
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", id);
  } else if (place) {
    place.remove();
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-describedby");
  }
  return !text;
}

const form = document.getElementById("run-form");
if (form) {
  const fields = [...form.querySelectorAll("[data-kind]")];
  form.noValidate = true;  // without scripts the browser's own words are better than none
  for (const field of fields) {
    field.addEventListener("change", () => judge(field));
    field.addEventListener("input", () => { if (field.hasAttribute("aria-invalid")) judge(field); });
  }
  form.addEventListener("submit", (event) => {
    const wrong = fields.filter((field) => !judge(field));
    if (!wrong.length) return;
    event.preventDefault();
    wrong[0].focus();
  });
}

// --- the chart -----------------------------------------------------------------------------------------------------

const HEIGHT = 220, NEAR = 24, LOOK_MS = 2000;
const FLAT = 40;  // where the longest is so many times the middle, the scale is logarithmic
const chart = document.getElementById("chart");
const MOMENT = new Intl.DateTimeFormat("en-GB", { timeZone: chart?.dataset.zone, weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
let plot = null, runs = [], colours = {}, under = null, timer = 0;

function took(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 60000) return `${Math.floor(ms / 1000)} s`;
  const min = Math.floor(ms / 60000), h = Math.floor(min / 60);
  return h ? `${h} h ${String(min % 60).padStart(2, "0")} min` : `${min} min ${String(Math.floor(ms / 1000) % 60).padStart(2, "0")} s`;
}

// The tokens are functions of the theme: what they come to is read from elements that have them.
function readColours() {
  for (const each of document.querySelectorAll("#chart-legend [data-state]")) {
    colours[each.dataset.state] = getComputedStyle(each).color;
  }
  const style = getComputedStyle(chart);
  colours.text = style.color;
  colours.grid = style.borderTopColor;
  colours.font = style.fontFamily;
}

// A shape for each outcome: nobody has to tell it by its colour.
const SHAPES = {
  succeeded: (c, x, y, r) => { c.arc(x, y, r, 0, 7); c.fill(); },
  degraded: (c, x, y, r) => { c.moveTo(x, y - 1.3 * r); c.lineTo(x + 1.3 * r, y + r); c.lineTo(x - 1.3 * r, y + r); c.fill(); },
  failed: (c, x, y, r) => { c.moveTo(x - r, y - r); c.lineTo(x + r, y + r); c.moveTo(x + r, y - r); c.lineTo(x - r, y + r); c.stroke(); },
  other: (c, x, y, r) => { c.rect(x - r, y - r, 2 * r, 2 * r); c.stroke(); },
};

function marks(u) {
  const { ctx } = u, ratio = devicePixelRatio || 1;
  ctx.save();
  for (const run of runs) {
    const kind = run.state in SHAPES ? run.state : "other", x = u.valToPos(run.at, "x", true), y = u.valToPos(run.took, "y", true);
    ctx.beginPath();
    ctx.fillStyle = ctx.strokeStyle = colours[kind];
    ctx.lineWidth = 2 * ratio;
    SHAPES[kind](ctx, x, y, (run === under ? 5 : 3.2) * ratio);
  }
  ctx.restore();
}

function hover(u) {
  const { left, top } = u.cursor;
  let found = null, best = NEAR;
  if (left >= 0) {
    for (const run of runs) {
      const distance = Math.hypot(u.valToPos(run.at, "x") - left, u.valToPos(run.took, "y") - top);
      if (distance < best) [found, best] = [run, distance];
    }
  }
  if (found === under) return;
  under = found;
  u.over.classList.toggle("on-run", !!found);
  document.getElementById("chart-run").textContent = found ? `Run ${found.id}: ${found.state}, ${took(found.took)}, ${MOMENT.format(found.at * 1000)}` : "";
  u.redraw(false, false);
}

function options(width, steep) {
  const axis = {
    stroke: () => colours.text, font: `12px ${colours.font}`,
    grid: { stroke: () => colours.grid, width: 1 }, ticks: { stroke: () => colours.grid, width: 1 },
  };
  return {
    width, height: HEIGHT, legend: { show: false }, padding: [12, 28, 0, 0],
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), chart.dataset.zone),
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false, click: () => {} } },
    scales: { x: { time: true }, y: steep ? { distr: 3 } : { range: (_u, _low, high) => [0, (high || 1) * 1.1] } },
    axes: [
      { ...axis, values: [[86400, "{D} {MMM}", null, null, null, null, null, null, 1], [3600, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1], [60, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1], [1, "{HH}:{mm}:{ss}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1]] },
      { ...axis, size: 76, values: (_u, ticks) => ticks.map((tick) => (tick === null ? "" : tick === 0 ? "0" : took(tick))) },
    ],
    series: [{}, { paths: () => null, points: { show: false } }],
    hooks: { draw: [marks], setCursor: [hover] },
  };
}

async function fetched() {
  const answer = await fetch(`/api/jobs/${encodeURIComponent(chart.dataset.job)}/stats`).catch(() => null);
  if (!answer?.ok) return null;
  const { runs: found } = await answer.json();
  return found.filter((run) => run.took_ms !== null).reverse()
    .map((run) => ({ id: run.id, state: run.state, at: Date.parse(run.finished_at) / 1000, took: Math.max(run.took_ms, 1) }));
}

async function draw() {
  const found = await fetched();
  if (!found) return;
  runs = found;
  under = runs.find((run) => run.id === under?.id) ?? null;
  if (!under) document.getElementById("chart-run").textContent = "";
  plot?.destroy();
  plot = null;
  chart.dataset.drawn = runs.length;
  if (!runs.length) return;  // all deleted
  readColours();
  const all = runs.map((run) => run.took).sort((a, b) => a - b), steep = all.at(-1) > FLAT * all[all.length >> 1];
  plot = new uPlot(options(chart.clientWidth, steep), [runs.map((run) => run.at), runs.map((run) => run.took)], chart);
  plot.over.addEventListener("click", () => { if (under) location.assign(`/runs/${under.id}`); });
  plot.over.addEventListener("auxclick", () => { if (under) window.open(`/runs/${under.id}`, "_blank", "noopener"); });
}

if (chart && window.uPlot) {
  const again = () => { readColours(); plot?.redraw(); };
  new ResizeObserver(() => plot?.setSize({ width: chart.clientWidth, height: HEIGHT })).observe(chart);
  new MutationObserver(again).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  document.addEventListener("longhouse", ({ detail: { type, data } }) => {
    const { job } = chart.dataset;
    const ended = ["run.finished", "run.cancelled"].includes(type) && data.job === job;
    if (!ended && !(type === "run.deleted" && data.jobs.includes(job))) return;
    clearTimeout(timer);
    timer = setTimeout(draw, LOOK_MS);
  });
  draw();
}
