"use strict";
/* The lab in the page: a map to decode, a field to draw in, a code to lengthen, a walk between two digits.

   The page holds weights and test digits as data; network.js computes. Nothing is fetched. All is in one block, since
   other scripts of the page have names of their own; tests use what is in `caeLab`. */
{

const SIDE = 28; // pixels of an image
const SAID_AFTER = 400; // ms without a change until a result is announced

// Small helpers

/** Makes an element: its properties, attributes by name where there is no property, and what is in it. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function dataOf(element) {
  return JSON.parse(element.querySelector('script[type="application/json"]').textContent);
}

const fixed = (value, digits = 1) => value.toFixed(digits).replace("-", "−");

function meanSquaredError(one, other) {
  return one.reduce((sum, value, i) => sum + (value - other[i]) ** 2, 0) / one.length;
}

/** A canvas of 28 × 28 pixels with a line below it. */
function picture(title) {
  const canvas = make("canvas", { width: SIDE, height: SIDE, role: "img", "aria-label": title });
  const note = make("span", { className: "cae-lab-note" });
  const box = make("div", { className: "cae-lab-picture" }, make("strong", {}, title), canvas, note);
  return { box, canvas, note };
}

/** Shows an image of 784 numbers from 0 (black) to 1 (white). */
function show(canvas, image) {
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(SIDE, SIDE);
  image.forEach((value, i) => pixels.data.set([255 * value, 255 * value, 255 * value, 255], 4 * i));
  context.putImageData(pixels, 0, 0);
}

/** A line that a screen reader says when nothing has changed for a moment. */
function announcer() {
  const element = make("p", { className: "cae-lab-said", role: "status", "aria-live": "polite" });
  let waiting;
  const say = (text) => {
    if (!element.isConnected) return void (element.textContent = text); // the page is opening: nothing has happened
    clearTimeout(waiting);
    waiting = setTimeout(() => (element.textContent = text), SAID_AFTER);
  };
  return { element, say };
}

/** A native slider with its label; `change` hears every move. */
function slider(label, { min, max, step, value }, change) {
  const input = make("input", { type: "range", min, max, step });
  input.value = value;
  input.addEventListener("input", () => change(Number(input.value)));
  return { input, box: make("label", { className: "cae-lab-slider" }, make("span", {}, label), input) };
}

/** A native list to choose from. */
function chooser(label, names, chosen, change) {
  const select = make("select", {}, ...names.map((name, i) => make("option", { value: i }, name)));
  select.value = chosen;
  select.addEventListener("change", () => change(Number(select.value)));
  return { select, box: make("label", { className: "cae-lab-choice" }, make("span", {}, label), select) };
}

/** Names the test digits that the page holds: "7", "7, another". */
function sampleNames(labels) {
  return labels.map((label, i) => (labels.indexOf(label) === i ? `${label}` : `${label}, another`));
}

// The map, and the sliders

function latentPad(figure, data, lab) {
  figure.prepend(latentMap(data, lab.models[data.map]), latentSliders(data, lab.models[data.sliders]));
}

function latentMap(data, model) {
  const points = halvesOf(data.points);
  const labels = bytesOf(data.labels);
  const size = 560;
  const range = [0, 1].map((axis) => mostOf(points.filter((_, i) => i % 2 === axis)));
  const place = (z) => [0, 1].map((axis) => {
    const share = (z[axis] - range[axis].low) / (range[axis].high - range[axis].low);
    return size * (axis ? 1 - share : share);
  });
  const at = [...Object.values(data.names)[0]];
  const pad = make("canvas", {
    width: size, height: size, tabIndex: 0, className: "cae-lab-pad", role: "application",
    "aria-label": "Map of test digits by two latents. Arrow keys move the point, with Shift in larger steps.",
  });
  const result = picture("decoded");
  const said = announcer();
  const ground = mapOf(points, labels, data, size, place);

  const update = () => {
    const context = pad.getContext("2d");
    context.drawImage(ground, 0, 0);
    drawCircle(context, place(at));
    show(result.canvas, model.decode(at));
    const near = commonest(nearest(points, at, 15).map((i) => labels[i]));
    const where = `${fixed(at[0])}, ${fixed(at[1])}`;
    result.canvas.setAttribute("aria-label", `decoded from ${where}`);
    said.say(`Latents ${where}: most of the 15 test digits nearest to it are a ${near}.`);
  };
  const move = (z) => {
    z.forEach((value, axis) => (at[axis] = Math.min(range[axis].high, Math.max(range[axis].low, value))));
    update();
  };
  const point = (event) => {
    const box = pad.getBoundingClientRect();
    const share = [(event.clientX - box.left) / box.width, 1 - (event.clientY - box.top) / box.height];
    move(share.map((s, axis) => range[axis].low + s * (range[axis].high - range[axis].low)));
  };
  onDrag(pad, point, point);
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
  pad.addEventListener("keydown", (event) => {
    const way = arrows[event.key];
    if (!way) return;
    event.preventDefault(); // the page does not scroll
    const step = event.shiftKey ? 0.1 : 0.01;
    move(at.map((value, axis) => value + way[axis] * step * (range[axis].high - range[axis].low)));
  });
  update();

  const legend = make("ul", { className: "cae-lab-legend", "aria-label": "colours of the classes" });
  for (const label of Object.keys(data.names)) {
    const swatch = make("span", { className: "cae-lab-swatch" });
    swatch.style.background = data.colors[label % 10];
    legend.append(make("li", {}, swatch, `${label}`));
  }
  const pair = make("div", { className: "cae-lab-pair" }, pad, result.canvas);
  const heading = title(`The map of “${data.map}”, and what it decodes at the circle`);
  return make("div", { className: "cae-lab-part" }, heading, pair, legend, said.element);
}

const title = (text) => make("p", { className: "cae-lab-title" }, text);

/** The range of all but the outermost values, 1 % on each side, with a margin. */
function mostOf(values) {
  const sorted = values.sort((a, b) => a - b);
  const [low, high] = [0.01, 0.99].map((share) => sorted[Math.round(share * (sorted.length - 1))]);
  const margin = 0.1 * (high - low) || 1;
  return { low: low - margin, high: high + margin };
}

function rangeOf(values) {
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  return { low, high };
}

/** Draws the points, and the names of the classes where Python found room for them, on white paper. */
function mapOf(points, labels, { colors, names }, size, place) {
  const canvas = make("canvas", { width: size, height: size });
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, size, size);
  labels.forEach((label, i) => {
    const [x, y] = place([points[2 * i], points[2 * i + 1]]);
    context.fillStyle = colors[label % 10];
    context.fillRect(x - 2, y - 2, 4, 4);
  });
  Object.assign(context, { font: "bold 30px sans-serif", textAlign: "center", textBaseline: "middle" });
  Object.assign(context, { fillStyle: "#000", strokeStyle: "#fff", lineWidth: 6, lineJoin: "round" });
  for (const [label, latents] of Object.entries(names)) {
    context.strokeText(label, ...place(latents));
    context.fillText(label, ...place(latents));
  }
  return canvas;
}

