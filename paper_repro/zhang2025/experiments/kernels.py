"""Empirical tangent kernels of random networks beside their infinite-width limit."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from figures import kernels as draw
from paper_repro.registry import Experiment, FigureBinding, Table
from paper_repro.statistics import interval
from sims import programs, tangent_kernel
from sims.models import networks
from spec.claims import Asymptotic, Claim, Mutant, Sample
from spec.fields import Checked, Distinct, Grid, Seeds, Whole, Width
from spec.seeds import named_seeds
from theory import ntk

SOURCE = "Jacot et al. (2018), Theorem 1; the regime of Zhang et al. (2025)"
WIDTHS = (16, 64, 256)
WIDE = 128  # from this width on running takes longer than compiling
TWO_OR_MORE = Distinct(2, "at least two different widths, to fit an exponent")


@dataclass(frozen=True)
class KernelWidth(Checked):
    """Networks of several depths (hidden layers) and widths, `seeds` of each; n inputs of size d on a half circle."""

    widths: Annotated[tuple[Width, ...], TWO_OR_MORE] = (
        32,
        64,
        128,
        256,
        512,
        1024,
    )
    hidden: Grid[Annotated[int, Whole(1, 100)]] = (1, 2, 3)
    n: Annotated[int, Whole(2)] = 24
    d: Annotated[int, Whole(2)] = 16
    seeds: Seeds = 32


def half_circle(n: int, d: int) -> np.ndarray:
    """n inputs of norm sqrt(d) in one plane, at angles 0, ..., pi from the first one."""
    angles = np.linspace(0, np.pi, n)
    x = np.zeros((n, d))
    x[:, 0], x[:, 1] = np.sqrt(d) * np.cos(angles), np.sqrt(d) * np.sin(angles)
    return x


def sampled(hidden: int, width: int, x: np.ndarray, keys: jax.Array) -> np.ndarray:
    """The tangent kernels at initialisation of one network for each key, (keys, n, n), in float64."""
    options = programs.FOR_ONCE if width < WIDE else programs.FOR_LOOPS
    return np.asarray(programs.call(_sampled, (hidden, width), x, keys, options=options))


def _sampled(hidden: int, width: int, x: jax.Array, keys: jax.Array) -> jax.Array:
    model = networks.mlp((x.shape[1], *[width] * hidden, 1), scaling="ntk")
    return jax.lax.map(lambda key: tangent_kernel.empirical(model, model.init(key, jnp.float64), x), keys)


def kernel_width(config: KernelWidth) -> xr.Dataset:
    """Relative error ||K - Theta||_F/||Theta||_F for every depth, width and seed, and one row of the kernels."""
    x = half_circle(config.n, config.d)
    stated = np.stack([ntk.relu(x, hidden=hidden).tangent for hidden in config.hidden])
    seeds = named_seeds("zhang2025.kernel_width", config.seeds)
    keys = jax.vmap(jax.random.key)(jnp.asarray(seeds, jnp.uint32))
    errors, rows = np.empty((len(config.hidden), len(config.widths), config.seeds)), []
    for i, hidden in enumerate(config.hidden):
        for j, width in enumerate(config.widths):
            kernels = sampled(hidden, width, x, keys)
            errors[i, j] = np.linalg.norm(kernels - stated[i], axis=(1, 2)) / np.linalg.norm(stated[i])
        rows.append(kernels[:, 0])
    return xr.Dataset(
        {
            "error": (("hidden", "width", "seed"), errors),
            "limit": (("hidden", "angle"), stated[:, 0]),
            "kernel": (("hidden", "seed", "angle"), np.stack(rows)),
        },
        coords={"hidden": list(config.hidden), "width": list(config.widths), "angle": np.linspace(0, 180, config.n)},
    )


def _slopes(dataset: xr.Dataset) -> Table:
    rows = []
    for hidden in dataset["hidden"].values:
        error = np.log(np.sqrt((dataset["error"].sel(hidden=hidden) ** 2).mean("seed")))
        slope = np.polyfit(np.log(dataset["width"]), error, 1)[0]
        last = interval(dataset["error"].sel(hidden=hidden).isel(width=-1))
        rows.append((str(hidden), f"{slope:.3f}", f"{last.mean:.4f} [{last.low:.4f}, {last.high:.4f}]"))
    widest = int(dataset["width"][-1])
    head = ("hidden layers", "fitted exponent of the width", f"relative error at width {widest} (95 %)")
    return Table("Distance of finite networks from the limit kernel", head, tuple(rows))


KERNEL_WIDTH = Experiment(
    id="zhang2025.kernel_width",
    title="Finite networks and the tangent kernel",
    question="How far is the tangent kernel of a random network of finite width from its infinite-width limit?",
    config={
        "smoke": KernelWidth(widths=(16, 64), hidden=(1, 2), n=6, seeds=4),
        "standard": KernelWidth(widths=(32, 128, 512)),
        "full": KernelWidth(widths=(32, 64, 128, 256, 512, 1024, 2048), hidden=(1, 2, 3, 5), seeds=64),
    },
    run=lambda config, parts: parts.map(kernel_width, [config])[0],
    figures=(
        FigureBinding(
            "zhang2025.kernel_width",
            "Tangent kernels: finite width against the limit",
            "Lines: closed form by arc-cosine kernels; the rate width^(-1/2). Markers: random networks, by autodiff.",
            draw.width,
        ),
    ),
    tables=lambda dataset: (_slopes(dataset),),
)


def _pair() -> np.ndarray:
    """Two inputs of unequal norm, 45 degrees apart: near and small enough for depth to tell beside the fluctuations."""
    return np.array([[0.4, 0.0, 0.0], [0.5, 0.5, 0.0]])


def _measured(hidden: int, sample: Sample) -> np.ndarray:
    """K(x, x') of `count` networks at every width, (count, widths)."""
    keys = jax.random.split(jax.random.key(sample.seed), sample.count)
    return np.stack([sampled(hidden, width, _pair(), keys)[:, 0, 1] for width in WIDTHS], axis=1)


def _stated(hidden: int, sample: Sample) -> np.ndarray:
    return _everywhere(ntk.relu(_pair(), hidden=hidden).tangent)


def _last_layer_only(hidden: int, sample: Sample) -> np.ndarray:
    return _everywhere(ntk.relu(_pair(), hidden=hidden).covariance + 1)


def _without_hidden_biases(sample: Sample) -> np.ndarray:
    """For one hidden layer, whose bias contributes kappa_0/2."""
    x = _pair()
    cosine = x @ x.T / np.outer(*[np.linalg.norm(x, axis=1)] * 2)
    return _everywhere(ntk.relu(x).tangent - ntk.arc_cosine(0, np.clip(cosine, -1, 1)) / 2)


def _everywhere(kernel: np.ndarray) -> np.ndarray:
    """The entry between the two inputs, for every width."""
    return np.full(len(WIDTHS), kernel[0, 1])


def _claim(hidden: int, name: str, *mutants: Mutant) -> Claim:
    return Claim(
        id=f"zhang2025.kernel_{name}",
        origin="derived",
        source=SOURCE,
        statement=f"The tangent kernel of a random ReLU network with {hidden} hidden layer{'s' * (hidden > 1)} tends "
        "to the arc-cosine recursion at rate width^(-1/2).",
        regime="NTK scaling, gains 2 and 1, biases that start at zero, any inputs but zero; width -> inf",
        tolerance=Asymptotic(WIDTHS, -0.5, (0.0, -1.0), slope=0.1, mean_exponent=-1.0, resolution=0.1),
        setup=lambda s: Sample(s.seed, (16 if hidden == 1 else 12) * s.count),
        predicted=partial(_stated, hidden),
        measured=partial(_measured, hidden),
        mutants=(
            Mutant("one layer fewer", predicted=partial(_stated, hidden - 1)),
            Mutant("one layer more", predicted=partial(_stated, hidden + 1)),
            Mutant("only the last layer trained", predicted=partial(_last_layer_only, hidden)),
            *mutants,
        ),
        theory="theory.ntk.relu",
        figure="zhang2025.kernel_width",
    )


CLAIMS = (
    _claim(1, "two_layers", Mutant("biases of the hidden layer not trained", predicted=_without_hidden_biases)),
    _claim(2, "three_layers"),
)
