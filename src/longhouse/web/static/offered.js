// Values that a filter could have, from the moment that somebody is in its field. Without it one types them in full.
const TYPING_MS = 200;

const UNSEEN = /[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;  // nothing that turns a line around
const shown = (text) => text.replace(UNSEEN, "\ufffd");

function options(items) {
  return items.map(({ value, about }) => Object.assign(document.createElement("option"), { value: shown(value), label: shown(about), textContent: shown(about) }));
}

async function fetched(address) {
  const answer = await fetch(address, { headers: { Accept: "application/json" } });
  return answer.ok ? answer.json() : null;
}

for (const field of document.querySelectorAll("input[data-offered]")) {
  let wait = 0, asked = null;
  const ask = async () => {
    const text = field.value;
    if (text === asked) return;
    asked = text;
    const found = await fetched(field.dataset.offered + encodeURIComponent(text)).catch(() => null);
    if (asked !== text) return;  // something else was asked meanwhile
    if (found) field.list.replaceChildren(...options(found.items));
    else asked = null;
  };
  field.addEventListener("focus", ask);
  field.addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(ask, TYPING_MS);
  });
}
