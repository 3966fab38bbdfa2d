// Translates the page's strings into the language of the service's responses. A string is its own key; {slots} are filled.

let words = {};
export let locale = ""; // the person's choice; empty for the browser's language

export const t = (text, slots = {}) => (words[text] ?? text).replace(/\{(\w+)\}/g, (all, name) => slots[name] ?? all);

// Loads the translations of a language.
export async function speak(code) {
  locale = code;
  const response = await fetch("page/words", { headers: locale ? { "Accept-Language": locale } : {} });
  if (response.ok) ({ locale: document.documentElement.lang, words } = await response.json());
}

// The string with an element in its slot {}.
export function around(text, element) {
  const [before, after = ""] = t(text).split("{}");
  return [before, element, after];
}
