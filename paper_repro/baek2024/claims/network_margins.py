"""Claims on margins under J-SAM in two-layer linear networks: where it holds fit points back, and where it does not."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.baek2024.claims.measured_networks import (
    NetworkCase,
    network_gradients,
    objective,
    random_networks,
    shaped,
    single,
    stated_gradients,
    unflat,
)
from paper_repro.baek2024.claims.network_gradients import NETWORK, OURS_4
from paper_repro.shared.at_rho import sgd
from sims import objectives, rules
from spec.claims import Claim, Exact, Mutant, Ordering
from spec.rules import JacobianSam, Sam
from theory.linear_networks import margins as theory


def _outputs(case: NetworkCase) -> np.ndarray:
    """f of every example, (p, n)."""
    return np.einsum("ph,phd,pnd->pn", case.v, case.W, case.x)


def _norms(case: NetworkCase) -> np.ndarray:
    return np.linalg.norm(case.x, axis=2)


def _jacobian_norms(case: NetworkCase) -> np.ndarray:
    """J of every example, (p, n)."""
    rows = zip(case.W, case.v, case.x, strict=True)
    return np.stack([theory.jacobian_norms(*row) for row in rows])


def _simulated_outputs(case: NetworkCase) -> np.ndarray:
    """f(w + eps) of every example at its own ascended weights, by the rules."""
    network = objective(case)

    def one(params: Any, batch: objectives.Batch, rho: Any) -> Any:
        return rules.networks(Sam(rho), network, params, batch)[0](params)

    return np.asarray(jax.jit(jax.vmap(one))(case.params, case.batch, case.rho))


def _stated_outputs(case: NetworkCase, square: float = 1.0, sign: float = 1.0) -> np.ndarray:
    """perturbed_output, with variants for mutants."""
    f, J, rho = _outputs(case), _jacobian_norms(case), case.rho[:, None]
    return theory.perturbed_output(f, J, square * _norms(case), sign * case.t, rho)


PERTURBED_OUTPUT = Claim(
    id="baek2024.perturbed_output",
    origin="derived",
    source=OURS_4,
    statement="1-SAM ascends to f(w + eps) = f (1 + rho^2||x||^2/J^2) - rho t J, the logit scale of L-SAM and 1-SAM.",
    regime=NETWORK,
    tolerance=Exact(),
    setup=random_networks,
    predicted=_stated_outputs,
    measured=_simulated_outputs,
    mutants=(
        Mutant("first order in rho only", predicted=partial(_stated_outputs, square=0.0)),
        Mutant("output raised, not lowered", predicted=partial(_stated_outputs, sign=-1.0)),
        Mutant("as in logistic regression", predicted=lambda c: _outputs(c) - c.rho[:, None] * c.t * _norms(c)),
    ),
    theory="theory.linear_networks.margins.perturbed_output",
)


def _margin_velocities(rule: Any, case: NetworkCase, *, minus: Any = None) -> np.ndarray:
    """d(t f)/dtau along minus the rule's gradient (less that of another rule), by forward-mode autodiff, (p, n)."""
    model = objective(case).model
    rows = -network_gradients(rule, case)
    if minus is not None:
        rows = rows + network_gradients(minus, case)
    W, v = unflat(rows, case)

    def one(params: Any, direction: Any, x: Any, t: Any) -> Any:
        return jax.jvp(lambda p: t * model.apply(p, x), (params,), (direction,))[1]

    along = {"W": W, "v": v}
    return np.asarray(jax.jit(jax.vmap(one))(case.params, along, jnp.asarray(case.x), jnp.asarray(case.t, float)))


def own_velocities(case: NetworkCase) -> np.ndarray:
    """The simulated J-SAM velocity of the margin of one example over sigma(-m) J^2, (p,)."""
    plain = _margin_velocities(sgd, case)
    return (_margin_velocities(JacobianSam, case) / plain)[:, 0]


