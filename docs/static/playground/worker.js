// The part that runs in the worker: it trains in slices of some milliseconds and reports after each, so that a pause or
// another setting is heard at once.
"use strict";

playground.define(function worker(playground) {
  const SLICE = 12; // milliseconds
  const FRAME = 16;

  /** Steps a second, at most: slow enough to be watched, and small batches may take more of them. */
  function pace(batch) {
    return Math.min(300, Math.max(60, 6000 / batch));
  }

  /** Serve the page at the other end of `port`; messages: digits, start, play, pause, step, look. */
  function serve(port) {
    let digits, run, number, until, isPlaying = false, timer, credit = 0, last = 0, image = 0;
    let sent = { losses: 0, tests: 0 };

    function report() {
      const measures = run.measure(), answers = run.answers(image);
      const losses = run.losses.slice(sent.losses), tests = run.tests.slice(sent.tests);
      sent = { losses: run.losses.length, tests: run.tests.length };
      port.postMessage({ number, steps: run.steps, losses, tests, measures, answers, isPlaying });
    }

    function slice() {
      if (!isPlaying) return;
      const begin = performance.now();
      credit = Math.min(credit + ((begin - last) * pace(run.settings.batch)) / 1000, 10);
      last = begin;
      while (credit >= 1 && run.steps < until && performance.now() - begin < SLICE) {
        run.step();
        credit--;
      }
      isPlaying = run.steps < until;
      if (!isPlaying) run.finish();
      report();
      timer = setTimeout(slice, Math.max(0, FRAME - (performance.now() - begin)));
    }

    const answers = {
      digits: (message) => (digits = playground.readDigits(message.content)),
      start(message) {
        number = message.number;
        run = new playground.Run(message.settings, digits);
        sent = { losses: 0, tests: 0 };
        isPlaying = false;
        report();
      },
      play(message) {
        until = message.until;
        if (isPlaying) return;
        isPlaying = true;
        last = performance.now();
        credit = 1;
        clearTimeout(timer); // of a slice that a pause has overtaken
        slice();
      },
      pause() {
        isPlaying = false;
        run.finish();
        report();
      },
      step() {
        isPlaying = false;
        run.step();
        run.finish();
        report();
      },
      look(message) {
        image = message.image;
        report();
      },
    };
    port.onmessage = ({ data }) => answers[data.type](data);
  }

  Object.assign(playground, { serve });
});
