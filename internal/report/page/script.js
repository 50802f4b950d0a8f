"use strict";
(function () {
  document.documentElement.classList.add("js");

  function compare(a, b) {
    var x = Number(a), y = Number(b);
    if (a !== "" && b !== "" && !isNaN(x) && !isNaN(y)) return x - y;
    return a < b ? -1 : a > b ? 1 : 0;
  }

  // Sorting: a click on a heading. Cells may carry their value in data-v.
  function sortable(heads, list, rows, cells) {
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
        function valueOf(row) {
          var cell = cells(row)[column];
          return cell.dataset.v !== undefined ? cell.dataset.v : cell.textContent.trim();
        }
        rows().sort(function (a, b) {
          var c = compare(valueOf(a), valueOf(b));
          return down ? -c : c;
        }).forEach(function (row) { list.appendChild(row); });
      });
    });
  }
  document.querySelectorAll("table.sortable").forEach(function (table) {
    var body = table.tBodies[0];
    sortable(Array.from(table.tHead.rows[0].cells), body,
      function () { return Array.from(body.rows); }, function (row) { return row.cells; });
  });
  document.querySelectorAll(".list").forEach(function (list) {
    sortable(Array.from(list.querySelector(".head").children), list,
      function () { return Array.from(list.querySelectorAll("details.item")); },
      function (item) { return item.querySelector("summary").children; });
  });

  // Filtering: what is typed, and which verdicts and severities are wanted.
  document.querySelectorAll(".tools").forEach(function (tools) {
    var list = document.getElementById(tools.dataset.list);
    var rows = Array.from(list.tBodies ? list.tBodies[0].rows : list.querySelectorAll("details.item"));
    var search = tools.querySelector("input[type=search]");
    var said = tools.querySelector("[role=status]");
    var texts = rows.map(function (row) { return row.textContent.toLowerCase(); });
    function isWanted(row, name, values) {
      var boxes = Array.from(tools.querySelectorAll("input[name=" + name + "]"));
      var wanted = boxes.filter(function (b) { return b.checked; }).map(function (b) { return b.value; });
      return wanted.length === boxes.length || (values || "").split(" ").some(function (v) { return wanted.indexOf(v) >= 0; });
    }
    function apply() {
      var words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      var n = 0;
      rows.forEach(function (row, i) {
        row.hidden = !(words.every(function (w) { return texts[i].indexOf(w) >= 0; }) &&
          isWanted(row, "kind", row.dataset.kinds) && isWanted(row, "severity", row.dataset.severities));
        if (!row.hidden) n++;
      });
      said.textContent = n === rows.length ? "" : n + " of " + rows.length + " shown";
    }
    search.addEventListener("input", apply);
    tools.querySelectorAll("input[type=checkbox]").forEach(function (b) { b.addEventListener("change", apply); });
    apply(); // a reload keeps what was typed
  });

  // Commands and exceptions can be copied.
  if (navigator.clipboard) document.querySelectorAll("pre").forEach(function (pre) {
    var button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", function () {
      navigator.clipboard.writeText(pre.querySelector("code").textContent).then(function () {
        button.textContent = "Copied";
        setTimeout(function () { button.textContent = "Copy"; }, 1500);
      });
    });
    pre.appendChild(button);
  });

  // A link to a closed group opens it. Print shows what is open.
  function openTarget() {
    var target = location.hash && document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") target.open = true;
  }
  window.addEventListener("hashchange", openTarget);
  openTarget();
})();
