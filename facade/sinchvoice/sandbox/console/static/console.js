// The rest of the console's behaviour: htmx does the requests and puts new versions into the page.
(() => {
  const offline = document.getElementById("offline");

  function tell(text) {
    offline.textContent = text;
    offline.hidden = !text;
  }

  document.addEventListener("htmx:sse:after:connection", () => tell(""));
  document.addEventListener("htmx:sse:error", () =>
    tell("The sandbox does not answer. Is it still running? This page shows an old state."));
  document.addEventListener("htmx:error", () =>
    tell("The sandbox does not answer. Is it still running? This page shows an old state."));

  // Words that were said leave their field.
  document.addEventListener("htmx:after:request", (event) => {
    const form = event.target.closest && event.target.closest("form[data-clear]");
    if (form && event.detail.ctx.response && event.detail.ctx.response.status < 300) form.reset();
  });

  // With the focus on a keypad, the keys of the keyboard are its keys.
  document.addEventListener("keydown", (event) => {
    const keypad = event.target.closest && event.target.closest("[data-keypad]");
    if (!keypad || event.ctrlKey || event.metaKey || event.altKey) return;
    for (const button of keypad.querySelectorAll("button")) {
      if (button.value === event.key) {
        event.preventDefault();
        button.focus();
        button.click();
      }
    }
  });

  // A new version of the page may take away the button with the focus: do not start from the top.
  let focused = null;
  document.addEventListener("focusin", (event) => { focused = event.target; });
  document.addEventListener("htmx:after:swap", () => {
    if (focused && !focused.isConnected && document.activeElement === document.body) {
      const next = document.getElementById("state");
      if (next) next.focus();
    }
    for (const log of document.querySelectorAll("[role=log]")) log.scrollTop = log.scrollHeight;
  });
})();
