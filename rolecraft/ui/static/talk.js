// The talk: its head, the log of messages, the reply that is being written.
(() => {
  "use strict";
  const root = document.documentElement;
  const NEAR = 120; // pixels from the end within which the log follows what is written

  const scroller = () => document.querySelector("#rc-scroll");
  let following = true;
  function follow(force) {
    const area = scroller();
    following ||= force;
    if (area && (force || following)) area.scrollTop = area.scrollHeight;
  }
  addEventListener("scroll", (event) => {
    const area = scroller();
    if (event.target === area) {
      following = area.scrollHeight - area.scrollTop - area.clientHeight < NEAR;
    }
  }, true);
  rolecraft.follow = follow;

  // A talk opens at its end, one that has not begun at its beginning.
  rolecraft.arriving = true;
  function arrive(log) {
    rolecraft.arriving = false;
    following = Boolean(log.querySelector(".mine"));
    const settle = () => { scroller().scrollTop = following ? scroller().scrollHeight : 0; };
    requestAnimationFrame(() => requestAnimationFrame(settle)); // once it is shown
  }

  rolecraft.head = ({ element, watch }) => {
    let character = "";
    const inTalk = () => history.state?.rolecraft === "talk"; // says the browser's own way back
    const enter = () => history.pushState({ rolecraft: "talk" }, "");
    addEventListener("popstate", () => {
      if (inTalk() || !element.querySelector(".talk-head")) return;
      if (rolecraft.uncover()) enter(); // it closed what lay over the talk
      else rolecraft.leave({ do: "back" });
    });
    function changed() {
      const head = element.querySelector(".talk-head");
      rolecraft.memory.set("view", head ? "talk" : "cards");
      if (head && !inTalk()) enter();
      if (!head && inTalk()) history.back();
      delete root.dataset.restoring;
      const now = head?.dataset.character || "";
      if (now !== character) {
        character = now;
        if (now) rolecraft.arrived?.(head.dataset);
        else document.querySelector("#rc-picker input")?.focus({ preventScroll: true });
      }
      if (head?.dataset.engine) rolecraft.useEngine?.(head.dataset.engine);
    }
    watch("value", changed);
    rolecraft.acts(element, { back: () => rolecraft.leave({ do: "back" }) });
  };

  rolecraft.stream = ({ watch }) => watch("value", () => follow(false));

  rolecraft.log = ({ element, trigger, watch }) => {
    watch("value", () => {
      if (rolecraft.arriving && element.querySelector(".log")) arrive(element);
      else follow(false);
    });
    const idOf = (button) => button.closest("[data-id]").dataset.id;
    const make = (sent) => {
      if (rolecraft.busy) return;
      rolecraft.begin();
      following = true;
      trigger("make", { ...sent, settings: rolecraft.settings() });
    };
    let edited = null; // the edit that was sent and is not known to be taken
    function change(id, text) {
      edited = { id, text };
      make({ do: "edit", id, text });
    }
    function giveBack() { // an edit that was refused must not be written twice
      const { id, text } = edited || {};
      edited = null;
      const article = element.querySelector(`.mine[data-id="${id}"]`);
      if (article) edit(article, change, text);
    }
    addEventListener("rc-answered", (event) => {
      if (event.detail.taken) edited = null;
      else if (edited) setTimeout(giveBack, 150); // after the log was drawn
    });
    addEventListener("rc-refused", () => edited && setTimeout(giveBack, 150));
    rolecraft.acts(element, {
      say: (button) => rolecraft.send(button.dataset.text),
      greet: () => trigger("act", { do: "greet" }),
      again: (button) => make({ do: "again", id: idOf(button) }),
      edit: (button) => edit(button.closest("article"), change),
      why(button) {
        rolecraft.returnTo = button;
        trigger("act", { do: "why", id: idOf(button) });
      },
      rate(button) {
        rolecraft.returnTo = button;
        rolecraft.openRating({ message: button.closest("[data-id]")?.dataset.id || "" });
      },
      step(button) {
        if (rolecraft.busy) return;
        trigger("act", { do: "step", id: idOf(button), step: Number(button.dataset.step) });
      },
      copy(button) {
        rolecraft.copy(button.closest("article").querySelector(".bubble").textContent, button);
      },
    });
  };

  // Turns a bubble into a box; `done(id, text)` is called with what was written.
  function edit(article, done, text) {
    if (rolecraft.busy || article.querySelector(".editor")) return;
    const bubble = article.querySelector(".bubble");
    const form = document.createElement("form");
    form.className = "editor";
    form.innerHTML = '<textarea></textarea><p></p><div><button type="button" class="quiet">' +
      '</button><button type="submit" class="primary"></button></div>';
    const [area, note] = [form.querySelector("textarea"), form.querySelector("p")];
    const [cancel, save] = form.querySelectorAll("button");
    area.value = text ?? bubble.textContent;
    area.dir = "auto";
    area.setAttribute("aria-label", rolecraft.say("edit_save"));
    note.textContent = rolecraft.say("edit_note");
    cancel.textContent = rolecraft.say("cancel");
    save.textContent = rolecraft.say("edit_save");
    const close = () => {
      form.remove();
      article.classList.remove("editing");
      article.querySelector("[data-act=edit]")?.focus();
    };
    const submit = (event) => {
      event?.preventDefault();
      if (!area.value.trim()) return;
      done(article.dataset.id, area.value);
      close();
    };
    form.addEventListener("submit", submit);
    cancel.addEventListener("click", close);
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") close();
      if (event.key === "Enter" && !event.shiftKey && !rolecraft.composing(event)) submit(event);
    });
    article.classList.add("editing");
    article.querySelector(".body").prepend(form);
    rolecraft.grow(area);
    area.addEventListener("input", () => rolecraft.grow(area));
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
  }

  rolecraft.grow = (area) => {
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight + 2, innerHeight * 0.35)}px`;
  };
})();
