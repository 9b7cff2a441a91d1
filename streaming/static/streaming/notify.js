// Notifications of the system for news, as far as the person wants them: asked for once, muted for a while, and each
// tag shown once, whichever tab saw the event first and however often the page is loaded again.
//
// What is muted and what was shown is kept by the browser (localStorage), never by a server. Two tabs that look at the
// same instant both show; the system then joins them, for they carry the same tag.

const MOST = 200;
const KEPT = 7 * 24 * 3_600_000;

export function createNotifier({ key = "streaming.notify", environment = {} } = {}) {
  return new Notifier(key, { Notification: globalThis.Notification, storage: globalThis.localStorage, now: Date.now, isHidden: () => document.hidden, ...environment });
}

class Notifier {
  #key;
  #env;

  constructor(key, env) {
    this.#key = key;
    this.#env = env;
  }

  /** "granted", "denied", "default" (not asked yet) or "unsupported". */
  get permission() {
    return this.#env.Notification?.permission ?? "unsupported";
  }

  /** Ask the person; only from a click, or browsers refuse by themselves. */
  async ask() {
    if (this.permission === "default") await this.#env.Notification.requestPermission();
    return this.permission;
  }

  get mutedUntil() {
    const { mutedUntil } = this.#kept();
    return mutedUntil !== null && mutedUntil > this.#env.now() ? mutedUntil : null;
  }

  /** Show nothing until then, an instant in milliseconds. */
  mute(until) {
    this.#keep({ ...this.#kept(), mutedUntil: until });
  }

  unmute() {
    this.mute(null);
  }

  /** Show it unless somebody is looking at the page, has muted it, or has seen the tag. Return whether it was shown. */
  show(title, { tag, body = "", evenIfVisible = false, onClick = () => {} }) {
    if (this.permission !== "granted" || this.mutedUntil !== null) return false;
    if (!evenIfVisible && !this.#env.isHidden()) return false;
    const now = this.#env.now();
    const kept = this.#kept();
    const shown = kept.shown.filter(([, at]) => now - at < KEPT).slice(-MOST + 1);
    if (shown.some(([one]) => one === tag)) return false;
    this.#keep({ ...kept, shown: [...shown, [tag, now]] });
    const notification = new this.#env.Notification(title, { tag, body });
    notification.onclick = () => onClick(notification);
    return true;
  }

  #kept() {
    try {
      const { mutedUntil = null, shown = [] } = JSON.parse(this.#env.storage.getItem(this.#key)) ?? {};
      return { mutedUntil, shown };
    } catch {
      return { mutedUntil: null, shown: [] };
    }
  }

  #keep(kept) {
    try {
      this.#env.storage.setItem(this.#key, JSON.stringify(kept));
    } catch {
      // full or forbidden: then a tag may be shown again
    }
  }
}
