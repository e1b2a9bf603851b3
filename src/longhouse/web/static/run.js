// A run's page: its state in the title of the tab, for those who watch from another one.

function titled() {
  const title = document.getElementById("run-head")?.dataset.title;
  if (title) document.title = `${title} · Longhouse`;
}

document.addEventListener("htmx:after:swap", titled);
