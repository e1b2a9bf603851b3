// The editor: CodeMirror over the form's own textarea, which is what is sent and what those without scripts use.

const form = document.getElementById("edit");
const area = document.getElementById("content");
const place = document.getElementById("editor");
const cm = await import(form.dataset.codemirror);
const { watch } = await import(form.dataset.schedule);
const { EditorState, EditorView, Decoration, keymap, tags } = cm;

const path = () => form.elements.path.value;
const text = () => view.state.doc.toString();

// --- how it looks: our tokens, and the classes that code has on every page --------------------------------------------

const theme = EditorView.theme({
  "&": { height: "100%", backgroundColor: "var(--sunk)", color: "var(--ink)", fontSize: "0.875rem" },
  "&.cm-focused": { outline: "2px solid var(--focus)", outlineOffset: "1px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.6", fontVariantLigatures: "none" },
  ".cm-content": { caretColor: "var(--ink)", paddingBlock: "var(--s2)" },
  ".cm-cursor, .cm-dropCursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": { backgroundColor: "var(--sunk)", color: "var(--soft)", borderRight: "1px solid var(--line)" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--mute-wash) 60%, transparent)" },
  ".cm-activeLineGutter": { backgroundColor: "var(--mute-wash)", color: "var(--ink)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--live-wash)" },
  ".cm-selectionMatch": { backgroundColor: "var(--wait-wash)" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--ok-wash)", outline: "1px solid var(--ok-bar)" },
  "&.cm-focused .cm-nonmatchingBracket": { backgroundColor: "var(--bad-wash)" },
  ".cm-searchMatch": { backgroundColor: "var(--warn-wash)", outline: "1px solid var(--warn-bar)" },
  ".cm-searchMatch-selected": { backgroundColor: "var(--warn-bar)", color: "var(--paper)" },
  ".cm-panels": { backgroundColor: "var(--paper)", color: "var(--ink)", borderColor: "var(--line)" },
  ".cm-panels.cm-panels-top": { borderBottom: "1px solid var(--line)" },
  ".cm-panel.cm-search": { padding: "var(--s2) var(--s7) var(--s2) var(--s3)", display: "flex", flexWrap: "wrap", gap: "var(--s2)", alignItems: "center", fontFamily: "var(--sans)" },
  ".cm-panel.cm-search input, .cm-panel.cm-search button, .cm-panel.cm-search label": { margin: "0", fontSize: "var(--small)" },
  ".cm-panel.cm-search br": { display: "none" },
  ".cm-textfield": { width: "auto", minHeight: "30px", backgroundColor: "var(--paper)", color: "var(--ink)", border: "1px solid var(--edge)" },
  ".cm-button": { backgroundImage: "none", backgroundColor: "var(--paper)", border: "1px solid var(--edge)", minHeight: "30px", padding: "2px var(--s2)" },
  ".cm-tooltip": { backgroundColor: "var(--paper)", color: "var(--ink)", border: "1px solid var(--edge)", borderRadius: "var(--round)", fontFamily: "var(--sans)" },
  ".cm-diagnostic": { padding: "var(--s2) var(--s3)" },
  ".cm-diagnostic-error": { borderLeft: "4px solid var(--bad-bar)" },
  ".cm-badLine": { backgroundColor: "var(--bad-wash)" },
  ".cm-markLine": { backgroundColor: "var(--warn-wash)", fontWeight: "600" },
});
const colours = cm.HighlightStyle.define([
  { tag: [tags.keyword, tags.bool, tags.null, tags.operatorKeyword, tags.controlKeyword, tags.definitionKeyword, tags.moduleKeyword], class: "t-k" },
  { tag: [tags.string, tags.special(tags.string)], class: "t-s" },
  { tag: tags.number, class: "t-n" },
  { tag: [tags.comment, tags.lineComment], class: "t-c" },
  { tag: [tags.function(tags.definition(tags.variableName)), tags.definition(tags.className)], class: "t-d" },
  { tag: [tags.standard(tags.variableName), tags.className, tags.self], class: "t-b" },
  { tag: tags.meta, class: "t-a" },
]);

// --- lines that stand out ---------------------------------------------------------------------------------------------

const bad = Decoration.line({ class: "cm-badLine" }), mark = Decoration.line({ class: "cm-markLine" });
const SIDES = /^(<{7} yours|={7}|>{7} theirs)$/;
let badLine = Number(form.dataset.problem ? form.dataset.line : 0);

function marked(state) {
  const found = [];
  let inside = false;
  for (let number = 1; number <= state.doc.lines; number++) {
    const line = state.doc.line(number);
    if (number === badLine) found.push(bad.range(line.from));
    else if (SIDES.test(line.text) && (inside || line.text[0] === "<")) {
      inside = line.text[0] !== ">";
      found.push(mark.range(line.from));
    }
  }
  return Decoration.set(found);
}

let standing = { doc: null, line: 0, set: Decoration.none };
function stands(view) {
  if (standing.doc !== view.state.doc || standing.line !== badLine) {
    standing = { doc: view.state.doc, line: badLine, set: marked(view.state) };
  }
  return standing.set;
}

// --- the editor -------------------------------------------------------------------------------------------------------

const saves = { key: "Mod-s", preventDefault: true, run: () => { form.requestSubmit(document.getElementById("save")); return true; } };
const leaves = { key: "Escape", run: cm.temporarilySetTabFocusMode };
const indents = { key: "Tab", run: cm.indentMore, shift: cm.indentLess };

