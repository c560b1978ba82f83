"""The measured side of the claims on two-layer linear networks: sims called on numpy arrays, through the rules."""

from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from paper_repro.shared.at_rho import FamilyAt, n_sam, sgd, stacked
from sims import objectives, rules
from sims.data.sampling import Data, Split
from sims.models import networks
from sims.train import train
from spec.claims import Sample
from spec.rules import JacobianSam, LogitSam, Sam
from spec.seeds import named_seed
from spec.training import Training
from theory.linear_networks import gradients as linear_network

FloatArray = NDArray[np.float64]
RULES: tuple[FamilyAt, ...] = (sgd, Sam, LogitSam, partial(JacobianSam, sharpness=3), n_sam)


class NetworkCase(NamedTuple):
    """Random problems, stacked: W (p, h, d), v (p, h) or (p, k, h), x (p, n, d), t (p, n), rho (p,)."""

    W: FloatArray
    v: FloatArray
    x: FloatArray
    t: NDArray
    rho: FloatArray

    @property
    def params(self) -> dict[str, FloatArray]:
        """The parameters as sims.models.networks.two_layer_linear names them."""
        return {"W": self.W, "v": self.v}

    @property
    def batch(self) -> objectives.Batch:
        """The examples as one stacked batch."""
        return objectives.Batch(jnp.asarray(self.x), jnp.asarray(self.t))


def random_networks(
    sample: Sample, *, n: int = 6, d: int = 5, h: int = 4, classes: int | None = None, orthogonal: bool = False
) -> NetworkCase:
    """Unequal layers and inputs of unequal norm, asymmetric labels, rho over a decade and a half.

    orthogonal: inputs that are exactly orthogonal within each problem (n <= d).
    """
    rng = np.random.default_rng(sample.seed)
    p = sample.count
    x = rng.normal(0.3, 1.0, (p, n, d))
    if orthogonal:
        x = np.linalg.qr(x.transpose(0, 2, 1))[0].transpose(0, 2, 1)
    x = x * rng.uniform(0.3, 2.0, (p, n, 1))
    t = np.where(rng.uniform(size=(p, n)) < 0.4, 1.0, -1.0) if classes is None else rng.integers(0, classes, (p, n))
    v = rng.normal(0.2, 1.0, (p, h) if classes is None else (p, classes, h))
    return NetworkCase(rng.normal(0.1, 0.7, (p, h, d)), v, x, t, 10 ** rng.uniform(-1.0, 0.5, p))


def objective(case: NetworkCase) -> objectives.Objective:
    """The two-layer network of a case with its loss; apply does not depend on the sizes."""
    return _objective(None if case.v.ndim == 2 else case.v.shape[1])


@cache
def _objective(classes: int | None) -> objectives.Objective:
    """One record for all cases: what is compiled for it is found again."""
    loss = objectives.logistic if classes is None else objectives.cross_entropy
    return objectives.Objective(networks.two_layer_linear(1, 1, classes=classes), loss)


def network_gradients(rule: FamilyAt, case: NetworkCase, factor: float = 1.0) -> FloatArray:
    """The rule's gradient for every problem, at rho = factor * case.rho: W row by row, then v; (p, size)."""
    gradients = _gradients(objective(case), stacked(rule, case.rho * factor), case.params, case.batch)
    return np.asarray(flat(gradients))


@partial(jax.jit, static_argnums=0)
def _gradients(objective: objectives.Objective, rules_at: Any, params: Any, batch: objectives.Batch) -> Any:
    def one(rule: Any, params: Any, batch: objectives.Batch) -> Any:
        return rules.gradient(rule, (), objective, params, batch)[0]

    return jax.vmap(one)(rules_at, params, batch)


def softmax_condition(case: NetworkCase) -> FloatArray:
    """1/min_i |q_i| of every problem with classes, (p,): by how much rounding turns the ascent of an example.

    The residual q = softmax(f) - e_t is a difference of numbers of size one, right up to some eps. Where the network
    is sure of the label it is tiny, and its direction, along which an example ascends, is off by eps/|q|. With it are
    f(w + eps) and every gradient there.
    """
    logits = np.einsum("pkh,phd,pnd->pnk", case.v, case.W, case.x)
    q = [linear_network.residuals(*pair) for pair in zip(logits, case.t, strict=True)]
    return 1 / np.maximum(np.linalg.norm(q, axis=2).min(axis=1), np.finfo(float).tiny)


def flat(gradients: dict[str, Any]) -> jax.Array:
    """Stacked trees {W, v} as rows."""
    return jnp.concatenate([jnp.asarray(gradients[k]).reshape(len(gradients[k]), -1) for k in ("W", "v")], axis=1)


def unflat(rows: FloatArray, case: NetworkCase) -> tuple[FloatArray, FloatArray]:
    """Rows back as stacks of W and of v."""
    size = case.W[0].size
    return rows[:, :size].reshape(case.W.shape), rows[:, size:].reshape(case.v.shape)


