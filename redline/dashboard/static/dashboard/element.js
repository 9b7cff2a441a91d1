// The board's way of making DOM: text is always text, never markup, and lists are put in order by key.

/** Make an element. `props`: `class`, `text`, `on*` listeners, `data-*` and attributes; null and false leave one out. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Set text only where it differs: writing the same text would end a reader's selection. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function toggle(node, name, on) {
  if (on) node.setAttribute(name, "");
  else node.removeAttribute(name);
}

export function attribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/**
 * Make `parent`'s children those of `rows`, in their order, reusing by key; return the nodes that are new.
 * A node that must move while it has the focus keeps it.
 */
export function arrange(parent, rows, { key, create, update }) {
  const before = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  const wanted = new Set(rows.map((row) => String(key(row))));
  for (const [name, node] of before) if (!wanted.has(name)) node.remove();
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const made = [];
  let spot = parent.firstElementChild;
  for (const row of rows) {
    const name = String(key(row));
    let node = before.get(name);
    if (!node) {
      node = create(row);
      node.dataset.key = name;
      made.push(node);
    }
    update(node, row);
    if (node === spot) spot = spot.nextElementSibling;
    else parent.insertBefore(node, spot);
  }
  if (focused && document.activeElement !== focused && parent.contains(focused)) focused.focus({ preventScroll: true });
  return made;
}

/** Mark a node for two seconds if news has touched it since it was last drawn; not where all of it is `quiet`. */
export function mark(node, touched, quiet = false) {
  const known = node.dataset.touched;
  node.dataset.touched = String(touched ?? 0);
  if (known === undefined ? !touched : known === node.dataset.touched) return;
  node.classList.remove("marked");
  if (quiet) return;
  void node.offsetWidth; // restarts the animation of a row that is still marked
  node.classList.add("marked");
}
