// The keyboard: single keys that can be switched off, their list, and the palette that finds everything.

const { pause, turn, wear } = await import(document.getElementById("keys-js").dataset.from);

const PAGES = [
  ["h", "/", "Home"], ["j", "/jobs", "Jobs"], ["r", "/runs", "Runs"], ["e", "/errors", "Errors"], ["t", "/timeline", "Timeline"],
  ["p", "/repo", "Jobs repo"], ["s", "/secrets", "Secrets"], ["a", "/activity", "Activity"], [",", "/settings", "Settings"],
];
const MORE = [
  ["/jobs/new", "New job"], ["/repo/files", "Files of the jobs repo"], ["/connect", "Connect GitHub"],
  ["/sessions", "Sessions"], ["/tokens", "API tokens"], ["/settings/design", "Design language"],
];
const SECOND_MS = 1500;  // after g
const FIND_MS = 100;
const FOUND = 8;

const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const help = one("#help"), palette = one("#palette");

// --- single keys ---------------------------------------------------------------------------------------------------

let on = localStorage.getItem("keys") !== "off", waitsUntil = 0;

function types(place) {
  return place?.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable=''], [contenteditable=true], .cm-editor");
}

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
    if (event.target.closest?.(".cm-editor")) return;
    event.preventDefault();
    return open();
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.isComposing) return;
  if (one("dialog[open]")) return;  // it has keys of its own
  if (event.key === "Escape") return up(event);
  if (!on || types(event.target)) return;
  const second = performance.now() < waitsUntil;
  waitsUntil = 0;
  const act = second ? place(event.key) : KEYS[event.key];
  if (act && act() !== false) event.preventDefault();
});

const place = (key) => {
  const found = PAGES.find(([each]) => each === key);
  return found && (() => { location.href = found[1]; });
};

const KEYS = {
  "?": () => help.showModal(),
  "/": () => {
    const field = one("[data-search]");
    field?.focus();
    field?.select?.();
    return Boolean(field);
  },
  g: () => { waitsUntil = performance.now() + SECOND_MS; },
  j: () => step(1),
  k: () => step(-1),
  "[": () => turnTo("prev"),
  "]": () => turnTo("next"),
  r: again,
  t: () => turn(),
};

/** The page, run or day before or after this one. */
function turnTo(rel) {
  const found = one(`main a[rel=${rel}]`);
  if (!found) return false;
  location.href = found.href;
}

function up(event) {
  const field = types(event.target);
  if (field && !field.closest(".cm-editor")) return field.blur();
  if (field) return;
  const menu = one("details.menu[open]"), row = event.target.closest?.(ROW);
  if (menu) {
    menu.open = false;
    return one("summary", menu).focus();
  }
  if (row) return document.activeElement.blur();
  const above = one("main .crumb a");
  if (above) location.href = above.href;
}

// --- rows ----------------------------------------------------------------------------------------------------------
// The row that is chosen is the one that has the focus: so it is seen, heard, and Enter opens it.

const ROW = "[data-rows] tbody tr, [data-rows] > li, main table.cardy tbody tr, main .rows > li";

function rows() {
  const marked = all("[data-rows] tbody tr, [data-rows] > li");
  return (marked.length ? marked : all(ROW)).filter((row) => link(row) && row.offsetParent !== null);
}

const link = (row) => one("a.id, .id a, [data-open], th a[href], td a[href], a[href]", row);

function step(by) {
  const found = rows();
  if (!found.length) return false;
  const at = found.findIndex((row) => row.contains(document.activeElement));
  const next = at < 0 ? (by > 0 ? 0 : found.length - 1) : Math.min(Math.max(at + by, 0), found.length - 1);
  const target = link(found[next]);
  target.focus();
  found[next].scrollIntoView({ block: "nearest" });
}

const AGAIN = ["[data-key=r]", "[formaction$='/run']", "a[href$='#run-now']"];
const againIn = (root) => AGAIN.map((each) => one(each, root)).find(Boolean);

function again() {
  const row = document.activeElement?.closest?.(ROW);
  if (row) {
    const target = againIn(row), run = one("a[href^='/runs/']", row);
    if (target) return target.click();
    if (run) { location.href = run.href; return; }
  }
  const target = one("main [data-key=r]");
  if (!target || target.disabled) return false;
  const asks = target.form && all("input:not([type=hidden]), select, textarea", target.form).find((field) => field.required);
  if (asks) return asks.focus();
  target.click();
}

// --- the list of keys ----------------------------------------------------------------------------------------------

const switcher = one("#keys-on");

function show() {
  switcher.setAttribute("aria-checked", on);
}

switcher.addEventListener("click", () => {
  on = !on;
  localStorage.setItem("keys", on ? "on" : "off");
  show();
});
one("#keys").addEventListener("click", () => help.showModal());
for (const dialog of [help, palette]) {
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
}

// --- the palette ---------------------------------------------------------------------------------------------------

const text = one("#palette-text"), list = one("#palette-list"), said = one("#palette-said");
let options = [], at = 0, timer = 0, asked = null, asking = null;

function open() {
  if (palette.open) return;
  help.close();
  text.value = "";
  fill([], null);
  palette.showModal();
  text.focus();
  find();
}

