"""What a learner reads fits what the learner wrote: said here once more, apart from the tables of sentences."""

import numpy as np
import pytest

from helpers.grading import check, hint
from helpers.grading.course import QUESTIONS, _hints_given


def hat(root, axis=0, keepdims=False, ddof=0):
    return lambda x, epsilon=1e-3: (
        (x - x.mean(axis, keepdims=keepdims)) / root(x.var(axis, keepdims=keepdims, ddof=ddof), epsilon)
    )


def backward(dgamma=np.sum, dbeta=np.sum):
    def answer(dy, x, gamma, epsilon=1e-3):
        axes = tuple(range(x.ndim - 1))
        x_hat = (x - x.mean(axes)) / np.sqrt(x.var(axes) + epsilon)
        return (QUESTIONS["batchnorm_backward"].reference(dy, x, gamma, epsilon)[0],
                dgamma(dy * x_hat, axis=axes), dbeta(dy, axis=axes))  # fmt: skip

    return answer


def update(mix):
    return lambda mean, variance, x, momentum=0.99: (mix(mean, x.mean(0), momentum), mix(variance, x.var(0), momentum))


def layer(mode=None, root=lambda v, e: np.sqrt(v + e), affine=True, moves=("mean", "variance")):
    """A BatchNorm whose formula is wrong in one mode or in both, or of which not every average moves."""

    class BatchNorm(QUESTIONS["BatchNorm"].reference):
        def __call__(self, x, training=False):
            before = self.moving_mean, self.moving_variance
            y = super().__call__(x, training=training)
            self.moving_mean = self.moving_mean if "mean" in moves else before[0]
            self.moving_variance = self.moving_variance if "variance" in moves else before[1]
            if mode not in (None, "training" if training else "inference"):
                return y
            mean, variance = (x.mean(0), x.var(0)) if training else before
            x_hat = (x - mean) / root(variance, self.epsilon)
            return x_hat * self.gamma + self.beta if affine else x_hat

    return BatchNorm


def step(times=1, only=None, training=True):
    def train_step(model, optimizer, loss_fn, x, y):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = loss_fn(y, model(x, training=training))
        variables = [one for one in model.trainable_variables if only is None or one.name in only]
        gradients = tape.gradient(loss, variables)
        for _ in range(times):
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    return train_step


@pytest.mark.parametrize(
    ("question", "answer", "says"),
    [
        ("normalize", hat(lambda v, e: v + e), "divides by the variance"),
        ("normalize", hat(lambda v, e: np.sqrt(v) + e), "outside the root"),
        ("normalize", hat(lambda v, e: np.sqrt(v)), "leaves epsilon out"),
        ("normalize", hat(lambda v, e: np.sqrt(v + e), ddof=1), "N − 1"),
        ("normalize", hat(lambda v, e: np.sqrt(v + e), axis=None), "one mean for the whole array"),
        ("normalize", hat(lambda v, e: np.sqrt(v + e), axis=-1, keepdims=True), "that is LayerNorm"),
        ("normalize", hat(lambda v, e: np.maximum(np.sqrt(v), e)), "a floor for the standard deviation"),
        ("normalize", hat(lambda v, e: np.sqrt(v + e * e)), "squares epsilon"),
        ("BatchNorm", layer(root=lambda v, e: np.sqrt(v)), "Your code leaves epsilon out"),
        ("BatchNorm", layer(root=lambda v, e: np.sqrt(v + 1e-5)), "an epsilon of its own, 1e-5"),
        ("BatchNorm", layer(root=lambda v, e: np.sqrt(v) + e), "Your epsilon stands outside the root"),
        ("BatchNorm", layer(root=lambda v, e: v + e), "Your code divides by the variance"),
        ("BatchNorm", layer("inference", lambda v, e: v + e), "At inference your code divides by the variance"),
        ("BatchNorm", layer("training", lambda v, e: np.sqrt(v)), "In training your code leaves epsilon out"),
        ("BatchNorm", layer("inference", affine=False), "At inference your layer leaves gamma and beta out"),
        ("BatchNorm", layer(moves=("mean",)), "The moving variance never moves"),
        ("BatchNorm", layer(moves=("variance",)), "The moving mean never moves"),
        ("update_moving", update(lambda old, new, m: (1 - m) * old + m * new), "momentum is on the wrong side"),
        ("update_moving", update(lambda old, new, m: new), "keeps the last batch only"),
        ("update_moving", update(lambda old, new, m: old), "averages never move"),
        ("batchnorm_backward", backward(dgamma=np.mean), "dgamma is averaged"),
        ("batchnorm_backward", backward(dbeta=np.mean), "dbeta is averaged"),
        ("batchnorm_backward", backward(np.mean, np.mean), "dgamma and dbeta are averaged"),
        ("train_step", step(times=2), "applied twice"),
        ("train_step", step(times=0), "weights never change"),
        ("train_step", step(only=("kernel", "bias")), "Gamma and beta are not trained"),
        ("train_step", step(training=False), "without `training=True`"),
    ],
)
def test_the_sentence_names_the_mistake(question, answer, says):
    assert says in check(question, answer).feedback


def test_evidence_tells_what_should_be_from_what_came():
    said = check("normalize", lambda x, epsilon=1e-3: np.full(x.shape, 7.0)).feedback
    assert "received `[7, 7, 7, 7]`" in said
    assert "The mean of this column should be 0, yours is 7." in said
    assert "received `-3`" in check("warm_up_steps", lambda momentum, fraction: -3).feedback


def test_the_second_hint_says_more():
    _hints_given.pop("normalize", None)
    first, second = QUESTIONS["normalize"].hints
    assert repr(hint("normalize")).endswith(first)
    assert repr(hint("normalize")).endswith(second)


def test_whole_arguments_count_beside_something_right():
    # 1 of 6.5 parts: a constant column (0.5) and the arguments (0.5), in quarters of a point.
    result = check("normalize", hat(lambda v, e: np.sqrt(v + e), ddof=1))
    assert result.score == round(4 * result.max_score * 1 / 6.5) / 4
