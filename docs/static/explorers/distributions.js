// The distribution of one unit's pre-activations at one training step, in two networks side by side.

import { curve, element, horizontalAxis, line, marks, scale, text, verticalAxis } from "./svg.js";

export const title = "Step and unit";

const REACH = 6;
const LEFT = 36;
const BETWEEN = 28;
const TOP = 22;
const BOTTOM = 290;
const HILL = 0.18; // the height of a hill, as a share of all steps
const LEVELS = 57; // the letter of its greatest height, counted from "A"

/** What Python stores of one unit at one step. */
function parse(stored) {
  const [low, middle, high, drift, share, image, from, to, letters] = stored.split(" ");
  return { low, middle, high, drift, share, image: +image, from: +from, to: +to, letters };
}

const stepsOf = ({ controls }) => controls.find(({ name }) => name === "step").options;
const unitOf = ({ layers }, { layer, unit }) => layers[layer - 1][unit];

export function describe(values, state) {
  const now = stepsOf(state).indexOf(values.step);
  const words = state.arms.map((arm) => {
    const { low, middle, high, drift, share } = parse(unitOf(arm, values)[now]);
    return (
      `${arm.name}: middle ${middle}, 15 to 85 % of the images from ${low} to ${high}; drift since the first step ` +
      `${drift}. The image with the diamond lies above ${share} of the others.`
    );
  });
  return [`Step ${values.step}, hidden layer ${values.layer}, unit ${values.unit}.`, ...words].join(" ");
}

export function draw(values, state, width) {
  const steps = stepsOf(state),
    { arms } = state,
    panel = (width - LEFT - 8 - BETWEEN * (arms.length - 1)) / arms.length,
    last = steps.at(-1);
  const y = scale(-0.03 * last, 1.2 * last, BOTTOM, TOP);
  const panels = arms.map((arm, i) => {
    const left = LEFT + i * (panel + BETWEEN),
      x = scale(-REACH, REACH, left, left + panel);
    return [
      text(left + panel / 2, 14, arm.name, { "text-anchor": "middle", "font-weight": "bold" }),
      horizontalAxis(x, [-REACH, REACH], { y: BOTTOM, top: TOP, room: 40 }),
      inside(i, unitOf(arm, values).map(parse), steps, values.step, { x, y, left, panel }),
    ].join("");
  });
  const axis = verticalAxis(y, [0, last], { x: LEFT, right: width - 8 });
  const middle = (LEFT + width) / 2,
    centred = { "text-anchor": "middle" };
  const key = [
    text(middle, BOTTOM + 34, "pre-activation of the unit · upwards: training steps", centred),
    text(middle, BOTTOM + 52, "lines: 15, 50, 85 % · hill: this step · ◇ one image", centred),
  ];
  return { height: BOTTOM + 60, content: [axis, ...panels, ...key].join("") };
}

/** What a panel cuts off at its edges: three percentiles over training, the hill, the image. */
function inside(i, probes, steps, step, { x, y, left, panel }) {
  const stroke = `var(--explorer-${i})`,
    now = probes[steps.indexOf(step)];
  const percentiles = ["low", "middle", "high"].map((name) => {
    const style = name === "middle" ? { "stroke-width": 2 } : { "stroke-dasharray": "5 3" };
    return curve(probes.map((probe, k) => [x(+probe[name]), y(steps[k])]), { stroke, ...style });
  });
  const along = scale(0, now.letters.length - 1, x(now.from), x(now.to)),
    height = y(0) - y(HILL * steps.at(-1));
  const outline = [...now.letters].map((letter, k) => [
    along(k),
    y(step) - (height * (letter.charCodeAt(0) - 65)) / LEVELS,
  ]);
  const content = [
    ...percentiles,
    line(left, y(step), left + panel, y(step), { stroke, "stroke-opacity": 0.5 }),
    curve(outline, { style: `fill: ${stroke}`, stroke: "var(--explorer-paper)", "fill-opacity": 0.9 }),
    marks("diamond", [[x(now.image), y(step)]], { class: "axis", fill: "var(--explorer-paper)" }),
  ];
  // A picture within the picture, which shows nothing beyond its edges; its coordinates are those around it.
  const box = { x: left, y: TOP, width: panel, height: BOTTOM - TOP };
  return element("svg", { ...box, viewBox: Object.values(box).join(" ") }, content.join(""));
}
