"""Claims on the layers of a network under J-SAM: how fast each one decays."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.baek2024.claims.measured_networks import (
    NetworkCase,
    network_gradients,
    random_networks,
    unflat,
)
from paper_repro.baek2024.claims.network_gradients import OURS_4
from paper_repro.shared.at_rho import FamilyAt, n_jacobian_sam, sgd
from sims import objectives, rules
from sims.models import networks
from spec.claims import Asymptotic, Claim, Exact, Mutant, Sample
from spec.rules import JacobianSam, LogitSam, Sam, Sgd
from theory.linear_networks import gradients, layer_decay

CLASSES = 3


def _squares(case: NetworkCase) -> np.ndarray:
    """||g_il||^2 in closed form, (p, n, 2): ||V^T q||^2 ||x||^2 for W, ||q||^2 ||W x||^2 for V."""
    hidden = np.einsum("phd,pnd->pnh", case.W, case.x)
    logits = np.einsum("pnh,pkh->pnk", hidden, case.v)
    q = np.stack([gradients.residuals(*pair) for pair in zip(logits, case.t, strict=True)])
    first = np.sum(np.einsum("pnk,pkh->pnh", q, case.v) ** 2, -1) * np.sum(case.x**2, -1)
    return np.stack([first, np.sum(q**2, -1) * np.sum(hidden**2, -1)], axis=2)


def _stated(case: NetworkCase, own: bool = False, squared: bool = False) -> np.ndarray:
    """The decay of W and V of every problem; wrong variants: by the layer's own gradient, without the norm."""
    squares = _squares(case)[..., ::-1] if own else _squares(case)
    if squared:
        squares = squares * np.sum(squares, axis=2, keepdims=True)
    return np.stack([layer_decay.decay(*pair) for pair in zip(case.rho, squares, strict=True)])


def _measured(case: NetworkCase, rule: FamilyAt = JacobianSam) -> np.ndarray:
    extra = unflat(network_gradients(rule, case) - network_gradients(sgd, case), case)
    return np.stack(
        [np.sum(w * g, axis=(1, 2)) for w, g in zip((case.W, case.v), extra, strict=True)],
        axis=1,
    )


TWO_LAYERS = Claim(
    id="baek2024.layer_decay",
    origin="derived",
    source=OURS_4,
    statement="Under J-SAM each layer of a two-layer linear network decays by rho (||g||^2 - ||g_l||^2)/||g|| more "
    "than under SGD: at the rate of the other layer's gradient.",
    regime="f = V W x with 3 classes, any W, V, x, t and rho >= 0; one ascent step for each example",
    tolerance=Exact(),
    setup=partial(random_networks, classes=CLASSES),
    predicted=_stated,
    measured=_measured,
    mutants=(
        Mutant("by the layer's own gradient", predicted=partial(_stated, own=True)),
        Mutant("squared norms", predicted=partial(_stated, squared=True)),
        Mutant("L-SAM", measured=partial(_measured, rule=LogitSam)),
        Mutant("1-SAM", measured=partial(_measured, rule=Sam)),
        Mutant("one ascent step for the batch", measured=partial(_measured, rule=n_jacobian_sam)),
    ),
    theory="theory.linear_networks.layer_decay.decay",
)

INVERSE_RHO = (16, 64, 256)


class _Deep(NamedTuple):
    """(count, sizes): measured decay of the last layer, and the sum of squares (count, n, 2) of body and last layer."""

    measured: np.ndarray
    squares: np.ndarray


def _deep(sample: Sample) -> _Deep:
    n, network = (
        6,
        objectives.Objective(networks.mlp((4, 6, 6, CLASSES), activation=jnp.tanh), objectives.cross_entropy),
    )

    def one(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        start, inputs = jax.random.split(key)
        params = network.model.init(start, jnp.float64)
        batch = objectives.Batch(jax.random.normal(inputs, (n, 4)), jnp.arange(n) % CLASSES)

        def extra(rho: Any) -> jax.Array:
            g, plain = (rules.gradient(rule, (), network, params, batch)[0] for rule in (JacobianSam(rho), Sgd()))
            return jnp.sum(network.model.head(params) * (network.model.head(g) - network.model.head(plain)))

        def squares(x: jax.Array, t: jax.Array) -> jax.Array:
            g = jax.grad(network.mean)(params, objectives.Batch(x[None], t[None]))
            layers = [sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(layer)) for layer in g]
            return jnp.array([sum(layers[:-1]), layers[-1]])

        return jax.vmap(extra)(1 / jnp.array(INVERSE_RHO)), jax.vmap(squares)(*batch)

    keys = jax.random.split(jax.random.key(sample.seed), sample.count)
    return _Deep(*map(np.asarray, jax.jit(jax.vmap(one))(keys)))


def _remainders(case: _Deep, layer: int = 1, factor: float = 1.0) -> np.ndarray:
    """Measured minus predicted decay of the last layer, over the predicted decay at rho = 1, (count, sizes)."""
    unit = np.array([layer_decay.decay(1.0, squares)[layer] for squares in case.squares])[:, None]
    return (case.measured - factor * unit / np.array(INVERSE_RHO)) / unit


LAST_LAYER = Claim(
    id="baek2024.last_layer_decay",
    origin="derived",
    source=OURS_4,
    statement="In any network J-SAM shrinks the last layer: its decay exceeds that of SGD by the mean of "
    "rho ||g_body||^2/||g||, up to O(rho^2).",
    regime="a tanh network of three layers with biases and 3 classes, at random; rho = 1/size",
    tolerance=Asymptotic(sizes=INVERSE_RHO, exponent=-2.0, wrong_exponents=(-1.0, -3.0)),
    setup=_deep,
    predicted=lambda case: np.zeros(len(INVERSE_RHO)),
    measured=_remainders,
    mutants=(
        Mutant("by the layer's own gradient", measured=partial(_remainders, layer=0)),
        Mutant("no decay", measured=partial(_remainders, factor=0.0)),
        Mutant("growth", measured=partial(_remainders, factor=-1.0)),
    ),
    theory="theory.linear_networks.layer_decay.decay",
    figure="baek2024.shrinkage",
)

CLAIMS = (TWO_LAYERS, LAST_LAYER)
