// Layers on row-major batches: `forward` takes x (rows, inputs) and keeps what `backward` needs; `backward` takes the
// gradient of the loss by the output, keeps those of its own parameters and returns that by x. Buffers are used again.
"use strict";

playground.define(function layers(playground) {
  const { multiply, columnSums, room } = playground;

  class Dense {
    constructor(inputs, units, kernel, useBias) {
      Object.assign(this, { inputs, units, kernel, bias: useBias ? new Float32Array(units) : null });
      this.kernelGradient = new Float32Array(kernel.length);
      this.biasGradient = useBias ? new Float32Array(units) : null;
    }

    forward(x, rows) {
      const { inputs, units, bias } = this;
      this.x = x;
      this.out = room(this.out, rows * units);
      multiply(this.out, rows, units, inputs, x, inputs, 1, this.kernel, units, 1);
      if (bias) for (let r = 0, at = 0; r < rows; r++) for (let u = 0; u < units; u++, at++) this.out[at] += bias[u];
      return this.out;
    }

    /** The first layer of a network needs no gradient by its input: `isFirst` leaves it out. */
    backward(gradient, rows, isFirst) {
      const { inputs, units } = this;
      multiply(this.kernelGradient, inputs, units, rows, this.x, 1, inputs, gradient, units, 1);
      if (this.bias) this.biasGradient.set(columnSums(gradient, rows, units));
      if (isFirst) return null;
      this.back = room(this.back, rows * inputs);
      multiply(this.back, rows, inputs, units, gradient, units, 1, this.kernel, 1, units);
      return this.back;
    }

    get trainable() {
      const pairs = [[this.kernel, this.kernelGradient]];
      return this.bias ? [...pairs, [this.bias, this.biasGradient]] : pairs;
    }

    get weights() {
      return this.bias ? [this.kernel, this.bias] : [this.kernel];
    }
  }

  /** Batch Normalization as Keras has it: biased variance, epsilon inside the root, momentum the old value's weight. */
  class BatchNorm {
    constructor(units, momentum, epsilon = 1e-3) {
      Object.assign(this, { units, momentum, epsilon });
      this.gamma = new Float32Array(units).fill(1);
      this.beta = new Float32Array(units);
      this.moving = { mean: new Float32Array(units), variance: new Float32Array(units).fill(1) };
      this.gammaGradient = new Float32Array(units);
      this.betaGradient = new Float32Array(units);
    }

    /**
     * statistics: "batch" in training (x's own, and the moving ones follow); "recompute" takes x's own and keeps them,
     * "recomputed" uses those kept, "moving" the moving ones.
     */
    forward(x, rows, statistics) {
      const { units, gamma, beta } = this;
      const isOwn = statistics === "batch" || statistics === "recompute";
      const { mean, variance } = isOwn ? this.statisticsOf(x, rows) : this[statistics];
      if (statistics === "batch") this.follow(mean, variance);
      if (statistics === "recompute") this.recomputed = { mean, variance };
      this.inverse = Float64Array.from(variance, (one) => 1 / Math.sqrt(one + this.epsilon));
      this.normalized = room(this.normalized, rows * units);
      this.out = room(this.out, rows * units);
      const { inverse, normalized, out } = this;
      for (let r = 0, at = 0; r < rows; r++) {
        for (let u = 0; u < units; u++, at++) {
          const value = (x[at] - mean[u]) * inverse[u];
          normalized[at] = value;
          out[at] = gamma[u] * value + beta[u];
        }
      }
      return out;
    }

    statisticsOf(x, rows) {
      const { units } = this;
      const mean = columnSums(x, rows, units).map((sum) => sum / rows);
      const variance = new Float64Array(units);
      for (let r = 0, at = 0; r < rows; r++)
        for (let u = 0; u < units; u++, at++) variance[u] += (x[at] - mean[u]) ** 2;
      return { mean, variance: variance.map((sum) => sum / rows) };
    }

    follow(mean, variance) {
      const { moving, momentum } = this;
      for (let u = 0; u < this.units; u++) {
        moving.mean[u] = momentum * moving.mean[u] + (1 - momentum) * mean[u];
        moving.variance[u] = momentum * moving.variance[u] + (1 - momentum) * variance[u];
      }
    }

    /** Through the batch's mean and variance too (Ioffe & Szegedy 2015, section 3). */
    backward(gradient, rows) {
      const { units, normalized, inverse, gamma, gammaGradient, betaGradient } = this;
      betaGradient.set(columnSums(gradient, rows, units));
      const sums = new Float64Array(units);
      for (let r = 0, at = 0; r < rows; r++)
        for (let u = 0; u < units; u++, at++) sums[u] += gradient[at] * normalized[at];
      gammaGradient.set(sums);
      this.back = room(this.back, rows * units);
      for (let r = 0, at = 0; r < rows; r++) {
        for (let u = 0; u < units; u++, at++) {
          const centred = gradient[at] - (betaGradient[u] + normalized[at] * sums[u]) / rows;
          this.back[at] = gamma[u] * inverse[u] * centred;
        }
      }
      return this.back;
    }

    get trainable() {
      return [
        [this.gamma, this.gammaGradient],
        [this.beta, this.betaGradient],
      ];
    }

    get weights() {
      return [this.gamma, this.beta, this.moving.mean, this.moving.variance];
    }
  }

  const FUNCTIONS = {
    relu: { value: (x) => (x > 0 ? x : 0), slope: (y) => (y > 0 ? 1 : 0) },
    tanh: { value: Math.tanh, slope: (y) => 1 - y * y },
    sigmoid: { value: (x) => 1 / (1 + Math.exp(-x)), slope: (y) => y * (1 - y) },
  };

  /** relu, tanh or sigmoid; `input` and `rows` stay readable: what reached the activation in the last batch. */
  class Activation {
    constructor(name, units) {
      Object.assign(this, { units, ...FUNCTIONS[name], trainable: [], weights: [] });
    }

    forward(x, rows) {
      const count = rows * this.units,
        { value } = this;
      Object.assign(this, { input: x, rows });
      this.out = room(this.out, count);
      for (let at = 0; at < count; at++) this.out[at] = value(x[at]);
      return this.out;
    }

    backward(gradient, rows) {
      const count = rows * this.units,
        { slope, out } = this;
      this.back = room(this.back, count);
      for (let at = 0; at < count; at++) this.back[at] = gradient[at] * slope(out[at]);
      return this.back;
    }
  }

  /** Drops a share `rate` of the values and stretches the others by 1 / (1 - rate), in training alone. */
  class Dropout {
    constructor(rate, units, random) {
      Object.assign(this, { rate, units, random, given: null, trainable: [], weights: [] });
    }

    /** `given`, where it is set, says for each value whether it is kept (1) or dropped (0); else the seed decides. */
    forward(x, rows, statistics) {
      if (statistics !== "batch") return x;
      const count = rows * this.units,
        { rate, random, given } = this;
      this.factor = room(this.factor, count);
      this.out = room(this.out, count);
      for (let at = 0; at < count; at++) {
        const isKept = given ? given[at] : random.uniform() >= rate;
        this.factor[at] = isKept ? 1 / (1 - rate) : 0;
        this.out[at] = x[at] * this.factor[at];
      }
      return this.out;
    }

    backward(gradient, rows) {
      const count = rows * this.units;
      this.back = room(this.back, count);
      for (let at = 0; at < count; at++) this.back[at] = gradient[at] * this.factor[at];
      return this.back;
    }
  }

  Object.assign(playground, { Dense, BatchNorm, Activation, Dropout });
});
