// What the pictures show, in words: for screen readers, and as the line under the controls.
"use strict";

playground.words = (() => {
  const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.0995 ? 1 : 0)} %`;
  const size = (value) => (Number.isFinite(value) ? value.toPrecision(2).replace("-", "−") : "not a number any more");

  /** The state of the run in one or two sentences. */
  function standing({ steps, tests }) {
    const { plain, moving, batch } = tests.at(-1);
    return (
      `Step ${steps}. Right on the test images: without BatchNorm ${percent(plain)}; ` +
      `with BatchNorm ${percent(moving)} by moving averages, ${percent(batch)} by batch statistics.`
    );
  }

  function loss({ losses }) {
    if (!losses.length) return "Loss of each batch: nothing yet.";
    const [plain, normalized] = losses.at(-1);
    return `Loss of the last batch: without BatchNorm ${size(plain)}, with BatchNorm ${size(normalized)}.`;
  }

  function distribution({ measures, layer }) {
    const [plain, normalized] = measures.map(({ distributions }) => distributions[layer]);
    const one = ({ mean, std }) => `mean ${size(mean)} and standard deviation ${size(std)}`;
    const where = `What reaches the activation of hidden layer ${layer + 1}`;
    return `${where}: without BatchNorm ${one(plain)}, with BatchNorm ${one(normalized)}.`;
  }

  function gradients({ measures }) {
    const [plain, normalized] = measures.map((one) => one.gradients);
    if (!plain.length) return "Gradients: none before the first step.";
    const ends = (norms) => `${size(norms[0])} in the first layer and ${size(norms.at(-2))} in the last hidden one`;
    return `Norm of the weights’ gradient: without BatchNorm ${ends(plain)}; with BatchNorm ${ends(normalized)}.`;
  }

  function answer({ answers }) {
    const says = (shares) => {
      const most = Math.max(...shares);
      return Number.isFinite(most)
        ? `${shares.indexOf(most)} (${percent(most)})`
        : "nothing, its numbers have overflowed";
    };
    const [plain, normalized] = [answers.plain, answers.normalized].map(says);
    return `This is a ${answers.label}. The network without BatchNorm says ${plain}; the one with it ${normalized}.`;
  }

  const image = ({ answers }) => `An image of the digit ${answers.label}.`;

  return { percent, image, standing, loss, distribution, gradients, answer };
})();
