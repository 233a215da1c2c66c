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

  const text = (row, column) => (row.cells[column].querySelector("summary") ?? row.cells[column]).textContent.trim().toLowerCase();
  const number = (row, column) => Number(row.cells[column].dataset.v ?? NaN);

  for (const table of document.querySelectorAll("table.board")) {
    const body = table.tBodies[0], page = Number(table.dataset.page);
    const own = (kind) => document.querySelector(`${kind}[data-table="${table.id}"]`);
    const filter = own("input"), role = own("select"), more = own("button");
    const count = own(".count");
    let rows = [...body.rows], limit = page;
    const words = new Map(rows.map((row) => [row, row.dataset.words]));

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

  // A row of a table, its curve and its button are one thing: all are highlighted together.
  const light = (target) => {
    const id = target?.closest?.("[data-row]")?.dataset.row;
    for (const one of document.querySelectorAll(".lit")) one.classList.remove("lit");
    for (const one of document.querySelectorAll(".lighting")) one.classList.remove("lighting");
    if (!id) return;
    for (const one of document.querySelectorAll(`[data-row="${CSS.escape(id)}"]`)) {
      one.classList.add("lit");
      one.closest(".chart")?.classList.add("lighting");
    }
  };
  for (const kind of ["pointerover", "focusin"]) document.addEventListener(kind, (event) => light(event.target));

  const narrow = matchMedia("(max-width: 640px)");
  for (const chart of document.querySelectorAll("svg[data-plot]")) {
    const full = chart.getAttribute("viewBox");
    const fit = () => chart.setAttribute("viewBox", narrow.matches ? full.replace(/^0 0 \S+/, `0 0 ${chart.dataset.plot}`) : full);
    narrow.addEventListener("change", fit);
    fit();
  }
  for (const chart of document.querySelectorAll("svg.curves")) {
    const box = chart.closest(".plotted"), readout = box.querySelector(".readout"), cursor = chart.querySelector(".cursor");
    const series = [...chart.querySelectorAll(".series")].reverse().map((g) => ({ g, name: g.dataset.name, values: JSON.parse(g.dataset.values) }));
    const places = [...new Set(series.flatMap((one) => one.values.map((v) => v[0])))].sort((a, b) => a - b);
    let at = -1;
    const read = (index) => {
      at = Math.max(0, Math.min(places.length - 1, index));
      const x = places[at], found = series.filter((one) => !one.g.hasAttribute("hidden")).map((one) => [one.name, one.values.find((v) => v[0] === x)]).filter((one) => one[1]);
      cursor.setAttribute("x1", x); cursor.setAttribute("x2", x);
      chart.classList.add("reading");
      readout.textContent = found.length ? `At ${found[0][1][1]}: ` + found.map(([name, v]) => `${name} ${v[2]}`).join("; ") : "";
    };
    const nearest = (event) => {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(chart.getScreenCTM().inverse());
      return places.reduce((best, x, i) => Math.abs(x - point.x) < Math.abs(places[best] - point.x) ? i : best, 0);
    };
    chart.addEventListener("pointermove", (event) => { const i = nearest(event); if (i !== at) read(i); });
    chart.setAttribute("tabindex", "0");
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) { event.preventDefault(); read(at + step); }
    });
    for (const button of box.querySelectorAll(".legend button")) {
      button.addEventListener("click", () => {
        const on = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(on));
        const of = series.find((one) => one.g.dataset.row === button.dataset.row && one.name === button.textContent);
        if (of) of.g.toggleAttribute("hidden", !on);
        spread(series.filter((one) => !one.g.hasAttribute("hidden")));
        if (at >= 0) read(at);
      });
    }
  }
  // Names at the ends of the visible curves are moved apart.
  function spread(shown) {
    let last = -Infinity, before = 0;
    const named = shown.map(({ g }) => ({ text: g.querySelector(".name"), lead: g.querySelector(".lead") })).sort((a, b) => a.lead.getAttribute("y1") - b.lead.getAttribute("y1"));
    for (const { text, lead } of named) {
      const size = 15 * text.children.length;
      last = Math.max(Number(lead.getAttribute("y1")), last + (before + size) / 2);
      before = size;
      text.setAttribute("y", last + 4);
      lead.setAttribute("y2", last);
    }
  }
})();
