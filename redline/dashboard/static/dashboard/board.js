// The board: puts the pieces together and nothing else. State in state.js, its looks in render-*.js, the stream in
// feed.js and the hub, requests in rest.js, the past in travel.js.

import { createHub, createNotifier, createTelemetry } from "../streaming/hub.js";
import { Acts } from "./acts.js";
import { Chronicle } from "./chronicle.js";
import { Clock } from "./clock.js";
import { Feed, POLL_EVERY, TYPES } from "./feed.js";
import { Journey } from "./journey.js";
import { Keys } from "./keys.js";
import { CROSSING, Trace } from "./line.js";
import { Menu } from "./menu.js";
import { Minutes } from "./minutes.js";
import { Notices } from "./notices.js";
import { Refresh } from "./refresh.js";
import { ChartsView } from "./render-charts.js";
import { ChangesView } from "./render-changes.js";
import { LinkView } from "./render-link.js";
import { NowView } from "./render-now.js";
import { OpenView } from "./render-open.js";
import { TimelineView } from "./render-timeline.js";
import { Rest } from "./rest.js";
import { nextVendor, recentEvents, vendorName } from "./selectors.js";
import { snoozeUntil } from "./snooze.js";
import { Speech } from "./speech.js";
import { EMPTY, reduce } from "./state.js";
import { Tape } from "./tape.js";
import { goBy, tick } from "./times.js";
import { Travel } from "./travel.js";
import { VendorForm } from "./vendor-form.js";
import { spoken } from "./words.js";

const LOAD_WITHOUT_STREAM = 1_500;
const GLANCE = 2_000; // entries of the log that a board reads of itself
const PLAY_EVERY = 250;
const CHART_EVERY = 15_000;

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
    requestAnimationFrame(draw); // a page that is hidden has no frames: it is drawn when somebody looks
  },
};

const rest = new Rest(page);
const refresh = new Refresh({ rest, store, onRefused: () => feed.stop("unauthenticated") });
const acts = new Acts({ rest, store, refresh });

const trace = new Trace(part("trace"));
const link = new LinkView({ root: part("link"), trace, org: page.org.name });
const changes = new ChangesView({ root: part("changes"), people: page.people, onOpen: (id) => (travel.state().open === id ? close() : open(id)) });
const reading = new OpenView({ root: part("open"), people: page.people });
const now = new NowView(part("now"), { onEdit: page.user.mayAct ? (vendor) => vendorForm.open(vendor) : null });
const vendorForm = new VendorForm({ dialog: part("add-vendor"), rest, onSaved: () => refresh.list("vendors") });
const speech = new Speech(part("spoken"));
const notices = new Notices({ notifier: createNotifier({ key: "redline.notify" }), fieldset: part("notices"), onOpen: (id) => openNow(id) });

// -- the clock, the log, and the way into it

const clock = new Clock(async () => (await rest.read(page.clock)).now);
const minutes = new Minutes();
const tape = new Tape({ rest, path: page.stream, most: GLANCE, now: () => clock.now() });
const telemetry = createTelemetry();
const chronicle = new Chronicle({ tape, minutes, clock, onRead: () => seen(), onLatency: (took) => telemetry.latency(took) });
const travel = new Travel({
  tape,
  store,
  clock,
  pause: () => new Promise((resolve) => setTimeout(resolve)),
  onChange: () => travelled(),
  onPlayed: (entries) => entries.forEach(({ event }) => trace.pulse(event)),
});
const timeline = new TimelineView({ root: part("timeline"), banner: part("past"), travel, tape, minutes, clock });
const charts = new ChartsView({ root: part("charts"), minutes, chronicle });
const journey = new Journey({ travel, chronicle, rest, speech });
goBy(() => travel.at ?? clock.now());

function seen() {
  travel.read();
  timeline.render();
  charts.render();
}

function travelled() {
  journey.changed();
  if (!travel.isPast && store.state.open !== null && !store.state.changes.has(store.state.open)) store.dispatch({ type: "close" });
  for (const button of document.querySelectorAll("[data-add]")) {
    button.disabled = travel.isPast;
    button.title = travel.isPast ? locked() : "";
  }
  draw();
  tickAll();
  charts.render();
}

