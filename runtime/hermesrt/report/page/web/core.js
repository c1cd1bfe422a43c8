// One core, cell by cell: wanted, programmed, and their difference, from two grey pictures of codes.
const dialog = document.getElementById("core");
const cellText = document.getElementById("cell");
const SVG = "http://www.w3.org/2000/svg";
const colours = {
  target: [[33, 102, 172], [179, 88, 6]],
  programmed: [[33, 102, 172], [179, 88, 6]],
  error: [[118, 42, 131], [27, 120, 55]],
};
const tileColumns = [...document.querySelectorAll("#core-tiles th")].slice(2).map((th) => th.textContent);
let open = null; // { core, values, rows, columns, row, column }

async function codes(base64) {
  const image = new Image();
  image.src = `data:image/png;base64,${base64}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.width;
  canvas.height = image.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, image.width, image.height).data;
  const found = new Uint8Array(image.width * image.height);
  for (let i = 0; i < found.length; i++) found[i] = pixels[4 * i];
  return { found, rows: image.height, columns: image.width };
}

// Microsiemens by map; NaN where a cell is not in use.
async function valuesOf(core) {
  const { middle, target_step, error_step } = data.maps;
  const [target, error] = await Promise.all([codes(core.map.target), codes(core.map.error)]);
  const values = { target: [], programmed: [], error: [] };
  for (let i = 0; i < target.found.length; i++) {
    const used = target.found[i] > 0;
    const wanted = used ? (target.found[i] - middle) * target_step : NaN;
    const wrong = used ? (error.found[i] - middle) * error_step : NaN;
    values.target.push(wanted);
    values.error.push(wrong);
    values.programmed.push(wanted + wrong);
  }
  return { values, rows: target.rows, columns: target.columns };
}

function rgb(name) {
  const text = getComputedStyle(root).getPropertyValue(name).trim();
  return [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16));
}

function mixed(share, [low, high], zero) {
  const end = share < 0 ? low : high;
  const part = Math.min(1, Math.abs(share));
  return zero.map((v, i) => Math.round(v + (end[i] - v) * part));
}

function paint() {
  if (!open) return;
  const [zero, none] = [rgb("--map-zero"), rgb("--map-none")];
  for (const figure of document.querySelectorAll("#maps figure")) {
    const key = figure.dataset.map;
    const end = key === "error" ? data.maps.error_shown : data.maps.target_step * (data.maps.middle - 1);
    const canvas = figure.querySelector("canvas");
    canvas.width = open.columns;
    canvas.height = open.rows;
    const context = canvas.getContext("2d");
    const picture = context.createImageData(open.columns, open.rows);
    open.values[key].forEach((value, i) => {
      const colour = Number.isNaN(value) ? none : mixed(value / end, colours[key], zero);
      picture.data.set([...colour, 255], 4 * i);
    });
    context.putImageData(picture, 0, 0);
    const steps = [-1, -0.5, 0, 0.5, 1].map((s) => `rgb(${mixed(s, colours[key], zero)})`);
    figure.querySelector("i").style.background = `linear-gradient(90deg, ${steps})`;
    const [low, high] = figure.querySelectorAll(".scale span");
    low.textContent = `${key === "error" ? "≤ " : ""}−${end.toFixed(1)} µS`;
    high.textContent = `${key === "error" ? "≥ " : ""}${end.toFixed(1)} µS`;
  }
}

function line(x1, y1, x2, y2) {
  const made = document.createElementNS(SVG, "line");
  made.setAttribute("class", "cross");
  Object.entries({ x1, y1, x2, y2 }).forEach(([k, v]) => made.setAttribute(k, v));
  return made;
}

function outline() {
  const { rows, columns } = data.maps;
  for (const svg of document.querySelectorAll("#maps svg")) {
    svg.setAttribute("viewBox", `0 0 ${columns} ${rows}`);
    svg.replaceChildren();
    for (const { rect } of data.cores[open.core].tiles) {
      const [top, bottom, left, right] = rect;
      const made = document.createElementNS(SVG, "rect");
      const shape = { x: left, y: top, width: right - left, height: bottom - top };
      Object.entries(shape).forEach(([k, v]) => made.setAttribute(k, v));
      svg.append(made);
    }
    if (open.row === null) continue;
    const [x, y] = [(open.column + 0.5) * columns / open.columns, (open.row + 0.5) * rows / open.rows];
    svg.append(line(0, y, columns, y), line(x, 0, x, rows));
  }
}

function point(row, column) {
  open.row = Math.max(0, Math.min(open.rows - 1, row));
  open.column = Math.max(0, Math.min(open.columns - 1, column));
  outline();
  const { stride } = data.maps;
  const [r, c] = [open.row * stride, open.column * stride];
  const i = open.row * open.columns + open.column;
  const { target, programmed, error } = open.values;
  const micro = (v) => `${v < 0 ? "−" : ""}${Math.abs(v).toFixed(2)} µS`;
  const tile = data.cores[open.core].tiles.find(({ rect: [t, b, l, e] }) => r >= t && r < b && c >= l && c < e);
  const span = (v) => (stride === 1 ? `${v}` : `${v}–${v + stride - 1}`);
  const where = `row ${span(r)}, column ${span(c)}`;
  cellText.textContent = Number.isNaN(target[i])
    ? `${where}: not in use`
    : `${where}${tile ? `, ${data.layers[tile.layer].label}` : ""}: target ${micro(target[i])}, `
      + `programmed ${micro(programmed[i])}, error ${micro(error[i])}`;
}

async function zoomInto(number) {
  const core = data.cores[number];
  if (!core || !core.map) return;
  const found = await valuesOf(core);
  open = { core: number, ...found, row: null, column: null };
  document.getElementById("core-title").textContent = core.name;
  const { stride, target_step, error_step } = data.maps;
  const each = stride === 1 ? "each pixel is a cell"
    : `each pixel is the cell of largest error among ${stride} × ${stride}`;
  document.getElementById("core-facts").textContent =
    `${core.facts.map((f) => `${f.name} ${f.value}`).join("; ")}. ${data.maps.origin}; ${each}, in steps of `
    + `${target_step.toFixed(2)} and ${error_step.toFixed(2)} µS.`;
  const body = document.querySelector("#core-tiles tbody");
  body.replaceChildren();
  for (const tile of core.tiles) {
    const row = element("tr", "", body);
    element("td", "", row).append(swatch(tile.layer));
    element("td", data.layers[tile.layer].label, row);
    tile.cells.forEach((text, i) => { element("td", text, row).dataset.label = tileColumns[i]; });
  }
  cellText.textContent = "Point at a cell, or move over the maps with the arrow keys.";
  paint();
  outline();
  inspector.hidden = true;
  if (!dialog.open) dialog.showModal();
}

function neighbour(way) {
  const all = Object.keys(data.cores).map(Number).sort((a, b) => a - b);
  zoomInto(all[(all.indexOf(open.core) + way + all.length) % all.length]);
}

dialog.addEventListener("click", (e) => {
  const go = e.target.closest("[data-go]");
  if (go) neighbour(Number(go.dataset.go));
  if (e.target.closest("[data-close-core]") || e.target === dialog) dialog.close();
});
dialog.addEventListener("keydown", (e) => {
  const way = { PageUp: -1, PageDown: 1 }[e.key];
  if (way) neighbour(way);
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[e.key];
  if (step && e.target.closest(".map")) {
    const [row, column] = open.row === null ? [0, 0] : [open.row + step[0], open.column + step[1]];
    point(row, column);
  }
  if (way || (step && e.target.closest(".map"))) e.preventDefault();
});
dialog.addEventListener("close", () => {
  const holder = document.querySelector(`.holder[data-core="${open.core}"]`);
  open = null;
  if (holder) holder.focus();
});
for (const map of document.querySelectorAll(".map")) {
  map.addEventListener("pointermove", (e) => {
    const box = map.getBoundingClientRect();
    point(
      Math.floor((e.clientY - box.top) / box.height * open.rows),
      Math.floor((e.clientX - box.left) / box.width * open.columns));
  });
}
