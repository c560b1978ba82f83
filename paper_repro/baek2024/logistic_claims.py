"""Claims on logistic regression at finite n: Section 3 of the paper and what follows from it."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import expit

from paper_repro.baek2024.simulated import LINEAR, Case, gradient_norms, gradients, random_case, weights
from sims import models, rules
from sims.data import Data, Split
from sims.train import train
from spec.claims import Claim, Exact, Mutant, Ordering
from spec.rules import JacobianSam, LogitSam, Sam, Sgd
from spec.training import Training
from theory import logistic

SECTION = "Baek et al. (2024), Section 3"
OURS = "derived here from " + SECTION
ANY = "logistic regression, any w, x, t and rho >= 0"


def _closed_form(rule: Any, case: Case, factor: float = 1.0) -> np.ndarray:
    """theory.logistic.gradient for every problem of the case."""
    rows = zip(case.w, case.x, case.t, case.rho * factor, strict=True)
    return np.stack([logistic.gradient(rule(rho), w, x, t) for w, x, t, rho in rows])


def _margins(case: Case) -> np.ndarray:
    return case.t * np.einsum("knd,kd->kn", case.x, case.w)


def _shifts(case: Case) -> np.ndarray:
    return case.rho[:, None] * np.linalg.norm(case.x, axis=2)


def _measured_amplification(case: Case, factor: float = 1.0) -> np.ndarray:
    return gradient_norms(Sam(0.0), case, factor) / gradient_norms(Sgd(), case)


CLOSED_FORM = Claim(
    id="baek2024.closed_form",
    origin="paper",
    source=SECTION,
    statement="The 1-SAM gradient of logistic regression is -mean t sigma(-t<w,x> + rho||x||) x.",
    regime=ANY,
    tolerance=Exact(),
    setup=random_case,
    predicted=partial(_closed_form, Sam),
    measured=partial(gradients, Sam(0.0)),
    mutants=(
        Mutant("no ascent step", measured=partial(gradients, Sgd())),
        Mutant("descent instead of ascent", measured=partial(gradients, Sam(0.0), rho_factor=-1.0)),
        Mutant("rho doubled", measured=partial(gradients, Sam(0.0), rho_factor=2.0)),
        Mutant(
            "norm of x dropped from the shift",
            predicted=lambda c: -np.einsum("kn,knd->kd", expit(c.rho[:, None] - _margins(c)) * c.t, c.x) / c.t.shape[1],
        ),
        Mutant("one perturbation for the whole batch", measured=partial(gradients, Sam(0.0, "batch"))),
    ),
    theory="theory.logistic.example_gradients",
    figure="baek2024.upweighting",
)

AMPLIFICATION = Claim(
    id="baek2024.amplification",
    origin="paper",
    source=SECTION,
    statement="1-SAM multiplies the gradient of an example by sigma(-z + C)/sigma(-z), C = rho||x||.",
    regime=ANY,
    tolerance=Exact(),
    setup=random_case,
    predicted=lambda c: logistic.amplification(_margins(c), _shifts(c)),
    measured=_measured_amplification,
    mutants=(
        Mutant("its limit e^C everywhere", predicted=lambda c: np.exp(_shifts(c))),
        Mutant("margin with the wrong sign", predicted=lambda c: logistic.amplification(-_margins(c), _shifts(c))),
        Mutant("rho doubled", measured=partial(_measured_amplification, factor=2.0)),
    ),
    theory="theory.logistic.amplification",
    figure="baek2024.upweighting",
)


def _increments(case: Case, factor: float = 1.0) -> np.ndarray:
    """Differences of the measured amplification along increasing margin, at equal norms; one row."""
    order = np.argsort(_margins(case), axis=1)
    return np.diff(np.take_along_axis(_measured_amplification(case, factor), order, axis=1), axis=1).reshape(1, -1)


LEMMA_3_1 = Claim(
    id="baek2024.lemma_3_1",
    origin="paper",
    source="Baek et al. (2024), Lemma 3.1",
    statement="For C > 0 the amplification is strictly increasing in the margin: low-loss points are up-weighted most.",
    regime="examples of equal norm, rho > 0",
    tolerance=Ordering(),
    setup=partial(random_case, equal_norms=True),
    predicted=lambda c: np.ones((c.t.shape[1] - 1) * len(c.t)),
    measured=_increments,
    mutants=(Mutant("a descent step (C < 0)", measured=partial(_increments, factor=-1.0)),),
    theory="theory.logistic.log_amplification_slope",
    figure="baek2024.upweighting",
)


def _slopes(case: Case) -> np.ndarray:
    """d/dz of the amplification, d/dz and d/dC of its logarithm, by differentiating the simulator's loss."""
    residual = jax.grad(rules.logistic)

    def f(z: Any, C: Any) -> Any:
        return residual(z - C, 1.0) / residual(z, 1.0)

    def log_f(z: Any, C: Any) -> Any:
        return jnp.log(f(z, C))

    z, C = jnp.asarray(_margins(case).ravel()), jnp.asarray(_shifts(case).ravel())
    slope, log_slope, log_slope_in_C = (
        np.asarray(jax.vmap(g)(z, C)) for g in (jax.grad(f), jax.grad(log_f), jax.grad(log_f, argnums=1))
    )
    # Relative to f, so that one large amplification does not set the scale for all.
    return np.stack([slope / np.asarray(jax.vmap(f)(z, C)), log_slope, log_slope_in_C])


