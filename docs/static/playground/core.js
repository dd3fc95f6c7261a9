// The one global name of the playground. Each file of the engine is a function that adds to it: the page calls it, node
// calls it, and a worker gets the functions' own text, because no browser lets a page from a disk load a worker's file.
"use strict";

globalThis.playground = {
  engine: [],
  define(part) {
    playground.engine.push(part);
    part(playground);
  },
};
