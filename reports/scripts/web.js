"use strict";
// Sorts tables, marks the section in view, and keeps what is printed small. Without it the page reads the same.
(() => {
  const words = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const told = document.getElementById("page-told");

  const shown = (row, column) => (row.cells[column]?.textContent ?? "").trim();
  const key = (row, column) => row.cells[column]?.dataset.key;

  // Numbers and times carry a key; what has none, in a column that has some, comes last either way.
  const compared = (column, direction) => (one, other) => {
    const [a, b] = [key(one, column), key(other, column)];
    if (a !== undefined && b !== undefined) return direction * (Number(a) - Number(b));
    if (a !== undefined || b !== undefined) return a === undefined ? 1 : -1;
    return direction * words.compare(shown(one, column), shown(other, column));
  };

  const sortable = (table) => {
    const body = table.tBodies[0];
    const original = [...(body?.rows ?? [])];
    if (original.length < 2 || !table.tHead?.rows.length) return;
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (head.tagName !== "TH") return;
      const hasKeys = original.some((row) => key(row, column) !== undefined);
      const states = hasKeys ? ["none", "descending", "ascending"] : ["none", "ascending", "descending"];
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const next = states[(states.indexOf(head.getAttribute("aria-sort")) + 1) % 3];
        for (const other of heads) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
        head.setAttribute("aria-sort", next);
        const rows = [...original];
        if (next !== "none") rows.sort(compared(column, next === "ascending" ? 1 : -1));
        body.append(...rows);
        const name = button.textContent.trim();
        told.textContent = next === "none" ? "In the order of the report" : `Sorted by ${name}, ${next}`;
      });
    });
  };
  document.querySelectorAll("main table").forEach(sortable);
  document.getElementById("page-sorting").hidden = false;

  // What is wider than its frame can be scrolled with the keyboard, too.
  const frames = [...document.querySelectorAll(".scroll")];
  const reachable = () => {
    for (const frame of frames) {
      const name = frame.querySelector("[aria-label], title");
      if (frame.scrollWidth > frame.clientWidth + 1) {
        frame.tabIndex = 0;
        frame.setAttribute("role", "group");
        frame.setAttribute("aria-label", `${(name?.getAttribute("aria-label") ?? "Figure")}, scrolls sideways`);
      } else {
        for (const attribute of ["tabindex", "role", "aria-label"]) frame.removeAttribute(attribute);
      }
    }
  };
  reachable();
  addEventListener("resize", reachable);

  // The contents show where the reader is.
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const heads = [...links.keys()].map((id) => document.getElementById(id));
  let waiting = false;
  const mark = () => {
    waiting = false;
    const passed = heads.filter((head) => head.getBoundingClientRect().top < innerHeight / 3);
    const end = scrollY + innerHeight >= document.documentElement.scrollHeight - 2;
    const current = end ? heads.at(-1) : passed.at(-1);
    for (const [id, link] of links) {
      if (current?.id === id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  };
  addEventListener("scroll", () => {
    if (!waiting) requestAnimationFrame(mark);
    waiting = true;
  }, { passive: true });
  mark();

  // A printed page needs no copy of the data in its links.
  const files = [...document.querySelectorAll("a[download]")].map((link) => [link, link.href]);
  addEventListener("beforeprint", () => files.forEach(([link]) => link.removeAttribute("href")));
  addEventListener("afterprint", () => files.forEach(([link, href]) => link.setAttribute("href", href)));
})();
