// <redline-stream url="/v1/stream" types="change.detected, run.stage"></redline-stream>
//
// A stream as an element. Each event is a DOM event of its type that bubbles, with the event as `detail`; besides
// `stream-health`, `stream-reset` and `stream-fresh`. It says how the stream is doing in words, in a polite live region
// that changes only when the state does. `share="…"` as in createHub; other options (auth, fallback) go into the
// property `options` before the element is connected. It runs while it is in the document.

import { createHub, healthPhrase } from "./hub.js";

export class StreamElement extends HTMLElement {
  static observedAttributes = ["url", "types", "share"];

  options = {};
  #hub = null;
  #words = null;

  get hub() {
    return this.#hub;
  }

  connectedCallback() {
    this.#show();
    this.#begin();
  }

  disconnectedCallback() {
    this.#end();
  }

  attributeChangedCallback() {
    if (this.#hub === null) return;
    this.#end();
    this.#begin();
  }

  #show() {
    if (this.#words) return;
    this.#words = document.createElement("span");
    this.#words.setAttribute("role", "status");
    this.#words.setAttribute("aria-live", "polite");
    this.#words.part = "health";
    this.attachShadow({ mode: "open" }).append(this.#words);
  }

  #begin() {
    const types = (this.getAttribute("types") ?? "").split(/[\s,]+/).filter(Boolean);
    const url = this.getAttribute("url");
    if (!url || types.length === 0) return;
    const hub = (this.#hub = createHub({ url, types, share: this.getAttribute("share"), ...this.options }));
    hub.onHealth((health) => this.#changed(health));
    hub.onReset((reason) => this.#dispatch("stream-reset", reason));
    hub.subscribe(types, (event) => this.#dispatch(event.type, event), { onFresh: () => this.#dispatch("stream-fresh", null) });
    hub.start();
    this.#say(healthPhrase(hub.health));
  }

  #end() {
    this.#hub?.stop();
    this.#hub = null;
  }

  #changed(health) {
    this.#dispatch("stream-health", health);
    this.#say(healthPhrase(health));
  }

  #say(words) {
    if (this.#words.textContent !== words) this.#words.textContent = words;
  }

  #dispatch(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}

customElements.define("redline-stream", StreamElement);
