// Pictures can be dropped on the field, and are shown before they are sent.
"use strict";
(() => {
  function show(drop, input) {
    const list = drop.querySelector(".chosen");
    for (const image of list.querySelectorAll("img")) URL.revokeObjectURL(image.src);
    list.replaceChildren();
    for (const file of input.files) {
      const item = document.createElement("li");
      if (/^image\/(png|jpeg|webp|bmp|gif)$/.test(file.type)) {
        const image = document.createElement("img");
        image.src = URL.createObjectURL(file);
        image.alt = "";
        item.append(image);
      }
      const name = document.createElement("span");
      name.textContent = `${file.name} (${Math.max(1, Math.round(file.size / 1024))} KB)`;
      item.append(name);
      list.append(item);
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const drop of document.querySelectorAll(".drop")) {
      const input = drop.querySelector("input[type=file]");
      input.addEventListener("change", () => show(drop, input));
      drop.addEventListener("dragover", (event) => {
        event.preventDefault();
        drop.classList.add("over");
      });
      drop.addEventListener("dragleave", () => drop.classList.remove("over"));
      drop.addEventListener("drop", (event) => {
        event.preventDefault();
        drop.classList.remove("over");
        const chosen = new DataTransfer();
        for (const file of event.dataTransfer.files) {
          if (input.multiple || !chosen.items.length) chosen.items.add(file);
        }
        input.files = chosen.files;
        show(drop, input);
      });
    }
  });
})();
