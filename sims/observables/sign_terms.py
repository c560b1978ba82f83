"""What the sign of a compensation depends on, while training: second moments of some batches, the turn of others.

Measured at the recorded parameters on batches of the training split, which is in random order, at the full strength of
the schedule. The terms come from the first half of the batches, the turn of the perturbation from the second half: no
batch serves both.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from sims.data.sampling import Data
from sims.objectives import Batch, Objective
from sims.observables.correction import SATURATED
from sims.observables.scalars import Observable, observable
from sims.per_example import inner_products
from sims.rules import ascent_step, gradient
from sims.rules.bound import Labelled
from sims.rules.compensation import Compensated, Params, noise_gradient, perturbation, simulated_noise
from spec.observables import SignTerms
from spec.rules import NoiseCompensated, Sgd
from spec.validation import InputError, require

ROWS, COLUMNS = ("noisy", "right", "missed", "clean"), ("clean", "noisy")
Record = dict[str, jax.Array]


@observable.register
def sign_terms(wanted: SignTerms) -> Observable:
    """From the first half of the batches, with g_i(l) the gradient of example i under label l, and l* the label of g*:

    own_ROW_COLUMN   mean of <a_i, g_i>,  pair_ROW_COLUMN  mean of <a_i, g_j> over other examples j of the batch;
                     COLUMN: g under true ('clean') or observed ('noisy') labels; ROW: a = g_i(t_i) over all examples
                     ('noisy'), or g_i(l*_i) over mislabelled ones with l* = y ('right'), with l* another label
                     ('missed'), over rightly labelled ones ('clean'). 0 where there is no such example
    star_square      mean of ||g*||^2 of the selections

    and from the second half, means over batches:

    share_right, share_missed, share_clean   of the three kinds in the selection
    kept             share of the batch whose observed label is the true one, 1 - Delta
    slope            d cos(g_t + gamma g*, g_y)/d gamma at 0, times ||g_t||/||g*||
    turn             cos(eps', g_y) - cos(eps_SAM, g_y) of the rule itself

    For NoiseCompensated rules of a base that perturbs the batch as one, without label smoothing; raises InputError for
    others, and for fewer than two batches.
    """
    batch = wanted.batch

    def observe(rule: Compensated, objective: Objective, params: Params, data: Data) -> Record:
        record = rule.record
        if not isinstance(record, NoiseCompensated):
            raise InputError(f"rule must be a NoiseCompensated rule, got {record!r}")
        require(record.base.sharpness == "batch", "base", record.base, "a rule of sharpness 'batch'")
        require(record.smoothing == 0, "smoothing", record.smoothing, "0")
        half = min(wanted.batches, len(data.train.t) // batch // 2)
        if half == 0:
            raise InputError(f"batch must be at most half of the {len(data.train.t)} training examples, got {batch}")

        def parts(first: int) -> tuple[jax.Array, Labelled]:
            split = Labelled(data.train.x, data.train.t, data.train.y)
            rows = jax.tree.map(lambda a: a[first * batch : (first + half) * batch], split)
            cut = jax.tree.map(lambda a: a.reshape(half, batch, *a.shape[1:]), rows)
            return SATURATED + first + jnp.arange(half), cut

        sums = jax.lax.map(partial(_sums, record, objective, params, rule.key), parts(0))
        turns = jax.lax.map(partial(_turn, record, objective, params, rule.key), parts(half))
        *terms, squares = sums
        totals = [jnp.sum(a, axis=0) for a in terms]
        return _terms(totals, batch) | {"star_square": jnp.mean(squares)} | jax.tree.map(jnp.mean, turns)

    return observe


def _kinds(part: Labelled, given: jax.Array) -> dict[str, jax.Array]:
    """Masks (n,) of the three kinds of example in a selection."""
    wrong = part.t != part.y
    return {"right": wrong & (given == part.y), "missed": wrong & (given != part.y), "clean": ~wrong}


def _sums(record: Any, objective: Objective, params: Params, key: jax.Array, at: Any) -> tuple[jax.Array, ...]:
    """(own, pair) summed over the examples of every row, (4, 2), how many those are, (4,), and ||g*||^2."""
    step, part = at
    draw = jax.random.fold_in(key, step)
    given = simulated_noise(record, objective, params, part, draw)[1]
    star = noise_gradient(record, objective, params, part, draw)
    masks = jnp.stack([jnp.ones(len(part.t), bool), *_kinds(part, given).values()]).astype(part.x.dtype)
    own, pair = [], []
    for labels in (part.y, part.t):
        grams = [inner_products(objective, params, Batch(part.x, a), Batch(part.x, labels)) for a in (part.t, given)]
        diagonal = jnp.stack([jnp.diag(gram) for gram in grams])
        others = jnp.stack([jnp.sum(gram, axis=1) for gram in grams]) - diagonal
        which = jnp.asarray([0, 1, 1, 1])
        own.append(jnp.sum(masks * diagonal[which], axis=1))
        pair.append(jnp.sum(masks * others[which], axis=1))
    return jnp.stack(own, axis=1), jnp.stack(pair, axis=1), jnp.sum(masks, axis=1), _square(star)


def _terms(sums: list[jax.Array], batch: int) -> Record:
    own, pair, count = sums
    count = jnp.where(count > 0, count, 1)[:, None]
    means = {"own": own / count, "pair": pair / count / max(1, batch - 1)}
    return {
        f"{name}_{row}_{column}": values[i, j]
        for name, values in means.items()
        for i, row in enumerate(ROWS)
        for j, column in enumerate(COLUMNS)
    }


def _turn(record: Any, objective: Objective, params: Params, key: jax.Array, at: Any) -> Record:
    """What a selection and its rule do to the perturbation of one batch."""
    step, part = at
    draw = jax.random.fold_in(key, step)
    selected, given = simulated_noise(record, objective, params, part, draw)
    size = jnp.maximum(jnp.sum(selected), 1)
    star = noise_gradient(record, objective, params, part, draw)
    clean, noisy = (gradient(Sgd(), (), objective, params, Batch(part.x, labels))[0] for labels in (part.y, part.t))
    eps = perturbation(record, objective, params, part, step, key)(part)
    plain = ascent_step(record.base, objective, params, Batch(part.x, part.t))
    dtype = part.x.dtype
    return {
        f"share_{k}": (jnp.sum(selected & mask) / size).astype(dtype) for k, mask in _kinds(part, given).items()
    } | {
        "kept": jnp.mean((part.t == part.y).astype(dtype)),
        "slope": _slope(noisy, star, clean),
        "turn": _cosine(eps, clean) - _cosine(plain, clean),
    }


def _slope(noisy: Params, star: Params, clean: Params) -> jax.Array:
    """(<g*, g_y> ||g_t||^2 - <g_t, g_y> <g*, g_t>)/(||g_t||^2 ||g_y|| ||g*||), 0 where one of them is zero."""
    size = _square(noisy) * jnp.sqrt(_square(clean) * _square(star))
    turned = _inner(star, clean) * _square(noisy) - _inner(noisy, clean) * _inner(star, noisy)
    return jnp.where(size > 0, turned / jnp.where(size > 0, size, 1), 0)


def _inner(a: Params, b: Params) -> jax.Array:
    return jnp.sum(jnp.stack(jax.tree.leaves(jax.tree.map(jnp.vdot, a, b))))


def _square(a: Params) -> jax.Array:
    return _inner(a, a)


def _cosine(a: Params, b: Params) -> jax.Array:
    size = jnp.sqrt(_square(a) * _square(b))
    return jnp.where(size > 0, _inner(a, b) / jnp.where(size > 0, size, 1), 0)
