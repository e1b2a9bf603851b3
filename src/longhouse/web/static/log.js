// The output of a run: follows its end until the reader scrolls away, loads earlier lines on demand.

const MOST_LINES = 4000;
const FETCH_MS = 120;

let log, fetching = false, again = false, stuck = true, lastTop = 0, timer = 0, lastFetch = 0;

const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 30;
const lines = () => log.querySelectorAll(":scope > .l, :scope > .skipped:not(#no-output)");

function bind() {
  log = document.getElementById("log");
  const follow = document.getElementById("follow"), wrap = document.getElementById("wrap");
  follow.hidden = log.dataset.liveLog !== "true";
  wrap.hidden = false;
  stuck = log.dataset.fromEnd === "true" && !named(location.hash);
  const wrapped = sessionStorage.getItem("wrap") ?? String(innerWidth < 720);
  setWrap(wrapped === "true");
  wrap.onclick = () => setWrap(!log.classList.contains("wrap"));
  follow.onclick = () => { stuck = !stuck; stick(); more(); };
  log.onscroll = () => {
    const resumed = !stuck && atEnd();
    stuck = atEnd();
    follow.setAttribute("aria-pressed", stuck);
    if (resumed && log.dataset.over !== "true") more();
  };
  log.onclick = (event) => {
    if (event.target.id !== "earlier") return;
    event.preventDefault();
    earlier();
  };
  const wanted = named(location.hash);
  if (wanted && !document.getElementById(wanted) && log.dataset.fromEnd === "true") {
    location.replace(`/runs/${log.dataset.run}?attempt=${log.dataset.attempt}&line=${wanted.slice(1)}#${wanted}`);
  } else if (wanted) {
    const line = document.getElementById(wanted);
    if (line) log.scrollTop = line.offsetTop - log.offsetTop - log.clientHeight / 3;
  }
  stick();
}

const named = (hash) => hash.match(/^#(L[1-9]\d*)$/)?.[1];

function setWrap(on) {
  log.classList.toggle("wrap", on);
  document.getElementById("wrap").setAttribute("aria-pressed", on);
  sessionStorage.setItem("wrap", on);
  stick();
}

function stick() {
  document.getElementById("follow").setAttribute("aria-pressed", stuck);
  if (stuck) log.scrollTop = log.scrollHeight;
  lastTop = log.scrollTop;
}

async function part(query) {
  const { run, attempt } = log.dataset;
  if (attempt === "0") return null;
  const answer = await fetch(`/runs/${run}/log?attempt=${attempt}&${query}`);
  if (!answer.ok) return null;
  return new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("log");
}

function more() {
  if (!stuck && lines().length > MOST_LINES) return;  // the reader reads; it goes on when he is at the end again
  if (fetching) { again = true; return; }
  timer ||= setTimeout(fetchMore, Math.max(0, FETCH_MS - (performance.now() - lastFetch)));
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
    if (again) { again = false; more(); }
  }
}

function take(found) {
  if (log.scrollTop < lastTop - 4) stuck = false;  // moved since, though no scroll event has come yet
  const jumped = Number(found.dataset.first) > Number(log.dataset.next) && found.dataset.fromEnd === "true";
  if (jumped) lines().forEach((line) => line.remove());
  for (const line of [...found.children]) {
    if (line.id === "no-output" || line.classList.contains("earlier")) continue;
    const known = line.id && document.getElementById(line.id);
    if (known) known.replaceWith(line);
    else log.append(line);
  }
  const empty = document.getElementById("no-output"), stillEmpty = found.querySelector("#no-output");
  if (empty && !stillEmpty) empty.remove();
  else if (empty && stillEmpty) empty.textContent = stillEmpty.textContent;
  if (!stillEmpty) {
    log.dataset.next = found.dataset.next;
    log.dataset.style = found.dataset.style;
  }
  if (found.dataset.more === "true") again = true;
  log.dataset.over = found.dataset.over;
  if (found.dataset.over === "true") end();
  if (stuck) trim();
  if (jumped) setFirst();
  stick();
}

function end() {
  log.dataset.liveLog = "false";
  document.getElementById("follow").hidden = true;
}

function trim() {
  const found = lines();
  for (let at = 0; at < found.length - MOST_LINES; at++) found[at].remove();
  if (found.length > MOST_LINES) setFirst();
}

function setFirst() {
  const first = log.querySelector(".l");
  if (!first) return;
  log.dataset.first = first.id.slice(1);
  if (log.querySelector(".earlier") || log.dataset.first === "1") return;
  const box = Object.assign(document.createElement("p"), { className: "earlier" });
  box.append(Object.assign(document.createElement("a"), {
    id: "earlier", className: "button tiny", textContent: "Load earlier lines",
    href: `/runs/${log.dataset.run}?attempt=${log.dataset.attempt}&line=${log.dataset.first - 1}`,
  }));
  log.prepend(box);
}

async function earlier() {
  const found = await part(`before=${log.dataset.first}`);
  if (!found) return;
  const height = log.scrollHeight, top = log.scrollTop;
  log.querySelector(".earlier")?.remove();
  log.prepend(...[...found.children].filter((line) => line.id !== "no-output"));
  log.dataset.first = found.dataset.first;
  stuck = false;
  log.scrollTop = top + log.scrollHeight - height;
}

// Another attempt has begun: show its output instead, unless the reader chose one.
async function renew() {
  const answer = await fetch(location.pathname);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("output");
  if (!fresh || fresh.querySelector("#log").dataset.attempt === log.dataset.attempt) return;
  document.getElementById("output").replaceWith(fresh);
  bind();
  for (const button of fresh.querySelectorAll("button[data-copy]")) button.hidden = false;
  document.dispatchEvent(new CustomEvent("longhouse:reconnect"));
  if (log.dataset.liveLog === "true") more();
}

document.addEventListener("longhouse", ({ detail: { type, data } }) => {
  const run = String(data.run ?? data.run_id ?? "");
  if (run !== log.dataset.run) return;
  if (type === "run.started" && data.attempt > Number(log.dataset.attempt)) {
    if (!new URLSearchParams(location.search).has("attempt")) renew();
  } else if (log.dataset.liveLog !== "true") return;
  else if (type === "run.log") { if (String(data.attempt) === log.dataset.attempt) more(); }
  else if (["run.log_end", "run.finished", "run.cancelled", "run.retrying"].includes(type)) more();
});
// However the page learns that the run has ended: the rest of its output belongs to it.
document.addEventListener("htmx:after:swap", () => {
  const over = document.getElementById("run-head")?.dataset.active === "false";
  if (over && log.dataset.liveLog === "true" && log.dataset.attempt !== "0") more();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden && log.dataset.liveLog === "true") more(); });
window.addEventListener("hashchange", () => { stuck = false; });

bind();
