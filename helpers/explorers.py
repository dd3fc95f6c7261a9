"""Figures with sliders: move one, and the picture and the words under it are made anew.

No `interact` and no `Output` widget: those hide errors, stack pictures on Colab and leave nothing on a page without
a running kernel. Core widgets alone, so that everything works with ipywidgets 7.7 (Colab) and 8.
"""

import base64
import html
import itertools
import math

from helpers.environment import needed_for

with needed_for("An explorer"):
    import ipywidgets as widgets
import numpy as np

from helpers import batchnorm, explorer_states, shift
from helpers.plots import COLORS, LINESTYLES, MARKERS, PERCENTILES, Plot, accuracy_by_rate, new_figure, ridge


class Explorer:
    """Controls above a picture and its description; the picture follows the controls.

    A subclass makes its controls, {name: widget}, and an empty figure, and hands them to `__init__`. It defines
    `draw(**values)`, which takes the value of each control by its name, draws onto the figure's emptied axes and
    returns the description in words. `plot` holds the present figure and words, `widget` the whole box.
    In a notebook the last line of a cell shows it: live where there is a kernel, else as a picture with its words.
    `module` names the script in docs/static/explorers/ that draws the same on the site, from what `state()` returns.
    """

    module = None

    def __init__(self, controls, figure):
        self.controls, self.figure = controls, figure
        self._view = widgets.HTML()
        grid = widgets.GridBox(
            list(controls.values()), layout={"grid_template_columns": "repeat(auto-fit, minmax(300px, 1fr))"}
        )
        self.widget = widgets.VBox([grid, self._view], layout={"max_width": "880px"})
        for control in controls.values():
            control.style = {"description_width": "110px"}
            control.layout = {"width": "auto"}
            control.observe(self._redraw, names="value")
        self._redraw()
        # The first picture has settled margins and labels; to work them out again would double the time of a redraw.
        figure.set_layout_engine(None)
        for axis in figure.axes:
            for side in (axis.xaxis, axis.yaxis):
                side.set_label_coords(*side.label.get_position(), transform=side.label.get_transform())

    def draw(self, **values):
        """Draw onto the axes of `self.figure` for these values of the controls; return the description."""
        raise NotImplementedError(f"{type(self).__name__} must define draw({', '.join(self.controls)}).")

    def data(self):
        """What the script on the site needs beside the controls, as JSON can hold it: {name: value}."""
        return {}

    def state(self):
        """What the script on the site begins with, as JSON can hold it: the controls, and `data()`."""
        # A list, since a stored notebook has its names in alphabetical order.
        return {
            "controls": [explorer_states.control(name, control) for name, control in self.controls.items()],
            **self.data(),
        }

    def _redraw(self, _change=None):
        # Emptied rather than made anew: ticks and labels are the slow part of a figure.
        for axis in self.figure.axes:
            for artist in [*axis.lines, *axis.patches, *axis.collections, *axis.texts]:
                artist.remove()
        caption = self.draw(**{name: control.value for name, control in self.controls.items()})
        self.plot = Plot(self.figure, caption)
        self._png = base64.b64encode(self.plot.png()).decode()
        words = html.escape(caption)
        self._view.value = (
            f'<img src="data:image/png;base64,{self._png}" alt="{words}" style="width: 100%">'
            f'<p aria-live="polite" style="line-height: 1.4">{words}</p>'
        )

    def _repr_mimebundle_(self, include=None, exclude=None):
        data = {
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.widget.model_id,
            },
            "image/png": self._png,
            "text/plain": self.plot.caption,
        }
        metadata = {"image/png": {"alt": self.plot.caption}}
        if self.module:  # as metadata: a notebook shows what it always did, and no comparison of outputs looks there
            metadata["explorer"] = {"module": self.module, "state": self.state()}
        return data, metadata


