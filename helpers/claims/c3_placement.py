"""C3: before the activation, and whether the order is critical."""

from helpers.claims.claim import CONDITIONS, CONTESTED, NOT_SUPPORTED, SUPPORTED, Claim, Measure
from helpers.claims.literature import CAFFENET, IOFFE


def decide(order_relu, order_tanh, order_sigmoid, edge_before, edge_after, some_loss, some_edge):
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
    answers = {"ReLU": order_relu, "tanh": order_tanh, "sigmoid": order_sigmoid}
    better = [activation for activation, answer in answers.items() if answer]
    where = f"for {' and '.join(better)} only" if better else "for none of the three activations"
    alike = f"With each order at its own best learning rate, before is clearly better {where}. "
    if edge_before and edge_after:
        return CONTESTED, f"{alike}At other learning rates the order decides, but in both directions. {skipped}"
    if edge_before:
        return CONDITIONS, f"{alike}At other learning rates the order decides, and before wins. {skipped}"
    return NOT_SUPPORTED, f"{alike}No setting was found where before decides. {skipped}"


CLAIM = Claim(
    name="C3",
    title="Batch Normalization goes before the activation, and the order is critical",
    notebook="04_placement",
    quotes=(
        "This ordering is critical for effective training.",
        "Batch Normalization is usually applied after the linear transformation and before the activation function.",
        "Placing BatchNorm after activation or using it inconsistently can reduce its effectiveness.",
    ),
    measures={
        **{
            f"order_{activation}": Measure(
                f"{activation}: test accuracy before − after, each at its own best learning rate, mean of the depths",
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
            "before in every layer − in every other layer, each at its own best learning rate, mean of the activations",
            "points",
            above=0.05,
        ),
        "some_edge": Measure(
            "before in every layer − in every other layer, at the highest learning rate, mean of the activations",
            "points",
            above=0.05,
        ),
    },
    decide=decide,
    supporting=(
        "Normalise before the activation: its input is more symmetric and less sparse than its output "
        f"({IOFFE}, Section 3.2).",
        f"GoogLeNet: before 0.603–0.607, after 0.584–0.596; but best without, 0.619 ({CAFFENET}; one run a cell).",
    ),
    opposing=(
        f"CaffeNet: none 0.471, before 0.474, before with scale and shift 0.478, after 0.499 ({CAFFENET}; "
        "one run a cell).",
        "Recent code by Christian Szegedy “applies relu before BN” (F. Chollet, keras-team/keras#1802, 2016).",
        "Do not place it before ReLU (Chen et al. 2019, arXiv:1905.05928).",
    ),
)