def _stated_velocity(case: NetworkCase, half: float = 1.0, sided: bool = False) -> np.ndarray:
    m = case.t * _outputs(case)
    velocity = theory.margin_velocity(m, _jacobian_norms(case), _norms(case), half * case.rho[:, None])
    plain = theory.margin_velocity(m, _jacobian_norms(case), _norms(case), 0.0)
    return np.where(sided & (m < 0), plain, velocity)


MARGIN_VELOCITY = Claim(
    id="baek2024.margin_velocity",
    origin="derived",
    source=OURS_4,
    statement="Under its own J-SAM gradient a margin moves by sigma(-m) (J^2 - 2 rho||x||^2 m/J).",
    regime=NETWORK + "; one example",
    tolerance=Exact(),
    setup=lambda s: single(random_networks(s)),
    predicted=_stated_velocity,
    measured=partial(_margin_velocities, JacobianSam),
    mutants=(
        Mutant("half the penalty", predicted=partial(_stated_velocity, half=0.5)),
        Mutant("no penalty", predicted=partial(_stated_velocity, half=0.0)),
        Mutant("only fit points are held back", predicted=partial(_stated_velocity, sided=True)),
    ),
    theory="theory.linear_networks.margins.margin_velocity",
    figure="baek2024.margin_ceiling",
)


def _penalty_velocities(case: NetworkCase) -> np.ndarray:
    return _margin_velocities(JacobianSam, case, minus=sgd)


def _stated_penalty(case: NetworkCase) -> np.ndarray:
    rows = zip(case.rho, case.W, case.v, case.x, case.t, strict=True)
    return np.stack([theory.penalty_on_margins(*row) for row in rows])


def _own_penalty(case: NetworkCase) -> np.ndarray:
    """Each example's own penalty only."""
    own = _stated_velocity(case) - _stated_velocity(case, half=0.0)
    return own / case.t.shape[1]


PENALTY_ON_MARGINS = Claim(
    id="baek2024.penalty_on_margins",
    origin="derived",
    source=OURS_4,
    statement="J-SAM adds -mean_j (rho sigma(-m_j)/J_j)(||x_j||^2 m_i + t_i t_j<x_i,x_j> m_j) to the velocity of m_i.",
    regime=NETWORK,
    tolerance=Exact(),
    setup=random_networks,
    predicted=_stated_penalty,
    measured=_penalty_velocities,
    mutants=(
        Mutant("own penalties only", predicted=_own_penalty),
        Mutant("sign", predicted=lambda c: -_stated_penalty(c)),
        Mutant("labels ignored between examples", predicted=lambda c: c.t * _stated_penalty(c._replace(t=c.t * 0 + 1))),
    ),
    theory="theory.linear_networks.margins.penalty_on_margins",
)


def _pull(case: NetworkCase, *, one_sided: bool = False) -> np.ndarray:
    """The penalty's velocity of every margin, times the sign of the margin unless one_sided; one row, twice."""
    direction = 1.0 if one_sided else np.sign(case.t * _outputs(case))
    return np.tile((direction * _penalty_velocities(case)).reshape(1, -1), 2)


def _stated_pull(case: NetworkCase, sign: float = 1.0) -> np.ndarray:
    """The stated penalty along the sign of every margin, and what is claimed of it: towards zero."""
    return np.concatenate([(sign * np.sign(case.t * _outputs(case)) * _stated_penalty(case)).ravel(), -_ones(case)])


def _ones(case: NetworkCase) -> np.ndarray:
    return np.ones(case.t.size)


MARGIN_PULL = Claim(
    id="baek2024.margin_pull",
    origin="derived",
    source=OURS_4,
    statement="The J-SAM penalty lowers positive margins and raises negative ones: it constrains |f|, it does not only "
    "hold fit points back.",
    regime="orthogonal inputs (in general inputs that are similar pull one another); two-layer linear network",
    tolerance=Ordering(),
    setup=partial(random_networks, n=4, orthogonal=True),
    predicted=_stated_pull,
    measured=_pull,
    mutants=(
        Mutant("every margin is lowered", measured=partial(_pull, one_sided=True)),
        Mutant("away from zero", predicted=partial(_stated_pull, sign=-1.0)),
    ),
    theory="theory.linear_networks.margins.penalty_on_margins",
)


