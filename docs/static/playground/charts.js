// The pictures. Each function draws one from what `page.js` keeps: end, losses, tests, measures, first, answers, layer.
// `losses` are [plain, normalized] for each step, `measures` likewise what `Run.measure` returns.
"use strict";

playground.charts = (() => {
  const { LOOKS, prepare, scale, axes, stroke, mark } = playground.canvas;
  const COPIES = ["plain", "batch"]; // the looks of [plain, normalized]
  const SMOOTHING = 0.9;
  const POINTS = 800;

  function box(width, height, left = 44) {
    return { left, right: width - 18, top: 10, bottom: height - 24 };
  }

  function stepTicks(end) {
    const parts = [4, 5, 3].find((count) => end % (10 * count) === 0) ?? 2;
    return Array.from({ length: parts + 1 }, (_, i) => [(i * end) / parts, `${Math.round((i * end) / parts)}`]);
  }

  function accuracy(canvas, theme, { tests, end }) {
    const { context: pen, width, height } = prepare(canvas);
    const frame = box(width, height);
    const x = scale(0, end, frame.left, frame.right),
      y = scale(0, 1, frame.bottom, frame.top);
    const yTicks = [0, 0.25, 0.5, 0.75, 1].map((share) => [share, `${100 * share} %`]);
    axes(pen, { x, y, xTicks: stepTicks(end), yTicks, box: frame, theme });
    stroke(
      pen,
      theme.text,
      [
        [frame.left, y(0.1)],
        [frame.right, y(0.1)],
      ],
      { dash: [1, 3] },
    );
    for (const [name, look] of Object.entries(LOOKS)) {
      const points = tests.map((test) => [x(test.step), y(test[name])]);
      stroke(pen, theme[look.color], points, { width: 2, dash: look.dash });
      mark(pen, look.mark, theme[look.color], ...points.at(-1));
    }
  }

  /** Losses of single batches, thin, and their running average, thick. The axis begins at the power of ten it needs. */
  function loss(canvas, theme, { losses, end }) {
    const { context: pen, width, height } = prepare(canvas);
    const frame = box(width, height),
      traces = [0, 1].map((copy) => trace(losses, copy));
    const lowest = Math.min(
      ...traces.flatMap(({ smooth }) => smooth.map(([, value]) => value)).filter(Number.isFinite),
    );
    const needed = [0.001, 0.01, 0.1, 1, 10].filter((value) => value > lowest / 10 || value >= 0.1);
    const yTicks = needed.map((value) => [value, `${value}`]);
    const x = scale(0, end, frame.left, frame.right),
      y = scale(yTicks[0][0], 10, frame.bottom, frame.top, true);
    axes(pen, { x, y, xTicks: stepTicks(end), yTicks, box: frame, theme });
    if (!losses.length) return note(pen, frame, theme, "after the first step");
    if (!Number.isFinite(losses.at(-1)[0])) note(pen, frame, theme, "without BatchNorm: no numbers any more");
    COPIES.forEach((name, copy) => {
      const { color, dash, mark: shape } = LOOKS[name];
      const placed = (points) => points.map(([step, value]) => [x(step), y(value)]);
      const single = placed(traces[copy].single),
        smooth = placed(traces[copy].smooth);
      stroke(pen, theme[color], single, { alpha: 0.3 });
      stroke(pen, theme[color], smooth, { width: 2, dash });
      mark(pen, shape, theme[color], ...smooth.at(-1));
    });
  }

  /** {single, smooth}: points [step, loss] of one copy, no more than the picture has room for. */
  function trace(losses, copy) {
    const single = [],
      smooth = [],
      each = Math.ceil(losses.length / POINTS);
    let average = losses[0]?.[copy];
    losses.forEach((pair, i) => {
      average = SMOOTHING * average + (1 - SMOOTHING) * Math.min(pair[copy], 100);
      if (i % each && i < losses.length - 1) return;
      single.push([i + 1, pair[copy]]);
      smooth.push([i + 1, average]);
    });
    return { single, smooth };
  }

  /** Above, the values in the copy without BatchNorm; below, with it. The dashed outline is the start. */
  function distribution(canvas, theme, { measures, first, layer }) {
    const { context: pen, width, height } = prepare(canvas);
    const { REACH } = playground;
    const frame = { ...box(width, height, 12), top: 6 };
    const x = scale(-REACH, REACH, frame.left, frame.right),
      middle = (frame.top + frame.bottom) / 2;
    const xTicks = [-4, -2, 0, 2, 4].map((value) => [value, `${value}`.replace("-", "−")]);
    axes(pen, { x, y: (value) => value, xTicks, yTicks: [], box: frame, theme });
    stroke(pen, theme.faint, [
      [x(0), frame.top],
      [x(0), frame.bottom],
    ]);
    COPIES.forEach((name, copy) => {
      const now = measures[copy].distributions[layer],
        start = first[copy].distributions[layer];
      const bottom = copy === 0 ? middle - 6 : frame.bottom,
        top = (copy === 0 ? frame.top : middle) + 22;
      const color = theme[LOOKS[name].color];
      stroke(pen, theme.text, [
        [frame.left, bottom],
        [frame.right, bottom],
      ]);
      bars(pen, now.counts, x, bottom, top, color);
      stroke(pen, theme.text, outline(start.counts, x, bottom, top), { dash: [3, 3] });
      mark(pen, LOOKS[name].mark, color, frame.left + 6, top - 12);
      Object.assign(pen, { fillStyle: theme.text, textAlign: "left", textBaseline: "middle" });
      pen.fillText(summary(now), frame.left + 16, top - 12);
    });
  }

  function summary({ mean, std }) {
    if (!Number.isFinite(std)) return "no numbers any more";
    const text = (value) =>
      (Math.abs(value) < 1000 ? value.toFixed(2) : value.toExponential(0))
        .replace(/^-(0\.00)$/, "$1")
        .replace("-", "−");
    return `mean ${text(mean)}, std ${text(std)}`;
  }

  function bars(pen, counts, x, bottom, top, color) {
    const most = Math.max(...counts),
      size = (2 * playground.REACH) / counts.length;
    pen.fillStyle = color;
    counts.forEach((count, bin) => {
      const left = x(-playground.REACH + bin * size),
        high = ((bottom - top) * count) / most || 0;
      pen.fillRect(left + 0.5, bottom - high, x(-playground.REACH + (bin + 1) * size) - left - 1, high);
    });
  }

  function outline(counts, x, bottom, top) {
    const most = Math.max(...counts),
      size = (2 * playground.REACH) / counts.length;
    return counts.flatMap((count, bin) => {
      const y = bottom - ((bottom - top) * count) / most,
        left = -playground.REACH + bin * size;
      return [
        [x(left), y],
        [x(left + size), y],
      ];
    });
  }

  /** The norm of each layer's gradient on a log axis that holds them all; what is 0 or no number is left out. */
  function gradients(canvas, theme, { measures }) {
    const { context: pen, width, height } = prepare(canvas);
    const norms = measures.map((one) => one.gradients),
      layers = measures[0].distributions.length + 1;
    const seen = norms
      .flat()
      .filter((norm) => norm > 0 && norm < Infinity)
      .map((norm) => Math.log10(norm));
    const low = Math.min(-3, Math.floor(Math.min(...seen))),
      high = Math.max(1, Math.ceil(Math.max(...seen)));
    const frame = box(width, height),
      y = scale(10 ** low, 10 ** high, frame.bottom, frame.top, true);
    const x = scale(0.5, layers + 0.5, frame.left, frame.right);
    const each = Math.ceil((high - low) / 5),
      yTicks = [];
    for (let power = low; power <= high; power += each) yTicks.push([10 ** power, powerOfTen(power)]);
    const shown = layers > 8 ? [1, Math.round(layers / 2)] : Array.from({ length: layers - 1 }, (_, i) => i + 1);
    const xTicks = [...shown.map((layer) => [layer, `${layer}`]), [layers, "out"]];
    axes(pen, { x, y, xTicks, yTicks, box: frame, theme });
    COPIES.forEach((name, copy) => {
      const { color, dash, mark: shape } = LOOKS[name];
      const points = norms[copy].map((norm, i) => [x(i + 1), norm > 0 && norm < Infinity ? y(norm) : NaN]);
      stroke(pen, theme[color], points, { width: 2, dash });
      for (const point of points) mark(pen, shape, theme[color], ...point, layers > 12 ? 3.5 : 4.5);
    });
    if (!norms[0].length) note(pen, frame, theme, "after the first step");
    else if (norms[0].some(Number.isNaN)) note(pen, frame, theme, "without BatchNorm: no numbers any more");
  }

  /** A line in the upper part of a picture, in place of what cannot be drawn. */
  function note(pen, frame, theme, text) {
    Object.assign(pen, { fillStyle: theme.text, textAlign: "center", textBaseline: "bottom" });
    pen.fillText(text, (frame.left + frame.right) / 2, frame.top + 24);
  }

  function powerOfTen(power) {
    return Math.abs(power) < 4 ? `${+(10 ** power).toFixed(3)}` : `1e${power}`.replace("-", "−");
  }

  /** The image, grey levels 0 ... 16, as dark ink on white paper whatever the theme. */
  function image(canvas, theme, { answers, mean, std }) {
    const { context: pen, width } = prepare(canvas);
    const size = width / 8;
    answers.pixels.forEach((value, at) => {
      const grey = 255 - Math.round((255 * (value * std + mean)) / 16);
      pen.fillStyle = `rgb(${grey} ${grey} ${grey})`;
      pen.fillRect((at % 8) * size, Math.floor(at / 8) * size, size + 0.5, size + 0.5);
    });
  }

  /** For each class two bars, the probabilities of both copies; the label's column has a frame. */
  function probabilities(canvas, theme, { answers }) {
    const { context: pen, width, height } = prepare(canvas);
    const frame = box(width, height),
      classes = answers.plain.length,
      column = (frame.right - frame.left) / classes;
    const x = (label) => frame.left + (label + 0.5) * column,
      y = scale(0, 1, frame.bottom, frame.top);
    const yTicks = [0, 0.5, 1].map((share) => [share, `${100 * share} %`]);
    const xTicks = Array.from({ length: classes }, (_, label) => [label, `${label}`]);
    axes(pen, { x, y, xTicks, yTicks, box: frame, theme });
    Object.assign(pen, { strokeStyle: theme.text, lineWidth: 1.5 });
    pen.strokeRect(x(answers.label) - column / 2 + 1, frame.top - 4, column - 2, height - frame.top + 2);
    [
      ["plain", answers.plain, -1],
      ["moving", answers.normalized, 1],
    ].forEach(([name, shares, side]) => {
      const wide = Math.min(18, column / 2 - 3),
        { color, mark: shape } = LOOKS[name];
      shares.forEach((share, label) => {
        const left = side < 0 ? x(label) - wide - 0.5 : x(label) + 0.5,
          high = frame.bottom - y(share) || 0;
        pen.fillStyle = theme[color];
        pen.fillRect(left, frame.bottom - high, wide, high);
        if (share > 0.15)
          mark(pen, shape, theme[color], left + wide / 2, Math.max(frame.top, frame.bottom - high - 6), 3);
      });
    });
  }

  return { accuracy, loss, distribution, gradients, image, probabilities };
})();
