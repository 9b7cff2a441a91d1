// What a screen reader is told, a moment later and together with what else came meanwhile.

import { spokenTogether } from "./words.js";

const TOGETHER = 600;

export class Speech {
  #node;
  #sentences = [];

  /** `node` is a polite live region. */
  constructor(node) {
    this.#node = node;
  }

  say(sentence) {
    this.#sentences.push(sentence);
    if (this.#sentences.length > 1) return;
    setTimeout(() => (this.#node.textContent = spokenTogether(this.#sentences.splice(0))), TOGETHER);
  }
}