def stated_gradients(rule: FamilyAt, case: NetworkCase, factor: float = 1.0) -> FloatArray:
    """theory.linear_networks.gradients.gradient of every problem, in the layout of network_gradients."""
    rows = zip(case.W, case.v, case.x, case.t, case.rho * factor, strict=True)
    pairs = [linear_network.gradient(rule(float(rho)), W, v, x, t) for W, v, x, t, rho in rows]
    return np.stack([np.concatenate([g.ravel() for g in pair]) for pair in pairs])


def single(case: NetworkCase) -> NetworkCase:
    """Only the first example of every problem."""
    return case._replace(x=case.x[:, :1], t=case.t[:, :1])


def orthogonal_networks(sample: Sample, *, n: int = 10, d: int = 14, h: int = 4, gaussian: bool = False) -> NetworkCase:
    """Signal plus noise of random B, a = gamma sqrt(d - 1) and ||v||, W = 0; the first three examples are mislabelled.

    The noise vectors are exactly orthogonal and of length a, unless gaussian. B and a: see mixtures.
    """
    rng = np.random.default_rng(sample.seed)
    p, y = sample.count, np.where(np.arange(n) % 2 == 0, 1.0, -1.0)
    t = np.where(np.arange(n) < 3, -y, y)
    noise = rng.normal(size=(p, n, d - 1)) / np.sqrt(d - 1)
    if not gaussian:
        noise = np.linalg.qr(noise.transpose(0, 2, 1))[0].transpose(0, 2, 1)
    B, a = mixtures(sample)
    x = np.concatenate([np.tile(B[:, None, None], (1, n, 1)), a[:, None, None] * noise], axis=2)
    v = rng.normal(size=(p, h))
    v *= rng.uniform(0.6, 1.5, (p, 1)) / np.linalg.norm(v, axis=1, keepdims=True)
    rho = rng.uniform(0.05, 0.25, p)
    return NetworkCase(np.zeros((p, h, d)), v, y[:, None] * x, np.tile(t, (p, 1)), rho)


def mixtures(sample: Sample) -> tuple[FloatArray, FloatArray]:
    """(B, a) of every problem of orthogonal_networks."""
    rng = np.random.default_rng([sample.seed, 1])
    return rng.uniform(0.5, 2.0, sample.count), rng.uniform(1.0, 3.0, sample.count)


def trained(rule: FamilyAt, case: NetworkCase, training: Training) -> NetworkCase:
    """Full-batch training of every problem by sims.train: W and v gain an axis of records, (p, records, ...)."""
    params = _trained(objective(case), training, stacked(rule, case.rho), case.params, case.batch)
    return case._replace(W=np.asarray(params["W"]), v=np.asarray(params["v"]))


@partial(jax.jit, static_argnums=(0, 1))
def _trained(
    objective: objectives.Objective, training: Training, rules_at: Any, params: Any, batch: objectives.Batch
) -> Any:
    def one(rule: Any, params: Any, batch: objectives.Batch) -> Any:
        split = Split(batch.x, batch.t, batch.t)
        return train(
            rule,
            training,
            model=objective.model,
            loss=objective.loss,
            params=params,
            data=Data(split, None, split),
            observe=lambda rule, objective, params, data: params,
            key=jax.random.key(named_seed("unused")),  # full batches: the order plays no part
        )[1]

    return jax.vmap(one)(rules_at, params, batch)


def observed(case: NetworkCase, mislabelled: np.ndarray) -> dict[str, np.ndarray]:
    """The fields of signal_noise.Summaries for trained networks (p, records); margins are means."""
    p = np.einsum("prh,prhd->prd", case.v, case.W)
    margins = case.t[:, None] * np.einsum("prd,pnd->prn", p, case.x)
    last, first = np.linalg.norm(case.v, axis=2), np.linalg.norm(case.W, axis=(2, 3))
    noisy = mislabelled[:, None] / mislabelled.sum(axis=1)[:, None, None]
    clean = ~mislabelled[:, None] / (~mislabelled).sum(axis=1)[:, None, None]
    return {
        "signal_overlap": p[..., 0],
        "noise_norm": np.linalg.norm(p[..., 1:], axis=2),
        "last_norm": last,
        "first_norm": first,
        "clean_margin": np.sum(margins * clean, axis=2),
        "mislabelled_margin": np.sum(margins * noisy, axis=2),
        "balance": last**2 - first**2,
    }


def shaped(case: NetworkCase, J_ratio: float, fraction: Any) -> NetworkCase:
    """One example for each problem, J = J_ratio rho||x|| and the margin a fraction of its bound J^2/(2||x||).

    W is in the span of x and ||W x|| = ||x|| ||v||; fraction 1 is the balanced line W = t v x^T/||x||.
    """
    case = single(case)
    fraction = np.broadcast_to(fraction, len(case.rho))[:, None]
    x, t = case.x[:, 0] / np.linalg.norm(case.x[:, 0], axis=1, keepdims=True), case.t
    v = case.v / np.linalg.norm(case.v, axis=1, keepdims=True)
    other = case.W[:, :, 0] - np.sum(case.W[:, :, 0] * v, axis=1, keepdims=True) * v
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    length = J_ratio * case.rho[:, None] / np.sqrt(2)
    hidden = length * (fraction * t * v + np.sqrt(1 - fraction**2) * other)
    return case._replace(W=hidden[:, :, None] * x[:, None], v=length * v)