function post(action, fields = {}, quiet = true) {
  const form = Object.assign(document.createElement("form"), { method: "post", action, hidden: true });
  if (quiet) form.dataset.quiet = "";
  for (const [name, value] of Object.entries({ csrf: one("meta[name=csrf]").content, ...fields })) {
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  }
  document.body.append(form);
  form.requestSubmit();
  if (quiet) form.remove();
}

function actions() {
  const resume = one("#banner form[action='/resume']");
  return [
    resume ? ["Resume everything", () => post("/resume")] : ["Pause everything", () => post("/pause")],
    ["Sync the jobs repo now", () => post("/repo/sync", {}, false)],
    ["Mark failures as seen", () => post("/seen")],
    ["Turn the theme", () => turn()],
    ["More contrast, or as the system says", () => wear("contrast")],
    ["Less motion, or as the system says", () => wear("still")],
    ["Pause or resume updates of this page", () => pause()],
    ["Keyboard shortcuts", () => help.showModal()],
    ["Sign out", () => one("#sign-out").requestSubmit()],
  ].map(([name, act]) => ({ kind: "Do", name, act }));
}

const go = (href) => () => { location.href = href; };

function fill(jobs, run) {
  const wanted = text.value.trim().toLowerCase(), holds = (each) => each.name.toLowerCase().includes(wanted);
  const pages = [...PAGES.map(([, href, name]) => [href, name]), ...MORE].map(([href, name]) => ({ kind: "Page", name, act: go(href) }));
  const found = (wanted ? jobs : []).map((job) => ({ kind: "Job", name: job.id, more: job.description, act: go(`/jobs/${encodeURIComponent(job.id)}`) }));
  const starts = wanted ? jobs.slice(0, 3).map((job) => ({
    kind: "Do", name: `Run ${job.id}`,
    act: job.asks ? go(`/jobs/${encodeURIComponent(job.id)}#run-now`) : () => post(`/jobs/${encodeURIComponent(job.id)}/run`),
  })) : [];
  const runs = run ? [{ kind: "Run", name: `Run ${run.id}`, more: `${run.job_id}, ${run.state}`, act: go(`/runs/${run.id}`) }] : [];
  options = [...runs, ...found.slice(0, 1), ...starts.slice(0, 1), ...pages.filter(holds), ...found.slice(1), ...starts.slice(1), ...actions().filter(holds)];
  at = 0;
  list.replaceChildren(...options.map((each, number) => {
    const item = Object.assign(document.createElement("li"), { id: `option-${number}`, role: "option" });
    item.append(
      Object.assign(document.createElement("span"), { className: "kind", textContent: each.kind }),
      Object.assign(document.createElement("span"), { className: "name", textContent: each.name }),
      Object.assign(document.createElement("span"), { className: "about", textContent: each.more ?? "" }),
    );
    item.addEventListener("pointermove", () => choose(number, false));
    item.addEventListener("click", take);
    return item;
  }));
  said.textContent = options.length ? "" : "Nothing is called that.";
  choose(0);
}

function choose(number, scroll = true) {
  at = Math.min(Math.max(number, 0), options.length - 1);
  all("[role=option]", list).forEach((item, each) => item.setAttribute("aria-selected", each === at));
  const item = list.children[at];
  if (item) text.setAttribute("aria-activedescendant", item.id);
  else text.removeAttribute("aria-activedescendant");
  if (scroll) item?.scrollIntoView({ block: "nearest" });
}

function take() {
  const chosen = options[at];
  if (!chosen || !palette.open) return;  // closed meanwhile, or taken: Enter pressed twice waits for one answer
  palette.close();
  chosen.act();
}

// Whether what is shown now is the answer for the text: not if somebody went on typing.
function find() {
  forget();
  const mine = asked = new AbortController();
  asking = answered(mine).finally(() => { if (mine === asked) asking = null; });
  return asking;
}

function forget() {
  clearTimeout(timer);
  asked?.abort();
  timer = 0;
  asked = asking = null;
}

async function answered(mine) {
  try {
    const answer = await fetch(`/api/search?limit=${FOUND}&q=${encodeURIComponent(text.value)}`, { signal: mine.signal });
    if (!answer.ok) throw new Error(answer.status);
    const found = await answer.json();
    if (mine === asked) fill(found.jobs, found.run);
  } catch (error) {
    if (error.name !== "AbortError") said.textContent = "The server could not be asked for jobs.";
  }
  return mine === asked;
}

text.addEventListener("input", () => {
  forget();
  fill([], null);
  timer = setTimeout(find, FIND_MS);
});
text.addEventListener("keydown", (event) => {
  const steps = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + FOUND, PageUp: at - FOUND };
  if (event.key in steps) choose(steps[event.key]);
  else if (event.key === "Enter" && (timer || asking)) (timer ? find() : asking).then((shown) => { if (shown) take(); });
  else if (event.key === "Enter") take();
  else return;
  event.preventDefault();
});
palette.addEventListener("close", forget);
one("#find").addEventListener("click", open);

show();
for (const button of [one("#find"), one("#keys")]) button.hidden = false;
