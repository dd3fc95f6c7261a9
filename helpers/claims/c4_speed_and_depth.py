"""C4: faster convergence, higher learning rates, deeper networks."""

from helpers.claims.claim import CONDITIONS, NOT_SUPPORTED, SUPPORTED, Claim, Measure
from helpers.claims.literature import IOFFE


def decide(faster_gain, high_rate_share, deep_share, deep_share_plain, shallow_gain):
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
        "gains less than 2 points in 100 steps." if shallow_gain is False else "does not clearly gain."
    )


CLAIM = Claim(
    name="C4",
    title="Faster convergence, higher learning rates, more stable deep networks",
    notebook="03_keras_sequential",
    quotes=(
        "Faster convergence • Higher learning rates • More stable deep networks",
        "The network can then learn faster and deeper.",
    ),
    measures={
        "faster_gain": Measure(
            "sigmoid 3 × 100: test accuracy with − without after 200 steps, each at its own best learning rate",
            "points",
            above=0.05,
        ),
        "high_rate_share": Measure(
            "runs with Batch Normalization that train at the first learning rate too high for most plain runs",
            "%",
            above=0.5,
            counted=True,
        ),
        "deep_share": Measure("depth 20: runs that train with Batch Normalization", "%", above=0.5, counted=True),
        "deep_share_plain": Measure("depth 20: runs that train without", "%", below=0.5, counted=True),
        "shallow_gain": Measure(
            "depth 2, ReLU, He, Adam: test accuracy with − without after 100 steps, each at its own best rate",
            "points",
            above=0.02,
        ),
    },
    decide=decide,
    supporting=(
        "Steps to 72.2 % on ImageNet: Inception 31.0 M, with Batch Normalization alone 13.3 M (2.3 times "
        f"fewer), and 2.1 M with seven other changes as well ({IOFFE}, Fig. 3).",
    ),
    opposing=(
        "Deep residual networks train without it when the residual branch starts small (De & Smith 2020, "
        "arXiv:2002.10444).",
        "It causes gradient explosion in very deep plain networks (Yang et al. 2019, arXiv:1902.08129).",
        "State of the art on ImageNet without it (Brock et al. 2021, NFNets, arXiv:2102.06171).",
    ),
)
