// Colours, zoom of the timeline, open modules, keys and addresses.
const theme = document.getElementById("theme");
const dark = matchMedia("(prefers-color-scheme: dark)");
theme.addEventListener("click", () => {
  const now = root.dataset.theme || (dark.matches ? "dark" : "light");
  setTheme(now === "dark" ? "light" : "dark");
});
dark.addEventListener("change", () => { nameTheme(); paint(); });

function setTheme(name) {
  root.dataset.theme = name;
  nameTheme();
  paint();
}

function nameTheme() {
  const now = root.dataset.theme || (dark.matches ? "dark" : "light");
  document.getElementById("theme-name").textContent = now === "dark" ? "Light" : "Dark";
}

const tracks = document.querySelector(".tracks");
const lanes = tracks.querySelector("svg");
const zooms = data.zooms;

function zoom(way) {
  const old = zooms.indexOf(Number(lanes.dataset.zoom));
  const level = Math.max(0, Math.min(zooms.length - 1, old + way));
  const middle = (tracks.scrollLeft + tracks.clientWidth / 2) / tracks.scrollWidth;
  lanes.dataset.zoom = zooms[level];
  document.getElementById("zoom").textContent = `${zooms[level]} ×`;
  tracks.scrollLeft = middle * tracks.scrollWidth - tracks.clientWidth / 2;
}

document.querySelector("#timeline .tools").addEventListener("click", (e) => {
  const button = e.target.closest("[data-zoom]");
  if (button) zoom(Number(button.dataset.zoom));
});
tracks.addEventListener("keydown", (e) => {
  const way = { "+": 1, "=": 1, "-": -1 }[e.key];
  if (way) { zoom(way); e.preventDefault(); }
});

const graphs = document.querySelector(".graphs");
const states = [graphs.querySelector(".graph").dataset.view, ...data.views.names];

let pictures = null; // of the graph's other states, unpacked when the first is asked for

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

async function drawn(name) {
  const held = [...graphs.querySelectorAll(".graph")].find((v) => v.dataset.view === name);
  if (held) return held;
  if (!pictures) pictures = unpacked(data.views.packed);
  const svg = (await pictures)[data.views.names.indexOf(name)];
  graphs.insertAdjacentHTML("beforeend", svg);
  enrol(graphs.lastElementChild);
  return graphs.lastElementChild;
}

async function openModule(name) {
  const shown = await drawn(name);
  for (const view of graphs.querySelectorAll(".graph")) view.toggleAttribute("hidden", view !== shown);
  const first = shown.querySelector(".node, .module, .frame");
  if (first && !shown.querySelector('[tabindex="0"]')) first.setAttribute("tabindex", "0");
  const frame = [...shown.querySelectorAll("[data-close]")].find((f) => f.dataset.close === name);
  if (frame) {
    const [at, pane] = [frame, graphs].map((n) => n.getBoundingClientRect());
    graphs.scrollTop += at.top - pane.top - 48;
    graphs.scrollLeft += at.left + at.width / 2 - pane.left - pane.width / 2;
  }
  return shown;
}

function turn(target) {
  const box = target.closest("[data-open], [data-close]");
  if (!box) return false;
  const closing = box.dataset.close;
  const name = closing === undefined ? box.dataset.open : closing.split(".").slice(0, -1).join(".");
  const parts = name ? name.split(".") : [];
  while (parts.length && !states.includes(parts.join("."))) parts.pop();
  openModule(parts.join(".")).then((shown) => {
    const again = [...shown.querySelectorAll("[data-open], [data-close]")].find(
      (n) => (n.dataset.close || n.dataset.open) === (closing || box.dataset.open));
    if (again) again.focus({ preventScroll: true });
  });
  return true;
}

graphs.addEventListener("click", (e) => turn(e.target));
graphs.addEventListener("keydown", (e) => {
  if (e.key === "Enter" || e.key === " ") {
    if (turn(e.target)) e.preventDefault();
    const choice = chosen(e.target);
    if (choice && !choice.layers) keep(choice);
  }
  if (e.key === "Escape") {
    const frame = [...graphs.querySelectorAll(".graph:not([hidden]) .frame")].pop(); // innermost
    if (frame && turn(frame)) e.stopPropagation();
  }
});

const plan = document.getElementById("plan");
for (const node of plan.querySelectorAll(".holder")) node.setAttribute("role", "button");
plan.addEventListener("click", (e) => {
  const holder = e.target.closest(".holder");
  if (holder) zoomInto(Number(holder.dataset.core));
});
plan.addEventListener("keydown", (e) => {
  const holder = e.target.closest(".holder");
  if (holder && (e.key === "Enter" || e.key === " ")) {
    zoomInto(Number(holder.dataset.core));
    e.preventDefault();
  }
});
document.addEventListener("keydown", (e) => {
  if (e.key === "Escape" && !dialog.open) keep(null);
});

function follow() {
  const layer = /^#layer-(\d+)$/.exec(location.hash);
  const core = /^#core-(\d+)$/.exec(location.hash);
  kept = layer && Number(layer[1]) in data.layers ? { layer: Number(layer[1]) } : null;
  show(kept);
  if (core) zoomInto(Number(core[1]));
}

// The link of the section in view: the last that has come up to it, or the last of all.
const bar = document.querySelector("nav");
const links = [...bar.querySelectorAll("a")];
const sections = links.map((a) => document.getElementById(a.hash.slice(1)));

function mark() {
  const end = innerHeight + scrollY >= root.scrollHeight - 2;
  const above = sections.filter((s) => s.getBoundingClientRect().top <= 120);
  const at = end && scrollY > 0 ? links.length - 1 : Math.max(0, above.length - 1);
  links.forEach((a, i) => {
    if (i === at) a.setAttribute("aria-current", "true");
    else a.removeAttribute("aria-current");
  });
  bar.scrollLeft = links[at].offsetLeft - (bar.clientWidth - links[at].offsetWidth) / 2;
}

addEventListener("scroll", () => requestAnimationFrame(mark), { passive: true });
addEventListener("resize", mark);
addEventListener("hashchange", follow);
addEventListener("beforeprint", () => {
  for (const node of document.querySelectorAll("details")) node.open = true;
});
rove(plan, ".holder");
rove(graphs, ".node, .module, .frame");
nameTheme();
mark();
follow();
root.dataset.ready = "yes";
