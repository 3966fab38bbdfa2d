// The page: the open action, its live preview and its run. The URL's fragment (#create-meeting) names the open action.

import { ask, useKey } from "./api.js";
import { $, debounce, h } from "./dom.js";
import { watch } from "./events.js";
import { effect, form } from "./form.js";
import { incomplete, json, problem, request, table, warningLine } from "./views.js";
import { around, locale, speak, t } from "./words.js";

let catalogue, tenant, events, open = null, unseen = 0, pending = null;

async function begin() {
  await translate(locale || new URLSearchParams(location.search).get("locale") || "");
  try {
    tenant = await ask("v1/tenant");
  } catch (error) {
    return error.problem?.status === 401 ? askForKey() : notice(error.message);
  }
  await load();
  events = watch($("events-view"), { onEvent: () => { unseen += 1; showCount(); } });
  events.translate();
  events.poll();
}

// Shows the page's fixed strings in a language.
async function translate(code) {
  await speak(code);
  $("views").setAttribute("aria-label", t("Views"));
  $("to-actions").textContent = t("Actions");
  $("events-word").textContent = t("Events");
  $("connection-word").textContent = t("Run with");
  $("locale-word").textContent = t("Language");
  $("list").setAttribute("aria-label", t("Actions"));
  $("filter").placeholder = t("Find an action (/)");
  $("filter").setAttribute("aria-label", t("Find an action"));
  $("form-pane").setAttribute("aria-label", t("Inputs"));
  $("result-pane").setAttribute("aria-label", t("Request and result"));
  events?.translate();
}

function askForKey() {
  const box = h("input", { type: "password", "aria-label": t("API key"), autocomplete: "off" });
  const entry = h("form", { onsubmit: (event) => { event.preventDefault(); useKey(box.value); notice(); begin(); } }, around("This service needs an API key: {}", box), " ", h("button", {}, t("Continue")));
  notice(entry);
  box.focus();
}

function notice(content) {
  $("notice").hidden = !content;
  $("notice").replaceChildren(content || "");
}

async function load() {
  catalogue = await ask("v1/catalogue");
  document.title = $("title").textContent = catalogue.label;
  if (catalogue.icon?.startsWith("data:image/")) { $("icon").src = catalogue.icon; $("icon").hidden = false; }
  $("locale").replaceChildren(...(catalogue.locales || ["en"]).map((code) => h("option", { value: code, selected: code === catalogue.locale }, code)));
  await connections();
  list();
  route();
}

async function connections() {
  const { connections: stored } = await ask("v1/connections");
  const entries = stored.map(({ name, identity }) => h("option", { value: name }, identity ? `${name} (${identity})` : name));
  if (tenant.has_token) entries.unshift(h("option", { value: "" }, t("the service's own token")));
  if (!entries.length) entries.push(h("option", { value: "" }, t("No connection yet: create one first")));
  $("connection").replaceChildren(...entries);
}

const connection = () => $("connection").value ? { connection: $("connection").value } : {};

function list() {
  const terms = $("filter").value.trim().toLowerCase().split(/\s+/);
  const fits = (action) => terms.every((word) => `${action.key} ${action.label} ${action.description}`.toLowerCase().includes(word));
  $("actions").replaceChildren(...catalogue.actions.filter(fits).map((action) =>
    h("li", {}, h("a", { href: `#${action.key}`, title: action.description, "aria-current": action.key === open?.action.key ? "page" : undefined },
      h("span", {}, action.label), h("span", { class: `effect ${action.effect || "by-method"}` }, effect(action.effect))))));
}

function route() {
  const key = location.hash.slice(1);
  const isEvents = key === "events";
  $("actions-view").hidden = isEvents;
  $("events-view").hidden = !isEvents;
  $("to-events").toggleAttribute("aria-current", isEvents);
  $("to-actions").toggleAttribute("aria-current", !isEvents);
  if (isEvents) { unseen = 0; showCount(); return; }
  const action = catalogue.actions.find((each) => each.key === key) || catalogue.actions.find((each) => each.effect === "create") || catalogue.actions[0];
  if (open && open.action === action) return;
  const current = form(action, { changed: debounce(150, () => preview()), run: () => run(), connection, actions: catalogue.actions });
  open = { action, form: current };
  $("form-pane").replaceChildren(current.element);
  $("result").replaceChildren();
  list();
  preview();
  if (key) current.focus();
}

