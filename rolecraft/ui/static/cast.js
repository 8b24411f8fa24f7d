// About the cast: its links lead to a talk with that person.
(() => {
  "use strict";

  rolecraft.cast = ({ element }) => {
    element.addEventListener("click", (event) => {
      const link = event.target.closest("a.person");
      if (!link) return;
      const address = new URL(link.href);
      address.searchParams.set("lang", rolecraft.language); // read at the click
      link.href = address;
    });
  };
})();
