// Keeps a page current: relative times, forms that stay on the page, and the one stream of events.
// Regions say with data-live what concerns them; htmx fetches a region again when it gets the event "refresh".

const TYPES = [
  "run.created", "run.started", "run.retrying", "run.finished", "run.cancelled", "run.deleted", "run.progress", "run.log", "run.log_end",
  "job.changed", "scheduler.changed", "manifest.changed", "repo.committed", "repo.changed", "repo.synced", "repo.sync_failed", "missed",
];
const KINDS = ["run", "job", "manifest", "scheduler", "repo"];
const REFRESH_MS = 500;
const RECONNECT_MS = 3000;

const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

/** What can wait until the page is seen: the browser has its hands full with the first picture of it. */
function painted(act) {
  if (document.hidden) act();
  else requestAnimationFrame(() => setTimeout(act));
}

// --- times ---------------------------------------------------------------------------------------------------------

const skew = Number(one("meta[name=server-now]").content) - Date.now();
export const now = () => Date.now() + skew;

function rough(ms) {
  const s = Math.floor(ms / 1000), min = Math.floor(s / 60), h = Math.floor(min / 60);
  if (s < 60) return `${s} s`;
  if (min < 60) return `${min} min`;
  if (h < 10) return min % 60 ? `${h} h ${min % 60} min` : `${h} h`;
  if (h < 48) return `${h} h`;
  return `${Math.floor(h / 24)} days`;
}

function relative(ms) {
  const distance = Math.abs(ms - now());
  if (distance < 5000) return "now";
  return ms > now() ? `in ${rough(distance)}` : `${rough(distance)} ago`;
}

function took(ms) {
  const s = Math.floor(ms / 1000), min = Math.floor(s / 60), h = Math.floor(min / 60);
  if (ms < 10000) return `${(Math.max(ms, 0) / 1000).toFixed(1)} s`;
  if (s < 60) return `${s} s`;
  if (min < 60) return `${min} min ${String(s % 60).padStart(2, "0")} s`;
  return `${h} h ${String(min % 60).padStart(2, "0")} min`;
}

function tick() {
  for (const each of all("time[data-rel]")) {
    const at = Date.parse(each.dateTime), text = relative(at);
    if (each.textContent !== text) each.textContent = text;
    if (at > now()) each.ahead = true;
    else if (each.ahead && at < now() - 2000) {
      each.ahead = false;
      const region = each.closest("[data-live]");
      if (region && !paused) refresh(region.id);
    }
  }
  for (const each of all("[data-since]")) each.textContent = took(now() - Number(each.dataset.since));
}

// --- regions -------------------------------------------------------------------------------------------------------

const stale = new Set();
let timer = 0, lastFlush = 0;

export function refresh(id) {
  stale.add(id);
  timer ||= setTimeout(flush, Math.max(30, REFRESH_MS - (performance.now() - lastFlush)));
}

function flush() {
  timer = 0;
  lastFlush = performance.now();
  for (const id of stale) {
    const region = document.getElementById(id);
    if (region) htmx.trigger(region, "refresh");
  }
  stale.clear();
}

const refreshAll = () => all("[data-live]").forEach((region) => refresh(region.id));

function concerns(token, type, data) {
  const kind = type.split(".")[0];
  const [, wanted, sign, value] = token.match(/^([a-z]+)(?:([:=])(.+))?$/);
  if (kind !== wanted) return false;
  if (sign === "=") return String(data.run) === value;
  if (type === "run.progress") return false;
  return !sign || data.job === value || Boolean(data.jobs?.includes(value));
}

function happened(type, data) {
  if (type === "missed") refreshAll();
  else if (type === "run.deleted" && data.runs.some((run) => one(`[data-live~="run=${run}"]`))) location.reload();  // says that it is gone
  else {
    for (const region of all("[data-live]")) {
      if (region.dataset.live.split(" ").some((token) => concerns(token, type, data))) refresh(region.id);
    }
  }
  document.dispatchEvent(new CustomEvent("longhouse", { detail: { type, data } }));
}

// --- the stream ----------------------------------------------------------------------------------------------------
// One for the whole browser, in stream.js; where there are no shared workers, one for each tab that is looked at.

