"""Final weights over noise rate and speed of the weights: the recursion beside the mean field."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from figures import reweighting as draw
from paper_repro.registry import Experiment, FigureBinding, Table
from paper_repro.zhang2025.experiments import settings
from spec.fields import Checked, Count, Grid, Positive, Steps
from spec.seeds import named_seed
from theory.reweighting import flow as mean_field
from theory.reweighting import phases
from theory.reweighting import recursion as theory


@dataclass(frozen=True)
class PhaseDiagram(Checked):
    """Grid of beta/(eta n) and of noise rates; the longest time s = beta kbar t."""

    ratios: Grid[Positive] = tuple(float(r) for r in np.geomspace(1e-3, 10, 17))
    p: Grid[settings.MislabelledRate] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    steps: Steps = 4000
    seeds: Count = 1


def run_phase_diagram(config: PhaseDiagram) -> xr.Dataset:
    """Final weights of the recursion on the caps and of the mean field with the caps' kernel values."""
    case = settings.problem(named_seed("zhang2025.phase_diagram"), config.p[0])
    K = settings.blocks(case)
    k = theory.signed_blocks(K, case.y, case.y_clean)
    kbar = float(phases.separation(k).row_mean.mean())
    nu = (float(np.diag(K.train).mean()) - kbar) / (settings.N * kbar)
    eta = settings.step_size(K)
    ratio, order = np.array(config.ratios), np.random.default_rng(named_seed("zhang2025.flips")).permutation(settings.N)
    simulated, predicted = [], []
    for p in config.p:
        noisy = order < round(p * settings.N)
        start = theory.start(np.where(noisy, -case.y, case.y), case.y_clean)
        # Steps of at most 0.05 in s, and no larger than the model allows.
        step = np.minimum(0.05 / (ratio * settings.N * kbar), eta)[:, None]
        beta = ratio[:, None] * settings.N * step
        path = settings.side_by_side(K, start, beta=beta, eta=step, steps=config.steps, every=config.steps)
        simulated.append([path.w[-1][:, noisy].mean(axis=1), path.w[-1][:, ~noisy].mean(axis=1)])
        ends = (config.steps * beta * kbar)[:, 0]
        solved = [
            mean_field.solve(np.array([0.0, s]), p=p, Lambda=1 / r, nu=nu) for s, r in zip(ends, ratio, strict=True)
        ]
        predicted.append([[f.w_noisy[-1] for f in solved], [f.w_clean[-1] for f in solved]])
    names = ("mislabelled", "clean")
    arrays = {
        f"{source}_{name}": (("p", "ratio"), np.clip(np.array(values)[:, i], 0, 1))
        for source, values in (("simulated", simulated), ("predicted", predicted))
        for i, name in enumerate(names)
    }
    line = np.linspace(0.02, 0.7499, 60)
    lines = {
        "boundary": ("line", [mean_field.amplification_ratio(p) for p in line]),
        "memorisation": ("line", [mean_field.memorisation_alpha(p, nu * settings.N) / settings.N for p in line]),
    }
    return xr.Dataset(arrays | lines, coords={"p": list(config.p), "ratio": ratio, "line": line})


def _diagram_table(dataset: xr.Dataset) -> Table:
    rows = []
    for p in dataset["p"].values:
        one = dataset.sel(p=p)
        gap = [float(np.abs(one[f"simulated_{g}"] - one[f"predicted_{g}"]).max()) for g in ("mislabelled", "clean")]
        reached = one["ratio"].values[one["simulated_clean"].values > 0.99]
        first = f"{reached.min():.3g}" if len(reached) else "none"
        rows.append(
            (f"{p:g}", f"{mean_field.amplification_ratio(float(p)):.3g}", first, f"{gap[0]:.3f}", f"{gap[1]:.3f}")
        )
    head = ("noise rate", "clean weights reach 1 from β/(ηn) =", "first ratio of the grid where they do (mean > 0.99)",
            "largest gap to the mean field, mislabelled", "clean")  # fmt: skip
    return Table("Final weights: recursion against mean field", head, tuple(rows))


PHASE_DIAGRAM = Experiment(
    id="zhang2025.phase_diagram",
    title="Filtered, amplified, memorised",
    question="At which noise rates and speeds of the weights are mislabelled examples filtered, clean ones amplified?",
    config={
        "smoke": PhaseDiagram(ratios=(0.01, 1.0), p=(0.2, 0.6), steps=200),
        "standard": PhaseDiagram(
            ratios=tuple(float(r) for r in np.geomspace(1e-3, 10, 9)), p=(0.1, 0.3, 0.5, 0.7, 0.9), steps=2000
        ),
        "full": PhaseDiagram(ratios=tuple(float(r) for r in np.geomspace(1e-4, 10, 26)), steps=40000),
    },
    run=lambda config, parts: parts.map(run_phase_diagram, [config])[0],
    figures=(
        FigureBinding(
            "zhang2025.phase_diagram",
            "Final weights over noise rate and β/(ηn)",
            "Full line: to its right clean weights reach one, 1 − p − w². Dotted: memorisation as fast as filtering.",
            draw.phase_diagram,
        ),
    ),
    tables=lambda dataset: (_diagram_table(dataset),),
)
