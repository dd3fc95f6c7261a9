// The findings of the course that one run can show. Each says what to see and, as `holds`, when a run has shown it.
"use strict";

playground.define(function presets(playground) {
  const { initial } = playground.settings;
  const CHANCE = 1 / 10;
  const EARLY = 10; // of batches of 128, nine steps are one epoch

  /** How far an accuracy is on the way from chance (0) to the best at the end (1); nowhere, where none got far. */
  function way(tests) {
    const { plain, moving, batch } = tests.at(-1),
      best = Math.max(plain, moving, batch);
    return best > 2 * CHANCE ? (accuracy) => (accuracy - CHANCE) / (best - CHANCE) : () => NaN;
  }

  /** The copy without BatchNorm stays in the first quarter of the way, the one with it gets through the third. */
  function onlyNormalizedTrains(tests) {
    const share = way(tests),
      last = tests.at(-1);
    return share(last.plain) < 1 / 4 && share(last.batch) > 3 / 4;
  }

  const PRESETS = [
    {
      name: "sleeps",
      title: "The plain network sleeps",
      claim:
        "Sigmoid units and small weights: without BatchNorm all images look almost alike to the last layer, " +
        "and hundreds of steps teach it nothing. With BatchNorm the same weights learn at once.",
      steps: 300,
      settings: { activation: "sigmoid", initializer: "normal", std: 0.1, rate: 0.1 },
      notebook: { page: "03_keras_sequential", anchor: "faster-convergence", title: "03 · Faster convergence" },
      holds: onlyNormalizedTrains,
    },
    {
      name: "rate",
      title: "Too high a rate for one of them",
      claim:
        "A learning rate at which the plain network breaks down in its first steps and never recovers. The " +
        "one with BatchNorm trains.",
      steps: 200,
      settings: { depth: 5, initializer: "he", rate: 3 },
      notebook: { page: "03_keras_sequential", anchor: "higher-learning-rates", title: "03 · Higher learning rates" },
      holds: onlyNormalizedTrains,
    },
    {
      name: "twenty",
      title: "Twenty layers",
      claim:
        "Twenty ReLU layers with Keras’ own initial weights. Look at the gradients of the first steps: " +
        "without BatchNorm all are far too small, and the network hardly starts.",
      steps: 160,
      settings: { depth: 20, width: 32, rate: 0.1 },
      notebook: {
        page: "03_keras_sequential",
        anchor: "more-stable-deep-networks",
        title: "03 · More stable deep networks",
      },
      holds: onlyNormalizedTrains,
    },
    {
      name: "cold",
      title: "Cold averages",
      claim:
        "In the first epochs the same weights look poor with moving averages and good with batch statistics: " +
        "the averages are still cold. In the end the two agree.",
      steps: 180,
      settings: { rate: 0.3, batch: 128 },
      notebook: {
        page: "05_training_and_inference",
        anchor: "the-famous-complaint-good-training-terrible-validation",
        title: "05 · The famous complaint",
      },
      holds(tests) {
        const share = way(tests),
          last = tests.at(-1);
        const early = tests.find(({ step }) => step === EARLY);
        return share(early.batch) - share(early.moving) > 1 / 10 && share(last.batch) - share(last.moving) < 1 / 20;
      },
    },
    {
      name: "two",
      title: "Batches of two",
      claim:
        "Of two images, BatchNorm leaves only which one had the larger value. It now stays behind the plain " +
        "network, and better statistics afterwards do not help.",
      steps: 2000,
      settings: { batch: 2, rate: 0.01 },
      notebook: {
        page: "05_training_and_inference",
        anchor: "how-large-must-a-batch-be",
        title: "05 · How large must a batch be",
      },
      holds(tests) {
        const share = way(tests),
          last = tests.at(-1);
        return share(last.plain) - share(Math.max(last.batch, last.moving)) > 1 / 10;
      },
    },
    {
      name: "dropout",
      title: "Dropout before BatchNorm",
      claim:
        "Dropout makes the values vary more in training than at inference, so the moving averages are wrong " +
        "for inference, however long they warm up. Batch statistics taken without Dropout do better with the " +
        "same weights.",
      steps: 250,
      settings: { depth: 5, dropout: 0.5, place: "before", momentum: 0.9, rate: 0.03 },
      notebook: {
        page: "06_batchnorm_vs_dropout",
        anchor: "together-but-in-which-order-the-variance-shift",
        title: "06 · The variance shift",
      },
      holds(tests) {
        const share = way(tests),
          last = tests.at(-1);
        return share(last.batch) - share(last.moving) > 1 / 10;
      },
    },
  ];
  for (const preset of PRESETS) preset.settings = { ...initial(), ...preset.settings };

  /** The preset with these settings, whatever the seed; undefined where there is none. */
  function presetOf(chosen) {
    const same = (preset) =>
      Object.keys(preset.settings).every((name) => name === "seed" || preset.settings[name] === chosen[name]);
    return PRESETS.find(same);
  }

  Object.assign(playground, { PRESETS, presetOf, EARLY });
});
