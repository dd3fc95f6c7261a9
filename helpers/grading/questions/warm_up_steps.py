"""Exercise `warm_up_steps`."""

import math

from helpers.grading.comparing import Probe
from helpers.grading.question import CodeQuestion, Misconception


def _steps_to_cover(momentum, fraction):
    return math.log(1 - fraction) / math.log(momentum)


class WarmUpSteps(CodeQuestion):
    id = "warm_up_steps"
    short = "wrm"
    title = "How long the averages take to warm up"
    points = 3
    section = "Training vs inference"
    notebook, heading = "02_batchnorm_from_scratch", "Step 5: moving statistics"
    wanted = "a function `warm_up_steps(momentum, fraction)`"
    hints = (
        "After one step a fraction 1 − momentum is covered, and momentum of the way is left. What is left "
        "after k steps?",
        "Covered after k steps: `1 - momentum**k`. Find the smallest whole k with `1 - momentum**k >= fraction`, "
        "with a loop or with logarithms.",
    )
    try_first = "With momentum 0.5, which fraction is covered after 1, 2 and 3 steps? Make a table."

    @staticmethod
    def reference(momentum, fraction):
        steps = 1
        while 1 - momentum**steps < fraction:
            steps += 1
        return steps

    misconceptions = (
        Misconception(
            "Your code finds when a fraction is still left. What is covered after k steps is `1 - momentum**k`.",
            lambda momentum, fraction: math.ceil(math.log(fraction) / math.log(momentum)),
        ),
        Misconception(
            "Your code rounds down, one step too early. The fraction has to be reached: round up (`math.ceil`).",
            lambda momentum, fraction: math.floor(_steps_to_cover(momentum, fraction)),
        ),
        Misconception(
            "Your code rounds to the nearest step, which may be one too early. The fraction has to be reached: "
            "round up (`math.ceil`).",
            lambda momentum, fraction: round(_steps_to_cover(momentum, fraction)),
        ),
        Misconception(
            "Your code takes one step too many where the fraction is reached exactly: use `>=`, not `>`.",
            lambda momentum, fraction: math.floor(_steps_to_cover(momentum, fraction)) + 1,
        ),
        Misconception(
            "Your code counts one step too many everywhere. After k steps `1 - momentum**k` is covered, and k "
            "starts at 1.",
            lambda momentum, fraction: math.ceil(_steps_to_cover(momentum, fraction)) + 1,
        ),
        Misconception(
            "Steps are whole. Round up (`math.ceil`) to the first step at which the fraction is reached.",
            _steps_to_cover,
        ),
        Misconception(
            "Your momentum is on the wrong side: in Keras it is the weight of the old value, so after k steps "
            "`momentum**k` of the start is left, not `(1 - momentum)**k`.",
            lambda momentum, fraction: math.ceil(math.log(1 - fraction) / math.log(1 - momentum)),
        ),
        Misconception(
            "1 / (1 − momentum) is a rule of thumb: by then 63 % is covered, whatever the fraction asked for.",
            lambda momentum, fraction: round(1 / (1 - momentum)),
        ),
        Misconception(
            "Your code adds 1 − momentum at each step, as if the average came nearer at a constant pace. "
            "It covers a part of what is left: after k steps `1 - momentum**k`.",
            lambda momentum, fraction: math.ceil(fraction / (1 - momentum)),
        ),
    )

    def probes(self, answer):
        return [
            Probe(
                f"momentum {momentum:g}, {fraction:.0%}",
                {"momentum": momentum, "fraction": fraction},
                outputs=("the number of steps",),
            )
            for momentum, fraction in ((0.99, 0.9), (0.9, 0.5), (0.5, 0.75), (0.99, 0.99), (0.8, 0.95))
        ]
