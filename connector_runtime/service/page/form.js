// The form of an action: required inputs first, the others when they are wanted. It posts what a person filled in.

import { ask } from "./api.js";
import { fresh, h } from "./dom.js";
import { field } from "./fields.js";
import { around, t } from "./words.js";

// What an action does, in a word.
export const effect = (name) => ({ read: t("read"), create: t("create"), update: t("update"), delete: t("delete") })[name] ?? t("by method");

export function form(action, { changed, run, connection, actions }) {
  const open = new Map(); // key -> {row, made, element, said}
  const rows = action.inputs.filter((row) => row.type !== "connection");
  const body = h("div", { class: "fields" });
  const inputs = (without) => {
    const found = {};
    for (const [key, { made, element }] of open) {
      const value = made.value();
      if (key !== without && !element.hidden && value !== undefined && value !== "") found[key] = value;
    }
    return found;
  };
  const touched = () => { settle(); changed(); };
  // A list that a parameter names is asked for through any input that offers it.
  const list = (name, search, cursor) => {
    const [key, row] = actions.flatMap((one) => one.inputs.map((input) => [one.key, input])).find(([, input]) => input.choices_from === name);
    return ask(`v1/actions/${key}/inputs/${row.key}/choices`, { ...connection(), search: search || null, cursor: cursor || null });
  };
  const context = { action: action.key, changed: touched, inputs, connection, list };

  function add(row, focus) {
    if (open.has(row.key)) return open.get(row.key).made.input.focus();
    const made = field(row, context);
    made.input.id = fresh("field");
    const help = h("p", { class: "help", id: fresh("help") }, row.help || "", absent(row));
    made.input.setAttribute("aria-describedby", help.id);
    const said = h("p", { class: "said", hidden: true });
    const drop = !always(row) && h("button", { type: "button", class: "quiet", title: t("Remove field"), "aria-label": t("Remove field '{label}'", { label: row.label }), onclick: () => remove(row) }, "×");
    const element = h("div", { class: "field", "data-key": row.key },
      h("div", { class: "head" }, h("label", { for: made.input.id }, row.label, row.required && h("span", { class: "needed" }, row.required === true ? ` ${t("required")}` : "")), drop),
      made.element, said, help);
    const later = [...body.children].find((other) => order(other.dataset.key) > order(row.key));
    body.insertBefore(element, later || null);
    open.set(row.key, { row, made, element, said });
    if (focus) made.input.focus();
    settle();
  }

  function remove(row) {
    open.get(row.key)?.element.remove();
    open.delete(row.key);
    touched();
    wanted.focus();
  }

  const order = (key) => rows.findIndex((row) => row.key === key);
  const always = (row) => row.required === true;

  // What applies now: conditions look at what is filled in, and what comes to be needed opens by itself.
  function settle() {
    const given = inputs();
    const holds = (condition) => (condition || []).every((test) => {
      const values = (test.is || test.is_not).map((value) => value === null ? undefined : String(value));
      const here = given[test.input] === undefined ? undefined : String(given[test.input]);
      return values.includes(here) === Boolean(test.is);
    });
    for (const row of rows) if (Array.isArray(row.required) && holds(row.required) && !open.has(row.key)) add(row);
    for (const { row, element } of open.values()) element.hidden = !holds(row.only_when);
    offer(rows.filter((row) => !open.has(row.key) && holds(row.shown_when)));
  }

  function offer(found) {
    const groups = new Map();
    for (const row of found) {
      const name = row.advanced ? t("Advanced") : row.group || t("More fields");
      groups.set(name, [...(groups.get(name) || []), row]);
    }
    wanted.replaceChildren(h("option", { value: "" }, found.length ? t("Add a field ({count}) …", { count: found.length }) : t("All fields are shown")),
      ...[...groups].map(([name, some]) => h("optgroup", { label: name }, some.map((row) => h("option", { value: row.key }, row.label)))));
    wanted.disabled = !found.length;
  }

  const wanted = h("select", { class: "wanted", "aria-label": t("Add a field"), onchange: () => {
    const row = rows.find((one) => one.key === wanted.value);
    if (row) { add(row, true); changed(); }
  } });
  const limit = action.list && h("input", { type: "number", min: 1, value: "25", "aria-label": t("Maximum number of items") });
  const button = h("button", { class: "run" }, t("Run"), " ", h("kbd", {}, t("Ctrl ⏎")));
  const element = h("form", { novalidate: true, onsubmit: (event) => { event.preventDefault(); run(); } },
    h("h2", {}, action.label, " ", h("span", { class: `effect ${action.effect || "by-method"}` }, effect(action.effect))),
    h("p", { class: "about" }, action.description, " ", action.docs && h("a", { href: action.docs, target: "_blank", rel: "noreferrer" }, t("Documentation"))),
    body, wanted,
    h("div", { class: "go" }, button, limit && h("label", {}, around("at most {} items", limit))));
  rows.filter(always).forEach((row) => add(row));
  settle();

  return {
    element, inputs, button,
    limit: () => limit ? Math.max(1, Number(limit.value) || 25) : undefined,
    focus: () => ([...open.values()][0]?.made.input || wanted).focus(),
    // Shows problems at their fields; those of untouched fields only once a run was tried.
    tell(problems, all) {
      for (const { said } of open.values()) said.hidden = true;
      const rest = [];
      for (const { where, what } of problems) {
        const key = where.split(".")[1];
        const found = open.get(key);
        if (!found) { rest.push({ where, what }); continue; }
        if (!all && found.made.value() === undefined) { rest.push({ where, what }); continue; }
        found.said.textContent = what;
        found.said.hidden = false;
      }
      return rest;
    },
  };
}

function absent(row) {
  const said = [];
  const word = (value) => row.choices?.find((choice) => choice.value === value)?.label ?? (typeof value === "boolean" ? (value ? t("Yes") : t("No")) : typeof value === "string" ? value : JSON.stringify(value));
  if (row.if_absent !== undefined) said.push(` ${t("If empty: {value}", { value: word(row.if_absent) })}`);
  if (row.filled_in !== undefined) said.push(` ${t("Default: {value}", { value: word(row.filled_in) })}`);
  return said.length ? h("span", { class: "absent" }, said) : "";
}
