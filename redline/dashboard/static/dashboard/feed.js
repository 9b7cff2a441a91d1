// The board's place on the org's stream: what it listens to, and how the hub's health looks on a board.
//
// The hub keeps the stream open, resumes, polls and shares it among the boards of this browser (hub.d.ts). Here its
// record becomes one of the modes that the line and the words know:
//
//   connecting · live · recovering · polling · offline · stopped

export const TYPES = [
  "scheduler.tick",
  "run.stage",
  "change.detected",
  "action.delivered",
  "change.stateChanged",
  "org.entitlements.changed",
];
export const POLL_EVERY = 2_000;

export class Feed {
  #hub;

  /**
   * `onEvent(event, {id, at, news})`, `news` false for what says how things are; `onFresh()` when the board is to be
   * read anew; `onLink(link)` at each change.
   */
  constructor({ hub, onEvent, onFresh, onLink }) {
    this.#hub = hub;
    hub.subscribe(TYPES, ({ id, type, data, at, news }) => onEvent({ type, data }, { id, at, news }), { onFresh });
    hub.onHealth((health) => onLink(linkOf(health)));
  }

  get link() {
    return linkOf(this.#hub.health);
  }

  start() {
    this.#hub.start();
  }

  stop(reason) {
    this.#hub.stop(reason);
  }
}

/** Return a hub's health as the board shows it; instants in milliseconds. */
export function linkOf(health) {
  return {
    mode: modeOf(health),
    attempt: health.retryAttempt,
    nextAt: health.nextAttemptAt,
    lostAt: health.lostAt,
    lastEventAt: health.lastEventAt,
    every: POLL_EVERY,
    reason: health.stopped,
  };
}

function modeOf({ stopped, online, status, retryAttempt }) {
  if (stopped !== null) return "stopped";
  if (!online) return "offline";
  if (status === "healthy") return "live";
  if (status === "degraded") return "polling";
  return retryAttempt === 0 ? "connecting" : "recovering";
}