const extensions = [
  EditorView.cspNonce.of(form.dataset.nonce),
  cm.lineNumbers(), cm.highlightActiveLine(), cm.highlightActiveLineGutter(), cm.highlightSpecialChars(), cm.drawSelection(),
  cm.history(), cm.indentOnInput(), cm.indentUnit.of("    "), EditorState.tabSize.of(4), cm.bracketMatching(), cm.closeBrackets(),
  cm.highlightSelectionMatches(), cm.search({ top: true }), cm.lintGutter(),
  keymap.of([saves, ...cm.closeBracketsKeymap, ...cm.searchKeymap, ...cm.historyKeymap, ...cm.lintKeymap, ...cm.defaultKeymap, indents, leaves]),
  theme, cm.syntaxHighlighting(colours), EditorView.decorations.of(stands),
  EditorView.contentAttributes.of({ "aria-labelledby": "content-label", "aria-describedby": "editor-keys", tabindex: "0" }),
  EditorView.updateListener.of((update) => {
    if (update.docChanged) edited();
    if (update.docChanged || update.selectionSet) follow();
  }),
];
if (path().endsWith(".py") || form.elements.new) extensions.push(cm.python());
if (innerWidth < 720) extensions.push(EditorView.lineWrapping);

const view = new EditorView({ state: EditorState.create({ doc: area.value, extensions }), parent: place });
place.hidden = false;
area.hidden = true;
document.getElementById("editor-keys").hidden = false;
const label = document.getElementById("content-label");
label.removeAttribute("for");
label.addEventListener("click", () => view.focus());
document.getElementById("bad-lines")?.remove();  // the editor shows them, with the rest
window.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "s" && !event.defaultPrevented) { event.preventDefault(); saves.run(); }
});

function goTo(number) {
  const line = view.state.doc.line(Math.min(Math.max(number, 1), view.state.doc.lines));
  view.dispatch({ selection: { anchor: line.from }, effects: EditorView.scrollIntoView(line.from, { y: "center" }) });
  return line;
}

// --- in step with the form, and nothing is lost ------------------------------------------------------------------------

const began = text();
const unsaved = form.hasAttribute("data-unsaved");
const changed = () => unsaved || text() !== began;
const note = document.getElementById("unsaved");
let leaving = false, timer = 0;

function edited() {
  if (badLine) {
    badLine = 0;
    queueMicrotask(() => view.dispatch(cm.setDiagnostics(view.state, [])));
  }
  clearTimeout(timer);
  timer = setTimeout(() => {
    area.value = text();
    note.textContent = changed() ? "Not saved yet" : "";
  }, 150);
}
form.addEventListener("submit", () => { area.value = text(); leaving = true; });
form.addEventListener("formdata", (event) => event.formData.set("content", text()));
window.addEventListener("pagehide", () => { area.value = text(); });
window.addEventListener("pageshow", (event) => { if (event.persisted) leaving = false; });
window.addEventListener("beforeunload", (event) => { if (!leaving && changed()) event.preventDefault(); });

// --- a conflict: one side, the other, or both ---------------------------------------------------------------------------

const back = form.querySelector("[data-take]");
if (back) {
  const sides = { mine: document.getElementById("yours")?.value, theirs: document.getElementById("theirs")?.value, merged: began };
  back.hidden = false;
  form.addEventListener("click", (event) => {
    const which = event.target.dataset?.take ?? (event.target.name === "act" ? event.target.value : "");
    if (sides[which] === undefined) return;
    event.preventDefault();
    view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: sides[which] } });
    goTo(1);
    view.focus();
  });
}

// --- the schedule at the cursor ------------------------------------------------------------------------------------------

const box = document.getElementById("cursor-schedule");
let schedule = {};
const look = box && watch(box.lastElementChild, () => schedule);

function at(source, position) {
  const before = source.lastIndexOf("JobConfig(", position), start = before < 0 ? source.indexOf("JobConfig(") : before;
  if (start < 0) return null;
  const end = source.indexOf("JobConfig(", start + 10);
  const call = source.slice(start, end < 0 ? undefined : end);
  const cron = call.match(/\bcron\s*=\s*(["'])(.*?)\1/)?.[2] ?? "";
  const every = call.match(/\bevery\s*=\s*([\d_]+)/)?.[1]?.replaceAll("_", "") ?? "";
  return { cron, every, timezone: call.match(/\btimezone\s*=\s*(["'])(.*?)\1/)?.[2] ?? "" };
}

function follow() {
  if (!box) return;
  const found = at(text(), view.state.doc.lineAt(view.state.selection.main.head).to);
  box.hidden = !found;
  if (found) { schedule = found; look(); }
}
follow();

// --- where to begin ------------------------------------------------------------------------------------------------------

if (form.dataset.line) {
  const line = goTo(Number(form.dataset.line));
  if (form.dataset.problem) {
    const from = line.from + line.text.search(/\S|$/);
    const problem = { from: Math.min(from, line.to), to: line.to, severity: "error", message: form.dataset.problem };
    view.dispatch(cm.setDiagnostics(view.state, [problem]));
  }
  view.focus();
}
if (back) {
  const first = began.split("\n").findIndex((line) => SIDES.test(line));
  if (first >= 0) goTo(first + 1);
}