function drawCircle(context, [x, y]) {
  for (const [width, color] of [[7, "#fff"], [3, "#000"]]) {
    Object.assign(context, { lineWidth: width, strokeStyle: color });
    context.beginPath();
    context.arc(x, y, 22, 0, 2 * Math.PI);
    context.stroke();
  }
}

function nearest(points, z, count) {
  const distances = Array.from({ length: points.length / 2 }, (_, i) => [
    (points[2 * i] - z[0]) ** 2 + (points[2 * i + 1] - z[1]) ** 2, i,
  ]);
  return distances.sort((a, b) => a[0] - b[0]).slice(0, count).map(([, i]) => i);
}

function commonest(values) {
  const times = new Map();
  for (const value of values) times.set(value, (times.get(value) || 0) + 1);
  return [...times].sort((a, b) => b[1] - a[1])[0][0];
}

/** Mouse, finger or pen: `start` where it goes down, `go` where it moves while down. */
function onDrag(element, start, go) {
  let down = false;
  element.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary) return;
    down = true;
    element.setPointerCapture(event.pointerId);
    start(event);
  });
  element.addEventListener("pointermove", (event) => down && event.isPrimary && go(event));
  for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, () => (down = false));
}

function latentSliders(data, model) {
  const means = rowsOf(halvesOf(data.means), model.latentDim);
  const moves = rowsOf(halvesOf(data.moves), model.latentDim); // a standard deviation along each component
  let digit = 0;
  const moved = moves.map(() => 0); // in standard deviations
  const result = picture("decoded");
  const said = announcer();
  const update = () => {
    const z = means[digit].map((value, i) => moved.reduce((sum, share, c) => sum + share * moves[c][i], value));
    show(result.canvas, model.decode(z));
    const far = moved.map((s, i) => (s ? `component ${i + 1} by ${fixed(s)}` : "")).filter(Boolean).join(", ");
    result.canvas.setAttribute("aria-label", `decoded: mean code of ${data.classes[digit]}, ${far || "unchanged"}`);
    said.say(`Mean code of the ${data.classes[digit]}; moved, in standard deviations: ${far || "nothing"}.`);
  };
  const sliders = moved.map((_, i) => {
    const limits = { min: -4, max: 4, step: 0.1, value: 0 };
    return slider(`component ${i + 1}`, limits, (value) => { moved[i] = value; update(); });
  });
  const choice = chooser("around the mean code of the", data.classes.map(String), 0, (chosen) => {
    digit = chosen;
    update();
  });
  const reset = make("button", { type: "button" }, "All to the mean");
  reset.addEventListener("click", () => {
    sliders.forEach(({ input }, i) => { input.value = 0; moved[i] = 0; });
    update();
  });
  update();
  const left = make("div", { className: "cae-lab-sliders" }, choice.box, ...sliders.map((s) => s.box), reset);
  const row = make("div", { className: "cae-lab-row" }, left, result.canvas);
  const heading = title(`Along ${moved.length} principal components of the latents of “${data.sliders}”`);
  return make("div", { className: "cae-lab-part" }, heading, row, said.element);
}

