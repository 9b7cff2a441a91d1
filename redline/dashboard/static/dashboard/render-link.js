// The words beside the line, and the page's title.

import { attribute, say } from "./element.js";
import { linkWords, plural } from "./words.js";

export class LinkView {
  #root;
  #trace;
  #org;
  #unseen = 0;

  constructor({ root, trace, org }) {
    this.#root = root;
    this.#trace = trace;
    this.#org = org;
    document.addEventListener("visibilitychange", () => this.#seen());
  }

  /** `latency` is how long the newest event took from commit to screen, if that is known; `isPast` what is shown. */
  render(link, { now = Date.now(), latency = null, isPast = false } = {}) {
    const { short, long } = linkWords(link, now, { latency, isPast });
    const [few, many] = this.#root.querySelectorAll("[data-part]");
    say(few, short);
    say(many, long);
    attribute(this.#root, "data-mode", link.mode);
    this.#root.querySelector("[data-again]").hidden = link.mode !== "stopped";
    this.#trace.show(link.mode, { isPast });
  }

  /** Count a change that came while nobody looked, in the tab's title. */
  news() {
    if (!document.hidden) return;
    this.#unseen += 1;
    this.#title();
  }

  #seen() {
    if (document.hidden) return;
    this.#unseen = 0;
    this.#title();
  }

  #title() {
    document.title = `${this.#unseen ? `(${plural(this.#unseen, "change")}) ` : ""}Redline — ${this.#org}`;
  }
}
