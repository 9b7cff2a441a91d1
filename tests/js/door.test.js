// hub.d.ts against hub.js: what the one declares, the other has.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import * as door from "../../streaming/static/streaming/hub.js";
import { environment } from "./fakes.js";

const declared = await readFile(new URL("../../streaming/static/streaming/hub.d.ts", import.meta.url), "utf8");
const named = (text, pattern) => [...text.matchAll(pattern)].map(([, name]) => name);
const body = (name) => new RegExp(`export interface ${name} \\{\\n([^]*?)\\n\\}`).exec(declared)[1];

test("every function is declared, and every declared one is there", () => {
  assert.deepEqual(named(declared, /^export function (\w+)/gm).sort(), Object.keys(door).sort());
});

test("every member of a hub is declared, and every declared one is there", () => {
  const hub = door.createHub({ url: "/" }, environment().env);
  const members = Object.getOwnPropertyNames(Object.getPrototypeOf(hub)).filter((name) => name !== "constructor");
  assert.deepEqual([...new Set(named(body("Hub"), /^ {2}(?:readonly )?(\w+)/gm))].sort(), members.sort());
});

test("every field of its health is declared, and every declared one is there", () => {
  const hub = door.createHub({ url: "/" }, environment().env);
  assert.deepEqual(named(body("Health"), /^ {2}readonly (\w+)/gm).sort(), Object.keys(hub.health).sort());
});
