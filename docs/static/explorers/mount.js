// Controls above a picture and its words, as helpers/explorers.py has them; the picture follows the controls.
// A module of an explorer has `describe(values, state)`, which returns the words, and `draw(values, state, width)`, which
// returns {height, content}: SVG as text, as wide as the place. `title` names the group of controls.

import { fixed } from "./numbers.js";

// The words are read aloud this long after the last change, in milliseconds, rather than at every step of a slider.
const PAUSE = 700;

const STYLE = `
  :host { display: block; max-width: 880px; }
  * { box-sizing: border-box; }
  .explorer { font-size: 0.9375rem; line-height: 1.4; color: var(--explorer-ink); }
  fieldset { border: 0; margin: 0 0 0.5rem; padding: 0; min-width: 0; }
  .controls { display: grid; gap: 0 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(280px, 100%), 1fr)); }
  .row { display: grid; grid-template-columns: 6.25rem 1fr 3.5rem; gap: 0.5rem; align-items: center; min-height: 2rem; }
  .row > :first-child { text-align: right; white-space: nowrap; }
  .row.buttons { grid-template-columns: 6.25rem 1fr; margin: 0; }
  .buttons > div { display: flex; flex-wrap: wrap; gap: 0 1rem; }
  .buttons label { display: flex; gap: 0.35rem; align-items: center; min-height: 2rem; cursor: pointer; }
  output { font-variant-numeric: tabular-nums; }
  input { accent-color: var(--explorer-0); margin: 0; }
  input[type="range"] { width: 100%; height: 1.75rem; }
  input:focus-visible { outline: 2px solid var(--explorer-0); outline-offset: 2px; border-radius: 2px; }
  svg { display: block; }
  text { font-size: 12.5px; fill: var(--explorer-ink); }
  .label { paint-order: stroke; stroke: var(--explorer-paper); stroke-width: 4px; stroke-linejoin: round; }
  .grid { stroke: var(--explorer-faint); stroke-width: 1; }
  .axis { stroke: var(--explorer-ink); stroke-width: 1; }
  p { margin: 0.5rem 0 0; }
  .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
`;

/** Replace what stands in `place` by the explorer; what stands there stays in the page, unseen. */
export function mount(place, explorer, state) {
  const root = place.attachShadow({ mode: "open" });
  root.innerHTML = `<style>${STYLE}</style><div class="explorer"><fieldset><legend class="hidden"></legend>
    <div class="controls"></div></fieldset><svg role="img" aria-labelledby="words"></svg><p id="words"></p>
    <p class="hidden" aria-live="polite"></p></div>`;
  const [legend, controls, picture, words, spoken] = ["legend", ".controls", "svg", "#words", "[aria-live]"].map(
    (selector) => root.querySelector(selector),
  );
  legend.textContent = explorer.title;
  const values = {};
  let width = 0,
    speak;

  function draw() {
    const { height, content } = explorer.draw(values, state, width);
    picture.setAttribute("width", width);
    picture.setAttribute("height", height);
    picture.innerHTML = content;
  }

  function changed() {
    draw();
    words.textContent = explorer.describe(values, state);
    clearTimeout(speak);
    speak = setTimeout(() => (spoken.textContent = words.textContent), PAUSE);
  }

  for (const control of state.controls) {
    values[control.name] = control.value;
    const make = control.buttons ? buttons : slider;
    controls.append(
      make(control, (value) => {
        values[control.name] = value;
        changed();
      }),
    );
  }
  words.textContent = explorer.describe(values, state);
  new ResizeObserver(([{ contentRect }]) => {
    if (!contentRect.width || Math.floor(contentRect.width) === width) return;
    width = Math.floor(contentRect.width);
    draw();
  }).observe(place);
}

/** A row with a slider. One over `options` goes by their positions and shows their texts. */
function slider({ name, label, value, options, texts, min = 0, max, step = 1 }, report) {
  const row = document.createElement("div"),
    input = document.createElement("input");
  row.className = "row";
  row.innerHTML = `<label for="${name}"></label><output for="${name}"></output>`;
  const [caption, output] = row.children;
  caption.textContent = label;
  caption.after(input);
  const digits = Number.isInteger(step) ? 0 : 1;
  const text = () => (options ? texts[input.value] : fixed(+input.value, digits));
  const show = () => {
    output.textContent = text();
    input.setAttribute("aria-valuetext", text());
  };
  Object.assign(input, { type: "range", id: name, min, max: options ? options.length - 1 : max, step });
  input.value = options ? nearest(options, value) : value;
  input.addEventListener("input", () => {
    show();
    report(options ? options[input.value] : +input.value);
  });
  show();
  return row;
}

function nearest(options, value) {
  const distances = options.map((option) => Math.abs(option - value));
  return distances.indexOf(Math.min(...distances));
}

/** A group of radio buttons, one for each option. */
function buttons({ name, label, value, options, texts }, report) {
  const row = document.createElement("div"),
    group = document.createElement("div"),
    caption = document.createElement("span");
  row.className = "row buttons";
  row.setAttribute("role", "radiogroup");
  row.setAttribute("aria-labelledby", `${name}-label`);
  Object.assign(caption, { id: `${name}-label`, textContent: label });
  row.append(caption, group);
  options.forEach((option, at) => {
    const one = document.createElement("label"),
      input = Object.assign(document.createElement("input"), { type: "radio", name, checked: option === value });
    input.addEventListener("change", () => report(option));
    one.append(input, texts[at]);
    group.append(one);
  });
  return row;
}
