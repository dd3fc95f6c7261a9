// Test accuracy for every place of Batch Normalization and every learning rate, for one activation and depth.

import { fixed } from "./numbers.js";
import { element, text } from "./svg.js";

export const title = "Network";

const PLACES = ["none", "before", "after", "both", "some"];
const ROW = 40;
const LEFT = 58;
const TOP = 24;
// Five colours of Matplotlib's cividis, for 0, 25, 50, 75 and 100 %: dark to light, also with colour-blind eyes.
const CIVIDIS = [[0, 34, 78], [65, 77, 107], [124, 123, 120], [187, 175, 113], [254, 232, 56]]; // prettier-ignore

const chosen = ({ activation, depth }, { rows }) =>
  rows.find((row) => row.activation === activation && row.depth === depth).places;

export function describe(values, state) {
  const { rates, seeds, trained } = state;
  const words = chosen(values, state).map(
    ({ place, columns, percent, best, trained: count }) =>
      `${place}: ${fixed(percent[best], 1)} % at its best learning rate, ${rates[columns[best]]}; ` +
      `every seed passes ${fixed(trained, 0)} % at ${count} of ${columns.length} rates`,
  );
  return `${values.activation}, ${values.depth} hidden layers, means of ${seeds} seeds. ${words.join("; ")}.`;
}

export function draw(values, state, width) {
  const { rates } = state,
    rows = chosen(values, state),
    column = (width - LEFT - 4) / rates.length,
    bottom = TOP + PLACES.length * ROW;
  const middle = (at) => LEFT + (at + 0.5) * column;
  const content = [
    text(LEFT, 13, width < 480 ? "test accuracy (%) · ★ best in training" : TITLE),
    ...PLACES.map((place, at) => {
      const row = rows.find((one) => one.place === place),
        y = TOP + at * ROW;
      return text(LEFT - 8, y + ROW / 2 + 4, place, { "text-anchor": "end" }) + cells(row, y, middle, column);
    }),
    ...rates.map((rate, at) => text(middle(at), bottom + 17, rate, { "text-anchor": "middle" })),
    text(LEFT + (width - LEFT) / 2, bottom + 36, "learning rate", { "text-anchor": "middle" }),
  ];
  return { height: bottom + 44, content: content.join("") };
}

const TITLE = "mean test accuracy (%) · ★ rate with the best training accuracy";

function cells(row, y, middle, column) {
  if (!row) return text(LEFT + 8, y + ROW / 2 + 4, "not run at this depth", { "font-style": "italic" });
  return row.columns
    .map((at, k) => {
      const percent = row.percent[k],
        star = k === row.best;
      const box = { x: middle(at) - column / 2 + 1, y: y + 1, width: column - 2, height: ROW - 2, fill: color(percent) };
      return (
        element("rect", box) +
        text(middle(at), y + ROW / 2 + 4, `${star ? "★ " : ""}${fixed(percent, 0)}`, {
          "text-anchor": "middle",
          "font-weight": star ? "bold" : "normal",
          style: `fill: ${percent < 48 ? "#fff" : "#000"}`, // where either has a contrast of 4.5 to 1
        })
      );
    })
    .join("");
}

function color(percent) {
  const at = Math.min(3, Math.floor(percent / 25)),
    share = percent / 25 - at;
  const mixed = CIVIDIS[at].map((low, i) => Math.round(low + share * (CIVIDIS[at + 1][i] - low)));
  return `rgb(${mixed.join(" ")})`;
}
