// A form is sent once: its button rests until the page is shown again, or nothing has come for long.
"use strict";
(() => {
  const LONG = 30000; // milliseconds
  const sent = new Set();

  function rest(form, resting) {
    for (const button of form.querySelectorAll("button:not([type=button])")) {
      button.disabled = resting;
    }
    if (resting) sent.add(form);
    else sent.delete(form);
  }

  // The last to hear of it: htmx has taken its own forms by then, and says so.
  addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (sent.has(form)) {
      event.preventDefault();
      return;
    }
    rest(form, true);
    setTimeout(rest, LONG, form, false);
  });

  // A page that the browser kept comes back as it was left.
  addEventListener("pageshow", () => {
    for (const form of [...sent]) rest(form, false);
  });
})();