// Draw a digit

const FIELD = 280; // pixels of the field
const PEN = 22;
const BOX = 20; // pixels: what the longer side of the ink gets
const FAINT = 0.2; // less is no ink
const FIRST = 4; // digit in the field before a reader's: two numbers are too few for it
const STRANGE = { // strokes in shares of the field
  "the letter A": [[[0.25, 0.8], [0.5, 0.18], [0.75, 0.8]], [[0.34, 0.58], [0.66, 0.58]]],
  "a scribble": [[[0.2, 0.3], [0.8, 0.2], [0.25, 0.45], [0.75, 0.5], [0.2, 0.7], [0.8, 0.65], [0.4, 0.85]]],
};

/** Cuts `length` pixels into equal parts; returns the pixels of each, with the share of the part that each fills. */
function covered(length, parts) {
  const size = length / parts;
  return Array.from({ length: parts }, (_, part) => {
    const [from, to] = [part * size, Math.min(length, (part + 1) * size)];
    const first = Math.floor(from);
    const pixels = Array.from({ length: Math.ceil(to) - first }, (_, i) => first + i);
    return pixels.map((i) => [i, (Math.min(to, i + 1) - Math.max(from, i)) / size]);
  });
}

const weighted = (values, shares) => shares.reduce((sum, [i, share]) => sum + share * values[i], 0);
const total = (values) => values.reduce((sum, value) => sum + value, 0);

/** Centres and scales a drawing as MNIST's makers did; with the numbers of `cae.load_digit`.

    The ink is cropped and box-filtered, so that its longer side has 20 pixels. Then it is moved by whole pixels, until
    its centre of mass is in the middle of the image. Without ink the image is black.

    `ink` has side × side numbers from 0 to 1. */
function centred(ink, side) {
  let [left, top, right, bottom] = [side, side, -1, -1];
  ink.forEach((value, i) => {
    if (value <= FAINT) return;
    const [column, row] = [i % side, Math.floor(i / side)];
    [left, right] = [Math.min(left, column), Math.max(right, column)];
    [top, bottom] = [Math.min(top, row), Math.max(bottom, row)];
  });
  const image = new Float64Array(SIDE * SIDE);
  if (right < 0) return image;
  const sides = [bottom - top + 1, right - left + 1];
  const [down, across] = sides.map((length) => (
    covered(length, Math.max(1, Math.floor(BOX * length / Math.max(...sides) + 0.5)))));
  const rows = rowsOf(ink, side).slice(top, bottom + 1).map((row) => row.slice(left, right + 1));
  const columns = across.map((shares) => rows.map((row) => weighted(row, shares)));
  const small = down.map((shares) => columns.map((column) => weighted(column, shares)));
  const begin = (sums) => { // of rows, or of columns
    const middle = total(sums.map((value, i) => i * value)) / total(sums);
    return Math.max(0, Math.min(SIDE - sums.length, Math.ceil(SIDE / 2 - 0.5 - middle)));
  };
  const y = begin(small.map(total));
  const x = begin(columns.map((_, i) => total(small.map((row) => row[i]))));
  small.forEach((row, i) => image.set(row, (y + i) * SIDE + x));
  return image;
}

function draw(figure, data, lab) {
  const answers = Object.entries(lab.models).map(([name, model]) => answer(name, model));
  drawingBoard(figure, lab, answers, 1);
}