class NormalizationExplorer(Explorer):
    """One feature of one batch on its way through Batch Normalization: raw, normalised, output.

    The batch is drawn once from a normal distribution (seed 2) and then moved, stretched and given an outlier.
    """

    module = "normalisation"

    def __init__(self):
        self._noise = np.random.default_rng(2).normal(size=128)
        self._jitter = np.random.default_rng(1).uniform(-0.8, 0.8, size=128)
        figure, axes = new_figure(3, 1, width=8.4, height=4.2)
        for axis, name in zip(axes, ("raw x", "normalised x̂", "output y"), strict=True):
            axis.set_ylabel(name, rotation=0, ha="right", va="center")
            axis.set(ylim=(-1, 1), yticks=[])
            axis.locator_params(axis="x", nbins=5)
        axes[-1].set_xlabel("value · line: mean · band: mean ± one std")
        super().__init__(
            {
                "batch_size": widgets.SelectionSlider(
                    options=[1, 2, 4, 8, 16, 32, 64, 128], value=32, description="batch size"
                ),
                "mean": widgets.FloatSlider(7.0, min=-20, max=20, step=0.5, description="mean"),
                "spread": widgets.FloatSlider(2.5, min=0, max=5, step=0.1, description="spread"),
                "outlier": widgets.FloatSlider(0.0, min=0, max=60, step=1, description="outlier by"),
                "gamma": widgets.FloatSlider(1.0, min=-3, max=3, step=0.1, description="gamma"),
                "beta": widgets.FloatSlider(0.0, min=-5, max=5, step=0.1, description="beta"),
                "epsilon": widgets.FloatLogSlider(1e-3, min=-5, max=1, step=0.5, description="epsilon"),
            },
            figure,
        )

    def data(self):
        return {"noise": self._noise.tolist(), "jitter": self._jitter.round(3).tolist()}

    def draw(self, batch_size, mean, spread, outlier, gamma, beta, epsilon):
        raw = mean + spread * self._noise[:batch_size, None]
        raw[-1] += outlier
        output, cache = batchnorm.forward(raw, np.array([gamma]), np.array([beta]), epsilon)
        below = max(6, 1.05 * np.abs([cache.normalized, output]).max())  # one scale, or gamma would not show
        for i, (values, reach) in enumerate(
            [(raw, max(30, 1.05 * np.abs(raw).max())), (cache.normalized, below), (output, below)]
        ):
            self._draw_row(self.figure.axes[i], values[:, 0], reach, COLORS[i], MARKERS[i], outlier > 0)
        drawn = f"drawn with mean {mean:.1f} and spread {spread:.1f}{', and one moved' * (outlier > 0)}"
        return self._describe(drawn, raw, cache, output, outlier, gamma, epsilon)

    def _draw_row(self, axis, values, reach, color, marker, outlier):
        centre, std = values.mean(), values.std()
        axis.axvspan(centre - std, centre + std, color=color, alpha=0.15, lw=0)
        axis.axvline(centre, color=color, lw=2)
        axis.plot(values, self._jitter[: len(values)], marker, color=color, ms=5, alpha=0.7, ls="none")
        if outlier:
            axis.plot(values[-1], self._jitter[len(values) - 1], "o", ms=12, mfc="none", mec="black")
        axis.set_xlim(-reach, reach)
        axis.set_title(f"mean {_number(centre)}, std {_number(std)}", loc="right", fontsize=9, y=1.0)

    @staticmethod
    def _describe(drawn, raw, cache, output, outlier, gamma, epsilon):
        n, variance = len(raw), cache.variance[0]
        examples = f"{n} examples" if n > 1 else "1 example"
        words = [
            f"{examples} {drawn}. The batch itself has mean {_number(raw.mean())}, standard deviation "
            f"{_number(raw.std())}, variance {_number(variance)}.",
            f"Normalised (epsilon {epsilon:.0e}): mean {_number(cache.normalized.mean())}, standard deviation "
            f"{_number(cache.normalized.std())}.",
            f"Output: mean {_number(output.mean())} (beta), standard deviation {_number(output.std())} "
            f"(|gamma| times the normalised one; gamma is {gamma:.1f}).",
        ]
        if n == 1:
            words.append("A batch of one is its own mean: whatever the value was, the output is beta.")
        elif variance == 0:
            words.append("All values are equal: without epsilon this would be 0/0; with it the output is beta.")
        elif variance < 10 * epsilon:
            words.append("Epsilon is not small beside the variance, so the normalised values stay narrower than 1.")
        elif n == 2:
            words.append("Two examples end up at about -1 and +1, wherever they were: only their order is left.")
        if gamma < 0:
            words.append("A negative gamma mirrors the values.")
        if outlier and n > 1:
            words.append(
                f"The ringed outlier lies {_number(cache.normalized[-1, 0])} normalised standard deviations out; "
                f"the {n - 1} other{'s share' if n > 2 else ' has'} a spread of "
                f"{_number(cache.normalized[:-1].std())}."
            )
        return " ".join(words)


