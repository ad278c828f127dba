// The search of a copy that is opened as a file: browsers start no worker from a file, so that a
// hidden frame stands in for it. Over HTTP this does nothing.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inner = this.frame.contentWindow;
      this.ready = new Promise((resolve) => {
        inner.document.open();
        inner.answer = (message) => {
          const event = new MessageEvent("message", { data: structuredClone(message) });
          this.dispatchEvent(event);
          this.onmessage?.(event);
        };
        inner.loaded = resolve;
        inner.document.write(
          "<script>self.postMessage = self.answer</script>" +
            `<script src="${url}" onload="self.loaded()"></script>`,
        );
        inner.document.close();
      });
    }

    // As between threads, each side has a copy of its own, which it may change.
    postMessage(message) {
      const data = structuredClone(message);
      this.ready.then(() => {
        this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }));
      });
    }

    terminate() {
      this.frame.remove();
    }
  };
}
