"use strict";
(function () {
  document.documentElement.classList.add("js");

  // Sorting: a click on a heading. Cells may carry their value in data-v.
  function valueOf(row, column) {
    var cell = row.cells[column];
    return cell.dataset.v !== undefined ? cell.dataset.v : cell.textContent.trim();
  }
  function compare(a, b) {
    var x = Number(a), y = Number(b);
    if (a !== "" && b !== "" && !isNaN(x) && !isNaN(y)) return x - y;
    return a < b ? -1 : a > b ? 1 : 0;
  }
  document.querySelectorAll("table.sortable").forEach(function (table) {
    var heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach(function (head, column) {
      var button = document.createElement("button");
      button.type = "button";
      while (head.firstChild) button.appendChild(head.firstChild);
      head.appendChild(button);
      button.addEventListener("click", function () {
        var down = head.getAttribute("aria-sort") === "ascending" ||
          (head.getAttribute("aria-sort") === null && head.classList.contains("n"));
        heads.forEach(function (h) { h.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        var body = table.tBodies[0];
        Array.from(body.rows)
          .sort(function (a, b) {
            var c = compare(valueOf(a, column), valueOf(b, column));
            return down ? -c : c;
          })
          .forEach(function (row) { body.appendChild(row); });
      });
    });
  });

  // Filtering: what is typed, and which decisions are wanted.
  document.querySelectorAll(".tools").forEach(function (tools) {
    var table = document.getElementById(tools.dataset.table);
    var search = tools.querySelector("input[type=search]");
    var boxes = Array.from(tools.querySelectorAll("input[type=checkbox]"));
    var said = tools.querySelector("[role=status]");
    var rows = Array.from(table.tBodies[0].rows);
    var texts = rows.map(function (row) { return row.textContent.toLowerCase(); });
    function apply() {
      var words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      var wanted = boxes.filter(function (b) { return b.checked; }).map(function (b) { return b.value; });
      var n = 0;
      rows.forEach(function (row, i) {
        var has = words.every(function (w) { return texts[i].indexOf(w) >= 0; });
        var kinds = (row.dataset.kinds || "").split(" ");
        var kind = boxes.length === 0 || kinds.some(function (k) { return wanted.indexOf(k) >= 0; });
        row.hidden = !(has && kind);
        if (!row.hidden) n++;
      });
      said.textContent = n === rows.length ? "" : n + " of " + rows.length + " shown";
    }
    search.addEventListener("input", apply);
    boxes.forEach(function (b) { b.addEventListener("change", apply); });
    apply(); // a reload keeps what was typed
  });

  // A link into a closed group opens it; print shows everything.
  function openTarget() {
    var target = location.hash && document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") target.open = true;
  }
  window.addEventListener("hashchange", openTarget);
  openTarget();
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (d) { d.open = true; });
  });
})();
