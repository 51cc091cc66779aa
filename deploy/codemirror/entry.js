// The parts of CodeMirror 6 that the SQL page uses, as one script: window.CodeMirror.
export { EditorState, Prec } from "@codemirror/state";
// `placeholder` is CodeMirror's name for the grey words of an empty editor, like the attribute of a text field
export {
  EditorView, Decoration, drawSelection, highlightActiveLine, highlightSpecialChars, keymap, lineNumbers, placeholder,
} from "@codemirror/view";
export { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
export { HighlightStyle, bracketMatching, indentOnInput, syntaxHighlighting } from "@codemirror/language";
export { autocompletion, closeBrackets, closeBracketsKeymap, closeCompletion, completionKeymap } from "@codemirror/autocomplete";
export { SQLDialect, sql } from "@codemirror/lang-sql";
export { tags } from "@lezer/highlight";
