// Help for reading: what is folded, tables that scroll, drawings to move, and the mark on pages that one has read.

// A solution, or the code of a picture, is folded away until it is asked for.
function fold(cell, title) {
  const details = document.createElement("details"), summary = document.createElement("summary");
  summary.textContent = title;
  details.className = "solution";
  cell.replaceWith(details);
  details.append(summary, cell);
}

function foldAll() {
  for (const cell of document.querySelectorAll(".celltag_solution, .celltag_build")) fold(cell, "Solution");
  for (const input of document.querySelectorAll(".celltag_hide-input > .input")) fold(input, "Code of this picture or table");
}

// A wide table scrolls in a frame of its own; the keyboard can reach the frame.
function frameTables() {
  for (const table of document.querySelectorAll("main table:not(.kits-x table)")) {
    const frame = document.createElement("div");
    frame.className = "table";
    table.replaceWith(frame);
    frame.append(table);
    if (frame.scrollWidth <= frame.clientWidth) continue;
    frame.tabIndex = 0;
    frame.setAttribute("role", "region");
    frame.setAttribute("aria-label", "a wide table: scroll sideways");
  }
}

function connectExplorables() {
  for (const place of document.querySelectorAll("[data-explorable]")) {
    place.replaceChildren();
    explore(place.dataset.explorable, place, JSON.parse(place.dataset.given));
  }
}

// Which pages have been read is kept in this browser alone, and goes nowhere.
function readPages(change) {
  try {
    const kept = JSON.parse(localStorage.getItem("read") ?? "[]");
    if (change) localStorage.setItem("read", JSON.stringify(change(kept)));
    return change ? readPages() : kept;
  } catch {
    return []; // some browsers keep nothing for pages from disk
  }
}

function showProgress() {
  const read = readPages(), page = document.body.dataset.page;
  for (const link of document.querySelectorAll("header nav > a[href], main h2 > a[href]")) {
    const done = read.includes(link.getAttribute("href"));
    link.classList.toggle("read", done);
    if (done) link.setAttribute("aria-description", "you have read this");
    else link.removeAttribute("aria-description");
  }
  const mark = document.getElementById("mark");
  if (mark) mark.checked = read.includes(page);
}

function connectProgress() {
  const mark = document.getElementById("mark"), page = document.body.dataset.page;
  mark?.addEventListener("change", () => {
    readPages((kept) => mark.checked ? [...new Set([...kept, page])] : kept.filter((other) => other !== page));
    showProgress();
  });
  showProgress();
}
