"""Claims on gradients of two-layer linear networks: closed forms, Proposition 4.1, and the expansion in any network."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from paper_repro.baek2024.claims.measured_networks import (
    RULES,
    NetworkCase,
    flat,
    network_gradients,
    objective,
    random_networks,
    single,
    softmax_condition,
    stated_gradients,
    unflat,
)
from paper_repro.shared.at_rho import n_jacobian_sam, sgd
from sims import objectives, rules
from sims.models import networks
from spec.claims import Asymptotic, Claim, Exact, Mutant, Sample
from spec.rules import JacobianSam, LogitSam, Sam, Sgd
from theory.linear_networks import gradients as linear_network
from theory.linear_networks import layer_decay, margins

SECTION_4 = "Baek et al. (2024), Section 4.2"
OURS_4 = "derived here from " + SECTION_4
NETWORK = "two-layer linear network f = <v, W x>, any W, v, x, t and rho >= 0"
CLASSES = NETWORK.replace("<v, W x>", "V W x with 3 classes")


def _every_rule(side: Callable[..., np.ndarray], case: NetworkCase, rules: Any = RULES, factor: float = 1.0) -> Any:
    return np.stack([side(rule, case, factor) for rule in rules])


def _condition(case: NetworkCase) -> np.ndarray:
    return softmax_condition(case)[:, None]


def _gradient_claim(name: str, classes: int | None) -> Claim:
    swapped = (*RULES[:2], JacobianSam, partial(LogitSam, sharpness=3), RULES[4])
    per_example = (*RULES[:3], JacobianSam, Sam)
    return Claim(
        id=f"baek2024.{name}",
        origin="derived",
        source=OURS_4,
        statement="The gradients of SGD, 1-, n-SAM, L-SAM and J-SAM are (V^T A + W S, A W^T + T V) in closed form.",
        regime=(NETWORK if classes is None else CLASSES) + "; any sharpness",
        tolerance=Exact() if classes is None else Exact(condition=_condition),
        setup=partial(random_networks, classes=classes),
        predicted=partial(_every_rule, stated_gradients),
        measured=partial(_every_rule, network_gradients),
        mutants=(
            Mutant("L-SAM and J-SAM exchanged", predicted=partial(_every_rule, stated_gradients, rules=swapped)),
            Mutant(
                "an ascent step for each example", predicted=partial(_every_rule, stated_gradients, rules=per_example)
            ),
            Mutant("descent instead of ascent", measured=partial(_every_rule, network_gradients, factor=-1.0)),
            Mutant("rho doubled", measured=partial(_every_rule, network_gradients, factor=2.0)),
        ),
        theory="theory.linear_networks.gradients.gradient",
    )


def _differentiated(case: NetworkCase, penalty: Callable[[Any, Any, Any], Any]) -> np.ndarray:
    """The gradient, by autodiff, of the mean of loss + rho * penalty(residual, parameters, x)."""
    network = objective(case)

    def total(params: Any, batch: objectives.Batch, rho: Any) -> Any:
        q = network.residuals(network.model.apply(params, batch.x), batch.t).reshape(len(batch.t), -1)
        extra = jax.vmap(penalty, in_axes=(0, None, 0))(q, params, batch.x)
        return network.mean(params, batch) + rho * jnp.mean(extra)

    gradients = jax.jit(jax.vmap(jax.grad(total)))
    return np.asarray(flat(gradients(case.params, case.batch, case.rho)))


def _squared_norm(q: Any, params: Any, x: Any) -> Any:
    """||grad_w <q, f>||^2."""
    V, hidden = jnp.atleast_2d(params["v"]), params["W"] @ x
    return jnp.sum(q**2) * jnp.sum(hidden**2) + jnp.sum((q @ V) ** 2) * jnp.sum(x**2)


def _frozen_norm(q: Any, params: Any, x: Any) -> Any:
    """||grad_w <q, f>|| with q frozen: sigma(-t f) J for two labels."""
    return jnp.sqrt(_squared_norm(jax.lax.stop_gradient(q), params, x))


def _all_of_V(q: Any, params: Any, x: Any) -> Any:
    """Last-layer weights shrunk in every direction, not only along the residual."""
    q = jax.lax.stop_gradient(q)
    V, hidden = jnp.atleast_2d(params["v"]), params["W"] @ x
    scale = jax.lax.stop_gradient(jnp.sqrt(_squared_norm(q, params, x)))
    return jnp.sum(q**2) * (jnp.sum(hidden**2) + jnp.sum(V**2) * jnp.sum(x**2)) / scale / 2


def _variant(penalty: Callable[[Any, Any, Any], Any]) -> Callable[[NetworkCase], np.ndarray]:
    return partial(_differentiated, penalty=penalty)


def _penalised(case: NetworkCase) -> np.ndarray:
    """The penalised gradient of every problem, by theory.linear_networks.gradients and by autodiff, (2, p, size)."""
    rows = zip(case.rho, case.W, case.v, case.x, case.t, strict=True)
    pairs = [linear_network.penalised_gradient(*row) for row in rows]
    stated = np.stack([np.concatenate([g.ravel() for g in pair]) for pair in pairs])
    return np.stack([stated, _differentiated(case, _frozen_norm)])


_WRONG_PENALTIES = (
    Mutant("no penalty (SGD)", predicted=partial(network_gradients, sgd)),
    Mutant("the coefficient differentiated", predicted=_variant(lambda q, p, x: jnp.sqrt(_squared_norm(q, p, x)))),
    Mutant(
        "half the squared norm",
        predicted=_variant(lambda q, p, x: _squared_norm(jax.lax.stop_gradient(q), p, x) / 2),
    ),
    Mutant(
        "the residual left out of the coefficient",
        predicted=_variant(lambda q, p, x: jnp.sqrt(_squared_norm(jnp.ones_like(q), p, x))),
    ),
    Mutant("1-SAM", measured=partial(network_gradients, Sam)),
)

PROPOSITION_4_1 = Claim(
    id="baek2024.proposition_4_1",
    origin="paper",
    source="Baek et al. (2024), Proposition 4.1 (there approximate; the identity with a frozen coefficient is ours)",
    statement="J-SAM is exactly SGD on l + rho c J, c = sigma(-t f) frozen, J^2 = ||W x||^2 + ||x||^2 ||v||^2: "
    "a penalty on hidden activations and on last-layer weights.",
    regime=NETWORK + "; one ascent step for each example",
    tolerance=Exact(),
    setup=random_networks,
    predicted=_penalised,
    measured=partial(network_gradients, JacobianSam),
    mutants=(
        *_WRONG_PENALTIES,
        Mutant(
            "last-layer weights only",
            predicted=_variant(
                lambda q, p, x: jnp.abs(jax.lax.stop_gradient(q[0])) * jnp.linalg.norm(x) * jnp.linalg.norm(p["v"])
            ),
        ),
        Mutant(
            "one ascent step for the batch",
            measured=partial(network_gradients, n_jacobian_sam),
        ),
    ),
    theory="theory.linear_networks.gradients.penalised_gradient",
    figure="baek2024.margin_ceiling",
)

PROPOSITION_4_1_CLASSES = Claim(
    id="baek2024.proposition_4_1_classes",
    origin="derived",
    source=OURS_4,
    statement="With classes J-SAM is exactly SGD on l + rho ||grad <q, f>||, q = softmax(f) - e_t frozen: activations, "
    "and last-layer weights along q only.",
    regime=CLASSES,
    tolerance=Exact(),
    setup=partial(random_networks, classes=3),
    predicted=_penalised,
    measured=partial(network_gradients, JacobianSam),
    mutants=(*_WRONG_PENALTIES, Mutant("all of V shrinks", predicted=_variant(_all_of_V))),
    theory="theory.linear_networks.gradients.penalised_gradient",
)


def _measured_coefficients(case: NetworkCase) -> np.ndarray:
    """What J-SAM adds to the SGD gradient of one example, as multiples of W x x^T and of v."""
    case = single(case)
    extra_W, extra_v = unflat(network_gradients(JacobianSam, case) - network_gradients(sgd, case), case)
    outer = np.einsum("phd,pnd,pne->phe", case.W, case.x, case.x)
    hidden = np.sum(extra_W * outer, axis=(1, 2)) / np.sum(outer**2, axis=(1, 2))
    return np.stack([hidden, np.sum(extra_v * case.v, axis=1) / np.sum(case.v**2, axis=1)])


def _stated_coefficients(case: NetworkCase, power: int = 1) -> np.ndarray:
    """penalty_coefficients of the first example of every problem, over sigma(-t f)^(power - 1)."""
    case = single(case)
    rows = zip(case.rho, case.W, case.v, case.x, case.t, strict=True)
    stated = np.stack([np.concatenate(margins.penalty_coefficients(*row)) for row in rows], axis=1)
    m = case.t[:, 0] * np.einsum("ph,phd,pnd->p", case.v, case.W, case.x)
    return stated * (1 + np.exp(m)) ** (1 - power)


COEFFICIENTS = Claim(
    id="baek2024.penalty_coefficients",
    origin="paper",
    source=SECTION_4,
    statement="An example penalises ||W x||^2/2 and ||v||^2/2 by rho sigma(-t f)/J and by ||x||^2 times that.",
    regime=NETWORK,
    tolerance=Exact(),
    setup=random_networks,
    predicted=_stated_coefficients,
    measured=_measured_coefficients,
    mutants=(
        Mutant("exchanged", predicted=lambda c: _stated_coefficients(c)[::-1]),
        Mutant("the same strength for fit and misfit", predicted=partial(_stated_coefficients, power=0)),
        Mutant("sigma squared", predicted=partial(_stated_coefficients, power=2)),
    ),
    theory="theory.linear_networks.margins.penalty_coefficients",
)


INVERSE_RHO = (16, 64, 256)


class _Expanded(NamedTuple):
    """Flat vectors of random networks, (count, size): grad f, grad||grad f|| and, for every rho, J-SAM minus SGD."""

    jacobian: np.ndarray
    penalty: np.ndarray
    change: np.ndarray
    margin: np.ndarray


def _expanded(sample: Sample) -> _Expanded:
    network = objectives.Objective(networks.mlp((4, 6, 6, 1), activation=jnp.tanh), objectives.logistic)

    def one(key: jax.Array) -> tuple[jax.Array, ...]:
        start, inputs = jax.random.split(key)
        params, unravel = ravel_pytree(network.model.init(start, jnp.float64))
        x = jax.random.normal(inputs, (1, 4))
        batch = objectives.Batch(x, jnp.where(x[:, 0] > 0, 1.0, -1.0))

        def f(w: jax.Array) -> jax.Array:
            return network.model.apply(unravel(w), x)[0]

        def change(rho: Any) -> jax.Array:
            moved, plain = (
                rules.gradient(rule, (), network, unravel(params), batch)[0] for rule in (JacobianSam(rho), Sgd())
            )
            return ravel_pytree(moved)[0] - ravel_pytree(plain)[0]

        penalty = jax.grad(lambda w: jnp.linalg.norm(jax.grad(f)(w)))(params)
        changes = jax.vmap(change)(1 / jnp.array(INVERSE_RHO))
        return jax.grad(f)(params), penalty, changes, batch.t[0] * f(params)

    keys = jax.random.split(jax.random.key(sample.seed), sample.count)
    return _Expanded(*map(np.asarray, jax.jit(jax.vmap(one))(keys)))


def _remainders(case: _Expanded, factor: float = 1.0, weighted: bool = True, power: int = 1) -> np.ndarray:
    """||J-SAM - grad l - rho sigma(-t f) grad(||grad f||^power/power)|| over ||grad f||, (count, sizes)."""
    length = np.linalg.norm(case.jacobian, axis=1)
    scale = factor * length ** (power - 1) * (1.0 if weighted else 1 + np.exp(case.margin))
    rho = 1 / np.array(INVERSE_RHO)
    first = scale[:, None, None] * layer_decay.first_order_change(rho, case.margin, case.penalty)
    return np.linalg.norm(case.change - first, axis=2) / length[:, None]


EXPANSION = Claim(
    id="baek2024.jacobian_expansion",
    origin="derived",
    source=OURS_4,
    statement="In any smooth network the J-SAM gradient is grad l + rho sigma(-t f) grad||grad f|| + O(rho^2).",
    regime="a tanh network of three layers with biases, at random; rho = 1/size; autodiff of the penalty against J-SAM",
    tolerance=Asymptotic(sizes=INVERSE_RHO, exponent=-2.0, wrong_exponents=(-1.0, -3.0)),
    setup=_expanded,
    predicted=lambda c: np.zeros(len(INVERSE_RHO)),
    measured=_remainders,
    mutants=(
        Mutant("no penalty", measured=partial(_remainders, factor=0.0)),
        Mutant("penalty with the wrong sign", measured=partial(_remainders, factor=-1.0)),
        Mutant("coefficient one", measured=partial(_remainders, weighted=False)),
        Mutant("squared norm", measured=partial(_remainders, power=2)),
    ),
    theory="theory.linear_networks.layer_decay.first_order_change",
)

CLAIMS = (
    _gradient_claim("two_layer_gradients", None),
    _gradient_claim("class_gradients", 3),
    PROPOSITION_4_1,
    PROPOSITION_4_1_CLASSES,
    COEFFICIENTS,
    EXPANSION,
)
