r"""Group B under n-SAM, SANER's own rule: the coordinates of examples whose gradient opposes the batch's.

Under n-SAM all examples share eps = rho g/||g||, so that the margin of example j moves by t_j <x_j, eps>. A coordinate
that only example j has (its memory) has the ratio

    r = sigma(-m_j - t_j <x_j, eps>)/sigma(-m_j):   in B iff t_j <x_j, g> > 0 iff <g_j, g> < 0, else in A,      (own)

with g_j = -t_j sigma(-m_j) x_j. So n-SAM reduces what is peculiar to an example iff its gradient opposes that of the
batch; under 1-SAM, whose margins all fall, such a coordinate is always in A. While the batch's gradient is that of the
clean majority the opposed examples are the mislabelled ones: removing a part of B slows their memorisation.

In the model of signal and memory (theory.down_weighting.transition), with p = sigma(-m) and P = (1 - Delta) p_c -
Delta p_n,

    g = -(B P; gamma p_j/n),   ||g||^2 = B^2 P^2 + (gamma^2/n) ((1 - Delta) p_c^2 + Delta p_n^2),
    delta_c = rho (B^2 P + gamma^2 p_c/n)/||g||,   delta_n = rho (gamma^2 p_n/n - B^2 P)/||g||   (falls of the margins),

the memory of mislabelled examples is in B iff B^2 P > gamma^2 p_n/n. From w = 0 that is all of them iff

    gamma^2/n < B^2 (1 - 2 Delta),                                                                             (start)

and none of the clean ones; the signal starts in A. It ends where the signal saturates (P falls to gamma^2 p_n/(n B^2)):
from then on they are in A, as in a trained model. All derived here, for the rule of Luong et al. (2026).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from theory.down_weighting.transition import SignalMemory
from theory.logistic import regression

FloatArray = NDArray[np.float64]


def opposed(w: FloatArray, x: FloatArray, t: FloatArray) -> NDArray[np.bool_]:
    """Whether <g_j, g> < 0, (n,): the coordinates that only example j has are then in B under n-SAM, else in A.

    Checked by `luong2026.opposed_examples`.
    """
    weights = expit(-regression.margins(w, x, t))
    g = -(weights * t) @ x
    return np.asarray(t * (x @ g) > 0)


def reduces_memory_at_start(model: SignalMemory) -> bool:
    """(start): whether n-SAM has the memory of every mislabelled example in group B at w = 0.

    Checked by `luong2026.batch_memory_at_start`.
    """
    return model.gamma**2 / model.n < model.B**2 * (1 - 2 * model.Delta)


def falls(model: SignalMemory, state: FloatArray, rho: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """(delta_c, delta_n) at states (..., 3); negative where a margin rises."""
    p_c, p_n = (expit(-m) for m in model.margins(state))
    own, P = model.gamma**2 / model.n, (1 - model.Delta) * p_c - model.Delta * p_n
    length = np.sqrt(model.B**2 * P**2 + own * ((1 - model.Delta) * p_c**2 + model.Delta * p_n**2))
    return rho * (model.B**2 * P + own * p_c) / length, rho * (own * p_n - model.B**2 * P) / length


def velocity(model: SignalMemory, state: FloatArray, rho: ArrayLike, alpha: ArrayLike = 0.0) -> FloatArray:
    """Minus the n-SAM gradient of the mean loss for (w_1, v_c, v_n), with a fraction alpha of group B removed."""
    margins = model.margins(state)
    plain = [expit(-m) for m in margins]
    moved = [expit(fall - m) for fall, m in zip(falls(model, state, rho), margins, strict=True)]
    pair = [_parts(model, *residuals) for residuals in (plain, moved)]
    g, h = (np.stack(parts, axis=-1) for parts in pair)
    reduced = (h * g > 0) & (np.abs(h) < np.abs(g))
    return h * (1 - np.asarray(alpha)[..., None] * reduced)


def descend(model: SignalMemory, rho: ArrayLike, *, eta: float, steps: int, alpha: ArrayLike = 0.0) -> FloatArray:
    """The path of gradient descent from zero, (steps + 1, *s, 3), as theory.down_weighting.transition.descend.

    Checked by `luong2026.batch_memory_path`.
    """
    path = [np.zeros((*np.broadcast(rho, alpha).shape, 3))]
    for _ in range(steps):
        path.append(path[-1] + eta * velocity(model, path[-1], rho, alpha))
    return np.stack(path)


def _parts(model: SignalMemory, s_c: FloatArray, s_n: FloatArray) -> list[FloatArray]:
    signal = model.B * ((1 - model.Delta) * s_c - model.Delta * s_n)
    return [signal, model.gamma * s_c / model.n, model.gamma * s_n / model.n]
