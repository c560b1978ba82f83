"""Data that several experiments share: two caps on a sphere, a ReLU kernel that separates them, parallel runs."""

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np

from paper_repro.zhang2025.claims.measured_training import FloatArray, TwoClasses, caps
from spec.fields import Within
from theory import ntk
from theory.reweighting import recursion as theory

N, M, D, S = 200, 20, 60, 0.8
"""Training examples, clean subset, dimension, height of the caps."""
MislabelledRate = Annotated[float, Within(1 / N, 1 - M / N, high_open=False)]
"""One mislabelled example at least, and as many correctly labelled ones as the clean subset has."""


def relu_layer(a: FloatArray, b: FloatArray) -> FloatArray:
    """c kappa_0(c)/2 for unit inputs of cosine c: the tangent kernel of the first layer of a two-layer ReLU network

    without biases. It has the sign of c, and so separates the caps strictly.
    """
    c = np.clip(a @ b.T, -1, 1)
    return c * ntk.arc_cosine(0, c) / 2


def problem(seed: int, p: float, *, contained: bool = False) -> TwoClasses:
    """Caps of the standard size."""
    return caps(np.random.default_rng(seed), n=N, m=M, d=D, s=S, p=p, contained=contained)


def blocks(case: TwoClasses) -> theory.Blocks:
    """The kernel of relu_layer on a problem."""
    return theory.blocks(relu_layer, case.x, case.x_clean)


def step_size(K: theory.Blocks) -> float:
    """Half over the largest eigenvalue."""
    return float(0.5 / np.linalg.eigvalsh(K.train)[-1])


def side_by_side(
    K: theory.Blocks,
    state: theory.State,
    *,
    beta: Any,
    eta: Any,
    steps: int,
    every: int,
    error: Callable[[int], Any] = lambda t: 0.0,
    meta: FloatArray | None = None,
) -> theory.State:
    """Trajectories of many runs at once, recorded at 0, every, ...: beta and eta may be columns (runs, 1)."""
    records = [state]
    for t in range(steps):
        state = theory.step(K, state, beta=beta, eta=eta, error=error(t), meta=meta)
        if (t + 1) % every == 0:
            records.append(state)
    return theory.State(*(np.stack(np.broadcast_arrays(*a)) for a in zip(*records, strict=True)))
