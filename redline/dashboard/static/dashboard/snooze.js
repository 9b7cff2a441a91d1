// When a snooze ends: the choices that are offered, as instants in the reader's own time zone. Pure.

const MORNING = 9;

const CHOICES = {
  "15-minutes": (now) => new Date(now.getTime() + 15 * 60_000),
  "1-hour": (now) => new Date(now.getTime() + 3_600_000),
  tomorrow: (now) => morning(now, 1),
  monday: (now) => morning(now, (8 - now.getDay()) % 7 || 7),
};

/** Return the end of a snooze as the server wants it. */
export function snoozeUntil(choice, now) {
  return CHOICES[choice](now).toISOString();
}

function morning(now, days) {
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, MORNING);
}
