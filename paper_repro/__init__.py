"""Where theory, simulation and figures meet: papers with their claims and experiments, and what runs, judges and shows.

__main__, console, settings              the command line
catalogue, lookup, costs, user_cache     what there is, found in no time; how long it takes; a folder for both
executors, compiling                     the processes that compute; what compiling takes, compiled programs kept
registry, papers                         what a paper consists of, and every paper
workflow, feasible, explore              run experiments and check claims; what can be known first; runs in memory
checking, rates, statistics, verdicts    the judge of claims, its error rates, intervals over seeds, verdicts on disk
store, keys, source, files, cluster      results on disk: parts, what can change them, whole files, other machines
reference, evidence, prose               kept numbers, what statements rest on, numbers in sentences
page, shown, drawing                     the pages, what they show of results, figures and numbers beside them
wording, captions, explorer              words and formulas of the pages, captions, the theory behind sliders
trajectories                             readings of training runs
notebook, live                           pictures that answer to sliders, and trainings in them
shared                                   what several papers use
baek2024, luong2026, zhang2025, xu2026   the papers; beyond: results of our own
"""

from importlib.util import find_spec
from pathlib import Path

__version__ = "0.2.0"

for _name in ("spec", "theory", "sims", "figures"):
    _found = find_spec(_name)
    _places = list(_found.submodule_search_locations or ()) if _found else []
    if Path(__file__).resolve().parent.parent / _name not in [Path(place).resolve() for place in _places]:
        raise ImportError(
            f"'{_name}' must be this package's own folder, got {', '.join(_places) or 'none'}: "
            "another one of that name comes first on Python's path; run from another folder, or use `repro`"
        )