const WORKER = one("meta[name=stream]")?.content;
const ALIVE_MS = 20000;
const STATES = {
  open: "", reconnecting: "Reconnecting …", lost: "Not connected, trying again …",
  signed_out: "Signed out: reload to sign in",
};
let port = null, source = null, retry = 0, connection = "", seen = one("meta[name=server-seen]").content;
let paused = sessionStorage.getItem("paused") === "true";

const wants = () => Boolean(one("[data-live]"));
const shown = () => !document.hidden && !paused;
const topics = () => all("[data-topic]").map((each) => each.dataset.topic);

export function connect() {
  if (!wants()) return;
  if (WORKER && window.SharedWorker) {
    port ??= shared();
    port.postMessage({ shown: shown(), seen, topics: topics() });
  } else own();
}

function shared() {
  const worker = new SharedWorker(WORKER, { name: "longhouse" });
  worker.onerror = () => { window.SharedWorker = undefined; port = null; connect(); };
  worker.port.onmessage = ({ data }) => {
    if (data.state) turned(data.state);
    if (data.event && shown()) told(data.event.type, data.event.id, data.event.data);
  };
  return worker.port;
}

function own() {
  disconnect();
  if (!shown()) return;
  const asked = [...KINDS, ...topics()].join(",");
  source = new EventSource(`/api/events?topics=${encodeURIComponent(asked)}${seen ? `&after=${seen}` : ""}`);
  source.onopen = () => turned("open");
  source.onerror = async () => {
    if (source?.readyState === EventSource.CONNECTING) return turned("reconnecting");
    disconnect();
    const answer = await fetch("/banner", { redirect: "manual" }).catch(() => null);
    if (answer && (answer.status === 401 || answer.type === "opaqueredirect")) return turned("signed_out");
    turned("lost");
    retry = setTimeout(own, RECONNECT_MS);
  };
  for (const type of TYPES) {
    source.addEventListener(type, (event) => told(type, event.lastEventId, JSON.parse(event.data)));
  }
}

function told(type, id, data) {
  if (id) seen = id;
  happened(type, data);
}

function disconnect() {
  clearTimeout(retry);
  source?.close();
  source = null;
}

function leave() {
  port?.postMessage({ gone: true });
  disconnect();
}

function turned(state) {
  const before = connection;
  connection = state;
  if (state === "open" && before === "lost") refreshAll();
  saySo();
}

function saySo() {
  const place = one("#offline"), text = paused ? "Updates paused" : STATES[connection] ?? "";
  if (place && place.textContent !== text) place.textContent = text;
}

function back() {
  connect();
  if (!shown()) return;
  tick();
  refreshAll();
}

export function pause(button = one("#pause-updates")) {
  paused = !paused;
  sessionStorage.setItem("paused", paused);
  showPause(button);
  back();
}

function showPause(button) {
  if (!button) return;
  button.setAttribute("aria-pressed", paused);
  button.hidden = !wants();
  saySo();
}

document.addEventListener("visibilitychange", back);
document.addEventListener("longhouse:reconnect", connect);
window.addEventListener("pagehide", leave);
window.addEventListener("pageshow", (event) => { if (event.persisted) back(); });
setInterval(() => { if (port && shown()) connect(); }, ALIVE_MS);

// --- forms that stay on their page ---------------------------------------------------------------------------------

