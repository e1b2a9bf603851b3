// The output of a run. It follows the end until the reader scrolls away, and holds a window of lines: what is far
// from there is fetched again when it is wanted. Whatever was printed stays text: nothing here writes HTML.
// log-search.js is its search: it hears log:bound and log:changed, and asks with log:show and log:anew.

const MOST_LINES = 1500;
const STUCK_LINES = 600;  // who follows the end sees forty of them; each one more costs at every line that comes
const FETCH_MS = 120;
const NEAR_TOP = 480;

let log, stuck = true, fetching = false, again = false, timer = 0, lastFetch = 0, lastTook = 0, lastTop = 0;
let newest = 0, leftAt = 0, anchor = 0, turn = 0;

const by = (id) => document.getElementById(id);
const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 30;
const below = () => log.dataset.more === "true";
const live = () => log.dataset.liveLog === "true";
const lines = () => log.querySelectorAll(":scope > .l, :scope > .skipped:not(#no-output)");
const number = (line) => Number(line?.id.slice(1) || 0);
const streamed = () => by("log-stream")?.value ?? "";
const frame = () => new Promise((done) => (document.hidden ? setTimeout(done) : requestAnimationFrame(done)));

const tell = (name) => document.dispatchEvent(new CustomEvent(name));

function kept(name, value) {
  try {
    if (value !== undefined) localStorage.setItem(name, value);
    return localStorage.getItem(name);
  } catch { return null; }  // storage may be forbidden
}

// --- what is in the page -------------------------------------------------------------------------------------------

async function part(query) {
  const { run, attempt } = log.dataset;
  if (attempt === "0") return null;
  const stream = streamed() ? `&stream=${streamed()}` : "";
  const answer = await fetch(`/runs/${run}/log?attempt=${attempt}${stream}&${query}`);
  if (!answer.ok) return null;
  const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("log");
  await frame();
  return found;
}

/** All lines of `found` instead of those that are here. */
function replace(found) {
  log.replaceChildren(...found.childNodes);
  for (const name of ["first", "next", "style", "more", "over", "fromEnd"]) log.dataset[name] = found.dataset[name];
  newest = Math.max(newest, Number(found.dataset.total));
  if (log.dataset.over === "true") end();
  tell("log:changed");
}

function append(found) {
  for (const line of [...found.children]) {
    if (line.id === "no-output" || line.classList.contains("earlier")) continue;
    const known = line.id && by(line.id);
    if (known) known.replaceWith(line);
    else log.append(line);
  }
  const empty = by("no-output"), stillEmpty = found.querySelector("#no-output");
  if (empty && !stillEmpty && lines().length) empty.remove();
  else if (empty && stillEmpty) empty.textContent = stillEmpty.textContent;
  if (!stillEmpty) for (const name of ["next", "style"]) log.dataset[name] = found.dataset[name];
  log.dataset.more = found.dataset.more;
  log.dataset.over = found.dataset.over;
  newest = Math.max(newest, Number(found.dataset.total));
  if (found.dataset.over === "true") end();
  tell("log:changed");
}

function end() {
  log.dataset.liveLog = "false";
  by("follow").hidden = true;
}

/** Drop what is too much at the top, and keep what the reader sees where it is. At the end nothing is measured for it:
    that would lay out the lines that are about to go. */
function trimTop() {
  const all = lines(), tooMany = all.length - (stuck ? STUCK_LINES : MOST_LINES);
  if (tooMany <= 0) return;
  const height = stuck ? 0 : log.scrollHeight;
  for (let at = 0; at < tooMany; at++) all[at].remove();
  setFirst();
  if (!stuck) log.scrollTop -= height - log.scrollHeight;
}

function trimBottom() {
  const all = lines();
  if (all.length <= MOST_LINES) return;
  for (let at = MOST_LINES; at < all.length; at++) all[at].remove();
  log.dataset.next = number([...log.querySelectorAll(":scope > .l")].at(-1)) + 1;
  log.dataset.style = "";
  log.dataset.more = "true";
}

function setFirst() {
  const first = log.querySelector(".l");
  if (!first) return;
  log.dataset.first = number(first);
  if (log.querySelector(".earlier") || log.dataset.first === "1") return;
  const box = Object.assign(document.createElement("p"), { className: "earlier" });
  box.append(Object.assign(document.createElement("a"), {
    id: "earlier", className: "button tiny", textContent: "Load earlier lines",
    href: `/runs/${log.dataset.run}?attempt=${log.dataset.attempt}&line=${log.dataset.first - 1}`,
  }));
  log.prepend(box);
}

// --- its end -------------------------------------------------------------------------------------------------------

function stick() {
  by("follow").setAttribute("aria-pressed", stuck);
  if (stuck) log.scrollTop = log.scrollHeight;
  lastTop = log.scrollTop;
  said();
}

