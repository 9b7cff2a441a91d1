// The parser path against what the standard says an EventSource does ("9.2.6 Interpreting an event stream").
import assert from "node:assert/strict";
import { test } from "node:test";

import { Messages } from "../../streaming/static/streaming/sse.js";

const bytes = (text) => new TextEncoder().encode(text);
const message = (data, { type = "message", id = null } = {}) => ({ type, data, id });

function read(stream, cuts = []) {
  const got = [];
  const messages = new Messages((one) => got.push(one));
  let from = 0;
  for (const cut of [...cuts, stream.length]) {
    messages.push(stream.subarray(from, cut));
    from = cut;
  }
  return got;
}

const RULES = [
  ["a line feed ends a line", "data: a\n\n", [message("a")]],
  ["a carriage return ends a line", "data: a\r\rdata: b\r\r\n", [message("a"), message("b")]],
  ["both together are one end", "data: a\r\n\r\n", [message("a")]],
  ["line ends may be mixed", "data: a\rdata: b\r\ndata: c\n\n", [message("a\nb\nc")]],
  ["one space after the colon is not part of the value", "data:a\n\ndata:  b\n\n", [message("a"), message(" b")]],
  ["a field may be without a value", "data\n\ndata:\n\n", [message(""), message("")]],
  ["two empty data lines are a line feed", "data\ndata\n\n", [message("\n")]],
  ["an event has its type", "event: x\ndata: 1\n\n", [message("1", { type: "x" })]],
  ["an empty type is message", "event: x\nevent:\ndata: 1\n\n", [message("1")]],
  ["a type lasts for one block", "event: x\n\ndata: 1\n\n", [message("1")]],
  ["nothing without data is dispatched", "event: x\nid: 7\n\n", []],
  ["an id comes with its block", "id: 7\ndata: 1\n\n", [message("1", { id: "7" })]],
  ["an empty id is an id", "id\ndata: 1\n\n", [message("1", { id: "" })]],
  ["an id with NUL is ignored", "id: 7\nid: a\0b\ndata: 1\n\n", [message("1", { id: "7" })]],
  ["a comment is nothing", ": heartbeat\n\n:\ndata: 1\n:x\n\n", [message("1")]],
  ["an unknown field is nothing", "wat: x\ndatas: y\n data: z\ndata: 1\n\n", [message("1")]],
  ["field names are case-sensitive", "Data: 1\nDATA: 2\n\n", []],
  ["a bogus retry is nothing", "retry: soon\nretry: -1\nretry: 1e3\nretry:\ndata: 1\n\n", [message("1")]],
  ["a byte order mark at the beginning is nothing", "\ufeffdata: 1\n\n", [message("1")]],
  ["one in the middle is part of a name", "data: 1\n\n\ufeffdata: 2\n\n", [message("1")]],
  ["of two only the first is nothing", "\ufeff\ufeffdata: 1\n\n", []],
  ["colons after the first are the value's", "data: a:b: c\n\n", [message("a:b: c")]],
  ["other separators end no line", "data: a\u2028b\u0085c\u000bd\n\n", [message("a\u2028b\u0085c\u000bd")]],
  ["a block that nothing ends is not dispatched", "data: 1\n\ndata: 2\n", [message("1")]],
  ["any script, and beyond the basic plane", "data: žluťoučký 日本 🦊\n\n", [message("žluťoučký 日本 🦊")]],
];

for (const [rule, stream, expected] of RULES) {
  test(rule, () => assert.deepEqual(read(bytes(stream)), expected));
}

test("a carriage return ends its block at once, whatever may follow", () => {
  assert.deepEqual(read(bytes("data: 1\r\r")), [message("1")]);
});

test("chunks may be cut at any byte, and at every byte", () => {
  for (const [rule, stream, expected] of RULES) {
    const all = bytes(stream);
    for (let cut = 0; cut <= all.length; cut += 1) assert.deepEqual(read(all, [cut]), expected, `${rule}, cut at ${cut}`);
    assert.deepEqual(read(all, [...all.keys()]), expected, `${rule}, byte by byte`);
  }
});

test("bytes that are no UTF-8 become replacement characters, and harm nothing else", () => {
  const stream = new Uint8Array([...bytes("data: a"), 0xff, 0xc3, ...bytes("\n\ndata: b\n\n")]);
  assert.deepEqual(read(stream), [message("a\ufffd\ufffd"), message("b")]);
});

test("the one difference to a browser: an id in a block without data is not seen", () => {
  assert.deepEqual(read(bytes("id: 7\n\ndata: 1\n\n")), [message("1")]);
});
