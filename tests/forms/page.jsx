// The page that the tests drive: draws a form from a schema, and says what it holds.
import {JSONEditor} from "@json-editor/json-editor";
import Form from "@rjsf/core";
import validator from "@rjsf/validator-ajv8";
import {createRef} from "react";
import {flushSync} from "react-dom";
import {createRoot} from "react-dom/client";

let root;
let editor;
const sent = (value) => JSON.parse(JSON.stringify(value ?? {})); // as it goes to a server

function place() {
  root?.unmount();
  editor?.destroy();
  root = editor = undefined;
  document.body.innerHTML = '<div id="form"></div>';
  return document.getElementById("form");
}

// React JSON Schema Form as it comes: no option that would make it quieter.
window.drawRjsf = (schema, uiSchema) => {
  const form = createRef();
  window.posted = undefined;
  window.held = () => sent(form.current.state.formData);
  root = createRoot(place());
  const post = ({formData}) => { window.posted = sent(formData); };
  flushSync(() => root.render(<Form ref={form} schema={schema} uiSchema={uiSchema} validator={validator} onSubmit={post} />));
};

window.drawJsonEditor = (schema, options) => {
  editor = new JSONEditor(place(), {schema, ...options});
  window.held = () => sent(editor.getValue());
  return editor.promise ?? null;
};
