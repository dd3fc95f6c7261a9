"use strict";

playground.define(function run(playground) {
  const { Random, Network, Activation } = playground;
  const BATCHES = 3; // a stream of the seed
  const BINS = 41,
    REACH = 4; // a histogram's outer bins hold what lies beyond
  const FIRST_LOOK = 256; // training images whose hidden values are shown before the first step

  /** {xTrain, yTrain, xTest, yTest, ...}: the images of `digits.js`, standardised as in the notebooks. */
  function readDigits({ pixels, labels, trainSize, mean, std, classes }) {
    const numbers = (letters) => Uint8Array.from(letters, (letter) => letter.charCodeAt(0) - 65); // "A" is 0
    const x = Float32Array.from(numbers(pixels), (grey) => (grey - mean) / std),
      y = numbers(labels);
    const features = x.length / y.length;
    return {
      features,
      classes,
      mean,
      std,
      xTrain: x.subarray(0, trainSize * features),
      yTrain: y.subarray(0, trainSize),
      trainSize,
      xTest: x.subarray(trainSize * features),
      yTest: y.subarray(trainSize),
      testSize: y.length - trainSize,
    };
  }

  /** Batches of a fixed size from shuffled epochs; an epoch's last images that fill no batch are left out. */
  class Batches {
    constructor(digits, size, seed) {
      Object.assign(this, { digits, size, random: new Random(seed, BATCHES), at: Infinity });
      this.x = new Float32Array(size * digits.features);
      this.y = new Uint8Array(size);
    }

    next() {
      const { digits, size, x, y } = this,
        { features } = digits;
      if (this.at + size > digits.trainSize) {
        this.order = this.random.permutation(digits.trainSize);
        this.at = 0;
      }
      for (let r = 0; r < size; r++) {
        const image = this.order[this.at + r];
        x.set(digits.xTrain.subarray(image * features, (image + 1) * features), r * features);
        y[r] = digits.yTrain[image];
      }
      this.at += size;
      return { x, y };
    }
  }

  /** What reached an activation in the last batch: counts of equal bins over -REACH ... REACH, mean and deviation. */
  function distribution({ input, rows, units }) {
    const counts = new Array(BINS).fill(0),
      total = rows * units;
    let sum = 0,
      squares = 0;
    for (let at = 0; at < total; at++) {
      const bin = Math.floor(((input[at] + REACH) / (2 * REACH)) * BINS);
      counts[Math.min(BINS - 1, Math.max(0, bin))] += 1 / total;
      sum += input[at];
      squares += input[at] * input[at];
    }
    const mean = sum / total;
    return { counts, mean, std: Math.sqrt(Math.max(0, squares / total - mean * mean)) };
  }

  /** Whether both networks are tested after this step: often at first, where most happens. */
  function isTested(step) {
    return step < 10 ? step % 2 === 0 : step < 300 ? step % 10 === 0 : step % 50 === 0;
  }

  /** Two copies of one network, without BatchNorm (`plain`) and with it (`normalized`), on the same batches. */
  class Run {
    /** `isDue(step)`: whether to test after this step; the training does not depend on it. */
    constructor(settings, digits, isDue = isTested) {
      const { features, classes } = digits;
      this.plain = new Network({ ...settings, features, classes }, "none");
      this.normalized = new Network({ ...settings, features, classes }, settings.order);
      this.batches = new Batches(digits, settings.batch, settings.seed);
      Object.assign(this, { settings, digits, isDue, steps: 0, losses: [], tests: [] });
      for (const network of this.networks) network.forward(digits.xTrain, FIRST_LOOK, "recompute");
      this.measure();
      this.test();
    }

    get networks() {
      return [this.plain, this.normalized];
    }

    /** One step of both on the same batch; `losses` and, at some steps, `tests` grow. */
    step() {
      const { x, y } = this.batches.next(),
        { batch, rate } = this.settings;
      this.losses.push(this.networks.map((network) => network.step(x, y, batch, rate)));
      this.steps++;
      this.measures = null;
      if (this.isDue(this.steps)) {
        this.measure(); // before the test images take the batch's place
        this.test();
      }
    }

    /** Test now, where the last step was not tested. */
    finish() {
      this.measure();
      if (this.tests.at(-1).step < this.steps) this.test();
    }

    /** Of both networks, what reached each activation in the last batch, and each gradient's norm. */
    measure() {
      this.measures ??= this.networks.map((network) => ({
        distributions: network.of(Activation).map(distribution),
        gradients: this.steps > 0 ? network.gradientNorms() : [],
      }));
      return this.measures;
    }

    /** Test accuracies now, of the copy with BatchNorm under both kinds of statistics: {step, plain, moving, batch}. */
    test() {
      const { xTrain, trainSize, xTest, yTest, testSize } = this.digits;
      this.normalized.recompute(xTrain, trainSize);
      this.tests.push({
        step: this.steps,
        plain: this.plain.accuracy(xTest, yTest, testSize, "moving"),
        moving: this.normalized.accuracy(xTest, yTest, testSize, "moving"),
        batch: this.normalized.accuracy(xTest, yTest, testSize, "recomputed"),
      });
    }

    /** The probabilities of each class that both networks give a test image, with moving averages as in `predict`. */
    answers(image) {
      const { xTest, yTest, features } = this.digits;
      const pixels = xTest.subarray(image * features, (image + 1) * features);
      this.measure();
      const [plain, normalized] = this.networks.map((network) => network.probabilities(pixels, "moving"));
      return { image, pixels: Array.from(pixels), label: yTest[image], plain, normalized };
    }
  }

  Object.assign(playground, { readDigits, Run, REACH });
});
