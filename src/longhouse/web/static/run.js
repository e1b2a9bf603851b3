// A run's page: its state in the title of the tab, and its artifacts.

function titled() {
  const title = document.getElementById("run-head")?.dataset.title;
  if (title) document.title = `${title} · Longhouse`;
}

document.addEventListener("htmx:after:swap", titled);

// A new artifact: the list again. It is left alone otherwise, so that what the reader opened stays open.
document.addEventListener("htmx:after:swap", () => {
  const list = document.getElementById("run-artifacts"), head = document.getElementById("run-head");
  if (list && head && list.dataset.count !== head.dataset.artifacts) htmx.trigger(list, "refresh");
});

// What is closed is fetched when it is opened.
document.addEventListener("toggle", ({ target }) => {
  const place = target.open && target.querySelector("[data-closed]");
  if (place) htmx.trigger(place, "opened");
}, true);
