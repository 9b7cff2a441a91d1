// The keyboard: `j` `k` through changes, `a` `s` `z` `r` act, `?` shows the keys, `esc` closes.
//
// Single letters are switched off while somebody writes (a slider takes none), while a dialog is open, and for good by whoever does not want
// them (speech input types letters): the choice is in the `?` panel and kept in this browser.

const KEY = "redline.keys";

export class Keys {
  #actions;
  #on = true;

  /** `actions` maps a key to what it does. */
  constructor(actions, checkbox) {
    this.#actions = actions;
    this.#on = read() !== "off";
    checkbox.checked = this.#on;
    checkbox.addEventListener("change", () => {
      this.#on = checkbox.checked;
      write(this.#on ? "on" : "off");
    });
    document.addEventListener("keydown", (event) => this.#press(event));
  }

  #press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const action = this.#actions[event.key];
    if (!action || document.querySelector("dialog[open]")) return;
    if (event.key !== "Escape" && (!this.#on || event.target.closest("input:not([type=range]), select, textarea"))) return;
    if (action() !== false) event.preventDefault();
  }
}

function read() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function write(value) {
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // Without storage the choice holds until the page is left.
  }
}
