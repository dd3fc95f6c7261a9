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
    network.layers.filter((layer) => layer instanceof playground.BatchNorm).forEach((layer) => Object.setPrototypeOf(layer, BatchNorm.prototype));
    network.weights.forEach((values, i) => values.set(floats(weights[i])));
    const losses = [], gradients = {};
    batches.forEach(({ x, y, masks }, i) => {
      losses.push(network.step(floats(x), bytes(y), rows, rate, masks.map(bytes)));
      const trainable = network.layers.flatMap((layer) => layer.trainable);
      if (watched.includes(i + 1)) gradients[i + 1] = trainable.map(([, gradient]) => text(gradient));
    });
    return { losses, gradients, weights: network.weights.map(text) };
  },

  /** For each preset, the seeds in which its run did not end as it says. */
  presets({ seeds, only }) {
    const digits = playground.readDigits(playground.data);
    const failed = (preset, seed) => {
      const run = new playground.Run({ ...preset.settings, seed }, digits);
      while (run.steps < preset.steps) run.step();
      run.finish();
      return !preset.holds(run.tests);
    };
    const chosen = playground.PRESETS.filter(({ name }) => name === only);
    return Object.fromEntries(chosen.map((preset) => [preset.name, seeds.filter((seed) => failed(preset, seed))]));
  },
};

console.log(JSON.stringify(JOBS[job](JSON.parse(readFileSync(0)))));
