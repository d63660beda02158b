// Makes the two controls of a suite's page work. It asks nobody for anything.
"use strict";
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const setTheme = (theme) => {
    root.dataset.theme = theme;
    button.setAttribute("aria-pressed", String(theme === "dark"));
  };
  let isChosen = false;
  system.addEventListener("change", () => isChosen || setTheme(system.matches ? "dark" : "light"));
  button.addEventListener("click", () => { isChosen = true; setTheme(root.dataset.theme === "dark" ? "light" : "dark"); });
  document.getElementById("print").addEventListener("click", () => window.print());
  let before = "light";
  window.addEventListener("beforeprint", () => { before = root.dataset.theme; setTheme("light"); });
  window.addEventListener("afterprint", () => setTheme(before));
  setTheme(system.matches ? "dark" : "light");
  document.getElementById("tools").hidden = false;
})();
