// Times on the page: relative and ticking, absolute on hover and focus (the style sheet shows `data-absolute`).

import { ago, until } from "./words.js";

let told = () => Date.now();

/** Let times be told by another clock: the server's, or that of the past. */
export function goBy(clock) {
  told = clock;
}

/** Return what time it is on the board. */
export function boardTime() {
  return told();
}

const ABSOLUTE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** Make a <time> say how long ago, or with `ahead` how long until, an instant is. */
export function stamp(node, at, { ahead = false } = {}) {
  const instant = new Date(at);
  if (!at || Number.isNaN(Number(instant))) {
    node.removeAttribute("data-at");
    node.textContent = "";
    return node;
  }
  node.dateTime = instant.toISOString();
  node.dataset.at = String(Number(instant));
  node.dataset.absolute = absolute(instant);
  node.dataset.ahead = ahead ? "1" : "";
  write(node, boardTime());
  return node;
}

export function absolute(instant) {
  return ABSOLUTE.format(new Date(instant));
}

/** Return the clock time of an instant of the last day, else day and clock time. */
export function clockTime(at) {
  const instant = new Date(at);
  const clock = instant.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  const isRecent = Math.abs(boardTime() - Number(instant)) < 18 * 3_600_000;
  return isRecent ? clock : `${instant.toLocaleDateString(undefined, { day: "numeric", month: "short" })}, ${clock}`;
}

/** Bring every time under `root` up to date. */
export function tick(root, now = boardTime()) {
  for (const node of root.querySelectorAll("time[data-at]")) write(node, now);
}

function write(node, now) {
  const text = node.dataset.ahead ? until(node.dataset.at, now) : ago(node.dataset.at, now);
  if (node.textContent !== text) node.textContent = text;
}
