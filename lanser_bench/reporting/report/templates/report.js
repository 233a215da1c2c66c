"use strict";
(() => {
  const root = document.documentElement, button = document.getElementById("theme");
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const show = () => { button.setAttribute("aria-pressed", String(dark())); };
  try { const kept = localStorage.getItem("lanser-theme"); if (kept) root.dataset.theme = kept; } catch { /* storage may be closed to files */ }
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem("lanser-theme", root.dataset.theme); } catch { /* only lasts for this visit */ }
    show();
  });
  show();

  const text = (row, column) => (row.cells[column].querySelector(".who") ?? row.cells[column]).textContent.trim().toLowerCase();
  const number = (row, column) => Number(row.cells[column].dataset.v ?? NaN);

  for (const table of document.querySelectorAll("table.board")) {
    const body = table.tBodies[0], page = Number(table.dataset.page);
    const own = (kind) => document.querySelector(`${kind}[data-table="${table.id}"]`);
    const filter = own("input"), role = own("select"), more = own("button");
    const count = document.getElementById("n" + table.id.slice(1));
    let rows = [...body.rows], limit = page;
    const words = new Map(rows.map((row) => [row, [1, 2, 3, 4].map((c) => text(row, c)).join(" ")]));

    const draw = () => {
      const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      const fits = rows.filter((row) => (!role.value || row.dataset.role === role.value) && wanted.every((w) => words.get(row).includes(w)));
      for (const row of rows) row.hidden = true;
      for (const row of fits.slice(0, limit)) row.hidden = false;
      const shown = Math.min(limit, fits.length);
      count.textContent = shown < fits.length ? `${shown} of ${fits.length} rows` : `${fits.length} rows`;
      more.hidden = shown >= fits.length;
    };
    const sort = (head, column, kind) => {
      const now = head.getAttribute("aria-sort");
      // Numbers begin with the largest, names with A.
      const up = now ? now !== "ascending" : kind === "text" || column === 0;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const sign = up ? 1 : -1;
      rows.sort(kind === "num" ? (a, b) => sign * (number(a, column) - number(b, column)) : (a, b) => sign * text(a, column).localeCompare(text(b, column)));
      body.append(...rows);
      draw();
    };
    filter.addEventListener("input", () => { limit = page; draw(); });
    role.addEventListener("change", () => { limit = page; draw(); });
    more.addEventListener("click", () => { limit += 4 * page; draw(); });
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const control = head.querySelector(".sort");
      if (control) control.addEventListener("click", () => sort(head, column, control.dataset.kind));
    });
    draw();
  }
})();
