// A schedule in words and due times while it is typed: `watch` keeps a region true to what `read` says.

const WAIT_MS = 200;

export function watch(region, read) {
  let timer = 0, asked = "", shown = null;
  async function ask() {
    const query = new URLSearchParams(read()).toString();
    if (query === asked) return;
    asked = query;
    const answer = await fetch(`/schedules/preview?${query}`).catch(() => null);
    if (!answer?.ok || query !== asked) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[data-schedule-said]");
    if (!fresh || query !== asked) return;
    if (shown !== fresh.innerHTML) region.replaceChildren(fresh);
    shown = fresh.innerHTML;
    region.dispatchEvent(new CustomEvent("schedule", { detail: region.querySelector("[data-field]")?.dataset.field ?? "" }));
  }
  return () => { clearTimeout(timer); timer = setTimeout(ask, WAIT_MS); };
}
