"""The data laws and classifiers on which the claims about expectations are checked."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from spec.claims import Sample
from spec.problems import NoisyLinearTeacher, SignalNoiseMixture

OURS = "derived here for the toy data of Baek et al. (2024), Section 3"

# Asymmetric and non-unit on purpose.
ISOTROPIC = SignalNoiseMixture(n=80, d=50, B=1.3, gamma=0.8, Delta=0.3)
ORTHOGONAL = SignalNoiseMixture(n=80, d=50, B=1.3, gamma=0.8, Delta=0.15, noise="orthogonal")
BERNOULLI = SignalNoiseMixture(n=60, d=40, B=1.7, gamma=1.1, Delta=0.2, flips="bernoulli")
# Many fresh examples for fixed classifiers; in few dimensions norms fluctuate, and depend on the margins.
FRESH_ISOTROPIC = replace(ISOTROPIC, n=600, d=12)
FRESH_ORTHOGONAL = replace(ORTHOGONAL, n=600, d=12)
TEACHER = NoisyLinearTeacher(n=600, d=12)


class Classifiers(NamedTuple):
    """Fixed classifiers, independent of every sample, and the sample that measures them."""

    w: np.ndarray
    sample: Sample


def classifiers(sample: Sample) -> Classifiers:
    """Four classifiers with overlaps of both signs with the signal."""
    rng = np.random.default_rng(sample.seed)
    w = rng.normal(size=(4, TEACHER.d)) / np.sqrt(TEACHER.d)
    w[:, 0] = [0.4, -0.3, 1.1, 0.9]
    return Classifiers(w, sample)


def without_flips(law: SignalNoiseMixture) -> SignalNoiseMixture:
    """The same law without label noise."""
    return replace(law, Delta=0.0)