def _scaled(case: NetworkCase, J_over_rho: float) -> NetworkCase:
    """One example and the random network scaled to J = J_over_rho rho ||x||."""
    case = single(case)
    scale = (J_over_rho * case.rho[:, None] * _norms(case) / _jacobian_norms(case))[:, 0]
    return case._replace(W=case.W * scale[:, None, None], v=case.v * scale[:, None])


def _near_threshold(case: NetworkCase, at: float = 1.0) -> tuple[NetworkCase, ...]:
    """J 0.5 % above `at` rho||x|| (random, then balanced networks), and 0.5 % below it."""
    return _scaled(case, 1.005 * at), shaped(case, 1.005 * at, 1.0), shaped(case, 0.995 * at, 1.0)


def _own_velocities(case: NetworkCase, at: float = 1.0) -> np.ndarray:
    """The velocities of the margins there; one row, twice."""
    velocities = [_margin_velocities(JacobianSam, c)[:, 0] for c in _near_threshold(case, at)]
    return np.tile(np.concatenate(velocities)[None], 2)


def _below_ceiling(case: NetworkCase) -> np.ndarray:
    """How far the margins are below the ceiling, whose sign their velocities have, and what is claimed of it."""
    found = []
    for c in _near_threshold(case):
        ceiling = theory.margin_ceiling(_jacobian_norms(c), _norms(c), c.rho[:, None])
        found.append((ceiling - c.t * _outputs(c))[:, 0])
    return np.concatenate([*found, np.repeat([1.0, 1.0, -1.0], len(case.rho))])


MARGIN_THRESHOLD = Claim(
    id="baek2024.margin_threshold",
    origin="derived",
    source=OURS_4,
    statement="The ceiling m* = J^3/(2 rho||x||^2) is no resting level: with J > rho||x|| no network reaches it, the "
    "margin grows; balanced networks with J < rho||x|| are above it and collapse.",
    regime="one example under its own J-SAM flow",
    tolerance=Ordering(),
    setup=random_networks,
    predicted=_below_ceiling,
    measured=_own_velocities,
    mutants=(
        Mutant("threshold at 2 rho||x||", measured=partial(_own_velocities, at=2.0)),
        Mutant("threshold at rho||x||/2", measured=partial(_own_velocities, at=0.5)),
    ),
    theory="theory.linear_networks.margins.margin_ceiling",
    figure="baek2024.margin_ceiling",
)


def _balanced_ratio(case: NetworkCase, sign: float = -1.0) -> np.ndarray:
    """(1 - m/m*) times the SGD gradient on the balanced line at several J, where m/m* = rho||x||/J."""
    rows = []
    for ratio in (0.5, 1.5, 4.0):
        line = shaped(case, ratio, 1.0)
        ceiling = theory.margin_ceiling(_jacobian_norms(line), _norms(line), line.rho[:, None])
        rows.append((1 + sign * line.t * _outputs(line) / ceiling) * stated_gradients(sgd, line))
    return np.stack(rows)


BALANCED_LINE = Claim(
    id="baek2024.balanced_line",
    origin="derived",
    source=OURS_4,
    statement="On the balanced line of one example J-SAM is (1 - m/m*) times SGD, m/m* = rho||x||/J: "
    "J = rho||x||, m = m*, is a fixed point that repels.",
    regime="W = t v x^T/||x||, one example",
    tolerance=Exact(),
    setup=random_networks,
    predicted=_balanced_ratio,
    measured=lambda c: np.stack([network_gradients(JacobianSam, shaped(c, r, 1.0)) for r in (0.5, 1.5, 4.0)]),
    mutants=(
        Mutant("sign", predicted=partial(_balanced_ratio, sign=1.0)),
        Mutant("SGD", predicted=partial(_balanced_ratio, sign=0.0)),
    ),
    theory="theory.linear_networks.margins.margin_ceiling",
    figure="baek2024.margin_ceiling",
)

CLAIMS = (PERTURBED_OUTPUT, MARGIN_VELOCITY, PENALTY_ON_MARGINS, MARGIN_PULL, MARGIN_THRESHOLD, BALANCED_LINE)
