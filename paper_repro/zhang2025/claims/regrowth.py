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
from spec.claims import AtMost, Claim, Mutant, Sample
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


class _Step(NamedTuple):
    """One step of training, and the fixed weights it is compared with."""

    setting: Setting
    now: theory.State
    following: theory.State
    u: FloatArray


def _steps(sample: Sample, **wrong: Any) -> list[_Step]:
    """Every step of every setting, for u = 0, near the clean indicator, and at random."""
    rng, found = np.random.default_rng([sample.seed, 1]), []
    for case in settings(sample):
        beta = case.alpha * case.eta
        run = train(case.problem, **({"beta": beta, "eta": case.eta, "steps": STEPS} | wrong))
        states = [theory.State(*(a[t] for a in run)) for t in range(STEPS + 1)]
        fixed = np.stack([np.zeros(N), 0.05 + 0.9 * ~case.problem.mislabelled, rng.uniform(size=N)])
        found += [_Step(case, *pair, u) for u in fixed for pair in zip(states[:-1], states[1:], strict=True)]
    return found


class _Regrets(NamedTuple):
    """The steps of the algorithm, and those without its look-ahead."""

    right: list[_Step]
    without_look_ahead: list[_Step]


def _regrets(steps: list[_Step]) -> FloatArray:
    """Regrets in one row."""
    blocks = {id(step.setting): linear_blocks(step.setting.problem) for step in steps}
    rows = [regrowth.regret(blocks[id(s.setting)], s.now, s.following, s.u, eta=s.setting.eta) for s in steps]
    return np.array(rows)[None]


def _regret_bounds(case: _Regrets, *, scale: float = 1.0, as_beta: bool = False, ahead: bool = True) -> FloatArray:
    """scale: another factor for 2 alpha. as_beta: beta in place of alpha. ahead: of the steps with the look-ahead."""
    steps = case.right if ahead else case.without_look_ahead
    alphas = [scale * s.setting.alpha * (s.setting.eta if as_beta else 1.0) for s in steps]
    pairs = zip(steps, alphas, strict=True)
    return np.array([regrowth.regret_bound(s.now, s.following, s.u, alpha) for s, alpha in pairs])


REGRET = Claim(
    id="zhang2025.regret",
    origin="derived",
    source=OURS,
    statement="One step's clean loss exceeds that of any fixed weights u, taken from the same point, by at most "
    "(|w - u|^2 - |w' - u|^2)/(2 alpha); with u = 0, L_v + |w|^2/(2 alpha) never rises.",
    regime="linearised model, squared loss, alpha at most one over the curvature of the clean loss in the weights",
    tolerance=AtMost(),
    setup=lambda s: _Regrets(_steps(s), _steps(s, look_ahead=False)),
    predicted=_regret_bounds,
    measured=lambda c: _regrets(c.right),
    mutants=(
        Mutant(
            "look-ahead dropped",
            predicted=partial(_regret_bounds, ahead=False),
            measured=lambda c: _regrets(c.without_look_ahead),
        ),
        Mutant("bound without the 1/2", predicted=partial(_regret_bounds, scale=0.5)),
        Mutant("alpha = beta in the bound", predicted=partial(_regret_bounds, as_beta=True)),
        Mutant("alpha doubled in the bound", predicted=partial(_regret_bounds, scale=2.0)),
    ),
    theory="theory.reweighting.regrowth.regret_bound",
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


def _energies(case: tuple[Split, Split], turn: float = 1.0, scale: float = 1.0, ahead: float = 1.0) -> FloatArray:
    """L_v + |w|^2/(2 alpha) at 26 steps of softmax regression; scale: another factor for 2 alpha in it."""
    # The curvature of the clean loss in the weights is at most eta^2 |gram|^2/m: softmax has 1/2, residuals sqrt 2.
    eta = 0.5
    gram = np.asarray(case[1].x) @ np.asarray(case[0].x).T + 1
    alpha = 0.9 * M / (eta**2 * np.linalg.norm(gram, ord=2) ** 2)
    loss, squares = _softmax_path(*case, jnp.asarray([turn * alpha * eta, N * eta * ahead, N * eta]))
    return regrowth.energy_of(np.asarray(loss), np.asarray(squares), float(scale * alpha))


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


def _before(case: tuple[Split, Split], **wrong: float) -> FloatArray:
    return _energies(case, **wrong)[:-1]


def _after(case: tuple[Split, Split], **wrong: float) -> FloatArray:
    return _energies(case, **wrong)[None, 1:]


def _wrong_energy(wrong: str, **changes: Any) -> Mutant:
    return Mutant(wrong, predicted=partial(_before, **changes), measured=partial(_after, **changes))


ENERGY = Claim(
    id="zhang2025.energy_of_classes",
    origin="derived",
    source=OURS,
    statement="L_v + |w|^2/(2 alpha) never rises under multi-class cross-entropy either.",
    regime="model linear in its parameters, convex loss, alpha at most one over the curvature",
    tolerance=AtMost(),
    setup=blobs,
    predicted=_before,
    measured=_after,
    mutants=(
        _wrong_energy("sign of the coupling", turn=-1.0),
        _wrong_energy("look-ahead dropped", ahead=0.0),
    ),
    theory="theory.reweighting.regrowth.energy_of",
    figure="zhang2025.post_filtering",
)


def _held(cases: list[Setting], noise: float = 0.0) -> FloatArray:
    """The largest |w|^2 of 2000 steps after the first 100, in one row.

    noise: standard deviation of fresh errors of the look-ahead residuals, which the bound does not allow for.
    """
    rng, held = np.random.default_rng(named_seed("zhang2025.no_free_regrowth/errors")), []
    for case in cases:
        beta, steps = case.alpha * case.eta, 2100
        at = train(case.problem, beta=beta, eta=case.eta, steps=steps)
        if noise:
            K, start, errors = linear_blocks(case.problem), case.problem.start, noise * rng.normal(size=(steps, M))
            at = theory.trajectory(K, start, beta=beta, eta=case.eta, steps=steps, noise=errors.__getitem__)
        held.append(np.max(np.sum(at.w[101:] ** 2, axis=1)))
    return np.array(held)[None]


def _left(cases: list[Setting], loss: float = 1.0) -> FloatArray:
    """What the energy after 100 steps leaves to all weights: 2 alpha L_v + |w|^2; loss: another factor of L_v."""
    bounds = []
    for case in cases:
        at = train(case.problem, beta=case.alpha * case.eta, eta=case.eta, steps=2100)
        state = theory.State(*(a[100] for a in at))
        lost = (1 - loss) * regrowth.clean_loss(state.r_clean)
        bounds.append(2 * case.alpha * (regrowth.energy(state, case.alpha) - lost))
    return np.array(bounds)


NO_FREE_REGROWTH = Claim(
    id="zhang2025.no_free_regrowth",
    origin="derived",
    source=OURS,
    statement="Without errors, weights of mislabelled examples regrow only out of a fall of the clean-subset loss or "
    "of other weights: |w_N(t)|^2 <= 2 alpha L_v(T) + |w(T)|^2 - |w_C(t)|^2.",
    regime="linearised model, alpha at most one over the curvature; held out and contained clean subsets",
    tolerance=AtMost(),
    setup=settings,
    predicted=_left,
    measured=_held,
    mutants=(Mutant("errors of the residuals, fresh at every step", measured=partial(_held, noise=0.3)),),
    theory="theory.reweighting.regrowth.energy",
    figure="zhang2025.post_filtering",
)


CLAIMS = (REGRET, ENERGY, NO_FREE_REGROWTH)
