// Those who want to be told of one thing. One that throws is reported and harms nobody else.

export class Listeners {
  #all = new Set();

  /** Return the function that takes it off again. */
  add(listener) {
    const entry = { listener };
    this.#all.add(entry);
    return () => void this.#all.delete(entry);
  }

  tell(...told) {
    for (const { listener } of [...this.#all]) safely(listener, ...told);
  }
}

export function safely(listener, ...told) {
  try {
    listener(...told);
  } catch (error) {
    report(error);
  }
}

function report(error) {
  if (typeof reportError === "function") reportError(error);
  else console.error(error);
}
