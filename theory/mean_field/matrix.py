r"""The data matrix in the limit: an operator with a memory, which answers products with it and with its transpose.

Rows a_i = t_i x_i = s_i B e_1 + gamma z_i, s = +1 on clean and -1 on mislabelled examples, z_i ~ N(0, I), n/d = alpha.
A standard Gaussian matrix Z that has been asked for Z V on a span with orthonormal basis nu_1, nu_2, ... and for
Z^T F on a span with orthonormal basis phi_1, phi_2, ... (in E F F') is, given the answers, known there and fresh
elsewhere. In the limit its answers are

    Z v         = sum_k <v, nu_k> xi_k   + alpha^(-1/2) sum_l <v, eta_l> phi_l,
    Z^T F / n   = sum_k E[F xi_k] nu_k   + alpha^(-1/2) sum_l E[F phi_l] eta_l,

with fresh independent normals: xi_k for every example when nu_k is first asked for, eta_l for every weight when phi_l
is. The last sum of the first line is the response of training to the example itself, the first of the second line its
mirror image; in the usual form R(k, l) = E dV_k/du_l and Gamma(l, k) = alpha E dF_l/dr_k (docs/mean_field.md). In the
orthonormal bases no covariance is inverted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theory.mean_field.basis import Basis
from theory.mean_field.weights import SIGNAL, WeightSpace

FloatArray = NDArray[np.float64]
TOLERANCE = 1e-4  # relative length of a remainder that adds no direction


@dataclass(frozen=True)
class Law:
    """alpha = n/d; B and gamma: size of the signal and of the noise; along_signal: the noise has a part along e_1."""

    alpha: float
    B: float
    gamma: float
    along_signal: bool = True


class DataMatrix:
    """Answers of a random data matrix on samples of one example.

    s (samples,): +1 clean, -1 mislabelled; share (samples,): probability of every sample; draws (directions, samples):
    normals that become the xi.
    """

    def __init__(self, law: Law, space: WeightSpace, s: FloatArray, share: FloatArray, draws: FloatArray) -> None:
        self.law, self.space, self.s, self.share, self.draws = law, space, s, share, draws
        self.nu, self.xi = Basis(len(space.zero())), Basis(len(s), share)
        self.phi, self.seen = Basis(len(s), share), Basis(len(s), share)
        self.places: list[int] = []  # of the eta in the frame
        self.dropped = 0.0  # the longest relative remainder that added no direction
        for sign in (-1, 1):
            self.seen.extend((s == sign).astype(float), 1e-9)

    def forward(self, v: FloatArray) -> FloatArray:
        """<a_i, v> for every sample, (samples,)."""
        noise = v if self.law.along_signal else _without_signal(v)
        coordinates = self._asked(self.nu, noise)
        if self.nu.count > self.xi.count:
            self.seen.extend(self.draws[self.xi.count])
            self.xi.append(self.seen.rows[-1])
        fresh = coordinates @ self.xi.rows[: len(coordinates)]
        return self.s * self.law.B * v[SIGNAL] + self.law.gamma * (fresh + self.response(v))

    def response(self, v: FloatArray) -> FloatArray:
        """What v remembers of the example itself, (samples,)."""
        return v[self.places] @ self.phi.rows / np.sqrt(self.law.alpha)

    def backward(self, F: FloatArray) -> FloatArray:
        """(1/n) sum_i F_i a_i, a vector of the weight space."""
        coordinates = self._asked(self.phi, F)
        if self.phi.count > len(self.places):
            self.seen.extend(self.phi.rows[-1], 1e-6)
            self.places.append(self.space.fresh())
        g = self.xi.coordinates(F) @ self.nu.rows
        g[self.places[: len(coordinates)]] += coordinates / np.sqrt(self.law.alpha)
        g *= self.law.gamma
        g[SIGNAL] += self.law.B * np.sum(self.share * self.s * F)
        return g

    def _asked(self, basis: Basis, x: FloatArray) -> FloatArray:
        count, (coordinates, left) = basis.count, basis.extend(x, TOLERANCE)
        if basis.count == count and left > 0:
            self.dropped = max(self.dropped, left / basis.length(x))
        return coordinates


def _without_signal(v: FloatArray) -> FloatArray:
    v = v.copy()
    v[SIGNAL] = 0.0
    return v
