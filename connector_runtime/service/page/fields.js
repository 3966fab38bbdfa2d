// One field of a form by its hints. Each gives {element, input, value}; a value of undefined is not posted.

import { ask } from "./api.js";
import { combo } from "./combo.js";
import { h } from "./dom.js";
import { t } from "./words.js";

export function field(row, context) {
  const { changed } = context;
  if (row.choices_from) return offered(row, context);
  if (row.collection === "map") return pairs(row, changed);
  if (row.collection === "list" && row.choices) return several(row, changed);
  if (row.choices) return select(row, row.choices, changed);
  if (row.type === "boolean") return select(row, [{ value: true, label: t("Yes") }, { value: false, label: t("No") }], changed);
  if (row.type === "text") return text(row, h("textarea", { rows: 3, placeholder: row.placeholder }), changed);
  if (row.type === "json" || row.type === "any") return code(row, changed);
  if (row.type === "secret") return text(row, h("input", { type: "password", autocomplete: "new-password" }), changed);
  if (row.type === "date") return text(row, h("input", { type: "date" }), changed);
  const numeric = row.type === "integer" && row.collection !== "list";
  return text(row, h("input", { type: "text", inputmode: numeric ? "numeric" : undefined, autocomplete: "off", placeholder: hint(row) }), changed);
}

const hint = (row) => row.placeholder === undefined ? undefined : t("such as {value}", { value: row.placeholder });

function text(row, input, changed) {
  input.addEventListener("input", changed);
  return { element: input, input, value: () => input.value === "" ? undefined : input.value };
}

function select(row, choices, changed) {
  const input = h("select", { onchange: changed }, h("option", { value: "" }, t("(not set)")),
    choices.map((choice, number) => h("option", { value: String(number) }, choice.label)));
  return { element: input, input, value: () => input.value === "" ? undefined : choices[Number(input.value)].value };
}

function several(row, changed) {
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
    const found = [...rows.children].map((pair) => [...pair.children].map((box) => box.value)).filter(([key]) => key !== "");
    return found.length ? found.map(([key, value]) => ({ key, value })) : undefined;
  } };
}

// Choices of the vendor or of a list. What the list asks for beside the form (whose meetings?) stands above the field.
function offered(row, context) {
  const path = `v1/actions/${context.action}/inputs/${row.key}/choices`;
  const parameters = (row.parameters || []).map((parameter) => {
    const own = parameter.choices_from
      ? combo({ load: (search, cursor) => context.list(parameter.choices_from, search, cursor), changed: () => {}, label: parameter.label, placeholder: parameter.filled_in, start: "" })
      : text(parameter, h("input", { type: "text", placeholder: parameter.filled_in, "aria-label": parameter.label }), () => {});
    return [parameter, own];
  });
  const load = (search, cursor) => {
    const given = parameters.map(([parameter, own]) => [parameter.key, own.value()]).filter(([, value]) => value !== undefined && value !== "");
    return ask(path, { ...context.connection(), inputs: context.inputs(row.key), search: search || null, cursor: cursor || null, parameters: Object.fromEntries(given) });
  };
  const own = combo({ load, changed: context.changed, label: row.label, placeholder: hint(row) });
  const many = row.collection === "list";
  const value = () => own.value() === "" ? undefined : many ? String(own.value()).split(",").map((part) => part.trim()).filter(Boolean) : own.value();
  const asides = parameters.map(([parameter, box]) => h("div", { class: "parameter" }, h("span", { "aria-hidden": "true" }, `${parameter.label}:`), box.element));
  return { element: h("div", {}, asides, own.element), input: own.input, value };
}
