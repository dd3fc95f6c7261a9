"""C7: batch statistics in training, moving averages at inference."""

from helpers.claims.claim import CONDITIONS, NOT_SUPPORTED, SUPPORTED, Claim, Measure
from helpers.claims.literature import IOFFE


def decide(batch_changes, neighbour_changes, warm_gap, settled_gap, cold_gap, domain_gain):
    """Not supported here: training mode does not depend on the batch, or inference does, or the moving averages are
    worse than recomputed statistics even after the learning rate has fallen. Supported: the mechanism holds, and the
    moving averages are good enough early in training, at a constant learning rate and on a new domain too. Supported
    with conditions: it holds, but not in all of these."""
    if not (batch_changes and neighbour_changes):
        return NOT_SUPPORTED, "The two modes do not differ as described."
    if not settled_gap:
        return (
            NOT_SUPPORTED,
            "Even after the learning rate had fallen, the moving averages were not clearly good enough.",
        )
    mechanism = "Inference does not depend on the neighbours, and moving averages serve well once they have settled. "
    if warm_gap and cold_gap and domain_gain:
        return SUPPORTED, mechanism + "Early in training and on a new domain they serve too."
    serves = {
        "early in training": cold_gap,
        "while the weights still move fast": warm_gap,
        "on a new domain": domain_gain,
    }
    failing = [f"not {name}" for name, answer in serves.items() if not answer]
    listed = " and ".join(filter(None, [", ".join(failing[:-1]), failing[-1]]))
    return CONDITIONS, f"{mechanism}“Ensures” is too strong: {listed}."


CLAIM = Claim(
    name="C7",
    title="Mini-batch statistics in training, moving averages at inference: consistent predictions",
    notebook="05_training_and_inference",
    quotes=(
        "This ensures consistent predictions on unseen data.",
        "During training, BatchNorm computes statistics from each mini-batch.",
        "During inference, it uses moving averages learned during training.",
    ),
    measures={
        "batch_changes": Measure(
            "test images whose prediction changes with their neighbours, training=True", "%", above=0.05
        ),
        "neighbour_changes": Measure(
            "test images whose prediction changes with their neighbours, inference", "%", below=0.001
        ),
        "warm_gap": Measure(
            "end of training: test accuracy with recomputed − with moving statistics", "points", below=0.02
        ),
        "settled_gap": Measure(
            "wrong labels, after the learning rate has fallen: test accuracy with recomputed − with moving statistics",
            "points",
            below=0.02,
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
    decide=decide,
    supporting=(
        f"Inference with fixed population statistics is a fixed function of its input ({IOFFE}, Algorithm 2).",
    ),
    opposing=(
        "Its authors average population statistics after training; they use moving averages to follow a model "
        f"as it trains, the frameworks for predictions too ({IOFFE}, Algorithm 2 and section 3.1).",
        "A “necessary evil” with many subtle pitfalls (Wu & Johnson 2021, arXiv:2105.07576).",
        "Correcting the statistics at evaluation alone gains 6.18 points at batch 2 (Singh & Shrivastava 2019, "
        "arXiv:1904.06031).",
    ),
)
