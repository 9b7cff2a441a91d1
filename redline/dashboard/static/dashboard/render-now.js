// The right-hand side: what runs, what was delivered, who is watched, what the org has bought.

import { arrange, attribute, el, mark, say } from "./element.js";
import { changesOf, latestActions, nextVendor, places, progressOf, shownRuns, STAGES, vendorName, vendorsToLookAt, watchedVendors } from "./selectors.js";
import { boardTime, clockTime, stamp } from "./times.js";
import { lasted, plural } from "./words.js";

const MOST_ACTIONS = 5;
const CHANNELS = { slack: "Slack", jira: "Jira", email: "Mail", calendar: "Calendar", payment: "Payment" };
const OUTCOMES = { delivered: ["✓", "delivered"], failed: ["✕", "failed"], queued: ["…", "on its way"] };

export class NowView {
  #parts;
  #places = [];
  #onEdit;

  /** `onEdit(vendor)` where vendors may be changed, else null. */
  constructor(root, { onEdit }) {
    this.#onEdit = onEdit;
    const find = (name) => root.querySelector(`[data-part="${name}"]`);
    const names = ["runs", "runs-note", "next", "actions", "actions-note", "vendors-summary", "vendors", "vendors-note", "pack", "portal", "entitled-note"];
    this.#parts = Object.fromEntries(names.map((name) => [name, find(name)]));
  }

  /** `locked` is a sentence that says why nobody can act now, or "". */
  render(state, locked) {
    this.#renderRuns(state);
    this.#renderNext(state);
    this.#renderActions(state);
    this.#renderVendors(state, locked);
    this.#renderEntitled(state);
  }

