// The rate page and the rating sheet on the chat page: what the server shows comes to life here.
(() => {
  "use strict";
  const hosts = [];
  // A live region says only what is put into it after it is there.
  const toast = Object.assign(document.createElement("p"), { id: "rc-toast" });
  toast.setAttribute("role", "status");
  toast.setAttribute("aria-live", "polite");
  addEventListener("DOMContentLoaded", () => document.body.append(toast));

  function tell(text, trouble) {
    toast.textContent = text;
    toast.classList.toggle("trouble", Boolean(trouble));
    toast.classList.add("shown");
    clearTimeout(toast.timer);
    toast.timer = setTimeout(() => toast.classList.remove("shown"), 6000);
  }

  // What became of a rating arrives apart from what is to be shown.
  rolecraft.rated = ({ props, watch }) => watch("value", () => {
    if (!props.value) return;
    const detail = JSON.parse(props.value);
    dispatchEvent(new CustomEvent("rc-rated", { detail }));
    if (detail.state === "saved" && detail.code) {
      const locale = rolecraft.language === "zh" ? "zh-CN" : "en-GB";
      const hour = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
      tell(`${detail.text} ${hour.format(new Date())}`);
    }
    if (detail.state === "refused") tell(detail.text, true);
    if (detail.state === "told") tell(detail.text);
    if (detail.state === "unsaved" && !detail.id) tell(detail.text, true);
  });

  const flags = (form) => Object.fromEntries(
    [...form.querySelectorAll("input[type=checkbox]")].map((box) => [box.name, box.checked]));

  function times(element) {
    const locale = rolecraft.language === "zh" ? "zh-CN" : "en-GB";
    const shape = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" };
    const format = new Intl.DateTimeFormat(locale, shape);
    for (const time of element.querySelectorAll("time[data-ms]")) {
      const when = new Date(Number(time.dataset.ms));
      time.dateTime = when.toISOString();
      time.textContent = format.format(when);
    }
  }

  rolecraft.rate = ({ element, trigger, watch }) => {
    const host = { element, rating: null };
    hosts.push(host);
    let seen = false;

    watch("value", () => {
      host.rating?.stop();
      const form = element.querySelector("form.rating");
      host.rating = form ? rolecraft.ratingForm(form, trigger) : null;
      times(element);
      const retry = element.querySelector("[data-retry]");
      if (retry) setTimeout(() => trigger("act", { do: "next" }), Number(retry.dataset.retry));
      const title = element.querySelector(".page h1, .page h2, .sheet");
      if (title && seen) {
        title.focus({ preventScroll: true });
        if (title.matches("h1")) scrollTo(0, 0);
      }
      if (title && !seen && !element.closest("#rc-rate-mine")) {
        setTimeout(() => rolecraft.sendUnanswered(trigger), 1500);
      }
      seen = seen || Boolean(title);
    });

    const act = (deed) => (button) => {
      const { form, token } = button.dataset;
      trigger("act", { do: deed, ...(form && { form }), ...(token && { token }) });
    };
    rolecraft.acts(element, {
      next: act("next"),
      change: act("change"),
      mine: act("mine"),
      erase: act("erase"),
      leave: act("leave"),
      report(button) {
        const { form, token, side, reason } = button.dataset;
        button.closest("details").open = false;
        trigger("act", { do: "report", form, token, side, reason });
      },
      skip: (button) => host.rating?.skip(button.dataset.reason),
      withdraw(button) {
        const id = rolecraft.newId();
        const { form, token } = button.dataset;
        trigger("act", { do: "withdraw", form, token, id });
      },
      "copy-code": (button) => rolecraft.copy(button.dataset.code, button),
    });
    element.addEventListener("submit", (event) => {
      const form = event.target.closest("[data-act-form]");
      if (!form) return;
      event.preventDefault();
      trigger("act", { do: form.dataset.actForm, ...form.dataset, ...flags(form) });
    });
  };

  // On the chat page the same stands in a sheet over the talk.
  rolecraft.ratesheet = (given) => {
    rolecraft.sheet(given);
    rolecraft.rate(given);
    rolecraft.openRating = (sent) => given.trigger("act", { do: "open", ...sent });
  };

  // A digit that belongs to an input method, a text field or a shortcut rates nothing.
  document.addEventListener("keydown", (event) => {
    if (rolecraft.composing(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("textarea, select, input:not([type=radio])")) return;
    const host = hosts.find((one) => one.rating?.form.isConnected) || hosts[0];
    if (!host) return;
    const pressed = event.target.closest("button, summary, a");
    if (event.key === "Enter" && pressed) return;
    if (event.key === "?") {
      const keys = host.element.querySelector(".keys");
      if (keys) keys.open = !keys.open;
      return;
    }
    const taken = host.rating?.form.isConnected && host.rating.key(event);
    const other = { enter: ".lesson-page [data-act=next]", u: ".undo" }[event.key.toLowerCase()];
    const button = !taken && other && host.element.querySelector(other);
    if (button) button.click();
    if (taken || button) event.preventDefault();
  });
})();
