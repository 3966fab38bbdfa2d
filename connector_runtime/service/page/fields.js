// The fields of a form. Each function returns {element, input, value}; a field whose value is undefined is not sent.

import { ask } from "./api.js";
import { combo } from "./combo.js";
import { h } from "./dom.js";
import { t } from "./words.js";

export function field(row, context) {
  const { changed } = context;
  if (row.choices_from) return choiceField(row, context);
  if (row.collection === "map") return pairs(row, changed);
  if (row.collection === "list" && row.choices) return checkboxes(row, changed);
  if (row.choices) return select(row, row.choices, changed);
  if (row.type === "boolean") return select(row, [{ value: true, label: t("Yes") }, { value: false, label: t("No") }], changed);
  if (row.type === "text") return text(row, h("textarea", { rows: 3, placeholder: row.placeholder }), changed);
  if (row.type === "json" || row.type === "any") return code(row, changed);
  if (row.type === "secret") return text(row, h("input", { type: "password", autocomplete: "new-password" }), changed);
  if (row.type === "date") return text(row, h("input", { type: "date" }), changed);
  const numeric = row.type === "integer" && row.collection !== "list";
  return text(row, h("input", { type: "text", inputmode: numeric ? "numeric" : undefined, autocomplete: "off", placeholder: placeholder(row) }), changed);
}

const placeholder = (row) => row.placeholder === undefined ? undefined : t("such as {value}", { value: row.placeholder });

function text(row, input, changed) {
  input.addEventListener("input", changed);
  return { element: input, input, value: () => input.value === "" ? undefined : input.value };
}

function select(row, choices, changed) {
  const input = h("select", { onchange: changed }, h("option", { value: "" }, t("(not set)")),
    choices.map((choice, number) => h("option", { value: String(number) }, choice.label)));
  return { element: input, input, value: () => input.value === "" ? undefined : choices[Number(input.value)].value };
}

function checkboxes(row, changed) {
  const boxes = row.choices.map((choice) => [h("input", { type: "checkbox", onchange: changed }), choice]);
  const element = h("div", { class: "several" }, boxes.map(([box, choice]) => h("label", {}, box, choice.label)));
  return { element, input: boxes[0][0], value: () => {
    const chosen = boxes.filter(([box]) => box.checked).map(([, choice]) => choice.value);
    return chosen.length ? chosen : undefined;
  } };
}

function code(row, changed) {
  const sample = row.placeholder ?? row.published_default;
  const input = h("textarea", { rows: 4, class: "code", spellcheck: "false", placeholder: sample === undefined ? t("JSON") : JSON.stringify(sample) });
  return { ...text(row, input, changed), element: input };
}

function pairs(row, changed) {
  const rows = h("div", { class: "pairs" });
  const add = () => {
    const key = h("input", { placeholder: t("Key"), "aria-label": `${row.label}: ${t("Key")}`, oninput: changed });
    const value = h("input", { placeholder: t("Value"), "aria-label": `${row.label}: ${t("Value")}`, oninput: changed });
    rows.append(h("div", { class: "pair" }, key, value));
    return key;
  };
  const input = add();
  const more = h("button", { type: "button", class: "quiet", onclick: () => add().focus() }, t("+ Add another"));
  return { element: h("div", {}, rows, more), input, value: () => {
    const entries = [...rows.children].map((pair) => [...pair.children].map((box) => box.value)).filter(([key]) => key !== "");
    return entries.length ? entries.map(([key, value]) => ({ key, value })) : undefined;
  } };
}

// A field with choices from a list. The list's own parameters, such as the user whose meetings it has, are above it.
function choiceField(row, context) {
  const path = `v1/actions/${context.action}/inputs/${row.key}/choices`;
  const parameters = (row.parameters || []).map((parameter) => {
    const box = parameter.choices_from
      ? combo({ load: (search, cursor) => context.list(parameter.choices_from, search, cursor), changed: () => {}, label: parameter.label, placeholder: parameter.filled_in })
      : text(parameter, h("input", { type: "text", placeholder: parameter.filled_in, "aria-label": parameter.label }), () => {});
    return [parameter, box];
  });
  const load = (search, cursor) => {
    const values = parameters.map(([parameter, box]) => [parameter.key, box.value()]).filter(([, value]) => value !== undefined && value !== "");
    return ask(path, { ...context.connection(), inputs: context.inputs(row.key), search: search || null, cursor: cursor || null, parameters: Object.fromEntries(values) });
  };
  const own = combo({ load, changed: context.changed, label: row.label, placeholder: placeholder(row) });
  const isList = row.collection === "list";
  const value = () => own.value() === "" ? undefined : isList ? String(own.value()).split(",").map((part) => part.trim()).filter(Boolean) : own.value();
  const above = parameters.map(([parameter, box]) => h("div", { class: "parameter" }, h("span", { "aria-hidden": "true" }, `${parameter.label}:`), box.element));
  return { element: h("div", {}, above, own.element), input: own.input, value };
}
