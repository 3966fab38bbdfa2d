// Sends requests to the service. The API key, if one is needed, stays in this tab.

import { locale, t } from "./words.js";

let key = sessionStorage.getItem("key") || "";

export function useKey(text) {
  key = text.trim();
  sessionStorage.setItem("key", key);
}

export class ServiceError extends Error {
  constructor(problem) {
    super(problem.message || problem.title || t("The service does not respond."));
    this.problem = problem;
  }
}

export async function ask(path, body, signal) {
  const headers = { Accept: "application/json" };
  if (locale) headers["Accept-Language"] = locale;
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    const method = body === undefined ? "GET" : "POST";
    response = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError({ title: t("No response"), message: t("The service does not respond."), hint: t("Is it still running?") });
  }
  const text = await response.text();
  let data;
  try {
    data = JSON.parse(exact(text));
  } catch {
    data = { title: t("Status {status}", { status: response.status }), message: text.slice(0, 300) };
  }
  if (!response.ok) throw new ServiceError({ ...data, status: data.status || response.status });
  return data;
}

// JavaScript rounds integers above 2^53, so they become strings and ids stay exact.
function exact(text) {
  return text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) =>
    /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token)) ? `"${token}"` : token);
}
