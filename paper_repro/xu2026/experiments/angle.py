"""The angle of the perturbation and its cosine against the clean residual: formulas beside samples."""

from dataclasses import dataclass, replace
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from figures import noise_compensation as draw
from paper_repro.registry import Experiment, FigureBinding, Table
from paper_repro.xu2026.claims.measured_gradients import Labelled, angle, for_every_seed, labelled, once, pair
from spec.claims import Sample
from spec.fields import Checked, Finite, Grid, NoiseRate, Seeds, Whole
from spec.problems import SignalNoiseMixture
from spec.seeds import named_seed
from spec.validation import require
from theory.compensation import angle as perturbation_angle


@dataclass(frozen=True)
class Angles(Checked):
    """Positions a e_1 + b e_2 of the classifier: a over a grid, two b; `seeds` samples of problem.n for each marker.

    Dimensions beyond the plane of e_1 and e_2 play no part in the population, and markers are measured in that plane.
    """

    problem: SignalNoiseMixture = SignalNoiseMixture(n=40_000, d=3, B=1.5, gamma=1.0, flips="bernoulli")
    Delta: Grid[NoiseRate] = (0.1, 0.2, 0.3, 0.4)
    across: Grid[Finite] = (0.0, 0.6)
    grid: Annotated[int, Whole(2, 10**5)] = 121
    points: Annotated[int, Whole(1, 10**4)] = 8
    seeds: Seeds = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.problem.B > 0, "problem.B", self.problem.B, "above 0: without signal there is no angle")


def angles(config: Angles) -> xr.Dataset:
    """The angle along a for every noise rate, in degrees: closed form on a grid, samples at `points` places."""
    a, marks = np.linspace(0.02, 4.0, config.grid), jnp.linspace(0.1, 3.9, config.points)
    axes = np.eye(2, config.problem.d)
    laws = [replace(config.problem, Delta=D) for D in config.Delta]

    def stated(law: SignalNoiseMixture, b: float) -> list[float]:
        return [perturbation_angle.perturbation_angle(law, s * axes[0] + b * axes[1]) for s in a]

    def one(key: jax.Array, *splits: Labelled) -> jax.Array:
        def at(split: Labelled, b: float) -> jax.Array:
            return jax.vmap(lambda s: angle(*(g[:2] for g in pair(s * axes[0] + b * axes[1], split))))(marks)

        return jnp.stack([jnp.stack([at(split, b) for b in config.across]) for split in splits])

    sampled = for_every_seed(Sample(named_seed("xu2026.angle"), config.seeds), one, *laws)
    return xr.Dataset(
        {
            "angle": (("Delta", "b", "a"), np.degrees([[stated(law, b) for b in config.across] for law in laws])),
            "sampled_angle": (("seed", "Delta", "b", "a_sampled"), np.degrees(sampled)),
            "noisy_minimiser": ("Delta", [perturbation_angle.overshoot_zone(law)[0] for law in laws]),
            "clean_minimiser": perturbation_angle.overshoot_zone(laws[0])[1],
        },
        coords={"Delta": list(config.Delta), "b": list(config.across), "a": a, "a_sampled": marks},
    )


def _zones(dataset: xr.Dataset) -> Table:
    high = float(dataset["clean_minimiser"])
    rows = tuple((f"{float(D):g}", f"{float(low):.4f}", f"{high:.4f}")
                 for D, low in zip(dataset["Delta"], dataset["noisy_minimiser"], strict=True))  # fmt: skip
    return Table("Where the noise reverses the perturbation of w = a μ/‖μ‖", ("Δ", "from a =", "to a ="), rows)


ANGLES = Experiment(
    id="xu2026.angle",
    title="How far label noise turns SAM's perturbation",
    question="At which noise rates and which weights does the noisy perturbation point elsewhere than the clean one?",
    config={
        "smoke": Angles(Delta=(0.1, 0.4), grid=9, points=3, seeds=3),
        "standard": Angles(seeds=8),
        "full": Angles(grid=241, points=20, seeds=256),
    },
    run=once(angles),
    figures=(
        FigureBinding(
            "xu2026.angle",
            "Angle between noisy and clean perturbation",
            "Class-conditional Gaussian, B = 1.5. Lines: closed form in population. Markers: samples of 40000, in "
            "the plane of signal and w. On the axis (left) the angle is 0° or exactly 180°, the latter "
            "between the noisy and the clean minimiser (samples can only stray inwards); off the axis (right) it "
            "takes values between.",
            draw.angles,
        ),
    ),
    tables=lambda dataset: (_zones(dataset),),
)


