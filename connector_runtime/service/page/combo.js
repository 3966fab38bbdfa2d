// A text field that suggests choices as you type, page by page, by keyboard and pointer. Any other value can be typed.

import { uniqueId, h, debounce } from "./dom.js";
import { t } from "./words.js";

// load(search, cursor) -> {choices: [{value, label, description}], cursor}; changed() is called after every change.
export function combo({ load, changed, placeholder, label }) {
  const box = h("input", {
    type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", "aria-autocomplete": "list",
    "aria-expanded": "false", "aria-label": label, placeholder,
  });
  const list = h("ul", { role: "listbox", id: uniqueId("choices"), hidden: true, "aria-label": label });
  box.setAttribute("aria-controls", list.id);
  const chosen = h("small", { class: "chosen" });
  let entries = [], cursor = null, active = -1, latest = 0, picked = new Map();

  const value = () => picked.get(box.value)?.value ?? box.value.trim();

  function show(visible) {
    list.hidden = !visible;
    box.setAttribute("aria-expanded", String(visible));
    if (!visible) mark(-1);
  }

  function mark(index) {
    active = index;
    [...list.children].forEach((item, number) => item.setAttribute("aria-selected", String(number === index)));
    const item = list.children[index];
    if (item) {
      box.setAttribute("aria-activedescendant", item.id);
      item.scrollIntoView({ block: "nearest" });
    } else box.removeAttribute("aria-activedescendant");
  }

  function pick(entry) {
    box.value = String(entry.value);
    picked = new Map([[box.value, entry]]);
    chosen.textContent = entry.label === box.value ? "" : entry.label;
    show(false);
    changed();
  }

  function draw(note) {
    list.replaceChildren(
      ...entries.map((entry) => h("li", { role: "option", id: uniqueId("choice"), onmousedown: (event) => { event.preventDefault(); pick(entry); } },
        h("span", {}, entry.label), entry.description && h("small", {}, entry.description))),
      ...(cursor ? [h("li", { role: "option", id: uniqueId("choice"), class: "more", onmousedown: (event) => { event.preventDefault(); loadMore(); } }, t("More …"))] : []),
      ...(note ? [h("li", { class: "note", role: "presentation" }, note)] : []));
    show(true);
  }

  async function fill(search, from) {
    const number = ++latest;
    if (!from) { entries = []; cursor = null; draw(t("Searching …")); }
    try {
      const page = await load(search, from);
      if (number !== latest || document.activeElement !== box) return;
      entries = from ? [...entries, ...page.choices] : page.choices;
      cursor = page.cursor;
      draw(entries.length ? "" : t("No matches. You can still type a value."));
    } catch (error) {
      if (number === latest && document.activeElement === box) draw(error.problem?.problems?.[0]?.what || error.message);
    }
  }

  const loadMore = () => { const first = entries.length; fill(box.value, cursor).then(() => mark(first)); };
  const search = debounce(200, () => fill(box.value.trim(), null));
  box.addEventListener("input", () => { chosen.textContent = ""; search(); changed(); });
  box.addEventListener("click", () => list.hidden && fill(picked.has(box.value) ? "" : box.value.trim(), null));
  box.addEventListener("blur", () => { latest++; show(false); });
  box.addEventListener("keydown", (event) => {
    const count = entries.length + (cursor ? 1 : 0);
    if (event.key === "ArrowDown" && list.hidden) fill(box.value.trim(), null);
    else if (event.key === "ArrowDown") mark(Math.min(active + 1, count - 1));
    else if (event.key === "ArrowUp") mark(Math.max(active - 1, 0));
    else if (event.key === "Enter" && !list.hidden && active >= 0) active < entries.length ? pick(entries[active]) : loadMore();
    else if (event.key === "Escape" && !list.hidden) show(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return { element: h("div", { class: "combo" }, box, list, chosen), input: box, value };
}