  /** Bring the running stages' seconds up to date. */
  tick(now = boardTime()) {
    for (const node of this.#parts.runs.querySelectorAll("[data-since]")) say(node, lasted(Math.max(0, now - Number(node.dataset.since))));
  }

  #renderRuns(state) {
    const byVendor = new Map(shownRuns(state).map((run) => [run.vendorId, run]));
    this.#places = places(this.#places, [...byVendor.keys()]);
    arrange(this.#parts.runs, this.#places.map((vendorId) => byVendor.get(vendorId)), {
      key: (run) => run.vendorId,
      create: () => {
        const progress = el("progress", { max: String(STAGES.length) });
        return el("li", { class: "run" }, el("span", { class: "vendor" }), progress, el("span", { class: "stage" }), el("span", { class: "seconds" }));
      },
      update: (node, run) => this.#updateRun(node, run, state),
    });
    this.#note("runs-note", state, "runs", state.runs.size, "Nothing has run yet. The first scan shows its six stages here.");
    this.tick();
  }

  #updateRun(node, run, state) {
    const [vendor, progress, stage, seconds] = node.children;
    const { done, total, current, failed } = progressOf(run);
    const name = vendorName(state, run.vendorId, run.vendorName);
    const words = runWords(state, run);
    node.classList.toggle("is-running", run.status === "running");
    node.classList.toggle("is-failed", failed);
    say(vendor, name);
    progress.value = done;
    attribute(progress, "aria-label", `${name}: ${done} of ${total} stages done${run.status === "running" ? `, now ${current}` : ""}`);
    attribute(stage, "title", words);
    say(stage, words);
    if (run.status === "running" && run.startedAt) {
      attribute(seconds, "data-since", String(Number(new Date(run.startedAt))));
    } else {
      seconds.removeAttribute("data-since");
      say(seconds, "");
    }
  }

  #renderNext(state) {
    const next = nextVendor(state);
    this.#parts.next.hidden = !next;
    if (!next) return;
    const [name, time] = this.#parts.next.children;
    say(name, next.name);
    stamp(time, next.nextRunAt, { ahead: true });
  }

  #renderActions(state) {
    arrange(this.#parts.actions, latestActions(state, MOST_ACTIONS), {
      key: (action) => action.id,
      create: () => el("li", { class: "action" }, el("span", { class: "channel" }), el("span", { class: "outcome" }), el("span", { class: "about" }), el("time", { tabindex: "0" })),
      update: (node, action) => {
        const [channel, outcome, about, time] = node.children;
        const [sign, words] = OUTCOMES[action.status] ?? ["", action.status];
        const change = state.changes.get(action.changeReportId);
        node.classList.toggle("is-failed", action.status === "failed");
        say(channel, CHANNELS[action.kind] ?? action.kind);
        say(outcome, `${sign} ${words}`);
        const subject = change ? vendorName(state, change.vendorId, change.vendorName) : (action.vendorName ?? "");
        say(about, action.status === "failed" && action.reason ? action.reason : [subject, action.externalId].filter(Boolean).join(" · "));
        attribute(about, "title", about.textContent);
        stamp(time, action.at ?? action.deliveredAt ?? action.createdAt);
        mark(node, state.marks.get(`actions/${action.id}`), state.quiet);
      },
    });
    this.#note("actions-note", state, "actions", state.actions.size, "Nothing was sent yet. Messages and tickets about changes are listed here as they go out.");
  }

  #renderVendors(state, locked) {
    const look = vendorsToLookAt(state);
    const watched = watchedVendors(state);
    const words = [`${watched.length} watched`, look.length ? `${look.length} ${look.length === 1 ? "needs" : "need"} a look` : "all reachable"];
    say(this.#parts["vendors-summary"], state.loaded.has("vendors") && watched.length ? words.join(" · ") : "");
    const failing = new Set(look.map((row) => row.id));
    const rows = [...state.vendors.values()].sort((a, b) => failing.has(b.id) - failing.has(a.id) || a.name.localeCompare(b.name));
    arrange(this.#parts.vendors, rows, {
      key: (row) => row.id,
      create: () => el("li", { class: "watched" }, el("span", { class: "vendor" }), el("span", { class: "about" }), el("time", { tabindex: "0" }), this.#editButton()),
      update: (node, row) => {
        const [name, about, time, edit] = node.children;
        say(name, row.name);
        node.vendor = row;
        if (edit) {
          edit.disabled = Boolean(locked);
          attribute(edit, "title", locked);
          attribute(edit, "aria-label", `Edit ${row.name}`);
        }
        const run = [...state.runs.values()].find((candidate) => candidate.vendorId === row.id);
        say(about, failing.has(row.id) ? runWords(state, run) : row.isWatched === false ? "not watched" : pagesWords(row));
        node.classList.toggle("is-failed", failing.has(row.id));
        stamp(time, row.isWatched === false ? null : row.nextRunAt, { ahead: true });
      },
    });
    this.#note("vendors-note", state, "vendors", state.vendors.size, "No vendor is watched yet. Add one, with the pages whose words matter to you.");
  }

  #editButton() {
    return this.#onEdit && el("button", { type: "button", class: "quiet", text: "Edit", onclick: (event) => this.#onEdit(event.target.parentNode.vendor) });
  }

  #renderEntitled(state) {
    const bought = state.entitlements;
    const isLoaded = state.loaded.has("entitlements");
    for (const [part, on] of [["pack", bought?.compliancePack], ["portal", bought?.auditorPortal]]) {
      say(this.#parts[part], bought ? (on ? "on" : "off") : isLoaded ? "not known" : "…");
      this.#parts[part].classList.toggle("on", Boolean(on));
      mark(this.#parts[part].parentNode, state.marks.get("entitlements"), state.quiet);
    }
    this.#note("entitled-note", state, "entitlements", 1, "");
  }

  #note(part, state, list, count, emptyWords) {
    const why = state.failures.get(list);
    let text = "";
    if (why) text = `Could not be loaded: ${why} We try again by ourselves.`;
    else if (!state.loaded.has(list) && !count) text = "Loading …";
    else if (!count) text = emptyWords;
    this.#parts[part].hidden = !text;
    say(this.#parts[part], text);
  }
}

function pagesWords({ pages = [] }) {
  const kinds = [...new Set(pages.map((page) => page.kind))];
  return kinds.length ? kinds.join(", ") : plural(pages.length, "page");
}

/** Say where a run stands: its stage, or what it came to. */
export function runWords(state, run, now = boardTime()) {
  const { current, failed } = progressOf(run);
  if (failed) {
    const reason = run.stages.find((stage) => stage.status === "failed")?.reason;
    const next = state.vendors.get(run.vendorId)?.nextRunAt;
    return `${current} failed${reason ? `: ${reason}` : ""}${Date.parse(next) > now ? `, again ${clockTime(next)}` : ""}`;
  }
  if (run.status === "running") return current;
  const found = changesOf(state, run);
  return found ? `published, ${plural(found, "change")}` : "nothing changed";
}
