// A text field that offers choices as you type: by keyboard and by pointer, page by page. What it offers never restricts.

import { fresh, h, later } from "./dom.js";
import { t } from "./words.js";

// load(search, cursor) -> {choices: [{value, label, description}], cursor}; changed() after every change.
export function combo({ load, changed, placeholder, label, start = "" }) {
  const box = h("input", {
    type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", "aria-autocomplete": "list",
    "aria-expanded": "false", "aria-label": label, placeholder, value: start,
  });
  const list = h("ul", { role: "listbox", id: fresh("choices"), hidden: true, "aria-label": label });
  box.setAttribute("aria-controls", list.id);
  const shown = h("small", { class: "chosen" });
  let entries = [], cursor = null, at = -1, asked = 0, known = new Map();

  const value = () => known.get(box.value)?.value ?? box.value.trim();

  function open(yes) {
    list.hidden = !yes;
    box.setAttribute("aria-expanded", String(yes));
    if (!yes) mark(-1);
  }

  function mark(index) {
    at = index;
    [...list.children].forEach((item, number) => item.setAttribute("aria-selected", String(number === index)));
    const item = list.children[index];
    if (item) {
      box.setAttribute("aria-activedescendant", item.id);
      item.scrollIntoView({ block: "nearest" });
    } else box.removeAttribute("aria-activedescendant");
  }

  function pick(entry) {
    box.value = String(entry.value);
    known = new Map([[box.value, entry]]);
    shown.textContent = entry.label === box.value ? "" : entry.label;
    open(false);
    changed();
  }

  function draw(note) {
    list.replaceChildren(
      ...entries.map((entry) => h("li", { role: "option", id: fresh("choice"), onmousedown: (event) => { event.preventDefault(); pick(entry); } },
        h("span", {}, entry.label), entry.description && h("small", {}, entry.description))),
      ...(cursor ? [h("li", { role: "option", id: fresh("choice"), class: "more", onmousedown: (event) => { event.preventDefault(); more(); } }, t("More …"))] : []),
      ...(note ? [h("li", { class: "note", role: "presentation" }, note)] : []));
    open(true);
  }

  async function fill(search, from) {
    const number = ++asked;
    if (!from) { entries = []; cursor = null; draw(t("Searching …")); }
    try {
      const found = await load(search, from);
      if (number !== asked || document.activeElement !== box) return;
      entries = from ? [...entries, ...found.choices] : found.choices;
      cursor = found.cursor;
      draw(entries.length ? "" : t("No matches. You can still type a value."));
    } catch (error) {
      if (number === asked && document.activeElement === box) draw(error.problem?.problems?.[0]?.what || error.message);
    }
  }

  const more = () => { const here = entries.length; fill(box.value, cursor).then(() => mark(here)); };
  const search = later(200, () => fill(box.value.trim(), null));
  box.addEventListener("input", () => { shown.textContent = ""; search(); changed(); });
  box.addEventListener("click", () => list.hidden && fill(known.has(box.value) ? "" : box.value.trim(), null));
  box.addEventListener("blur", () => { asked++; open(false); });
  box.addEventListener("keydown", (event) => {
    const count = entries.length + (cursor ? 1 : 0);
    if (event.key === "ArrowDown" && list.hidden) fill(box.value.trim(), null);
    else if (event.key === "ArrowDown") mark(Math.min(at + 1, count - 1));
    else if (event.key === "ArrowUp") mark(Math.max(at - 1, 0));
    else if (event.key === "Enter" && !list.hidden && at >= 0) at < entries.length ? pick(entries[at]) : more();
    else if (event.key === "Escape" && !list.hidden) open(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return { element: h("div", { class: "combo" }, box, list, shown), input: box, value };
}
