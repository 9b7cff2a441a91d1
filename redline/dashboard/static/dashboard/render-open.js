// The change that is being read: what it said before and says now, why it matters, its sources, and the buttons.
//
// The body is rebuilt only when its content differs, so that a selection or a scrolled diff survives the events that
// concern this change; the buttons are the same elements for as long as the board is open.

import { attribute, el, say } from "./element.js";
import { excerpt, isShortened, opsOf, spread } from "./diff.js";
import { latestActions, mayMove, shownState, vendorName } from "./selectors.js";
import { absolute, clockTime, stamp } from "./times.js";
import { categoryWords, resolutionWords, stateWords } from "./words.js";

export class OpenView {
  #root;
  #people;
  #parts;
  #buttons;
  #drawn = "";
  #id = null;

  constructor({ root, people }) {
    this.#root = root;
    this.#people = people;
    const find = (name) => root.querySelector(`[data-part="${name}"]`);
    this.#parts = Object.fromEntries(
      ["title", "severity", "vendor", "meta", "body", "refusal", "locked"].map((name) => [name, find(name)]),
    );
    this.#buttons = [...root.querySelectorAll("[data-to]")];
  }

  /** Draw the open change; `locked` is a sentence that says why nobody can act now, or "". */
  render(state, locked) {
    const row = state.open === null ? null : state.changes.get(state.open);
    this.#root.hidden = !row;
    if (!row) {
      this.#drawn = "";
      this.#id = null;
      return;
    }
    this.#renderHead(state, row);
    this.#renderButtons(state, row, locked);
    const actions = latestActions(state, 100).filter((action) => action.changeReportId === row.id);
    const content = JSON.stringify([row, actions, state.failures.get(`changes/${row.id}`)]);
    if (content === this.#drawn) return;
    this.#drawn = content;
    const scrolled = this.#id === row.id ? this.#parts.body.scrollTop : 0;
    this.#parts.body.replaceChildren(...this.#body(row, actions));
    this.#parts.body.scrollTop = scrolled;
    this.#id = row.id;
  }

  #renderHead(state, row) {
    const shown = shownState(state, row);
    attribute(this.#root, "class", `open severity-${row.severity} state-${shown}`);
    say(this.#parts.severity, row.severity);
    say(this.#parts.vendor, vendorName(state, row.vendorId, row.vendorName));
    say(this.#parts.title, row.headline);
    const [when, what] = this.#parts.meta.children;
    stamp(when, row.detectedAt);
    say(what, ` ago · ${this.#standing(row, shown, state.pending.has(row.id))}`);
  }

  #standing(row, shown, isPending) {
    if (isPending) return `${stateWords(shown)} …`;
    const who = row.by && row.by !== "usr_system" ? ` by ${this.#people[row.by] ?? "somebody who has left"}` : "";
    if (shown === "new") return "New: nobody is on it yet";
    if (shown === "snoozed" && row.snoozedUntil) return `Snoozed until ${clockTime(row.snoozedUntil)}${who}`;
    if (shown === "resolved" && row.resolution) return `Resolved, ${resolutionWords(row.resolution)}${who}`;
    return `${stateWords(shown)}${who}`;
  }

  #renderButtons(state, row, locked) {
    const shown = shownState(state, row);
    for (const button of this.#buttons) {
      const allowed = !locked && mayMove(state, row, button.dataset.to);
      attribute(button, "aria-disabled", String(!allowed));
      button.classList.toggle("primary", NEXT[shown] === button.dataset.to);
      attribute(button, "title", allowed ? "" : locked || `Not from “${stateWords(shown)}”.`);
    }
    const refusal = state.refusals.get(row.id) ?? "";
    say(this.#parts.refusal, refusal);
    this.#parts.refusal.hidden = !refusal;
    say(this.#parts.locked, refusal ? "" : locked);
  }

  #body(row, actions) {
    if (!row.whole) return [el("p", { class: "note", text: "Loading what changed …" })];
    return [
      row.why && labelled(`Why ${row.severity}`, el("p", { text: row.why })),
      ...row.changes.map((change) => clause(change)),
      row.changes.length === 0 && el("p", { class: "note", text: "This report has no clauses." }),
      row.recommendation && labelled("Advice", el("p", { text: row.recommendation })),
      actions.length > 0 && labelled("Told", told(actions)),
      row.transitions.length > 0 && labelled("So far", this.#history(row.transitions)),
    ].filter(Boolean);
  }

  #history(transitions) {
    const item = ({ toState, by, note, at }) => {
      const who = by === "usr_system" ? "by itself" : `by ${this.#people[by] ?? "somebody who has left"}`;
      return el("li", {}, `${stateWords(toState)} ${who}, `, stamp(el("time", { tabindex: "0" }), at), " ago", note ? ` — ${note}` : "");
    };
    return el("ol", { class: "history" }, transitions.map(item));
  }
}

const NEXT = { new: "acknowledged", acknowledged: "in-progress", "in-progress": "resolved", snoozed: "acknowledged" };

function labelled(label, content) {
  return el("section", { class: "labelled" }, el("h3", { text: label }), content);
}

function clause(change) {
  const where = [categoryWords(change.category), change.materiality, change.section].filter(Boolean).join(" · ");
  return el(
    "section",
    { class: "clause" },
    el("h3", { text: where }),
    change.summary && el("p", { class: "summary", text: change.summary }),
    difference(opsOf(change)),
    sources(change.citations),
  );
}

function difference(ops) {
  const box = el("blockquote", { class: "diff" });
  const draw = (list) => box.replaceChildren(...spread(list).map(([op, text]) => el(TAGS[op] ?? "span", { text })));
  draw(excerpt(ops));
  if (!isShortened(ops)) return box;
  const whole = el("button", { type: "button", class: "quiet", text: "Show the whole clause" });
  whole.addEventListener("click", () => {
    draw(ops);
    whole.remove();
  });
  return el("div", {}, box, whole);
}

const TAGS = { insert: "ins", delete: "del", equal: "span" };

function sources(citations) {
  if (!citations?.length) return null;
  return el("ul", { class: "sources", "aria-label": "Sources" }, citations.map((citation) => el("li", {}, ...source(citation))));
}

function source({ url, section, fetchedAt, quote }) {
  const address = webAddress(url);
  const name = address ? address.host.replace(/^www\./, "") + (address.pathname === "/" ? "" : address.pathname) : url;
  const link = address ? el("a", { href: address.href, target: "_blank", rel: "noopener noreferrer", title: quote ?? "", text: name }) : name;
  return ["Source: ", link, section ? ` § ${section}` : "", fetchedAt ? `, fetched ${clockTime(fetchedAt)}` : ""];
}

// An address out of a fetched page is a stranger's: only http and https become links.
function webAddress(text) {
  try {
    const address = new URL(text);
    return ["http:", "https:"].includes(address.protocol) ? address : null;
  } catch {
    return null;
  }
}

function told(actions) {
  const item = (action) => {
    const outcome = { delivered: "✓ delivered", failed: "✕ failed", queued: "… on its way" }[action.status];
    const detail = [action.externalId, action.reason].filter(Boolean).join(", ");
    const at = action.deliveredAt ?? action.at ?? action.createdAt;
    return el("li", {}, `${action.kind} ${outcome}${detail ? ` ${detail}` : ""}`, at ? `, ${absolute(at)}` : "");
  };
  return el("ul", { class: "history" }, actions.map(item));
}
