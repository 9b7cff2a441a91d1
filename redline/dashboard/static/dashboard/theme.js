// Light or dark before the first paint: the reader's own choice, else the system's.
//
// A classic script in the head, because a module runs after the first paint and the page would flash.
// Promises that a browser without storage (private windows, blocked cookies) still switches, for this page only.

(() => {
  "use strict";
  const KEY = "redline.theme";
  const root = document.documentElement;

  const remembered = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  };

  const remember = (theme) => {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Nowhere to keep it: the choice holds until the page is left.
    }
  };

  const isDark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

  const show = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  };

  show(remembered());
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    const theme = isDark() ? "light" : "dark";
    show(theme);
    remember(theme);
  });
  addEventListener("storage", (event) => {
    if (event.key === KEY) show(event.newValue);
  });
})();