class MomentumExplorer(Explorer):
    """How far the moving mean has come from its start, 0, towards the truth, against the formula 1 - momentum^steps.

    The batches are drawn once (seed 0): 32 examples each from a normal distribution of mean 5 and standard deviation 3.
    """

    module = "momentum"
    TRUTH, STD, BATCH_SIZE, STEPS = 5.0, 3.0, 32, 600

    def __init__(self):
        batches = np.random.default_rng(0).normal(self.TRUTH, self.STD, size=(self.STEPS, self.BATCH_SIZE))
        self._batch_means = batches.mean(axis=1)
        figure, axis = new_figure(width=8.4, height=3.8)
        axis.set(xlim=(0, self.STEPS), ylim=(0, 7.6), xlabel="k: batches seen (steps)", ylabel="value of the feature")
        super().__init__(
            {
                "momentum": widgets.SelectionSlider(
                    options=[0.0, 0.5, 0.9, 0.95, 0.99, 0.995, 0.999], value=0.99, description="momentum"
                ),
                "steps": widgets.IntSlider(32, min=1, max=self.STEPS, description="steps"),
            },
            figure,
        )

    def data(self):
        return {
            "batchMeans": self._batch_means.tolist(), "truth": self.TRUTH, "std": self.STD, "batchSize": self.BATCH_SIZE
        }  # fmt: skip

    def moving_mean(self, momentum):
        """The moving mean after 0, 1, 2, ... batches: an array of STEPS + 1 values."""
        average, path = 0.0, [0.0]
        for batch_mean in self._batch_means:
            average = momentum * average + (1 - momentum) * batch_mean
            path.append(average)
        return np.array(path)

    def draw(self, momentum, steps):
        path = self.moving_mean(momentum)
        counts = np.arange(self.STEPS + 1)
        axis = self.figure.axes[0]
        axis.plot(counts[1:], self._batch_means, ".", color="#999999", ms=3)
        axis.axhline(self.TRUTH, color="black", lw=1, ls=LINESTYLES[3])
        axis.plot(counts, self.TRUTH * (1 - momentum**counts), color=COLORS[1], ls=LINESTYLES[1])
        axis.plot(counts, path, color=COLORS[0], lw=1, alpha=0.35)
        axis.plot(counts[: steps + 1], path[: steps + 1], color=COLORS[0], lw=2.5)
        axis.plot(steps, path[steps], MARKERS[0], color=COLORS[0], ms=9, mec="black")
        axis.axvline(steps, color=COLORS[0], lw=0.8)
        left = steps > 0.8 * self.STEPS
        axis.annotate(
            f"{path[steps] / self.TRUTH:.0%} covered", (steps, path[steps]), (-10 if left else 10, -18),
            textcoords="offset points", ha="right" if left else "left", color=COLORS[0], weight="bold",
        )  # fmt: skip
        # A legend in words: a legend of Matplotlib's own would take a fifth of the time of a redraw.
        axis.text(8, 7.1, "●  batch means", color="#666666")
        axis.text(120, 7.1, "····  the truth", color="black")
        axis.text(222, 7.1, "- -  the formula", color=COLORS[1])
        axis.text(338, 7.1, "—  moving mean", color=COLORS[0], weight="bold")
        axis.text(474, 7.1, "—  still to come", color=COLORS[0], alpha=0.6)
        return self._describe(path, momentum, steps)

    def _describe(self, path, momentum, steps):
        formula = 1 - momentum**steps
        batches = f"{steps} batches" if steps > 1 else "1 batch"
        words = (
            f"After {batches} with momentum {momentum:g} the moving mean is {path[steps]:.2f}; the truth is "
            f"{self.TRUTH:.2f}. Covered: {path[steps] / self.TRUTH:.1%}; the formula 1 − momentum^k says {formula:.1%}."
        )
        if momentum == 0:
            return f"{words} Momentum 0 remembers the last batch only: no delay, and all of its noise."
        needed = math.ceil(math.log(0.1) / math.log(momentum))
        noise = self.STD / math.sqrt(self.BATCH_SIZE)
        # The variance of a sum of independent batch means with the weights (1 - momentum) * momentum^0, 1, 2, ...
        wobble = noise * math.sqrt((1 - momentum) / (1 + momentum))
        return (
            f"{words} To cover 90 % takes {needed} batches. Once it has arrived it wobbles by {wobble:.2f} (standard "
            f"deviation; a batch mean by {noise:.2f})."
        )


