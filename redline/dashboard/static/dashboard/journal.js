// What the stream said while a load was under way, so that an older answer cannot undo a newer event.
//
// A REST answer holds everything that was committed before its request, and may or may not hold what came after. So:
// `begin` before the request, put the answer in place, apply again what `end` returns. Events set, so those that the
// answer already held do no harm. Nothing is kept while no load is under way.

export class Journal {
  #events = [];
  #dropped = 0;
  #marks = new Map();
  #next = 0;

  record(event) {
    if (this.#marks.size) this.#events.push(event);
  }

  /** Return a mark for a load that starts now. */
  begin() {
    const mark = this.#next++;
    this.#marks.set(mark, this.#dropped + this.#events.length);
    return mark;
  }

  /** Return the events since the mark, in order, and forget what no other load needs. */
  end(mark) {
    const events = this.#events.slice(this.#marks.get(mark) - this.#dropped);
    this.#marks.delete(mark);
    const needed = Math.min(this.#dropped + this.#events.length, ...this.#marks.values());
    this.#events.splice(0, needed - this.#dropped);
    this.#dropped = needed;
    return events;
  }

  get length() {
    return this.#events.length;
  }
}
