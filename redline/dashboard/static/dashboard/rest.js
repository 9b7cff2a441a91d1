// The board's requests. Every one names the org of this page, so that choosing another org in another tab does not
// change what this one shows. Whatever goes wrong is a `Refusal` with a sentence that can be shown as it is.

export class Refusal extends Error {
  constructor({ status, code = "", message, details = {} }) {
    super(message);
    Object.assign(this, { status, code, details });
  }
}

const UNREACHABLE = "The server cannot be reached; nothing was changed.";

export class Rest {
  #page;
  #fetch;

  constructor(page, fetch = globalThis.fetch.bind(globalThis)) {
    this.#page = page;
    this.#fetch = fetch;
  }

  /** Return a list's rows, at most so many pages of them. */
  async list(name, { query, pages }) {
    const rows = [];
    let path = this.#path(`${this.#page.api}/${name}`, query);
    for (let page = 0; path && page < pages; page += 1) {
      const body = await this.#ask(path);
      rows.push(...body.results);
      path = body.next ? relative(body.next) : null;
    }
    return rows;
  }

  get(name, id) {
    return this.#ask(this.#path(`${this.#page.api}/${name}/${encodeURIComponent(id)}`));
  }

  /** Return one row, or null where there is none, or none that one may see. */
  async find(name, id) {
    try {
      return await this.get(name, id);
    } catch (refusal) {
      if (refusal.status === 404) return null;
      throw refusal;
    }
  }

  /** Return what a path of this site answers, for this org. */
  read(path, query) {
    return this.#ask(this.#path(path, query));
  }

  post(path, body = {}) {
    return this.#send("POST", path, body);
  }

  patch(path, body) {
    return this.#send("PATCH", path, body);
  }

  #send(method, path, body) {
    const headers = { "Content-Type": "application/json", "X-CSRFToken": this.#page.csrf };
    return this.#ask(this.#path(`${this.#page.api}/${path}`), { method, headers, body: JSON.stringify(body) });
  }

  #path(path, query = {}) {
    return `${path}?${new URLSearchParams({ org: this.#page.org.id, ...query })}`;
  }

  async #ask(path, options = {}) {
    let response;
    try {
      response = await this.#fetch(path, { credentials: "same-origin", ...options, headers: { Accept: "application/json", ...options.headers } });
    } catch {
      throw new Refusal({ status: 0, message: UNREACHABLE });
    }
    const body = await response.json().catch(() => null);
    if (response.ok && body !== null) return body;
    throw refusalOf(response.status, body?.error);
  }
}

function refusalOf(status, error) {
  const message = error?.message ?? `The server answered ${status}.`;
  return new Refusal({ status, code: error?.code, message, details: error?.details ?? {} });
}

// A page behind a proxy may be told an absolute address with the inner host: only path and query are followed.
function relative(address) {
  const { pathname, search } = new URL(address, "http://board.invalid");
  return pathname + search;
}

/** Return the one sentence that a refusal comes down to, its details included. */
export function sentence(refusal) {
  const told = flat(refusal.details).filter((text) => !refusal.message.includes(text));
  return [refusal.message, ...told].join(" ");
}

function flat(details) {
  if (typeof details === "string") return [details];
  if (Array.isArray(details)) return details.flatMap(flat);
  return details && typeof details === "object" ? Object.values(details).flatMap(flat) : [];
}