def _number(value):
    """Two digits behind the point, with no minus before a zero; small values in scientific notation."""
    value = float(value)
    if 1e-9 < abs(value) < 0.005:
        return f"{value:.0e}"
    return f"{value + 0:.2f}".replace("-0.00", "0.00")


class PlacementExplorer(Explorer):
    """Test accuracy for every place of Batch Normalization and every learning rate, for one activation and depth.

    sweep: a `Sweep` over "activation", "depth", "normalization" and "learning_rate". The best learning rate is the one
    with the highest training accuracy. Raises ValueError where the sweep lacks one of them.
    """

    module = "placement"
    PLACES = ("none", "before", "after", "both", "some")
    TRAINED = 0.9

    def __init__(self, sweep):
        needed = ("activation", "depth", "normalization", "learning_rate")
        for name in needed:
            if name not in sweep.points[0]:
                raise ValueError(f"The sweep must go over {', '.join(needed)}; its points are {sweep.points[0]}.")
        self._sweep = sweep
        self._rates = sorted({point["learning_rate"] for point in sweep.points})
        activations, depths = (list(dict.fromkeys(point[name] for point in sweep.points)) for name in needed[:2])
        figure, axis = new_figure(width=8.4, height=3.0)
        axis.grid(False)
        axis.set(xlim=(0, len(self._rates)), ylim=(len(self.PLACES), 0), xlabel="learning rate")
        axis.set_xticks(np.arange(len(self._rates)) + 0.5, [f"{rate:g}" for rate in self._rates])
        axis.set_yticks(np.arange(len(self.PLACES)) + 0.5, self.PLACES)
        axis.set_title("mean test accuracy (%) · ★ rate with the best training accuracy", loc="left", fontsize=10)
        super().__init__(
            {
                "activation": widgets.ToggleButtons(
                    options=activations, value=activations[-1], description="activation"
                ),
                "depth": widgets.ToggleButtons(options=sorted(depths), value=max(depths), description="hidden layers"),
            },
            figure,
        )

    def data(self):
        choices = itertools.product(*(self.controls[name].options for name in ("activation", "depth")))
        rows = [{"activation": activation, "depth": depth, "places": self._rows(activation, depth)}
                for activation, depth in choices]  # fmt: skip
        return {
            "rates": [f"{rate:g}" for rate in self._rates], "seeds": len(self._sweep.runs[0].seeds),
            "trained": 100 * self.TRAINED, "rows": explorer_states.placement(rows, self._rates),
        }  # fmt: skip

    def _rows(self, activation, depth):
        """{place: (rates, mean accuracies, position of the best rate, at how many rates every seed trains)}."""
        rows = {}
        for place in self.PLACES:
            point = {"activation": activation, "depth": depth, "normalization": place}
            rates, accuracies = accuracy_by_rate(self._sweep, **point)
            if len(rates):
                best = accuracy_by_rate(self._sweep, score="train_accuracy", **point)[1].mean(axis=1).argmax()
                trained = (accuracies > self.TRAINED).all(axis=1).sum()
                rows[place] = rates, accuracies.mean(axis=1), int(best), int(trained)
        return rows

    def draw(self, activation, depth):
        axis, words, rows = self.figure.axes[0], [], self._rows(activation, depth)
        for row, place in enumerate(self.PLACES):
            if place not in rows:
                axis.text(0.1, row + 0.5, "not run at this depth", va="center", color="#666666", style="italic")
                continue
            rates, means, best, trained = rows[place]
            columns = [self._rates.index(rate) for rate in rates]
            cells = np.full((1, len(self._rates)), np.nan, means.dtype)  # empty where a rate was not run
            cells[0, columns] = 100 * means
            axis.pcolormesh(
                np.arange(len(self._rates) + 1), [row, row + 1], cells, cmap="cividis", vmin=0, vmax=100,
                edgecolors="white", linewidth=2,
            )  # fmt: skip
            for place_of_rate, (column, mean) in enumerate(zip(columns, means, strict=True)):
                star = "★ " if place_of_rate == best else ""
                axis.text(column + 0.5, row + 0.5, f"{star}{100 * mean:.0f}", ha="center", va="center",
                          weight="bold" if star else "normal", color="white" if mean < 0.6 else "black")  # fmt: skip
            words.append(f"{place}: {self._describe(rates, means, best, trained)}")
        return (
            f"{activation}, {depth} hidden layers, means of {len(self._sweep.runs[0].seeds)} seeds. {'; '.join(words)}."
        )

    def _describe(self, rates, means, best, trained):
        """The best rate of a row in words, and at how many rates every seed trains. best: its place in `rates`."""
        return (
            f"{100 * means[best]:.1f} % at its best learning rate, {rates[best]:g}; every seed passes "
            f"{100 * self.TRAINED:.0f} % at {trained} of {len(rates)} rates"
        )


