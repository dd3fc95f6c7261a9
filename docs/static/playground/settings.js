// What the reader can choose. Every setting has a list of values; an address that asks for another number gets the
// nearest, and a sentence that says so.
"use strict";

playground.define(function settings(playground) {
  const asNumber = (value) => `${value}`;
  const asWords = (names) => (value) => names[value];
  const PARTS = [
    { name: "rate", label: "learning rate", values: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10], initial: 0.1 },
    { name: "depth", label: "hidden layers", values: [1, 2, 3, 4, 5, 7, 10, 15, 20], initial: 3 },
    { name: "width", label: "units in each", values: [8, 16, 32, 48, 64, 100], initial: 48 },
    { name: "batch", label: "batch size", values: [2, 4, 8, 16, 32, 60, 128, 256], initial: 60 },
    { name: "momentum", label: "momentum", values: [0.5, 0.8, 0.9, 0.95, 0.99, 0.999], initial: 0.99 },
    { name: "dropout", label: "Dropout rate", values: [0, 0.1, 0.2, 0.3, 0.5, 0.7], initial: 0 },
    {
      name: "activation",
      label: "activation",
      initial: "relu",
      words: { relu: "ReLU", tanh: "tanh", sigmoid: "sigmoid" },
    },
    {
      name: "initializer",
      label: "initial weights",
      initial: "glorot",
      words: { glorot: "Glorot (Keras’ own)", he: "He", normal: "normal, of this scale:" },
    },
    { name: "std", label: "initial scale", values: [0.01, 0.03, 0.1, 0.3, 1, 3], initial: 0.1 },
    {
      name: "order",
      label: "BatchNorm stands",
      initial: "before",
      words: { before: "before the activation", after: "after the activation" },
    },
    {
      name: "place",
      label: "Dropout stands",
      initial: "after",
      words: { before: "before each BatchNorm", after: "after each layer", last: "after the last layer" },
    },
  ];
  for (const part of PARTS) {
    part.values ??= Object.keys(part.words);
    part.show = part.words ? asWords(part.words) : asNumber;
  }
  const SEEDS = 9999;

  function initial() {
    return { ...Object.fromEntries(PARTS.map((part) => [part.name, part.initial])), seed: 1 };
  }

  /** Settings as an address has them behind its #. */
  function toAddress(chosen) {
    return "#" + [...PARTS.map((part) => part.name), "seed"].map((name) => `${name}=${chosen[name]}`).join("&");
  }

  /** {settings, complaints}: what an address asks for, as far as it can be had, and a sentence for all that cannot. */
  function fromAddress(address) {
    const settings = initial(),
      complaints = [];
    for (const [name, text] of new URLSearchParams(address.replace(/^#/, ""))) {
      const part = PARTS.find((one) => one.name === name);
      if (!part && name !== "seed") complaints.push(`There is no setting “${name}”.`);
      else settings[name] = part?.words ? word(part, text, complaints) : number(name, part, text, complaints);
    }
    return { settings, complaints };
  }

  function word(part, text, complaints) {
    if (part.values.includes(text)) return text;
    complaints.push(`“${text}” is not one of ${part.values.join(", ")}: ${part.name} is ${part.initial}.`);
    return part.initial;
  }

  function number(name, part, text, complaints) {
    const asked = text.trim() === "" ? NaN : Number(text);
    if (!Number.isFinite(asked)) {
      const kept = initial()[name];
      complaints.push(`“${text}” is not a number: ${name} is ${kept}.`);
      return kept;
    }
    const given = part ? nearest(part.values, asked) : Math.min(SEEDS, Math.max(1, Math.round(asked)));
    if (given !== asked) complaints.push(`${name} cannot be ${text}: it is ${given}, the nearest that can be had.`);
    return given;
  }

  function nearest(values, asked) {
    return values.reduce((best, value) => (Math.abs(value - asked) < Math.abs(best - asked) ? value : best));
  }

  Object.assign(playground, { settings: { PARTS, SEEDS, initial, toAddress, fromAddress } });
});
