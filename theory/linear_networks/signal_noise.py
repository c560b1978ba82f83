r"""Two-layer linear networks on signal-plus-noise data: training in four numbers (derived here).

Data as in spec.problems.SignalNoiseMixture, noise='orthogonal', stratified flips: x = y (B e_1 + gamma z). Suppose

    the n noise vectors gamma z_i are exactly orthogonal, of squared length gamma^2 (d - 1), and W starts at zero.

Then by symmetry W = v u^T/||v|| for ever, v keeps its line, and u lies in the span of e_1 and of the normalised sums of
the signed noise t_i y_i z_i over the clean and over the mislabelled examples. With r = ||v|| and u in these coordinates
it is a width-one network r <u, b> on *two* examples, of weights n_g/n, that count with the full norm of an input:

    b_clean = (B, a/sqrt(n_clean), 0),   b_mislabelled = (-B, 0, a/sqrt(n_mislabelled)),   a = gamma sqrt(d - 1),
    h_g = <u, b_g>,   m_g = r h_g,   c = ||x|| = sqrt(B^2 + a^2),   J_g^2 = h_g^2 + c^2 r^2,

    du = sum_g (n_g/n) s_g r_g b_g,   dr = sum_g (n_g/n) s_g h'_g,   s_g = sigma(-margin),

where SGD takes r_g = r, h'_g = h_g, s_g = sigma(-r h_g); J-SAM moves r_g and h'_g, L-SAM the margin in s_g, 1-SAM both:

    1-SAM ascent  r_g = r - rho h_g/J_g,         h'_g = h_g - rho c^2 r/J_g,                margin r_g h'_g
    n-SAM ascent  r_g = r - rho <u, g>/M,        h'_g = <u - rho r g/M, b_g>,               g = sum_g (n_g/n) s_g b_g,
                                                 M^2 = r^2 ||g||^2 + <u, g>^2.

Gaussian noise is orthogonal up to O(d^(-1/2)): with n, width and a fixed and entries of W of order d^(-1/2), margins,
p_1 and ||v|| of a run of fixed length differ from these equations by O(d^(-1/2)). The limit is one of training, not of
generalisation: fresh noise is orthogonal to everything learnt, so that any p_1 > 0 classifies it without error.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from spec.problems import SignalNoiseMixture
from spec.rules import Perturbed, SamFamily
from spec.validation import require, require_integer, require_real
from theory.linear_networks.dynamics import integrate

FloatArray = NDArray[np.float64]


class Groups(NamedTuple):
    """b (g, 3), share n_g/n (g,) and the norm c of the inputs; g = 2, or 1 without mislabelled examples."""

    b: FloatArray
    share: FloatArray
    norm: float


class Summaries(NamedTuple):
    """Numbers of the network f = <p, x> in all states (..., 4): arrays (...).

    signal_overlap p_1, noise_norm ||p_2..||, last_norm ||v||, first_norm ||W||_F, margins of both groups,
    balance ||v||^2 - ||W||_F^2, which SGD and L-SAM conserve along the flow.
    """

    signal_overlap: FloatArray
    noise_norm: FloatArray
    last_norm: FloatArray
    first_norm: FloatArray
    clean_margin: FloatArray
    mislabelled_margin: FloatArray
    balance: FloatArray


def groups(problem: SignalNoiseMixture) -> Groups:
    """The two effective examples. Raises InputError for isotropic noise, random flips, or n >= d."""
    require(problem.noise == "orthogonal", "noise", problem.noise, "'orthogonal' in the reduced dynamics")
    require(problem.flips == "stratified", "flips", problem.flips, "'stratified' in the reduced dynamics")
    require(problem.n < problem.d, "n", problem.n, f"below d = {problem.d}, for noise that can be orthogonal")
    flipped = round(problem.Delta * problem.n)
    counts = np.array([problem.n - flipped, flipped])
    a = problem.gamma * np.sqrt(problem.d - 1)
    signs = problem.B * np.array([1.0, -1.0])
    b = np.column_stack([signs, np.diag(a / np.sqrt(np.maximum(counts, 1)))])
    present = counts > 0
    return Groups(b[present], counts[present] / problem.n, float(np.hypot(problem.B, a)))


def velocity(rule: SamFamily, state: FloatArray, data: Groups) -> FloatArray:
    """(dr, du) at a state (r, u) of length 4, formulas above; no ascent where a gradient is zero.

    Checked by `baek2024.four_numbers`.
    """
    r, u = state[0], state[1:]
    h = data.b @ u
    moved_r, moved_h = _ascended(rule, r, u, data)
    s = expit(-moved_r * moved_h if rule.perturbs_residual else -r * h)
    if rule.perturbs_jacobian:
        r, h = moved_r, moved_h
    weight = data.share * s
    return np.concatenate([[weight @ h], (weight * r) @ data.b])


def _ascended(rule: SamFamily, r: float, u: FloatArray, data: Groups) -> tuple[FloatArray, FloatArray]:
    """(r_g, h'_g) at w + eps, for every group."""
    h = data.b @ u
    if not isinstance(rule, Perturbed):
        return np.full_like(h, r), h
    require(rule.ascent == "all", "ascent", rule.ascent, "'all' in the reduced dynamics")
    require(rule.sharpness in ("example", "batch", 1), "sharpness", rule.sharpness, "'example' or 'batch'")
    if rule.sharpness == "batch":
        g = (data.share * expit(-r * h)) @ data.b
        M = np.sqrt(r**2 * (g @ g) + (u @ g) ** 2)
        scale = rule.rho / M if M > 0 else 0.0
        return np.full_like(h, r - scale * (u @ g)), h - scale * r * (data.b @ g)
    J = np.sqrt(h**2 + (data.norm * r) ** 2)
    scale = np.divide(rule.rho, J, out=np.zeros_like(J), where=J > 0)
    return r - scale * h, h - scale * data.norm**2 * r


def descend(rule: SamFamily, problem: SignalNoiseMixture, *, r: float, eta: float, steps: int) -> FloatArray:
    """States (steps + 1, 4) of full-batch training with steps of size eta from ||v|| = r and W = 0.

    Checked by `baek2024.four_numbers_rate`.

    >>> from spec.problems import SignalNoiseMixture
    >>> from spec.rules import JacobianSam
    >>> problem = SignalNoiseMixture(n=20, d=50, B=1.0, Delta=0.2, noise="orthogonal")
    >>> descend(JacobianSam(0.1), problem, r=1.0, eta=0.5, steps=2).round(3)
    array([[1.   , 0.   , 0.   , 0.   ],
           [0.823, 0.15 , 0.35 , 0.175],
           [0.822, 0.23 , 0.547, 0.291]])
    """
    require_real("r", r, low=0.0)
    require_real("eta", eta, low=0.0)
    require_integer("steps", steps, at_least=0)
    data, path = groups(problem), [np.array([r, 0.0, 0.0, 0.0])]
    for _ in range(steps):
        path.append(path[-1] + eta * velocity(rule, path[-1], data))
    return np.stack(path)


def flow(rule: SamFamily, problem: SignalNoiseMixture, *, r: float, times: FloatArray) -> FloatArray:
    """States (times, 4) of the gradient flow from ||v|| = r and W = 0; `descend` is within O(eta) of it.

    A large rho leads J-SAM and 1-SAM to the origin in finite time, where the velocity jumps: stop the times before.
    """
    require_real("r", r, low=0.0)
    data = groups(problem)
    return integrate(lambda state: velocity(rule, state, data), np.array([r, 0.0, 0.0, 0.0]), times)


def summaries(problem: SignalNoiseMixture, states: FloatArray) -> Summaries:
    """The network's numbers at states (..., 4)."""
    data = groups(problem)
    r, u = states[..., 0], states[..., 1:]
    margins = r[..., None] * (u @ data.b.T)
    first = np.linalg.norm(u, axis=-1)
    return Summaries(
        signal_overlap=r * u[..., 0],
        noise_norm=np.abs(r) * np.hypot(u[..., 1], u[..., 2]),
        last_norm=np.abs(r),
        first_norm=first,
        clean_margin=margins[..., 0],
        mislabelled_margin=margins[..., -1] if len(data.share) == 2 else np.zeros_like(r),
        balance=r**2 - first**2,
    )
