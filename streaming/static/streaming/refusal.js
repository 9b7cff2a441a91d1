// An answer that is no answer: its status (0: none came), what it said of when to come back, and why.

export class Refusal extends Error {
  constructor({ status, retryMs = null, reason = null }) {
    super(status ? `the server answered ${status}` : "the server did not answer");
    Object.assign(this, { status, retryMs, reason });
  }
}

/** Make one of a response; `now` dates a Retry-After that is an instant. */
export async function refusalOf(response, now) {
  const body = await response.json().catch(() => null);
  const reason = body?.error?.details?.reason ?? body?.error?.code ?? null;
  return new Refusal({ status: response.status, retryMs: retryMs(response.headers.get("Retry-After"), now), reason });
}

/** Read Retry-After: seconds or an instant. Return milliseconds, or null where there is nothing to be read. */
export function retryMs(text, now) {
  if (!text) return null;
  if (/^\d+$/.test(text)) return Number(text) * 1_000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}
