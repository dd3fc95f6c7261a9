// The playground's engine under node: `node engine.js <job> file.js ...` loads the files in this order, takes a job's
// input as JSON from stdin and prints its result as JSON.
"use strict";

const { readFileSync } = require("node:fs");
const [job, ...files] = process.argv.slice(2);
for (const file of files) require(file);
const { playground } = globalThis;

const bytes = (text) => Buffer.from(text, "base64");
const floats = (text) => new Float32Array(new Uint8Array(bytes(text)).buffer);
const text = (values) => Buffer.from(Float32Array.from(values).buffer).toString("base64");

// What a comparison must notice: the layer as others have it, with one thing different.
const VARIANTS = {
  keras: (layer) => layer,
  "unbiased variance": (layer) =>
    class extends layer {
      statisticsOf(x, rows) {
        const { mean, variance } = super.statisticsOf(x, rows);
        return { mean, variance: variance.map((one) => (one * rows) / (rows - 1)) };
      }
    },
  "epsilon outside the root": (layer) =>
    class extends layer {
      forward(x, rows, statistics) {
        const out = super.forward(x, rows, statistics);
        this.inverse.forEach((one, u) => {
          this.inverse[u] = 1 / (Math.sqrt(one ** -2 - this.epsilon) + this.epsilon);
          for (let at = u; at < rows * this.units; at += this.units) {
            this.normalized[at] *= this.inverse[u] / one;
            out[at] = this.gamma[u] * this.normalized[at] + this.beta[u];
          }
        });
        return out;
      }
    },
};

const JOBS = {
  /** Train from given weights on given batches: losses, and gradients and all weights after the steps named. */
  train({ settings, normalization, variant, weights, batches, rate, rows, watched }) {
    const BatchNorm = VARIANTS[variant](playground.BatchNorm);
    const network = new playground.Network(settings, normalization);
    network.layers
      .filter((layer) => layer instanceof playground.BatchNorm)
      .forEach((layer) => Object.setPrototypeOf(layer, BatchNorm.prototype));
    network.weights.forEach((values, i) => values.set(floats(weights[i])));
    const losses = [],
      gradients = {};
    batches.forEach(({ x, y, masks }, i) => {
      losses.push(network.step(floats(x), bytes(y), rows, rate, masks.map(bytes)));
      const trainable = network.layers.flatMap((layer) => layer.trainable);
      if (watched.includes(i + 1)) gradients[i + 1] = trainable.map(([, gradient]) => text(gradient));
    });
    const trained = network.weights.map(text),
      x = floats(batches.at(-1).x);
    const moving = text(network.forward(x, rows, "moving").slice(0, rows * settings.classes));
    network.recompute(x, rows);
    const recomputed = text(network.forward(x, rows, "recomputed").slice(0, rows * settings.classes));
    return { losses, gradients, weights: trained, logits: { moving, recomputed } };
  },

  names: () => playground.PRESETS.map(({ name }) => name),

  /** {name: [page, anchor]}: where a preset sends its reader. */
  targets: () =>
    Object.fromEntries(playground.PRESETS.map(({ name, notebook }) => [name, [notebook.page, notebook.anchor]])),

  /** Whether a preset holds for made-up tests that do not show what it says. */
  verdicts({ only }) {
    const { holds } = playground.PRESETS.find(({ name }) => name === only);
    const both = (plain, moving, batch) => [playground.EARLY, 1000].map((step) => ({ step, plain, moving, batch }));
    const reversed = only === "two" ? both(0.5, 0.9, 0.9) : both(0.9, 0.9, 0.5);
    return { guessing: holds(both(0.1, 0.1, 0.1)), equal: holds(both(0.9, 0.9, 0.9)), reversed: holds(reversed) };
  },

  /** What an address is read as, and the address of that. */
  address({ text: asked }) {
    const { settings, complaints } = playground.settings.fromAddress(asked);
    return { settings, complaints, address: playground.settings.toAddress(settings) };
  },

  /** The standardised images and labels as the page has them. */
  digits() {
    const { xTrain, yTrain, xTest, yTest } = playground.readDigits(playground.data);
    return { xTrain: text(xTrain), xTest: text(xTest), yTrain: [...yTrain], yTest: [...yTest] };
  },

  /** The kernels that a seed gives to the first layers of the two copies, and another seed's. */
  kernels({ initializer, std }) {
    const settings = { ...playground.settings.initial(), initializer, std, features: 64, classes: 10, width: 100 };
    const first = (seed, normalization) =>
      text(new playground.Network({ ...settings, seed }, normalization).weights[0]);
    return { plain: first(1, "none"), normalized: first(1, "before"), another: first(2, "none") };
  },

  /** For each preset, the seeds in which its run did not end as it says. */
  presets({ seeds, only }) {
    const digits = playground.readDigits(playground.data);
    const failed = (preset, seed) => {
      const run = new playground.Run({ ...preset.settings, seed }, digits, (step) => step === playground.EARLY);
      while (run.steps < preset.steps) run.step();
      run.finish();
      return !preset.holds(run.tests);
    };
    const chosen = playground.PRESETS.filter(({ name }) => name === only);
    return Object.fromEntries(chosen.map((preset) => [preset.name, seeds.filter((seed) => failed(preset, seed))]));
  },
};

console.log(JSON.stringify(JOBS[job](JSON.parse(readFileSync(0)))));
