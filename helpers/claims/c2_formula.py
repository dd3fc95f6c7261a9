"""C2: the formula, and that gamma and beta keep expressiveness."""

from helpers.claims.claim import CONDITIONS, NOT_SUPPORTED, SUPPORTED, Claim, Measure
from helpers.claims.literature import IOFFE


def decide(formula_error, identity_error, gamma_beta_gain):
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


CLAIM = Claim(
    name="C2",
    title="Normalise by mean and standard deviation; gamma and beta keep expressiveness",
    notebook="02_batchnorm_from_scratch",
    quotes=(
        "Importantly, BatchNorm does NOT remove model expressiveness.",
        "First, the mean is subtracted.",
        "Then, values are divided by the standard deviation.",
        "It adds learnable parameters to scale and shift values back if needed.",
    ),
    measures={
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
    decide=decide,
    supporting=(
        f"Gamma and beta can represent the identity ({IOFFE}, Section 3).",
        "Training only gamma and beta of a deep ResNet reaches 82 % on CIFAR-10 (Frankle, Schwab & "
        "Morcos 2021, arXiv:2003.00152).",
    ),
    opposing=("No study against it is known to us. In training the output also depends on the rest of the batch.",),
)
