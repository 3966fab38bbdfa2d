// Says the page's texts in the language of the service's answers. A text is its own key; {slots} are filled in.

let words = {};
export let locale = ""; // what a person chose; without it the browser's own language counts

export const t = (text, slots = {}) => (words[text] ?? text).replace(/\{(\w+)\}/g, (all, name) => slots[name] ?? all);

// Learns the words of a language, and has the parts of the page that are always there say them.
export async function speak(code) {
  locale = code;
  const answer = await fetch("page/words", { headers: locale ? { "Accept-Language": locale } : {} });
  if (answer.ok) ({ locale: document.documentElement.lang, words } = await answer.json());
}

// The text with an element in the place of its slot {}.
export function around(text, element) {
  const [before, after = ""] = t(text).split("{}");
  return [before, element, after];
}
