"""Claims on the time after filtering: what weights can regain, what can turn an update round, and what cannot."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.zhang2025.recursion_claims import OURS
from paper_repro.zhang2025.simulated import FloatArray, TwoClasses, arrays, caps, linear_blocks, train
from sims import meta_reweighting, models, rules
from sims.data import Split
from sims.reweighting import reweighted
from spec.claims import Claim, MonteCarlo, Mutant, Ordering, Sample
from spec.reweighting import MetaReweight
from theory import meta_reweighting as theory
from theory import reweighting_phases as phases
from theory import reweighting_regrowth as regrowth

N, M, STEPS = 24, 6, 12


class Setting(NamedTuple):
    """A problem and rates; alpha = beta/eta is below the largest rate for residuals up to 3."""

    problem: TwoClasses
    alpha: float
    eta: float


def settings(sample: Sample) -> list[Setting]:
    """Held out and contained; steps up to the edge of stability of the model, alpha up to the edge of the theorem."""
    rng, found = np.random.default_rng(sample.seed), []
    for i in range(6):
        problem = caps(rng, n=N, m=M, d=12, s=0.6, p=rng.uniform(0.2, 0.6), contained=i % 2 == 1)
        K = linear_blocks(problem)
        eta = rng.uniform(0.5, 1.5) / np.linalg.eigvalsh(K.train)[-1]
        largest = M / (eta * 3 * np.linalg.norm(K.clean, ord=2)) ** 2
        found.append(Setting(problem, largest * (0.95, 0.95, 0.3, 0.3, 0.05, 0.05)[i], eta))
    return found


def _slack(cases: list[Setting], *, scale: float = 1.0, as_beta: bool = False, **wrong: Any) -> FloatArray:
    """Right less left side of the regret bound at every step, for u = 0, near the clean indicator, and at random.

    scale: another factor for 2 alpha in it. as_beta: with beta in place of alpha in the bound.
    """
    rng, slack = np.random.default_rng(0), []
    for case in cases:
        beta = case.alpha * case.eta
        run = train(case.problem, **({"beta": beta, "eta": case.eta, "steps": STEPS} | wrong))
        states = [theory.State(*(a[t] for a in run)) for t in range(STEPS + 1)]
        alpha = scale * (beta if as_beta else case.alpha)
        fixed = np.stack([np.zeros(N), 0.05 + 0.9 * ~case.problem.mislabelled, rng.uniform(size=N)])
        for u in fixed:
            for now, following in zip(states[:-1], states[1:], strict=True):
                K = linear_blocks(case.problem)
                slack.append(regrowth.regret_slack(K, now, following, u, alpha=alpha, eta=case.eta))
    return np.array(slack)[None]


REGRET = Claim(
    id="zhang2025.regret",
    origin="derived",
    source=OURS,
    statement="One step's clean loss exceeds that of any fixed weights u, taken from the same point, by at most "
    "(|w - u|^2 - |w' - u|^2)/(2 alpha); with u = 0, L_v + |w|^2/(2 alpha) never rises.",
    regime="linearised model, squared loss, alpha at most one over the curvature of the clean loss in the weights",
    tolerance=Ordering(),
    setup=settings,
    predicted=lambda c: 1.0,
    measured=_slack,
    mutants=(
        Mutant("look-ahead dropped", measured=partial(_slack, look_ahead=False)),
        Mutant("bound without the 1/2", measured=partial(_slack, scale=0.5)),
        Mutant("alpha = beta in the bound", measured=partial(_slack, as_beta=True)),
        Mutant("alpha doubled in the bound", measured=partial(_slack, scale=2.0)),
    ),
    theory="theory.reweighting_regrowth.regret_slack",
    figure="zhang2025.post_filtering",
)


def blobs(sample: Sample) -> tuple[Split, Split]:
    """Three classes in the plane, 40 % of the training labels wrong, and a clean subset."""
    rng = np.random.default_rng(sample.seed)
    y, y_clean = np.arange(N) % 3, np.arange(M) % 3
    angle = 2 * np.pi / 3 * np.arange(3)
    centres = 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x, x_clean = (centres[c] + 0.7 * rng.normal(size=(len(c), 2)) for c in (y, y_clean))
    t = np.where(rng.permutation(np.arange(N) < 0.4 * N), (y + 1) % 3, y)
    return (
        Split(jnp.asarray(x), jnp.asarray(t), jnp.asarray(y)),
        Split(jnp.asarray(x_clean), jnp.asarray(y_clean), jnp.asarray(y_clean)),
    )


SOFTMAX = rules.Objective(models.mlp((2, 3)), rules.cross_entropy)


def _falls(case: tuple[Split, Split], turn: float = 1.0, scale: float = 1.0, ahead: float = 1.0) -> FloatArray:
    """Falls of L_v + |w|^2/(2 alpha) at 25 steps of softmax regression; scale: another factor for 2 alpha in it."""
    # The curvature of the clean loss in the weights is at most eta^2 |gram|^2/m: softmax has 1/2, residuals sqrt 2.
    eta = 0.5
    gram = np.asarray(case[1].x) @ np.asarray(case[0].x).T + 1
    alpha = 0.9 * M / (eta**2 * np.linalg.norm(gram, ord=2) ** 2)
    loss, squares = _softmax_path(*case, jnp.asarray([turn * alpha * eta, N * eta * ahead, N * eta]))
    return -np.diff(np.asarray(loss + squares / (2 * scale * alpha)))[None]


@jax.jit
def _softmax_path(train_split: Split, clean: Split, rates: Any) -> tuple[jax.Array, jax.Array]:
    """The clean loss and |w|^2 at steps 0 to 25; rates: beta, step of the look-ahead, step of the model."""
    rule = reweighted(MetaReweight(rates[0], rates[1]), clean, train_split)

    def step(carry: Any, _: None) -> Any:
        params, state = carry
        record = SOFTMAX.mean(params, rules.Batch(clean.x, clean.t)), jnp.sum(state.w**2)
        g, state = rules.gradient(rule, state, SOFTMAX, params, rules.Batch(train_split.x, train_split.t))
        return (jax.tree.map(lambda p, gi: p - rates[2] * gi, params, g), state), record

    start = [{"w": jnp.zeros((2, 3)), "b": jnp.zeros(3)}]
    return jax.lax.scan(step, (start, rules.init(rule, start)), None, length=26)[1]


ENERGY = Claim(
    id="zhang2025.energy_of_classes",
    origin="derived",
    source=OURS,
    statement="L_v + |w|^2/(2 alpha) never rises under multi-class cross-entropy either.",
    regime="model linear in its parameters, convex loss, alpha at most one over the curvature",
    tolerance=Ordering(),
    setup=blobs,
    predicted=lambda c: 1.0,
    measured=_falls,
    mutants=(
        Mutant("sign of the coupling", measured=partial(_falls, turn=-1.0)),
        Mutant("look-ahead dropped", measured=partial(_falls, ahead=0.0)),
        Mutant("alpha doubled in the energy", measured=partial(_falls, scale=2.0)),
    ),
    theory="theory.reweighting_regrowth.energy",
    figure="zhang2025.post_filtering",
)


def _bounded(case: list[Setting], *, power: float = 0.5, kernel: float = 1.0, every: int = 200) -> FloatArray:
    """log of the stated bound over the largest |c| of the mislabelled, along training of contained clean subsets."""
    found = []
    for setting in case[1::2]:
        run = train(setting.problem, beta=setting.alpha * setting.eta, eta=setting.eta, steps=1000)
        K, noisy = linear_blocks(setting.problem), setting.problem.mislabelled
        for t in range(0, 1001, every):
            ahead = theory.look_ahead(K, theory.State(*(a[t] for a in run)), setting.eta)
            c = np.abs(theory.coupling(K.clean, run.r[t], ahead))[noisy]
            bound = np.abs(run.r[t]) * kernel * np.sqrt(np.mean(K.clean**2, axis=0))
            found.append(np.min(np.log(bound[noisy] * (2 * regrowth.clean_loss(ahead)) ** power) - np.log(c)))
    return np.array(found)[None]


VANISHING = Claim(
    id="zhang2025.vanishing_coupling",
    origin="derived",
    source="Zhang et al. (2025), abstract: the coupling vanishes with the clean-subset loss; the bound is derived here",
    statement="|c_i| <= |r_i| rms_j(K_ij) sqrt(2 L_v): the coupling vanishes with the square root of the clean loss.",
    regime="any kernel; along 1000 steps with the clean subset contained in the training set",
    tolerance=Ordering(),
    setup=settings,
    predicted=lambda c: 1.0,
    measured=_bounded,
    mutants=(
        Mutant("the loss itself, not its root", measured=partial(_bounded, power=1.0)),
        Mutant("a tenth of the kernel", measured=partial(_bounded, kernel=0.1)),
    ),
    theory="theory.reweighting_regrowth.coupling_bound",
    figure="zhang2025.post_filtering",
)


def _regained(cases: list[Setting], noise: float = 0.0) -> FloatArray:
    """What the energy bound leaves to the mislabelled after the first 100 steps, less what they hold, over 2000 steps.

    noise: standard deviation of fresh errors of the look-ahead residuals, which the bound does not allow for.
    """
    rng, slack = np.random.default_rng(1), []
    for case in cases:
        K, noisy = linear_blocks(case.problem), case.problem.mislabelled
        beta, steps = case.alpha * case.eta, 2100
        at = train(case.problem, beta=beta, eta=case.eta, steps=steps)
        if noise:
            start, errors = case.problem.start, noise * rng.normal(size=(steps, M))
            at = theory.trajectory(K, start, beta=beta, eta=case.eta, steps=steps, noise=errors.__getitem__)
        held = np.sum(at.w[101:, noisy] ** 2, axis=1) + np.sum(at.w[101:, ~noisy] ** 2, axis=1)
        slack.append(np.min(2 * case.alpha * regrowth.energy(theory.State(*(a[100] for a in at)), case.alpha) - held))
    return np.array(slack)[None]


NO_FREE_REGROWTH = Claim(
    id="zhang2025.no_free_regrowth",
    origin="derived",
    source=OURS,
    statement="Without errors, weights of mislabelled examples regrow only out of a fall of the clean-subset loss or "
    "of other weights: |w_N(t)|^2 <= 2 alpha L_v(T) + |w(T)|^2 - |w_C(t)|^2.",
    regime="linearised model, alpha at most one over the curvature; held out and contained clean subsets",
    tolerance=Ordering(),
    setup=settings,
    predicted=lambda c: 1.0,
    measured=_regained,
    mutants=(Mutant("errors of the residuals, fresh at every step", measured=partial(_regained, noise=0.3)),),
    theory="theory.reweighting_regrowth.energy",
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
    objective, params = rules.Objective(models.linear(5), rules.squared), {"w": jnp.zeros(5)}
    batch, w = rules.Batch(train_split.x, train_split.t), jnp.full(len(train_split.t), 0.5)

    def coupling(error: jax.Array) -> jax.Array:
        return meta_reweighting.couplings(objective, params, batch, rules.Batch(clean.x, clean.t + error), w, 0.0)

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
    theory="theory.reweighting_regrowth.coupling_noise",
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
    theory="theory.reweighting_regrowth.sign_tolerance",
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
    theory="theory.reweighting_phases.Filtering",
    figure="zhang2025.post_filtering",
)

CLAIMS = (REGRET, ENERGY, VANISHING, NO_FREE_REGROWTH, NOISE, RELATIVE, END)
