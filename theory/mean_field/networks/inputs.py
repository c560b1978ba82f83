"""Inputs and labels in the limit: x = y (B e_1 + gamma z), observed label t = -y on mislabelled examples.

Unless units are odd functions, the label cannot be absorbed into the input, so there are four groups of samples.
"""

from collections.abc import Iterator
from itertools import count, product

import numpy as np
from numpy.typing import NDArray

from spec.problems import SignalNoiseMixture
from spec.training import Training
from theory.mean_field.examples import Examples, division
from theory.mean_field.matrix import DataMatrix, Law
from theory.mean_field.setting import Draws
from theory.mean_field.weights import WeightSpace

FloatArray = NDArray[np.float64]


class Inputs(DataMatrix):
    """The data matrix with rows x_i; s is the true label y, t (samples,) the observed one."""

    def __init__(
        self, law: Law, space: WeightSpace, y: FloatArray, t: FloatArray, share: FloatArray, draws: FloatArray
    ) -> None:
        super().__init__(law, space, y, share, draws)
        self.t = t
        for group in (t, t * y):
            self.seen.extend(group, 1e-9)

    @property
    def clean(self) -> NDArray[np.bool_]:
        return self.t == self.s


def inputs(problem: SignalNoiseMixture, space: WeightSpace, draws: Draws, samples: int) -> Inputs:
    """Equally many samples of every group, with weights that restore the noise rate and balanced classes."""
    shares = {1.0: 1 - problem.Delta, -1.0: problem.Delta}
    groups = [(y, s * y, shares[s] / 2) for y, s in product((1.0, -1.0), shares) if shares[s] > 0]
    each = samples // len(groups)
    normals = [draws.normals(f"inputs {y:g} {t:g}", space.linear + 1, each) for y, t, _ in groups]
    y, t, share = (np.repeat(column, each) for column in np.array(groups).T)
    # There are d - 1 directions beside the signal's.
    law = Law(problem.n / (problem.d - 1), problem.B, problem.gamma, problem.noise == "isotropic")
    return Inputs(law, space, y, t, share / each, np.concatenate(normals, axis=1))


def batches(problem: SignalNoiseMixture, training: Training, matrix: Inputs, draws: Draws) -> Iterator[Examples]:
    """The batch of every step, without end. An example is in one batch of an epoch, or left out with the remainder."""
    n, steps = training.batch or problem.n, training.steps(problem.n)
    whole = Examples(matrix, np.ones(len(matrix.s), bool), n=n, d=problem.d, rng=draws.rng, steps=steps)
    for _ in count():
        # Both classes, clean and mislabelled ones apart.
        part = sum(division(matrix.s * group, problem.n / n, draws.rng) for group in (matrix.clean, ~matrix.clean))
        for step in range(steps):
            mask = np.asarray(part == step)
            yield whole if n == problem.n else Examples(matrix, mask, n=n, d=problem.d, rng=draws.rng, steps=steps)
