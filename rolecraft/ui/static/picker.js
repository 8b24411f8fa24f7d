// The first screen: search, chips and cards.
(() => {
  "use strict";

  rolecraft.picker = ({ element, trigger }) => {
    const input = element.querySelector("input");
    const count = element.querySelector(".count");
    const nobody = element.querySelector(".nobody");
    const people = [...element.querySelectorAll(".cards > li")];
    const chips = [...element.querySelectorAll("[data-act=filter]")];

    function fits(person, words, wanted) {
      const { find, trait, age, mood } = person.dataset;
      const has = { trait: trait.split(" "), age: [age], mood: [mood] };
      return (
        words.every((word) => find.includes(word)) &&
        Object.entries(wanted).every(([by, values]) => values.some((one) => has[by].includes(one)))
      );
    }

    function filter() {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const wanted = {};
      for (const chip of chips) {
        if (chip.getAttribute("aria-pressed") !== "true") continue;
        (wanted[chip.dataset.by] ||= []).push(chip.dataset.value);
      }
      let shown = 0;
      for (const person of people) {
        person.hidden = !fits(person, words, wanted);
        shown += !person.hidden;
      }
      nobody.hidden = shown > 0;
      const narrowed = words.length || Object.keys(wanted).length;
      count.textContent = narrowed ? `${shown} / ${people.length}` : "";
    }

    // A link names whom to talk with. The server first says where this browser was.
    const url = new URL(location.href);
    const asked = url.searchParams.get("with");
    if (asked) {
      url.searchParams.delete("with");
      history.replaceState(history.state, "", url);
      const waiting = setInterval(() => {
        if (!document.querySelector("#rc-talks .side")) return;
        clearInterval(waiting);
        const open = document.querySelector("#rc-head .talk-head")?.dataset.character;
        const card = element.querySelector(`[data-character="${CSS.escape(asked)}"]`);
        if (open !== asked) card?.click();
      }, 50);
    }

    input.addEventListener("input", filter);
    rolecraft.acts(element, {
      pick(button) {
        if (rolecraft.busy) return;
        rolecraft.arriving = true;
        trigger("pick", { character: button.dataset.character });
      },
      filter(chip) {
        chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
        filter();
      },
      "more-traits"(button) {
        button.parentElement.classList.add("all");
        button.remove();
      },
      clear() {
        input.value = "";
        for (const chip of chips) chip.setAttribute("aria-pressed", "false");
        filter();
        input.focus();
      },
    });
  };
})();
