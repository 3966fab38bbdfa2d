// The page: which action is open, its live preview, its run. State lives in the address (#create-meeting), nowhere else.

import { ask, useKey } from "./api.js";
import { $, h, later } from "./dom.js";
import { watch } from "./events.js";
import { form } from "./form.js";
import { json, problem, request, table, waiting } from "./shown.js";

let catalogue, tenant, open = null, unseen = 0, asked = null;

async function begin() {
  try {
    tenant = await ask("v1/tenant");
  } catch (error) {
    return error.problem?.status === 401 ? wantKey() : notice(error.message);
  }
  await load(new URLSearchParams(location.search).get("locale") || "");
  await connections();
  const poll = watch($("events-view"), { arrived: () => { unseen += 1; count(); } });
  poll();
}

function wantKey() {
  const box = h("input", { type: "password", "aria-label": "API key", autocomplete: "off" });
  const said = h("form", { onsubmit: (event) => { event.preventDefault(); useKey(box.value); notice(); begin(); } }, "This service wants an API key: ", box, " ", h("button", {}, "Go on"));
  notice(said);
  box.focus();
}

function notice(content) {
  $("notice").hidden = !content;
  $("notice").replaceChildren(content || "");
}

async function load(locale) {
  catalogue = await ask(`v1/catalogue${locale ? `?locale=${encodeURIComponent(locale)}` : ""}`);
  document.title = $("title").textContent = catalogue.label;
  document.documentElement.lang = catalogue.locale || "en";
  if (catalogue.icon?.startsWith("data:image/")) { $("icon").src = catalogue.icon; $("icon").hidden = false; }
  $("locale").replaceChildren(...(catalogue.locales || ["en"]).map((code) => h("option", { value: code, selected: code === catalogue.locale }, code)));
  list();
  route();
}

async function connections() {
  const found = (await ask("v1/connections")).connections;
  const entries = found.map((one) => h("option", { value: one.name }, one.identity ? `${one.name} (${one.identity})` : one.name));
  if (tenant.has_token) entries.unshift(h("option", { value: "" }, "the service's own token"));
  if (!entries.length) entries.push(h("option", { value: "" }, "nothing yet: make a connection"));
  $("connection").replaceChildren(...entries);
}

const connection = () => $("connection").value ? { connection: $("connection").value } : {};

function list() {
  const wanted = $("filter").value.trim().toLowerCase().split(/\s+/);
  const fits = (action) => wanted.every((word) => `${action.key} ${action.label} ${action.description}`.toLowerCase().includes(word));
  $("actions").replaceChildren(...catalogue.actions.filter(fits).map((action) =>
    h("li", {}, h("a", { href: `#${action.key}`, title: action.description, "aria-current": action.key === open?.action.key ? "page" : undefined },
      h("span", {}, action.label), h("span", { class: `effect ${action.effect || "by-method"}` }, action.effect || "any")))));
}

function route() {
  const key = location.hash.slice(1);
  const isEvents = key === "events";
  $("actions-view").hidden = isEvents;
  $("events-view").hidden = !isEvents;
  $("to-events").toggleAttribute("aria-current", isEvents);
  $("to-actions").toggleAttribute("aria-current", !isEvents);
  if (isEvents) { unseen = 0; count(); return; }
  const action = catalogue.actions.find((one) => one.key === key) || catalogue.actions.find((one) => one.effect === "create") || catalogue.actions[0];
  if (open && open.action === action) return;
  const made = form(action, { changed: later(150, () => preview()), run: () => run(), connection, actions: catalogue.actions });
  open = { action, form: made };
  $("form-pane").replaceChildren(made.element);
  $("result").replaceChildren();
  list();
  preview();
  if (key) made.focus();
}

function count() {
  $("unseen").hidden = !unseen;
  $("unseen").textContent = String(unseen);
}

// Shows the request that a run would send; `all`: a run was tried, so every problem is told. True if it is complete.
async function preview(all = false) {
  const { action, form: made } = open;
  if (!all) asked?.abort();
  const mine = new AbortController();
  if (!all) asked = mine;
  try {
    const found = await ask(`v1/actions/${action.key}/preview`, { inputs: made.inputs() }, mine.signal);
    made.tell([]);
    $("request").replaceChildren(...request(found).flat(Infinity).filter(Boolean));
    return true;
  } catch (error) {
    if (error.name === "AbortError") return false;
    const problems = error.problem?.problems || [];
    if (!problems.length) { $("request").replaceChildren(problem(error.problem || { message: error.message })); return false; }
    made.tell(problems, all);
    $("request").replaceChildren(...waiting(problems));
    return false;
  }
}

async function run(cursor) {
  const { action, form: made } = open;
  if (made.button.disabled) return; // a second click, or a key held down, must not create twice
  made.button.disabled = true;
  try {
    if (!(await preview(true))) { made.element.querySelector(".said:not([hidden])")?.parentElement.querySelector("input, select, textarea")?.focus(); return; }
    if (action.safety?.destructive && !cursor && !confirm(`${action.label} can not be undone. Run it?`)) return;
    const began = performance.now();
    $("result").replaceChildren(h("p", { class: "quiet" }, "Running …"));
    const body = { ...connection(), inputs: made.inputs(), ...(action.list ? { limit: made.limit() } : {}), ...(cursor ? { cursor } : {}) };
    const found = await ask(`v1/actions/${action.key}/run`, body);
    if (open.form === made) result(action, found, performance.now() - began);
  } catch (error) {
    if (open.form === made) $("result").replaceChildren(problem(error.problem || { message: error.message }));
  } finally {
    made.button.disabled = false;
  }
}

function result(action, found, took) {
  const secrets = action.secrets || [];
  const asTable = table(found.data, secrets);
  const asJson = json(found.data, secrets);
  const tabs = asTable && ["Table", "JSON"].map((name) => h("button", { type: "button", class: "tab", onclick: () => show(name) }, name));
  const show = (chosen) => {
    asTable.hidden = chosen !== "Table";
    asJson.hidden = chosen === "Table";
    tabs.forEach((tab) => tab.setAttribute("aria-pressed", String(tab.textContent === chosen)));
  };
  if (asTable) show(action.list ? "Table" : "JSON");
  $("result").replaceChildren(
    h("h3", {}, "Result ", h("small", {}, `${found.meta.status} in ${Math.round(took)} ms`), " ", tabs || ""),
    ...(found.meta.warnings || []).map((warning) => h("p", { class: "warning" }, `${warning.where}: ${warning.what}`)),
    ...[asTable, asJson].filter(Boolean),
    ...(found.meta.cursor ? [h("button", { type: "button", class: "quiet", onclick: () => run(found.meta.cursor) }, "Next items →")] : []));
}

addEventListener("hashchange", route);
addEventListener("keydown", (event) => {
  const typing = /^(input|textarea|select)$/i.test(event.target.tagName);
  if (event.key === "/" && !typing) { event.preventDefault(); $("filter").focus(); }
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && open) { event.preventDefault(); run(); }
});
$("filter").addEventListener("input", list);
$("filter").addEventListener("keydown", (event) => { if (event.key === "Enter") $("actions").querySelector("a")?.click(); });
$("locale").addEventListener("change", () => { open = null; load($("locale").value); });
begin();