document.addEventListener("submit", async (event) => {
  const form = event.target, button = event.submitter;
  if (!form.matches("[data-quiet]")) return;
  event.preventDefault();
  if (button?.classList.contains("busy")) return;
  button?.classList.add("busy");
  try {
    const address = button?.getAttribute("formaction") || form.action;
    const body = new URLSearchParams(new FormData(form, button));
    const answer = await fetch(address, { method: "POST", body, headers: { "X-Toast": "1", Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    toast(one(".toast", page) ?? failure(one("h1", page)?.textContent ?? `The server answered ${answer.status}.`));
  } catch {
    toast(failure("The server could not be reached."));
  } finally {
    button?.classList.remove("busy");
    const region = form.closest("[data-live]");
    if (region) refresh(region.id);
  }
});

function failure(text) {
  const box = document.createElement("div");
  box.className = "toast bad";
  box.append(Object.assign(document.createElement("span"), { textContent: text }));
  return box;
}

function toast(box) {
  one("#toasts").replaceChildren(box);
  const end = setTimeout(() => box.remove(), box.classList.contains("bad") ? 15000 : 8000);
  box.addEventListener("pointerenter", () => clearTimeout(end), { once: true });
  box.addEventListener("focusin", () => clearTimeout(end), { once: true });
}

// --- small things --------------------------------------------------------------------------------------------------

function textOf(place) {
  return place.classList.contains("lines") ? all("code", place).map((line) => line.textContent).join("\n") : place.textContent;
}

async function copy(text) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  const area = Object.assign(document.createElement("textarea"), { value: text, className: "hear" });
  document.body.append(area);
  area.select();
  document.execCommand("copy");  // the only way over plain http
  area.remove();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.copy) {
    const before = button.lastChild.textContent;
    await copy(textOf(one(button.dataset.copy)));
    button.focus();
    button.lastChild.textContent = "Copied";
    setTimeout(() => { button.lastChild.textContent = before; }, 1500);
    say("Copied");
  } else if (button.matches("[data-close]")) button.closest(".toast").remove();
  else if (button.id === "theme") turn(button);
  else if (button.dataset.wear) wear(button.dataset.wear);
  else if (button.id === "pause-updates") pause(button);
});

export function turn(button = one("#theme")) {
  const themes = ["system", "light", "dark"], root = document.documentElement;
  const next = themes[(themes.indexOf(root.dataset.theme ?? "system") + 1) % 3];
  if (next === "system") delete root.dataset.theme;
  else root.dataset.theme = next;
  document.cookie = `theme=${next};path=/;max-age=31536000;samesite=lax`;
  one("[data-name]", button).textContent = next[0].toUpperCase() + next.slice(1);
}

/** More contrast, or nothing that moves: in this browser, whatever its system asks for. */
export function wear(name) {
  const sheet = one(`link[data-look=${name}]`), on = sheet.media !== "all";
  sheet.media = on ? "all" : sheet.dataset.media;
  document.cookie = `${name}=${on ? "on" : "off"};path=/;max-age=31536000;samesite=lax`;
  one(`button[data-wear=${name}]`)?.setAttribute("aria-pressed", on);
}

export function say(text) {
  one("#said").textContent = text;
}

// The bar under the pointer is the link's target; data-runs is explained in web/strip.py.
const OUTCOMES = { S: "succeeded", F: "failed", D: "degraded", K: "skipped", C: "cancelled", R: "running", T: "will retry", Q: "queued" };

function barAt(strip, x) {
  const box = strip.getBoundingClientRect(), runs = strip.dataset.runs.split(" "), wide = strip.viewBox.baseVal.width;
  const place = Math.round((wide + 1) / 4) - 1 - Math.floor(((x - box.left) / box.width) * wide / 4);
  if (!(place >= 0 && place < runs.length)) return null;
  const [, , letter, tenths] = runs[place].match(/^(-?\d+)([A-Z])(\d*)$/);
  const id = runs.slice(1, place + 1).reduce((newer, each) => newer - parseInt(each, 10), parseInt(runs[0], 10));
  return { id, told: `Run ${id}: ${OUTCOMES[letter]}${tenths ? `, ${took(Number(tenths) * 100)}` : ""}` };
}

document.addEventListener("pointermove", (event) => {
  const link = event.target.closest?.("a.bars"), strip = link && one("[data-runs]", link);
  if (!strip) return;
  link.home ??= link.getAttribute("href");
  const bar = barAt(strip, event.clientX);
  link.setAttribute("href", bar ? `/runs/${bar.id}` : link.home);
  link.title = bar?.told ?? "";
});
document.addEventListener("pointerout", (event) => {
  const link = event.target.closest?.("a.bars");
  if (link?.home && !link.contains(event.relatedTarget)) link.setAttribute("href", link.home);
});

let state = one("#run-head")?.dataset.state;
function settled() {
  all("button[hidden]:is([data-copy], [data-wear], #theme)").forEach((button) => { button.hidden = false; });
  const head = one("#run-head");
  if (head && head.dataset.state !== state) {
    state = head.dataset.state;
    say(`The run is now: ${one("#state").textContent.trim()}`);
  }
  tick();
}
document.addEventListener("htmx:after:swap", settled);

settled();
showPause(one("#pause-updates"));
setInterval(() => { if (!document.hidden) tick(); }, 1000);
painted(connect);
