// The page itself: language, theme, composition guard, and what the other scripts share.
// Runs before gradio, which reads navigator.language while it starts.
(() => {
  "use strict";
  const root = document.documentElement;
  const memory = {
    get(name) {
      try { return localStorage.getItem("rolecraft-" + name); } catch { return null; }
    },
    set(name, value) {
      try { localStorage.setItem("rolecraft-" + name, value); } catch { /* private mode */ }
    },
    // What is being written, of this tab alone: a page that lost its server loads itself anew.
    get draft() {
      try { return sessionStorage.getItem("rolecraft-draft") || ""; } catch { return ""; }
    },
    set draft(text) {
      try {
        if (text) sessionStorage.setItem("rolecraft-draft", text);
        else sessionStorage.removeItem("rolecraft-draft");
      } catch { /* private mode, or too long */ }
    },
  };

  function chooseLanguage() {
    const url = new URL(location.href);
    const asked = url.searchParams.get("lang");
    const known = ["zh", "en"];
    let language = known.includes(asked) ? asked : memory.get("language");
    if (known.includes(asked)) memory.set("language", asked);
    if (!known.includes(language)) {
      const liked = (navigator.languages || []).map((name) => name.toLowerCase().split("-")[0]);
      language = liked.find((name) => known.includes(name)) || (liked.length ? "en" : "zh");
    }
    if (asked !== language) {
      url.searchParams.set("lang", language); // the server reads it from here
      history.replaceState(history.state, "", url);
    }
    root.lang = language === "zh" ? "zh-CN" : "en";
    Object.defineProperty(navigator, "language", { get: () => root.lang, configurable: true });
    Object.defineProperty(navigator, "languages", { get: () => [root.lang], configurable: true });
    return language;
  }

  const darkSystem = matchMedia("(prefers-color-scheme: dark)");
  function isDark() {
    const chosen = memory.get("theme");
    return chosen ? chosen === "dark" : darkSystem.matches;
  }
  function paint() {
    root.dataset.theme = isDark() ? "dark" : "light";
    document.body?.classList.toggle("dark", isDark()); // gradio's own components
  }
  darkSystem.addEventListener("change", paint);
  addEventListener("DOMContentLoaded", () => {
    paint();
    new MutationObserver(() => {
      if (document.body.classList.contains("dark") !== isDark()) paint();
    }).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  });

  // An Enter that chooses a candidate of an input method sends nothing.
  for (const kind of ["keydown", "keypress", "keyup"]) {
    addEventListener(kind, (event) => {
      if (event.key === "Enter" && rolecraft.composing(event)) event.stopImmediatePropagation();
    }, true);
  }

  // gradio tells its components nothing of a request that was refused or never arrived.
  const fetched = window.fetch;
  const lost = () => dispatchEvent(new CustomEvent("rc-refused", { detail: "lost" }));
  let joins = 0;
  window.fetch = async (...given) => {
    const address = String(given[0]?.url || given[0]);
    joins += address.includes("/queue/join");
    try {
      const answer = await fetched(...given);
      if (address.includes("/queue/join") && !answer.ok) dispatchEvent(new Event("rc-refused"));
      return answer;
    } catch (error) {
      if (address.includes("/queue/") && error.name !== "AbortError") lost();
      throw error;
    }
  };

  Object.assign(rolecraft, {
    memory,
    language: chooseLanguage(),
    composing: (event) => event.isComposing || event.keyCode === 229,
    say: (key) => rolecraft.words[rolecraft.language][key],

    // Calls acts[name](button, event) for a click on an element with data-act.
    acts(element, acts) {
      element.addEventListener("click", (event) => {
        const button = event.target.closest("[data-act]");
        if (button && element.contains(button) && acts[button.dataset.act]) {
          event.preventDefault();
          acts[button.dataset.act](button, event);
        }
      });
    },

    // The panes of which the end has not been in sight: on a phone they stand one below the other,
    // and who has seen only the first cannot compare.
    unread(panes) {
      const left = new Set();
      if (!matchMedia("(max-width: 720px)").matches || !window.IntersectionObserver) return left;
      const observer = new IntersectionObserver((entries) => {
        for (const { isIntersecting, target } of entries) {
          if (isIntersecting) left.delete(target.parentElement);
        }
      });
      for (const pane of panes) {
        const end = Object.assign(document.createElement("i"), { className: "pane-end" });
        pane.append(end);
        left.add(pane);
        observer.observe(end);
      }
      return left;
    },

    // Before a model is asked. Nothing is sent at all once gradio has lost the server.
    begin() {
      const before = joins;
      rolecraft.busy = true;
      setTimeout(() => joins === before && lost(), 2000);
    },

    async copy(text, button) {
      try {
        await navigator.clipboard.writeText(text);
      } catch { // not allowed in a frame, or no secure context
        const area = Object.assign(document.createElement("textarea"), { value: text });
        document.body.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
      }
      button.dataset.done = rolecraft.say("copied");
      setTimeout(() => delete button.dataset.done, 1500);
    },

    drawer(open) {
      root.dataset.drawer = open ? "open" : "closed";
      const opener = document.querySelector("[data-act=menu]");
      opener?.setAttribute("aria-expanded", String(open));
      if (open) document.querySelector("#rc-talks button")?.focus();
      else if (document.activeElement?.closest("#rc-side")) opener?.focus();
    },

    top({ element }) {
      rolecraft.acts(element, {
        menu: () => rolecraft.drawer(root.dataset.drawer !== "open"),
        theme() {
          memory.set("theme", isDark() ? "light" : "dark");
          paint();
        },
      });
      element.querySelector(".language").addEventListener("click", (event) => {
        event.preventDefault();
        const url = new URL(location.href);
        url.searchParams.set("lang", event.currentTarget.lang);
        location.assign(url);
      });
      for (const link of element.querySelectorAll(".pages a, a.brand")) {
        link.addEventListener("click", () => { // read at the click: the language is in the address
          link.search = `?lang=${rolecraft.language}`;
        });
      }
      element.querySelector(".skip").addEventListener("click", (event) => {
        event.preventDefault();
        const main = document.querySelector("#rc-main");
        main?.querySelector("textarea:not([hidden]), input, button")?.focus();
      });
    },
  });

  // While a reply is being made; the style sheet reads it. Object.assign would copy no setter.
  Object.defineProperty(rolecraft, "busy", {
    get: () => root.dataset.busy === "true",
    set(state) {
      root.dataset.busy = String(state);
      dispatchEvent(new Event("rc-busy"));
    },
  });

  root.style.setProperty("--notice", JSON.stringify(rolecraft.say("notice"))); // for style.css
  paint();
  rolecraft.busy = false;
  rolecraft.drawer(false);
  // A page that was left in a talk comes back to it: the cards must not flash by.
  if (memory.get("view") === "talk") {
    root.dataset.restoring = "true";
    setTimeout(() => delete root.dataset.restoring, 5000);
  }
})();
