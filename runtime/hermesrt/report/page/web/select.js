// One choice for the whole page: a layer, a step, or a core. Whatever shows it lights up.
const data = JSON.parse(document.getElementById("data").textContent);
const root = document.documentElement;
const inspector = document.getElementById("inspector");
const inspectorName = document.getElementById("inspector-name");
const inspectorFacts = document.getElementById("inspector-facts");
const byLayer = new Map();
const byStep = new Map();
const edges = new Map();
enrol(document);
let kept = null;
let lit = [];

// Nodes by what they show, also of a picture that is drawn later.
function enrol(part) {
  for (const [key, found] of [["layer", byLayer], ["step", byStep], ["from", edges]]) {
    for (const node of part.querySelectorAll(`[data-${key}]`)) {
      const list = found.get(node.dataset[key]) || [];
      list.push(node);
      found.set(node.dataset[key], list);
    }
  }
}

function element(name, text, parent, style) {
  const made = document.createElement(name);
  made.textContent = text;
  if (style) made.className = style;
  parent.append(made);
  return made;
}

function swatch(layer) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  made.setAttribute("class", "swatch");
  const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [key, value] of [["width", 14], ["height", 14], ["fill", data.layers[layer].fill]]) {
    rect.setAttribute(key, value);
  }
  made.append(rect);
  return made;
}

// What of the page belongs to a choice, and what the inspector says of it.
function belonging(choice) {
  if (choice.layers) return choice.layers.flatMap((l) => byLayer.get(String(l)) || []);
  const nodes = byStep.get(String(choice.step)) || [];
  return choice.layer === undefined ? nodes : (byLayer.get(String(choice.layer)) || []);
}

function described(choice) {
  if (choice.core !== undefined && choice.layers) {
    const core = data.cores[choice.core];
    return { name: core.name, facts: core.facts, layers: choice.layers };
  }
  if (choice.layers) return { name: choice.name, facts: [], layers: choice.layers };
  const step = choice.step === undefined ? null : data.steps[choice.step];
  if (choice.layer === undefined) return { name: step.label, facts: step.facts, layers: [] };
  const layer = data.layers[choice.layer];
  return { name: layer.label, facts: layer.facts, layers: [choice.layer] };
}

function show(choice) {
  for (const node of lit) node.classList.remove("on", "lit");
  lit = choice ? belonging(choice) : [];
  for (const node of lit) node.classList.add("on");
  for (const node of lit.slice()) {
    for (const edge of edges.get(node.dataset.node) || []) {
      edge.classList.add("lit");
      lit.push(edge);
    }
  }
  document.body.classList.toggle("active", choice !== null);
  inspector.hidden = choice === null;
  if (choice === null) return;
  const { name, facts, layers } = described(choice);
  inspectorName.replaceChildren();
  for (const layer of layers.slice(0, 12)) inspectorName.append(swatch(layer));
  inspectorName.append(name);
  inspectorFacts.replaceChildren();
  for (const fact of facts) {
    const pair = element("div", "", inspectorFacts);
    element("dt", fact.name, pair);
    element("dd", fact.note ? `${fact.value} (${fact.note})` : fact.value, pair);
  }
}

function layersOf(core) {
  return [...new Set(data.cores[core].tiles.map((tile) => tile.layer))];
}

// The choice that an element stands for, or null.
function chosen(target) {
  const node = target instanceof Element
    ? target.closest("[data-layer], [data-step], [data-layers], [data-core]") : null;
  if (!node) return null;
  const { layer, step, layers, core } = node.dataset;
  if (layer !== undefined) {
    return { layer: Number(layer), step: step === undefined ? undefined : Number(step) };
  }
  if (layers !== undefined) {
    const numbers = layers.split(" ").filter(Boolean).map(Number);
    return { layers: numbers, name: `module ${node.dataset.open}` };
  }
  if (core !== undefined) return { core: Number(core), layers: layersOf(core) };
  return step in data.steps ? { step: Number(step) } : null;
}

function keep(choice) {
  kept = choice;
  show(kept);
  const layer = choice && choice.layer !== undefined ? `#layer-${choice.layer}` : "#";
  history.replaceState(null, "", layer);
}

for (const event of ["mouseover", "focusin"]) {
  document.addEventListener(event, (e) => {
    if (!e.target.closest || !e.target.closest("dialog")) show(chosen(e.target) || kept);
  });
}
document.addEventListener("mouseleave", () => show(kept));
document.addEventListener("click", (e) => {
  const choice = chosen(e.target);
  if (!choice || choice.core !== undefined || choice.layers || e.target.closest(".plan, dialog")) return;
  if (e.target.closest("a")) e.preventDefault();
  keep(choice);
});

// Arrow keys move the focus to the nearest of `selector` within `container`: one stop for Tab.
function rove(container, selector) {
  const all = () => [...container.querySelectorAll(selector)].filter((n) => !n.closest("[hidden]"));
  const first = all()[0];
  for (const node of container.querySelectorAll(selector)) node.setAttribute("tabindex", "-1");
  if (first) first.setAttribute("tabindex", "0");
  container.addEventListener("focusin", (e) => {
    const node = e.target.closest(selector);
    if (!node) return;
    for (const other of container.querySelectorAll(`${selector}[tabindex="0"]`)) {
      other.setAttribute("tabindex", "-1");
    }
    node.setAttribute("tabindex", "0");
  });
  container.addEventListener("keydown", (e) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
    const here = e.target.closest(selector);
    if (!way || !here) return;
    const middle = (n) => {
      const box = n.getBoundingClientRect();
      return [box.x + box.width / 2, box.y + box.height / 2];
    };
    const [x, y] = middle(here);
    let best = null;
    for (const node of all()) {
      const [dx, dy] = middle(node).map((v, i) => v - [x, y][i]);
      const along = dx * way[0] + dy * way[1];
      const aside = Math.abs(dx * way[1]) + Math.abs(dy * way[0]);
      if (node === here || along <= 1 || aside > 3 * along) continue;
      if (!best || along + 2 * aside < best[0]) best = [along + 2 * aside, node];
    }
    e.preventDefault();
    if (best) best[1].focus();
  });
}
