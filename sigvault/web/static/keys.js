// Single keys for what has a data-key: a button or a link is pressed, a radio button chosen, and
// what its data-key-then names is focused. They can be turned off, and are off while typing.
"use strict";
(() => {
  const marked = () => [...document.querySelectorAll("[data-key]")].filter((one) => one.offsetParent);
  const isOn = () => localStorage.getItem("sigvault-keys") !== "off";
  const isTyping = (target) =>
    target.closest("select, textarea, dialog, [contenteditable]") !== null ||
    (target.matches("input") && !target.matches("[type=radio], [type=checkbox]"));

  function press(one) {
    if (one.matches("input[type=radio]")) {
      one.checked = true;
      document.getElementById(one.dataset.keyThen)?.focus();
    } else {
      one.click();
    }
  }

  function explain() {
    const list = document.getElementById("keys-list");
    list.replaceChildren();
    for (const one of marked()) {
      const key = document.createElement("kbd");
      key.textContent = one.dataset.key;
      const term = document.createElement("dt");
      term.append(key);
      const words = document.createElement("dd");
      words.textContent = one.dataset.keyName;
      list.append(term, words);
    }
    if (!list.children.length) list.textContent = "This page has none.";
    document.getElementById("keys").showModal();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !isOn() || isTyping(event.target)) return;
    if (event.key === "?") {
      event.preventDefault();
      explain();
      return;
    }
    if (event.key === "Enter" && event.target !== document.body && event.target.id !== "main") return;
    const one = marked().find((each) => each.dataset.key === event.key);
    if (one) {
      event.preventDefault();
      press(one);
    }
  });

  document.addEventListener("DOMContentLoaded", () => {
    const on = document.getElementById("keys-on");
    const help = document.getElementById("keys-help");
    on.closest("label").hidden = false;
    help.hidden = false;
    on.checked = isOn();
    document.body.classList.toggle("no-keys", !isOn());
    on.addEventListener("change", () => {
      localStorage.setItem("sigvault-keys", on.checked ? "on" : "off");
      document.body.classList.toggle("no-keys", !on.checked);
    });
    help.addEventListener("click", explain);
  });
})();
