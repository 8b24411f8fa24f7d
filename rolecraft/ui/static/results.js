// Results: numbers that open what lies under them.
(() => {
  "use strict";
  const version = () => document.querySelector("#rc-results-head .board")?.dataset.version || "";

  let last = null; // the list that a reply was opened from

  rolecraft.results = ({ element, trigger }) => {
    rolecraft.acts(element, {
      version: (button) => trigger("act", { do: "version", version: button.dataset.id }),
      data: () => trigger("act", { do: "data", version: version() }),
      cell(button) {
        rolecraft.returnTo = button;
        const cell = JSON.parse(button.dataset.cell);
        last = { do: "cell", version: version(), cell, leaks: cell.leaks };
        trigger("act", last);
      },
    });
    element.addEventListener("click", (event) => {
      const link = event.target.closest("a[href^='./']");
      if (link) link.search = `?lang=${rolecraft.language}`;
    });
  };

  rolecraft.resultsUnder = (part) => {
    const { element, trigger } = part;
    rolecraft.sheet(part);
    rolecraft.acts(element, {
      back: () => last && trigger("act", last),
      more(button) {
        last = { ...last, most: Number(button.dataset.most) };
        trigger("act", last);
      },
      reply: (button) => ask("reply", button),
      again(button) {
        button.disabled = true;
        const note = element.querySelector("[data-busy-text]");
        if (note) note.textContent = note.dataset.busyText;
        ask("again", button);
      },
    });
    function ask(deed, button) {
      trigger("act", { do: deed, version: version(), generation: button.dataset.generation });
    }
    addEventListener("rc-refused", () => {
      for (const button of element.querySelectorAll("[data-act=again]")) button.disabled = false;
    });
  };
})();
