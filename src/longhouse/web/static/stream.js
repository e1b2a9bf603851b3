// The one stream of events of this browser, shared by all of its tabs: a browser has six connections to a server, and
// a stream in every tab would use them up. live.js starts this as a SharedWorker and speaks to it over a port.
//
// A tab says {shown, seen, topics}, or {gone}. It is told {event: {type, id, data}} and {state}: open, reconnecting,
// lost, signed_out. A tab that is hidden or paused is told nothing, and asks for everything anew when it comes back.

const KINDS = ["run", "job", "manifest", "scheduler", "repo"];
const TYPES = [
  "run.created", "run.started", "run.retrying", "run.finished", "run.cancelled", "run.deleted", "run.progress", "run.log", "run.log_end",
  "job.changed", "scheduler.changed", "manifest.changed", "repo.committed", "repo.changed", "repo.synced", "repo.sync_failed", "missed",
];
const RECONNECT_MS = 3000;
const KEPT = 500;  // events for tabs that open a moment later than they happened
const MOST_LOGS = 16;  // as the server allows
const SILENT_MS = 50000;  // a tab that was killed does not say so; one that lives speaks every 20 seconds

const tabs = new Map();  // port -> {shown, seen, topics, spoke}
const places = new Map();  // run -> how far its output has been told
let source = null, topics = "", state = "", retry = 0, last = null, floor = 0, kept = [];

const shown = () => [...tabs.values()].filter((tab) => tab.shown);
const runOf = (topic) => topic.match(/^run\.log:(\d+)/)[1];

function wantedTopics() {
  const logs = new Map();
  for (const tab of shown()) {
    for (const topic of tab.topics) logs.set(runOf(topic), topic);
  }
  return [...KINDS, ...[...logs.keys()].sort().slice(-MOST_LOGS).map((run) => `run.log:${run}`)].join(",");
}

function address(wanted) {
  const first = new Map(shown().flatMap((tab) => tab.topics.map((topic) => [runOf(topic), topic])));
  const asked = wanted.split(",").map((topic) => {
    if (!topic.startsWith("run.log:")) return topic;
    const run = runOf(topic);
    return places.has(run) ? `run.log:${run}@${places.get(run)}` : first.get(run) ?? topic;
  });
  return `/api/events?topics=${encodeURIComponent(asked.join(","))}${last === null ? "" : `&after=${last}`}`;
}

function connect() {
  clearTimeout(retry);
  const wanted = wantedTopics();
  if (!shown().length) return close();
  if (source && source.readyState !== EventSource.CLOSED && wanted === topics) return;
  close();
  if (last === null) {
    const seen = shown().map((tab) => tab.seen).filter((each) => each !== "");
    if (seen.length) last = floor = Math.min(...seen.map(Number));
  }
  topics = wanted;
  const mine = source = new EventSource(address(wanted));
  mine.onopen = () => turn("open");
  mine.onerror = () => { if (source === mine) failed(mine); };
  for (const type of TYPES) mine.addEventListener(type, (event) => { if (source === mine) happened(type, event); });
}

function close() {
  clearTimeout(retry);
  source?.close();
  source = null;
}

async function failed(mine) {
  if (mine.readyState === EventSource.CONNECTING) return turn("reconnecting");
  const answer = await fetch("/banner", { redirect: "manual" }).catch(() => null);
  if (source !== mine) return;
  close();
  if (answer && (answer.status === 401 || answer.type === "opaqueredirect")) return turn("signed_out");
  turn("lost");
  retry = setTimeout(connect, RECONNECT_MS);
}

function turn(next) {
  if (state === next) return;
  state = next;
  for (const port of tabs.keys()) port.postMessage({ state });
}

function happened(type, event) {
  const data = JSON.parse(event.data), told = { type, id: event.lastEventId, data };
  if (type === "run.log" || type === "run.log_end") {
    const run = String(data.run_id);
    if (type === "run.log") places.set(run, `${data.attempt}:${data.position}`);
    for (const [port, tab] of tabs) {
      if (tab.shown && tab.topics.some((topic) => runOf(topic) === run)) port.postMessage({ event: told });
    }
    return;
  }
  if (event.lastEventId) {
    last = Number(event.lastEventId);
    if (type === "missed") { kept = []; floor = last; } else kept.push(told);
    while (kept.length > KEPT) floor = Number(kept.shift().id);
  }
  for (const [port, tab] of tabs) if (tab.shown) port.postMessage({ event: told });
}

// What happened between the moment that the tab's page was made and now.
function catchUp(port, tab) {
  if (last === null || tab.seen === "" || Number(tab.seen) >= last) return;
  if (Number(tab.seen) < floor) port.postMessage({ event: { type: "missed", id: String(last), data: {} } });
  else for (const told of kept) if (Number(told.id) > Number(tab.seen)) port.postMessage({ event: told });
}

function heard(port, said) {
  if (said.gone) {
    tabs.delete(port);
    return connect();
  }
  const before = tabs.get(port), tab = { ...said, spoke: Date.now() };
  tabs.set(port, tab);
  for (const run of places.keys()) if (!shown().some((each) => each.topics.some((topic) => runOf(topic) === run))) places.delete(run);
  if (!before && state === "signed_out") state = "";  // somebody has signed in since
  if (state) port.postMessage({ state });
  if (tab.shown && !before?.shown) catchUp(port, tab);
  connect();
}

self.onconnect = ({ ports: [port] }) => { port.onmessage = ({ data }) => heard(port, data); };

setInterval(() => {
  for (const [port, tab] of tabs) if (tab.shown && Date.now() - tab.spoke > SILENT_MS) tabs.delete(port);
  if (source && !shown().length) connect();
}, 20000);
