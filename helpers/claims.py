"""The lesson's eight claims: its own words, what would show them, the rule from intervals to a verdict, the literature.

The rules and the designs were settled in trial runs; the verdicts were then checked with seeds that had no part in
those. A notebook measures, and then

    card = claims.verdict("C3", {"order_relu": interval, ...})  # every measure that CLAIMS["C3"].measures names
    card                                                        # the card with its numbers
    claims.record(card, networks=repr(runs))                    # writes docs/results/C3.json, in `make notebooks` only

`print(card)` and its Markdown carry the verdict and the reason without numbers: they read alike on every machine.
"""

import dataclasses
import html
import inspect
import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from helpers import environment
from helpers.statistics import Interval

SUPPORTED, CONDITIONS, NOT_SUPPORTED, CONTESTED = VERDICTS = (
    "supported",
    "supported with conditions",
    "not supported here",
    "contested",
)
SYMBOLS = dict(zip(VERDICTS, "✔◐✘⇄", strict=True))  # beside the words: never colour alone
MIN_SEEDS = 8
RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"


@dataclass(frozen=True)
class Measure:
    """What a claim needs to know, and when the answer is yes: the whole interval lies above and/or below a bound.

    definition: what the interval measures. unit: as in `Interval`; above, below: in that unit (shares from 0 to 1).
    """

    definition: str
    unit: str
    above: float = -math.inf
    below: float = math.inf

    def answer(self, interval):
        """True where the whole interval is inside the bounds, False where it is all outside, else None: undecided."""
        if self.above < interval.low and interval.high < self.below:
            return True
        return False if interval.high <= self.above or interval.low >= self.below else None

    @property
    def needs(self):
        """The bounds in words, such as `above 5 points`."""
        scale, suffix = {"%": (100, " %"), "points": (100, " points"), "": (1, "")}[self.unit]
        bounds = {"above": self.above, "below": self.below}
        return " and ".join(
            f"{name} {scale * bound:g}{suffix}" for name, bound in bounds.items() if math.isfinite(bound)
        )


@dataclass(frozen=True)
class Claim:
    """One claim of the lesson.

    quotes: its sentences, word for word, the most telling one first. notebook: where it is measured.
    measures: {name: Measure}, what `evidence` must hold. decide: takes {name: True, False or None} and returns the
    verdict and the reason; its docstring is the rule in words. supporting, opposing: literature with citations.
    """

    name: str
    title: str
    notebook: str
    quotes: tuple[str, ...]
    measures: Mapping[str, Measure]
    decide: Callable
    supporting: tuple[str, ...]
    opposing: tuple[str, ...]

    @property
    def rule(self):
        """The rule in words."""
        return " ".join(inspect.getdoc(self.decide).split())


@dataclass(frozen=True)
class Verdict:
    """A claim, the evidence and what the rule makes of it. Shows itself as a card in a notebook."""

    claim: Claim
    evidence: Mapping[str, Interval]
    word: str
    reason: str

    def __str__(self):
        quotes = "\n".join(f"  “{quote}”" for quote in self.claim.quotes)
        return (
            f"{self.claim.name} · {self.claim.title}\nThe lesson says:\n{quotes}\n"
            f"Verdict: {self.word.upper()}\n{self.reason}\nRule: {self.claim.rule}"
        )

    __repr__ = __str__

    def _repr_markdown_(self):
        quotes = "\n>\n".join(f"> {quote}" for quote in self.claim.quotes)
        return (
            f"**{self.claim.name} · {self.claim.title}**\n\n{quotes}\n\n"
            f"**{SYMBOLS[self.word]} {self.word.capitalize()}.** {self.reason}\n\n*Rule:* "
            f"{self.claim.rule}\n\n*For:*\n{_bullets(self.claim.supporting)}\n\n*Against:*\n"
            f"{_bullets(self.claim.opposing)}"
        )

    def _repr_html_(self):
        rows = [
            (measure.definition, str(self.evidence[name]), measure.needs, _answer(measure.answer(self.evidence[name])))
            for name, measure in self.claim.measures.items()
        ]
        head = "".join(
            f'<th style="text-align: left">{name}</th>' for name in ("Measured", "95 % interval", "Needs", "")
        )
        body = "".join(
            "<tr>" + "".join(f'<td style="text-align: left">{html.escape(cell)}</td>' for cell in row) + "</tr>"
            for row in rows
        )
        quotes = "<br>".join(f"“{html.escape(quote)}”" for quote in self.claim.quotes)
        return (
            '<div style="border: 1px solid #888; border-left: 6px solid #0072B2; padding: 0.6em 1em; max-width: 860px">'
            f"<p><b>{self.claim.name} · {html.escape(self.claim.title)}</b></p><blockquote>{quotes}</blockquote>"
            f'<p style="font-size: 1.15em"><b>{SYMBOLS[self.word]} {self.word.capitalize()}.</b> '
            f"{html.escape(self.reason)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"<p><b>Rule.</b> {html.escape(self.claim.rule)}</p>"
            f"<p><b>Literature for</b></p>{_html_list(self.claim.supporting)}"
            f"<p><b>Literature against</b></p>{_html_list(self.claim.opposing)}</div>"
        )


