// One feature of one batch on its way through Batch Normalization: raw, normalised, output.

import { fixed, number, power, statistics } from "./numbers.js";
import { element, horizontalAxis, line, marks, scale, text } from "./svg.js";

export const title = "Batch and parameters";

const ROWS = [
  { name: "raw x", shape: "circle" },
  { name: "normalised x̂", shape: "square" },
  { name: "output y", shape: "triangle" },
];
const ROW = 122; // pixels from one row to the next
const PLOT = 78; // of which the values have these

function forward({ batch_size, mean, spread, outlier, gamma, beta, epsilon }, { noise }) {
  const raw = noise.slice(0, batch_size).map((value) => mean + spread * value);
  raw[batch_size - 1] += outlier;
  const { mean: centre, variance } = statistics(raw),
    inverse = 1 / Math.sqrt(variance + epsilon);
  const normalized = raw.map((value) => (value - centre) * inverse);
  return { raw, normalized, output: normalized.map((value) => gamma * value + beta) };
}

export function describe(values, state) {
  const { mean, spread, outlier, gamma, epsilon } = values;
  const { raw, normalized, output } = forward(values, state);
  const [before, between, after] = [raw, normalized, output].map(statistics),
    examples = raw.length > 1 ? `${raw.length} examples` : "1 example";
  const words = [
    `${examples} drawn with mean ${fixed(mean, 1)} and spread ${fixed(spread, 1)}${outlier > 0 ? ", and one moved" : ""}. ` +
      `The batch itself has mean ${number(before.mean)}, standard deviation ${number(before.std)}, ` +
      `variance ${number(before.variance)}.`,
    `Normalised (epsilon ${power(epsilon)}): mean ${number(between.mean)}, standard deviation ${number(between.std)}.`,
    `Output: mean ${number(after.mean)} (beta), standard deviation ${number(after.std)} ` +
      `(|gamma| times the normalised one; gamma is ${fixed(gamma, 1)}).`,
  ];
  return [...words, ...remarks(raw.length, before.variance, values, normalized)].join(" ");
}

/** What is special about these settings. */
function remarks(n, variance, { outlier, gamma, epsilon }, normalized) {
  const words = [];
  if (n === 1) words.push("A batch of one is its own mean: whatever the value was, the output is beta.");
  else if (variance === 0) words.push("All values are equal: without epsilon this would be 0/0; with it the output is beta.");
  else if (variance < 10 * epsilon)
    words.push("Epsilon is not small beside the variance, so the normalised values stay narrower than 1.");
  else if (n === 2) words.push("Two examples end up at about -1 and +1, wherever they were: only their order is left.");
  if (gamma < 0) words.push("A negative gamma mirrors the values.");
  if (outlier > 0 && n > 1)
    words.push(
      `The ringed outlier lies ${number(normalized[n - 1])} normalised standard deviations out; ` +
        `the ${n - 1} other${n > 2 ? "s share" : " has"} a spread of ${number(statistics(normalized.slice(0, -1)).std)}.`,
    );
  return words;
}

export function draw(values, state, width) {
  const { raw, normalized, output } = forward(values, state);
  const biggest = (list) => Math.max(...list.map(Math.abs));
  const below = Math.max(6, 1.05 * biggest([...normalized, ...output])); // one scale, or gamma would not show
  const reaches = [Math.max(30, 1.05 * biggest(raw)), below, below];
  const rows = [raw, normalized, output].map((list, i) => row(i, list, reaches[i], values.outlier > 0, state, width));
  const caption = text(width / 2, 3 * ROW + 14, "value · line: mean · band: mean ± one std", { "text-anchor": "middle" });
  return { height: 3 * ROW + 22, content: rows.join("") + caption };
}

function row(i, values, reach, outlier, { jitter }, width) {
  const { name, shape } = ROWS[i],
    color = `var(--explorer-${i})`,
    top = i * ROW + 22,
    { mean, std } = statistics(values);
  const x = scale(-reach, reach, 16, width - 16),
    y = scale(-1, 1, top + PLOT, top);
  const [from, to] = [mean - std, mean + std].map((value) => x(Math.min(reach, Math.max(-reach, value))));
  const points = values.map((value, k) => [x(value), y(jitter[k])]);
  return [
    text(16, top - 7, name, { "font-weight": "bold" }),
    text(width - 16, top - 7, `mean ${number(mean)}, std ${number(std)}`, { "text-anchor": "end" }),
    horizontalAxis(x, [-reach, reach], { y: top + PLOT, top }),
    element("rect", { x: from, y: top, width: to - from, height: PLOT, fill: color, "fill-opacity": 0.18 }),
    line(x(mean), top, x(mean), top + PLOT, { stroke: color, "stroke-width": 2 }),
    marks(shape, points, { fill: color, "fill-opacity": 0.7 }),
    outlier ? element("circle", { cx: points.at(-1)[0], cy: points.at(-1)[1], r: 8, class: "axis", fill: "none" }) : "",
  ].join("");
}
