"""The two-dimensional toy: SGD, n-SAM and SANER on Gaussians with flipped labels, from a fixed start.

The data are those of the released script: numpy's legacy generator, first a clean sample that is not used further, then
the noisy one. Draw 0 has the script's seed; further draws tell whether what it shows is typical.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from figures import down_weighting as draw
from paper_repro.luong2026.claims.random_problems import LINEAR_MODEL
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from sims import objectives
from sims.data.sampling import Data, Split
from sims.train import train
from spec.fields import Checked, Finite, Natural, NonNegative, Positive, RemovedFraction, Seeds, Steps, Whole, Within
from spec.rules import DownWeight, Rule, Sam, Sgd
from spec.seeds import named_seed, seed_shift
from spec.training import Training
from spec.validation import require

OVERFITTED = 1.0  # loss on all noisy training data below which the script calls weights overfitted


@dataclass(frozen=True)
class Toy(Checked):
    """Start, ascent, step, removed fraction; `script_steps` is the script's length. Draws are seeds of the script."""

    n: Annotated[int, Whole(4)] = 200
    Delta: Annotated[float, Within(0.0, 0.5, low_open=True)] = 0.3
    mean: NonNegative = 2.0
    start: tuple[Finite, Finite] = (-8.0, -2.0)
    rho: NonNegative = 3.0
    eta: Positive = 1.0
    alpha: RemovedFraction = 0.9
    steps: Steps = 100
    script_steps: Steps = 20
    script_seed: Natural = 42
    seeds: Seeds = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.n % 2 == 0, "n", self.n, "even: half of the examples are of each class")
        require(int(self.Delta * self.n) >= 1, "Delta", self.Delta, f"at least 1/n = {1 / self.n:g}")