function showCount() {
  $("unseen").hidden = !unseen;
  $("unseen").textContent = String(unseen);
}

// Shows the request that a run would send, with all its problems if `all`. Returns true if the request is complete.
async function preview(all = false) {
  const { action, form: current } = open;
  if (!all) pending?.abort();
  const controller = new AbortController();
  if (!all) pending = controller;
  try {
    const preview = await ask(`v1/actions/${action.key}/preview`, { inputs: current.inputs() }, controller.signal);
    current.showProblems([]);
    $("request").replaceChildren(...request(preview, action).flat(Infinity).filter(Boolean));
    return true;
  } catch (error) {
    if (error.name === "AbortError") return false;
    const problems = error.problem?.problems || [];
    if (!problems.length) { $("request").replaceChildren(problem(error.problem || { message: error.message }, action)); return false; }
    current.showProblems(problems, all);
    $("request").replaceChildren(...incomplete(problems, action));
    return false;
  }
}

async function run(cursor) {
  const { action, form: current } = open;
  if (current.button.disabled) return; // a second click, or a key held down, must not create twice
  current.button.disabled = true;
  try {
    if (!(await preview(true))) { current.element.querySelector(".message:not([hidden])")?.parentElement.querySelector("input, select, textarea")?.focus(); return; }
    if (action.safety?.destructive && !cursor && !confirm(t("{label} cannot be undone. Run it anyway?", { label: action.label }))) return;
    const began = performance.now();
    $("result").replaceChildren(h("p", { class: "quiet" }, t("Running …")));
    const body = { ...connection(), inputs: current.inputs(), ...(action.list ? { limit: current.limit() } : {}), ...(cursor ? { cursor } : {}) };
    const answer = await ask(`v1/actions/${action.key}/run`, body);
    if (open.form === current) showResult(action, answer, performance.now() - began);
  } catch (error) {
    if (open.form === current) $("result").replaceChildren(problem(error.problem || { message: error.message }, action));
  } finally {
    current.button.disabled = false;
  }
}

function showResult(action, { data, meta }, milliseconds) {
  const secrets = action.secrets || [];
  const asTable = table(data, secrets);
  const asJson = json(data, secrets);
  const views = [asTable, asJson].filter(Boolean);
  const tabs = asTable && [t("Table"), t("JSON")].map((name, number) => h("button", { type: "button", class: "tab", onclick: () => show(number) }, name));
  const show = (chosen) => {
    views.forEach((view, number) => { view.hidden = number !== chosen; });
    tabs.forEach((tab, number) => tab.setAttribute("aria-pressed", String(number === chosen)));
  };
  if (asTable) show(action.list ? 0 : 1);
  $("result").replaceChildren(
    h("h3", {}, t("Result"), " ", h("small", {}, t("{status} in {time} ms", { status: meta.status, time: Math.round(milliseconds) })), " ", tabs || ""),
    ...(meta.warnings || []).map((warning) => warningLine(warning, action)),
    ...views,
    ...(meta.cursor ? [h("button", { type: "button", class: "quiet", onclick: () => run(meta.cursor) }, t("Next items →"))] : []));
}

addEventListener("hashchange", route);
addEventListener("keydown", (event) => {
  const typing = /^(input|textarea|select)$/i.test(event.target.tagName);
  if (event.key === "/" && !typing) { event.preventDefault(); $("filter").focus(); }
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && open) { event.preventDefault(); run(); }
});
$("filter").addEventListener("input", list);
$("filter").addEventListener("keydown", (event) => { if (event.key === "Enter") $("actions").querySelector("a")?.click(); });
$("locale").addEventListener("change", async () => { open = null; await translate($("locale").value); await load(); });
begin();
