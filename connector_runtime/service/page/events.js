// Watches webhook events arrive.

import { ask } from "./api.js";
import { h } from "./dom.js";
import { json } from "./shown.js";
import { t } from "./words.js";

export function watch(view, { arrived }) {
  const rows = h("ol", { class: "events" });
  const title = h("h2"), note = h("p", { class: "quiet" });
  const seen = new Set();
  let cursor = null, running = false;
  view.replaceChildren(title, note, rows);

  function show(event) {
    if (seen.has(event.event_id)) return;
    seen.add(event.event_id);
    note.hidden = true;
    const time = event.time || event.received_at;
    rows.prepend(h("li", {}, h("details", {}, h("summary", {}, h("b", {}, event.name || event.event), " ", h("small", {}, [event.object, time].filter(Boolean).join(" · "))), json(event, [], /token|secret|password|passcode/i))));
    arrived();
  }

  function say() {
    title.textContent = t("Events");
    note.textContent = t("Waiting for events. Webhooks that are sent to this service appear here as they arrive.");
  }

  async function poll() {
    if (running) return;
    running = true;
    for (let pause = 1000; ; ) {
      try {
        const path = `v1/events?wait=20&limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`;
        const found = await ask(path);
        found.events.forEach(show);
        cursor = found.cursor;
        pause = 1000;
        if (!found.events.length) await new Promise((done) => setTimeout(done, 300));
      } catch {
        await new Promise((done) => setTimeout(done, pause));
        pause = Math.min(pause * 2, 30000);
      }
    }
  }

  return { poll, say };
}
