// Answers under node: {describe: {module, state, settings}} with the words of a module for each of the settings,
// {numbers: [[function, ...arguments], ...]} with what numbers.js makes of them. The folder comes as an argument.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const asked = JSON.parse(readFileSync(0, "utf8"));
const load = (name) => import(pathToFileURL(`${process.argv[2]}/${name}.js`));

async function describe({ module, state, settings }) {
  const explorer = await load(module);
  return settings.map((values) => explorer.describe(values, state));
}

async function numbers(calls) {
  const functions = await load("numbers");
  return calls.map(([name, ...values]) => functions[name](...values));
}

const answer = asked.describe ? await describe(asked.describe) : await numbers(asked.numbers);
process.stdout.write(JSON.stringify(answer));