let wasPast = false;
function draw() {
  drawing = false;
  const isReturn = wasPast && !travel.isPast;
  wasPast = travel.isPast;
  const state = isReturn ? { ...travel.state(), quiet: true } : travel.state();
  changes.render(state, nextVendor(state));
  reading.render(state, locked());
  now.render(state, locked());
  const isReading = state.changes.has(state.open);
  document.body.classList.toggle("is-reading", isReading);
  for (const id of ["list", "now"]) part(id).inert = phone.matches && isReading;
}

function locked() {
  if (!page.user.mayAct) return "You are a viewer here: you can read, not act.";
  if (travel.isPast) return "In the past: acting is off. Go back to live to act.";
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
telemetry.watch(hub);
hub.onReset(() => {
  travel.back();
  tape.rewind();
});

const feed = new Feed({
  hub,
  onLink: (state) => {
    renderLink(state);
    reading.render(travel.state(), locked());
  },
  onFresh: load,
  onEvent: (event, { id, at, news }) => {
    chronicle.happened(id, { isShown: news && !travel.isPast });
    notices.happened(event, { news, nameOf });
    if (event.data.oversize) return void refresh.all();
    refresh.event({ type: "event", event, at: new Date(clock.of(at)).toISOString(), news });
    if (news) told(event, at);
  },
});

function renderLink(state) {
  link.render(state, { latency: chronicle.latest, isPast: travel.isPast });
}

async function load() {
  const isFirst = store.state.loaded.size === 0;
  await refresh.all();
  if (isFirst) for (const { event, at } of recentEvents(store.state, Date.now() - CROSSING)) trace.pulse(event, at);
  await chronicle.follow();
}

function nameOf(vendorId) {
  return vendorName(store.state, vendorId);
}

function told(event, at) {
  if (!travel.isPast) trace.pulse(event, at);
  travel.happened(event);
  if (event.type === "change.detected") link.news();
  const sentence = spoken(event, nameOf);
  if (sentence) speech.say(sentence);
}

// -- opening and closing

function open(id) {
  Menu.close();
  store.dispatch({ type: "open", id });
  draw();
  history.replaceState(null, "", `#${id}`);
  if (travel.isPast && !travel.state().changes.get(id)?.whole) void journey.readOld(id);
  if (phone.matches) part("close").focus();
  else changes.focusOn(id);
}

function openNow(id) {
  travel.back();
  open(id);
}

function close() {
  const id = travel.state().open;
  if (id === null) return false;
  store.dispatch({ type: "close" });
  draw();
  history.replaceState(null, "", location.pathname + location.search);
  changes.focusOn(id);
  return true;
}

function step(by) {
  const id = changes.move(by);
  const { open: isOpen } = travel.state();
  if (id && isOpen !== null && id !== isOpen) open(id);
}

// -- the past

function toggleTime() {
  showTimeline(true);
  if (travel.toggle() && travel.isPast) timeline.focus();
}

function showTimeline(isOut) {
  part("timeline").classList.toggle("is-out", isOut);
  part("timeline-button").setAttribute("aria-expanded", String(isOut));
}

part("timeline-button").addEventListener("click", () => showTimeline(!part("timeline").classList.contains("is-out")));

// -- acting

const menus = { snoozed: new Menu(part("snooze")), resolved: new Menu(part("resolve")) };

function act(to, body) {
  if (locked()) return;
  const id = travel.state().open ?? changes.focused();
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
    t: () => toggleTime(),
    "?": () => part("keys").showModal(),
    Escape: () => Menu.close() || close() || travel.back(),
  },
  part("keys-on"),
);

phone.addEventListener("change", draw);
let playedAt = performance.now();
setInterval(() => {
  const at = performance.now();
  travel.tick(at - playedAt);
  playedAt = at;
}, PLAY_EVERY);
setInterval(tickAll, 1_000);
setInterval(() => charts.render(), CHART_EVERY);
function tickAll() {
  tick(document);
  now.tick();
  renderLink(feed.link);
  timeline.render();
}

draw();
if (/^#chg_[\w-]+$/.test(location.hash)) store.dispatch({ type: "open", id: location.hash.slice(1) });
feed.start();
setTimeout(() => store.state.loaded.size || load(), LOAD_WITHOUT_STREAM);
