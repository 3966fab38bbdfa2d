// Draws a request, a result or a problem. Values that the definition marks as secret are shown only after a click.

import { h } from "./dom.js";
import { t } from "./words.js";

// The place of a problem, in terms of the form's labels.
function place(where, action) {
  const [group, key, ...rest] = where.split(".");
  const row = group === "inputs" && action?.inputs.find((input) => input.key === key);
  return row ? h("b", {}, [row.label, ...rest].join(" · ")) : h("code", {}, where);
}

export const warningLine = ({ where, what }, action) => h("p", { class: "warning" }, where && [place(where, action), " "], what);

export function request(preview, action) {
  const headers = Object.entries(preview.headers || {});
  const url = new URL(preview.url);
  return [
    h("h3", {}, t("Request")),
    h("p", { class: "line" }, h("b", { class: "method" }, preview.method), " ", h("span", { class: "host" }, url.origin), url.pathname,
      [...new URLSearchParams(url.search)].map(([name, value], number) => h("span", { class: "query" }, number ? "&" : "?", h("i", {}, name), "=", value))),
    h("details", {}, h("summary", {}, t("{count} headers", { count: headers.length })), h("dl", {}, headers.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]))),
    preview.body !== null && preview.body !== undefined && json(preview.body, []),
    (preview.warnings || []).map((warning) => warningLine(warning, action)),
  ];
}

export function incomplete(problems, action) {
  return [h("h3", {}, t("Request")), h("p", { class: "quiet" }, t("Not complete yet:")),
    h("ul", { class: "open" }, problems.map(({ where, what }) => h("li", {}, place(where, action), " ", what)))];
}

export function problem(error, action) {
  const facts = [[t("Kind"), error.kind], [t("Status"), error.vendor_status], [t("Code"), error.code], [t("Tracking ID"), error.tracking_id], [t("Try again at"), error.retry_at]];
  return h("div", { class: "problem" }, h("h3", {}, error.title || t("It failed")), h("p", {}, error.message, error.hint && " ", error.hint && h("b", {}, error.hint)),
    error.problems?.length ? h("ul", {}, error.problems.map(({ where, what }) => h("li", {}, place(where, action), " ", what))) : null,
    error.may_have_been_done && h("p", { class: "warning" }, t("It may have been done. Check before you run it again.")),
    h("p", { class: "facts" }, facts.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => h("span", {}, `${name}: ${value}`))));
}

// Data as JSON that can be folded. `secrets` are paths such as users.*.token, `names` a pattern of keys; both are hidden.
export function json(data, secrets, names = /(?!)/) {
  const hidden = new Set(secrets);
  const draw = (value, path, name) => {
    const key = name === undefined ? "" : h("span", { class: "key" }, `${JSON.stringify(name)}: `);
    if ((hidden.has(path) || names.test(name)) && value !== null && typeof value !== "object" && value !== "") return h("div", { class: "leaf" }, key, veil(JSON.stringify(value)));
    if (value === null || typeof value !== "object") return h("div", { class: "leaf" }, key, h("span", { class: value === null ? "null" : typeof value }, JSON.stringify(value)));
    const entries = Array.isArray(value) ? value.map((item) => [undefined, item]) : Object.entries(value);
    const [open, close] = Array.isArray(value) ? "[]" : "{}";
    if (!entries.length) return h("div", { class: "leaf" }, key, open + close);
    const below = (inner) => Array.isArray(value) ? `${path}${path && "."}*` : `${path}${path && "."}${inner}`;
    const isLong = entries.length > 40 || path.split(".").length > 3;
    return h("details", { open: !isLong }, h("summary", {}, key, open, h("small", {}, ` ${entries.length} `)), entries.map(([inner, item]) => draw(item, below(inner), inner)), h("div", {}, close));
  };
  return h("div", { class: "json" }, draw(data, "", undefined));
}

function veil(text) {
  return h("button", { type: "button", class: "veil", title: t("Show"), onclick: (event) => event.target.replaceWith(h("span", { class: "string" }, text)) }, `•••••• ${t("Show")}`);
}

// The list in a result as a table, if it has one.
export function table(data, secrets) {
  const [name, items] = Array.isArray(data) ? ["", data] : Object.entries(data || {}).find(([, value]) => Array.isArray(value) && value.length && typeof value[0] === "object") || [];
  if (!items) return null;
  const columns = [];
  for (const item of items) for (const [key, value] of Object.entries(item || {})) if (!columns.includes(key) && (value === null || typeof value !== "object")) columns.push(key);
  const first = ["id", "topic", "display_name", "name", "email", "first_name", "last_name", "start_time", "type", "status"];
  const rank = (key) => first.includes(key) ? first.indexOf(key) : first.length + columns.indexOf(key);
  columns.sort((left, right) => rank(left) - rank(right));
  const hidden = new Set(secrets);
  const cell = (key, value) => value === undefined || value === null || value === "" ? "" : hidden.has(`${name}.*.${key}`) ? veil(String(value)) : String(value);
  return h("div", { class: "table", tabindex: 0 }, h("table", {}, h("thead", {}, h("tr", {}, columns.map((key) => h("th", { scope: "col" }, key)))),
    h("tbody", {}, items.map((item) => h("tr", {}, columns.map((key) => h("td", {}, cell(key, item?.[key]))))))));
}
