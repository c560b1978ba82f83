"""Claims on gradients of logistic regression at finite n: closed forms, robust loss, paths, limits."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import expit

from paper_repro.baek2024.claims.predicted_gradients import ANY, OURS, SECTION, closed_form, margins, shifts
from paper_repro.shared.at_rho import n_sam, sgd
from paper_repro.shared.logistic_cases import LINEAR, Case, gradients, random_case
from sims.data.sampling import Data, Split
from sims.train import train
from spec.claims import AtMost, Claim, Exact, Mutant
from spec.rules import JacobianSam, LogitSam, Sam, Sgd
from spec.seeds import named_seed
from spec.training import Training
from theory.logistic import regression

CLOSED_FORM = Claim(
    id="baek2024.closed_form",
    origin="paper",
    source=SECTION,
    statement="The 1-SAM gradient of logistic regression is -mean t sigma(-t<w,x> + rho||x||) x.",
    regime=ANY,
    tolerance=Exact(),
    setup=random_case,
    predicted=lambda c: np.stack([regression.example_gradients(Sam(rho), w, x, t).mean(axis=0)
                                  for w, x, t, rho in zip(c.w, c.x, c.t, c.rho, strict=True)]),
    measured=partial(gradients, Sam),
    mutants=(
        Mutant("no ascent step", measured=partial(gradients, sgd)),
        Mutant("descent instead of ascent", measured=partial(gradients, Sam, rho_factor=-1.0)),
        Mutant("rho doubled", measured=partial(gradients, Sam, rho_factor=2.0)),
        Mutant(
            "norm of x dropped from the shift",
            predicted=lambda c: -np.einsum("kn,knd->kd", expit(c.rho[:, None] - margins(c)) * c.t, c.x) / c.t.shape[1],
        ),
        Mutant("one perturbation for the whole batch", measured=partial(gradients, n_sam)),
    ),
    theory="theory.logistic.regression.example_gradients",
    figure="baek2024.upweighting",
)  # fmt: skip


def _directions(case: Case) -> np.ndarray:
    """A short step from w for every problem, across and along the inputs, (k, d)."""
    return 0.3 * np.roll(case.x[:, 0], 1, axis=1) / np.linalg.norm(case.x, axis=2).max(axis=1, keepdims=True)


def _robust_differences(case: Case, factor: float = 1.0, power: int = 1) -> np.ndarray:
    """robust_loss at the end of the step less that at w; the losses of the examples one by one, (k,)."""

    def loss(w: Any, x: Any, t: Any, rho: Any) -> float:
        ones = zip(x[:, None], t[:, None], np.linalg.norm(x, axis=1), strict=True)
        return float(np.mean([regression.robust_loss(w, xi, ti, rho * norm ** (power - 1)) for xi, ti, norm in ones]))

    rows = zip(case.w, case.w + _directions(case), case.x, case.t, case.rho * factor, strict=True)
    return np.array([loss(end, x, t, rho) - loss(w, x, t, rho) for w, end, x, t, rho in rows])


def _work(case: Case, rule: Any = Sam) -> np.ndarray:
    """The integral of the simulated gradient along the step, by Gauss-Legendre quadrature, (k,)."""
    nodes, shares = np.polynomial.legendre.leggauss(16)
    along = _directions(case)
    points = [case._replace(w=case.w + (node + 1) / 2 * along) for node in nodes]
    return sum(s / 2 * np.sum(gradients(rule, p) * along, axis=1) for s, p in zip(shares, points, strict=True))


ROBUST_LOSS = Claim(
    id="baek2024.robust_loss",
    origin="derived",
    source=OURS,
    statement="The 1-SAM gradient is the exact gradient of the convex loss mean log(1 + exp(-z_i + rho||x_i||)).",
    regime=ANY + "; not true of n-SAM; by the integral of the gradient along a step",
    tolerance=Exact(),
    setup=random_case,
    predicted=_robust_differences,
    measured=_work,
    mutants=(
        Mutant("n-SAM", measured=partial(_work, rule=n_sam)),
        Mutant("squared norm", predicted=partial(_robust_differences, power=2)),
        Mutant("margin raised instead of lowered", predicted=partial(_robust_differences, factor=-1.0)),
    ),
    theory="theory.logistic.regression.robust_loss",
)


_PATH_RULES = (Sgd(), Sam(0.3), Sam(0.3, "batch"), Sam(0.3, 4), LogitSam(0.3), JacobianSam(0.3))


def _simulated_paths(case: Case, swapped: tuple[Any, ...] = _PATH_RULES) -> np.ndarray:
    """The final iterate of 100 full-batch steps of sims.train under every rule."""
    start, split = jnp.asarray(case.w[0]), Split(*map(jnp.asarray, (case.x[0], case.t[0], case.t[0])))
    return np.stack([np.asarray(_trained(rule, start, split)) for rule in swapped])


@partial(jax.jit, static_argnums=0)
def _trained(rule: Any, start: Any, split: Any) -> Any:
    return train(
        rule,
        Training(eta=0.2, epochs=100, record_every=100),
        model=LINEAR.model,
        loss=LINEAR.loss,
        params={"w": start},
        data=Data(split, None, split),
        observe=lambda *_: {"nothing": jnp.zeros(())},
        key=jax.random.key(named_seed("unused")),  # full batches: the order plays no part
    )[0]["w"]


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
        [regression.descend(rule, c.w[0], c.x[0], c.t[0], eta=0.2, steps=100)[-1] for rule in _PATH_RULES]
    ),
    measured=_simulated_paths,
    mutants=(
        Mutant("SGD in place of every rule", measured=partial(_simulated_paths, swapped=(Sgd(),) * 6)),
        Mutant(
            "1-SAM and n-SAM exchanged",
            measured=partial(_simulated_paths, swapped=tuple(_PATH_RULES[i] for i in (0, 2, 1, 3, 4, 5))),
        ),
    ),
    theory="theory.logistic.regression.descend",
)


def _left(case: Case, rule: Any = Sam, labels: bool = True) -> np.ndarray:
    """How far the rule's gradient is from that of equal weights, one row."""
    t = case.t if labels else np.ones_like(case.t)
    uniform = np.stack([regression.uniform_gradient(*row) for row in zip(case.x, t, strict=True)])
    return np.linalg.norm(gradients(rule, case) - uniform, axis=1)[None]


