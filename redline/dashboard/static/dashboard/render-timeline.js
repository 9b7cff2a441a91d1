// The time line at the foot, and the banner that says that the board shows the past.
//
// The slider counts seconds from the beginning of its stretch. The stretch moves on with the time, but never under a
// hand that is dragging.

import { attribute, say } from "./element.js";
import { marksOf, pastWords, pathOf, positionWords, stretchOf } from "./scrubber.js";
import { clockTime } from "./times.js";

const SVG = "http://www.w3.org/2000/svg";

export class TimelineView {
  #parts;
  #banner;
  #travel;
  #tape;
  #minutes;
  #clock;
  #stretch = null;
  #isDragging = false;

  constructor({ root, banner, travel, tape, minutes, clock }) {
    const find = (name) => root.querySelector(`[data-part="${name}"]`);
    this.#parts = Object.fromEntries(["track", "rate", "hours", "slider", "live"].map((name) => [name, find(name)]));
    this.#parts.plays = [...root.querySelectorAll("[data-rate]")];
    this.#banner = Object.fromEntries(["as-of", "covers", "back"].map((name) => [name, banner.querySelector(`[data-part="${name}"]`)]));
    this.#banner.root = banner;
    this.#travel = travel;
    this.#tape = tape;
    this.#minutes = minutes;
    this.#clock = clock;
    this.#listen();
    new ResizeObserver(() => this.#drawTrack()).observe(this.#parts.track);
  }

  focus() {
    this.#parts.slider.focus();
  }

  render() {
    const now = this.#clock.now();
    if (!this.#isDragging) this.#stretch = stretchOf(this.#tape.from ?? now, now);
    this.#renderSlider(now);
    this.#renderButtons();
    this.#renderBanner(now);
    this.#drawTrack();
  }

  #listen() {
    const { slider, live, plays } = this.#parts;
    slider.addEventListener("pointerdown", () => (this.#isDragging = true));
    for (const end of ["pointerup", "pointercancel"]) {
      addEventListener(end, () => {
        if (!this.#isDragging) return;
        this.#isDragging = false;
        this.render();
      });
    }
    slider.addEventListener("input", () => {
      const isEnd = slider.value === slider.max;
      if (isEnd) this.#travel.back();
      else this.#travel.seek(this.#stretch.from + Number(slider.value) * 1000);
      this.render();
    });
    for (const button of [live, this.#banner.back]) button.addEventListener("click", () => this.#travel.back());
    for (const button of plays) {
      button.addEventListener("click", () => {
        const rate = Number(button.dataset.rate);
        this.#travel.play(this.#travel.rate === rate ? 0 : rate);
      });
    }
  }

  #renderSlider(now) {
    const { slider } = this.#parts;
    const { from, to, step } = this.#stretch;
    const at = this.#travel.at;
    attribute(slider, "step", String(step / 1000));
    attribute(slider, "max", String(Math.round((to - from) / 1000)));
    slider.disabled = this.#tape.from === null;
    if (!this.#isDragging) slider.value = at === null ? slider.max : String((at - from) / 1000);
    const count = at === null ? 0 : this.#minutes.count(at);
    attribute(slider, "aria-valuetext", positionWords(at, { now, count, clock: clockTime }));
  }

  #renderButtons() {
    const { isPast, rate } = this.#travel;
    attribute(this.#parts.live, "aria-pressed", String(!isPast));
    for (const button of this.#parts.plays) {
      attribute(button, "aria-pressed", String(rate === Number(button.dataset.rate)));
      attribute(button, "aria-disabled", String(!isPast));
      attribute(button, "title", isPast ? "" : "Go back on the time line first; then it plays from there.");
    }
  }

  #renderBanner(now) {
    const { at, isPast, rate, meanwhile } = this.#travel;
    this.#banner.root.hidden = !isPast;
    if (!isPast) return;
    const words = pastWords({ at, now, rate, meanwhile, from: this.#tape.from, isWhole: this.#tape.isWhole, clock: clockTime });
    say(this.#banner["as-of"], words.asOf);
    say(this.#banner.covers, words.covers);
  }

  #drawTrack() {
    if (!this.#stretch) return;
    const { track, rate, hours } = this.#parts;
    const { width, height } = track.getBoundingClientRect();
    if (!width) return;
    attribute(track, "viewBox", `0 0 ${width} ${height}`);
    const counts = this.#tape.from === null ? [] : this.#minutes.counts(Math.max(this.#stretch.from, this.#tape.from), this.#stretch.to);
    attribute(rate, "d", pathOf(counts, this.#stretch, { width, height: height - 16 }));
    hours.replaceChildren(...marksOf(this.#stretch, width).flatMap(({ at, x }) => mark(x, height, clockTime(at))));
  }
}

function mark(x, height, words) {
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", `M${x} 0V${height - 14}`);
  const text = document.createElementNS(SVG, "text");
  for (const [name, value] of Object.entries({ x, y: height - 2, "text-anchor": "middle" })) text.setAttribute(name, String(value));
  text.textContent = words;
  return [line, text];
}
