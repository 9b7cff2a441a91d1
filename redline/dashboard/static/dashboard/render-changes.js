// The list of changes: shelves, counts, rows. What one reads stays put: when rows come in above it, the list scrolls
// by as much and says "3 new above"; where nothing is being read they slide in.

import { arrange, attribute, el, mark, say } from "./element.js";
import { SEVERITIES, severityCounts, shelf, shelfCounts, shownState, vendorName } from "./selectors.js";
import { stamp } from "./times.js";
import { plural, resolutionWords, stateWords } from "./words.js";

const SHELVES = { open: "Open", snoozed: "Snoozed", resolved: "Resolved" };

export class ChangesView {
  #parts;
  #people;
  #onOpen;
  #shelf = "open";
  #above = new Set();
  #state = null;

  constructor({ root, people, onOpen }) {
    const find = (name) => root.querySelector(`[data-part="${name}"]`);
    this.#parts = Object.fromEntries(["scroller", "rows", "empty", "note", "first", "above", "shelves", "counts"].map((name) => [name, find(name)]));
    this.#people = people;
    this.#onOpen = onOpen;
    this.#parts.above.addEventListener("click", () => this.#toTop());
    for (const target of [this.#parts.scroller, document]) target.addEventListener("scroll", () => this.#countAbove(), { passive: true });
    for (const [name, words] of Object.entries(SHELVES)) {
      const button = el("button", { type: "button", "data-shelf": name, onclick: () => this.#choose(name) }, words, el("b"));
      this.#parts.shelves.append(button);
    }
  }

  render(state, nextScan) {
    this.#state = state;
    this.#renderHead(state);
    const rows = shelf(state, this.#shelf);
    const anchor = this.#anchor(state);
    const made = arrange(this.#parts.rows, rows, {
      key: (row) => row.id,
      create: (row) => this.#create(row),
      update: (node, row) => this.#update(node, row, state),
    });
    this.#keepPut(anchor, made, (node) => !state.quiet && state.marks.has(`changes/${node.dataset.key}`));
    this.#rove();
    this.#renderNote(state, rows.length, nextScan);
  }

  /** Move the focus by `step` rows; return the id that has it now. */
  move(step) {
    const buttons = [...this.#parts.rows.querySelectorAll(".row-button")];
    if (!buttons.length) return null;
    const here = buttons.findIndex((button) => button === document.activeElement || button.getAttribute("aria-expanded") === "true");
    const next = buttons[Math.min(buttons.length - 1, Math.max(0, here === -1 ? 0 : here + step))];
    this.#focus(next);
    return next.parentNode.dataset.key;
  }

  focused() {
    return document.activeElement?.closest?.(".row")?.dataset.key ?? null;
  }

  focusOn(id) {
    const row = [...this.#parts.rows.children].find((node) => node.dataset.key === id);
    if (row) this.#focus(row.firstElementChild);
  }

  #focus(button) {
    button.focus();
    button.scrollIntoView({ block: "nearest" });
    this.#rove();
  }

  #choose(name) {
    this.#shelf = name;
    this.#parts.scroller.scrollTop = 0;
    if (this.#state) this.render(this.#state);
    this.#above.clear();
    this.#countAbove();
  }

  #renderHead(state) {
    const shelves = shelfCounts(state);
    for (const button of this.#parts.shelves.children) {
      attribute(button, "aria-pressed", String(button.dataset.shelf === this.#shelf));
      say(button.lastElementChild, state.loaded.has("changes") ? String(shelves[button.dataset.shelf]) : "");
    }
    const counts = severityCounts(state);
    arrange(this.#parts.counts, SEVERITIES, {
      key: (severity) => severity,
      create: (severity) => el("li", { class: `severity-${severity}` }, el("span", { text: `${severity} ` }), el("b")),
      update: (node, severity) => {
        say(node.lastElementChild, state.loaded.has("changes") ? String(counts[severity]) : "–");
        node.classList.toggle("none", counts[severity] === 0);
        attribute(node, "title", `${plural(counts[severity], "open change")} of severity ${severity}`);
      },
    });
  }

  #create(row) {
    const cell = (name, tag = "span") => el(tag, { class: name });
    const button = el(
      "button",
      { type: "button", class: "row-button", "aria-controls": "open", tabindex: "-1", onclick: () => this.#onOpen(row.id) },
      cell("severity"), cell("vendor"), cell("headline"), cell("handling"), cell("age", "time"),
    );
    return el("li", { class: "row" }, button);
  }

  #update(node, row, state) {
    const shown = shownState(state, row);
    const [severity, vendor, headline, handling, age] = node.firstElementChild.children;
    const isPending = state.pending.has(row.id);
    const classes = ["row", `severity-${row.severity}`, `state-${shown}`, state.open === row.id && "is-open", isPending && "is-pending"];
    const kept = ["marked", "enters"].filter((name) => node.classList.contains(name));
    node.className = [...classes, ...kept].filter(Boolean).join(" ");
    attribute(node.firstElementChild, "aria-expanded", String(state.open === row.id));
    say(severity, row.severity);
    say(vendor, vendorName(state, row.vendorId, row.vendorName));
    say(headline, row.headline);
    say(handling, this.#handling(row, shown, isPending));
    stamp(age, row.detectedAt);
    mark(node, state.marks.get(`changes/${row.id}`), state.quiet);
  }

  #handling(row, shown, isPending) {
    if (isPending) return `${stateWords(shown)} …`;
    const who = row.by ? (this.#people[row.by] ?? "") : "";
    if (shown === "resolved" && row.resolution) return `${stateWords(shown)}: ${resolutionWords(row.resolution)}`;
    return shown === "new" || !who ? stateWords(shown) : `${stateWords(shown)} · ${who}`;
  }

  #renderNote(state, count, nextScan) {
    const why = state.failures.get("changes");
    let text = "";
    if (why && !count) text = `The changes could not be loaded: ${why} We try again by ourselves; you can reload the page.`;
    else if (!state.loaded.has("changes")) text = "Loading changes …";
    else if (!count) text = this.#emptyWords(state, nextScan);
    this.#parts.empty.hidden = !text;
    say(this.#parts.note, text);
    if (this.#parts.first) this.#parts.first.hidden = !(state.loaded.has("vendors") && !state.vendors.size);
  }

  #emptyWords(state, nextScan) {
    if (this.#shelf === "snoozed") return "Nothing is snoozed. What you snooze waits here and comes back by itself.";
    if (this.#shelf === "resolved") return "Nothing is resolved yet. What you resolve is kept here.";
    if (state.loaded.has("vendors") && !state.vendors.size) return "Nothing is watched yet. Add a vendor, and what changes in its terms will appear here.";
    const ahead = nextScan ? ` ${state.runs.size ? "Next scan" : "First scan"}: ${nextScan.name}, at ${new Date(nextScan.nextRunAt).toLocaleTimeString()}.` : "";
    return `Nothing is open. A change in your vendors’ words appears here the moment it is found.${ahead}`;
  }

  // -- what one reads stays put

  #scroller() {
    const own = this.#parts.scroller;
    return getComputedStyle(own).overflowY === "visible" ? document.scrollingElement : own;
  }

  #anchor(state) {
    const top = this.#viewTop();
    const rows = [...this.#parts.rows.children];
    const isReading = state.open !== null || this.#parts.rows.contains(document.activeElement) || top - this.#listTop() > 4;
    if (!isReading) return null;
    const node = rows.find((row) => row.classList.contains("is-open") && isBelow(row, top)) ?? rows.find((row) => isBelow(row, top));
    return node ? { node, top: node.getBoundingClientRect().top } : null;
  }

  // A row may be read by REST before its event comes: above, it counts all the same; only news slides in.
  #keepPut(anchor, made, isNews) {
    if (!anchor || !anchor.node.isConnected) {
      this.#parts.scroller.classList.remove("is-held");
      made.filter(isNews).forEach(slideIn);
      return;
    }
    const moved = anchor.node.getBoundingClientRect().top - anchor.top;
    if (moved) this.#scrollBy(moved);
    for (const node of made) {
      if (node.getBoundingClientRect().top < this.#viewTop() - 4) this.#above.add(node.dataset.key);
      else if (isNews(node)) slideIn(node);
    }
    this.#countAbove();
  }

  // A list that is shorter than its window cannot scroll: it gets room below, for as long as somebody reads.
  #scrollBy(distance) {
    const scroller = this.#scroller();
    const wanted = scroller.scrollTop + distance;
    scroller.scrollTop = wanted;
    if (scroller.scrollTop >= wanted - 1) return;
    this.#parts.scroller.classList.add("is-held");
    scroller.scrollTop = wanted;
  }

  #countAbove() {
    const top = this.#viewTop();
    for (const node of this.#parts.rows.children) {
      if (this.#above.has(node.dataset.key) && node.getBoundingClientRect().top >= top - 4) this.#above.delete(node.dataset.key);
    }
    this.#parts.above.hidden = this.#above.size === 0;
    say(this.#parts.above, `${this.#above.size} new above`);
  }

  #toTop() {
    const scroller = this.#scroller();
    scroller.scrollTop = scroller === document.scrollingElement ? this.#listTop() + scroller.scrollTop - 120 : 0;
    this.#above.clear();
    this.#countAbove();
  }

  #viewTop() {
    return Math.max(0, this.#parts.scroller.getBoundingClientRect().top);
  }

  #listTop() {
    return this.#parts.rows.getBoundingClientRect().top;
  }

  // One row at a time is in the tab order; j and k go through the others.
  #rove() {
    const buttons = [...this.#parts.rows.querySelectorAll(".row-button")];
    const current = buttons.find((button) => button === document.activeElement)
      ?? buttons.find((button) => button.getAttribute("aria-expanded") === "true") ?? buttons[0];
    for (const button of buttons) attribute(button, "tabindex", button === current ? "0" : "-1");
  }
}

function isBelow(node, top) {
  return node.getBoundingClientRect().bottom > top + 8;
}

function slideIn(node) {
  node.classList.add("enters");
  node.addEventListener("animationend", (event) => event.animationName === "enter" && node.classList.remove("enters"));
}
