// Shows a request, a result and a problem. Values that the definition calls secret are shown when they are asked for.

import { h } from "./dom.js";
import { t } from "./words.js";

// Where a problem is, by the labels of the form.
function place(where, action) {
  const [room, key, ...rest] = where.split(".");
  const row = room === "inputs" && action?.inputs.find((one) => one.key === key);
  return row ? h("b", {}, [row.label, ...rest].join(" · ")) : h("code", {}, where);
}

export const warned = ({ where, what }, action) => h("p", { class: "warning" }, where && [place(where, action), " "], what);

export function request(preview, action) {
  const headers = Object.entries(preview.headers || {});
  const url = new URL(preview.url);
  return [
    h("h3", {}, t("Request")),
    h("p", { class: "line" }, h("b", { class: "method" }, preview.method), " ", h("span", { class: "host" }, url.origin), url.pathname,
      [...new URLSearchParams(url.search)].map(([name, value], number) => h("span", { class: "query" }, number ? "&" : "?", h("i", {}, name), "=", value))),
    h("details", {}, h("summary", {}, t("{count} headers", { count: headers.length })), h("dl", {}, headers.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]))),
    preview.body !== null && preview.body !== undefined && json(preview.body, []),
    (preview.warnings || []).map((warning) => warned(warning, action)),
  ];
}

export function waiting(problems, action) {
  return [h("h3", {}, t("Request")), h("p", { class: "quiet" }, t("Not complete yet:")),
    h("ul", { class: "open" }, problems.map(({ where, what }) => h("li", {}, place(where, action), " ", what)))];
}

export function problem(found, action) {
  const facts = [[t("Kind"), found.kind], [t("Status"), found.vendor_status], [t("Code"), found.code], [t("Tracking ID"), found.tracking_id], [t("Try again at"), found.retry_at]];
  return h("div", { class: "problem" }, h("h3", {}, found.title || t("It failed")), h("p", {}, found.message, found.hint && " ", found.hint && h("b", {}, found.hint)),
    found.problems?.length ? h("ul", {}, found.problems.map(({ where, what }) => h("li", {}, place(where, action), " ", what))) : null,
    found.may_have_been_done && h("p", { class: "warning" }, t("It may have been done. Check before you run it again.")),
    h("p", { class: "facts" }, facts.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => h("span", {}, `${name}: ${value}`))));
}

// data as JSON that can be folded; `secrets` are paths such as users.*.token, `names` a pattern of keys that are veiled
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
    const many = entries.length > 40 || path.split(".").length > 3;
    return h("details", { open: !many }, h("summary", {}, key, open, h("small", {}, ` ${entries.length} `)), entries.map(([inner, item]) => draw(item, below(inner), inner)), h("div", {}, close));
  };
  return h("div", { class: "json" }, draw(data, "", undefined));
}

function veil(text) {
  return h("button", { type: "button", class: "veil", title: t("Show"), onclick: (event) => event.target.replaceWith(h("span", { class: "string" }, text)) }, `•••••• ${t("Show")}`);
}

// The list of a result as a table, if it has one.
export function table(data, secrets) {
  const [name, items] = Array.isArray(data) ? ["", data] : Object.entries(data || {}).find(([, value]) => Array.isArray(value) && value.length && typeof value[0] === "object") || [];
  if (!items) return null;
  const columns = [];
  for (const item of items) for (const [key, value] of Object.entries(item || {})) if (!columns.includes(key) && (value === null || typeof value !== "object")) columns.push(key);
  const first = ["id", "topic", "display_name", "name", "email", "first_name", "last_name", "start_time", "type", "status"];
  const rank = (key) => first.includes(key) ? first.indexOf(key) : first.length + columns.indexOf(key);
  columns.sort((one, other) => rank(one) - rank(other));
  const hidden = new Set(secrets);
  const cell = (key, value) => value === undefined || value === null || value === "" ? "" : hidden.has(`${name}.*.${key}`) ? veil(String(value)) : String(value);
  return h("div", { class: "table", tabindex: 0 }, h("table", {}, h("thead", {}, h("tr", {}, columns.map((key) => h("th", { scope: "col" }, key)))),
    h("tbody", {}, items.map((item) => h("tr", {}, columns.map((key) => h("td", {}, cell(key, item?.[key]))))))));
}
