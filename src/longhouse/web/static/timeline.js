// The picture of the timeline: words for the mark under the pointer, arrow keys along a lane, and a picture that stays
// current without asking for itself at each of many runs.

const { refresh, say, now } = await import(document.getElementById("timeline-js").dataset.from);
const MINUTE = 60_000, NEWS_MS = 4_000, NEAR = 14;

const tip = Object.assign(document.createElement("div"), { className: "tl-tip", hidden: true });
document.body.append(tip);

// --- marks: place, width, kind, link, words ------------------------------------------------------------------------

function marks(lane) {
  const svg = lane.querySelector("svg[data-m]");
  if (!svg?.dataset.m) return [];
  return svg.dataset.m.split("|").map((each) => {
    const [x, width, kind, link, when] = each.split(",");
    return { x: Number(x), width: Number(width), kind: Number(kind), link, when };
  });
}

function nearest(lane, clientX) {
  const box = lane.getBoundingClientRect(), at = (clientX - box.left) / box.width * 1000;
  const near = NEAR / box.width * 1000;
  let best = null, least = near;
  for (const mark of marks(lane)) {
    const away = Math.max(0, mark.x - at, at - mark.x - mark.width);
    if (away < least || away === 0) [best, least] = [mark, away];
  }
  return best;
}

function words(mark) {
  const kinds = document.querySelector("[data-kinds]").dataset.kinds.split("|");
  return `${kinds[mark.kind]}, ${mark.when}`;
}

function address(lane, mark) {
  const job = encodeURIComponent(lane.dataset.job), number = mark.link.slice(1);
  if (mark.link[0] === "r") return `/runs/${number}`;
  if (mark.link[0] === "f") return `/jobs/${job}/firings?before=${number}`;
  if (mark.link[0] === "z") {
    const closer = new URL(document.getElementById("timeline").dataset.closer, location.href);
    if (closer.searchParams.get("view") === new URLSearchParams(location.search).get("view")) return lane.home;
    closer.searchParams.set("at", new Date(Number(number)).toISOString());
    closer.searchParams.set("q", lane.dataset.job);
    return closer.pathname + closer.search;
  }
  return `/jobs/${job}`;
}

function point(lane, mark) {
  lane.home ??= lane.getAttribute("href");
  lane.setAttribute("href", mark ? address(lane, mark) : lane.home);
  tip.hidden = !mark;
  if (!mark) return;
  tip.textContent = words(mark);
  const box = lane.getBoundingClientRect();
  const middle = box.left + (mark.x + mark.width / 2) / 1000 * box.width;
  tip.style.left = `${Math.max(4, Math.min(scrollX + middle - tip.offsetWidth / 2, document.body.clientWidth - tip.offsetWidth - 4))}px`;
  tip.style.top = `${scrollY + box.top - tip.offsetHeight - 4}px`;
}

document.addEventListener("pointermove", (event) => {
  const lane = event.target.closest?.("a.lane");
  if (lane) point(lane, nearest(lane, event.clientX));
  else if (!tip.hidden && !document.activeElement?.matches("a.lane")) tip.hidden = true;
});
document.addEventListener("pointerout", (event) => {
  const lane = event.target.closest?.("a.lane");
  if (lane && !lane.contains(event.relatedTarget)) point(lane, null);
});

document.addEventListener("keydown", (event) => {
  const lane = document.activeElement?.closest("a.lane");
  if (!lane) return;
  if (event.key === "Escape") return point(lane, null);
  if (!["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
  const found = marks(lane);
  if (!found.length) return;
  event.preventDefault();
  const last = found.length - 1, at = lane.place ?? -1;
  lane.place = { ArrowLeft: Math.max(0, at - 1), ArrowRight: Math.min(last, at + 1), Home: 0, End: last }[event.key];
  point(lane, found[lane.place]);
  say(words(found[lane.place]));
});
document.addEventListener("focusout", (event) => {
  const lane = event.target.closest?.("a.lane");
  if (lane) { delete lane.place; point(lane, null); }
});

// --- current -------------------------------------------------------------------------------------------------------

let due = 0, last = 0;
function news() {
  due ||= setTimeout(() => { due = 0; last = performance.now(); refresh("timeline"); }, Math.max(0, NEWS_MS - (performance.now() - last)));
}
function present() {
  const region = document.getElementById("timeline");
  return region && now() < Number(region.dataset.ends) + MINUTE;
}
document.addEventListener("longhouse", (event) => {
  const kind = event.detail.type.split(".")[0];
  if ((kind === "run" || kind === "job") && event.detail.type !== "run.progress" && present()) news();
});
setInterval(() => { if (!document.hidden && present()) news(); }, MINUTE);

// --- the reader's own zone -----------------------------------------------------------------------------------------

const zones = document.getElementById("tl-zone"), own = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zones && own && ![...zones.options].some((each) => each.value === own)) {
  zones.add(new Option(`${own} (this browser)`, own));
}
zones?.addEventListener("change", () => zones.form.requestSubmit());
