// Behaviour of the console beyond htmx, which sends the requests and updates the page.
(() => {
  const offline = document.getElementById("offline");

  function tell(text) {
    offline.textContent = text;
    offline.hidden = !text;
  }

  document.addEventListener("htmx:sse:after:connection", () => tell(""));
  document.addEventListener("htmx:sse:error", () =>
    tell("The sandbox does not answer. Is it still running? This page is out of date."));
  document.addEventListener("htmx:error", () =>
    tell("The sandbox does not answer. Is it still running? This page is out of date."));

  // Clear the field of words that were said.
  document.addEventListener("htmx:after:request", (event) => {
    const form = event.target.closest && event.target.closest("form[data-clear]");
    if (form && event.detail.ctx.response && event.detail.ctx.response.status < 300) form.reset();
  });

  // While a keypad has the focus, the keyboard presses its keys.
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

  // An update may remove the button with the focus: move the focus to the state of the call.
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
