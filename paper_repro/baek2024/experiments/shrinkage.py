"""How fast each kind of SAM shrinks the last layer while it trains: the prediction for J-SAM beside the measurement."""

from dataclasses import dataclass

import xarray as xr

from figures import networks as draw
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from paper_repro.statistics import interval
from paper_repro.trajectories import concatenate
from sims import simulate
from spec.fields import Checked, Grid, Positive, Seeds
from spec.networks import Mlp, Network
from spec.observables import LastLayerDecay, LayerNorms
from spec.problems import RealData
from spec.rules import JacobianSam, LogitSam, Sam
from spec.runs import TrainingRun
from spec.seeds import named_seeds
from spec.training import Training


@dataclass(frozen=True)
class Shrinkage(Checked):
    """L-SAM, J-SAM and 1-SAM on one problem; the decay is taken on the whole training split, along each one's path."""

    problem: RealData = RealData()
    network: Network = Mlp((256,))
    training: Training = Training(eta=0.1, epochs=40, batch=50, momentum=0.9, weight_decay=5e-4, record_every=2)
    rho: Grid[Positive] = (0.1,)
    seeds: Seeds = 4


def runs(config: Shrinkage) -> list[TrainingRun]:
    """Each rule at each rho."""
    seeds = named_seeds("baek2024.shrinkage", config.seeds)
    observe = (LayerNorms(), LastLayerDecay())
    return [
        TrainingRun(kind(rho), config.problem, config.network, config.training, observe, seeds)
        for rho in config.rho
        for kind in (LogitSam, JacobianSam, Sam)
    ]


def run(config: Shrinkage, parts: Parts) -> xr.Dataset:
    """Measured and predicted decay and the norms, (run, seed, epoch)."""
    units = runs(config)
    return concatenate(units, parts.map(simulate, units))


def tables(dataset: xr.Dataset) -> tuple[Table, ...]:
    """Measured over predicted decay of the last layer, summed over epochs."""
    rows = []
    for k in range(dataset.sizes["run"]):
        row = dataset.isel(run=k)
        measured, predicted = (row[f"{n}_decay"].sum("epoch").values for n in ("measured", "predicted"))
        ratio = measured / predicted
        final = float(row["last_layer_norm"].isel(epoch=-1).mean())
        mean, low, high = interval(ratio)
        cells = (f"{measured.mean():.3g}", f"{predicted.mean():.3g}", f"{mean:.3f} [{low:.3f}, {high:.3f}]")
        rows.append((str(row["method"].values), f"{float(row['rho']):g}", *cells, f"{final:.2f}"))
    head = ("method", "ρ", "measured decay", "predicted for J-SAM", "ratio (95 % over seeds)", "final ‖last layer‖")
    caption = "Decay of the last layer beyond that of SGD, summed over the recorded epochs (per unit of step size)"
    return (Table(caption, head, tuple(rows)),)


SHRINKAGE = Experiment(
    id="baek2024.shrinkage",
    title="How fast the last layer shrinks",
    question="Is the last layer of a ReLU network as small as the Jacobian effect predicts?",
    config={
        "smoke": Shrinkage(RealData(n_train=200), Mlp((16,)), Training(eta=0.1, epochs=4, batch=50), seeds=2),
        "standard": Shrinkage(),
        "full": Shrinkage(rho=(0.025, 0.05, 0.1, 0.2), seeds=8),
    },
    units=lambda config: len(runs(config)),
    run=run,
    figures=(
        FigureBinding(
            "baek2024.shrinkage",
            "Predicted and measured decay of the last layer",
            "Lines: mean ρ‖g_body‖²/‖g‖ over ‖V‖², J-SAM at first order. Markers: measured.",
            draw.shrinkage,
        ),
    ),
    tables=tables,
)
