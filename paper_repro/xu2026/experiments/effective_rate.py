"""Effective noise rates and best corrections of batches: formulas beside samples."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from figures import noise_compensation as draw
from paper_repro.registry import Experiment, FigureBinding, Table
from paper_repro.xu2026.claims.measured_gradients import (
    Labelled,
    cut,
    flipped_gradient,
    for_every_seed,
    once,
    pair,
    plain_gradient,
)
from spec.claims import Sample
from spec.fields import Checked, Count, Grid, Seeds, Share, Whole, Within
from spec.problems import SignalNoiseMixture
from spec.seeds import named_seed
from spec.validation import require
from theory.compensation import correction


@dataclass(frozen=True)
class Rates(Checked):
    """Precisions of the selection; `seeds` samples of the problem for the markers."""

    problem: SignalNoiseMixture = SignalNoiseMixture(n=4000, d=20, B=1.5, gamma=1.0, Delta=0.3, flips="bernoulli")
    precision: Grid[Share] = (0.3, 0.5, 0.7, 0.9, 1.0)
    gamma: Grid[Annotated[float, Within(-1.0, low_open=True)]] = (-0.6, -0.3, 0.5, 1.0, 2.0)
    seeds: Seeds = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.problem.B > 0, "problem.B", self.problem.B, "above 0: rates are read along the signal")


def rates(config: Rates) -> xr.Dataset:
    """The effective noise rate against gamma for every precision, and gamma* against the precision."""
    law, gamma = config.problem, np.linspace(-0.7, 3.0, 149)
    pi, Delta = np.linspace(0.0, 1.0, 201), np.array([0.1, 0.2, 0.3, 0.4])
    w = 0.4 * np.eye(2, law.d)[0] + 0.6 * np.eye(2, law.d)[1]

    def one(key: jax.Array, split: Labelled) -> jax.Array:
        clean, noisy = pair(w, split)
        flipped = jnp.stack([flipped_gradient(w, split, key, p) for p in config.precision])
        g = jnp.asarray(config.gamma)[None]
        return ((noisy - clean)[0] + g * (flipped - clean[None])[:, :1]) / (1 + g) / law.B

    sampled = for_every_seed(Sample(named_seed("xu2026.rates"), config.seeds), one, law)
    stated = correction.effective_rate(law.Delta, gamma, np.array(config.precision)[:, None])
    zero = correction.cancelling_gamma(Delta[:, None], pi)
    return xr.Dataset(
        {
            "rate": (("precision", "gamma"), stated),
            "sampled_rate": (("seed", "precision", "gamma_sampled"), sampled),
            "cancelling_gamma": (("Delta", "pi"), np.maximum(zero, -2.0)),  # beyond -1 it is of no use
            "sign": (("Delta", "pi"), correction.helpful_sign(Delta[:, None], pi)),
            "noise_rate": law.Delta,
        },
        coords={"precision": list(config.precision), "gamma": gamma, "gamma_sampled": list(config.gamma), "pi": pi,
                "Delta": Delta},
    )  # fmt: skip


def _sign_table(dataset: xr.Dataset) -> Table:
    D, rows = float(dataset["noise_rate"]), []
    for p in dataset["precision"].values:
        sign = float(correction.helpful_sign(D, p))
        # Not by comparing γ* with −1: where no sign helps it is −1, up to rounding.
        zero = f"{correction.cancelling_gamma(D, p):.3f}" if sign < 0 else "none above −1"
        rows.append((f"{p:g}", {1.0: "add", -1.0: "subtract", 0.0: "neither"}[sign], zero))
    return Table(f"Which sign lowers the noise rate, Δ = {D:g}", ("precision", "sign", "γ*"), tuple(rows))


RATES = Experiment(
    id="xu2026.rates",
    title="In population precision decides the sign",
    question="What does a gradient under flipped labels do to noise in the perturbation, and which sign removes it?",
    config={
        "smoke": Rates(problem=SignalNoiseMixture(n=400, d=20, B=1.5, Delta=0.3, flips="bernoulli"), seeds=3),
        "standard": Rates(),
        "full": Rates(seeds=256),
    },
    run=once(rates),
    figures=(
        FigureBinding(
            "xu2026.rates",
            "Effective noise rate, and the weight that cancels the noise",
            "Left: (Δ + γ(1 − π))/(1 + γ) at Δ = 0.3; the paper adds (γ > 0). Right: γ* = −Δ/(1 − π) where it is "
            "usable (above −1); to the right of the mark at π = 1 − Δ adding helps instead.",
            draw.rates,
        ),
    ),
    tables=lambda dataset: (_sign_table(dataset),),
)


@dataclass(frozen=True)
class FiniteBatches(Checked):
    """Batch sizes; `seeds` samples of the problem, cut into batches, for the markers."""

    problem: SignalNoiseMixture = SignalNoiseMixture(n=6144, d=20, B=1.5, gamma=1.0, Delta=0.3, flips="bernoulli")
    dimensions: Grid[Annotated[int, Whole(3)]] = (5, 20, 100)
    batch: Grid[Count] = (2, 8, 32, 128)
    seeds: Seeds = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        law = self.problem
        require(law.B > 0, "problem.B", law.B, "above 0: without signal there is nothing to correct")
        require(max(self.batch) <= law.n, "batch", self.batch, f"at most problem.n = {law.n}")


def _best_gamma(split: Labelled, batch: int) -> jax.Array:
    """The minimiser of the mean over batches of ||g_t - gamma m_t - g_y||^2, at w = 0."""
    w = np.zeros(split.x.shape[1])

    def products(part: Any) -> jax.Array:
        clean, noisy = pair(w, part)
        mean = plain_gradient(w, part.x, -part.t) - noisy
        return jnp.stack([(noisy - clean) @ mean, mean @ mean])

    product, square = jnp.mean(jax.vmap(products)(cut(split, batch)), axis=0)
    return product / square


def finite_batches(config: FiniteBatches) -> xr.Dataset:
    """The best gamma against the batch size for several dimensions."""
    sizes = np.unique(np.geomspace(1, 512, 60).astype(int))
    laws = [replace(config.problem, d=d) for d in config.dimensions]

    def moments(law: SignalNoiseMixture) -> dict[str, float]:
        return {"second_moment": law.B**2 + law.gamma**2 * law.d, "mean_square": law.B**2}

    def one(key: jax.Array, *splits: Labelled) -> jax.Array:
        return jnp.stack([jnp.stack([_best_gamma(split, b) for b in config.batch]) for split in splits])

    sampled = for_every_seed(Sample(named_seed("xu2026.finite_batch"), config.seeds), one, *laws)
    D = config.problem.Delta
    stated = [[correction.finite_batch_optimum(D, int(b), **moments(law)) for b in sizes] for law in laws]
    return xr.Dataset(
        {
            "gamma": (("d", "batch"), stated),
            "sampled_gamma": (("seed", "d", "batch_sampled"), sampled),
            "reversal": ("d", [correction.reversal_batch(D, **moments(law)) for law in laws]),
            "limit": D / (1 - 2 * D),
        },
        coords={"d": list(config.dimensions), "batch": sizes, "batch_sampled": list(config.batch)},
    )


def _reversals(dataset: xr.Dataset) -> Table:
    rows = tuple((str(int(d)), f"{float(b):.1f}") for d, b in zip(dataset["d"], dataset["reversal"], strict=True))
    return Table(
        "Batch size below which adding lowers the squared error (shrinkage), w and selection arbitrary",
        ("d", "batch"),
        rows,
    )


FINITE_BATCHES = Experiment(
    id="xu2026.finite_batch",
    title="In small batches shrinkage beats cancellation",
    question="How much of the flipped direction should be subtracted when it is estimated on the batch itself?",
    config={
        "smoke": FiniteBatches(dimensions=(5, 20), batch=(2, 32), seeds=3),
        "standard": FiniteBatches(),
        "full": FiniteBatches(batch=(2, 4, 8, 16, 32, 64, 128, 256), seeds=128),
    },
    run=once(finite_batches),
    figures=(
        FigureBinding(
            "xu2026.finite_batch",
            "Best amount to subtract against the size of the batch",
            "Lines: closed form; markers: sampled batches. Negative values mean adding, as published: in small batches "
            "of many dimensions it shrinks the gradient, which lowers the squared error and not the angle. Dotted: "
            "Δ/(1 − 2Δ), the limit of large batches.",
            draw.finite_batches,
        ),
    ),
    tables=lambda dataset: (_reversals(dataset),),
)