def _stated_slopes(case: Case) -> np.ndarray:
    z, C = _margins(case).ravel(), _shifts(case).ravel()
    first = logistic.amplification_slope(z, C) / logistic.amplification(z, C)
    return np.stack([first, logistic.log_amplification_slope(z, C), logistic.log_amplification_slope_in_C(z, C)])


SLOPES = Claim(
    id="baek2024.amplification_slopes",
    origin="derived",
    source=OURS,
    statement="f' = f (sigma(z) - sigma(z-C)), (log f)' = sigma(z) - sigma(z-C), d log f/dC = sigma(z-C).",
    regime="any z and C",
    tolerance=Exact(),
    setup=random_case,
    predicted=_stated_slopes,
    measured=_slopes,
    mutants=(
        Mutant("sign", predicted=lambda c: -_stated_slopes(c)),
        Mutant("C dropped", predicted=lambda c: _stated_slopes(c._replace(rho=0 * c.rho))),
    ),
    theory="theory.logistic.amplification_slope",
    figure="baek2024.upweighting",
)


def _at_margins(case: Case, levels: tuple[float, ...], factor: float = 1.0) -> np.ndarray:
    """Measured amplification over its stated limit, for one example moved to each margin: w = z x/||x||^2."""
    x = case.x[:, :1]
    toward = x[:, 0] / np.sum(x**2, axis=2)
    columns = [
        _measured_amplification(Case(z * toward, x, np.ones(x.shape[:2]), case.mislabelled[:, :1], case.rho), factor)
        for z in levels
    ]
    return np.concatenate(columns, axis=1)


def _limits(case: Case) -> np.ndarray:
    C = _shifts(case)[:, 0]
    return np.stack([np.ones_like(C), 2 / (1 + np.exp(-C)), np.exp(C)], axis=1)


LIMITS = Claim(
    id="baek2024.amplification_limits",
    origin="derived",
    source=OURS,
    statement="The amplification tends to 1 for misfit points, is 2/(1+e^-C) at z = 0, and tends to e^C at large z.",
    regime="measured at z = -60, 0, 60 with C below 20: the distance to the limits is below e^-40",
    tolerance=Exact(),
    setup=lambda s: (lambda c: c._replace(rho=np.minimum(c.rho, 20 / np.linalg.norm(c.x, axis=2)[:, 0])))(
        random_case(s)
    ),
    predicted=lambda c: np.ones(3),
    measured=lambda c: _at_margins(c, (-60.0, 0.0, 60.0)) / _limits(c),
    mutants=(
        Mutant("limits exchanged", measured=lambda c: _at_margins(c, (-60.0, 0.0, 60.0)) / _limits(c)[:, ::-1]),
        Mutant("rho doubled", measured=lambda c: _at_margins(c, (-60.0, 0.0, 60.0), 2.0) / _limits(c)),
    ),
    theory="theory.logistic.amplification",
    figure="baek2024.upweighting",
)


def _robust_loss_gradient(case: Case, factor: float = 1.0, power: int = 1) -> np.ndarray:
    def robust(w: Any, x: Any, t: Any, rho: Any) -> Any:
        return jnp.mean(jax.nn.softplus(-t * (x @ w) + rho * jnp.linalg.norm(x, axis=1) ** power))

    return np.asarray(jax.vmap(jax.grad(robust))(case.w, case.x, case.t, case.rho * factor))


