// Lists that are searched while one types, and acts on many of their rows. Without it the same forms are sent.
const { refresh, say } = await import(document.getElementById("lists-js").dataset.from);

const TYPING_MS = 200;
const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// --- looking: the form is the address, the list follows --------------------------------------------------------------

const finder = one("form[data-filter]"), dialog = document.getElementById("asked");
let waits = 0;

function look() {
  clearTimeout(waits);
  const asked = new URLSearchParams([...new FormData(finder)].filter(([, value]) => value !== ""));
  const path = new URL(finder.action).pathname;
  history.replaceState(null, "", asked.size ? `${path}?${asked}` : path);
  asked.set("part", "list");
  const list = document.getElementById(finder.dataset.filter);
  list.setAttribute("hx-get", `${path}?${asked}`);
  htmx.trigger(list, "refresh");
}

if (finder) {
  document.documentElement.classList.add("instant");
  finder.addEventListener("submit", (event) => { event.preventDefault(); look(); });
  finder.addEventListener("input", (event) => {
    clearTimeout(waits);
    if (event.target.matches("[data-whole]") && !offered(event.target)) return;
    const typed = event.target.matches("input:not([type=radio])");
    waits = setTimeout(look, typed ? TYPING_MS : 0);
  });
  finder.addEventListener("change", (event) => { if (event.target.matches("[data-whole]")) look(); });
}

/** Whether the text is a whole value: half of one fits nothing, and the list would be empty while somebody types. */
function offered({ value, list }) {
  return !value || [...list.options].some((option) => option.value === value);
}

// --- choosing: what is ticked stays so while the list is renewed; what is no longer shown is not chosen ---------------

const chosen = new Set();
const closed = new Set();
const boxes = () => all("input[form=bulk]");

function count() {
  const bar = document.getElementById("bulk");
  if (!bar) return;
  const everything = one("[name=all]", bar), whole = one("[data-all]", bar), told = one("[data-count]", bar);
  const some = everything?.checked || chosen.size > 0;
  told.dataset.plain ??= told.textContent;
  whole.hidden = false;
  whole.setAttribute("aria-label", "Select all shown");
  const shown = new Set(boxes().map((box) => box.value)).size;
  whole.checked = shown > 0 && chosen.size === shown;
  whole.indeterminate = chosen.size > 0 && chosen.size < shown;
  const text = everything?.checked ? "Everything selected" : chosen.size ? `${chosen.size} selected` : told.dataset.plain;
  if (told.textContent !== text) told.textContent = text;
  for (const button of all("button[name=do]", bar)) button.disabled = !some;
}

/** Where the focus goes on if what had it is gone or off: who works with keys stays at the list. */
function land() {
  const here = document.activeElement;
  if (here === document.body || here.disabled || dialog?.contains(here)) (one("#bulk [data-all]") ?? one("main")).focus();
}

function settle() {
  const shown = new Set(boxes().map((box) => box.value));
  for (const value of chosen) if (!shown.has(value)) chosen.delete(value);
  for (const box of boxes()) box.checked = chosen.has(box.value);
  for (const group of all("details[data-group]")) group.open = !closed.has(group.dataset.group);
  const told = one("#bulk [data-count]");
  if (told && !told.textContent.endsWith("selected")) told.dataset.plain = told.textContent;
  count();
}

document.addEventListener("change", (event) => {
  const box = event.target;
  if (box.matches("input[form=bulk]")) {
    chosen[box.checked ? "add" : "delete"](box.value);
    for (const twin of boxes()) twin.checked = chosen.has(twin.value);
  } else if (box.matches("#bulk [data-all]")) {
    chosen.clear();
    if (box.checked) for (const each of boxes()) chosen.add(each.value);
    for (const each of boxes()) each.checked = box.checked;
  } else if (!box.matches("#bulk [name=all]")) return;
  count();
  say(one("#bulk [data-count]").textContent);
});

document.addEventListener("toggle", (event) => {
  if (event.target.matches?.("details[data-group]")) closed[event.target.open ? "delete" : "add"](event.target.dataset.group);
}, true);

let atBar = false;
document.addEventListener("htmx:before:swap", () => { atBar = Boolean(document.activeElement.closest("#bulk")); });
document.addEventListener("htmx:after:swap", () => {
  settle();
  if (atBar) land();
});
settle();

// --- asking: the question and what came of it, in a dialog -----------------------------------------------------------

document.addEventListener("submit", async (event) => {
  const form = event.target, button = event.submitter;
  if (!dialog || !form.matches("[data-ask]")) return;
  event.preventDefault();
  if (button?.classList.contains("busy")) return;
  button?.classList.add("busy");
  try {
    const body = new URLSearchParams(new FormData(form, button));
    const answer = await fetch(button?.getAttribute("formaction") || form.getAttribute("action"), { method: "POST", body, headers: { "X-Toast": "1", Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok) dialog.replaceChildren(...page.body.childNodes);
    else told(one("h1", page)?.textContent ?? `The server answered ${answer.status}.`);
  } catch {
    told("The server could not be reached.");
  } finally {
    button?.classList.remove("busy");
  }
  if (!dialog.open) dialog.showModal();
  (one("[autofocus]", dialog) ?? one("a, button", dialog))?.focus();
  if (form.closest("dialog")) {
    for (const list of all("[data-live]", one("main"))) if (list.classList.contains("list")) refresh(list.id);
  }
});

function told(text) {
  const heading = Object.assign(document.createElement("h2"), { id: "asked-h", textContent: text });
  const close = Object.assign(document.createElement("button"), { type: "button", textContent: "Close" });
  close.dataset.dismiss = "";
  dialog.replaceChildren(heading, close);
}

dialog?.addEventListener("click", (event) => {
  if (!event.target.closest("[data-dismiss]")) return;
  event.preventDefault();
  dialog.close();
});
dialog?.addEventListener("close", land);
