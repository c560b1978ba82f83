"""Two experiments that put a formula beside its simulation: the up-weighting curve and the clean/mislabelled ratio."""

from dataclasses import dataclass
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from figures import logistic as draw
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from paper_repro.shared.logistic_cases import LINEAR, draws
from sims import objectives, per_example
from sims.data.sampling import Split
from sims.observables import scalars
from spec.claims import Sample
from spec.fields import Checked, Count, Finite, Grid, NonNegative, Seeds, Whole, Within
from spec.problems import SignalNoiseMixture
from spec.rules import Sam, Sgd
from spec.seeds import named_seed
from spec.validation import require
from theory.logistic import mixture, regression


@dataclass(frozen=True)
class Upweighting(Checked):
    """Shifts C and the number of simulated examples for each; seeds only names the draw of the inputs."""

    C: Grid[Annotated[float, Within(0.0, 500.0)]] = (0.5, 1.0, 2.0, 4.0)
    points: Annotated[int, Whole(1, 10**4)] = 13
    d: Annotated[int, Whole(1, 10**6)] = 6
    seeds: Count = 1


def upweighting(config: Upweighting) -> xr.Dataset:
    """Amplification and its logarithmic slope: closed form on a fine grid, autodiff on inputs placed at margins."""
    z = np.linspace(-8, 8, 161)
    z_simulated = np.linspace(-7.5, 7.5, config.points)
    C = np.array(config.C)
    x = np.random.default_rng(named_seed("baek2024.upweighting")).normal(size=(config.points, config.d))
    measured = np.stack([_simulated_amplification(jnp.asarray(x), z_simulated, c) for c in C])
    return xr.Dataset(
        {
            "amplification": (("C", "z"), regression.amplification(z, C[:, None])),
            "log_slope": (("C", "z"), regression.log_amplification_slope(z, C[:, None])),
            "simulated_amplification": (("C", "z_simulated"), measured[:, 0]),
            "simulated_log_slope": (("C", "z_simulated"), measured[:, 1]),
        },
        coords={"C": C, "z": z, "z_simulated": z_simulated},
    )


def _simulated_amplification(x: jax.Array, z: np.ndarray, C: float) -> np.ndarray:
    """(amplification, its logarithmic slope) at w = z x/||x||^2 and rho = C/||x||, through the rules, by autodiff."""

    def log_amplification(z: jax.Array, x: jax.Array) -> jax.Array:
        norm = jnp.linalg.norm(x)
        params, batch = {"w": z * x / norm**2}, objectives.Batch(x[None], jnp.ones(1))
        sam, sgd = (per_example.contributions(rule, LINEAR, params, batch)[0][0] for rule in (Sam(C / norm), Sgd()))
        return jnp.log(sam / sgd)

    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(log_amplification)))(jnp.asarray(z), x)
    return np.stack([np.exp(values), slopes])


UPWEIGHTING = Experiment(
    id="baek2024.upweighting",
    title="SAM up-weights low-loss points",
    question="Does 1-SAM amplify the gradient of an example by σ(−z+C)/σ(−z), increasing in its margin?",
    config={"smoke": Upweighting(points=5), "standard": Upweighting(), "full": Upweighting(points=41)},
    run=lambda config, parts: parts.map(upweighting, [config])[0],
    figures=(
        FigureBinding(
            "baek2024.upweighting",
            "Up-weighting of low-loss points (Lemma 3.1)",
            "Lines: closed form. Markers: simulated 1-SAM over SGD gradient norms of random inputs, by autodiff.",
            draw.upweighting,
        ),
    ),
    tables=lambda dataset: (_agreement(dataset),),
)


def _agreement(dataset: xr.Dataset) -> Table:
    stated = regression.amplification(dataset["z_simulated"].values, dataset["C"].values[:, None])
    error = np.abs(dataset["simulated_amplification"].values / stated - 1).max(axis=1)
    rows = tuple((f"{c:g}", f"{np.exp(c):.4g}", f"{e:.1e}") for c, e in zip(dataset["C"].values, error, strict=True))
    return Table("Simulated against closed-form amplification", ("C", "limit eᶜ", "largest relative error"), rows)


