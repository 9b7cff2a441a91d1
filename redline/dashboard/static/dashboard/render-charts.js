// Two small charts, events a minute and the time from commit to screen, each with its words beside it.
//
// uPlot draws on a canvas, which knows no style sheet: its colours are read from the place that it stands in, and read
// again when the theme changes.

import { attribute, say } from "./element.js";
import { latencyData, latencyWords, rateData, rateWords, stretchOf } from "./figures.js";
import { boardTime, clockTime } from "./times.js";
import uPlot from "./vendor/uplot/uPlot.esm.js";

const HEIGHT = 72;
const FONT = "11px system-ui, sans-serif";

export class ChartsView {
  #minutes;
  #chronicle;
  #rate;
  #latency;

  constructor({ root, minutes, chronicle }) {
    this.#minutes = minutes;
    this.#chronicle = chronicle;
    this.#rate = new Chart(root.querySelector('[data-part="rate"]'), [{ role: "ink", fill: true }]);
    this.#latency = new Chart(root.querySelector('[data-part="latency"]'), [{ role: "ink" }, { role: "dim", dash: [4, 3] }], { isLogarithmic: true });
  }

  render() {
    const from = this.#chronicle.since;
    const stretch = stretchOf(from, boardTime());
    this.#rate.show(rateData(this.#minutes, from, stretch), rateWords(this.#minutes, from, stretch, clockTime));
    this.#latency.show(latencyData(this.#minutes, stretch), latencyWords(this.#minutes, stretch));
  }
}

class Chart {
  #place;
  #words;
  #plot;

  constructor(figure, series, { isLogarithmic = false } = {}) {
    this.#place = figure.querySelector(".plot");
    this.#words = figure.querySelector("figcaption");
    this.#plot = new uPlot(this.#options(series, isLogarithmic), [[], ...series.map(() => [])], this.#place);
    attribute(this.#plot.root, "aria-hidden", "true");
    new ResizeObserver(() => this.#fit()).observe(this.#place);
    new MutationObserver(() => this.#plot.redraw()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#plot.redraw());
  }

  show(data, words) {
    say(this.#words, words);
    this.#place.hidden = !data.slice(1).flat().some((value) => value !== null);
    this.#plot.setData(data);
  }

  #fit() {
    const { width } = this.#place.getBoundingClientRect();
    if (width && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
  }

  #options(series, isLogarithmic) {
    const axis = { stroke: () => this.#colour("dim"), font: FONT, ticks: { show: false } };
    return {
      width: this.#place.getBoundingClientRect().width || 320,
      height: HEIGHT,
      padding: [8, 16, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: { y: isLogarithmic ? { distr: 3 } : { range: { min: { pad: 0, soft: 0, mode: 1 }, max: { pad: 0.1, soft: 4, mode: 1 } } } },
      axes: [
        { ...axis, size: 20, gap: 6, grid: { show: false }, space: 56, values: (_, seconds) => seconds.map((at) => clockTime(at * 1000)) },
        { ...axis, size: isLogarithmic ? 44 : 32, gap: 4, space: 22, grid: { stroke: () => this.#colour("rule"), width: 1 }, splits: isLogarithmic ? powers : undefined, values: (_, values) => values.map(isLogarithmic ? lasting : short) },
      ],
      series: [
        {},
        ...series.map(({ role, dash, fill }) => ({
          stroke: () => this.#colour(role),
          fill: fill ? () => this.#colour("wash") : undefined,
          width: 1.5,
          dash,
          points: { size: 4, width: 0, fill: () => this.#colour(role) },
        })),
      ],
    };
  }

  // The place carries each colour under a property that has a plain value, for `--ink` itself is still `light-dark(…)`.
  #colour(role) {
    return getComputedStyle(this.#place)[{ ink: "color", dim: "caretColor", rule: "borderTopColor", wash: "outlineColor" }[role]];
  }
}

function powers(_, __, least, most) {
  return [1, 10, 100, 1_000, 10_000, 100_000].filter((value) => value >= least && value <= most);
}

function lasting(value) {
  return value >= 1_000 ? `${value / 1_000} s` : `${value} ms`;
}

function short(value) {
  if (value === null) return "";
  return value >= 1_000 ? `${value / 1_000}k` : String(value);
}
