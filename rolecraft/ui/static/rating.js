// The form of a rating: drafts that outlive a reload, time spent on it, keys, and sending it
// until the server says that it is stored. What is sent keeps its id, so it is stored once.
(() => {
  "use strict";
  const KEY = "rolecraft-rating-";
  const WEEK = 7 * 24 * 3600 * 1000;
  const SOON = 2000; // until what was not stored is sent again
  const SLOW = 4000; // without an answer the visitor is told
  const LATE = 20000; // without an answer it is sent again

  // -- drafts, by form ----------------------------------------------------------------------

  const drafts = {
    get(name) {
      try { return JSON.parse(localStorage.getItem(KEY + name)) || {}; } catch { return {}; }
    },
    set(name, draft) {
      const body = JSON.stringify({ ...draft, at: Date.now() });
      try { localStorage.setItem(KEY + name, body); } catch { /* private mode, or full */ }
    },
    drop(name) {
      try { localStorage.removeItem(KEY + name); } catch { /* private mode */ }
    },
    names() {
      try {
        return Object.keys(localStorage).filter((key) => key.startsWith(KEY))
          .map((key) => key.slice(KEY.length));
      } catch { return []; }
    },
  };
  for (const name of drafts.names()) {
    if (Date.now() - (drafts.get(name).at || 0) > WEEK) drafts.drop(name);
  }

  function uuid() { // version 7: its beginning is the time
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    let time = Date.now();
    for (let place = 5; place >= 0; place -= 1) {
      bytes[place] = time % 256;
      time = Math.floor(time / 256);
    }
    bytes[6] = (bytes[6] & 0x0f) | 0x70;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  }

  rolecraft.newId = uuid;

  // -- sending ------------------------------------------------------------------------------

  const waiting = new Map(); // id → what was sent and is not known to be stored

  function send(entry) {
    clearTimeout(entry.again);
    clearTimeout(entry.slow);
    entry.slow = setTimeout(() => entry.tell("unsaved"), SLOW);
    entry.again = setTimeout(() => send(entry), LATE);
    entry.trigger("act", entry.sent);
  }
  function deliver(sent, name, trigger, tell = () => {}) {
    const entry = { sent, name, trigger, tell };
    waiting.set(sent.id, entry);
    send(entry);
  }
  addEventListener("rc-rated", ({ detail }) => {
    const entry = waiting.get(detail.id);
    if (!entry) return;
    clearTimeout(entry.slow);
    clearTimeout(entry.again);
    if (detail.state === "unsaved") {
      entry.again = setTimeout(() => send(entry), SOON);
    } else {
      waiting.delete(detail.id);
      if (detail.state === "saved") drafts.drop(entry.name);
    }
    entry.tell(detail.state, detail);
  });
  addEventListener("rc-refused", () => {
    for (const entry of waiting.values()) {
      entry.tell("unsaved");
      clearTimeout(entry.again);
      entry.again = setTimeout(() => send(entry), SOON);
    }
  });
  // Ratings of an earlier page that were sent and never answered.
  rolecraft.sendUnanswered = (trigger) => {
    for (const name of drafts.names()) {
      const { pending } = drafts.get(name);
      if (!pending || waiting.has(pending.id)) continue;
      deliver(pending, name, trigger, (state) => state === "refused" && drafts.drop(name));
    }
  };

  // -- time ---------------------------------------------------------------------------------

  // Time counts as spent on the form while something happens; pauses count as long as reading
  // what is shown takes. The clock is the browser's own, which nobody sets.
  function clock(chars, before) {
    const most = 10000 + chars * 250;
    const began = performance.now();
    let last = began;
    let active = before.active || 0;
    const count = () => {
      const now = performance.now();
      if (!document.hidden) active += Math.min(now - last, most);
      last = now;
    };
    const woke = () => {
      if (document.hidden) active += Math.min(performance.now() - last, most);
      last = performance.now();
    };
    const kinds = ["pointermove", "pointerdown", "keydown", "wheel", "scroll"];
    for (const kind of kinds) addEventListener(kind, count, { passive: true, capture: true });
    document.addEventListener("visibilitychange", woke);
    return {
      read() {
        count();
        const wall = Math.round((before.wall || 0) + performance.now() - began);
        return { active: Math.min(Math.round(active), wall), wall };
      },
      stop() {
        for (const kind of kinds) removeEventListener(kind, count, { capture: true });
        document.removeEventListener("visibilitychange", woke);
      },
    };
  }

  // -- the form -----------------------------------------------------------------------------

  rolecraft.ratingForm = (form, trigger) => {
    const { form: id, token, do: deed } = form.dataset;
    const name = `${id}.${deed}`;
    const draft = drafts.get(name);
    const asked = form.querySelector(".asked");
    const missing = form.querySelector(".missing");
    const state = form.querySelector(".state");
    const groups = [...form.querySelectorAll(".side")];
    const votes = form.querySelector(".votes");
    const timer = clock(Number(form.dataset.chars), draft);
    // gradio changes what stands there into the next form: answers and listeners would stay
    const life = new AbortController();
    const alive = { signal: life.signal };
    form.reset();
    for (const fold of form.querySelectorAll("details")) fold.open = false;
    asked.disabled = false;
    missing.hidden = true;
    state.textContent = "";
    state.classList.remove("trouble");
    const modes = new Set(draft.modes || []);
    const past = []; // what was chosen before, for U
    let changes = draft.changes || 0;
    let sent = null;

    const chosen = (group) => group.querySelector("input:checked")?.value;
    const values = () => Object.fromEntries(
      [...groups, ...(votes ? [votes] : [])]
        .map((group) => [group.querySelector("input").name, chosen(group)])
        .filter(([, value]) => value !== undefined));
    const radio = (field, value) =>
      [...form.elements].find((one) => one.name === field && one.value === value);
    const written = ["comment", "better"].map((one) => form.elements[one]).filter(Boolean);
    const texts = () => Object.fromEntries(written.map((one) => [one.name, one.value]));
    let known = values();

    function keep(more = {}) {
      const { active, wall } = timer.read();
      drafts.set(name, {
        values: values(), ...texts(), changes, active, wall, modes: [...modes], ...more,
      });
    }
    function changed() {
      const now = values();
      for (const field of Object.keys(now)) {
        if (known[field] === now[field]) continue;
        past.push([field, known[field]]);
        if (known[field] !== undefined) changes += 1;
      }
      known = now;
      missing.hidden = true;
      keep();
    }
    function undo() {
      const [field, value] = past.pop() || [];
      if (!field) return false;
      for (const one of form.elements) {
        if (one.name === field) one.checked = one.value === value;
      }
      known = values();
      changes += 1;
      keep();
      return true;
    }

    function say(what, detail) {
      if (life.signal.aborted) return;
      const words = detail?.text || form.dataset[what] || "";
      state.textContent = what === "saved" ? "" : words;
      state.classList.toggle("trouble", what === "unsaved" || what === "refused");
      if (what === "refused") {
        sent = null;
        asked.disabled = false;
        keep();
      }
      form.dataset.state = what;
    }
    function post(body) {
      if (sent) return;
      sent = { ...body, id: uuid(), form: id, token };
      keep({ pending: sent });
      asked.disabled = true; // it stays filled, and is what was sent
      say("saving");
      deliver(sent, name, trigger, say);
    }
    function open() {
      return [...form.querySelectorAll(".side, .votes")].filter((group) => !chosen(group));
    }
    const unread = rolecraft.unread(form.closest(".page")?.querySelectorAll(".shown .pane") || []);
    function submit() {
      if (unread.size) {
        missing.hidden = false;
        missing.textContent = form.dataset.unread;
        [...unread][0].scrollIntoView({ block: "end" });
        return;
      }
      const left = open();
      missing.hidden = !left.length;
      if (left.length) {
        missing.textContent = form.dataset.open.replace("__n__", left.length);
        left[0].querySelector("input").focus();
        return;
      }
      const { active, wall } = timer.read();
      const scores = groups.map((group) => ({
        side: group.dataset.side, criterion: group.dataset.criterion,
        value: chosen(group) === "na" ? null : Number(chosen(group)),
      }));
      post({
        do: deed, scores, preference: votes ? chosen(votes) : null, ...texts(),
        active_ms: active, wall_ms: wall, n_changes: changes, input_mode: [...modes].join("+"),
      });
    }

    function choose(group, value) {
      const one = group?.querySelector(`input[value="${value}"]`);
      if (!one || asked.disabled) return;
      modes.add("key");
      one.checked = true;
      one.focus();
      changed();
    }
    // Takes a key; whether it meant something here.
    function key(event) {
      const sign = event.key.toLowerCase();
      const vote = votes && { arrowleft: "left", arrowright: "right", t: "tie", x: "both_bad" }[sign];
      if (/^[1-5n]$/.test(sign)) {
        const group = event.target.closest?.(".side") || open().find((one) => one !== votes);
        choose(group, sign === "n" ? "na" : sign);
      } else if (vote) choose(votes, vote);
      else if (sign === "enter") submit();
      else if (sign === "u") return undo();
      else return false;
      return true;
    }

    for (const [field, value] of Object.entries(draft.values || {})) {
      const one = radio(field, value);
      if (one) one.checked = true;
    }
    for (const one of written) {
      if (!draft[one.name]) continue;
      one.value = draft[one.name];
      one.closest("details").open = true;
    }
    known = values();
    form.addEventListener("change", changed, alive);
    for (const one of written) one.addEventListener("input", () => keep(), alive);
    form.addEventListener(
      "pointerdown", (event) => modes.add(event.pointerType || "mouse"), alive);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      submit();
    }, alive);
    if (draft.pending) {
      sent = draft.pending;
      asked.disabled = true;
      say("unsaved");
      deliver(sent, name, trigger, say);
    }
    return {
      form, key,
      skip: (reason) => post({ do: "skip", reason, ...spent(timer) }),
      stop() {
        timer.stop();
        life.abort();
      },
    };
  };
  function spent(timer) {
    const { active, wall } = timer.read();
    return { active_ms: active, wall_ms: wall };
  }
})();
