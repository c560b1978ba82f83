"""Claims on the tilt: what label noise does to gradients, and what a perturbation cannot undo."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.shared.logistic_cases import LINEAR, Case, random_case
from paper_repro.xu2026.claims.measured_gradients import ANY, OURS, for_every_case, plain_gradient, true_labels
from sims import objectives, rules
from sims.rules.compensation import Compensated
from spec.claims import Asymptotic, Claim, Exact, Mutant, Sample
from spec.rules import OracleAscent, Sam
from spec.seeds import named_seed
from theory.compensation import correction


def _change(w: Any, x: Any, t: Any, y: Any, rho: Any) -> Any:
    """Gradient and loss under observed labels minus those under true ones."""
    loss_t, loss_y = (LINEAR.mean({"w": w}, objectives.Batch(x, u)) for u in (t, y))
    return jnp.append(plain_gradient(w, x, t) - plain_gradient(w, x, y), loss_t - loss_y)


def _tilts(case: Case, marked: str = "mislabelled", over_batch: bool = True) -> np.ndarray:
    y = true_labels(case)
    groups = case.mislabelled if marked == "mislabelled" else ~case.mislabelled
    rows = []
    for i in range(len(y)):
        c = correction.tilt(case.x[i], y[i], groups[i])
        rows.append(np.append(c, case.w[i] @ c) * (1 if over_batch else len(y[i]) / groups[i].sum()))
    return np.stack(rows)


TILT = Claim(
    id="xu2026.tilt",
    origin="derived",
    source=OURS + ", sharpening its equation 3",
    statement="grad L_t = grad L_y + c and L_t = L_y + <w, c>, c = (1/n) sum over mislabelled y_i x_i, on any sample.",
    regime=ANY,
    tolerance=Exact(),
    setup=random_case,
    predicted=_tilts,
    measured=partial(for_every_case, one=_change),
    mutants=(
        Mutant("sign", predicted=lambda c: -_tilts(c)),
        Mutant(
            "rightly labelled examples instead (Delta against 1 - Delta)", predicted=partial(_tilts, marked="clean")
        ),
        Mutant("mean over the mislabelled, not over the batch", predicted=partial(_tilts, over_batch=False)),
    ),
    theory="theory.compensation.correction.tilt",
    figure="xu2026.angle",
)


def _hessian(w: Any, x: Any, t: Any, y: Any, rho: Any) -> Any:
    return jax.hessian(lambda v: LINEAR.mean({"w": v}, objectives.Batch(x, t)))(w)


def _clean_hessians(case: Case, sign: float = 1.0) -> np.ndarray:
    """The Hessian under true labels; with sign = -1 (0) the mislabelled examples are subtracted (left out)."""
    y = true_labels(case)
    factor = np.where(case.mislabelled, sign, 1.0)
    every = [correction.hessian(w, x, t) for w, x, t in zip(case.w, case.x, y, strict=True)]
    if sign == 1:
        return np.stack(every)
    n = case.t.shape[1]
    one = np.array([[correction.hessian(case.w[k], case.x[k, i : i + 1], y[k, i : i + 1]) for i in range(n)]
                    for k in range(len(y))])  # fmt: skip
    return np.einsum("kn,knij->kij", factor, one) / n


HESSIAN = Claim(
    id="xu2026.curvature",
    origin="derived",
    source=OURS,
    statement="The Hessian is the same under observed and under true labels: noise tilts the loss, it never bends it.",
    regime=ANY + "; in a network the loss changes by a linear function of the logits, which may bend",
    tolerance=Exact(),
    setup=random_case,
    predicted=_clean_hessians,
    measured=partial(for_every_case, one=_hessian),
    mutants=(
        Mutant("mislabelled examples bend the other way", predicted=partial(_clean_hessians, sign=-1.0)),
        Mutant("mislabelled examples left out", predicted=partial(_clean_hessians, sign=0.0)),
    ),
    theory="theory.compensation.correction.hessian",
)


def _oracle_bias(w: Any, x: Any, t: Any, y: Any, rho: Any) -> Any:
    """The oracle-ascent gradient on noisy labels minus the SAM gradient on true ones."""
    base = Sam(rho, "batch")
    rule = Compensated(OracleAscent(base), y, jax.random.key(named_seed("unused")))
    noisy, _ = rules.gradient(rule, rules.init(rule, {"w": w}), LINEAR, {"w": w}, objectives.Batch(x, t))
    clean, _ = rules.gradient(base, (), LINEAR, {"w": w}, objectives.Batch(x, y))
    return noisy["w"] - clean["w"]


def _all_tilts(case: Case, factor: float = 1.0) -> np.ndarray:
    rows = zip(case.x, true_labels(case), case.mislabelled, strict=True)
    return factor * np.stack([correction.tilt(*row) for row in rows])


BIAS = Claim(
    id="xu2026.descent_bias",
    origin="derived",
    source=OURS,
    statement="Even with the perturbation of the true labels the step keeps the whole tilt c: correcting eps leaves "
    "the bias of the descent untouched.",
    regime=ANY,
    tolerance=Exact(),
    setup=random_case,
    predicted=_all_tilts,
    measured=partial(for_every_case, one=_oracle_bias),
    mutants=(
        Mutant("the bias is gone", predicted=lambda c: np.zeros_like(c.w)),
        Mutant("sign", predicted=partial(_all_tilts, factor=-1.0)),
    ),
    theory="theory.compensation.correction.tilt",
)

SIZES = (128, 256, 512, 1024)
"""One over the noise rate. The remainder is size^-2 (1 + b/size + ...), which bends the slope by about b over the
smallest size; where the Hessian is nearly flat b reaches some tens, so that from 16 on single draws missed by 0.2."""


def _large_case(sample: Sample) -> Case:
    return random_case(sample, n=60, d=3)


def _left_by_shift(case: Case, factor: float = 1.0) -> np.ndarray:
    """||grad L_soft(w + delta) - grad L_y(w)|| when every mislabelled example is wrong with probability 1/size."""
    shifts = np.stack([correction.cancelling_shift(w, x, y, m) for w, x, y, m in
                       zip(case.w, case.x, true_labels(case), case.mislabelled, strict=True)])  # fmt: skip

    def one(w: Any, x: Any, y: Any, wrong: Any, shift: Any) -> Any:
        def left(size: int) -> Any:
            shares = jnp.where(wrong, 1 / size, 0.0)

            def soft(v: Any) -> Any:
                right, other = (jax.vmap(objectives.logistic)(x @ v, u) for u in (y, -y))
                return jnp.mean((1 - shares) * right + shares * other)

            return jnp.linalg.norm(jax.grad(soft)(w + factor * shift / size) - plain_gradient(w, x, y))

        return jnp.stack([left(size) for size in SIZES])

    return np.asarray(jax.jit(jax.vmap(one))(case.w, case.x, true_labels(case), case.mislabelled, shifts))


SHIFT = Claim(
    id="xu2026.cancelling_shift",
    origin="derived",
    source=OURS,
    statement="A shift of the weights by -H^{-1} c, and not a perturbation towards higher loss, cancels the tilt to "
    "first order: what is left falls as the square of the noise rate.",
    regime="n = 60, d = 3; labels wrong with probability 1/size",
    tolerance=Asymptotic(sizes=SIZES, exponent=-2.0, wrong_exponents=(-1.0, -3.0)),
    setup=_large_case,
    predicted=lambda c: np.zeros(len(SIZES)),
    measured=_left_by_shift,
    mutants=(
        Mutant("sign", measured=partial(_left_by_shift, factor=-1.0)),
        Mutant("half of it", measured=partial(_left_by_shift, factor=0.5)),
    ),
    theory="theory.compensation.correction.cancelling_shift",
)


CLAIMS = (TILT, HESSIAN, BIAS, SHIFT)
