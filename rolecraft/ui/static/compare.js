// The page /compare: two replies that appear at one pace, the ballot, and the way on.
(() => {
  "use strict";
  const CHARS_A_SECOND = 36; // the same for both sides, whatever they took
  const LONGEST_RELEASE_S = 9;
  const LOOK_MS = 9500; // a look at the server waits for eight seconds
  const TELL_MS = 10000; // time to change one's mind before the names are told
  const TRY_AGAIN_MS = 4000;
  const FREE = ["", "saved", "told", "void", "lost"]; // states in which something can be said
  const VOTES = {
    ArrowLeft: "left", a: "left", ArrowRight: "right", b: "right",
    ArrowDown: "tie", t: "tie", x: "both_bad",
  };

  let send = () => {}; // a step for the server
  let section = null; // the pair that is shown
  let state = "";
  let box = null;

  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const uuid = () => crypto.randomUUID?.() ||
    "10000000-1000-4000-8000-100000000000".replace(/[018]/g, (c) =>
      (c ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (c / 4)))).toString(16));

  function toast(text) {
    let shown = document.querySelector(".compare-toast");
    if (!shown) {
      shown = Object.assign(document.createElement("p"), { className: "compare-toast" });
      shown.setAttribute("role", "alert");
      document.querySelector("#rc-main").append(shown);
    }
    shown.textContent = text;
    shown.hidden = false;
    clearTimeout(toast.timer);
    toast.timer = setTimeout(() => { shown.hidden = true; }, 8000);
  }

  // -- the start, and what was said before ------------------------------------------------------

  rolecraft.compareStage = ({ element, trigger, watch }) => {
    const wishes = () => [...element.querySelectorAll(".wish")].map((wish) => ({
      engine: wish.querySelector("[name=engine]").value,
      preset: wish.querySelector("[name=preset]").value,
      passages: wish.querySelector("[name=passages]").checked,
      emotions: wish.querySelector("[name=emotions]").checked,
    }));
    rolecraft.acts(element, {
      back: () => trigger("act", { do: "back" }),
      say: (button) => box?.say(button.dataset.text),
      pick(button) {
        const consent = element.querySelector(".cmp-consent");
        const given = (name) => Boolean(consent?.querySelector(`[name=${name}]`).checked);
        if (consent && !given("rate")) {
          consent.querySelector(".must").hidden = false;
          consent.querySelector("[name=rate]").focus();
          return;
        }
        trigger("act", {
          do: "pick", character: button.dataset.character, wishes: wishes(),
          rate: given("rate"), publish: given("publish"), train: given("train"),
        });
      },
    });
    element.addEventListener("change", (event) => {
      if (event.target.name === "compare-mode") {
        trigger("act", { do: "mode", mode: event.target.value });
      }
      if (event.target.name === "rate") element.querySelector(".must").hidden = true;
    });
    watch("value", () => {
      box?.show();
      const log = element.querySelector(".compare-log");
      log?.lastElementChild?.scrollIntoView({ block: "nearest" });
    });
  };

  // -- one ballot: kept in this browser until the names are told ----------------------------------

  const kept = {
    key: (form) => "ballot-" + form,
    get(form) {
      try { return JSON.parse(rolecraft.memory.get(this.key(form))) || {}; } catch { return {}; }
    },
    set(form, draft) { rolecraft.memory.set(this.key(form), JSON.stringify(draft)); },
    drop(form) {
      try { localStorage.removeItem("rolecraft-" + this.key(form)); } catch { /* private mode */ }
    },
  };

  // Time in front of a pair by this browser's own clock; a pause counts for ten seconds at most.
  const clock = {
    start() {
      this.begun = this.last = performance.now();
      this.active = 0;
      this.changes = 0;
      this.input = "";
    },
    mark(event) {
      const now = performance.now();
      if (!document.hidden) this.active += Math.min(now - this.last, 10000);
      this.last = now;
      if (event?.type === "keydown") this.input = "keyboard";
      if (event?.type === "pointerdown") this.input = event.pointerType;
    },
    spent() {
      this.mark();
      const wall = Math.round(performance.now() - this.begun);
      return { active_ms: Math.min(Math.round(this.active), wall), wall_ms: wall };
    },
  };
  clock.start();
  for (const kind of ["keydown", "pointerdown", "scroll", "pointermove"]) {
    addEventListener(kind, (event) => clock.mark(event), { passive: true, capture: true });
  }

  function ballotOf(form) {
    const scores = {};
    for (const radio of form.querySelectorAll(".cmp-scale input:checked")) {
      scores[radio.name] = radio.value;
    }
    const preference = form.querySelector("[name=preference]:checked")?.value || null;
    return { preference, scores };
  }

  function restore(form, id) {
    const draft = kept.get(id);
    const all = [["preference", draft.preference], ...Object.entries(draft.scores || {})];
    for (const [name, value] of all) {
      const radio = [...form.querySelectorAll("input[type=radio]")]
        .find((one) => one.name === name && one.value === value);
      if (radio) radio.checked = true;
    }
    if (Object.keys(draft.scores || {}).length) form.querySelector(".cmp-scores").open = true;
  }

  function remember(form) {
    const id = section.dataset.form;
    kept.set(id, { ...kept.get(id), ...ballotOf(form) });
  }

  function complain(key) {
    const shown = section.querySelector(".pair-say");
    shown.textContent = section.dataset[key] || "";
    shown.hidden = !shown.textContent;
  }

  let unread = new Set(); // panes of which the end has not been in sight
  function submit(form) {
    if (unread.size) {
      [...unread][0].scrollIntoView({ block: "end" });
      return complain("readBoth");
    }
    const ballot = ballotOf(form);
    const given = Object.entries(ballot.scores);
    const scales = [...form.querySelectorAll(".cmp-scale")];
    for (const scale of scales) {
      const open = given.length && !scale.querySelector("input:checked");
      scale.classList.toggle("open", Boolean(open));
    }
    if (form.querySelector(".cmp-scale.open")) {
      form.querySelector(".cmp-scale.open input").focus();
      return complain("scoresOpen");
    }
    if (!ballot.preference && !given.length) return complain("chooseFirst");
    const id = section.dataset.form;
    const draft = { ...kept.get(id), ...ballot };
    draft.id ||= uuid();
    kept.set(id, draft);
    complain("saving");
    form.querySelector("[type=submit]").disabled = true;
    const scores = given.map(([name, value]) => {
      const [side, criterion] = name.split(":");
      return { side, criterion, value: value === "na" ? null : Number(value) };
    });
    submit.sent = {
      do: form.dataset.do, id: draft.id, form: id, token: section.dataset.token,
      preference: ballot.preference, scores, comment: "", n_changes: clock.changes,
      input_mode: clock.input, ...clock.spent(),
    };
    send(submit.sent);
    clearTimeout(submit.timer);
    submit.timer = setTimeout(again, 3 * TRY_AGAIN_MS); // the server may be gone altogether
  }

  function again() {
    if (!submit.sent || submit.sent.form !== section?.dataset.form) return;
    complain("unsaved");
    send(submit.sent); // the same id: stored once, however often it is sent
    clearTimeout(submit.timer);
    submit.timer = setTimeout(again, 3 * TRY_AGAIN_MS);
  }

  rolecraft.compareNote = ({ props, watch }) => watch("value", () => {
    let told;
    try { told = JSON.parse(props.value); } catch { return; }
    if (told.state === "taken") return box?.taken(told.text);
    if (told.state === "told") return toast(told.text);
    if (told.state === "unsaved") {
      complain("unsaved");
      clearTimeout(submit.timer);
      submit.timer = setTimeout(again, TRY_AGAIN_MS);
      return;
    }
    submit.sent = null;
    clearTimeout(submit.timer);
    if (told.state === "saved") {
      const locale = rolecraft.language === "zh" ? "zh-CN" : "en-GB";
      const hour = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
      toast(`${told.text} ${hour.format(new Date())}`);
    }
    if (told.state === "refused") {
      toast(told.text);
      const button = section?.querySelector(".ballot [type=submit]");
      if (button) button.disabled = false;
      if (section) complain("none");
      box?.refused();
    }
  });

  // -- both replies appear at one pace ------------------------------------------------------------

  let finishRelease = null;
  function release() {
    const saids = [...section.querySelectorAll(".cmp-pane .cmp-said:not(.empty)")];
    const texts = saids.map((one) => [...one.textContent]);
    const longest = Math.max(0, ...texts.map((text) => text.length));
    const ready = section.dataset.ready;
    const mine = section;
    const announce = () => {
      const say = mine.querySelector(".pair-say");
      say.textContent = ready;
      say.hidden = false;
      say.classList.add("quietly");
    };
    if (still.matches || !longest) return announce();
    const rate = Math.max(CHARS_A_SECOND, longest / LONGEST_RELEASE_S);
    const begun = performance.now();
    mine.classList.add("releasing");
    const skip = Object.assign(document.createElement("button"), {
      type: "button", className: "quiet-line skip-release", textContent: section.dataset.skip,
    });
    mine.querySelector(".below").prepend(skip);
    for (const said of saids) {
      said.style.minHeight = `${said.offsetHeight}px`; // the panes do not jump while they fill
      said.setAttribute("aria-hidden", "true");
    }
    let frame = 0;
    finishRelease = () => {
      cancelAnimationFrame(frame);
      saids.forEach((said, place) => {
        said.textContent = texts[place].join("");
        said.style.minHeight = "";
        said.removeAttribute("aria-hidden");
      });
      mine.classList.remove("releasing");
      skip.remove();
      finishRelease = null;
      clock.start();
      unread = rolecraft.unread(mine.querySelectorAll(".cmp-pane"));
      announce();
    };
    const step = () => {
      const upto = Math.floor(((performance.now() - begun) / 1000) * rate);
      saids.forEach((said, place) => { said.textContent = texts[place].slice(0, upto).join(""); });
      if (upto >= longest) finishRelease();
      else frame = requestAnimationFrame(step);
    };
    skip.addEventListener("click", () => finishRelease?.());
    step();
  }

  // -- the pair -----------------------------------------------------------------------------------

  rolecraft.comparePair = ({ element, trigger, watch }) => {
    send = (sent) => trigger("act", sent);
    let looked = -Infinity;
    let counting = 0;

    function changed() {
      const before = state;
      finishRelease?.();
      clearInterval(counting);
      section = element.querySelector(".cmp-pair");
      state = section?.dataset.state || "";
      box?.show();
      looked = -Infinity;
      unread = new Set();
      if (state === "vote") {
        clock.start();
        restore(section.querySelector(".ballot"), section.dataset.form);
        if (before === "waiting") release();
        if (!finishRelease) unread = rolecraft.unread(section.querySelectorAll(".cmp-pane"));
      }
      if (state === "saved") count();
      if (state === "told" && before === "saved") element.classList.add("fresh");
      else element.classList.remove("fresh");
      if (state && before !== state) {
        section.scrollIntoView({ block: "nearest", behavior: still.matches ? "auto" : "smooth" });
      }
    }

    // The names are told after a while, unless the visitor is changing their mind.
    function count() {
      const soon = section.querySelector(".soon");
      const end = performance.now() + TELL_MS;
      counting = setInterval(() => {
        const left = Math.ceil((end - performance.now()) / 1000);
        soon.textContent = soon.dataset.soon.replace("__seconds__", String(Math.max(left, 0)));
        if (left <= 0) reveal();
      }, 250);
    }

    function reveal() {
      clearInterval(counting);
      const id = section.dataset.form;
      send({ do: "reveal", form: id });
      kept.drop(id);
    }

    function undo() {
      clearInterval(counting);
      const id = section.dataset.form;
      kept.set(id, { ...kept.get(id), id: "" }); // another version is another rating
      section.querySelector(".stored").hidden = true;
      section.querySelector(".below > .pair-acts").hidden = true;
      section.querySelector(".cmp-again").hidden = false;
      restore(section.querySelector(".ballot"), id);
      section.querySelector(".ballot input:checked, .ballot input")?.focus();
    }

    setInterval(() => {
      if (state !== "waiting" || performance.now() - looked < LOOK_MS) return;
      looked = performance.now();
      trigger("look", { form: section.dataset.form });
    }, 250);

    watch("value", changed);
    rolecraft.acts(element, {
      stop: () => send({ do: "stop" }),
      "stop-side": (button) => send({ do: "stop", side: button.dataset.side }),
      retry: () => send({ do: "retry" }),
      report(button) {
        const { form, token, side, reason } = button.dataset;
        button.closest("details").open = false;
        send({ do: "report", form, token, side, reason });
      },
      reveal, undo,
    });
    element.addEventListener("change", (event) => {
      const form = event.target.closest(".ballot");
      if (!form) return;
      clock.changes += 1;
      event.target.closest(".cmp-scale")?.classList.remove("open");
      remember(form);
      complain("none");
    });
    element.addEventListener("submit", (event) => {
      event.preventDefault();
      if (event.target.matches(".ballot")) submit(event.target);
    });
    addEventListener("keydown", (event) => keys(event, { reveal, undo }));
    changed();
  };

  const typing = (target) => target.closest?.("textarea, select, [type=text], [type=search]");

  function keys(event, { reveal, undo }) {
    if (rolecraft.composing(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!section || typing(event.target)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key === "Escape" && finishRelease) return finishRelease();
    const form = [...section.querySelectorAll(".ballot")].find((one) => one.offsetParent);
    if (finishRelease) return;
    if (key === "?") {
      const list = form?.querySelector(".cmp-keys");
      if (list) list.open = !list.open;
      return;
    }
    const digit = /^[1-5n]$/.test(key) && form?.querySelector(".cmp-scores[open]");
    const scale = event.target.closest?.(".cmp-scale") || (digit &&
      [...form.querySelectorAll(".cmp-scale")].find((one) => !one.querySelector("input:checked")));
    if (scale && form) {
      const value = key === "n" ? "na" : key;
      const radio = [...scale.querySelectorAll("input")].find((one) => one.value === value);
      if (radio) radio.click();
      if (radio || key.startsWith("Arrow")) return;
    }
    const onButton = event.target.closest?.("button, a, summary");
    if (form && VOTES[key]) {
      event.preventDefault();
      const radio = form.querySelector(`[name=preference][value=${VOTES[key]}]`);
      radio.click();
      radio.focus({ preventScroll: true });
    } else if (key === "Enter" && !onButton) {
      if (form) {
        event.preventDefault();
        submit(form);
      } else if (state === "saved") {
        reveal();
      }
    } else if (key === "u" && state === "saved" && !form) {
      undo();
    }
  }

  // -- what is said next --------------------------------------------------------------------------

  rolecraft.compareBox = ({ element, trigger }) => {
    const form = element.querySelector("form");
    const area = form.querySelector("textarea");
    const button = form.querySelector(".send");
    const usual = area.placeholder;
    let sending = false;
    let timer = 0;

    function show() {
      const free = FREE.includes(state);
      const why = state === "waiting" ? form.dataset.wait : form.dataset.vote;
      area.disabled = !free;
      area.placeholder = free ? usual : why;
      button.disabled = !free || sending || !area.value.trim();
      rolecraft.grow(area);
    }
    function unlock() {
      clearTimeout(timer);
      sending = false;
      show();
    }
    function say(text) {
      if (sending || !text.trim() || !FREE.includes(state)) return;
      sending = true;
      form.querySelector(".lost").hidden = true;
      timer = setTimeout(unlock, 15000);
      trigger("act", { do: "say", text });
      show();
    }
    box = {
      show,
      say,
      refused: unlock,
      taken(text) {
        if (area.value.trim() === text) area.value = "";
        unlock();
      },
    };
    addEventListener("rc-refused", (event) => {
      form.querySelector(".lost").hidden = event.detail !== "lost";
      unlock();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      say(area.value);
    });
    area.addEventListener("input", show);
    area.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || rolecraft.composing(event)) return;
      event.preventDefault();
      say(area.value);
    });
    show();
  };
})();
