r"""SAM on two-layer linear networks, in closed form: f = <v, W x> with labels t in {-1, 1}, or f = V W x with classes.

Write q_i for the residual d l_i/d f_i: -t sigma(-t f) for the logistic loss, softmax(f) - e_t for classes.
Every ascent step of this network has the form  eps = (V^T U, U W^T)  with one k x d matrix U for each shard,

    U = rho G / sqrt(||V^T G||^2 + ||G W^T||^2),   G = sum of q_j x_j^T over the shard,

and every rule of spec.rules has the gradient  (V^T A + W S, A W^T + T V)  with

    A = mean q_i x_i^T,   S = mean U_i^T q_i x_i^T,   T = mean q_i x_i^T U_i^T,

q at w + eps for 1-SAM and L-SAM, and S = T = 0 for SGD and L-SAM. All of it is a function of the data and of

    P = V W (the predictor),   K = W^T W,   N = V V^T :

the width is gone, and (P, K, N) moves by itself under every rule (theory.linear_networks.dynamics).

Two labels, 1-SAM ascent: U = -(rho t/J) x^T with J = ||grad f|| = sqrt(||W x||^2 + ||x||^2 ||v||^2), which gives
Proposition 4.1 of Baek et al. (2024) as an identity: see penalised_gradient. The paper states it approximately, for two
labels; the identity with a frozen coefficient, the classes, shards and all that follows are derived here.
Arrays: W (h, d); v (h,) for two labels or V (k, h) for k >= 2 classes; x (n, d); t (n,). All float64.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from spec.rules import Perturbed, SamFamily
from spec.validation import InputError, require, require_real

FloatArray = NDArray[np.float64]


class Statistics(NamedTuple):
    """P = V W (k, d), K = W^T W (d, d), N = V V^T (k, k); k = 1 for two labels."""

    P: FloatArray
    K: FloatArray
    N: FloatArray


class Drift(NamedTuple):
    """A (k, d), S (d, d), T (k, k): the gradient is (V^T A + W S, A W^T + T V)."""

    A: FloatArray
    S: FloatArray
    T: FloatArray


def statistics(W: FloatArray, v: FloatArray) -> Statistics:
    """(P, K, N) of a network. Raises InputError for shapes that do not fit."""
    require(W.ndim == 2, "W", W.shape, "a matrix (h, d)")
    fits = v.shape == (W.shape[0],) or (v.ndim == 2 and v.shape[1] == W.shape[0] and v.shape[0] >= 2)
    require(fits, "v", v.shape, f"of shape ({W.shape[0]},), or (k, {W.shape[0]}) with k >= 2 classes")
    V = np.atleast_2d(v)
    return Statistics(V @ W, W.T @ W, V @ V.T)


def residuals(logits: FloatArray, t: NDArray) -> FloatArray:
    """d l/d f, (n, k): -t sigma(-t f) for k = 1, softmax(f) - e_t for classes t in {0, ..., k - 1}."""
    if logits.shape[1] == 1:
        return (-t * expit(-t * logits[:, 0]))[:, None]
    return softmax(logits, axis=1) - np.eye(logits.shape[1])[t]


def ascent(rule: SamFamily, at: Statistics, x: FloatArray, t: NDArray) -> FloatArray:
    """U of every example, (n, k, d): zero for SGD and where the shard's gradient is zero.

    Raises InputError for an ascent other than 'all', and when sharpness does not divide the number of examples.
    """
    n, (k, d) = len(t), at.P.shape
    if not isinstance(rule, Perturbed):
        return np.zeros((n, k, d))
    require(rule.ascent == "all", "ascent", rule.ascent, "'all' in the closed form of two-layer linear networks")
    m = {"example": 1, "batch": n}.get(str(rule.sharpness), rule.sharpness)
    if n % int(m):
        raise InputError(f"sharpness must divide the number of examples, got {m} with n={n}")
    q = residuals(x @ at.P.T, t).reshape(-1, int(m), k)
    # Only the direction counts: relative to the largest, the residuals of a shard do not underflow together.
    q = q / np.maximum(np.abs(q).max(axis=(1, 2), keepdims=True), np.finfo(float).tiny)
    G = np.einsum("smk,smd->skd", q, x.reshape(-1, int(m), d))
    squares = np.einsum("skd,kl,sld->s", G, at.N, G) + np.einsum("skd,de,ske->s", G, at.K, G)
    scale = np.where(squares > 0, rule.rho / np.sqrt(np.where(squares > 0, squares, 1)), 0)
    return np.repeat(scale[:, None, None] * G, int(m), axis=0)


def drift(rule: SamFamily, at: Statistics, x: FloatArray, t: NDArray) -> Drift:
    """A, S and T of a rule (formulas above)."""
    U = ascent(rule, at, x, t)
    f = x @ at.P.T
    Ux = np.einsum("nkd,nd->nk", U, x)
    if rule.perturbs_residual:  # f(w + eps) = (V + U W^T)(W + V^T U) x
        f = f + Ux @ at.N + np.einsum("nkd,nd->nk", U, x @ at.K) + np.einsum("nkd,ld,nl->nk", U, at.P, Ux)
    q = residuals(f, t)
    if not rule.perturbs_jacobian:
        U, Ux = np.zeros_like(U), np.zeros_like(Ux)
    n = len(t)
    return Drift(q.T @ x / n, np.einsum("nkd,nk,ne->de", U, q, x, optimize=True) / n, q.T @ Ux / n)


def gradient(rule: SamFamily, W: FloatArray, v: FloatArray, x: FloatArray, t: NDArray) -> tuple[FloatArray, FloatArray]:
    """The rule's gradient of the mean loss, shaped like (W, v). Raises InputError as statistics and ascent do.

    Checked by `baek2024.two_layer_gradients`, `baek2024.class_gradients`.

    >>> import numpy as np
    >>> from spec.rules import JacobianSam
    >>> W, v = np.eye(2), np.array([1.0, -1.0])
    >>> x, t = np.array([[1.0, 0.0], [2.0, 2.0]]), np.array([1.0, -1.0])
    >>> [layer.round(3).tolist() for layer in gradient(JacobianSam(0.1), W, v, x, t)]
    [[[0.394, 0.52], [-0.345, -0.48]], [0.414, 0.451]]
    """
    V = np.atleast_2d(v)
    A, S, T = drift(rule, statistics(W, v), x, t)
    return V.T @ A + W @ S, (A @ W.T + T @ V).reshape(v.shape)


def penalised_gradient(
    rho: float, W: FloatArray, v: FloatArray, x: FloatArray, t: NDArray
) -> tuple[FloatArray, FloatArray]:
    r"""The gradient of  mean l_i + rho ||grad_w <q_i, f_i>||  with the residual q_i frozen, shaped like (W, v).

    Proposition 4.1 as an identity: it *is* the J-SAM gradient. Example i adds to the SGD gradient

        (rho ||q||^2/M) W x x^T  for W,   (rho ||x||^2/M) q q^T V  for V,
        M = ||grad_w <q, f>|| = sqrt(||q||^2 ||W x||^2 + ||V^T q||^2 ||x||^2),

    the gradients of coefficients times ||W x||^2/2 and ||V^T q||^2/2. With two labels M = sigma(-t f) J, so that the
    penalty is rho sigma(-t f) J: activations and last-layer weights. With classes only the direction q of V shrinks;
    sum_k V_k never does, for the entries of q sum to zero.

    Checked by `baek2024.proposition_4_1`, `baek2024.proposition_4_1_classes`.
    """
    require_real("rho", rho, low=0.0)
    statistics(W, v)
    V, hidden = np.atleast_2d(v), x @ W.T
    q = residuals(hidden @ V.T, t)
    squares = np.sum(q**2, 1) * np.sum(hidden**2, 1) + np.sum((q @ V) ** 2, 1) * np.sum(x**2, 1)
    scale = np.where(squares > 0, rho / np.sqrt(np.where(squares > 0, squares, 1)), 0)
    first = q @ V + (scale * np.sum(q**2, 1))[:, None] * hidden
    last = hidden + (scale * np.sum(x**2, 1))[:, None] * (q @ V)
    return first.T @ x / len(t), (q.T @ last / len(t)).reshape(v.shape)
