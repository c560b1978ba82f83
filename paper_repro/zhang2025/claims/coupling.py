"""Claims on the coupling: how it vanishes, what disturbs it, and when an error can turn an update round."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.zhang2025.claims.measured_training import FloatArray, TwoClasses, arrays, caps, linear_blocks, train
from paper_repro.zhang2025.claims.recursion import OURS
from paper_repro.zhang2025.claims.regrowth import M, Setting, settings
from sims import objectives
from sims.models import networks
from sims.rules import meta_reweighting
from spec.claims import AtMost, Claim, MonteCarlo, Mutant, Ordering, Sample
from theory.reweighting import phases, regrowth
from theory.reweighting import recursion as theory


class _Moment(NamedTuple):
    """A state of training: the kernel between clean and mislabelled examples, their residuals, and those ahead."""

    cross: FloatArray
    r: FloatArray
    ahead: FloatArray


def _moments(sample: Sample) -> list[_Moment]:
    """Every 200 steps along training of contained clean subsets."""
    found = []
    for setting in settings(sample)[1::2]:
        run = train(setting.problem, beta=setting.alpha * setting.eta, eta=setting.eta, steps=1000)
        K, noisy = linear_blocks(setting.problem), setting.problem.mislabelled
        for t in range(0, 1001, 200):
            ahead = theory.look_ahead(K, theory.State(*(a[t] for a in run)), setting.eta)
            found.append(_Moment(K.clean[:, noisy], run.r[t, noisy], ahead))
    return found


def _bounds(case: list[_Moment], *, loss: float = 0.0, kernel: float = 1.0) -> FloatArray:
    """coupling_bound of every mislabelled example; loss, kernel: wrong powers of the loss and factors of the kernel."""
    return np.concatenate([kernel * regrowth.coupling_bound(at.cross, at.r, at.ahead)
                           * (2 * regrowth.clean_loss(at.ahead)) ** loss for at in case])  # fmt: skip


def _sizes(case: list[_Moment]) -> FloatArray:
    return np.concatenate([np.abs(theory.coupling(*at)) for at in case])[None]


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


class Noisy(NamedTuple):
    """A problem at zero outputs, and errors (seeds, m) of its clean labels."""

    problem: TwoClasses
    errors: FloatArray


def noisy_labels(sample: Sample) -> Noisy:
    """Independent normal errors of standard deviation 0.2."""
    rng = np.random.default_rng(sample.seed)
    return Noisy(caps(rng, n=8, m=M, d=5, s=0.6, p=0.4), 0.2 * rng.normal(size=(32 * sample.count, M)))


def _squared_errors(case: Noisy) -> FloatArray:
    """((c_i with errors) - c_i)^2/r_i^2 over its stated mean, through the simulator, (seeds, n)."""
    train_split, clean = arrays(case.problem)
    objective, params = objectives.Objective(networks.linear(5), objectives.squared), {"w": jnp.zeros(5)}
    batch, w = objectives.Batch(train_split.x, train_split.t), jnp.full(len(train_split.t), 0.5)

    def coupling(error: jax.Array) -> jax.Array:
        return meta_reweighting.couplings(objective, params, batch, objectives.Batch(clean.x, clean.t + error), w, 0.0)

    change = jax.jit(lambda errors: jax.lax.map(coupling, errors) - coupling(jnp.zeros(M))[None])
    return np.asarray(change(jnp.asarray(case.errors))) ** 2


def _stated_variance(case: Noisy, *, power: float = 1.0, total: bool = False) -> FloatArray:
    cross = linear_blocks(case.problem).clean
    scale = np.abs(cross.sum(axis=0)) if total else np.linalg.norm(cross, axis=0)
    return (0.2 * scale / M**power) ** 2


NOISE = Claim(
    id="zhang2025.coupling_noise",
    origin="derived",
    source=OURS,
    statement="Independent errors of deviation s in the clean residuals disturb a coupling by s |r_i| |K_i|/m.",
    regime="any kernel; so the error falls as m^(-1/2) with the clean subset, and does not fall with its loss",
    tolerance=MonteCarlo(),
    setup=noisy_labels,
    predicted=lambda c: regrowth.coupling_noise(linear_blocks(c.problem).clean, 0.2) ** 2,
    measured=_squared_errors,
    mutants=(
        Mutant("1/sqrt m for 1/m", predicted=partial(_stated_variance, power=0.5)),
        Mutant("errors that add up", predicted=partial(_stated_variance, total=True)),
    ),
    theory="theory.reweighting.regrowth.coupling_noise",
    figure="zhang2025.post_filtering",
)


def _signs_kept(cases: list[Setting], *, share: float = 0.99, additive: bool = False) -> FloatArray:
    """+1 where every G_i keeps its sign under the worst relative error of the kernel, at clean residuals 1 to 1e-6.

    additive: an error of the coupling as large as at residuals of one.
    """
    kept = []
    for case in cases:
        k = theory.signed_blocks(linear_blocks(case.problem), case.problem.y, case.problem.y_clean).clean
        for scale in (1.0, 1e-3, 1e-6):
            rho = scale * np.linspace(0.5, 1.5, M)
            G, tolerance = rho @ k, share * regrowth.sign_tolerance(k, rho)
            if additive:
                moved = G - tolerance * np.sign(G) * (np.abs(rho / scale) @ np.abs(k))
            else:
                moved = rho @ (k * (1 - tolerance * np.sign(k * rho[:, None] * G)))
            kept.append(np.min(np.sign(moved * G)))
    return np.array(kept)[None]


RELATIVE = Claim(
    id="zhang2025.relative_kernel_error",
    origin="derived",
    source="derived here; a caveat on late regrowth by 'approximation error' in Zhang et al. (2025)",
    statement="A relative kernel error below |sum_j k_ij rho_j|/sum_j |k_ij rho_j| turns no update round, however "
    "small the clean residuals; an additive error does.",
    regime="any kernel and residuals",
    tolerance=Ordering(),
    setup=settings,
    predicted=lambda c: 1.0,
    measured=_signs_kept,
    mutants=(
        Mutant("an additive error of the same size", measured=partial(_signs_kept, additive=True)),
        Mutant("1.5 times the tolerance", measured=partial(_signs_kept, share=1.5)),
    ),
    theory="theory.reweighting.regrowth.sign_tolerance",
    figure="zhang2025.post_filtering",
)


def _crossing(cases: list[Setting], *, rate: float = 1.0, zeta: float = 1.0) -> FloatArray:
    """G - zeta one step before, and zeta - G at the stated end of filtering, with G simulated on clean data alone."""
    found = []
    for case in cases[:2]:
        problem, clean = case.problem, ~case.problem.mislabelled
        k = theory.signed_blocks(linear_blocks(problem), problem.y, problem.y_clean)
        eta = 0.02 * case.eta
        oracle = problem._replace(x=problem.x[clean], y=problem.y[clean], mislabelled=problem.mislabelled[clean])
        run = train(oracle, beta=0.0, eta=eta, steps=800, w=1.0)
        G = np.min(-(run.r_clean * problem.y_clean) @ k.clean / M, axis=1)
        level = 0.3 * G[0] + 0.7 * G.min()
        cut = theory.Blocks(k.train[np.ix_(clean, clean)], k.clean[:, clean])
        f = phases.Filtering(cut, np.ones(int(clean.sum())), np.ones(M), np.ones(int(clean.sum())), rate * eta)
        end = int(min(f.end(zeta * level, k.clean, 800), 800.0))
        found += [G[end - 1] - level, level - G[end]]
    return np.array(found)[None]


END = Claim(
    id="zhang2025.filtering_end",
    origin="derived",
    source=OURS,
    statement="An additive error zeta of the coupling can turn an update round from the first time that "
    "(1/m) sum_j k_ij rho_j falls to zeta, which the frozen dynamics give.",
    regime="weights 1 on clean and 0 on mislabelled examples; linear model",
    tolerance=Ordering(),
    setup=settings,
    predicted=lambda c: 1.0,
    measured=_crossing,
    mutants=(
        Mutant("half the rate", measured=partial(_crossing, rate=0.5)),
        Mutant("1.1 times the error", measured=partial(_crossing, zeta=1.1)),
    ),
    theory="theory.reweighting.phases.Filtering",
    figure="zhang2025.post_filtering",
)

CLAIMS = (VANISHING, NOISE, RELATIVE, END)
