// New job: checks the id, previews the schedule and redraws the code while the form is filled in.

const script = document.querySelector("script[data-schedule]");
const { watch } = await import(script.dataset.schedule);
const form = document.getElementById("new-job");
const value = (name) => form.elements[name].value;

// --- the schedule ---------------------------------------------------------------------------------------------------

const region = document.getElementById("schedule-preview");
const look = watch(region, () => ({
  when: value("when"), cron: value("cron"), every: value("every"), timezone: value("timezone"),
}));
region.addEventListener("schedule", ({ detail }) => {
  for (const name of ["cron", "every", "timezone"]) {
    const field = form.elements[name];
    if (name === detail) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
});

function choose() {
  for (const field of form.querySelectorAll("[data-when]")) field.hidden = field.dataset.when !== value("when");
}
const presets = document.getElementById("presets");
presets.hidden = false;
presets.addEventListener("click", (event) => {
  const text = event.target.closest("[data-cron]")?.dataset.cron;
  if (!text) return;
  form.elements.cron.value = text;
  form.elements.cron.dispatchEvent(new Event("input", { bubbles: true }));
});

// --- the id ---------------------------------------------------------------------------------------------------------

async function part(address, options) {
  const answer = await fetch(address, options).catch(() => null);
  if (!answer?.ok) return null;
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

function slowly(ms, act) {
  let timer = 0;
  return () => { clearTimeout(timer); timer = setTimeout(act, ms); };
}

const checkId = slowly(200, async () => {
  const asked = value("id"), found = await part(`/jobs/new/id?id=${encodeURIComponent(asked)}`);
  if (!found || asked !== value("id")) return;
  const fresh = found.getElementById("id-said");
  form.elements.id.toggleAttribute("aria-invalid", false);
  if (fresh.classList.contains("wrong")) form.elements.id.setAttribute("aria-invalid", "true");
  const place = document.getElementById("id-said");
  place.className = fresh.className;
  place.textContent = fresh.textContent;
});

// --- the code -------------------------------------------------------------------------------------------------------

let drawn = "";
const draw = slowly(400, async () => {
  const body = new URLSearchParams(new FormData(form));
  if (body.toString() === drawn) return;
  drawn = body.toString();
  const found = await part("/jobs/new/preview", { method: "POST", body });
  const fresh = found?.getElementById("drawn");
  if (fresh && drawn === body.toString()) document.getElementById("drawn").replaceWith(fresh);
});
document.getElementById("look").hidden = true;

form.addEventListener("input", (event) => {
  if (event.target.name === "id") checkId();
  if (["when", "cron", "every", "timezone"].includes(event.target.name)) look();
  if (event.target.name === "when") choose();
  draw();
});

// --- nothing is lost ------------------------------------------------------------------------------------------------

let touched = false;
form.addEventListener("input", () => { touched = true; }, { once: true });
form.addEventListener("submit", () => { touched = false; });
window.addEventListener("beforeunload", (event) => { if (touched) event.preventDefault(); });
for (const link of form.querySelectorAll(".kinds a")) link.addEventListener("click", () => { touched = false; });

choose();
