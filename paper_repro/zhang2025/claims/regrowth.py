"""Claims on what bounds weights and the clean-subset loss for all time: regret, and an energy that never rises."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.zhang2025.claims.measured_training import FloatArray, TwoClasses, caps, linear_blocks, train
from paper_repro.zhang2025.claims.recursion import OURS
from sims import objectives, rules
from sims.data.sampling import Split
from sims.models import networks
from spec.claims import Claim, Mutant, Ordering, Sample
from spec.rules import MetaReweight
from spec.seeds import named_seed
from theory.reweighting import recursion as theory
from theory.reweighting import regrowth

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
    rng, slack = np.random.default_rng(named_seed("zhang2025.regret/weights")), []
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
    theory="theory.reweighting.regrowth.regret_slack",
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


SOFTMAX = objectives.Objective(networks.mlp((2, 3)), objectives.cross_entropy)


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
    rule = rules.bind(
        MetaReweight(rates[0], rates[1]), rules.Context(train_split, clean, jax.random.key(named_seed("unused")))
    )

    def step(carry: Any, _: None) -> Any:
        params, state = carry
        record = SOFTMAX.mean(params, objectives.Batch(clean.x, clean.t)), jnp.sum(state.w**2)
        g, state = rules.gradient(rule, state, SOFTMAX, params, objectives.Batch(train_split.x, train_split.t))
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
    theory="theory.reweighting.regrowth.energy",
    figure="zhang2025.post_filtering",
)


def _regained(cases: list[Setting], noise: float = 0.0) -> FloatArray:
    """What the energy bound leaves to the mislabelled after the first 100 steps, less what they hold, over 2000 steps.

    noise: standard deviation of fresh errors of the look-ahead residuals, which the bound does not allow for.
    """
    rng, slack = np.random.default_rng(named_seed("zhang2025.no_free_regrowth/errors")), []
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
    theory="theory.reweighting.regrowth.energy",
    figure="zhang2025.post_filtering",
)


CLAIMS = (REGRET, ENERGY, NO_FREE_REGROWTH)
