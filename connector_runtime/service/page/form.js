// The form of an action: required fields first, others once a person adds them. It sends only fields with a value.

import { ask } from "./api.js";
import { h, uniqueId } from "./dom.js";
import { field } from "./fields.js";
import { around, t } from "./words.js";

// The effect of an action in one word.
export const effect = (name) => ({ read: t("read"), create: t("create"), update: t("update"), delete: t("delete") })[name] ?? t("by method");

export function form(action, { changed, run, connection, actions }) {
  const open = new Map(); // key -> {row, control, element, message}
  const rows = action.inputs.filter((row) => row.type !== "connection");
  const body = h("div", { class: "fields" });
  const inputs = (without) => {
    const values = {};
    for (const [key, { control, element }] of open) {
      const value = control.value();
      if (key !== without && !element.hidden && value !== undefined && value !== "") values[key] = value;
    }
    return values;
  };
  const onChange = () => { update(); changed(); };
  // Loads the list of a parameter through any input that has the same list.
  const list = (name, search, cursor) => {
    const [key, row] = actions.flatMap((other) => other.inputs.map((input) => [other.key, input])).find(([, input]) => input.choices_from === name);
    return ask(`v1/actions/${key}/inputs/${row.key}/choices`, { ...connection(), search: search || null, cursor: cursor || null });
  };
  const context = { action: action.key, changed: onChange, inputs, connection, list };

  function add(row, focus) {
    if (open.has(row.key)) return open.get(row.key).control.input.focus();
    const control = field(row, context);
    control.input.id = uniqueId("field");
    const help = h("p", { class: "help", id: uniqueId("help") }, row.help || "", defaults(row));
    control.input.setAttribute("aria-describedby", help.id);
    const message = h("p", { class: "message", hidden: true });
    const drop = !isRequired(row) && h("button", { type: "button", class: "quiet", title: t("Remove field"), "aria-label": t("Remove field '{label}'", { label: row.label }), onclick: () => remove(row) }, "×");
    const element = h("div", { class: "field", "data-key": row.key },
      h("div", { class: "head" }, h("label", { for: control.input.id }, row.label, row.required && h("span", { class: "required" }, row.required === true ? ` ${t("required")}` : "")), drop),
      control.element, message, help);
    const next = [...body.children].find((other) => order(other.dataset.key) > order(row.key));
    body.insertBefore(element, next || null);
    open.set(row.key, { row, control, element, message });
    if (focus) control.input.focus();
    update();
  }

  function remove(row) {
    open.get(row.key)?.element.remove();
    open.delete(row.key);
    onChange();
    picker.focus();
  }

  const order = (key) => rows.findIndex((row) => row.key === key);
  const isRequired = (row) => row.required === true;

  // Applies the conditions to the values: shows and hides fields, and adds those that have become required.
  function update() {
    const current = inputs();
    const holds = (condition) => (condition || []).every((test) => {
      const values = (test.is || test.is_not).map((value) => value === null ? undefined : String(value));
      const value = current[test.input] === undefined ? undefined : String(current[test.input]);
      return values.includes(value) === Boolean(test.is);
    });
    for (const row of rows) if (Array.isArray(row.required) && holds(row.required) && !open.has(row.key)) add(row);
    for (const { row, element } of open.values()) element.hidden = !holds(row.only_when);
    fillPicker(rows.filter((row) => !open.has(row.key) && holds(row.shown_when)));
  }

  function fillPicker(others) {
    const groups = new Map();
    for (const row of others) {
      const name = row.advanced ? t("Advanced") : row.group || t("More fields");
      groups.set(name, [...(groups.get(name) || []), row]);
    }
    picker.replaceChildren(h("option", { value: "" }, others.length ? t("Add a field ({count}) …", { count: others.length }) : t("All fields are shown")),
      ...[...groups].map(([name, group]) => h("optgroup", { label: name }, group.map((row) => h("option", { value: row.key }, row.label)))));
    picker.disabled = !others.length;
  }

  const picker = h("select", { class: "picker", "aria-label": t("Add a field"), onchange: () => {
    const row = rows.find((candidate) => candidate.key === picker.value);
    if (row) { add(row, true); changed(); }
  } });
  const limit = action.list && h("input", { type: "number", min: 1, value: "25", "aria-label": t("Maximum number of items") });
  const button = h("button", { class: "run" }, t("Run"), " ", h("kbd", {}, t("Ctrl ⏎")));
  const element = h("form", { novalidate: true, onsubmit: (event) => { event.preventDefault(); run(); } },
    h("h2", {}, action.label, " ", h("span", { class: `effect ${action.effect || "by-method"}` }, effect(action.effect))),
    h("p", { class: "about" }, action.description, " ", action.docs && h("a", { href: action.docs, target: "_blank", rel: "noreferrer" }, t("Documentation"))),
    body, picker,
    h("div", { class: "go" }, button, limit && h("label", {}, around("at most {} items", limit))));
  rows.filter(isRequired).forEach((row) => add(row));
  update();

  return {
    element, inputs, button,
    limit: () => limit ? Math.max(1, Number(limit.value) || 25) : undefined,
    focus: () => ([...open.values()][0]?.control.input || picker).focus(),
    // Shows each problem at its field (at empty fields only if `all`), and returns the rest.
    showProblems(problems, all) {
      for (const { message } of open.values()) message.hidden = true;
      const rest = [];
      for (const { where, what } of problems) {
        const key = where.split(".")[1];
        const shown = open.get(key);
        if (!shown || (!all && shown.control.value() === undefined)) { rest.push({ where, what }); continue; }
        shown.message.textContent = what;
        shown.message.hidden = false;
      }
      return rest;
    },
  };
}

function defaults(row) {
  const texts = [];
  const label = (value) => row.choices?.find((choice) => choice.value === value)?.label ?? (typeof value === "boolean" ? (value ? t("Yes") : t("No")) : typeof value === "string" ? value : JSON.stringify(value));
  if (row.if_absent !== undefined) texts.push(` ${t("If empty: {value}", { value: label(row.if_absent) })}`);
  if (row.filled_in !== undefined) texts.push(` ${t("Default: {value}", { value: label(row.filled_in) })}`);
  return texts;
}