/** Draws by a network, and by PCA, with as many numbers as the slider says. */
function codeLength(figure, data, lab) {
  const networks = Object.values(lab.models).sort((one, other) => one.latentDim - other.latentDim);
  const [network, pca] = ["autoencoder", "PCA"].map((name) => answer(name));
  const choose = (i) => {
    const { latentDim } = networks[i];
    network.model = networks[i];
    pca.model = Object.assign(new PCA(data, latentDim), { reach: data.reach });
    length.input.setAttribute("aria-valuetext", `${latentDim} numbers`);
    length.box.firstChild.textContent = `length of the code: ${latentDim} numbers`;
  };
  const length = slider("", { min: 0, max: networks.length - 1, step: 1, value: 0 }, (i) => { choose(i); again(); });
  choose(0);
  const again = drawingBoard(figure, lab, [network, pca], 1 + lab.labels.indexOf(FIRST), length.box);
}

/** A field to draw in, and what the `model` of each answer makes of it. Returns what shows the answers again. */
function drawingBoard(figure, lab, answers, start, ...controls) {
  const field = make("canvas", {
    width: FIELD, height: FIELD, className: "cae-lab-field", role: "img",
    "aria-label": "Field to draw in with mouse, finger or pen. The list beside it needs only a keyboard.",
  });
  const context = field.getContext("2d", { willReadFrequently: true });
  Object.assign(context, { lineWidth: PEN, lineCap: "round", lineJoin: "round", strokeStyle: "#fff" });
  const seen = picture("as MNIST");
  const said = announcer();

  let inField;
  const update = (image, what) => {
    inField = [image, what];
    show(seen.canvas, image);
    const errors = answers.map(({ name, model, canvas, note, bars, size }) => {
      const z = model.encode(image);
      const again = model.decode(z);
      show(canvas, again);
      size.textContent = drawBars(bars, z, model.reach);
      note.textContent = `MSE ${meanSquaredError(image, again).toFixed(4)}`;
      canvas.setAttribute("aria-label", `what ${name} makes of ${what}: ${note.textContent}`);
      return `${name} ${note.textContent.slice(4)}`;
    });
    said.say(`Mean squared error of ${what}: ${errors.join(", ")}.`);
  };
  const fromField = (what) => {
    const { data: pixels } = context.getImageData(0, 0, FIELD, FIELD);
    const ink = Float64Array.from({ length: FIELD * FIELD }, (_, i) => pixels[4 * i] / 255);
    update(centred(ink, FIELD), what);
  };
  const clear = () => {
    context.fillStyle = "#000";
    context.fillRect(0, 0, FIELD, FIELD);
  };
  const stroke = (from, to) => {
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.stroke();
  };

  let pen = null;
  let drawn = false; // whether the field holds the reader's own strokes
  let due = false;
  const soon = () => { // at most once a frame
    if (due) return;
    due = true;
    requestAnimationFrame(() => { due = false; fromField("your drawing"); });
  };
  const to = (event) => {
    const box = field.getBoundingClientRect();
    const now = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map((s) => s * FIELD);
    stroke(pen || [now[0] - 0.1, now[1]], now); // a line without length leaves no dot
    pen = now;
    soon();
  };
  onDrag(field, (event) => {
    if (!drawn) clear();
    drawn = true;
    pen = null;
    choice.select.value = 0;
    to(event);
  }, to);

  const names = sampleNames(lab.labels).map((name) => `test digit ${name}`);
  const strange = Object.entries(STRANGE);
  const pick = (chosen) => {
    drawn = false;
    clear();
    if (chosen === 0) return fromField("an empty field");
    if (chosen <= names.length) {
      const image = lab.images[chosen - 1];
      const small = picture("").canvas;
      show(small, image);
      context.drawImage(small, 0, 0, FIELD, FIELD);
      return update(image, names[chosen - 1]);
    }
    const [name, strokes] = strange[chosen - 1 - names.length];
    for (const path of strokes) {
      const points = path.map((at) => at.map((share) => share * FIELD));
      points.slice(1).forEach((end, i) => stroke(points[i], end));
    }
    return fromField(name);
  };
  const options = ["your own drawing", ...names, ...strange.map(([name]) => name)];
  const choice = chooser("In the field:", options, start, pick);
  const button = make("button", { type: "button" }, "Clear");
  button.addEventListener("click", () => { choice.select.value = 0; pick(0); });

  const left = make("div", { className: "cae-lab-drawing" }, field, seen.box, make("div", {}, choice.box, button));
  const right = make("div", { className: "cae-lab-answers" }, ...controls, ...answers.map(({ box }) => box));
  const row = make("div", { className: "cae-lab-row" }, left, right);
  pick(start);
  figure.prepend(make("div", { className: "cae-lab-part" }, row, said.element));
  return () => update(...inField);
}

