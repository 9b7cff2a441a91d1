// How much happened in each minute of the last day, and how long it took to the screen. Pure; instants in milliseconds.
//
// Bounded: 1,440 minutes, and of each at most so many latencies, of which the newest replace the oldest.

export const MINUTE = 60_000;
const MOST = 1_440;
const MOST_SAMPLES = 240;

export class Minutes {
  #counts = new Map();
  #samples = new Map();

  /** Count these entries, [{at}], in place of what was counted since the first of them. */
  recount(entries) {
    const first = entries.length ? minuteOf(entries[0].at) : Infinity;
    for (const minute of [...this.#counts.keys()]) if (minute >= first) this.#counts.delete(minute);
    for (const { at } of entries) this.#counts.set(minuteOf(at), this.count(at) + 1);
    forget(this.#counts);
  }

  add(entries) {
    for (const { at } of entries) this.#counts.set(minuteOf(at), this.count(at) + 1);
    forget(this.#counts);
  }

  sample(at, milliseconds) {
    const minute = minuteOf(at);
    const held = this.#samples.get(minute) ?? { seen: 0, values: [] };
    held.values[held.seen % MOST_SAMPLES] = milliseconds;
    held.seen += 1;
    this.#samples.set(minute, held);
    forget(this.#samples);
  }

  count(at) {
    return this.#counts.get(minuteOf(at)) ?? 0;
  }

  /** Return [[instant, count], …] for each minute of a stretch. */
  counts(from, to) {
    return minutesOf(from, to).map((at) => [at, this.count(at)]);
  }

  /** Return [[instant, p50, p99], …] for each minute of a stretch, null where nothing was measured. */
  latencies(from, to) {
    return minutesOf(from, to).map((at) => {
      const values = this.#samples.get(at)?.values ?? [];
      return [at, quantile(values, 0.5), quantile(values, 0.99)];
    });
  }

  /** Return all that was measured in a stretch. */
  samples(from, to) {
    return minutesOf(from, to).flatMap((at) => this.#samples.get(at)?.values ?? []);
  }
}

/** Return the smallest value that so large a part of them does not exceed; null of none. */
export function quantile(values, part) {
  if (!values.length) return null;
  const order = [...values].sort((a, b) => a - b);
  return order[Math.max(0, Math.ceil(part * order.length) - 1)];
}

function minutesOf(from, to) {
  const found = [];
  for (let at = minuteOf(from); at <= to; at += MINUTE) found.push(at);
  return found;
}

function minuteOf(at) {
  return Math.floor(at / MINUTE) * MINUTE;
}

function forget(map) {
  if (map.size <= MOST) return;
  for (const minute of [...map.keys()].sort((a, b) => a - b).slice(0, map.size - MOST)) map.delete(minute);
}
