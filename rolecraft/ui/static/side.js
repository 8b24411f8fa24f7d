// The side column and what opens over the page: conversations, settings, why, files.
(() => {
  "use strict";
  const root = document.documentElement;

  const closers = [];
  // Closes what lies over the page; whether something did.
  rolecraft.uncover = () => {
    const covered = root.dataset.sheet === "open" || root.dataset.drawer === "open";
    for (const close of closers) close();
    rolecraft.drawer(false);
    return covered;
  };

  // Keeps the keyboard inside a sheet; Escape and a click beside it close it.
  function hold(element, close) {
    closers.push(close);
    element.addEventListener("keydown", (event) => {
      const sheet = element.querySelector(".sheet");
      if (event.key === "Escape") close();
      if (event.key !== "Tab" || !sheet) return;
      const stops = [...sheet.querySelectorAll("button, input, select, summary, [tabindex='0']")]
        .filter((one) => one.offsetParent !== null);
      const [first, last] = [stops[0], stops[stops.length - 1]];
      const inside = sheet.contains(document.activeElement) && document.activeElement !== sheet;
      if (event.shiftKey && (!inside || document.activeElement === first)) {
        event.preventDefault();
        last?.focus();
      } else if (!event.shiftKey && document.activeElement === last) {
        event.preventDefault();
        first?.focus();
      }
    });
    document.addEventListener("pointerdown", (event) => {
      const sheet = element.querySelector(".sheet:not([hidden])");
      if (sheet && !sheet.contains(event.target)) close();
    });
  }

  function opened(sheet) {
    root.dataset.sheet = "open";
    sheet.scrollTop = 0;
    sheet.focus();
  }
  function closed() {
    root.dataset.sheet = "closed";
    if (rolecraft.returnTo?.isConnected) rolecraft.returnTo.focus();
    rolecraft.returnTo = null;
  }

  rolecraft.sheet = ({ element, props, watch }) => {
    const close = () => {
      if (!props.value) return;
      props.value = "";
      closed();
    };
    watch("value", () => {
      const sheet = element.querySelector(".sheet");
      if (sheet) opened(sheet);
    });
    rolecraft.acts(element, {
      close,
      "copy-hash": (button) => rolecraft.copy(button.dataset.hash, button),
    });
    hold(element, close);
  };

  // Without an argument: what is kept. The form comes with the page's first answer.
  rolecraft.settings = ({ element, watch } = {}) => {
    if (element) return holdSettings(element, watch);
    try { return JSON.parse(rolecraft.memory.get("settings")) || {}; } catch { return {}; }
  };

  function holdSettings(element, watch) {
    const close = () => {
      const sheet = element.querySelector(".sheet");
      if (!sheet || sheet.hidden) return;
      sheet.hidden = true;
      closed();
    };
    rolecraft.acts(element, { close });
    hold(element, close);
    watch("value", () => {
      if (element.querySelector("form")) bindSettings(element);
    });
  }

  function bindSettings(element) {
    const sheet = element.querySelector(".sheet");
    const form = element.querySelector("form");
    const engine = form.elements.engine;

    function restore() {
      const kept = rolecraft.settings();
      for (const field of form.elements) {
        if (!field.name || !(field.name in kept)) continue;
        if (field.type === "radio") field.checked = field.value === kept[field.name];
        else if (field.type === "checkbox") field.checked = kept[field.name] !== false;
        else field.value = kept[field.name];
      }
      if (!engine.value) engine.value = engine.dataset.default;
    }

    function keep() {
      const preset = form.elements.preset.value;
      const kept = { engine: engine.value, preset, passages: form.elements.passages.checked };
      if (form.elements.emotion.value) kept.emotion = form.elements.emotion.value;
      for (const name of ["temperature", "top_p", "max_new_tokens", "seed"]) {
        if (preset === "custom" && form.elements[name].value !== "") {
          kept[name] = Number(form.elements[name].value);
        }
      }
      if (kept.engine === engine.dataset.default) delete kept.engine; // follows a later default
      rolecraft.memory.set("settings", JSON.stringify(kept));
      show();
    }

    function show() {
      const preset = form.elements.preset.value;
      for (const about of form.querySelectorAll(".about")) {
        const { engine: of, preset: by } = about.dataset;
        about.hidden = of ? of !== engine.value : by !== preset;
      }
      form.querySelector(".custom").hidden = preset !== "custom";
      for (const slider of form.querySelectorAll(".slider")) {
        slider.querySelector("output").textContent = slider.querySelector("input").value;
      }
      rolecraft.showWho?.(engine.selectedOptions[0]?.dataset.who);
    }

    form.addEventListener("input", keep);
    form.addEventListener("submit", (event) => event.preventDefault());
    rolecraft.openSettings = () => {
      rolecraft.drawer(false);
      sheet.hidden = false;
      opened(sheet);
    };
    rolecraft.settingsChanged = show;
    rolecraft.useEngine = (name) => {
      if (![...engine.options].some((option) => option.value === name)) return;
      if (engine.value === name) return;
      engine.value = name;
      keep();
    };
    restore();
    show();
    const { engine: talk } = document.querySelector("#rc-head .talk-head")?.dataset || {};
    if (talk) rolecraft.useEngine(talk); // the head may have come first
  }

  rolecraft.side = ({ element, trigger, watch }) => {
    const idOf = (button) => button.closest("[data-id]").dataset.id;
    const locale = rolecraft.language === "zh" ? "zh-CN" : "en-GB";
    const hour = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
    const day = new Intl.DateTimeFormat(locale, { month: "short", day: "numeric" });

    function times() {
      const today = new Date().toDateString();
      for (const time of element.querySelectorAll("time")) {
        const when = new Date(Number(time.dataset.ms));
        time.dateTime = when.toISOString();
        time.textContent = (when.toDateString() === today ? hour : day).format(when);
      }
    }
    watch("value", () => {
      times();
      // the server has said where this browser is; the talk, if there is one, comes along
      setTimeout(() => delete root.dataset.restoring, 300);
    });

    // To another talk or to the cards, one step at a time: of quick clicks the last counts.
    let leaving = 0;
    let wish = null;
    const leave = (sent) => {
      rolecraft.drawer(false);
      if (leaving) {
        wish = sent;
        return;
      }
      leaving = setTimeout(rolecraft.left, 3000); // a step that failed says nothing
      rolecraft.arriving = true;
      trigger("leave", sent);
    };
    rolecraft.leave = leave;
    rolecraft.left = () => {
      clearTimeout(leaving);
      leaving = 0;
      const next = wish;
      wish = null;
      if (next) leave(next);
    };
    const file = (kind) => (button) => {
      button.closest("details").open = false;
      trigger("act", { do: kind, id: idOf(button) });
    };
    rolecraft.acts(element, {
      new: () => leave({ do: "new" }),
      open: (button) => leave({ do: "open", id: idOf(button) }),
      export_json: file("export_json"),
      export_md: file("export_md"),
      rename: (button) => ask(button, "rename", (title) =>
        trigger("act", { do: "rename", id: idOf(button), title })),
      delete: (button) => ask(button, "delete", () =>
        leave({ do: "delete", id: idOf(button) })),
      settings(button) {
        rolecraft.returnTo = button;
        rolecraft.openSettings?.();
      },
    });
    document.addEventListener("click", (event) => {
      for (const menu of element.querySelectorAll("details[open]")) {
        if (!menu.contains(event.target)) menu.open = false;
      }
    });
  };

  // Asks below a conversation for its new name, or whether to delete it.
  function ask(button, what, done) {
    const item = button.closest("li");
    item.querySelector("details").open = false;
    item.querySelector(".ask")?.remove();
    const form = document.createElement("form");
    form.className = "ask";
    form.innerHTML = "<p></p><input maxlength='80'><div>" +
      "<button type='button' class='quiet'></button><button type='submit'></button></div>";
    const [note, input] = [form.querySelector("p"), form.querySelector("input")];
    const [cancel, go] = form.querySelectorAll("button");
    const renaming = what === "rename";
    note.textContent = rolecraft.say(renaming ? "new_title" : "really_delete");
    input.hidden = !renaming;
    input.value = item.querySelector(".title").textContent;
    input.setAttribute("aria-label", rolecraft.say("new_title"));
    cancel.textContent = rolecraft.say("cancel");
    go.textContent = rolecraft.say(renaming ? "save" : "delete");
    go.className = renaming ? "primary" : "danger";
    const close = () => {
      form.remove();
      item.querySelector("summary")?.focus();
    };
    cancel.addEventListener("click", close);
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") close();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      done(input.value);
      close();
    });
    item.append(form);
    if (renaming) input.select();
    else cancel.focus();
  }

  // A file that the server sent as text becomes a download.
  rolecraft.file = ({ props, watch }) => watch("value", () => {
    if (!props.value) return;
    const { name, type, text } = JSON.parse(props.value);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });

  document.addEventListener("pointerdown", (event) => {
    if (root.dataset.drawer === "open" && !event.target.closest("#rc-side, [data-act=menu]")) {
      rolecraft.drawer(false);
    }
  });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && root.dataset.drawer === "open") rolecraft.drawer(false);
  });
})();
