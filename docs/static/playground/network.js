"use strict";

playground.define(function network(playground) {
  const { Random, kernel, Dense, BatchNorm, Activation, Dropout, room } = playground;
  const WEIGHTS = 1,
    MASKS = 2; // streams of a seed

  /** One hidden layer, in the order of `helpers.networks.mlp`. normalization: "none", "before" or "after". */
  function hiddenLayer(dense, settings, normalization, dropout) {
    const { width, activation, momentum, place } = settings;
    const isEarly = dropout && place === "before";
    const found = [dense];
    if (isEarly && normalization !== "after") found.push(dropout);
    if (normalization === "before") found.push(new BatchNorm(width, momentum));
    found.push(new Activation(activation, width));
    if (isEarly && normalization === "after") found.push(dropout);
    if (normalization === "after") found.push(new BatchNorm(width, momentum));
    if (dropout && !isEarly) found.push(dropout);
    return found;
  }

  /** The mean cross-entropy of softmax(logits), and its gradient by the logits (rows, classes) into `gradient`. */
  function softmaxCrossEntropy(logits, labels, rows, classes, gradient) {
    let loss = 0;
    for (let r = 0; r < rows; r++) {
      const from = r * classes,
        own = from + labels[r];
      let largest = -Infinity,
        sum = 0;
      for (let at = from; at < from + classes; at++) largest = Math.max(largest, logits[at]);
      for (let at = from; at < from + classes; at++) sum += gradient[at] = Math.exp(logits[at] - largest);
      for (let at = from; at < from + classes; at++) gradient[at] /= sum * rows;
      loss += Math.log(sum) + largest - logits[own];
      gradient[own] -= 1 / rows;
    }
    return loss / rows;
  }

  /** A multi-layer perceptron that trains by plain gradient descent (SGD) on softmax cross-entropy. */
  class Network {
    /**
     * settings: depth, width, activation, initializer, std, momentum, dropout, place, seed, features and classes;
     * normalization: "none", "before" or "after" the activation. The same seed gives the same kernels to all three.
     */
    constructor(settings, normalization) {
      const { depth, width, initializer, std, dropout, place, seed, features, classes } = settings;
      const weights = new Random(seed, WEIGHTS),
        masks = new Random(seed, MASKS);
      this.classes = classes;
      this.layers = [];
      for (let number = 1; number <= depth; number++) {
        const inputs = number === 1 ? features : width;
        const isHere = dropout > 0 && (place !== "last" || number === depth);
        // Directly before BatchNorm a bias is redundant; before Dropout it is not.
        const useBias = normalization !== "before" || (isHere && place === "before");
        const dense = new Dense(inputs, width, kernel(weights, inputs, width, initializer, std), useBias);
        const mask = isHere ? new Dropout(dropout, width, masks) : null;
        this.layers.push(...hiddenLayer(dense, settings, normalization, mask));
      }
      this.layers.push(new Dense(width, classes, kernel(weights, width, classes, initializer, std), true));
    }

    of(kind) {
      return this.layers.filter((layer) => layer instanceof kind);
    }

    /** Logits (rows, classes). statistics: see BatchNorm; "batch" also means that Dropout is at work. */
    forward(x, rows, statistics) {
      return this.layers.reduce((values, layer) => layer.forward(values, rows, statistics), x);
    }

    backward(gradient, rows) {
      for (let at = this.layers.length - 1; at >= 0; at--) {
        gradient = this.layers[at].backward(gradient, rows, at === 0);
      }
    }

    /** One step of SGD on a batch; returns the batch's loss before it. masks: one array for each Dropout, or none. */
    step(x, labels, rows, rate, masks = []) {
      this.of(Dropout).forEach((layer, i) => (layer.given = masks[i] ?? null));
      const logits = this.forward(x, rows, "batch");
      this.gradient = room(this.gradient, rows * this.classes);
      const loss = softmaxCrossEntropy(logits, labels, rows, this.classes, this.gradient);
      this.backward(this.gradient, rows);
      for (const layer of this.layers) {
        for (const [values, slopes] of layer.trainable) {
          for (let at = 0; at < values.length; at++) values[at] -= rate * slopes[at];
        }
      }
      return loss;
    }

    /** Take the statistics of all of x, Dropout off, as the "recomputed" ones. */
    recompute(x, rows) {
      this.forward(x, rows, "recompute");
    }

    /** The share of rows whose largest logit is the label's; statistics: "moving" or "recomputed". */
    accuracy(x, labels, rows, statistics) {
      const logits = this.forward(x, rows, statistics);
      let right = 0;
      for (let r = 0; r < rows; r++) {
        let best = 0;
        for (let c = 1; c < this.classes; c++)
          if (logits[r * this.classes + c] > logits[r * this.classes + best]) best = c;
        right += best === labels[r];
      }
      return right / rows;
    }

    /** The probability of each class for one image (features,). */
    probabilities(image, statistics) {
      const logits = this.forward(image, 1, statistics).slice(0, this.classes);
      const largest = Math.max(...logits);
      const parts = Array.from(logits, (logit) => Math.exp(logit - largest));
      const sum = parts.reduce((total, part) => total + part);
      return parts.map((part) => part / sum);
    }

    /** The norm of the last gradient of each Dense layer's kernel, from the image to the logits. */
    gradientNorms() {
      return this.of(Dense).map((layer) => Math.sqrt(layer.kernelGradient.reduce((sum, one) => sum + one * one, 0)));
    }

    /** All parameters and moving statistics, in the order of Keras' `get_weights()`. */
    get weights() {
      return this.layers.flatMap((layer) => layer.weights);
    }
  }

  Object.assign(playground, { Network });
});