class DistributionExplorer(Explorer):
    """The distribution of one unit's pre-activations at one training step, in two networks side by side.

    arms: {name: Runs}, two of them, with `pre_activations` of the same layers at the same steps. The first seed of each
    is shown. Curves: the 15th, 50th and 85th percentile over training. Hill: the distribution at the chosen step.
    Diamond: one and the same image.
    """

    module = "distributions"
    UNITS_ON_SITE = 10  # of each layer: all of them would be megabytes
    IMAGE = 0  # which row of the probe batch the diamond follows

    def __init__(self, arms):
        self._arms = {name: list(runs.pre_activations.values()) for name, runs in arms.items()}
        first = next(iter(arms.values()))
        self._at = np.array(first.settings.probes.at)
        layers = next(iter(self._arms.values()))
        figure, (axes,) = new_figure(1, len(arms), width=8.4, height=3.8, sharey=True, squeeze=False)
        for axis, name in zip(axes, arms, strict=True):
            axis.set(title=name, xlabel="pre-activation of the unit", xlim=(-6, 6))
            axis.set_ylim(self._at[0] - 0.03 * self._at[-1], 1.2 * self._at[-1])
            axis.locator_params(nbins=5)
        axes[0].set_ylabel("training step")
        super().__init__(
            {
                "step": widgets.SelectionSlider(options=self._at.tolist(), value=int(self._at[0]), description="step"),
                "layer": widgets.IntSlider(len(layers), min=1, max=len(layers), description="layer"),
                "unit": widgets.IntSlider(3, min=0, max=layers[0].shape[-1] - 1, description="unit"),
            },
            figure,
        )

    def state(self):
        state = super().state()
        for stored in state["controls"]:
            if stored["name"] == "unit":
                stored["max"] = min(stored["max"], self.UNITS_ON_SITE - 1)
                stored["value"] = min(stored["value"], stored["max"])
        return state

    def data(self):
        """For each network, layer and unit one text per step: what the words say, then what else the picture shows."""
        arms = [
            {"name": name, "layers": [[self._unit(values[0, :, :, unit]) for unit in range(self.UNITS_ON_SITE)
                                       if unit < values.shape[-1]] for values in layers]}
            for name, layers in self._arms.items()
        ]  # fmt: skip
        return {"arms": arms}

    def _unit(self, values):
        curves = np.percentile(values, PERCENTILES, axis=1)
        return [
            explorer_states.distribution(self._texts(values, now, curves[:, now]), values[now], values[now, self.IMAGE])
            for now in range(len(values))
        ]

    def draw(self, step, layer, unit):
        words = [f"Step {step}, hidden layer {layer}, unit {unit}."]
        for i, (axis, (name, layers)) in enumerate(zip(self.figure.axes, self._arms.items(), strict=True)):
            values = layers[layer - 1][0, :, :, unit]
            now = int(np.flatnonzero(self._at == step)[0])
            curves = np.percentile(values, PERCENTILES, axis=1)
            for curve, style, width in zip(curves, (1, 0, 1), (1, 2, 1), strict=True):
                axis.plot(curve, self._at, color=COLORS[i], linestyle=LINESTYLES[style], linewidth=width)
            ridge(axis, values[now], step, 0.18 * self._at[-1], COLORS[i])
            axis.plot(values[now, self.IMAGE], step, "D", color="white", markeredgecolor="black", markersize=7)
            words.append(self._describe(name, values, now, curves[:, now]))
        return " ".join(words)

    def _describe(self, name, values, now, percentiles):
        low, middle, high, since, place = self._texts(values, now, percentiles)
        return (
            f"{name}: middle {middle}, 15 to 85 % of the images from {low} to {high}; drift since the first step "
            f"{since}. The image with the diamond lies above {place} of the others."
        )

    def _texts(self, values, now, percentiles):
        """Three percentiles, the drift, and the share of the images below the diamond, as the words say them."""
        place = np.mean(values[now] < values[now, self.IMAGE])
        since = shift.drift(values[[0, now]][None, :, :, None]).item()
        return [*map(_number, (*percentiles, since)), f"{place:.0%}"]
