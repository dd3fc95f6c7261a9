// What the pictures are made of: each function returns SVG as text. Lengths are CSS pixels.

/** SVG's decimals: a hundredth of a pixel is enough. */
const short = (value) => Math.round(100 * value) / 100;

/** A map from values in [low, high] to pixels in [from, to]. */
export const scale = (low, high, from, to) => (value) => from + ((value - low) / (high - low)) * (to - from);

export const escaped = (text) => `${text}`.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/"/g, "&quot;");

/** A number on an axis or in a picture: with a minus of full width. */
export const shown = (value) => `${+value.toFixed(6)}`.replace("-", "−");

function attributes(given) {
  return Object.entries(given)
    .map(([name, value]) => ` ${name}="${typeof value === "number" ? short(value) : escaped(value)}"`)
    .join("");
}

export const element = (name, given, content = "") => `<${name}${attributes(given)}>${content}</${name}>`;

/** style: attributes, such as {"text-anchor": "end"}. */
export const text = (x, y, content, style = {}) => element("text", { x, y, ...style }, escaped(content));

export const line = (x1, y1, x2, y2, style) => element("line", { x1, y1, x2, y2, ...style });

/** A line through points [x, y]. */
export const curve = (points, style) =>
  element("path", { d: `M${points.map((point) => point.map(short).join(" ")).join("L")}`, fill: "none", ...style });

const SHAPES = {
  circle: "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0",
  square: "m-3.6-3.6h7.2v7.2h-7.2z",
  triangle: "m0-4.6l4.2 8h-8.4z",
  diamond: "m0-6l6 6l-6 6l-6-6z",
  dot: "m-1.5 0a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0",
};

/** One shape at every point [x, y], as a single element. */
export const marks = (shape, points, style) =>
  element("path", { d: points.map(([x, y]) => `M${short(x)} ${short(y)}${SHAPES[shape]}`).join(""), ...style });

/** Round values from low to high, no more than `most`. */
export function ticks(low, high, most) {
  const rough = (high - low) / most,
    size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((times) => times * size).find((one) => one >= rough * (1 - 1e-9));
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + 1e-9 * step; at++) found.push(at * step);
  return found;
}

/** A horizontal axis at the height y, with a light line up to `top` at every tick. */
export function horizontalAxis(x, [low, high], { y, top, room = 70 }) {
  const values = ticks(low, high, Math.max(2, Math.floor((x(high) - x(low)) / room)));
  const parts = values.map(
    (value) =>
      line(x(value), top, x(value), y, { class: "grid" }) + text(x(value), y + 15, shown(value), { "text-anchor": "middle" }),
  );
  return parts.join("") + line(x(low), y, x(high), y, { class: "axis" });
}

/** A vertical axis at the place x, with a light line to `right` at every tick. */
export function verticalAxis(y, [low, high], { x, right, values = ticks(low, high, 5) }) {
  const parts = values.map(
    (value) =>
      line(x, y(value), right, y(value), { class: "grid" }) + text(x - 6, y(value) + 4, shown(value), { "text-anchor": "end" }),
  );
  return parts.join("") + line(x, y(low), x, y(high), { class: "axis" });
}
