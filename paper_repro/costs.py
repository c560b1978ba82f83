"""How long experiments take: as this machine's last run did, else as measured for the package on two cores.

`python -m paper_repro.costs` keeps what this machine measured as the package's own numbers (costs.json).
"""

import json
from pathlib import Path
from typing import Any

from paper_repro import user_cache
from paper_repro.registry import Experiment

PACKAGED = Path(__file__).parent / "costs.json"
Costs = dict[str, dict[str, float]]


def estimate(experiment: str, preset: str) -> float | None:
    """Seconds that an experiment takes at a preset; None where nobody has measured it."""
    for costs in (_read(_own()), _read(PACKAGED)):
        if preset in costs.get(experiment, {}):
            return costs[experiment][preset]
    return None


def of_run(experiment: Experiment, preset: str, config: Any) -> float | None:
    """Seconds that a configuration takes: those of its preset, in proportion to its parts and seeds."""
    usual, seconds = experiment.config[preset], estimate(experiment.id, preset)
    if seconds is None:
        return None
    return seconds * experiment.units(config) * config.seeds / (experiment.units(usual) * usual.seeds)


def in_words(seconds: float | None) -> str:
    """Seconds, minutes or hours; that nobody has measured it."""
    if seconds is None:
        return "not known"
    if seconds < 1:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def remember(experiment: str, preset: str, seconds: float) -> None:
    """Keep the time of a whole run on this machine, where it can be kept."""
    costs = _read(_own())
    costs.setdefault(experiment, {})[preset] = round(seconds, 1)
    user_cache.keep(_own(), json.dumps(costs, indent=1))


def _own() -> Path:
    return user_cache.folder() / "costs.json"


def _read(path: Path) -> Costs:
    """The costs in a file; none where it is not there, or not ours."""
    try:
        costs = json.loads(path.read_text("utf-8"))
        return {name: {preset: float(s) for preset, s in of.items()} for name, of in costs.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


if __name__ == "__main__":
    measured, packaged = _read(_own()), _read(PACKAGED)
    merged = {name: packaged.get(name, {}) | measured.get(name, {}) for name in {**packaged, **measured}}
    PACKAGED.write_text(json.dumps(merged, indent=1) + "\n", "utf-8")
