// A button that opens a small panel: snooze until when, resolve how. One is open at a time; escape and a click
// elsewhere close it, and the focus goes back to the button.

export class Menu {
  static #open = null;
  #button;
  #panel;

  constructor(button) {
    this.#button = button;
    this.#panel = document.getElementById(button.getAttribute("aria-controls"));
    button.addEventListener("click", () => (this.isOpen ? this.close() : this.open()));
    this.#panel.addEventListener("keydown", (event) => this.#keys(event));
  }

  static close() {
    const open = Menu.#open;
    open?.close();
    return open !== null;
  }

  get isOpen() {
    return !this.#panel.hidden;
  }

  open() {
    if (this.#button.getAttribute("aria-disabled") === "true") return;
    Menu.close();
    Menu.#open = this;
    this.#show(true);
    this.#items()[0]?.focus();
  }

  close({ focus = true } = {}) {
    if (!this.isOpen) return;
    Menu.#open = null;
    this.#show(false);
    if (focus) this.#button.focus();
  }

  holds(node) {
    return this.#panel.contains(node) || this.#button.contains(node);
  }

  static {
    addEventListener("pointerdown", (event) => {
      if (Menu.#open && !Menu.#open.holds(event.target)) Menu.#open.close({ focus: false });
    });
  }

  #show(on) {
    this.#panel.hidden = !on;
    this.#button.setAttribute("aria-expanded", String(on));
  }

  #items() {
    return [...this.#panel.querySelectorAll("button")];
  }

  #keys(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.target.matches("input")) return;
    const items = this.#items();
    items.at((items.indexOf(event.target) + step) % items.length)?.focus();
    event.preventDefault();
  }
}