def _bound(case: Case, margin: float = 1.0, rate: float = 1.0) -> np.ndarray:
    """mean_i ||x_i|| e^{z_i - rho ||x_i||}; margin, rate: factors of z and of rho."""
    norms = np.linalg.norm(case.x, axis=2)
    return np.mean(norms * np.exp(margin * margins(case) - rate * shifts(case)), axis=1)


UNIFORM = Claim(
    id="baek2024.uniform_limit",
    origin="derived",
    source=OURS,
    statement="The 1-SAM gradient is within mean ||x_i|| e^(z_i - rho||x_i||) of -mean t x: as rho grows all weights "
    "tend to 1, and it learns the mean classifier.",
    regime=ANY + "; the leading term of what is left is baek2024.uniform_rate",
    tolerance=AtMost(),
    setup=random_case,
    predicted=_bound,
    measured=_left,
    mutants=(
        Mutant("margins left out", predicted=partial(_bound, margin=0.0)),
        Mutant("twice the rate", predicted=partial(_bound, rate=2.0)),
        Mutant("labels dropped", measured=partial(_left, labels=False)),
        Mutant("n-SAM", measured=partial(_left, rule=n_sam)),
    ),
    theory="theory.logistic.regression.uniform_gradient",
    figure="baek2024.toy_gain",
)


def _of_shards(side: Any, case: Case, sizes: tuple[Any, ...] = ("batch", 4)) -> np.ndarray:
    return np.stack([side(partial(Sam, sharpness=m), case) for m in sizes])


def _raised(case: Case, m: int) -> np.ndarray:
    return 2 * closed_form(sgd, case) - closed_form(partial(Sam, sharpness=m), case)


SHARED_SHIFT = Claim(
    id="baek2024.batch_shifts",
    origin="derived",
    source=OURS,
    statement="n-SAM and m-SAM lower margin i by rho t_i <x_i, u>, u the unit descent direction of the shard.",
    regime=ANY,
    tolerance=Exact(),
    setup=random_case,
    predicted=partial(_of_shards, closed_form),
    measured=partial(_of_shards, gradients),
    mutants=(
        Mutant("every example its own shift", predicted=lambda c: np.stack([closed_form(Sam, c)] * 2)),
        Mutant("margins raised", predicted=lambda c: np.stack([_raised(c, m) for m in (12, 4)])),
        Mutant("shards exchanged", measured=partial(_of_shards, gradients, sizes=(4, "batch"))),
    ),
    theory="theory.logistic.regression.shared_margin_shift",
)


def _split(side: Any, case: Case, logit: Any, jacobian: Any, sizes: tuple[Any, ...] = ("example", 4)) -> np.ndarray:
    return np.stack([side(partial(rule, sharpness=m), case) for m in sizes for rule in (logit, jacobian)])


def _stated_split(case: Case, sizes: tuple[Any, ...] = ("example", 4)) -> np.ndarray:
    return _split(closed_form, case, Sam, lambda rho, sharpness: sgd(rho), sizes)


SPLIT = Claim(
    id="baek2024.linear_split",
    origin="derived",
    source="derived here from Baek et al. (2024), Section 4.1",
    statement="In the linear model the Jacobian is constant: L-SAM is exactly 1-SAM (m-SAM with shards of m) and J-SAM "
    "is exactly SGD.",
    regime=ANY + "; m = 1 and 4",
    tolerance=Exact(),
    setup=random_case,
    predicted=_stated_split,
    measured=partial(_split, gradients, logit=LogitSam, jacobian=JacobianSam),
    mutants=(
        Mutant("L-SAM and J-SAM exchanged", measured=partial(_split, gradients, logit=JacobianSam, jacobian=LogitSam)),
        Mutant("every example its own ascent", predicted=partial(_stated_split, sizes=("example", "example"))),
        Mutant("J-SAM is 1-SAM too", predicted=lambda c: _split(closed_form, c, Sam, Sam)),
    ),
    theory="theory.logistic.regression.example_weights",
)

CLAIMS = (
    CLOSED_FORM,
    ROBUST_LOSS,
    PATH,
    UNIFORM,
    SHARED_SHIFT,
    SPLIT,
)
