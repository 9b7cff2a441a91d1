// Notifications of the system for new changes: off, the gravest only, or all; the person's choice, kept in this browser.
//
// Permission is asked for when somebody chooses to be told, never before. What is no news, what was told before, and
// what comes while somebody looks at the board is not told (notify.js).

const KEY = "redline.notices";
const LEVELS = ["off", "P1", "all"];

/** Return what to tell of an event, {title, body, tag}, or null; `level` is `off`, `P1` or `all`. */
export function noticeOf({ type, data }, { level, news, nameOf }) {
  if (!news || type !== "change.detected" || data.oversize) return null;
  if (level !== "all" && (level !== "P1" || data.severity !== "P1")) return null;
  return { title: `${data.severity} · ${nameOf(data.vendorId)}`, body: data.headline, tag: data.changeReportId };
}

/** Say why nothing is told although it was asked for; "" where that is not so. */
export function obstacleOf(level, permission) {
  if (level === "off" || permission === "granted") return "";
  if (permission === "denied") return "Your browser blocks notifications of this site; allow them in its settings.";
  if (permission === "unsupported") return "This browser has no notifications for this page.";
  return "Not allowed yet: choose again and say yes.";
}

export class Notices {
  #notifier;
  #fieldset;
  #note;
  #onOpen;

  /** `fieldset` holds one radio button per level; `onOpen(id)` when a notification is clicked. */
  constructor({ notifier, fieldset, onOpen }) {
    this.#notifier = notifier;
    this.#fieldset = fieldset;
    this.#note = fieldset.querySelector("p");
    this.#onOpen = onOpen;
    fieldset.addEventListener("change", (event) => this.#choose(event.target.value));
    addEventListener("storage", (event) => event.key === KEY && this.#show());
    this.#show();
  }

  get level() {
    return kept();
  }

  /** Tell of an event of the stream, if that is wanted. */
  happened(event, { news, nameOf }) {
    const notice = noticeOf(event, { level: this.level, news, nameOf });
    if (!notice) return;
    const { title, ...more } = notice;
    this.#notifier.show(title, {
      ...more,
      onClick: (notification) => {
        window.focus();
        notification.close();
        this.#onOpen(notice.tag);
      },
    });
  }

  async #choose(level) {
    keep(level);
    this.#show();
    if (level !== "off") await this.#notifier.ask();
    this.#show();
  }

  #show() {
    const level = this.level;
    for (const radio of this.#fieldset.querySelectorAll("input")) radio.checked = radio.value === level;
    const obstacle = obstacleOf(level, this.#notifier.permission);
    this.#note.textContent = obstacle;
    this.#note.hidden = !obstacle;
  }
}

let unkept = "off"; // where this browser keeps nothing, the choice holds until the page is left

function kept() {
  try {
    const level = localStorage.getItem(KEY);
    return LEVELS.includes(level) ? level : "off";
  } catch {
    return unkept;
  }
}

function keep(level) {
  unkept = level;
  try {
    localStorage.setItem(KEY, level);
  } catch {
    // see above
  }
}
