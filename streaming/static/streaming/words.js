// A hub's health in words for people. Pure: the same record and the same instant give the same words.

const STOPPED = {
  unauthenticated: "Signed out",
  auth_revoked: "No longer allowed to see this",
  forbidden: "Not allowed to see this",
  "not-found": "There is no such stream",
  superseded: "Continued in another window",
};

/** Return the state in a few words, without anything that goes stale while they stand there. */
export function healthPhrase({ status, stopped, online, retryAttempt, fallbackActive }) {
  if (stopped !== null) return STOPPED[stopped] ?? "Stopped";
  if (!online) return "Offline";
  if (status === "healthy") return "Live";
  if (fallbackActive) return "Polling";
  return retryAttempt === 0 ? "Connecting" : "Reconnecting";
}

/** Return the same with its figures, to be shown anew each second; `every` is the polling period in milliseconds. */
export function healthWords(health, { now, every = 2_000 }) {
  const phrase = healthPhrase(health);
  const { retryAttempt, nextAttemptAt, lostAt } = health;
  const lost = lostAt === null ? "" : `, stream lost ${span(now - lostAt)} ago`;
  if (phrase === "Polling") return `Polling every ${every / 1_000} s${lost}`;
  if (phrase !== "Reconnecting") return phrase;
  const next = nextAttemptAt === null ? "" : `, next in ${span(Math.max(0, nextAttemptAt - now))}`;
  return `Reconnecting, attempt ${retryAttempt}${next}`;
}

function span(milliseconds) {
  const seconds = Math.round(milliseconds / 1_000);
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
