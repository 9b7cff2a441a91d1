// What the time line shows of a stretch of time: how far it goes, its drawn line, its hour marks, its words. Pure;
// instants and lengths of time in milliseconds, places in pixels.

import { ago, plural } from "./words.js";

const MINUTE = 60_000;
const SHORTEST = 2 * MINUTE;
const STEPS = [1_000, 5_000, 15_000, 30_000, 60_000];
const MARKS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360].map((minutes) => minutes * MINUTE);
const APART = 76;

/** Return {from, to, step}: the stretch, and how far one key press goes; whole steps, so that its end can be reached. */
export function stretchOf(from, now) {
  const length = Math.max(SHORTEST, now - from);
  const step = STEPS.find((one) => length / one <= 600) ?? STEPS.at(-1);
  return { from: now - Math.ceil(length / step) * step, to: now, step };
}

/** Return the path of a line through the counts of `minutes`, [[instant, count], …], that are over. */
export function pathOf(minutes, { from, to }, { width, height }) {
  const most = Math.max(4, ...minutes.map(([, count]) => count));
  const x = (at) => round((width * (at + MINUTE / 2 - from)) / (to - from));
  const y = (count) => round(height - 1 - ((height - 4) * count) / most);
  const inside = minutes.filter(([at]) => at + MINUTE > from && at + MINUTE <= to);
  if (!inside.length) return `M0 ${height - 1}H${round(width)}`;
  return inside.map(([at, count], index) => `${index ? "L" : `M0 ${y(count)}L`}${Math.min(width, Math.max(0, x(at)))} ${y(count)}`).join("") + `H${round(width)}`;
}

/** Return the marks, [{x, at}], at full minutes of the reader's clock, as many as have room. */
export function marksOf({ from, to }, width, zone = (at) => new Date(at).getTimezoneOffset() * MINUTE) {
  const every = MARKS.find((one) => (width * one) / (to - from) >= APART) ?? MARKS.at(-1);
  const offset = zone(to);
  const marks = [];
  for (let at = Math.ceil((from - offset) / every) * every + offset; at < to; at += every) {
    const x = round((width * (at - from)) / (to - from));
    if (x > APART / 3 && x < width - APART / 3) marks.push({ at, x });
  }
  return marks;
}

/** Say where the slider stands: "09:38, 2 h ago, 14 events in that minute", or "Live". */
export function positionWords(at, { now, count, clock }) {
  if (at === null) return "Live";
  const age = now - at < MINUTE ? "less than a minute" : ago(at, now); // nobody wants to hear seconds being counted
  return `${clock(at)}, ${age} ago, ${plural(count, "event")} in that minute`;
}

/** Say what instant the board shows, what came meanwhile, and how far what it shows is known: {asOf, covers}. */
export function pastWords({ at, now, rate, meanwhile, from, isWhole, clock }) {
  const worst = meanwhile.filter((severity) => severity === "P1").length;
  const news = meanwhile.length ? ` ${plural(meanwhile.length, "new change")} meanwhile${worst ? `, ${worst} of them P1` : ""}.` : "";
  const pace = rate ? `, played at ${rate}×` : "";
  const covers = `The log ${isWhole ? "begins at" : "is read back to"} ${clock(from)}; what is older, and vendors, are as today’s records have them.`;
  return { asOf: `As of ${clock(at)}, ${ago(at, now)} ago${pace}.${news}`, covers };
}

function round(number) {
  return Math.round(number * 10) / 10;
}
