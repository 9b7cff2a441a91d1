// The dialog that adds a vendor or changes one: a name, a home page, the pages whose words matter, and whether it is
// watched at all. Refusals stand beside the field that they are about; what was typed is kept until the server has
// taken it.

import { el } from "./element.js";
import { sentence } from "./rest.js";

const KINDS = { terms: "Terms", privacy: "Privacy", pricing: "Pricing", subprocessors: "Sub-processors", sla: "SLA", security: "Security", other: "Other" };
const MOST_PAGES = 20;
const WORDS = { add: ["Add a vendor", "Watch this vendor"], edit: ["Edit a vendor", "Save"] };

export class VendorForm {
  #dialog;
  #form;
  #pages;
  #error;
  #rest;
  #onSaved;
  #vendor = null; // the one that is changed; null for a new one
  #serial = 0;

  constructor({ dialog, rest, onSaved }) {
    this.#dialog = dialog;
    this.#form = dialog.querySelector("form");
    this.#pages = dialog.querySelector('[data-part="pages"]');
    this.#error = dialog.querySelector('[data-part="form-error"]');
    this.#rest = rest;
    this.#onSaved = onSaved;
    this.#form.addEventListener("submit", (event) => this.#submit(event));
    dialog.querySelector('[data-part="more-pages"]').addEventListener("click", () => this.#addPage().querySelector("input").focus());
    dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
    this.#fill(null);
  }

  /** Ask for a new vendor, or for what is to be changed of this one. */
  open(vendor = null) {
    if (vendor?.id !== this.#vendor?.id || vendor) this.#fill(vendor);
    this.#dialog.showModal();
  }

  #fill(vendor) {
    this.#vendor = vendor;
    const [title, submit] = WORDS[vendor ? "edit" : "add"];
    this.#dialog.querySelector("h2").textContent = title;
    this.#form.querySelector('[type="submit"]').textContent = submit;
    this.#form.querySelector('[data-part="watched"]').hidden = !vendor;
    this.#form.reset();
    this.#clearErrors();
    this.#pages.replaceChildren();
    const { elements } = this.#form;
    for (const name of ["name", "homepageUrl", "tier", "cadenceSeconds"]) if (vendor) elements[name].value = vendor[name] ?? "";
    elements.isWatched.checked = vendor?.isWatched ?? true;
    for (const page of vendor?.pages.length ? vendor.pages : [{}]) this.#addPage(page);
  }

  #addPage({ url = "", kind = "terms" } = {}) {
    const number = ++this.#serial;
    const kinds = Object.entries(KINDS).map(([value, text]) => el("option", { value, text }));
    const row = el(
      "div",
      { class: "page" },
      el("input", { type: "url", name: "page", required: true, placeholder: "https://", "aria-label": `Address of page ${number}`, maxlength: "500" }),
      el("select", { name: "kind", "aria-label": `Kind of page ${number}` }, kinds),
    );
    const [address, choice] = row.children;
    address.value = url;
    choice.value = kind;
    this.#pages.append(row);
    this.#dialog.querySelector('[data-part="more-pages"]').hidden = this.#pages.children.length >= MOST_PAGES;
    return row;
  }

  async #submit(event) {
    event.preventDefault();
    this.#clearErrors();
    const button = this.#form.querySelector('[type="submit"]');
    button.disabled = true;
    try {
      if (this.#vendor) await this.#rest.patch(`vendors/${encodeURIComponent(this.#vendor.id)}`, this.#body());
      else await this.#rest.post("vendors", this.#body());
      this.#dialog.close();
      this.#fill(null);
      this.#onSaved();
    } catch (refusal) {
      this.#showErrors(refusal);
    } finally {
      button.disabled = false;
    }
  }

  #body() {
    const data = new FormData(this.#form);
    const kinds = data.getAll("kind");
    const body = { name: data.get("name").trim(), homepageUrl: data.get("homepageUrl").trim(), tier: data.get("tier") };
    if (data.get("cadenceSeconds")) body.cadenceSeconds = Number(data.get("cadenceSeconds"));
    else if (this.#vendor) body.cadenceSeconds = null;
    if (this.#vendor) body.isWatched = data.has("isWatched");
    return { ...body, pages: data.getAll("page").map((url, index) => ({ url: url.trim(), kind: kinds[index] })) };
  }

  #showErrors(refusal) {
    const left = { ...refusal.details };
    for (const field of this.#form.querySelectorAll("[data-error]")) {
      const told = left[field.dataset.error];
      if (!told) continue;
      delete left[field.dataset.error];
      field.textContent = sentence({ message: "", details: told }).trim();
      field.hidden = false;
      document.getElementById(field.dataset.for)?.setAttribute("aria-invalid", "true");
    }
    this.#error.textContent = sentence({ message: refusal.message, details: left });
    this.#error.hidden = false;
    (this.#form.querySelector("[aria-invalid]") ?? this.#form.querySelector("input")).focus();
  }

  #clearErrors() {
    for (const node of this.#form.querySelectorAll("[aria-invalid]")) node.removeAttribute("aria-invalid");
    for (const field of [...this.#form.querySelectorAll("[data-error]"), this.#error]) {
      field.hidden = true;
      field.textContent = "";
    }
  }
}
