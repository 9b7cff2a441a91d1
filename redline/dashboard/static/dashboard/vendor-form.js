// The dialog that adds a vendor: a name, a home page, the pages whose words matter. Refusals stand beside the field
// that they are about; what was typed is kept until the server has taken it.

import { el } from "./element.js";
import { sentence } from "./rest.js";

const KINDS = { terms: "Terms", privacy: "Privacy", pricing: "Pricing", subprocessors: "Sub-processors", sla: "SLA", security: "Security", other: "Other" };
const MOST_PAGES = 20;

export class VendorForm {
  #dialog;
  #form;
  #pages;
  #error;
  #rest;
  #onAdded;
  #serial = 0;

  constructor({ dialog, rest, onAdded }) {
    this.#dialog = dialog;
    this.#form = dialog.querySelector("form");
    this.#pages = dialog.querySelector('[data-part="pages"]');
    this.#error = dialog.querySelector('[data-part="form-error"]');
    this.#rest = rest;
    this.#onAdded = onAdded;
    this.#form.addEventListener("submit", (event) => this.#submit(event));
    dialog.querySelector('[data-part="more-pages"]').addEventListener("click", () => this.#addPage().querySelector("input").focus());
    dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
    this.#addPage();
  }

  open() {
    this.#dialog.showModal();
  }

  #addPage() {
    const number = ++this.#serial;
    const kinds = Object.entries(KINDS).map(([value, text]) => el("option", { value, text }));
    const row = el(
      "div",
      { class: "page" },
      el("input", { type: "url", name: "page", required: true, placeholder: "https://", "aria-label": `Address of page ${number}`, maxlength: "500" }),
      el("select", { name: "kind", "aria-label": `Kind of page ${number}` }, kinds),
    );
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
      const vendor = await this.#rest.post("vendors", this.#body());
      this.#dialog.close();
      this.#form.reset();
      this.#pages.replaceChildren();
      this.#addPage();
      this.#onAdded(vendor);
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