@dataclass(frozen=True)
class Ratio(Checked):
    """Mixture, overlaps w_1 of fixed classifiers, and the grid of rho; seeds samples of the mixture."""

    problem: SignalNoiseMixture
    overlaps: Grid[Finite] = (-0.4, 0.2, 0.8)
    rho: Grid[NonNegative] = (0.0, 0.025, 0.05, 0.1, 0.2, 0.4)
    seeds: Seeds = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.problem.Delta > 0, "problem.Delta", self.problem.Delta, "above 0: the ratio is to the mislabelled")


def ratio(config: Ratio) -> xr.Dataset:
    """Clean/mislabelled ratio of mean 1-SAM gradient norms at fixed w: exact expectation and simulated samples."""
    rng = np.random.default_rng(named_seed("baek2024.clean_noisy_ratio"))
    w = rng.normal(size=(len(config.overlaps), config.problem.d)) / np.sqrt(config.problem.d)
    w[:, 0] = config.overlaps
    C = np.linspace(0, 8, 41)
    split = draws(config.problem, Sample(named_seed("baek2024.clean_noisy_ratio/data"), config.seeds))
    simulated = np.stack([[_sampled_ratio(split, jnp.asarray(v), rho) for rho in config.rho] for v in w])
    return xr.Dataset(
        {
            "predicted_ratio": (("overlap", "rho"), [[_exact_ratio(config, v, rho) for rho in config.rho] for v in w]),
            "simulated_ratio": (("overlap", "rho", "seed"), simulated),
            "log_slope": (
                ("overlap", "C"),
                [[mixture.fixed_shift_ratio_log_slope(config.problem, v, c) for c in C] for v in w],
            ),
        },
        coords={"overlap": list(config.overlaps), "rho": list(config.rho), "C": C},
    )


def _exact_ratio(config: Ratio, w: np.ndarray, rho: float) -> float:
    clean, noisy = (
        mixture.expected_gradient_norm(config.problem, w, rho, mislabelled=m, rtol=1e-6).value for m in (False, True)
    )
    return float(clean / noisy)


@jax.jit
def _sampled_ratio(split: Split, w: jax.Array, rho: float) -> jax.Array:
    def one(split: Split) -> jax.Array:
        norms, _ = per_example.contributions(Sam(rho), LINEAR, {"w": w}, objectives.Batch(split.x, split.t))
        clean, noisy = scalars.by_group(norms, split)
        return clean / noisy

    return jax.vmap(one)(split)


def _run_ratio(config: Ratio, parts: Parts) -> xr.Dataset:
    return parts.map(ratio, [config])[0]


_MIXTURE = SignalNoiseMixture(n=400, d=100, B=2.0, gamma=1.0, Delta=0.3, noise="orthogonal")

RATIO = Experiment(
    id="baek2024.clean_noisy_ratio",
    title="When a larger ρ favours clean examples",
    question="At the same w, does a larger ρ raise the clean/mislabelled gradient ratio? Only once w has the signal.",
    config={"smoke": Ratio(_MIXTURE, seeds=8), "standard": Ratio(_MIXTURE), "full": Ratio(_MIXTURE, seeds=256)},
    run=_run_ratio,
    figures=(
        FigureBinding(
            "baek2024.clean_noisy_ratio",
            "The clean/mislabelled ratio and the sign of its slope",
            "Lines: exact Gaussian expectations. Markers: simulated samples.",
            draw.clean_noisy_ratio,
        ),
    ),
    tables=lambda dataset: (_ratio_table(dataset),),
)


def _ratio_table(dataset: xr.Dataset) -> Table:
    rows = []
    for overlap in dataset["overlap"].values:
        row = dataset.sel(overlap=overlap)
        simulated = row["simulated_ratio"].mean("seed").values
        first, last = row["predicted_ratio"].values[[0, -1]]
        change = f"{first:.3f} → {last:.3f} (simulated {simulated[0]:.3f} → {simulated[-1]:.3f})"
        rows.append((f"{overlap:+g}", change, "raises" if last > first else "lowers"))
    caption = f"Ratio at ρ = {dataset['rho'].values[0]:g} and {dataset['rho'].values[-1]:g}"
    return Table(caption, ("overlap w₁", "clean / mislabelled", "a larger ρ"), tuple(rows))
