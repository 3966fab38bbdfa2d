// The page: which action is open, its live preview, its run. State lives in the address (#create-meeting), nowhere else.

import { ask, useKey } from "./api.js";
import { $, h, later } from "./dom.js";
import { watch } from "./events.js";
import { effect, form } from "./form.js";
import { json, problem, request, table, waiting, warned } from "./shown.js";
import { around, locale, speak, t } from "./words.js";

let catalogue, tenant, events, open = null, unseen = 0, asked = null;

async function begin() {
  await say(locale || new URLSearchParams(location.search).get("locale") || "");
  try {
    tenant = await ask("v1/tenant");
  } catch (error) {
    return error.problem?.status === 401 ? wantKey() : notice(error.message);
  }
  await load();
  events = watch($("events-view"), { arrived: () => { unseen += 1; count(); } });
  events.say();
  events.poll();
}

// What is always there, in a language.
async function say(code) {
  await speak(code);
  $("views").setAttribute("aria-label", t("Views"));
  $("to-actions").textContent = t("Actions");
  $("events-word").textContent = t("Events");
  $("connection-word").textContent = t("Run with");
  $("locale-word").textContent = t("Language");
  $("list").setAttribute("aria-label", t("Actions"));
  $("filter").placeholder = t("Find an action ( / )");
  $("filter").setAttribute("aria-label", t("Find an action"));
  $("form-pane").setAttribute("aria-label", t("Inputs"));
  $("seen-pane").setAttribute("aria-label", t("Request and result"));
  events?.say();
}

function wantKey() {
  const box = h("input", { type: "password", "aria-label": t("API key"), autocomplete: "off" });
  const said = h("form", { onsubmit: (event) => { event.preventDefault(); useKey(box.value); notice(); begin(); } }, around("This service needs an API key: {}", box), " ", h("button", {}, t("Continue")));
  notice(said);
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
  const found = (await ask("v1/connections")).connections;
  const entries = found.map((one) => h("option", { value: one.name }, one.identity ? `${one.name} (${one.identity})` : one.name));
  if (tenant.has_token) entries.unshift(h("option", { value: "" }, t("the service's own token")));
  if (!entries.length) entries.push(h("option", { value: "" }, t("No connection yet: create one first")));
  $("connection").replaceChildren(...entries);
}

const connection = () => $("connection").value ? { connection: $("connection").value } : {};

function list() {
  const wanted = $("filter").value.trim().toLowerCase().split(/\s+/);
  const fits = (action) => wanted.every((word) => `${action.key} ${action.label} ${action.description}`.toLowerCase().includes(word));
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
    $("request").replaceChildren(...request(found, action).flat(Infinity).filter(Boolean));
    return true;
  } catch (error) {
    if (error.name === "AbortError") return false;
    const problems = error.problem?.problems || [];
    if (!problems.length) { $("request").replaceChildren(problem(error.problem || { message: error.message }, action)); return false; }
    made.tell(problems, all);
    $("request").replaceChildren(...waiting(problems, action));
    return false;
  }
}

async function run(cursor) {
  const { action, form: made } = open;
  if (made.button.disabled) return; // a second click, or a key held down, must not create twice
  made.button.disabled = true;
  try {
    if (!(await preview(true))) { made.element.querySelector(".said:not([hidden])")?.parentElement.querySelector("input, select, textarea")?.focus(); return; }
    if (action.safety?.destructive && !cursor && !confirm(t("{label} cannot be undone. Run it anyway?", { label: action.label }))) return;
    const began = performance.now();
    $("result").replaceChildren(h("p", { class: "quiet" }, t("Running …")));
    const body = { ...connection(), inputs: made.inputs(), ...(action.list ? { limit: made.limit() } : {}), ...(cursor ? { cursor } : {}) };
    const found = await ask(`v1/actions/${action.key}/run`, body);
    if (open.form === made) result(action, found, performance.now() - began);
  } catch (error) {
    if (open.form === made) $("result").replaceChildren(problem(error.problem || { message: error.message }, action));
  } finally {
    made.button.disabled = false;
  }
}

function result(action, found, took) {
  const secrets = action.secrets || [];
  const asTable = table(found.data, secrets);
  const asJson = json(found.data, secrets);
  const views = [asTable, asJson].filter(Boolean);
  const tabs = asTable && [t("Table"), t("JSON")].map((name, number) => h("button", { type: "button", class: "tab", onclick: () => show(number) }, name));
  const show = (chosen) => {
    views.forEach((view, number) => { view.hidden = number !== chosen; });
    tabs.forEach((tab, number) => tab.setAttribute("aria-pressed", String(number === chosen)));
  };
  if (asTable) show(action.list ? 0 : 1);
  $("result").replaceChildren(
    h("h3", {}, t("Result"), " ", h("small", {}, t("{status} in {time} ms", { status: found.meta.status, time: Math.round(took) })), " ", tabs || ""),
    ...(found.meta.warnings || []).map((warning) => warned(warning, action)),
    ...views,
    ...(found.meta.cursor ? [h("button", { type: "button", class: "quiet", onclick: () => run(found.meta.cursor) }, t("Next items →"))] : []));
}

addEventListener("hashchange", route);
addEventListener("keydown", (event) => {
  const typing = /^(input|textarea|select)$/i.test(event.target.tagName);
  if (event.key === "/" && !typing) { event.preventDefault(); $("filter").focus(); }
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && open) { event.preventDefault(); run(); }
});
$("filter").addEventListener("input", list);
$("filter").addEventListener("keydown", (event) => { if (event.key === "Enter") $("actions").querySelector("a")?.click(); });
$("locale").addEventListener("change", async () => { open = null; await say($("locale").value); await load(); });
begin();
