// The part that runs in the worker: it trains in slices of some milliseconds and reports after each, so that a pause or
// another setting is heard at once.
"use strict";

playground.define(function worker(playground) {
  const SLICE = 12; // milliseconds
  const FRAME = 16;

  /** Steps a second, at most: slow enough to be watched, and small batches may take more of them. */
  function pace(batch) {
    return Math.min(300, Math.max(30, 3000 / batch));
  }

  /** Trains for the page at the other end of `port`, which calls the methods named in its messages' `type`. */
  class Trainer {
    constructor(port) {
      Object.assign(this, { port, isPlaying: false, image: 0 });
      port.onmessage = ({ data: { type, ...content } }) => this[type](content);
    }

    digits({ content }) {
      this.data = playground.readDigits(content);
    }

    /** A new run, whose reports carry this number; with `until` it plays at once. */
    start({ settings, number, until }) {
      this.run = new playground.Run(settings, this.data);
      Object.assign(this, { number, sent: { losses: 0, tests: 0 }, isPlaying: until !== undefined });
      this.report();
      if (this.isPlaying) this.play({ until });
    }

    /** Train up to the step `until`. */
    play({ until }) {
      Object.assign(this, { until, isPlaying: true, last: performance.now(), credit: 1 });
      clearTimeout(this.timer); // of a slice that a pause or another start has overtaken
      this.slice();
    }

    pause() {
      this.isPlaying = false;
      this.run.finish();
      this.report();
    }

    step() {
      this.run.step();
      this.pause();
    }

    /** Report on this test image from now on. */
    look({ image }) {
      this.image = image;
      this.report();
    }

    slice() {
      if (!this.isPlaying) return;
      const { run, until } = this,
        begin = performance.now();
      this.credit = Math.min(this.credit + ((begin - this.last) * pace(run.settings.batch)) / 1000, 10);
      this.last = begin;
      while (this.credit >= 1 && run.steps < until && performance.now() - begin < SLICE) {
        run.step();
        this.credit--;
      }
      if (run.steps >= until) return this.pause();
      this.report();
      this.timer = setTimeout(() => this.slice(), Math.max(0, FRAME - (performance.now() - begin)));
    }

    /** What is new since the last report, and how things stand. */
    report() {
      const { run, sent, number, isPlaying } = this;
      const losses = run.losses.slice(sent.losses),
        tests = run.tests.slice(sent.tests);
      this.sent = { losses: run.losses.length, tests: run.tests.length };
      const measures = run.measure(),
        answers = run.answers(this.image);
      this.port.postMessage({ number, steps: run.steps, losses, tests, measures, answers, isPlaying });
    }
  }

  Object.assign(playground, { Trainer });
});
