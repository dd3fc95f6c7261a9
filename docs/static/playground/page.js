// The playground's page: it asks the worker to train, keeps what the worker reports and draws it once a frame.
"use strict";

(() => {
  const { settings: known, PRESETS, presetOf, charts, words } = playground;
  const { make, settingsForm, picture, legend } = playground.controls;
  const LONGEST = 5000; // steps of a run that no preset ends
  const SPOKEN = 5000; // milliseconds between two announcements while it trains
  const SETTLED = 700; // and after the last of several presses

  class Page {
    constructor(place) {
      this.place = place;
      this.number = 0;
      this.layer = 0;
      this.image = 0;
      this.build();
      this.worker = startWorker();
      this.worker.onmessage = ({ data }) => this.hear(data);
      this.worker.onerror = () =>
        this.complain("The training has stopped with an error. Loading the page again may help.");
      this.worker.postMessage({ type: "digits", content: playground.data });
      this.readAddress();
      addEventListener("hashchange", () => this.readAddress());
      new ResizeObserver(() => this.redraw()).observe(place);
      new MutationObserver(() => this.redraw()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    }

    build() {
      this.presets = PRESETS.map((preset) => {
        const press = () => this.begin({ ...preset.settings, seed: this.settings.seed }, true);
        return make("button", { type: "button", "aria-pressed": "false", onclick: press }, preset.title);
      });
      this.claim = make("p", { class: "claim" });
      this.complaint = make("p", { class: "complaint", role: "alert", hidden: "" });
      this.spoken = make("p", { class: "spoken", role: "status" });
      this.form = settingsForm((name, value) => this.change({ [name]: value }));
      this.details = make("details", { class: "chosen" }, make("summary", {}, "Settings"), this.form.element);
      this.details.open = this.place.clientWidth >= 700;
      this.legend = legend();
      this.place.replaceChildren(
        make("div", { class: "presets", role: "group", "aria-label": "Presets" }, ...this.presets),
        this.claim,
        this.complaint,
        this.transport(),
        make("div", { class: "bench" }, this.details, make("div", {}, this.legend.element, this.pictures())),
        this.spoken,
      );
    }

    transport() {
      const button = (text, press) => make("button", { type: "button", onclick: press }, text);
      this.play = button("▶ Play", () => (this.isPlaying ? this.send("pause") : this.goOn()));
      this.play.className = "play";
      this.counter = make("span", { class: "counter" });
      return make(
        "div",
        { class: "transport", role: "group", "aria-label": "Training" },
        this.play,
        button("One step", () => this.send("step")),
        button("From the start", () => this.begin(this.settings, false)),
        button("Another seed", () => this.change({ seed: (this.settings.seed % known.SEEDS) + 1 })),
        this.counter,
      );
    }

    pictures() {
      this.layerInput = make("select", { id: "playground-layer", onchange: () => this.look(+this.layerInput.value) });
      const label = make("label", { for: "playground-layer" }, "of hidden layer");
      const layer = make("div", { class: "under" }, label, this.layerInput);
      this.canvases = {};
      const add = (name, title, ...below) => {
        const { element, canvas } = picture(name, title, ...below);
        this.canvases[name] = canvas;
        return element;
      };
      const turn = (by, text) => make("button", { type: "button", onclick: () => this.turn(by) }, text);
      this.says = make("p", { class: "says" });
      const turns = make("div", { class: "under" }, turn(-1, "Previous"), turn(1, "Next"));
      return make(
        "div",
        { class: "pictures" },
        add("accuracy", "Test accuracy (dots: guessing)"),
        add("loss", "Loss of each batch"),
        add("distribution", "What reaches the activation", layer),
        add("gradients", "Norm of the gradient, by layer"),
        make(
          "div",
          { class: "answer" },
          add("image", "One test image", turns),
          add("probabilities", "What each network says", this.says),
        ),
      );
    }

    /** Other settings; what was playing plays on. */
    change(some) {
      this.begin({ ...this.settings, ...some }, this.isPlaying);
    }

    /** A run from its start with these settings. */
    begin(chosen, isPlaying) {
      this.settings = chosen;
      this.preset = presetOf(chosen);
      this.layer = Math.min(this.layer, chosen.depth - 1);
      Object.assign(this, { losses: [], tests: [], first: null, steps: 0, until: this.preset?.steps ?? LONGEST });
      history.replaceState(null, "", known.toAddress(chosen));
      this.form.show(chosen);
      this.presets.forEach((button, i) => button.setAttribute("aria-pressed", PRESETS[i] === this.preset));
      this.showLayers();
      this.send("start", { settings: chosen, number: ++this.number, until: isPlaying ? this.until : undefined });
      this.complain("");
      this.isPlaying = isPlaying;
    }

    goOn() {
      if (this.steps >= this.until) this.until = this.steps + LONGEST; // on, beyond the end of a preset
      this.send("play", { until: this.until });
    }

    send(type, content = {}) {
      this.worker.postMessage({ type, ...content });
    }

    hear(report) {
      if (report.number !== this.number) return; // of a run that is over
      this.losses.push(...report.losses);
      this.tests.push(...report.tests);
      this.first ??= report.measures;
      const hasStopped = this.isPlaying && !report.isPlaying,
        { steps, measures, answers, isPlaying } = report;
      Object.assign(this, { steps, measures, answers, isPlaying });
      if (hasStopped) this.speak();
      else this.speaking ??= setTimeout(() => this.speak(), isPlaying ? SPOKEN : SETTLED);
      this.redraw();
    }

    /** The address asks for a run; one without settings gets the first preset. */
    readAddress() {
      const asked = location.hash;
      if (asked && !asked.includes("=")) return this.settings ?? this.begin(PRESETS[0].settings, false); // an anchor
      if (this.settings && asked === known.toAddress(this.settings)) return;
      if (!asked) return this.begin(PRESETS[0].settings, false);
      const { settings, complaints } = known.fromAddress(asked);
      this.begin(settings, false);
      if (complaints.length) this.complain(`Not all that the address asks for can be had. ${complaints.join(" ")}`);
    }

    complain(text) {
      this.complaint.hidden = !text;
      this.complaint.textContent = text;
    }

    look(layer) {
      this.layer = layer;
      this.redraw();
    }

    turn(by) {
      const total = playground.data.labels.length - playground.data.trainSize;
      this.image = (this.image + by + total) % total;
      this.send("look", { image: this.image });
    }

    showLayers() {
      const numbers = Array.from({ length: this.settings.depth }, (_, i) => make("option", { value: i }, `${i + 1}`));
      this.layerInput.replaceChildren(...numbers);
      this.layerInput.value = this.layer;
    }

    redraw() {
      this.frame ??= requestAnimationFrame(() => {
        this.frame = null;
        if (this.tests.length) this.draw();
      });
    }

    draw() {
      const theme = playground.canvas.colors(this.place),
        { mean, std } = playground.data;
      const state = { ...this, end: this.end(), mean, std };
      for (const [name, canvas] of Object.entries(this.canvases)) charts[name](canvas, theme, state);
      this.drawLegend(theme);
      this.play.textContent = this.isPlaying ? "❚❚ Pause" : "▶ Play";
      const goal = this.preset && this.steps <= this.preset.steps ? ` of ${this.preset.steps}` : "";
      this.counter.textContent = `step ${this.steps}${goal} · seed ${this.settings.seed}`;
      this.says.textContent = words.answer(this);
      this.showClaim();
    }

    /** Where the axis of steps ends: with the preset, or at a round number. */
    end() {
      if (this.preset && this.steps <= this.preset.steps) return this.preset.steps;
      return [100, 200, 400, 1000, 2000].find((end) => end >= this.steps) ?? LONGEST * Math.ceil(this.steps / LONGEST);
    }

    drawLegend(theme) {
      for (const { name, number, swatch } of this.legend.entries) {
        const { LOOKS, prepare, stroke, mark } = playground.canvas,
          look = LOOKS[name];
        const { context, width, height } = prepare(swatch);
        stroke(
          context,
          theme[look.color],
          [
            [0, height / 2],
            [width, height / 2],
          ],
          { width: 2, dash: look.dash },
        );
        mark(context, look.mark, theme[look.color], width / 2, height / 2);
        number.textContent = words.percent(this.tests.at(-1)[name]);
      }
    }

    /** What the preset says; once it is through, whether this run has shown it. */
    showClaim() {
      const isOver = this.steps === this.preset?.steps,
        key = [this.number, isOver].join();
      if (this.shownClaim === key) return;
      this.shownClaim = key;
      if (!this.preset) {
        this.claim.replaceChildren(
          "Settings of your own. One run is an anecdote: try other seeds before you believe it.",
        );
        return;
      }
      const { claim, notebook } = this.preset,
        { notebooks } = this.place.dataset; // where the site has them; a page on its own has none
      const link = notebooks
        ? make("a", { href: `${notebooks}${notebook.page}.html#${notebook.anchor}` }, notebook.title)
        : notebook.title;
      const verdict = isOver ? [make("strong", {}, this.verdict()), " "] : [];
      this.claim.replaceChildren(`${claim} `, ...verdict, "One run is an anecdote; ", link, " asks several seeds.");
    }

    /** At the end of a preset, whether this run has shown what it says. */
    verdict() {
      if (this.steps !== this.preset?.steps) return "";
      return this.preset.holds(this.tests) ? "✓ This run shows it." : "✗ This run does not show it.";
    }

    /** Announce how things stand, and describe the pictures to those who do not see them. */
    speak() {
      clearTimeout(this.speaking);
      this.speaking = null;
      if (!this.tests.length) return;
      if (this.steps > 0) this.spoken.textContent = `${words.standing(this)} ${this.verdict()}`;
      const texts = {
        accuracy: words.standing(this),
        loss: words.loss(this),
        distribution: words.distribution(this),
        gradients: words.gradients(this),
        image: words.image(this),
        probabilities: words.answer(this),
      };
      for (const [name, text] of Object.entries(texts)) this.canvases[name].setAttribute("aria-label", text);
    }
  }

  function startWorker() {
    const parts = playground.engine.map((part) => `(${part})(playground);`);
    const text = ["const playground = {};", ...parts, "new playground.Trainer(self);"].join("\n");
    return new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
  }

  const place = document.getElementById("playground");
  if (place) new Page(place);
})();
