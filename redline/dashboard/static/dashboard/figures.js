// What the charts draw and what their words say, out of the board's minutes. Pure; instants in milliseconds.

import { MINUTE, quantile } from "./minutes.js";
import { lasted, plural } from "./words.js";

const LONGEST = 60 * MINUTE;
const SHORTEST = 10 * MINUTE;

/** Return the stretch that the charts show, [from, to]: an hour, less where the log is not known so far back. */
export function stretchOf(knownFrom, now) {
  const length = Math.min(LONGEST, Math.max(SHORTEST, now - (knownFrom ?? now)));
  return [now - length, now];
}

/** Return [seconds, counts] for a chart; null where nothing is known of a minute, or it is not over. */
export function rateData(minutes, knownFrom, [from, to]) {
  const rows = minutes.counts(from, to);
  return [rows.map(([at]) => at / 1000), rows.map(([at, count]) => (knownFrom !== null && at + MINUTE > knownFrom && at + MINUTE <= to ? count : null))];
}

/** Return [seconds, p50, p99] for a chart, in milliseconds. */
export function latencyData(minutes, [from, to]) {
  const rows = minutes.latencies(from, to);
  return [rows.map(([at]) => at / 1000), rows.map(([, p50]) => atLeastOne(p50)), rows.map(([, , p99]) => atLeastOne(p99))];
}

export function rateWords(minutes, knownFrom, [from, to], clock) {
  const begin = Math.max(from, knownFrom ?? to);
  const rows = minutes.counts(begin, to);
  const total = rows.reduce((sum, [, count]) => sum + count, 0);
  const length = Math.round((to - begin) / MINUTE);
  const last = length > 1 ? `the last ${length} minutes` : "the last minute";
  if (!total) return `None in ${last}.`;
  const [at, most] = rows.reduce((best, row) => (row[1] > best[1] ? row : best));
  return `${total} in ${last}, at most ${most} in one, at ${clock(at)}.`;
}

export function latencyWords(minutes, [from, to]) {
  const samples = minutes.samples(from, to);
  if (!samples.length) return "Not measured yet: it takes events that come while this page is in view.";
  const [half, most] = [quantile(samples, 0.5), quantile(samples, 0.99)].map(lasted);
  return `Half of ${plural(samples.length, "event")} within ${half}, 99 of 100 within ${most}.`;
}

function atLeastOne(milliseconds) {
  return milliseconds === null ? null : Math.max(1, milliseconds); // the scale is logarithmic
}
