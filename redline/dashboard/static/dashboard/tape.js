// The newest stretch of the org's log, read page by page from the stream's polling twin and read on from there.
//
//     entries   [{id, at, emittedAt, event: {type, data}}], the oldest first; a new array at each change
//     from      since when nothing is missing, null before the first reading
//     isWhole   whether that is all that the log still keeps
//
// `at` never goes back, so that an instant has one place; `emittedAt` is the entry's own, which may differ a little,
// for transactions overlap. A tape holds a day and at most so many entries: what is older falls off.

const PAGE = 500;
const LONGEST = 24 * 3_600_000;
const NEIGHBOURS = 3; // entries that one may not see look like ones that are not there; not so many in a row

export class Tape {
  #rest;
  #path;
  #most;
  #now;
  #cursor = null;
  #reading = null;
  entries = [];
  from = null;
  isWhole = false;

  /** `path` is the stream's. */
  constructor({ rest, path, most, now }) {
    this.#rest = rest;
    this.#path = path;
    this.#most = most;
    this.#now = now;
  }

  /** Read what is new, at first as much as a tape holds; return the new entries. */
  follow() {
    return this.#oneAfterAnother(() => (this.#cursor === null ? this.#readAll() : this.#readOn()));
  }

  /** Hold up to so many entries from now on, reading anew if the log has more. */
  deepen(most) {
    return this.#oneAfterAnother(async () => {
      const isEnough = this.isWhole || most <= this.#most;
      this.#most = Math.max(most, this.#most);
      if (!isEnough) await this.#readAll();
    });
  }

  /** Forget everything: the log was replaced. */
  rewind() {
    Object.assign(this, { entries: [], from: null, isWhole: false });
    this.#cursor = null;
  }

  // A reading that fails leaves the tape as it was; the next one does not wait for its reasons.
  #oneAfterAnother(read) {
    const turn = Promise.resolve(this.#reading).then(read, read);
    this.#reading = turn;
    return turn;
  }

  async #readAll() {
    const start = await this.#start();
    const { entries, cursor } = await this.#pages(start, 0);
    this.#put(entries, cursor, { from: entries[0]?.at ?? this.#now(), isWhole: start === "0" });
    return this.entries;
  }

  async #readOn() {
    try {
      const { entries, cursor } = await this.#pages(this.#cursor, this.entries.at(-1)?.at ?? 0);
      this.#put([...this.entries, ...entries], cursor, this);
      return entries;
    } catch (refusal) {
      if (refusal.status !== 410) throw refusal;
      this.rewind(); // the log was replaced, or has been cut above the cursor
      return this.#readAll();
    }
  }

  #put(entries, cursor, { from, isWhole }) {
    const oldest = this.#now() - LONGEST;
    const surplus = entries.length - this.#most;
    const late = entries.filter((entry) => entry.at < oldest).length;
    const cut = Math.max(0, surplus, late);
    this.entries = cut ? entries.slice(cut) : entries;
    this.from = surplus > late && surplus > 0 ? this.entries[0].at : Math.max(from, oldest);
    this.isWhole = isWhole && cut === 0;
    this.#cursor = cursor;
  }

  async #pages(cursor, at) {
    let entries = [];
    for (;;) {
      const page = await this.#rest.read(`${this.#path}/poll`, { after: cursor, limit: PAGE });
      for (const { id, event, data, emittedAt } of page.events) {
        const instant = Date.parse(emittedAt);
        at = Math.max(at, instant);
        entries.push({ id, at, emittedAt: instant, event: { type: event, data } });
      }
      if (entries.length > 2 * this.#most) entries = entries.slice(-this.#most);
      cursor = page.cursor;
      if (!page.hasMore) return { entries, cursor };
    }
  }

  // The cursor behind which at most so many entries are left; "0" where the log has no more than that. To other clients
  // a cursor is opaque; this page ships with the server that writes it, and takes from it only where to look.
  async #start() {
    const { events } = await this.#rest.read(`${this.#path}/poll`, { after: "0", limit: 1 });
    const { cursor: head } = await this.#rest.read(`${this.#path}/poll`, {});
    const wanted = sequenceOf(head) - this.#most;
    if (!events.length || !(wanted > events[0].sequence)) return "0";
    return (await this.#entry(wanted))?.id ?? "0";
  }

  async #entry(sequence) {
    for (let next = sequence; next < sequence + NEIGHBOURS; next += 1) {
      const entry = await this.#rest.find("events", next);
      if (entry) return entry;
    }
    return null;
  }
}

function sequenceOf(cursor) {
  return Number(cursor.split(".")[1]);
}
