// The board: puts the pieces together and nothing else. State in state.js, its looks in render-*.js, the stream in
// feed.js and the hub, requests in rest.js.

import { createHub, createTelemetry } from "../streaming/hub.js";
import { Acts } from "./acts.js";
import { Feed, POLL_EVERY, TYPES } from "./feed.js";
import { Keys } from "./keys.js";
import { CROSSING, Trace } from "./line.js";
import { Menu } from "./menu.js";
import { Refresh } from "./refresh.js";
import { ChangesView } from "./render-changes.js";
import { LinkView } from "./render-link.js";
import { NowView } from "./render-now.js";
import { OpenView } from "./render-open.js";
import { Rest } from "./rest.js";
import { nextVendor, recentEvents, vendorName } from "./selectors.js";
import { snoozeUntil } from "./snooze.js";
import { EMPTY, reduce } from "./state.js";
import { tick } from "./times.js";
import { VendorForm } from "./vendor-form.js";
import { spoken, spokenTogether } from "./words.js";

const LOAD_WITHOUT_STREAM = 1_500;
const SPEAK_TOGETHER = 600;

const page = JSON.parse(document.getElementById("page").textContent);
const part = (id) => document.getElementById(id);
const phone = matchMedia("(max-width: 899px)");

// -- state, and one drawing for all changes of a frame

let drawing = false;
const store = {
  state: EMPTY,
  dispatch(action) {
    store.state = reduce(store.state, action);
    if (drawing) return;
    drawing = true;
    queueMicrotask(draw);
  },
};

const rest = new Rest(page);
const refresh = new Refresh({ rest, store, onRefused: () => feed.stop("unauthenticated") });
const acts = new Acts({ rest, store, refresh });

const trace = new Trace(part("trace"));
const link = new LinkView({ root: part("link"), trace, org: page.org.name });
const changes = new ChangesView({ root: part("changes"), people: page.people, onOpen: (id) => (store.state.open === id ? close() : open(id)) });
const reading = new OpenView({ root: part("open"), people: page.people });
const now = new NowView(part("now"));
const vendorForm = new VendorForm({ dialog: part("add-vendor"), rest, onAdded: () => refresh.list("vendors") });

function draw() {
  drawing = false;
  changes.render(store.state, nextVendor(store.state));
  reading.render(store.state, locked());
  now.render(store.state);
  document.body.classList.toggle("is-reading", store.state.open !== null);
  for (const id of ["list", "now"]) part(id).inert = phone.matches && store.state.open !== null;
}

function locked() {
  if (!page.user.mayAct) return "You are a viewer here: you can read, not act.";
  if (feed.link.mode === "offline") return "Offline: acting needs the server.";
  if (feed.link.mode === "stopped") return "Stopped: acting needs the server; reload the page.";
  return "";
}

// -- the stream

const hub = createHub({
  url: `${page.stream}?${new URLSearchParams({ org: page.org.id })}`,
  types: TYPES,
  fallback: { every: POLL_EVERY },
  share: `${page.user.id}/${page.org.id}`,
});
createTelemetry().watch(hub);

const feed = new Feed({
  hub,
  onLink: (state) => {
    link.render(state);
    reading.render(store.state, locked());
  },
  onFresh: load,
  onEvent: (event, { at, news }) => {
    if (event.data.oversize) return void refresh.all();
    refresh.event({ type: "event", event, at: new Date(at).toISOString(), news });
    if (news) told(event, at);
  },
});

async function load() {
  const isFirst = store.state.loaded.size === 0;
  await refresh.all();
  if (isFirst) for (const { event, at } of recentEvents(store.state, Date.now() - CROSSING)) trace.pulse(event, at);
}

function told(event, at) {
  trace.pulse(event, at);
  if (event.type === "change.detected") link.news();
  const sentence = spoken(event, (id) => vendorName(store.state, id));
  if (sentence) speak(sentence);
}

const sentences = [];
function speak(sentence) {
  sentences.push(sentence);
  if (sentences.length > 1) return;
  setTimeout(() => (part("spoken").textContent = spokenTogether(sentences.splice(0))), SPEAK_TOGETHER);
}

// -- opening and closing

function open(id) {
  Menu.close();
  store.dispatch({ type: "open", id });
  draw();
  history.replaceState(null, "", `#${id}`);
  if (phone.matches) part("close").focus();
  else changes.focusOn(id);
}

function close() {
  const id = store.state.open;
  if (id === null) return false;
  store.dispatch({ type: "close" });
  draw();
  history.replaceState(null, "", location.pathname + location.search);
  changes.focusOn(id);
  return true;
}

function step(by) {
  const id = changes.move(by);
  if (id && store.state.open !== null && id !== store.state.open) open(id);
}

// -- acting

const menus = { snoozed: new Menu(part("snooze")), resolved: new Menu(part("resolve")) };

function act(to, body) {
  if (locked()) return;
  const id = store.state.open ?? changes.focused();
  if (!id) return;
  if (store.state.open !== id) open(id);
  if (!body && menus[to]) return menus[to].open();
  acts.move(id, to, body ?? {});
}

for (const button of document.querySelectorAll("[data-to]:not([aria-haspopup])")) {
  button.addEventListener("click", () => button.getAttribute("aria-disabled") !== "true" && act(button.dataset.to));
}
for (const button of document.querySelectorAll("[data-snooze], [data-resolution]")) {
  button.addEventListener("click", () => {
    const note = button.closest(".menu").querySelector("input");
    const body = button.dataset.snooze ? { untilAt: snoozeUntil(button.dataset.snooze, new Date()) } : { resolution: button.dataset.resolution };
    if (note.value.trim()) body.note = note.value.trim();
    note.value = "";
    Menu.close();
    act(button.dataset.snooze ? "snoozed" : "resolved", body);
  });
}

// -- the frame

part("close").addEventListener("click", close);
for (const button of document.querySelectorAll("[data-add]")) button.addEventListener("click", () => vendorForm.open());
part("org")?.addEventListener("change", (event) => event.target.form.requestSubmit());
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}
part("keys-button").addEventListener("click", () => part("keys").showModal());

new Keys(
  {
    j: () => step(1),
    k: () => step(-1),
    a: () => act("acknowledged"),
    s: () => act("in-progress"),
    z: () => act("snoozed"),
    r: () => act("resolved"),
    "?": () => part("keys").showModal(),
    Escape: () => Menu.close() || close(),
  },
  part("keys-on"),
);

phone.addEventListener("change", draw);
setInterval(() => {
  tick(document);
  now.tick();
  link.render(feed.link);
}, 1_000);

draw();
if (/^#chg_[\w-]+$/.test(location.hash)) store.dispatch({ type: "open", id: location.hash.slice(1) });
feed.start();
setTimeout(() => store.state.loaded.size || load(), LOAD_WITHOUT_STREAM);