def sample(config: Toy, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x (n, 2), observed labels t in {-1, 1} (script: 0, 1) and which are mislabelled, exactly as in the script."""
    generator = np.random.RandomState(seed)
    half, identity = config.n // 2, np.eye(2)

    def inputs() -> np.ndarray:
        return np.vstack([generator.multivariate_normal([sign * config.mean] * 2, identity, half) for sign in (1, -1)])

    inputs()
    x = inputs()
    flipped = generator.choice(config.n, int(config.Delta * config.n), replace=False)
    mislabelled = np.isin(np.arange(config.n), flipped)
    y = np.where(np.arange(config.n) < half, -1.0, 1.0)
    return x, np.where(mislabelled, -y, y), mislabelled


def _seeds(config: Toy) -> np.ndarray:
    """The script's seed and those that follow it; SEED_SHIFT moves on to seeds that no other shift has."""
    return (config.script_seed + config.seeds * seed_shift() + np.arange(config.seeds)) % 2**31


def competitors(config: Toy) -> dict[str, Rule]:
    """By the names of the figures."""
    sam = Sam(config.rho, "batch")
    return {"SGD": Sgd(), "SAM": sam, "SANER": DownWeight(sam, config.alpha)}


def _losses(_rule: Any, objective: Any, params: Any, data: Data) -> dict[str, jax.Array]:
    x, t, _ = data.train
    return {"w": params["w"], "loss": jnp.mean(jax.vmap(objective.loss)(objective.model.apply(params, x), t))}


@partial(jax.jit, static_argnums=(1, 2))
def _trained(split: Split, rule: Rule, config: Toy) -> Any:
    def one(split: Split) -> Any:
        return train(
            rule,
            Training(eta=config.eta, epochs=config.steps),
            model=LINEAR_MODEL,
            loss=objectives.logistic,
            params={"w": jnp.asarray(config.start)},
            data=Data(split, None, split),
            observe=_losses,
            key=jax.random.key(named_seed("unused")),  # full batches: the order plays no part
        )[1]

    return jax.vmap(one)(split)


def toy(config: Toy) -> xr.Dataset:
    """Steps of every rule and draw to the overfitted region; of draw 0 also paths, losses and the landscape."""
    draws = [sample(config, int(seed)) for seed in _seeds(config)]
    x, t, mislabelled = (np.stack(v) for v in zip(*draws, strict=True))
    split = Split(jnp.asarray(x), jnp.asarray(t), jnp.asarray(np.where(mislabelled, -t, t)))
    runs = []
    for rule in competitors(config).values():
        found = _trained(split, rule, config)
        loss = np.asarray(found["loss"])
        shown = {"w": (("step", "axis"), np.asarray(found["w"])[0]), "loss": ("step", loss[0])}
        runs.append(xr.Dataset({"steps": ("seed", first_overfitted(loss))} | shown))
    grid = {"w_1": np.linspace(-9, 2.5, 80), "w_2": np.linspace(-2.5, 3.5, 50)}
    w = np.stack(np.meshgrid(*grid.values(), indexing="ij"), axis=-1)
    values = np.logaddexp(0, -t[0] * np.einsum("abk,nk->abn", w, x[0]))
    return xr.concat(runs, dim="rule").assign(
        landscape=(("w_1", "w_2"), values[..., ~mislabelled[0]].mean(axis=-1)),
        noisy_landscape=(("w_1", "w_2"), values.mean(axis=-1)),
        x=(("example", "axis"), x[0]),
        t=("example", t[0]),
        mislabelled=("example", mislabelled[0]),
    ).assign_coords(
        rule=list(competitors(config)), seed=_seeds(config),
        step=np.arange(config.steps + 1), script_steps=config.script_steps, w_1=grid["w_1"], w_2=grid["w_2"],
    )  # fmt: skip


def first_overfitted(loss: np.ndarray) -> np.ndarray:
    """The first step at which a run's loss (seed, step) on all noisy data is at most OVERFITTED; -1: never."""
    inside = loss <= OVERFITTED
    return np.where(inside.any(axis=1), inside.argmax(axis=1), -1)


def _shown(step: int, last: int) -> str:
    return "never" if step < 0 else f"{step}" + (" (beyond the script)" if step > last else "")


def tables(dataset: xr.Dataset) -> tuple[Table, ...]:
    """Steps to the overfitted region for the script's draw and over all draws."""
    last, steps = int(dataset["script_steps"]), dataset["steps"]
    longest = int(dataset["step"][-1])
    never = steps.where(steps >= 0, longest + 1)
    rows = []
    for name in dataset["rule"].values:
        row = never.sel(rule=name).values
        reached = f"{100 * np.mean(row <= longest):.0f} %"
        quartiles = ", ".join(f"{q:.0f}" for q in np.percentile(row, [25, 50, 75]))
        rows.append((str(name), _shown(int(steps.sel(rule=name)[0]), last), quartiles, reached))
    order = []
    for first, second in (("SGD", "SAM"), ("SAM", "SANER"), ("SGD", "SANER")):
        a, b = never.sel(rule=first).values, never.sel(rule=second).values
        order.append((f"{first} before {second}", *(f"{100 * np.mean(v):.0f} %" for v in (a < b, a == b, a > b))))
    head = ("rule", "script's draw", f"quartiles over draws ({longest + 1}: never)", f"reached in {longest} steps")
    return (
        Table("Steps until the loss on all noisy training data is at most 1", head, tuple(rows)),
        Table("Is the order typical? Share of draws", ("order", "yes", "tie", "no"), tuple(order)),
    )


def _run(config: Toy, parts: Parts) -> xr.Dataset:
    return parts.map(toy, [config])[0]


TOY = Experiment(
    id="luong2026.toy",
    title="The two-dimensional toy",
    question="Do SGD, SAM and SANER enter the overfitted region in this order, and is that typical of such data?",
    config={"smoke": Toy(seeds=4, steps=30), "standard": Toy(), "full": Toy(seeds=1000, steps=400)},
    run=_run,
    figures=(
        FigureBinding(
            "luong2026.toy",
            "Trajectories, decision boundaries and losses on the script's draw",
            "Left: loss on correctly labelled examples (contours), the region with loss at most 1 on all noisy data "
            "(red), and the script's 20 steps. Middle: decision boundaries after them. Right: loss on all noisy data.",
            draw.toy,
        ),
    ),
    tables=tables,
)
