// Searching the output of a run: the server looks through all of it, here the lines found are walked and marked.
// Marks are ranges over text nodes; without support for them, the line alone is pointed out.

const PAUSE_MS = 250;
const AGAIN_MS = 2000;
const MOST_MARKS = 2000;

let wanted = "", lines = [], total = 0, place = -1, timer = 0, turn = 0, lastLook = 0;

const by = (id) => document.getElementById(id);

function marked() {
  if (!globalThis.Highlight) return;
  const found = [];
  if (wanted) {
    for (const code of document.querySelectorAll("#log > .l > code")) {
      for (const range of ranges(code)) found.push(range);
      if (found.length > MOST_MARKS) break;
    }
  }
  CSS.highlights.set("found", new Highlight(...found));
}

function ranges(code) {
  const text = code.textContent.toLowerCase(), found = [];
  let at = text.indexOf(wanted);
  if (at < 0 || text.length !== code.textContent.length) return found;
  const walker = document.createTreeWalker(code, NodeFilter.SHOW_TEXT), nodes = [];
  for (let start = 0; walker.nextNode(); start += walker.currentNode.length) nodes.push([start, walker.currentNode]);
  const place = (offset, isEnd) => {
    const [start, node] = nodes.findLast(([from]) => (isEnd ? from < offset : from <= offset));
    return [node, offset - start];
  };
  for (; at >= 0 && found.length < 50; at = text.indexOf(wanted, at + wanted.length)) {
    const range = new Range();
    range.setStart(...place(at, false));
    range.setEnd(...place(at + wanted.length, true));
    found.push(range);
  }
  return found;
}

function firstSeen() {
  const log = by("log"), top = log.getBoundingClientRect().top;
  const line = [...log.querySelectorAll(":scope > .l")].find((each) => each.getBoundingClientRect().bottom > top);
  return Number(line?.id.slice(1) || 1);
}

/** `quiet`: the output has grown; the reader stays where he is. */
async function look({ quiet = false } = {}) {
  const text = by("log-search").value, mine = ++turn;
  lastLook = performance.now();
  wanted = text.toLowerCase();
  if (!wanted) return clear();
  const { run, attempt } = by("log").dataset, stream = by("log-stream").value;
  if (attempt === "0") return clear();
  const only = stream ? `&stream=${stream}` : "";
  const answer = await fetch(`/api/runs/${run}/logs/search?attempt=${attempt}&q=${encodeURIComponent(text)}${only}`);
  if (mine !== turn) return;
  if (!answer.ok) return clear();
  const here = lines[place];
  ({ lines, total } = await answer.json());
  if (mine !== turn) return;
  if (quiet) place = lines.indexOf(here);
  else {
    const seen = firstSeen();
    place = lines.findIndex((line) => line >= seen);
    if (place < 0) place = lines.length - 1;
    go(0);
  }
  marked();
  said();
}

function clear() {
  wanted = "";
  lines = [];
  total = 0;
  place = -1;
  marked();
  said();
}

function said() {
  const count = total.toLocaleString("en");
  by("log-count").textContent = !wanted ? "" : !total ? "Not found" : place < 0 ? `${count} found` : `${place + 1} of ${count}`;
  for (const id of ["log-earlier", "log-later"]) by(id).hidden = !lines.length;
}

function go(step) {
  if (!lines.length) return;
  place = (place + step + lines.length) % lines.length;
  document.dispatchEvent(new CustomEvent("log:show", { detail: lines[place] }));
  said();
}

function bound() {
  if (!by("log-tools")) return;
  const field = by("log-search");
  by("log-tools").onsubmit = (event) => {
    event.preventDefault();
    if (field.value.toLowerCase() === wanted) go(1);
    else look();
  };
  field.oninput = () => { clearTimeout(timer); timer = setTimeout(look, PAUSE_MS); };
  field.onkeydown = (event) => {
    if (event.key === "Enter" && event.shiftKey) { event.preventDefault(); go(-1); }
  };
  by("log-earlier").onclick = (event) => { event.preventDefault(); go(-1); };
  by("log-later").onclick = (event) => { event.preventDefault(); go(1); };
  by("log-stream").onchange = () => {
    document.dispatchEvent(new CustomEvent("log:anew"));
    if (field.value) look({ quiet: true });
  };
  if (field.value) look();
  else clear();
}

document.addEventListener("log:bound", bound);
document.addEventListener("log:changed", () => {
  if (!wanted) return;
  marked();
  if (performance.now() - lastLook > AGAIN_MS && by("log").dataset.liveLog === "true") look({ quiet: true });
});
bound();
