// What stands in for a stream that is lost: after five seconds the status is degraded and the fallback polls, until the
// stream is open again. Without a network it is degraded all the same, and polls when there is one.

import { Fallback } from "./fallback.js";
import { Timers } from "./timers.js";

const AFTER = 5_000;

export class StandIn {
  #health;
  #clock;
  #timers;
  #isAllowed;
  #onBack;
  #onRefused;
  #fallback;
  #hasFailed = false;

  /**
   * `read({isWanted})` is one round of polling, null for none; `isAllowed()` says whether anything may be asked;
   * `onBack()` hears of the first answer after failures, `onRefused(error)` of what is no answer.
   */
  constructor({ read, every, clock, health, isAllowed, onBack, onRefused }) {
    this.#health = health;
    this.#clock = clock;
    this.#timers = new Timers(clock);
    this.#isAllowed = isAllowed;
    this.#onBack = onBack;
    this.#onRefused = onRefused;
    this.#fallback = read ? new Fallback({ read, every, clock, onAnswer: () => this.#answered(), onRefused: (error) => this.#refused(error) }) : null;
  }

  /** The stream is lost: begin in time, unless that has been said before. */
  later() {
    const { status, lostAt } = this.#health.record;
    if (status === "degraded" || this.#timers.has("begin")) return;
    const now = this.#clock.now();
    this.#timers.set("begin", () => this.begin(), Math.max(0, (lostAt ?? now) + AFTER - now));
  }

  begin() {
    this.#timers.clear("begin");
    const fallbackActive = this.#fallback !== null && this.#isAllowed();
    this.#health.change({ status: "degraded", fallbackActive });
    if (!fallbackActive || this.#fallback.isActive) return;
    this.#hasFailed = false;
    this.#fallback.start();
  }

  end() {
    this.#timers.clear("begin");
    this.#fallback?.stop();
    this.#health.change({ fallbackActive: false });
  }

  #answered() {
    const isBack = this.#hasFailed;
    this.#hasFailed = false;
    if (isBack) this.#onBack();
  }

  #refused(error) {
    this.#hasFailed = true;
    this.#onRefused(error);
  }
}
