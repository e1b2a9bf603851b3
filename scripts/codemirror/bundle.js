// What static/editor.js uses of CodeMirror, and nothing else.
export { EditorState } from "@codemirror/state";
export {
  EditorView, keymap, lineNumbers, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, drawSelection, Decoration,
} from "@codemirror/view";
export { defaultKeymap, history, historyKeymap, indentMore, indentLess, temporarilySetTabFocusMode } from "@codemirror/commands";
export { HighlightStyle, syntaxHighlighting, indentUnit, bracketMatching, indentOnInput } from "@codemirror/language";
export { search, searchKeymap, highlightSelectionMatches } from "@codemirror/search";
export { setDiagnostics, lintGutter, lintKeymap } from "@codemirror/lint";
export { closeBrackets, closeBracketsKeymap } from "@codemirror/autocomplete";
export { python } from "@codemirror/lang-python";
export { tags } from "@lezer/highlight";
