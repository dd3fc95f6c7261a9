"""C1: internal covariate shift slows training, and Batch Normalization removes it."""

from helpers.claims.claim import CONDITIONS, CONTESTED, NOT_SUPPORTED, SUPPORTED, Claim, Measure
from helpers.claims.literature import IOFFE


def decide(plain_drift, drift_ratio, gain, noisy_drift_ratio, noisy_gain):
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


CLAIM = Claim(
    name="C1",
    title="Internal covariate shift slows training, and Batch Normalization removes it",
    notebook="01_internal_covariate_shift",
    quotes=(
        "This constant shift slows down training and makes optimization unstable.",
        "As a neural network trains, the distribution of activations inside the network keeps changing.",
        "When earlier layers update their weights, later layers suddenly receive inputs with new ranges and patterns.",
        "Instead of letting values grow unpredictably, BatchNorm ensures that activations remain well-behaved.",
    ),
    measures={
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
    decide=decide,
    supporting=(
        "The inputs of a hidden unit stay steadier with Batch Normalization: MNIST, 3 hidden layers of "
        f"100 sigmoid units, one unit, one run ({IOFFE}, Fig. 1).",
        "Shift still matters for its success (Awais, Iqbal & Bae 2020, IEEE TNNLS).",
    ),
    opposing=(
        "“Distributional stability of layer inputs has little to do with the success of BatchNorm” "
        "(Santurkar et al. 2018, arXiv:1805.11604).",
        "It “primarily enables training with larger learning rates” (Bjorck et al. 2018, arXiv:1806.02375).",
    ),
)
