// A difference in words, ready to read: pure lists of [op, text], `op` being equal, insert or delete.

const AROUND = 160;

/** Return the ops of a change; where the server has none, the whole of before and after. */
export function opsOf({ ops = [], before = "", after = "" }) {
  if (ops.length) return ops;
  return [["delete", before], ["insert", after]].filter(([, text]) => text);
}

/** Shorten what is equal to its ends next to a difference, cut at spaces; differences are never shortened. */
export function excerpt(ops, around = AROUND) {
  return ops.map(([op, text], index) => {
    if (op !== "equal") return [op, text];
    const head = index > 0 ? around : 0;
    const tail = index < ops.length - 1 ? around : 0;
    if (text.length <= head + tail + 8) return [op, text];
    return [op, `${head ? upTo(text, head) : ""} … ${tail ? from(text, tail) : ""}`];
  });
}

export function isShortened(ops) {
  return excerpt(ops).some(([, text], index) => text !== ops[index][1]);
}

/** Move the space at the ends of a difference out of it, and put one between what went and what came in its place. */
export function spread(ops) {
  const parts = ops.flatMap(([op, text]) => {
    if (op === "equal" || !text.trim()) return [[op, text]];
    const [, before, words, after] = /^(\s*)([^]*?)(\s*)$/.exec(text);
    return [["equal", before], [op, words], ["equal", after]].filter(([, part]) => part);
  });
  return parts.flatMap((part, index) => {
    const previous = parts[index - 1];
    const touches = previous && previous[0] !== "equal" && part[0] !== "equal";
    return touches ? [["equal", " "], part] : [part];
  });
}

function upTo(text, length) {
  const cut = text.lastIndexOf(" ", length);
  return text.slice(0, cut > length / 2 ? cut : length);
}

function from(text, length) {
  const cut = text.indexOf(" ", text.length - length);
  return text.slice(cut === -1 || cut > text.length - length / 2 ? text.length - length : cut + 1);
}
