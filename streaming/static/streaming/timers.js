// Timers by name: setting one anew replaces it, and all can be taken back at once.

export class Timers {
  #clock;
  #set = new Map();

  constructor(clock) {
    this.#clock = clock;
  }

  set(name, callback, wait) {
    this.clear(name);
    const timer = this.#clock.set(() => {
      this.#set.delete(name);
      callback();
    }, wait);
    this.#set.set(name, timer);
  }

  has(name) {
    return this.#set.has(name);
  }

  clear(...names) {
    for (const name of names) {
      if (this.#set.has(name)) this.#clock.clear(this.#set.get(name));
      this.#set.delete(name);
    }
  }

  clearAll() {
    this.clear(...this.#set.keys());
  }
}
