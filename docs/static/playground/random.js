"use strict";

playground.define(function random(playground) {
  /** Whole numbers out of 32 bits, mixed so that neighbouring seeds have nothing in common. */
  function mixed(value) {
    let bits = (value ^ 0x5bd1e995) >>> 0;
    for (let round = 0; round < 3; round++) {
      bits = Math.imul(bits ^ (bits >>> 15), 0x2c1b3c6d);
      bits = Math.imul(bits ^ (bits >>> 13), 0x297a2d39);
    }
    return (bits ^ (bits >>> 16)) >>> 0;
  }

  /** Random numbers from a seed: Marsaglia's xorshift with 128 bits (2003). Streams of a seed are independent. */
  class Random {
    constructor(seed, stream = 0) {
      this.state = Uint32Array.from([1, 2, 3, 4], (word) => mixed(mixed(seed) + 4 * stream + word) || word);
    }

    /** Uniform in [0, 1). */
    uniform() {
      const state = this.state;
      let bits = state[0];
      bits ^= bits << 11;
      bits ^= bits >>> 8;
      state.copyWithin(0, 1);
      state[3] = state[2] ^ (state[2] >>> 19) ^ bits;
      return state[3] / 2 ** 32;
    }

    /** Normal with mean 0 and standard deviation 1 (Box and Muller). */
    normal() {
      return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
    }

    /** The numbers 0 ... n - 1 in random order. */
    permutation(n) {
      const order = Uint32Array.from({ length: n }, (_, i) => i);
      for (let last = n - 1; last > 0; last--) {
        const other = Math.floor(this.uniform() * (last + 1));
        [order[last], order[other]] = [order[other], order[last]];
      }
      return order;
    }
  }

  // What a standard normal that is cut off at two standard deviations has left of its own.
  const CUT_STD = 0.87962566;

  function cutNormal(random) {
    let value = random.normal();
    while (Math.abs(value) > 2) value = random.normal();
    return value / CUT_STD;
  }

  /** Weights (inputs, units) as Keras draws them: "glorot" uniform, "he" cut-off normal, "normal" with this std. */
  function kernel(random, inputs, units, initializer, std) {
    const limit = Math.sqrt(6 / (inputs + units));
    const he = Math.sqrt(2 / inputs);
    const draw = {
      glorot: () => limit * (2 * random.uniform() - 1),
      he: () => he * cutNormal(random),
      normal: () => std * random.normal(),
    }[initializer];
    return Float32Array.from({ length: inputs * units }, draw);
  }

  Object.assign(playground, { Random, kernel });
});
