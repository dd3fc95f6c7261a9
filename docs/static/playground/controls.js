// The page's elements: native buttons, ranges and selects, each with its label.
"use strict";

playground.controls = (() => {
  const { PARTS } = playground.settings;

  /** An element with these attributes and children; `on...` are listeners. */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  /** {element, show(settings)}: a labelled control for each setting; `choose(name, value)` hears of the reader's. */
  function settingsForm(choose) {
    const rows = PARTS.map((part) => (part.words ? select(part, choose) : range(part, choose)));
    const show = (settings) => rows.forEach((row) => row.show(settings));
    return { element: make("div", { class: "settings" }, ...rows.map((row) => row.element)), show };
  }

  function range(part, choose) {
    const id = `playground-${part.name}`,
      output = make("span", { "aria-hidden": "true" }); // the input says it
    const input = make("input", { type: "range", id, min: 0, max: part.values.length - 1, step: 1 });
    input.addEventListener("input", () => choose(part.name, part.values[input.value]));
    const show = (settings) => {
      input.value = part.values.indexOf(settings[part.name]);
      output.textContent = part.show(settings[part.name]);
      input.setAttribute("aria-valuetext", output.textContent);
      if (part.name === "std") input.disabled = settings.initializer !== "normal";
    };
    return { element: make("div", { class: "setting" }, make("label", { for: id }, part.label), output, input), show };
  }

  function select(part, choose) {
    const id = `playground-${part.name}`;
    const options = part.values.map((value) => make("option", { value }, part.show(value)));
    const input = make("select", { id, onchange: () => choose(part.name, input.value) }, ...options);
    const show = (settings) => {
      input.value = settings[part.name];
      if (part.name === "place") input.disabled = settings.dropout === 0;
    };
    return { element: make("div", { class: "setting" }, make("label", { for: id }, part.label), input), show };
  }

  /** A picture with its title above and `below` under it; the words are what a screen reader gets for it. */
  function picture(name, title, ...below) {
    const canvas = make("canvas", { role: "img", "aria-label": title });
    const element = make("figure", { class: name }, make("figcaption", {}, title), canvas, ...below);
    return { element, canvas };
  }

  /** The line and mark of each of the three, as in the pictures, with its test accuracy now. */
  function legend() {
    const entries = [
      ["plain", "without", "BatchNorm"],
      ["moving", "BatchNorm,", "moving averages"],
      ["batch", "BatchNorm,", "batch statistics"],
    ].map(([name, first, second]) => {
      const number = make("strong", {}, "–"),
        swatch = make("canvas", { class: "swatch", "aria-hidden": "true" });
      const text = make("span", {}, `${first} `, make("br"), second);
      return { name, number, swatch, element: make("div", { class: name }, swatch, number, text) };
    });
    const element = make("div", { class: "legend", role: "group", "aria-label": "Right on the test images" });
    element.append(...entries.map((entry) => entry.element));
    return { element, entries };
  }

  return { make, settingsForm, picture, legend };
})();