function leave() {
  if (stuck) leftAt = newest;
  stuck = false;
}

/** The button that says what came since the reader left the end. */
function said() {
  const button = by("news"), count = newest - leftAt;
  const wanted = !stuck && ((live() && count > 0) || below());
  button.hidden = !wanted;
  if (!wanted) return;
  const some = count > 0 && !streamed() && live();
  const text = some ? `${count.toLocaleString("en")} new line${count === 1 ? "" : "s"}, jump to the end` : "Jump to the end";
  if (button.textContent !== text) button.textContent = text;
}

async function toEnd() {
  const mine = ++turn;
  if (below()) {
    const found = await part("");
    if (mine !== turn) return;
    if (found) replace(found);
  }
  stuck = true;
  stick();
  if (live()) more();
}

function more() {
  if (!stuck && (below() || lines().length >= MOST_LINES)) {  // the reader reads; more of it when he gets there
    log.dataset.more = "true";
    return said();
  }
  if (fetching) { again = true; return; }
  timer ||= setTimeout(fetchMore, Math.max(0, FETCH_MS + lastTook - (performance.now() - lastFetch)));
}

async function fetchMore() {
  timer = 0;
  fetching = true;
  lastFetch = performance.now();
  try {
    const place = log;
    const found = await part(`since=${log.dataset.next}&jump=${stuck}&style=${encodeURIComponent(log.dataset.style)}`);
    if (found && place === log) take(found);
  } finally {
    fetching = false;
    lastTook = performance.now() - lastFetch;  // the server is asked no more than half of the time
    if (again) { again = false; more(); }
  }
}

function take(found) {
  if (log.scrollTop < lastTop - 4) leave();  // moved since, though no scroll event has come yet
  const jumped = Number(found.dataset.first) > Number(log.dataset.next) && found.dataset.fromEnd === "true";
  if (jumped && stuck) replace(found);
  else if (!jumped) append(found);
  if (below()) again = stuck;
  if (stuck) trimTop();
  stick();
}

function busy(on) {
  fetching = on;
  log.setAttribute("aria-busy", on);
  if (on) return;
  if (again) { again = false; more(); }
  else if (!stuck && atEnd() && below()) later();  // he scrolled on meanwhile
}

async function earlier() {
  if (fetching) return;
  busy(true);
  try {
    const place = log, found = await part(`before=${log.dataset.first}`);
    if (!found || place !== log) return;
    leave();
    const held = document.activeElement === by("earlier");
    const away = held && log.scrollTop > log.clientHeight;  // pressed once more where it was left: on from its place
    const height = log.scrollHeight, top = away ? 0 : log.scrollTop;
    log.querySelector(".earlier")?.remove();
    log.prepend(...[...found.children].filter((line) => line.id !== "no-output"));
    log.dataset.first = found.dataset.first;
    log.scrollTop = lastTop = top + log.scrollHeight - height;
    if (held) (by("earlier") ?? log).focus({ preventScroll: true });  // who came with keys goes on from there
    trimBottom();
    tell("log:changed");
    said();
  } finally { busy(false); }
}

async function later() {
  if (fetching) return;
  busy(true);
  try {
    const place = log, style = encodeURIComponent(log.dataset.style);
    const found = await part(`since=${log.dataset.next}&style=${style}`);
    if (!found || place !== log) return;
    append(found);
    trimTop();
    lastTop = log.scrollTop;
    said();
  } finally { busy(false); }
}

// --- one line, or some ---------------------------------------------------------------------------------------------

