// How far the moving mean has come from its start, 0, towards the truth, against the formula 1 - momentum^steps.

import { fixed, percent } from "./numbers.js";
import { curve, horizontalAxis, line, marks, scale, text, verticalAxis } from "./svg.js";

export const title = "Moving mean";

const TOP_VALUE = 6.8;

/** The moving mean after 0, 1, 2, ... batches. */
function movingMean(momentum, { batchMeans }) {
  const path = [0];
  for (const batchMean of batchMeans) path.push(momentum * path.at(-1) + (1 - momentum) * batchMean);
  return path;
}

export function describe({ momentum, steps }, state) {
  const { truth, std, batchSize, controls } = state,
    reached = movingMean(momentum, state)[steps];
  const { options, texts } = controls.find(({ name }) => name === "momentum");
  const words =
    `After ${steps > 1 ? `${steps} batches` : "1 batch"} with momentum ${texts[options.indexOf(momentum)]} the moving mean is ${fixed(reached, 2)}; ` +
    `the truth is ${fixed(truth, 2)}. Covered: ${percent(reached / truth, 1)}; ` +
    `the formula 1 − momentum^k says ${percent(1 - momentum ** steps, 1)}.`;
  if (momentum === 0) return `${words} Momentum 0 remembers the last batch only: no delay, and all of its noise.`;
  const needed = Math.ceil(Math.log(0.1) / Math.log(momentum)),
    noise = std / Math.sqrt(batchSize);
  // The variance of a sum of independent batch means with the weights (1 - momentum) * momentum^0, 1, 2, ...
  const wobble = noise * Math.sqrt((1 - momentum) / (1 + momentum));
  return (
    `${words} To cover 90 % takes ${needed} batches. Once it has arrived it wobbles by ${fixed(wobble, 2)} ` +
    `(standard deviation; a batch mean by ${fixed(noise, 2)}).`
  );
}

export function draw({ momentum, steps }, state, width) {
  const { batchMeans, truth } = state,
    end = batchMeans.length,
    path = movingMean(momentum, state);
  const key = legend(width),
    top = key.height + 8,
    bottom = top + 240;
  const x = scale(0, end, 34, width - 12),
    y = scale(0, TOP_VALUE, bottom, top);
  const places = (values) => values.map((value, k) => [x(k), y(value)]);
  const formula = path.map((_, k) => truth * (1 - momentum ** k)),
    left = steps > 0.7 * end;
  const content = [
    horizontalAxis(x, [0, end], { y: bottom, top }),
    verticalAxis(y, [0, TOP_VALUE], { x: x(0), right: x(end), values: [0, 2, 4, 6] }),
    marks("dot", places([0, ...batchMeans]).slice(1), { fill: "var(--explorer-muted)" }),
    line(x(0), y(truth), x(end), y(truth), LINES.truth),
    curve(places(formula), LINES.formula),
    curve(places(path).slice(steps), LINES.ahead),
    curve(places(path).slice(0, steps + 1), LINES.moving),
    line(x(steps), top, x(steps), bottom, { stroke: "var(--explorer-0)" }),
    marks("circle", [[x(steps), y(path[steps])]], { fill: "var(--explorer-0)", class: "axis" }),
    text(x(steps) + (left ? -9 : 9), y(path[steps]) + 22, `${percent(path[steps] / truth)} covered`, {
      "text-anchor": left ? "end" : "start",
      class: "label",
      "font-weight": "bold",
    }),
    text((x(0) + x(end)) / 2, bottom + 34, "k: batches seen (steps)", { "text-anchor": "middle" }),
  ];
  return { height: bottom + 42, content: key.content + content.join("") };
}

const LINES = {
  truth: { stroke: "var(--explorer-ink)", "stroke-dasharray": "1 3" },
  formula: { stroke: "var(--explorer-1)", "stroke-width": 1.5, "stroke-dasharray": "6 4" },
  moving: { stroke: "var(--explorer-0)", "stroke-width": 2.5 },
  ahead: { stroke: "var(--explorer-0)", "stroke-opacity": 0.45 },
};

/** The names of the lines, as many in a row as there is room for. */
function legend(width) {
  const names = ["batch means", "the truth", "the formula", "moving mean", "still to come"],
    columns = Math.max(1, Math.min(names.length, Math.floor(width / 128)));
  const parts = names.map((name, i) => {
    const x = 8 + (i % columns) * (width / columns),
      y = 12 + 18 * Math.floor(i / columns);
    const sample =
      i === 0
        ? marks("dot", [3, 10, 17].map((far) => [x + far, y]), { fill: "var(--explorer-muted)" })
        : line(x, y, x + 22, y, Object.values(LINES)[i - 1]);
    return sample + text(x + 28, y + 4, name);
  });
  return { height: 18 * Math.ceil(names.length / columns), content: parts.join("") };
}
