r"""Inputs and labels in the limit; the observed label is t = -y on mislabelled examples.

Mixture: x = y (B e_1 + gamma z). Unless units are odd functions, the label cannot be absorbed into the input, so there
are four groups of samples. Teacher: x ~ N(0, I) and y = sign(<e_1, x>). The coordinate <e_1, x> of an example is then a
number y |g|, g ~ N(0, 1), drawn before all others, where the mixture has y B; noise is what is beside e_1.
"""

from collections.abc import Iterator
from functools import singledispatch
from itertools import count, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spec.problems import NoisyLinearTeacher, SignalNoiseMixture
from spec.training import Training
from spec.validation import InputError
from theory.mean_field.examples import Examples, division
from theory.mean_field.matrix import DataMatrix, Law
from theory.mean_field.setting import Draws
from theory.mean_field.weights import WeightSpace

FloatArray = NDArray[np.float64]
Problem = SignalNoiseMixture | NoisyLinearTeacher


class Inputs(DataMatrix):
    """The data matrix with rows x_i; y (samples,) the true label, t the observed one, s = <e_1, x>/B."""

    def __init__(
        self, law: Law, space: WeightSpace, labels: FloatArray, s: FloatArray, share: FloatArray, draws: FloatArray
    ) -> None:
        super().__init__(law, space, s, share, draws)
        self.y, self.t = labels
        for known in (np.ones_like(s), self.y, self.t, self.t * self.y, s):
            self.seen.extend(known, 1e-9)

    @property
    def clean(self) -> NDArray[np.bool_]:
        return self.t == self.y


@singledispatch
def law(problem: Any) -> Law:
    """The inputs' law. There are d - 1 directions beside e_1."""
    raise InputError(
        f"problem must be a SignalNoiseMixture or a NoisyLinearTeacher, whose limits are known, got {problem!r}"
    )


@law.register
def _(problem: SignalNoiseMixture) -> Law:
    return Law(problem.n / (problem.d - 1), problem.B, problem.gamma, problem.noise == "isotropic")


@law.register
def _(problem: NoisyLinearTeacher) -> Law:
    return Law(problem.n / (problem.d - 1), 1.0, 1.0, along_signal=False)


def sizes(problem: Problem, g: FloatArray) -> FloatArray:
    """|<e_1, x>|/B of examples, given standard normals."""
    return np.abs(g) if isinstance(problem, NoisyLinearTeacher) else np.ones_like(g)


def inputs(problem: Problem, space: WeightSpace, draws: Draws, samples: int) -> Inputs:
    """Equally many samples of every group, with weights that restore the noise rate and balanced classes."""
    shares = {1.0: 1 - problem.Delta, -1.0: problem.Delta}
    groups = [(y, s * y, shares[s] / 2) for y, s in product((1.0, -1.0), shares) if shares[s] > 0]
    each = samples // len(groups)
    normals = [draws.normals(f"inputs {y:g} {t:g}", space.linear + 2, each) for y, t, _ in groups]
    g, *xi = np.concatenate(normals, axis=1)
    y, t, share = (np.repeat(column, each) for column in np.array(groups).T)
    return Inputs(law(problem), space, np.array([y, t]), y * sizes(problem, g), share / each, np.array(xi))


def batches(problem: Problem, training: Training, matrix: Inputs, draws: Draws) -> Iterator[Examples]:
    """The batch of every step, without end. An example is in one batch of an epoch, or left out with the remainder."""
    n, steps = training.batch or problem.n, training.steps(problem.n)
    whole = Examples(matrix, np.ones(len(matrix.s), bool), n=n, d=problem.d, rng=draws.rng, steps=steps)
    for _ in count():
        # Both classes, clean and mislabelled ones apart.
        part = sum(division(matrix.y * group, problem.n / n, draws.rng) for group in (matrix.clean, ~matrix.clean))
        for step in range(steps):
            mask = np.asarray(part == step)
            yield whole if n == problem.n else Examples(matrix, mask, n=n, d=problem.d, rng=draws.rng, steps=steps)
