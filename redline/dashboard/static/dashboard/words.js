// Everything that the board says in words about time, the link and events. Pure: `now` comes in, in milliseconds.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Return an age in one unit, at least a second: "4 s", "2 m", "1 h", "3 d". */
export function ago(at, now) {
  const age = Math.max(1000, now - Number(at));
  if (age < MINUTE) return `${Math.floor(age / 1000)} s`;
  if (age < HOUR) return `${Math.floor(age / MINUTE)} m`;
  if (age < DAY) return `${Math.floor(age / HOUR)} h`;
  return `${Math.floor(age / DAY)} d`;
}

/** Return a time that lies ahead, as a clock that runs down: "00:42", "1:05:00", "3 d"; "a moment" when it is due. */
export function until(at, now) {
  const left = Math.max(0, Math.ceil((Number(at) - now) / 1000));
  if (left === 0) return "a moment";
  const [hours, minutes, seconds] = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
  if (hours >= 48) return `${Math.floor(hours / 24)} d`;
  return `${hours ? `${hours}:` : ""}${two(minutes)}:${two(seconds)}`;
}

/** Return a duration: "480 ms", "3.1 s", "2 m 05 s". */
export function lasted(milliseconds) {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < MINUTE) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${Math.floor(milliseconds / MINUTE)} m ${two(Math.floor(milliseconds / 1000) % 60)} s`;
}

function two(number) {
  return String(number).padStart(2, "0");
}

export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

const STOPPED = {
  auth_expired: "Signed out — your session has ended; sign in again",
  auth_revoked: "Signed out — your access was taken away; sign in again",
  unauthenticated: "Signed out — sign in again",
  forbidden: "Stopped — you are no member of this org any more",
  superseded: "Stopped — this board was opened again elsewhere; reload to go on here",
  disabled: "Stopped — the live feed is switched off; reload to see what is new",
};

/**
 * Say how the board is connected: {short, long}, the long one for those who have room. `latency` is milliseconds from
 * commit to screen, null where none was measured; `isPast` says that the board shows something else than it is told.
 */
export function linkWords(link, now, { latency = null, isPast = false } = {}) {
  switch (link.mode) {
    case "live":
      return liveWords(link.lastEventAt, now, { latency, isPast });
    case "recovering": {
      const wait = link.nextAt ? Math.ceil(Math.max(0, link.nextAt - now) / 1000) : 0;
      const next = wait ? `, next in ${wait} s` : "";
      return { short: `Reconnecting · ${link.attempt}`, long: `Reconnecting — attempt ${link.attempt}${next}` };
    }
    case "polling":
      return {
        short: `Polling · ${link.every / 1000} s`,
        long: `Polling every ${link.every / 1000} s — stream lost ${ago(link.lostAt, now)} ago`,
      };
    case "offline":
      return { short: "Offline", long: `Offline — as of ${ago(link.lostAt, now)} ago; goes on by itself when the network is back` };
    case "stopped":
      return { short: "Stopped", long: STOPPED[link.reason] ?? "Stopped — reload the page to go on" };
    default:
      return { short: "Connecting", long: "Connecting…" };
  }
}

function liveWords(lastEventAt, now, { latency, isPast }) {
  const last = lastEventAt ? `last event ${ago(lastEventAt, now)} ago` : "no event yet";
  if (isPast) return { short: "In the past", long: `In the past — the stream goes on, ${last}` };
  const took = latency === null ? ["", ""] : [` · ${lasted(latency)}`, `, ${lasted(latency)} from commit to screen`];
  if (!lastEventAt) return { short: "Live", long: "Live — no event yet" };
  return { short: `Live · ${ago(lastEventAt, now)}${took[0]}`, long: `Live — ${last}${took[1]}` };
}

const STATES = { new: "New", acknowledged: "Acknowledged", "in-progress": "In progress", snoozed: "Snoozed", resolved: "Resolved" };
const RESOLUTIONS = { accepted: "accepted", renegotiated: "renegotiated", rejected: "rejected", "no-action": "no action needed" };

const CATEGORIES = { data: "Data", pricing: "Pricing", subprocessor: "Sub-processors", terms: "Terms", sla: "SLA", security: "Security" };

export function categoryWords(category) {
  return CATEGORIES[category] ?? category;
}

export function stateWords(state) {
  return STATES[state] ?? state;
}

export function resolutionWords(resolution) {
  return RESOLUTIONS[resolution] ?? resolution;
}

/** Return what a screen reader is told of an event, or null: severity and headline, never every stage. */
export function spoken(event, nameOf) {
  if (event.type !== "change.detected") return null;
  return `${event.data.severity}, ${nameOf(event.data.vendorId)}: ${event.data.headline}`;
}

/** Return one sentence for many that came at once. */
export function spokenTogether(sentences) {
  if (sentences.length <= 2) return sentences.join(". ");
  return `${sentences.length} new changes, the last: ${sentences.at(-1)}`;
}