def verdict(claim, evidence):
    """What the claim's rule makes of the evidence: a `Verdict`, which shows itself as a card.

    claim: "C1" to "C8". evidence: {name of measure: Interval}, exactly those that `CLAIMS[claim].measures` lists.
    Raises ValueError where the claim is unknown, or a measure is missing, unknown, not an Interval of its unit, not
    finite, or stands on fewer than 8 seeds.
    """
    if claim not in CLAIMS:
        raise ValueError(f"The claims are {', '.join(CLAIMS)}; received {claim!r}.")
    claim = CLAIMS[claim]
    for name in [*claim.measures, *evidence]:
        _check(claim, name, evidence)
    answers = {name: measure.answer(evidence[name]) for name, measure in claim.measures.items()}
    word, reason = claim.decide(**answers)
    return Verdict(claim, {name: evidence[name] for name in claim.measures}, word, reason)


def record(card, **settings):
    """Write the verdict to docs/results/<claim>.json with its evidence, the versions and the settings, for the tables.

    settings: what the runs were made with, as text or numbers, such as `networks=repr(runs)`.
    Does nothing unless the environment variable COURSE_RECORD_RESULTS is 1, so that running a notebook changes no file.
    Raises ValueError where no setting says how the evidence was made.
    """
    if not settings:
        raise ValueError("record(card, ...) needs at least one setting, such as networks=repr(runs).")
    if os.environ.get("COURSE_RECORD_RESULTS") != "1":
        return
    content = {
        "claim": card.claim.name,
        "verdict": card.word,
        "reason": card.reason,
        "evidence": {name: dataclasses.asdict(interval) for name, interval in card.evidence.items()},
        "versions": environment.versions(),
        "settings": settings,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    (RESULTS / f"{card.claim.name}.json").write_text(text + "\n", encoding="utf-8")


def recorded(folder=RESULTS):
    """{claim: Verdict} of all results files, each judged again from its evidence by the present rule.

    Raises ValueError where a file says something else than the rule: then its notebook must be built again.
    """
    found = {}
    for name in CLAIMS:
        path = Path(folder) / f"{name}.json"
        if path.is_file():
            content = json.loads(path.read_text(encoding="utf-8"))
            found[name] = verdict(name, {key: Interval(**fields) for key, fields in content["evidence"].items()})
            if (found[name].word, found[name].reason) != (content["verdict"], content["reason"]):
                raise ValueError(f"{path.name} does not say what the rule says; build {CLAIMS[name].notebook} again.")
    return found


class Table:
    """All claims with the verdicts recorded so far, as one table. Shows itself in a notebook; `markdown` is its text.

    folder: where the results files are; links: what comes before a notebook's file name in its link.
    """

    def __init__(self, folder=RESULTS, links=""):
        cards = recorded(folder)
        rows = ["| | The lesson says | Verdict here | Why | Measured in |", "|---|---|---|---|---|"]
        for name, claim in CLAIMS.items():
            card = cards.get(name)
            word, why = (f"**{SYMBOLS[card.word]} {card.word}**", card.reason) if card else ("not measured yet", "")
            link = f"[{claim.notebook[:2]}]({links}{claim.notebook}.ipynb)"
            rows.append(f"| {name} | {claim.quotes[0]} | {word} | {why} | {link} |")
        self.markdown = "\n".join(rows)

    def __repr__(self):
        return self.markdown

    def _repr_markdown_(self):
        return self.markdown


def _check(claim, name, evidence):
    if name not in evidence:
        raise ValueError(
            f"{claim.name} needs {', '.join(claim.measures)}; {name} is missing. "
            f"It is: {claim.measures[name].definition}."
        )
    if name not in claim.measures:
        raise ValueError(f"{claim.name} knows no measure {name!r}; it needs {', '.join(claim.measures)}.")
    interval, measure = evidence[name], claim.measures[name]
    if not isinstance(interval, Interval):
        raise ValueError(
            f"{name} must be an Interval, as mean_interval, paired_difference and share_interval return it; "
            f"received {type(interval).__name__}: {interval!r:.80}."
        )
    if interval.unit != measure.unit:
        raise ValueError(
            f"{name} must have the unit {measure.unit!r}, received {interval.unit!r}. It is: {measure.definition}."
        )
    if not all(map(math.isfinite, (interval.mean, interval.low, interval.high))):
        raise ValueError(f"{name} must be finite, received {interval}.")
    if interval.count < MIN_SEEDS:
        raise ValueError(f"A verdict needs at least {MIN_SEEDS} seeds; {name} stands on {interval.count}.")


def _answer(answer):
    return {True: "✔ yes", False: "✘ no", None: "? undecided"}[answer]


def _bullets(sentences):
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _html_list(sentences):
    return "<ul>" + "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences) + "</ul>"


# ---------------------------------------------------------------------------------------------- the rules
# Each takes the answers of its claim's measures, True, False or None (undecided), and returns verdict and reason.


def _internal_covariate_shift(plain_drift, drift_ratio, gain, noisy_drift_ratio, noisy_gain):
    """Not supported here: the plain network does not drift, or Batch Normalization does not make it drift less, or not
    train better. Else the counter-experiment decides. Contested: noisy Batch Normalization drifts more than the plain
    network and yet trains better. Supported: the noisy network drifts more and trains no better.
    Supported with conditions: the counter-experiment is undecided."""
    if not plain_drift:
        return NOT_SUPPORTED, "The plain network's activations did not clearly shift."
    if not drift_ratio:
        return NOT_SUPPORTED, "Activations shift, but Batch Normalization did not clearly reduce the shift."
    if not gain:
        return NOT_SUPPORTED, "Batch Normalization reduced the shift, but the network did not train better for it."
    reduced = "Activations shift; with Batch Normalization they shift less and the network trains better. "
    if noisy_drift_ratio and noisy_gain:
        return CONTESTED, reduced + "Yet a network made to shift more than the plain one also trains better than it."
    if noisy_drift_ratio and noisy_gain is False:
        return SUPPORTED, reduced + "Made to shift more than the plain one, it loses that advantage."
    return CONDITIONS, reduced + "Whether the shift is the cause remains open: the counter-experiment did not decide."


def _formula_and_expressiveness(formula_error, identity_error, gamma_beta_gain):
    """Not supported here: the layer does not follow the formula, or gamma and beta do not give the input back.
    Supported: it does, they do, and training only gamma and beta gains more than the output layer alone.
    Supported with conditions: that gain is not shown."""
    if not formula_error:
        return NOT_SUPPORTED, "The layer does not compute what the formula says."
    if not identity_error:
        return NOT_SUPPORTED, "No gamma and beta were found that give the input back."
    exact = "The layer follows the formula, and gamma and beta can undo it, both to rounding error. "
    if gamma_beta_gain:
        return SUPPORTED, exact + "Gamma and beta alone, trained on random weights, already learn."
    return CONDITIONS, exact + "That gamma and beta alone can learn was not shown."


def _placement(order_relu, order_tanh, order_sigmoid, edge_before, edge_after, some_loss, some_edge):
    """Supported: at each order's own best learning rate, before is better than after for all three activations.
    Contested: not so, and elsewhere there are settings where before decides and settings where after does.
    Supported with conditions: not so, but there are settings where before decides, and none where after does.
    Not supported here: otherwise."""
    if some_loss:
        skipped = "Leaving every other layer without Batch Normalization costs accuracy."
    elif some_edge:
        skipped = (
            "Leaving every other layer without Batch Normalization costs little at the best learning rate, and much at "
            "a very high one."
        )
    else:
        skipped = "Leaving every other layer without Batch Normalization costs little."
    if order_relu and order_tanh and order_sigmoid:
        return SUPPORTED, f"Before the activation is better, whichever the activation. {skipped}"
    alike = "With the best learning rate for each, before is not clearly better for every activation. "
    if edge_before and edge_after:
        return CONTESTED, f"{alike}At other learning rates the order decides, but in both directions. {skipped}"
    if edge_before:
        return CONDITIONS, f"{alike}At other learning rates the order decides, and before wins. {skipped}"
    return NOT_SUPPORTED, f"{alike}No setting was found where before decides. {skipped}"


def _speed_and_depth(faster_gain, high_rate_share, deep_share, deep_share_plain, shallow_gain):
    """The benefits are: faster; trains at higher learning rates; trains at a depth where the plain network does not.
    Supported: all three, and a gain for the shallow, well-initialised network too. Supported with conditions: at least
    one, but not all or not for the shallow network. Not supported here: none."""
    benefits = {
        "faster convergence": faster_gain,
        "higher learning rates": high_rate_share,
        "deeper networks": deep_share and deep_share_plain,
    }
    shown = [name for name, answer in benefits.items() if answer]
    if not shown:
        return NOT_SUPPORTED, "None of the three benefits was shown."
    listed = f"Shown: {', '.join(shown)}. "
    if len(shown) == len(benefits) and shallow_gain:
        return SUPPORTED, listed + "A shallow, well-initialised network gains too."
    if len(shown) < len(benefits):
        return CONDITIONS, listed + f"Not shown: {', '.join(name for name in benefits if name not in shown)}."
    return CONDITIONS, listed + "Not always: a shallow, well-initialised network with Adam " + (
        "gains nothing that matters after 100 steps." if shallow_gain is False else "does not clearly gain."
    )


def _overfitting(small_clean_gain, small_noisy_gain, full_clean_gain, full_noisy_gain):
    """Many: at least three of the four cases, small or full data with clean or noisy labels. Significantly: the
    interval lies above the bound, not only above zero. Supported: many cases. Supported with conditions: one or two.
    Not supported here: none."""
    cases = {
        "little data, clean labels": small_clean_gain,
        "little data, noisy labels": small_noisy_gain,
        "all data, clean labels": full_clean_gain,
        "all data, noisy labels": full_noisy_gain,
    }
    helped = [name for name, answer in cases.items() if answer]
    if not helped:
        return (
            NOT_SUPPORTED,
            "In none of the four cases did Batch Normalization alone clearly gain more than 2 points on unseen images.",
        )
    listed = "; ".join(helped)
    if len(helped) >= 3:
        return SUPPORTED, f"Batch Normalization alone helps on unseen images in most cases ({listed})."
    return CONDITIONS, f"Batch Normalization alone helps on unseen images only with: {listed}."


def _with_dropout(early_gain, noisy_label_gain, need_change, clean_removal_cost, noisy_removal_cost, variance_shift):
    """Different problems: Batch Normalization is ahead early in training, Dropout on test images after noisy labels.
    Reduced: with little data and noisy labels, where Dropout has work to do, it gains clearly less beside Batch
    Normalization than without. Removed: leaving it out beside Batch Normalization costs less than 2 points.
    Not supported here: not different, or not reduced, or not removed even with clean labels. Supported: removed with
    noisy labels too, and Dropout before Batch Normalization does no harm. Supported with conditions: otherwise."""
    need = {True: "gains less", False: "is not needed less", None: "is not clearly needed less"}[need_change]
    said = [f"Where data are few and labels noisy, Dropout {need} beside Batch Normalization than without it"]
    if not clean_removal_cost:
        said.append("Even with clean labels it could not clearly be left out")
    else:
        said.append("It can be left out with clean labels" + (" and with noisy ones" if noisy_removal_cost else ""))
    if not early_gain:
        said.append("Batch Normalization is not clearly ahead of Dropout early in training")
    elif noisy_removal_cost is False:
        said.append("Batch Normalization is ahead early in training, and Dropout still gains beside it")
    if need_change and not noisy_label_gain:
        said.append("Alone, Dropout is not clearly ahead of Batch Normalization with noisy labels")
    if not variance_shift:
        said.append("Dropout before Batch Normalization spoils its moving statistics")
    verdict = SUPPORTED if noisy_removal_cost and variance_shift else CONDITIONS
    needed = early_gain and noisy_label_gain and need_change and clean_removal_cost
    return verdict if needed else NOT_SUPPORTED, ". ".join(said) + "."


def _inference(batch_changes, neighbour_changes, warm_gap, cold_gap, domain_gain):
    """Not supported here: training mode does not depend on the batch, or inference does, or warmed-up moving averages
    are worse than recomputed statistics. Supported: the mechanism holds, and the moving averages are good enough early
    in training and on a new domain too. Supported with conditions: it holds, but not there."""
    if not (batch_changes and neighbour_changes):
        return NOT_SUPPORTED, "The two modes do not differ as described."
    if not warm_gap:
        return NOT_SUPPORTED, "Even after many steps the moving averages were not clearly good enough."
    mechanism = "Inference does not depend on the neighbours, and warmed-up moving averages serve well. "
    if cold_gap and domain_gain:
        return SUPPORTED, mechanism + "Early in training and on a new domain they serve too."
    failing = [
        name for name, answer in (("early in training", cold_gap), ("on a new domain", domain_gain)) if not answer
    ]
    return CONDITIONS, f"{mechanism}“Ensures” is too strong: not {' and not '.join(failing)}."


def _batch_size(small_batch_loss, layernorm_small_batch_loss, large_batch_loss, large_recomputed_loss):
    """Not supported here: tiny batches cost Batch Normalization no accuracy. Supported: they do, LayerNorm loses
    nothing by them (so that it is not the small batch as such), and the largest batch is as good, with moving and with
    recomputed statistics. Supported with conditions: they do, but LayerNorm loses too, or the largest batch is not as
    good with one of the two."""
    if not small_batch_loss:
        return NOT_SUPPORTED, "Tiny batches did not clearly cost accuracy."
    conditions = []
    if not layernorm_small_batch_loss:
        conditions.append("tiny batches may cost a network with LayerNorm too")
    if not large_recomputed_loss:
        conditions.append("the largest batch is not the best")
    elif not large_batch_loss:
        conditions.append("the largest batch is as good with recomputed statistics only, its moving averages stay cold")
    if conditions:
        return CONDITIONS, f"Tiny batches cost accuracy; but {', and '.join(conditions)}."
    return SUPPORTED, "Tiny batches cost Batch Normalization accuracy, LayerNorm none, and large batches do no harm."


# ---------------------------------------------------------------------------------------------- the claims

_IOFFE = "Ioffe & Szegedy 2015, arXiv:1502.03167"
_CAFFENET = "Mishkin, caffenet-benchmark, batchnorm.md (2017; companion arXiv:1606.02228)"

CLAIMS = {
    claim.name: claim
    for claim in (
        Claim(
            "C1",
            "Internal covariate shift slows training, and Batch Normalization removes it",
            "01_internal_covariate_shift",
            (
                "This constant shift slows down training and makes optimization unstable.",
                "As a neural network trains, the distribution of activations inside the network keeps changing.",
                "When earlier layers update their weights, later layers suddenly receive inputs with new ranges and "
                "patterns.",
                "Instead of letting values grow unpredictably, BatchNorm ensures that activations remain well-behaved.",
            ),
            {
                "plain_drift": Measure(
                    "plain network: how far the distributions of its pre-activations move in 25 steps, up to step 600 "
                    "(Wasserstein distance of order 2, in units of the pre-activation)",
                    "",
                    above=0.1,
                ),
                "drift_ratio": Measure(
                    "drift with Batch Normalization / drift without, per seed, up to step 600", "", below=0.8
                ),
                "gain": Measure(
                    "training accuracy with Batch Normalization − plain, both at the plain network's best learning "
                    "rate, after 200 steps",
                    "points",
                    above=0.05,
                ),
                "noisy_drift_ratio": Measure(
                    "drift with noisy Batch Normalization / drift of the plain network, per seed, up to step 200",
                    "",
                    above=1.25,
                ),
                "noisy_gain": Measure(
                    "training accuracy with noisy Batch Normalization − plain, likewise",
                    "points",
                    above=0.05,
                ),
            },
            _internal_covariate_shift,
            (
                "The inputs of a hidden unit stay steadier with Batch Normalization: MNIST, 3 hidden layers of "
                f"100 sigmoid units, one unit, one run ({_IOFFE}, Fig. 1).",
                "Shift still matters for its success (Awais, Iqbal & Bae 2020, IEEE TNNLS).",
            ),
            (
                "“Distributional stability of layer inputs has little to do with the success of BatchNorm” "
                "(Santurkar et al. 2018, arXiv:1805.11604).",
                "It “primarily enables training with larger learning rates” (Bjorck et al. 2018, arXiv:1806.02375).",
            ),
        ),
        Claim(
            "C2",
            "Normalise by mean and standard deviation; gamma and beta keep expressiveness",
            "02_batchnorm_from_scratch",
            (
                "Importantly, BatchNorm does NOT remove model expressiveness.",
                "First, the mean is subtracted.",
                "Then, values are divided by the standard deviation.",
                "It adds learnable parameters to scale and shift values back if needed.",
            ),
            {
                "formula_error": Measure(
                    "largest |Keras' layer in training mode − the formula| of each of at least 8 random batches",
                    "",
                    below=1e-4,
                ),
                "identity_error": Measure(
                    "largest |output − input| of each batch with gamma = sqrt(variance + epsilon), beta = mean",
                    "",
                    below=1e-4,
                ),
                "gamma_beta_gain": Measure(
                    "test accuracy when only gamma and beta are trained − only the output layer", "points", above=0.02
                ),
            },
            _formula_and_expressiveness,
            (
                f"Gamma and beta can represent the identity ({_IOFFE}, Section 3).",
                "Training only gamma and beta of a deep ResNet reaches 82 % on CIFAR-10 (Frankle, Schwab & "
                "Morcos 2021, arXiv:2003.00152).",
            ),
            ("No study against it is known to us. In training the output also depends on the rest of the batch.",),
        ),
        Claim(
            "C3",
            "Batch Normalization goes before the activation, and the order is critical",
            "04_placement",
            (
                "This ordering is critical for effective training.",
                "Batch Normalization is usually applied after the linear transformation and before the activation "
                "function.",
                "Placing BatchNorm after activation or using it inconsistently can reduce its effectiveness.",
            ),
            {
                **{
                    f"order_{activation}": Measure(
                        f"{activation}: test accuracy before − after, each at its own best learning rate, mean of the "
                        "depths",
                        "points",
                        above=0.05,
                    )
                    for activation in ("relu", "tanh", "sigmoid")
                },
                "edge_before": Measure(
                    "before − after where before led most, on seeds not used to find it", "points", above=0.05
                ),
                "edge_after": Measure(
                    "after − before where after led most, on seeds not used to find it", "points", above=0.05
                ),
                "some_loss": Measure(
                    "before in every layer − in every other layer, each at its own best learning rate, mean of the "
                    "activations",
                    "points",
                    above=0.05,
                ),
                "some_edge": Measure(
                    "before in every layer − in every other layer, at the highest learning rate, mean of the "
                    "activations",
                    "points",
                    above=0.05,
                ),
            },
            _placement,
            (
                "Normalise before the activation: its input is more symmetric and less sparse than its output "
                f"({_IOFFE}, Section 3.2).",
                f"GoogLeNet: before 0.603–0.607, after 0.584–0.596; but best without, 0.619 ({_CAFFENET}; one run a "
                "cell).",
            ),
            (
                f"CaffeNet: none 0.471, before 0.474, before with scale and shift 0.478, after 0.499 ({_CAFFENET}; "
                "one run a cell).",
                "Recent code by Christian Szegedy “applies relu before BN” (F. Chollet, keras-team/keras#1802, 2016).",
                "Do not place it before ReLU (Chen et al. 2019, arXiv:1905.05928).",
            ),
        ),
        Claim(
            "C4",
            "Faster convergence, higher learning rates, more stable deep networks",
            "03_keras_sequential",
            (
                "Faster convergence • Higher learning rates • More stable deep networks",
                "The network can then learn faster and deeper.",
            ),
            {
                "faster_gain": Measure(
                    "sigmoid 3 × 100: test accuracy with − without after 200 steps, each at its own best learning rate",
                    "points",
                    above=0.05,
                ),
                "high_rate_share": Measure(
                    "runs with Batch Normalization that train at the first learning rate too high for most plain runs",
                    "%",
                    above=0.5,
                ),
                "deep_share": Measure("depth 20: runs that train with Batch Normalization", "%", above=0.5),
                "deep_share_plain": Measure("depth 20: runs that train without", "%", below=0.5),
                "shallow_gain": Measure(
                    "depth 2, ReLU, He, Adam: test accuracy with − without after 100 steps, each at its own best rate",
                    "points",
                    above=0.02,
                ),
            },
            _speed_and_depth,
            (
                "Steps to 72.2 % on ImageNet: Inception 31.0 M, with Batch Normalization alone 13.3 M (2.3 times "
                f"fewer), and 2.1 M with seven other changes as well ({_IOFFE}, Fig. 3).",
            ),
            (
                "Deep residual networks train without it when the residual branch starts small (De & Smith 2020, "
                "arXiv:2002.10444).",
                "It causes gradient explosion in very deep plain networks (Yang et al. 2019, arXiv:1902.08129).",
                "State of the art on ImageNet without it (Brock et al. 2021, NFNets, arXiv:2102.06171).",
            ),
        ),
        Claim(
            "C5",
            "Batch Normalization alone significantly reduces overfitting",
            "06_batchnorm_vs_dropout",
            ("In many cases, BatchNorm alone significantly reduces overfitting.",),
            {
                f"{size}_{labels}_gain": Measure(
                    f"{words}, {labels} labels: test accuracy with Batch Normalization − plain", "points", above=0.02
                )
                for size, words in (("small", "little data"), ("full", "all data"))
                for labels in ("clean", "noisy")
            },
            _overfitting,
            (
                "CIFAR-10: 86.03 / 85.75 % with it, 83.00 / 82.00 % without, each with and without weight decay "
                "(Zhang et al. 2017, arXiv:1611.03530, Table 1).",
                "Its batch noise acts as a regulariser (Luo et al. 2019, arXiv:1809.00846).",
            ),
            ("Random labels are still fitted to 100 % (Zhang et al. 2017, arXiv:1611.03530).",),
        ),
        Claim(
            "C6",
            "Batch Normalization and Dropout solve different problems; the first may replace the second",
            "06_batchnorm_vs_dropout",
            (
                "However, when BatchNorm is strong, dropout may be reduced or removed.",
                "They solve different problems and are often used together in deep networks.",
                "Batch Normalization stabilizes learning.",
                "Dropout prevents over-dependence.",
            ),
            {
                "early_gain": Measure(
                    "training accuracy after the same few steps, Batch Normalization − Dropout", "points", above=0.02
                ),
                "noisy_label_gain": Measure(
                    "little data, noisy labels: test accuracy, Dropout − Batch Normalization", "points", above=0.02
                ),
                "need_change": Measure(
                    "little data, noisy labels: points that Dropout gains beside Batch Normalization − without it",
                    "points",
                    below=-0.02,
                ),
                "clean_removal_cost": Measure(
                    "little data, clean labels, with Batch Normalization: test accuracy with − without Dropout",
                    "points",
                    below=0.02,
                ),
                "noisy_removal_cost": Measure(
                    "little data, noisy labels, with Batch Normalization: test accuracy with − without Dropout",
                    "points",
                    below=0.02,
                ),
                "variance_shift": Measure(
                    "deep network, Dropout directly before Batch Normalization: accuracy with recomputed − moving "
                    "statistics",
                    "points",
                    below=0.05,
                ),
            },
            _with_dropout,
            (
                "An empirical comparison of the two, one by one and together (Garbin, Zhu & Marques 2020, "
                "Multimedia Tools and Applications).",
                "CaffeNet with Batch Normalization: 49.9 % right with dropout 0.5, 52.7 % with 0.2, 51.3 % with none "
                f"({_CAFFENET}).",
            ),
            (
                "DenseNet on CIFAR-100 falls from 77.42 to 68.55 % with dropout 0.5 in each bottleneck (Li et al. "
                "2019, arXiv:1801.05134).",
            ),
        ),
        Claim(
            "C7",
            "Mini-batch statistics in training, moving averages at inference: consistent predictions",
            "05_training_and_inference",
            (
                "This ensures consistent predictions on unseen data.",
                "During training, BatchNorm computes statistics from each mini-batch.",
                "During inference, it uses moving averages learned during training.",
            ),
            {
                "batch_changes": Measure(
                    "test images whose prediction changes with their neighbours, training=True", "%", above=0.05
                ),
                "neighbour_changes": Measure(
                    "test images whose prediction changes with their neighbours, inference", "%", below=0.001
                ),
                "warm_gap": Measure(
                    "end of training: test accuracy with recomputed − with moving statistics", "points", below=0.02
                ),
                "cold_gap": Measure(
                    "first epoch: test accuracy with recomputed − with moving statistics", "points", below=0.05
                ),
                "domain_gain": Measure(
                    "new domain: test accuracy with statistics re-estimated there − with the moving ones",
                    "points",
                    below=0.05,
                ),
            },
            _inference,
            (f"Inference with fixed population statistics is a fixed function of its input ({_IOFFE}, Algorithm 2).",),
            (
                "Its authors average population statistics after training; they use moving averages to follow a model "
                f"as it trains, the frameworks for predictions too ({_IOFFE}, Algorithm 2 and section 3.1).",
                "A “necessary evil” with many subtle pitfalls (Wu & Johnson 2021, arXiv:2105.07576).",
                "Correcting the statistics at evaluation alone gains 6.18 points at batch 2 (Singh & Shrivastava 2019, "
                "arXiv:1904.06031).",
            ),
        ),
        Claim(
            "C8",
            "Batch Normalization works best with reasonably large batches",
            "05_training_and_inference",
            ("BatchNorm also works best when batch sizes are reasonably large.",),
            {
                "small_batch_loss": Measure(
                    "Batch Normalization, recomputed statistics: test accuracy at batch 32 − at batch 2",
                    "points",
                    above=0.05,
                ),
                "layernorm_small_batch_loss": Measure(
                    "LayerNorm: test accuracy at batch 32 − at batch 2", "points", below=0.02
                ),
                **{
                    name: Measure(
                        f"Batch Normalization, {statistics} statistics: test accuracy at batch 32 − at batch 128, as "
                        "many examples seen",
                        "points",
                        below=0.02,
                    )
                    for name, statistics in (("large_batch_loss", "moving"), ("large_recomputed_loss", "recomputed"))
                },
            },
            _batch_size,
            (
                "ResNet-50 on ImageNet, error at batch 32 / 16 / 8 / 4 / 2: Batch Normalization 23.6 / 23.7 / 24.8 / "
                "27.3 / 34.7 %, GroupNorm, which looks at one image at a time, 24.1 / 24.2 / 24.0 / 24.2 / 24.1 % "
                "(Wu & He 2018, arXiv:1803.08494, Table 2).",
            ),
            (
                "Larger is not better as such: large batches take fewer steps, and it helps to take the statistics "
                "over small parts of them, “ghost batches” (Hoffer et al. 2017, arXiv:1705.08741).",
            ),
        ),
    )
}
