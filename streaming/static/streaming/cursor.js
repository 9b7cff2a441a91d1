// Which of two positions in a log lies further on.
//
// To other clients a cursor is opaque. This one ships with the server that writes it, and it only ever compares: it
// makes no cursor of its own. What does not look like one, or belongs to another log, compares with nothing.

const FORM = /^([0-9a-z]{1,16})\.(0|[1-9][0-9]{0,17})\.[0-9a-f]{8}$/;

/** Tell whether whoever stands at `cursor` has everything up to `id`. */
export function covers(cursor, id) {
  const held = FORM.exec(cursor ?? "");
  const asked = FORM.exec(id ?? "");
  return held !== null && asked !== null && held[1] === asked[1] && BigInt(held[2]) >= BigInt(asked[2]);
}