ROBUST_LOSS = Claim(
    id="baek2024.robust_loss",
    origin="derived",
    source=OURS,
    statement="The 1-SAM gradient is the exact gradient of the convex loss mean log(1 + exp(-z_i + rho||x_i||)).",
    regime=ANY + "; not true of n-SAM",
    tolerance=Exact(),
    setup=random_case,
    predicted=_robust_loss_gradient,
    measured=partial(gradients, Sam(0.0)),
    mutants=(
        Mutant("n-SAM", measured=partial(gradients, Sam(0.0, "batch"))),
        Mutant("squared norm", predicted=partial(_robust_loss_gradient, power=2)),
        Mutant("margin raised instead of lowered", predicted=partial(_robust_loss_gradient, factor=-1.0)),
    ),
    theory="theory.logistic.robust_loss",
)

_PATH_RULES = (Sgd(), Sam(0.3), Sam(0.3, "batch"), Sam(0.3, 4), LogitSam(0.3), JacobianSam(0.3))


def _simulated_paths(case: Case, swapped: tuple[Any, ...] = _PATH_RULES) -> np.ndarray:
    """The final iterate of 100 full-batch steps of sims.train under every rule."""
    model = models.linear(case.x.shape[2])
    training = Training(eta=0.2, epochs=100, record_every=100)
    split = Split(jnp.asarray(case.x[0]), jnp.asarray(case.t[0]), jnp.asarray(case.t[0]))

    def final(rule: Any) -> Any:
        return train(
            rule,
            training,
            model=model,
            loss=rules.logistic,
            params={"w": jnp.asarray(case.w[0])},
            data=Data(split, None, split),
            observe=lambda *_: {"nothing": jnp.zeros(())},
            key=jax.random.key(0),  # full batches: the order plays no part
        )[0]["w"]

    return np.stack([np.asarray(final(rule)) for rule in swapped])


PATH = Claim(
    id="baek2024.training_path",
    origin="derived",
    source=OURS,
    statement="Full-batch training follows w <- w - eta grad with the closed-form gradient of every rule.",
    regime=(
        "constant step; SGD, 1-, n-, m-SAM, L-SAM, J-SAM; 100 steps; d > n, so that no point is stationary: "
        "near one the direction of a shared ascent step is ill-conditioned and n-SAM paths amplify rounding"
    ),
    tolerance=Exact(),
    setup=partial(random_case, d=30),
    predicted=lambda c: np.stack(
        [logistic.descend(rule, c.w[0], c.x[0], c.t[0], eta=0.2, steps=100)[-1] for rule in _PATH_RULES]
    ),
    measured=_simulated_paths,
    mutants=(
        Mutant("SGD in place of every rule", measured=partial(_simulated_paths, swapped=(Sgd(),) * 6)),
        Mutant(
            "1-SAM and n-SAM exchanged",
            measured=partial(_simulated_paths, swapped=tuple(_PATH_RULES[i] for i in (0, 2, 1, 3, 4, 5))),
        ),
    ),
    theory="theory.logistic.descend",
)


def _weight_increments(case: Case) -> np.ndarray:
    """Differences of the 1-SAM weights along increasing margin; one row."""
    order = np.argsort(_margins(case), axis=1)
    return np.diff(np.take_along_axis(weights(Sam(0.0), case), order, axis=1), axis=1).reshape(1, -1)


NEVER_REORDERS = Claim(
    id="baek2024.never_reorders",
    origin="derived",
    source=OURS,
    statement="1-SAM never reorders examples: a larger margin keeps the smaller weight at every rho.",
    regime="equal norms; with unequal norms see baek2024.reordering_radius",
    tolerance=Ordering(),
    setup=partial(random_case, equal_norms=True),
    predicted=lambda c: -np.ones((c.t.shape[1] - 1) * len(c.t)),
    measured=_weight_increments,
    mutants=(
        Mutant(
            "examples of unequal norm",
            measured=lambda c: _weight_increments(
                c._replace(x=c.x * np.linspace(0.2, 3, c.x.shape[1])[:, None], w=c.w * 0.3)
            ),
        ),
    ),
    theory="theory.logistic.relative_weight",
)


