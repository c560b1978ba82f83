r"""The neural tangent kernel of infinitely wide fully connected ReLU networks, in closed form.

For the network z^1 = sqrt(g_1/d) W^1 x + b^1, z^{l+1} = sqrt(g_{l+1}/h) W^{l+1} relu(z^l) + b^{l+1} with standard
normal weights, zero biases that are trained, gains g = 2 in hidden layers and 1 in the last one, as h -> inf

    Sigma^1 = g_1 <x, x'>/d,                     Sigma^{l+1} = g_{l+1}/2 sqrt(Sigma^l(x,x) Sigma^l(x',x')) kappa_1(c),
    Theta^1 = Sigma^1 + 1,                       Theta^{l+1} = g_{l+1}/2 kappa_0(c) Theta^l + Sigma^{l+1} + 1,

where c is the cosine Sigma^l(x,x') / sqrt(...), and kappa_0(c) = 1 - theta/pi, kappa_1(c) = (sin theta +
(pi - theta) cos theta)/pi with theta = arccos c are the arc-cosine kernels. Sigma of the last layer is the covariance
of the outputs at initialisation, Theta the tangent kernel; a network of width h differs from both by O(h^{-1/2}).

Sources: arc-cosine kernels: Cho and Saul (2009), equations 1-6; recursion: Jacot et al. (2018), Theorem 1, with our
gains and biases (derived). Arrays: x (n, d), other (n', d), kernels (n, n'). float64.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spec.validation import require, require_finite, require_integer

FloatArray = NDArray[np.float64]


class Kernels(NamedTuple):
    """covariance: of the outputs at initialisation. tangent: the neural tangent kernel."""

    covariance: FloatArray
    tangent: FloatArray


def arc_cosine(order: int, cosine: FloatArray) -> FloatArray:
    """kappa_order at a cosine in [-1, 1]: 2 E[relu'(u) relu'(v)] for order 0, 2 E[relu(u) relu(v)] for order 1, with
    standard normal u, v of that correlation. Raises InputError for another order, or a cosine outside.
    """
    require(order in (0, 1), "order", order, "0 or 1")
    cosine = np.asarray(cosine, dtype=float)
    require(bool(np.all(np.abs(cosine) <= 1)), "cosine", cosine, "within [-1, 1]")
    theta = np.arccos(cosine)
    if order == 0:
        return 1 - theta / np.pi
    return (np.sin(theta) + (np.pi - theta) * cosine) / np.pi


def relu(x: FloatArray, other: FloatArray | None = None, *, hidden: int = 1) -> Kernels:
    """The kernels of a network with `hidden` hidden layers (0: linear) between x and other (None: x itself).

    The diagonal of the kernel of x with itself is exact; elsewhere inputs closer than an angle of 1e-7 lose digits of
    kappa_0. Raises InputError for rows of zeros, where relu' is not defined, and for inputs of different sizes.

    Checked by `zhang2025.kernel_two_layers`, `zhang2025.kernel_three_layers`, `zhang2025.finite_width`.

    >>> import numpy as np
    >>> relu(np.eye(2), hidden=1).tangent.round(4)
    array([[2.5   , 1.4092],
           [1.4092, 2.5   ]])
    """
    require_integer("hidden", hidden, at_least=0)
    same, first = other is None, np.asarray(x, dtype=float)
    second = first if other is None else np.asarray(other, dtype=float)
    for name, rows in (("x", first), ("other", second)):
        shape = f"inputs of shape (n, {first.shape[-1]})"
        require(rows.ndim == 2 and rows.shape[1] == first.shape[1], name, rows.shape, shape)
        require_finite(name, rows)
        require(bool(np.all(np.any(rows != 0, axis=1))), name, rows.shape, "without rows of zeros")
    gains = [2.0] * hidden + [1.0]
    d = first.shape[1]
    covariance = gains[0] / d * first @ second.T
    # sqrt of the variances of both sides; kappa_1(1) = 1, so that every layer scales them by sqrt(gain/2).
    left, right = (np.sqrt(gains[0] / d) * np.linalg.norm(rows, axis=1) for rows in (first, second))
    tangent = covariance + 1
    for gain in gains[1:]:
        lengths = np.outer(left, right)
        cosine = np.clip(covariance / lengths, -1, 1)
        if same:
            np.fill_diagonal(cosine, 1)
        covariance = gain / 2 * lengths * arc_cosine(1, cosine)
        tangent = gain / 2 * arc_cosine(0, cosine) * tangent + covariance + 1
        left, right = np.sqrt(gain / 2) * left, np.sqrt(gain / 2) * right
    return Kernels(covariance, tangent)


def centred(
    between: FloatArray, first: FloatArray, second: FloatArray, among: FloatArray, weights: FloatArray
) -> FloatArray:
    r"""<phi(x) - mu, phi(x') - mu> with mu = sum_j weights_j phi(c_j) over centres c_1, ..., c_m, from kernels alone.

    between (n, n'): K(x, x'); first (n, m): K(x, c); second (n', m): K(x', c); among (m, m): K(c, c); weights (m,) of
    sum 1. A constant added to the kernel has no effect (derived). Raises InputError for weights of another sum.

    Checked by `zhang2025.fbr_is_last_layer`.
    """
    require(bool(np.isclose(np.sum(weights), 1)), "weights", weights, "numbers that sum to 1")
    left, right = first @ weights, second @ weights
    return between - left[:, None] - right[None, :] + weights @ among @ weights


def uniform_coupling(kernel: FloatArray, t: NDArray[np.int_], t_clean: NDArray[np.int_], classes: int) -> FloatArray:
    r"""mean_j (1[t_i = t_j] - 1/C) K_ij, (n,): the coupling of a last layer at uniform predictions, from its kernel.

    kernel (n, m) between features of training and clean examples; the residuals e_t - 1/C have that inner product.
    """
    return np.mean(((t[:, None] == t_clean) - 1 / classes) * kernel, axis=1)


def agreement_weights(kernel: FloatArray, t: NDArray[np.int_], t_clean: NDArray[np.int_], classes: int) -> FloatArray:
    r"""FBR's example weights at alpha = 0, (n,), from a kernel (n, m) between training and clean examples.

    With K_ic the mean of kernel_ij over the clean j of class c, an example is kept iff no class agrees with it more
    than its own, K_it = max_c K_ic, and then with weight min(1, 1/2 + (K_it - its runner-up)/(2 s)), s the smallest
    distance by which an example is behind the runner-up of its row (where none is, all weights are 1). Derived from
    the algorithm of Zhang et al. (2025); needs a clean example of every class.

    Checked by `zhang2025.fbr_strict`.
    """
    members = (t_clean[:, None] == np.arange(classes)).astype(float)
    K = kernel @ members / members.sum(axis=0)
    own, (second, first) = K[np.arange(len(t)), t], np.sort(K, axis=1)[:, -2:].T
    behind = (second - own)[own < second]
    if not len(behind):
        return np.ones(len(t))
    return np.where(own == first, np.minimum(1, 0.5 + (own - second) / (2 * behind.min())), 0.0)
