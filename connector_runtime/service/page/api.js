// Asks the service. A key, where one is needed, stays in this tab.

import { locale, t } from "./words.js";

let key = sessionStorage.getItem("key") || "";

export function useKey(text) {
  key = text.trim();
  sessionStorage.setItem("key", key);
}

export class Failed extends Error {
  constructor(problem) {
    super(problem.message || problem.title || t("The service does not answer."));
    this.problem = problem;
  }
}

export async function ask(path, body, signal) {
  const headers = { Accept: "application/json" };
  if (locale) headers["Accept-Language"] = locale;
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    const method = body === undefined ? "GET" : "POST";
    answer = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failed({ title: t("No answer"), message: t("The service does not answer."), hint: t("Is it still running?") });
  }
  const text = await answer.text();
  let data;
  try {
    data = JSON.parse(exact(text));
  } catch {
    data = { title: t("Status {status}", { status: answer.status }), message: text.slice(0, 300) };
  }
  if (!answer.ok) throw new Failed({ ...data, status: data.status || answer.status });
  return data;
}

// JavaScript rounds integers above 2^53: they are read as text, so that an id stays the id.
function exact(text) {
  return text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (found) =>
    /^-?\d{16,}$/.test(found) && !Number.isSafeInteger(Number(found)) ? `"${found}"` : found);
}
