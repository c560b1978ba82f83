"""Claims on the coupling: how it vanishes, what disturbs it, and when an error can turn an update round."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.zhang2025.claims.measured_training import FloatArray, TwoClasses, arrays, linear_blocks, train
from paper_repro.zhang2025.claims.recursion import OURS
from paper_repro.zhang2025.claims.regrowth import M, N, settings
from sims import objectives
from sims.models import networks
from sims.rules import meta_reweighting
from spec.claims import AtMost, Claim, Exact, Mutant, Ordering, Sample
from theory.reweighting import phases, regrowth
from theory.reweighting import recursion as theory

OBJECTIVE = objectives.Objective(networks.linear(1), objectives.squared)  # apply does not depend on d
HORIZON = 800


class _Moment(NamedTuple):
    """A state of training: the problem, parameters, residuals, weights and step, and the clean residuals ahead."""

    problem: TwoClasses
    theta: FloatArray
    r: FloatArray
    w: FloatArray
    eta: float
    ahead: FloatArray


def _moments(sample: Sample) -> list[_Moment]:
    """Every 200 steps along training of contained clean subsets."""
    found = []
    for problem, alpha, eta in settings(sample)[1::2]:
        run = train(problem, beta=alpha * eta, eta=eta, steps=1000)
        for t in range(0, 1001, 200):
            state = theory.State(*(a[t] for a in run))
            theta = np.asarray(np.linalg.lstsq(problem.x, state.r + problem.t)[0], dtype=float)
            ahead = theory.look_ahead(linear_blocks(problem), state, eta)
            found.append(_Moment(problem, theta, state.r, state.w, eta, ahead))
    return found


def _bounds(case: list[_Moment], *, loss: float = 0.0, kernel: float = 1.0) -> FloatArray:
    """coupling_bound of every mislabelled example; loss, kernel: wrong powers of the loss and factors of the kernel."""
    found = []
    for at in case:
        bound = regrowth.coupling_bound(linear_blocks(at.problem).clean, at.r, at.ahead)
        found.append(kernel * bound[at.problem.mislabelled] * (2 * regrowth.clean_loss(at.ahead)) ** loss)
    return np.concatenate(found)


def _sizes(case: list[_Moment]) -> FloatArray:
    """Simulated couplings of the mislabelled examples, in one row."""
    splits = [arrays(at.problem) for at in case]
    theta, w, eta = (np.stack([getattr(at, name) for at in case]) for name in ("theta", "w", "eta"))
    pairs = jax.tree.map(lambda *leaves: jnp.stack(leaves), *splits)
    c = np.abs(_couplings(theta, *((split.x, split.t) for split in pairs), w, N * eta))
    return c[np.stack([at.problem.mislabelled for at in case])][None]


@jax.jit
def _couplings(theta: Any, batch: Any, clean: Any, w: Any, eta: Any) -> Any:
    """Of the linear model for stacked problems, (problems, n)."""

    def one(theta: Any, batch: Any, clean: Any, w: Any, eta: Any) -> Any:
        return meta_reweighting.couplings(
            OBJECTIVE, {"w": theta}, objectives.Batch(*batch), objectives.Batch(*clean), w, eta
        )

    return jax.vmap(one)(theta, batch, clean, w, eta)


VANISHING = Claim(
    id="zhang2025.vanishing_coupling",
    origin="derived",
    source="Zhang et al. (2025), abstract: the coupling vanishes with the clean-subset loss; the bound is derived here",
    statement="|c_i| <= |r_i| rms_j(K_ij) sqrt(2 L_v): the coupling vanishes with the square root of the clean loss.",
    regime="any kernel; along 1000 steps with the clean subset contained in the training set",
    tolerance=AtMost(),
    setup=_moments,
    predicted=_bounds,
    measured=_sizes,
    mutants=(
        Mutant("the loss itself, not its root", predicted=partial(_bounds, loss=0.5)),
        Mutant("a tenth of the kernel", predicted=partial(_bounds, kernel=0.1)),
    ),
    theory="theory.reweighting.regrowth.coupling_bound",
    figure="zhang2025.post_filtering",
)


class _Errors(NamedTuple):
    """Kernels (k, m, n), clean residuals (k, m), and relative errors of the kernel of every training example (k, n)."""

    kernel: FloatArray
    r_clean: FloatArray
    error: FloatArray


def _errors(sample: Sample) -> _Errors:
    """Just below and just above what turns an update round, for residuals of both signs and sizes of 1 to 1e-6."""
    rng = np.random.default_rng([sample.seed, 1])
    cells = [(s, linear_blocks(case.problem).clean) for case in settings(sample) for s in (1.0, 1e-3, 1e-6)]
    pairs = [(k, s * rng.normal(size=M)) for s, k in cells]
    found = [(k, r, factor * regrowth.sign_tolerance(k, r)) for k, r in pairs for factor in (0.99, 1.01)]
    return _Errors(*map(np.stack, zip(*found, strict=True)))


def _kernel_couplings(kernel: FloatArray, r_clean: FloatArray) -> FloatArray:
    """Simulated couplings of a linear model that has this kernel and these residuals, 1 in training, (k, n)."""
    x, x_clean = kernel.transpose(0, 2, 1), np.broadcast_to(np.eye(M), (len(kernel), M, M))
    labels = np.einsum("kni,ki->kn", x, r_clean) - 1
    nothing = np.zeros(len(kernel))
    return np.asarray(_couplings(r_clean, (x, labels), (x_clean, np.zeros_like(r_clean)), 0 * labels, nothing))


def _signs_kept(case: _Errors, additive: bool = False) -> FloatArray:
    """The couplings with the worst error times those without, one row; additive: as large as at residuals of one."""
    kernel, r, error = case
    right = _kernel_couplings(kernel, r)
    if additive:
        largest = np.abs(r / np.abs(r).max(axis=1, keepdims=True))
        wrong = right - np.sign(right) * error * np.einsum("km,kmn->kn", largest, np.abs(kernel)) / M
    else:
        sign = np.sign(kernel * r[:, :, None] * right[:, None])
        wrong = _kernel_couplings(kernel * (1 - error[:, None] * sign), r)
    return np.sign(wrong * right).reshape(1, -1)


def _stated_kept(case: _Errors, factor: float = 1.0) -> FloatArray:
    tolerance = np.stack([regrowth.sign_tolerance(k, r) for k, r, _ in zip(*case, strict=True)])
    return np.sign(factor * tolerance - case.error).ravel()


RELATIVE = Claim(
    id="zhang2025.relative_kernel_error",
    origin="derived",
    source="derived here; a caveat on late regrowth by 'approximation error' in Zhang et al. (2025)",
    statement="A relative kernel error below |sum_j k_ij rho_j|/sum_j |k_ij rho_j| turns no update round, however "
    "small the clean residuals, and the worst one just above it does; an additive error does.",
    regime="any kernel and residuals; squared loss, no look-ahead",
    tolerance=Ordering(),
    setup=_errors,
    predicted=_stated_kept,
    measured=_signs_kept,
    mutants=(
        Mutant("an additive error of the same size", measured=partial(_signs_kept, additive=True)),
        Mutant("1.5 times the tolerance", predicted=partial(_stated_kept, factor=1.5)),
        Mutant("no error turns an update round", predicted=lambda c: np.ones(c.error.size)),
    ),
    theory="theory.reweighting.regrowth.sign_tolerance",
    figure="zhang2025.post_filtering",
)


class _Decay(NamedTuple):
    """Training on the clean examples alone: the problem, the step, the smallest G at every step, and a level of it."""

    problem: TwoClasses
    eta: float
    G: FloatArray
    level: float


def _decays(sample: Sample) -> list[_Decay]:
    found = []
    for problem, _, step in settings(sample)[:2]:
        clean, eta = ~problem.mislabelled, 0.02 * step
        k = theory.signed_blocks(linear_blocks(problem), problem.y, problem.y_clean)
        oracle = problem._replace(x=problem.x[clean], y=problem.y[clean], mislabelled=problem.mislabelled[clean])
        run = train(oracle, beta=0.0, eta=eta, steps=HORIZON, w=1.0)
        G = np.min(-(run.r_clean * problem.y_clean) @ k.clean / M, axis=1)
        found.append(_Decay(problem, eta, G, 0.3 * G[0] + 0.7 * G.min()))
    return found


def _ends(cases: list[_Decay], *, rate: float = 1.0, zeta: float = 1.0) -> FloatArray:
    found = []
    for problem, eta, _, level in cases:
        clean = ~problem.mislabelled
        k = theory.signed_blocks(linear_blocks(problem), problem.y, problem.y_clean)
        cut = theory.Blocks(k.train[np.ix_(clean, clean)], k.clean[:, clean])
        f = phases.Filtering(cut, np.ones(int(clean.sum())), np.ones(M), np.ones(int(clean.sum())), rate * eta)
        found.append(min(f.end(zeta * level, k.clean, HORIZON), HORIZON))
    return np.array(found)


END = Claim(
    id="zhang2025.filtering_end",
    origin="derived",
    source=OURS,
    statement="An additive error zeta of the coupling can turn an update round from the first time that "
    "(1/m) sum_j k_ij rho_j falls to zeta, which the frozen dynamics give to the step.",
    regime="weights 1 on clean and 0 on mislabelled examples; linear model",
    tolerance=Exact(),
    setup=_decays,
    predicted=_ends,
    measured=lambda cases: np.array([np.argmax(case.level >= case.G) for case in cases]),
    mutants=(
        Mutant("half the rate", predicted=partial(_ends, rate=0.5)),
        Mutant("1.1 times the error", predicted=partial(_ends, zeta=1.1)),
    ),
    theory="theory.reweighting.phases.Filtering",
    figure="zhang2025.post_filtering",
)

CLAIMS = (VANISHING, RELATIVE, END)