def _weight_gaps(case: Case, radius_factor: float = 1.0) -> np.ndarray:
    """s_i - s_j at 0.9 and at 1.1 times the stated radius, oriented so that z_i > z_j; pairs with a finite radius."""
    z, norms = _margins(case), np.linalg.norm(case.x, axis=2)
    swap = (z[:, 0] < z[:, 1])[:, None]
    z, norms = (np.where(swap, a[:, 1::-1], a[:, :2]) for a in (z, norms))
    radius = logistic.reordering_radius(z[:, 0], z[:, 1], norms[:, 0], norms[:, 1])
    finite = radius * norms[:, 0] - z[:, 0] < 15  # beyond, both weights round to one
    rho = radius[finite] * radius_factor
    pair = Case(case.w[finite], case.x[finite, :2], case.t[finite, :2], case.mislabelled[finite, :2], rho)
    signs = np.where(swap[finite, 0], -1.0, 1.0)
    gaps = [signs * -np.diff(weights(Sam(0.0), pair, factor), axis=1)[:, 0] for factor in (0.9, 1.1)]
    return np.stack(gaps, axis=1).reshape(1, -1)


REORDERING = Claim(
    id="baek2024.reordering_radius",
    origin="derived",
    source=OURS,
    statement="With unequal norms two examples change order exactly at rho = (z_i - z_j)/(||x_i|| - ||x_j||).",
    regime="pairs whose larger margin has the larger norm; weights at the radius below sigma(15)",
    tolerance=Ordering(),
    setup=random_case,
    predicted=lambda c: np.tile([-1.0, 1.0], _weight_gaps(c).size // 2),
    measured=_weight_gaps,
    mutants=(Mutant("radius doubled", measured=partial(_weight_gaps, radius_factor=2.0)),),
    theory="theory.logistic.reordering_radius",
)

UNIFORM = Claim(
    id="baek2024.uniform_limit",
    origin="derived",
    source=OURS,
    statement="As rho grows all weights tend to 1: the gradient becomes -mean t x, and learns the mean classifier.",
    regime="measured where rho||x|| - z > 40 for every example, so that weights differ from 1 by less than e^-40",
    tolerance=Exact(),
    setup=lambda s: (lambda c: c._replace(rho=(40 + np.abs(_margins(c)).max(1)) / np.linalg.norm(c.x, axis=2).min(1)))(
        random_case(s)
    ),
    predicted=lambda c: -np.einsum("kn,knd->kd", c.t, c.x) / c.t.shape[1],
    measured=partial(gradients, Sam(0.0)),
    mutants=(
        Mutant("labels dropped", predicted=lambda c: -c.x.mean(axis=1)),
        Mutant("small rho", measured=partial(gradients, Sam(0.0), rho_factor=0.01)),
        Mutant("n-SAM", measured=partial(gradients, Sam(0.0, "batch"))),
    ),
    theory="theory.logistic.relative_weight",
    figure="baek2024.toy_gain",
)


def _log_ratio_slopes(case: Case, rule: Any = Sam) -> np.ndarray:
    """d/d rho of log(mean clean / mean mislabelled gradient norm), by differentiating the simulator's rule."""

    def log_ratio(rho: Any, w: Any, x: Any, t: Any, noisy: Any) -> Any:
        norms, _ = rules.contributions(rule(rho), LINEAR, {"w": w}, rules.Batch(x, t))
        return jnp.log(jnp.sum(norms * ~noisy) / jnp.sum(norms * noisy))

    return np.asarray(jax.jit(jax.vmap(jax.grad(log_ratio)))(case.rho, case.w, case.x, case.t, case.mislabelled))


def _stated_ratio_slopes(case: Case) -> np.ndarray:
    norms = np.linalg.norm(case.x, axis=2)
    rows = zip(_margins(case), norms, case.mislabelled, case.rho, strict=True)
    return np.array([logistic.clean_noisy_ratio_log_slope(*row) for row in rows])


def _unit_norm_slopes(case: Case) -> np.ndarray:
    ones = np.ones(case.t.shape[1])
    rows = zip(_margins(case), case.mislabelled, case.rho, strict=True)
    return np.array([logistic.clean_noisy_ratio_log_slope(z, ones, m, rho) for z, m, rho in rows])


RATIO_SLOPE = Claim(
    id="baek2024.ratio_slope",
    origin="derived",
    source=OURS,
    statement="d log(clean/mislabelled gradient ratio)/d rho is the difference of the groups' self-weighted means.",
    regime=ANY + ", both groups non-empty, at fixed w",
    tolerance=Exact(),
    setup=random_case,
    predicted=_stated_ratio_slopes,
    measured=_log_ratio_slopes,
    mutants=(
        Mutant("groups exchanged", predicted=lambda c: -_stated_ratio_slopes(c)),
        Mutant("norms taken as one", predicted=_unit_norm_slopes),
    ),
    theory="theory.logistic.clean_noisy_ratio_log_slope",
    figure="baek2024.clean_noisy_ratio",
)


def _self_weighted_sign(case: Case, power: int = 2) -> np.ndarray:
    """sign(sum_m s^2/sum_m s - sum_c s^2/sum_c s), from the closed-form weights: the stated condition."""
    s, noisy = expit(_shifts(case) - _margins(case)), case.mislabelled
    means = [(s**power * g).sum(1) / (s * g).sum(1) for g in (noisy, ~noisy)]
    return np.sign(means[0] - means[1])


def _ratio_changes(case: Case) -> np.ndarray:
    """Change of the measured ratio when rho grows by a small factor; one row."""

    def ratio(factor: float) -> np.ndarray:
        norms = gradient_norms(Sam(0.0), case, factor)
        clean, noisy = ((norms * g).sum(1) for g in (~case.mislabelled, case.mislabelled))
        return np.log(clean / noisy)

    return (ratio(1 + 1e-5) - ratio(1 - 1e-5))[None]


def _away_from_boundary(sample: Any) -> Case:
    case = random_case(sample, equal_norms=True)
    keep = np.abs(_stated_ratio_slopes(case)) > 1e-6
    return Case(*(a[keep] for a in case))


RATIO_CONDITION = Claim(
    id="baek2024.ratio_condition",
    origin="derived",
    source=OURS,
    statement=(
        "A larger rho raises the clean/mislabelled gradient ratio at the same w exactly when the mislabelled examples "
        "have the larger self-weighted mean weight, sum s^2/sum s."
    ),
    regime="equal norms, fixed w, relative slope above 1e-6 in size (numerical sign)",
    tolerance=Ordering(),
    setup=_away_from_boundary,
    predicted=_self_weighted_sign,
    measured=_ratio_changes,
    mutants=(
        Mutant(
            "condition on the plain mean weights at rho = 0",
            predicted=lambda c: np.sign(
                [expit(-z)[m].mean() - expit(-z)[~m].mean() for z, m in zip(_margins(c), c.mislabelled, strict=True)]
            ),
        ),
    ),
    theory="theory.logistic.clean_noisy_ratio_log_slope",
    figure="baek2024.clean_noisy_ratio",
)

SHARED_SHIFT = Claim(
    id="baek2024.batch_shifts",
    origin="derived",
    source=OURS,
    statement="n-SAM and m-SAM lower margin i by rho t_i <x_i, u>, u the unit descent direction of the shard.",
    regime=ANY,
    tolerance=Exact(),
    setup=random_case,
    predicted=lambda c: np.stack([_closed_form(lambda r, m=m: Sam(r, m), c) for m in ("batch", 4)]),
    measured=lambda c: np.stack([gradients(Sam(0.0, m), c) for m in ("batch", 4)]),
    mutants=(
        Mutant("every example its own shift", predicted=lambda c: np.stack([_closed_form(Sam, c)] * 2)),
        Mutant("margins raised", predicted=lambda c: np.stack([_raised(c, m) for m in (12, 4)])),
        Mutant("shards exchanged", measured=lambda c: np.stack([gradients(Sam(0.0, m), c) for m in (4, "batch")])),
    ),
    theory="theory.logistic.shared_margin_shift",
)


def _raised(case: Case, m: int) -> np.ndarray:
    return 2 * _closed_form(lambda r: Sgd(), case) - _closed_form(lambda r: Sam(r, m), case)


SPLIT = Claim(
    id="baek2024.linear_split",
    origin="derived",
    source="derived here from Baek et al. (2024), Section 4.1",
    statement="In the linear model the Jacobian is constant: L-SAM is exactly 1-SAM and J-SAM is exactly SGD.",
    regime=ANY,
    tolerance=Exact(),
    setup=random_case,
    predicted=lambda c: np.stack([_closed_form(Sam, c), _closed_form(lambda r: Sgd(), c)]),
    measured=lambda c: np.stack([gradients(LogitSam(0.0), c), gradients(JacobianSam(0.0), c)]),
    mutants=(
        Mutant(
            "L-SAM and J-SAM exchanged",
            measured=lambda c: np.stack([gradients(JacobianSam(0.0), c), gradients(LogitSam(0.0), c)]),
        ),
    ),
    theory="theory.logistic.example_weights",
)

CLAIMS = (
    CLOSED_FORM,
    AMPLIFICATION,
    LEMMA_3_1,
    SLOPES,
    LIMITS,
    ROBUST_LOSS,
    PATH,
    NEVER_REORDERS,
    REORDERING,
    UNIFORM,
    RATIO_SLOPE,
    RATIO_CONDITION,
    SHARED_SHIFT,
    SPLIT,
)
