// The signature: one red line, drawn as a trace. Each event is a pulse, as tall as it is grave, that enters at the
// right and wanders left for a minute; without events the line is calm. Solid is live, dashed recovering, dotted
// polling, grey offline: that is the style sheet's part, by the class that `show` sets.
//
// Frames are drawn only while a pulse is on its way, and none where the reader wants no motion: there the line is
// redrawn at each event.

export const CROSSING = 60_000;
const CLEARANCE = 13; // pixels between two pulses that can still be told apart
const BASE = 0.72; // where the calm line lies, from the top

const SEVERITY = { P1: 1, P2: 0.66, P3: 0.4 };

/** Return how tall an event's pulse is, from 0 to 1. */
export function heightOf({ type, data }) {
  if (type === "change.detected") return SEVERITY[data.severity] ?? 0.4;
  if (type === "change.stateChanged" || type === "org.entitlements.changed") return 0.28;
  if (type === "action.delivered") return data.status === "failed" ? 0.34 : 0.22;
  if (type === "run.stage" && data.status === "failed") return 0.34;
  return 0.13;
}

/** Return the path of the line with its pulses, `pulses` being [{at, height}] in order of time. */
export function pathOf(pulses, { now, width, height }) {
  const base = round(height * BASE);
  const drawn = spaced(pulses.map((pulse) => ({ ...pulse, x: width * (1 - (now - pulse.at) / CROSSING) - CLEARANCE / 2 })), width);
  const parts = [`M0 ${base}`];
  for (const { x, height: share } of drawn) {
    const up = round(base * 0.94 * share);
    const down = round(Math.min(height - base - 1, up * 0.45));
    parts.push(`H${round(x - 6)}l2 ${round(down * 0.3)}l3 ${-round(up + down * 0.3)}l4 ${round(up + down)}l3 ${-round(down)}`);
  }
  return `${parts.join("")}H${round(width)}`;
}

// Six stages of one run end within a few milliseconds: where pulses would overlap, the tallest speaks for them.
function spaced(pulses, width) {
  const kept = [];
  for (const pulse of pulses) {
    if (pulse.x < 8 || pulse.x > width) continue;
    const before = kept.at(-1);
    if (!before || pulse.x - before.x >= CLEARANCE) kept.push(pulse);
    else if (pulse.height > before.height) kept[kept.length - 1] = { ...before, height: pulse.height };
  }
  return kept;
}

function round(number) {
  return Math.round(number * 10) / 10;
}

export class Trace {
  #svg;
  #paths;
  #pulses = [];
  #frame = null;
  #still = matchMedia("(prefers-reduced-motion: reduce)");

  constructor(svg) {
    this.#svg = svg;
    this.#paths = svg.querySelectorAll("path");
    new ResizeObserver(() => this.#draw()).observe(svg);
  }

  /** Show an event; `at` may lie back, for what happened shortly before the page was opened. */
  pulse(event, at = Date.now()) {
    this.#pulses.push({ at, height: heightOf(event) });
    this.#pulses.sort((a, b) => a.at - b.at);
    this.#run();
  }

  /** Draw the line as the stream is; hollow where the board shows the past. */
  show(mode, { isPast = false } = {}) {
    this.#svg.setAttribute("class", `trace trace-${mode}${isPast ? " is-past" : ""}`);
  }

  #run() {
    if (this.#still.matches) this.#draw();
    else this.#frame ??= requestAnimationFrame(() => this.#step());
  }

  #step() {
    this.#frame = null;
    this.#draw();
    if (this.#pulses.length) this.#run();
  }

  #draw() {
    const now = Date.now();
    const { width, height } = this.#svg.getBoundingClientRect();
    this.#pulses = this.#pulses.filter((pulse) => now - pulse.at < CROSSING);
    this.#svg.setAttribute("viewBox", `0 0 ${Math.max(1, width)} ${Math.max(1, height)}`);
    const path = pathOf(this.#pulses, { now, width, height });
    for (const node of this.#paths) node.setAttribute("d", path);
  }
}