/** What a model makes of a drawing: its picture, and its code as bars. */
function answer(name, model) {
  const parts = picture(name);
  const bars = make("canvas", { width: 224, height: 72, className: "cae-lab-bars", role: "img" });
  const size = make("span", { className: "cae-lab-size", "aria-hidden": true }); // the bars' name says it
  parts.box.append(bars, size);
  return { ...parts, name, model, bars, size };
}

/** Draws a code as bars up and down from a line, and returns its size; the canvas holds 99 % of test digits' latents. */
function drawBars(canvas, z, reach) {
  const context = canvas.getContext("2d");
  const [width, middle] = [canvas.width / z.length, canvas.height / 2];
  context.clearRect(0, 0, canvas.width, canvas.height);
  z.forEach((value, i) => {
    const height = Math.max(-1, Math.min(1, value / reach)) * middle;
    context.fillStyle = value < 0 ? "#c06c10" : "#7a6cb8";
    context.fillRect(i * width + 0.1 * width, middle, 0.8 * width, -height);
  });
  context.fillStyle = "#888";
  context.fillRect(0, middle - 0.5, canvas.width, 1);
  const { low, high } = rangeOf(z);
  const size = `${z.length} numbers, ${fixed(low)} to ${fixed(high)}`;
  canvas.setAttribute("aria-label", `code: ${size}`);
  return size;
}

// From one digit to another

function interpolate(figure, data, lab) {
  const names = sampleNames(lab.labels);
  const ends = [0, names.length - 1];
  let share = 0.5;
  const pixels = picture("pixels");
  const models = Object.entries(lab.models).map(([name, model]) => {
    const codes = rowsOf(halvesOf(data.codes[name]), model.latentDim);
    return { name, model, codes, ...picture(name) };
  });
  const said = announcer();
  const mixed = (one, other) => one.map((value, i) => (1 - share) * value + share * other[i]);
  const update = () => {
    const [one, other] = ends.map((i) => lab.images[i]);
    const percent = `${Math.round(100 * share)} %`;
    show(pixels.canvas, mixed(one, other));
    for (const { name, model, codes, canvas } of models) {
      show(canvas, model.decode(mixed(...ends.map((i) => codes[i]))));
      canvas.setAttribute("aria-label", `${name}, ${percent} of the way through latents`);
    }
    pixels.canvas.setAttribute("aria-label", `pixels, ${percent} of the way`);
    way.input.setAttribute("aria-valuetext", percent);
    way.box.firstChild.textContent = `way: ${percent}`;
    said.say(`${percent} of the way from ${names[ends[0]]} to ${names[ends[1]]}.`);
  };
  const choose = (label, end) => chooser(label, names, ends[end], (chosen) => { ends[end] = chosen; update(); });
  const way = slider("way", { min: 0, max: 100, step: 1, value: 50 }, (value) => {
    share = value / 100;
    update();
  });
  const controls = [choose("from", 0).box, choose("to", 1).box, way.box];
  const left = make("div", { className: "cae-lab-controls" }, ...controls);
  const right = make("div", { className: "cae-lab-answers" }, pixels.box, ...models.map(({ box }) => box));
  update();
  figure.prepend(make("div", { className: "cae-lab-part" }, left, right, said.element));
}

// Start: when the page has been read

/** Cuts numbers into rows of one length. */
function rowsOf(numbers, length) {
  return Array.from({ length: numbers.length / length }, (_, i) => numbers.slice(i * length, (i + 1) * length));
}

function startLabs() {
  const holder = document.querySelector(".cae-lab-models");
  if (!holder) return;
  const { models, images, labels } = dataOf(holder);
  const lab = { models: {}, labels };
  for (const [name, data] of Object.entries(models)) {
    lab.models[name] = Object.assign(new Autoencoder(data), { reach: data.reach });
  }
  const pixels = Float64Array.from(bytesOf(images), (value) => Math.fround(value / 255));
  lab.images = rowsOf(pixels, SIDE ** 2);
  const kinds = { "latent-pad": latentPad, "code-length": codeLength, draw, interpolate };
  for (const figure of document.querySelectorAll("figure.cae-lab")) {
    kinds[figure.dataset.lab](figure, dataOf(figure), lab);
    figure.querySelector(".cae-lab-static").remove(); // last: what fails leaves it standing
  }
}

document.addEventListener("DOMContentLoaded", startLabs);
globalThis.caeLab = { centred, dataOf };
}
