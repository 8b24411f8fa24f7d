// The box in which the visitor writes. Its value says "busy:<message>" or "idle:<message>": which
// message the server has taken, so that a text is cleared only when it is safe in the database.
(() => {
  "use strict";

  rolecraft.composer = ({ element, trigger, props, watch }) => {
    const form = element.querySelector("form");
    const area = form.querySelector("textarea");
    const left = form.querySelector(".left");
    const notes = form.querySelectorAll(".sample span");
    const lost = form.querySelector(".lost");
    let sending = null; // the text that was sent and is not known to be taken

    function show() {
      const limit = Number(area.dataset.limit);
      const length = [...area.value].length;
      left.textContent = length > limit * 0.8 ? `${length} / ${limit}` : "";
      left.classList.toggle("over", length > limit);
      form.querySelector(".send").disabled = !area.value.trim() || rolecraft.busy;
      rolecraft.memory.draft = area.value;
      rolecraft.grow(area);
    }

    function send(text) {
      if (rolecraft.busy || !text.trim()) return;
      sending = text;
      lost.hidden = true;
      rolecraft.begin();
      rolecraft.follow(true);
      trigger("make", { do: "send", text, settings: rolecraft.settings() });
    }

    function answered() {
      const [state, message] = String(props.value).split(":");
      const taken = message?.length === 32;
      if (taken && sending !== null) {
        if (area.value === sending) area.value = "";
        sending = null;
      }
      if (state === "idle") sending = null;
      rolecraft.busy = state === "busy";
      if (state === "idle") rolecraft.left?.();
      dispatchEvent(new CustomEvent("rc-answered", { detail: { taken } }));
      show();
    }

    watch("value", answered);
    addEventListener("rc-refused", (event) => {
      sending = null;
      lost.hidden = event.detail !== "lost";
      if (!String(props.value).startsWith("busy")) rolecraft.busy = false;
      show();
    });
    addEventListener("rc-busy", show);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(area.value);
    });
    area.addEventListener("input", show);
    area.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || rolecraft.composing(event)) return;
      event.preventDefault();
      send(area.value);
    });
    rolecraft.acts(element, {
      stop: () => trigger("stop", {}),
      send: () => send(area.value),
    });

    rolecraft.send = (text) => send(text);
    rolecraft.arrived = ({ name }) => {
      const label = area.dataset.label.replace("__name__", name);
      area.placeholder = label;
      area.setAttribute("aria-label", label);
      if (matchMedia("(hover: hover)").matches) area.focus({ preventScroll: true });
    };
    // The sample is a machine as well; what an author wrote is not said by one.
    rolecraft.showWho = (who) => {
      const said = who === "hand" ? ["hand"] : ["machine", who];
      for (const note of notes) note.hidden = !said.includes(note.dataset.of);
    };
    rolecraft.settingsChanged?.();
    area.value = rolecraft.memory.draft;
    show();
  };
})();
