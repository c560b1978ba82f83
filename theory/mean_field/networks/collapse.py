r"""Collapse of the last layer: under a large shift c, J-SAM and 1-SAM shrink v to nothing.

For linear units the Jacobian's ascent adds c E|q| v/||v|| to the gradient of v: a pull of constant size, however small
v is. Of first order in a = ||v||, with q = -t/2 + f/4, u = v/a, b = E[t <u, H>] and r the step size of v over that of
W,

    a' = (r/2) (b - c - s a/2),    b' = S a/2,    s = E <u, H>^2,    S = (1 - 2 Delta)^2 B^2 + gamma^2/alpha

where S is the squared length of the mean of t x, the direction in which W grows, and s stays. Of the two exponentials
of this linear system the growing one has a negative coefficient, so that v reaches 0, exactly if

    c > c* = b_0 + a_0 (sqrt(s^2/16 + S/r) - s/4).

From there on the limit's steps are longer than v and turn it over, and at finite d the ascent leads along v as much as
along W, where ||v|| ||x|| is no longer large beside ||phi(H)||: v comes to rest near d^(-1/2), and what single
trainings do there is noise. Nonlinear units are pulled alike, but where they are saturated; their threshold is read
from curves.
"""

import numpy as np
import xarray as xr

from spec.problems import SignalNoiseMixture
from spec.validation import InputError
from theory.mean_field.networks.units import TwoLayer

LARGEST_RATIO = 0.25  # of ||phi(H)|| to ||v|| ||x||


def threshold(problem: SignalNoiseMixture, network: TwoLayer) -> float:
    """c*, for linear units, a trained last layer and small outputs. c = rho ||x||."""
    if network.unit != "linear" or network.second == 0:
        raise InputError(f"network must have linear units and a last layer that learns, got {network!r}")
    v, kept, signal = np.array(network.v), 1 - 2 * problem.Delta, network.overlap
    a = float(np.linalg.norm(v))
    M, noise = signal * float(np.sum(v)) / a, network.scale**2 - signal**2  # of W^T u: along e_1, and the rest squared
    s = problem.B**2 * M**2 + problem.gamma**2 * (noise + (M**2 if problem.noise == "isotropic" else 0))
    S = (kept * problem.B) ** 2 + problem.gamma**2 * problem.d / problem.n
    return kept * problem.B * M + a * float(np.sqrt(s**2 / 16 + S / network.second) - s / 4)


def collapsed(curve: xr.Dataset) -> int | None:
    """The first recorded epoch at which v has turned over or is small beside what it reads; None: there is none."""
    fallen = (curve["turned"].values > 0) | (curve["reading_ratio"].values > LARGEST_RATIO)
    return int(curve["epoch"].values[np.argmax(fallen)]) if fallen.any() else None