@dataclass(frozen=True)
class Residuals(Checked):
    """Batches of n = problem.n examples with d >> n, fitted to a common clean residual; `seeds` batches."""

    problem: SignalNoiseMixture = SignalNoiseMixture(n=40, d=8000, B=0.0, gamma=1.0, Delta=0.4)
    Delta: Grid[NoiseRate] = (0.1, 0.2, 0.4)
    points: Annotated[int, Whole(1, 10**4)] = 9
    seeds: Seeds = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        n, d = self.problem.n, self.problem.d
        require(d > n, "problem.d", d, f"above problem.n = {n}, so that all true labels can be fitted")


@jax.jit
def _cosines(z: jax.Array, unit: jax.Array, split: Labelled) -> jax.Array:
    """cos of the angle between noisy and clean gradient at w = z unit, for every z."""
    return jax.vmap(lambda a: jnp.cos(angle(*pair(a * unit, split))))(z)


def residuals(config: Residuals) -> xr.Dataset:
    """cos(eps, eps_clean) against the clean residual: the orthogonal formula, and Gaussian inputs fitted exactly."""
    s, marks = np.geomspace(0.005, 0.9, 121), np.geomspace(0.01, 0.8, config.points)

    z = jnp.log(1 / jnp.asarray(marks) - 1)
    sample = Sample(named_seed("xu2026.residual"), config.seeds)
    drawn = [labelled(replace(config.problem, Delta=Delta), sample) for Delta in config.Delta]
    sampled = np.empty((config.seeds, len(config.Delta), config.points))
    for i, j in np.ndindex(*sampled.shape[:2]):
        split = jax.tree.map(lambda leaf, i=i: leaf[i], drawn[j])
        x, y = np.asarray(split.x), np.asarray(split.y)
        unit = np.linalg.solve(x @ x.T, y) @ x  # the smallest w with margin one on every true label
        sampled[i, j] = _cosines(z, jnp.asarray(unit), split)
    stated = [perturbation_angle.orthogonal_cosine(s, D) for D in config.Delta]
    return xr.Dataset(
        {"cosine": (("Delta", "residual"), stated), "sampled_cosine": (("seed", "Delta", "mark"), sampled)},
        coords={"Delta": list(config.Delta), "residual": s, "mark": marks},
    )


def _signs(dataset: xr.Dataset) -> Table:
    rows = []
    for D in dataset["Delta"].values:
        mean = dataset["sampled_cosine"].sel(Delta=D).mean("seed").values
        rows.append((f"{D:g}", f"{1 - 2 * D:g}", f"{mean[0]:.3f} at s = {float(dataset['mark'][0]):g}"))
    return Table(
        "The cosine turns negative when clean examples are fitted", ("Δ", "at s = 1/2", "sampled"), tuple(rows)
    )


RESIDUALS = Experiment(
    id="xu2026.residual",
    title="The perturbation turns away as clean examples are fitted",
    question="How does the cosine of noisy and clean perturbation depend on how well clean examples are fitted?",
    config={
        "smoke": Residuals(
            Delta=(0.1, 0.4), problem=SignalNoiseMixture(n=20, d=1000, B=0.0, Delta=0.4), points=4, seeds=3
        ),
        "standard": Residuals(),
        "full": Residuals(points=17, seeds=64),
    },
    run=once(residuals),
    figures=(
        FigureBinding(
            "xu2026.residual",
            "cos(ε, ε_clean) against the clean residual",
            "Lines: (s − Δ)/√((1 − Δ)s² + Δ(1 − s)²), orthogonal inputs. Markers: Gaussian inputs, d = 200 n, all true "
            "labels fitted to the residual s. Below s = Δ the noisy perturbation points against the clean one.",
            draw.residuals,
        ),
    ),
    tables=lambda dataset: (_signs(dataset),),
)
