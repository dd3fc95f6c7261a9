// What every picture of the page shares: a canvas as sharp as the screen, axes, lines and marks in the theme's colours.
"use strict";

playground.canvas = (() => {
  const FONT = "12px system-ui, sans-serif";
  // Never colour alone: each of the three also has its line and its mark.
  const LOOKS = {
    plain: { color: "--plain", dash: [7, 4], mark: "circle" },
    batch: { color: "--normalized", dash: [], mark: "square" },
    moving: { color: "--normalized", dash: [2, 3], mark: "triangle" },
  };

  /** The page's colours now; they change with its theme. */
  function colors(element) {
    const style = getComputedStyle(element);
    const color = (name) => style.getPropertyValue(name).trim();
    return {
      text: color("--ink"),
      faint: color("--faint"),
      "--plain": color("--plain"),
      "--normalized": color("--normalized"),
    };
  }

  /** {context, width, height} in CSS pixels, emptied. */
  function prepare(canvas) {
    const ratio = window.devicePixelRatio || 1,
      { clientWidth: width, clientHeight: height } = canvas;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = FONT;
    context.lineJoin = "round";
    return { context, width, height };
  }

  /** A position on the screen for a value; values beyond the ends stay at them. */
  function scale(from, to, start, end, isLog = false) {
    const along = isLog ? Math.log10 : (value) => value;
    const low = along(from),
      high = along(to);
    return (value) => start + (end - start) * Math.min(1, Math.max(0, (along(value) - low) / (high - low)));
  }

  /** Axis lines with ticks [[value, text], ...] and faint lines at those of y. */
  function axes(pen, { x, y, xTicks, yTicks, box, theme }) {
    pen.lineWidth = 1;
    pen.fillStyle = theme.text;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    for (const [value, text] of yTicks) {
      stroke(pen, theme.faint, [
        [box.left, y(value)],
        [box.right, y(value)],
      ]);
      pen.fillText(text, box.left - 6, y(value));
    }
    pen.textBaseline = "top";
    pen.textAlign = "center";
    for (const [value, text] of xTicks) pen.fillText(text, x(value), box.bottom + 6);
    stroke(pen, theme.text, [
      [box.left, box.bottom],
      [box.right, box.bottom],
    ]);
  }

  function stroke(pen, color, points, { width = 1, dash = [], alpha = 1 } = {}) {
    pen.save();
    Object.assign(pen, { strokeStyle: color, lineWidth: width, globalAlpha: alpha });
    pen.setLineDash(dash);
    pen.beginPath();
    let isDown = false;
    for (const [x, y] of points) {
      if (Number.isFinite(y)) isDown ? pen.lineTo(x, y) : pen.moveTo(x, y);
      isDown = Number.isFinite(y);
    }
    pen.stroke();
    pen.restore();
  }

  function mark(pen, shape, color, x, y, size = 4.5) {
    if (!Number.isFinite(y)) return;
    pen.fillStyle = color;
    pen.beginPath();
    if (shape === "circle") pen.arc(x, y, size, 0, 2 * Math.PI);
    else if (shape === "square") pen.rect(x - size, y - size, 2 * size, 2 * size);
    else
      for (const [dx, dy] of [
        [0, -1.2],
        [1.1, 0.9],
        [-1.1, 0.9],
      ])
        pen.lineTo(x + dx * size, y + dy * size);
    pen.fill();
  }

  return { LOOKS, colors, prepare, scale, axes, stroke, mark };
})();