/** First and last line of `#L12` and `#L12-L20`. */
function named(hash) {
  const found = hash.match(/^#L([1-9]\d{0,14})(?:-L([1-9]\d{0,14}))?$/);
  if (!found) return null;
  const [one, other] = [Number(found[1]), Number(found[2] ?? found[1])];
  return [Math.min(one, other), Math.max(one, other)];
}

function pointOut(first, last) {
  for (const line of log.querySelectorAll(".l.here")) line.classList.remove("here");
  for (let at = first; at <= Math.min(last, first + MOST_LINES); at++) by(`L${at}`)?.classList.add("here");
}

async function show(first, last = first) {
  const mine = ++turn;
  leave();
  if (!by(`L${first}`)) {
    const found = await part(`line=${first}`);
    if (!found || mine !== turn) return;  // another line is wanted by now
    replace(found);
  }
  const line = by(`L${first}`);
  if (line) log.scrollTop = line.offsetTop - log.offsetTop - log.clientHeight / 3;
  line?.scrollIntoView({ block: "nearest" });  // the window, too
  lastTop = log.scrollTop;
  anchor = first;
  pointOut(first, last);
  said();
}

function picked(event) {
  const line = number(event.target.closest(".l"));
  const [first, last] = event.shiftKey && anchor ? [Math.min(anchor, line), Math.max(anchor, line)] : [line, line];
  if (first === last) anchor = line;
  event.preventDefault();
  history.replaceState(null, "", first === last ? `#L${first}` : `#L${first}-L${last}`);
  pointOut(first, last);
}

/** j and k go from line to line while the output has the focus: Enter links to the line, with Shift to all from the last one. */
function walked(event) {
  const step = { j: 1, k: -1 }[event.key];
  if (!step || event.ctrlKey || event.metaKey || event.altKey || kept("keys") === "off") return;
  event.preventDefault();
  const found = [...log.querySelectorAll(".l > a")], here = found.indexOf(document.activeElement);
  const top = log.getBoundingClientRect().top;
  const next = here < 0 ? found.findIndex((each) => each.getBoundingClientRect().top >= top) : here + step;
  found[next]?.focus({ preventScroll: true });
  found[next]?.closest(".l").scrollIntoView({ block: "nearest" });
}

// --- how it is looked at -------------------------------------------------------------------------------------------

function toggle(name, on) {
  log.classList.toggle(name, on);
  by(name).setAttribute("aria-pressed", on);
  by(name).hidden = false;
  stick();
}

/** Another choice of streams: all lines anew. */
async function anew() {
  const mine = ++turn, found = await part("");
  if (!found || mine !== turn) return;
  replace(found);
  stuck = true;
  stick();
}

function bind() {
  log = by("log");
  newest = Number(log.dataset.total);
  const wanted = named(location.hash);
  stuck = log.dataset.fromEnd === "true" && !wanted;
  leftAt = newest;
  by("later")?.remove();  // they come by scrolling
  if (!by("log-tools")) return;
  by("log-go").hidden = true;
  by("follow").hidden = !live();
  toggle("wrap", (kept("log.wrap") ?? String(innerWidth < 720)) === "true");
  toggle("times", kept("log.times") === "true");
  for (const name of ["wrap", "times"]) {
    by(name).onclick = () => { toggle(name, kept(`log.${name}`, !log.classList.contains(name)) === "true"); };
  }
  by("follow").onclick = () => { if (stuck) { leave(); stick(); } else toEnd(); };
  by("news").onclick = () => { toEnd(); log.focus({ preventScroll: true }); };
  log.onscroll = scrolled;
  log.onkeydown = walked;
  log.onclick = (event) => {
    if (event.target.id === "earlier") { event.preventDefault(); earlier(); }
    else if (event.target.matches(".l > a")) picked(event);
  };
  tell("log:bound");
  if (wanted) show(...wanted);
  else stick();
}

function scrolled() {
  const up = log.scrollTop < lastTop, resumed = !stuck && atEnd() && !below();
  if (atEnd() && (stuck || !below())) stuck = true;
  else leave();
  lastTop = log.scrollTop;
  by("follow").setAttribute("aria-pressed", stuck);
  said();
  if (up && log.scrollTop < NEAR_TOP && by("earlier")) earlier();
  else if (!stuck && atEnd() && below()) later();
  else if (resumed && log.dataset.over !== "true") more();
}

// --- what happens --------------------------------------------------------------------------------------------------

// Another attempt has begun: show its output instead, unless the reader chose one.
async function renew() {
  const answer = await fetch(location.pathname);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("output");
  if (!fresh || fresh.querySelector("#log").dataset.attempt === log.dataset.attempt) return;
  by("output").replaceWith(fresh);
  bind();
  for (const button of fresh.querySelectorAll("button[data-copy]")) button.hidden = false;
  document.dispatchEvent(new CustomEvent("longhouse:reconnect"));
  if (live()) more();
}

document.addEventListener("longhouse", ({ detail: { type, data } }) => {
  const run = String(data.run ?? data.run_id ?? "");
  if (run !== log.dataset.run) return;
  if (type === "run.started" && data.attempt > Number(log.dataset.attempt)) {
    if (!new URLSearchParams(location.search).has("attempt")) renew();
  } else if (!live()) return;
  else if (type === "run.log") {
    if (String(data.attempt) !== log.dataset.attempt) return;
    newest = Math.max(newest, data.lines.at(-1)?.number ?? 0);
    if (data.position) log.dataset.topic = `run.log:${run}@${data.attempt}:${data.position}`;
    said();
    more();
  } else if (["run.log_end", "run.finished", "run.cancelled", "run.retrying"].includes(type)) more();
});
// However the page learns that the run has ended: the rest of its output belongs to it.
document.addEventListener("htmx:after:swap", () => {
  const over = by("run-head")?.dataset.active === "false";
  if (over && live() && log.dataset.attempt !== "0") more();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden && live()) more(); });
document.addEventListener("log:show", ({ detail }) => show(detail));
document.addEventListener("log:anew", anew);
window.addEventListener("hashchange", () => { const wanted = named(location.hash); if (wanted) show(...wanted); });

bind();
