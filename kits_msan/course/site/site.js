// The static pages: theme, search and viewers. Pages opened from disk may not fetch, so all data comes as scripts.
const viewerStates = {}, viewerScans = {}; // which their scripts fill

function setTheme(theme, keep = false) {
  document.documentElement.dataset.theme = theme;
  const button = document.getElementById("theme");
  if (button) button.textContent = theme === "dark" ? "light" : "dark";
  try {
    if (keep) localStorage.setItem("theme", theme);
  } catch {} // some browsers keep nothing for pages from disk
}

function keptTheme() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null;
  }
}
setTheme(keptTheme() ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));

// Sections that hold every word of the query, those with all of them in the heading first.
function search(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  const all = (text) => words.every((word) => text.includes(word));
  const hits = [];
  for (const [page, title, anchor, heading, text] of SEARCH) {
    const inHeading = all(heading.toLowerCase());
    if (!inHeading && !all(`${title} ${heading} ${text}`.toLowerCase())) continue;
    const at = Math.max(0, text.toLowerCase().indexOf(words[0]) - 40);
    hits.push({ rank: inHeading ? 0 : 1, page, title, anchor, heading, snippet: text.slice(at, at + 120) });
  }
  return hits.sort((a, b) => a.rank - b.rank).slice(0, 12);
}

function showFound(list, hits, query) {
  list.hidden = !query.trim();
  list.replaceChildren(...hits.map((hit) => {
    const link = document.createElement("a"), place = document.createElement("b"), line = document.createElement("span");
    link.href = hit.anchor ? `${hit.page}#${hit.anchor}` : hit.page;
    place.textContent = hit.heading && hit.heading !== hit.title ? `${hit.title}: ${hit.heading}` : hit.title;
    line.textContent = hit.snippet;
    link.append(place, line);
    link.addEventListener("click", () => { list.hidden = true; });
    const item = document.createElement("li");
    item.append(link);
    return item;
  }));
  if (!hits.length) list.innerHTML = "<li>nothing found</li>";
}

const addScript = (src) => new Promise((resolve) => {
  const script = Object.assign(document.createElement("script"), { src });
  script.onload = resolve; // of a script that is missing the still picture stays
  document.head.append(script);
});

// A viewer's volumes are read when it comes near the screen; until then its still picture stands there. The scan, which
// several viewers may show, lies apart from labels and heat.
async function loadViewer(place) {
  const name = place.dataset.viewer;
  await addScript(`${name}.js`);
  const { scan, ...state } = viewerStates[name];
  await addScript(`${scan}.js`);
  place.replaceChildren();
  showSlices(place, { ...state, _data: { ...state._data, image: viewerScans[scan] } });
}

function connect() {
  setTheme(document.documentElement.dataset.theme);
  document.getElementById("theme").addEventListener("click", () =>
    setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark", true));

  const field = document.getElementById("search"), list = document.getElementById("found");
  field.addEventListener("input", () => showFound(list, search(field.value), field.value));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") list.querySelector("a")?.click();
  });
  field.addEventListener("focus", () => { list.hidden = !field.value.trim(); });
  const menu = document.querySelector("header details");
  const close = () => { list.hidden = true; };
  document.addEventListener("pointerdown", (event) => {
    if (!event.target.closest("[role=search]")) close();
    if (!menu.contains(event.target)) menu.open = false;
  });
  field.closest("[role=search]").addEventListener("focusout", (event) => {
    if (event.relatedTarget && !event.relatedTarget.closest("[role=search]")) close();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      close();
      if (menu.contains(document.activeElement)) menu.firstElementChild.focus(); // or the focus would be lost
      menu.open = false;
    }
    const typing = event.target.closest("input, select, textarea, .kits-viewer");
    if (event.key === "/" && !typing) {
      event.preventDefault();
      field.focus();
    }
  });

  foldAll();
  frameTables();
  for (const header of document.querySelectorAll("th:empty")) header.outerHTML = "<td></td>"; // of pandas' index
  for (const block of document.querySelectorAll("main :is(pre, math[display=block])")) {
    if (block.scrollWidth > block.clientWidth) block.tabIndex = 0; // so that the keyboard can scroll it
  }
  connectExplorables();
  connectProgress();
  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      loadViewer(target);
    }
  }, { rootMargin: "300px" });
  for (const place of document.querySelectorAll("[data-viewer]")) near.observe(place);
}
