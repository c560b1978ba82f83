"""Settings: every field of every experiment's configuration refuses what it cannot mean, in a sentence."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from paper_repro import papers, workflow
from paper_repro.baek2024.experiments.ablation import DIGITS, Ablation
from paper_repro.baek2024.experiments.dependence import DEPENDENCE
from paper_repro.baek2024.experiments.formulas import RATIO, UPWEIGHTING
from paper_repro.baek2024.experiments.network_formulas import NETWORK_DYNAMICS
from paper_repro.baek2024.experiments.toy import LINEAR_TOY
from paper_repro.luong2026.experiments.controls import CONTROLS
from paper_repro.luong2026.experiments.toy import TOY
from paper_repro.luong2026.experiments.variations import ABLATIONS as SANER_ABLATIONS
from paper_repro.luong2026.experiments.variations import FAMILY, NOISE_KINDS
from paper_repro.settings import Written, adjusted
from paper_repro.xu2026.experiments.angle import RESIDUALS
from paper_repro.xu2026.experiments.bound import BOUND
from paper_repro.xu2026.experiments.deciding import DECIDING
from paper_repro.xu2026.experiments.effective_rate import FINITE_BATCHES, RATES
from paper_repro.xu2026.experiments.threshold import THRESHOLD
from paper_repro.zhang2025.experiments.field import FIELD
from paper_repro.zhang2025.experiments.kernels import KERNEL_WIDTH
from spec.clean_subset import CleanSubset
from spec.fields import Checked, declarations
from spec.networks import LeNet, Linear, Mlp, TwoLayerLinear
from spec.problems import AsymmetricNoise, InstanceNoise, RealData
from spec.rules import Sam
from spec.validation import InputError

WRONG = {
    "None": None,
    "()": (),
    "nan": math.nan,
    "inf": math.inf,
    "1e300": 1e300,
    "1e-300": 1e-300,
    "abc": "abc",
    "-1": -1,
    "2.5": 2.5,
    "True": True,
    "2**31": 2**31,
    "a record": Sam(0.1),
    "a pair in a tuple": ((1, 2),),
    "twice the same": (1, 1),
}
# Aspect ratios, lengths and strengths of the experiments on the high-dimensional limit.
BEYOND = {
    f"{kind}.{name}"
    for kind in ("Curves", "Phases", "Signs", "Ends", "Rules", "Networks", "Shares")
    for name in ["alpha", "c"]
}
BEYOND |= {"Phases.clean", "Phases.B", "Rules.clean", "Ends.decay", "Shares.B", "Shares.second", "base.alpha", "base.c"}
BEYOND |= {f"Transition.{name}" for name in ("alpha", "kappa", "delta", "pace")}
LAYERS = {f"{of}network.{name}" for of in ("", "base.") for name in ("v", "second")}
# What is meant all the same, by the kind of the value that stands in the field.
TAKEN = {
    ("float", "2.5"): {"B", "gamma", "rho", "eta", "mean", "delta", "norm", "beta", "strength", "usual_strength"}
    | {"weight_decay", "scale", "imbalance"}
    | BEYOND
    | LAYERS,
    ("float", "2**31"): {"B", "gamma", "rho", "eta", "mean", "delta", "beta", "strength", "usual_strength"}
    | {"weight_decay", "scale", "imbalance", "norm"}
    | BEYOND
    | LAYERS,
    ("float", "-1"): {"Toy.alpha", "Composition.alpha", "network.overlap", "base.network.overlap"},
    ("tuple", "-1"): {"SignalMemory.alpha", "overlaps", "across", "network.v", "base.network.v"},
    ("tuple", "2.5"): {"C", "J", "rho", "rho_batch", "penalty", "overlaps", "eta", "beta", "ratios", "across"}
    | {"strength", "multiples", "gamma", "Remarks.decay"}
    | BEYOND
    | LAYERS,
    ("tuple", "2**31"): {"J", "rho", "rho_batch", "penalty", "overlaps", "eta", "beta", "ratios", "across"}
    | {"strength", "multiples", "gamma", "Remarks.decay"}
    | BEYOND
    | LAYERS,
    ("tuple", "twice the same"): {"network.v", "base.network.v", "network.hidden", "KernelBlocks.hidden", "start"}
    | {"network.image", "network.channels"},
    ("tuple", "()"): {"only"},
    ("NoneType", "None"): {"path", "classes", "batch"},
    ("int", "None"): {"batch"},
    ("tuple", "None"): {"classes"},
    ("NoneType", "abc"): {"path"},
    ("tuple", "abc"): {"OnData.only"},  # refused where the methods of the experiment are known: see below
}


def leaves(record: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for f in fields(record):
        value = getattr(record, f.name)
        if is_dataclass(value):
            yield from leaves(value, f"{prefix}{f.name}.")
        yield prefix + f.name, value


def refusal(config: Any, name: str, value: Any) -> str:
    try:
        adjusted(config, {name: value})
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("experiment", papers.experiments(), ids=lambda e: e.id)
def test_every_field_of_every_configuration_refuses_what_it_cannot_mean(experiment: Any) -> None:
    surprises, kind = [], type(experiment.config["smoke"]).__name__
    for name, old in leaves(experiment.config["smoke"]):
        for label, wrong in WRONG.items():
            field = name.rsplit(".")[-1]
            said = refusal(experiment.config["smoke"], name, wrong)
            meant = bool({field, name, f"{kind}.{name}"} & TAKEN.get((type(old).__name__, label), set()))
            if meant == (f"{field} must be" in said):
                surprises.append(f"{name} = {label}: {said}")
    assert surprises == []


@pytest.mark.parametrize("experiment", papers.experiments(), ids=lambda e: e.id)
@pytest.mark.parametrize("preset", ["smoke", "standard", "full"])
def test_configurations_are_checked_records_of_declared_fields(experiment: Any, preset: str) -> None:
    config = experiment.config[preset]
    assert isinstance(config, Checked)
    assert set(declarations(type(config))) == {f.name for f in fields(config)}
    assert adjusted(config, {}) == config


@dataclass(frozen=True)
class Careless(Checked):
    n: int = 1


def test_a_number_without_a_range_is_no_field() -> None:
    with pytest.raises(TypeError, match="n must declare the range"):
        Careless()


def smoke(changes: dict[str, str]) -> Any:
    return adjusted(DIGITS.config["smoke"], {name: Written(text) for name, text in changes.items()})


@pytest.mark.parametrize(
    ("changes", "where", "value"),
    [
        ({"rho": "0.1,0.3"}, "rho", (0.1, 0.3)),
        ({"rho": "[0.1, 0.3]"}, "rho", (0.1, 0.3)),
        ({"rho": "0.2"}, "rho", (0.2,)),
        ({"eta": "5e-2"}, "training.eta", 0.05),
        ({"batch": "None"}, "training.batch", None),
        ({"flips": "bernoulli"}, "problem.noise.flips", "bernoulli"),
        ({"classes": "3,8"}, "problem.classes", (3, 8)),
        ({"problem.path": "1e3"}, "problem.path", "1e3"),
        ({"path": "0x10"}, "problem.path", "0x10"),
        ({"path": "(1, 2)"}, "problem.path", "(1, 2)"),
        ({"path": "None"}, "problem.path", None),
        ({"network": "Mlp(hidden=(64,), scaling='ntk')"}, "network", Mlp((64,), "ntk")),
        ({"network": "Mlp(64)"}, "network", Mlp((64,))),
        ({"network": "Linear()"}, "network", Linear()),
        ({"network": "TwoLayerLinear(width=7)", "width": "9"}, "network", TwoLayerLinear(9)),
        ({"network": "LeNet((8, 8, 1), [2], 3, [4])"}, "network", LeNet((8, 8, 1), (2,), 3, (4,))),
        ({"noise": "AsymmetricNoise(0.2)", "Delta": "0.3"}, "problem.noise", AsymmetricNoise(0.3)),
        ({"problem": "RealData('mnist1d', noise=InstanceNoise(0.2))", "spread": "0.3", "n_train": "50"}, "problem",
         RealData("mnist1d", 50, noise=InstanceNoise(0.2, 0.3))),
        ({"problem.name": "mnist", "problem.path": "data"}, "problem.path", "data"),
        ({"epochs": "7", "record_every": "7"}, "training.epochs", 7),
    ],
)  # fmt: skip
def test_texts_are_read_as_their_field_means_them(changes: dict[str, str], where: str, value: Any) -> None:
    found: Any = smoke(changes)
    for name in where.split("."):
        found = getattr(found, name)
    assert found == value
    assert isinstance(smoke(changes), Ablation)


def test_names_of_methods_may_hold_commas_and_stand_in_a_row() -> None:
    base = DEPENDENCE.config["smoke"]
    assert adjusted(base, {"methods": Written("J-SAM, n-SAM")}).methods == ("J-SAM", "n-SAM")
    only = adjusted(CONTROLS.config["smoke"], {"only": Written("random halved, count of B")}).only
    assert only == ("random halved, count of B",)
    problems = adjusted(CONTROLS.config["smoke"], {"problems": Written("RealData(), RealData('mnist1d')")}).problems
    assert [p.name for p in problems] == ["digits", "mnist1d"]
    subsets = adjusted(
        FIELD.config["smoke"], {"subsets": Written("CleanSubset(20), CleanSubset(9, wrong=0.5)")}
    ).subsets
    assert subsets == (CleanSubset(20), CleanSubset(9, 0.5))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("n_train", "-" * 5000 + "1", "n_train"),
        ("rho", "(" * 5000, "rho"),
        ("rho", "[" * 300 + "]" * 300, "rho"),
        ("n_train", "0x" + "f" * 5000, "20000 bits"),
        ("n_train", "9" * 5000, "n_train"),
        ("network", "Mlp(" * 150 + ")" * 150, "hidden must be an integer >= 1"),
        ("network", "Mlp(width=3)", "Mlp must be given hidden, scaling"),
        ("network", "Mlp((8,), hidden=(9,))", "each once"),
        ("network", "Mlp(**{'hidden': (8,)})", "Mlp must be given"),
        ("network", "LeNet()", "must be complete"),
        ("network", "Mlp(hidden=(0,))", "hidden must be an integer >= 1, got 0"),
        ("network", "Training(0.1, 2)", "Mlp(...)"),
        ("network", "__import__('os').system('true')", "network"),
        ("network", "3", "network must be Linear(...)"),
        ("eta", "1e300", "float32"),
        ("eta", "1+1j", "eta"),
        ("flips", "", "flips"),
        ("rho", "", "rho must be a number in [0, inf), got ''"),
        ("name", "imagenet", "'digits'"),
        ("nothing", "1", "--set name must be one of problem, "),
        ("training.eta.deeper", "1", "--set name"),
    ],
)
def test_unusable_texts_are_one_sentence(name: str, text: str, words: str) -> None:
    with pytest.raises(InputError) as refused:
        smoke({name: text})
    assert words in str(refused.value)
    assert len(str(refused.value)) < 1500


@pytest.mark.parametrize(
    ("experiment", "changes", "words"),
    [
        (CONTROLS, {"only": "'SAM', 'magic'"}, "only must be one of 'SAM', 'SGD', 'SANER', .* got 'magic'"),
        (NOISE_KINDS, {"only": "magic"}, "only must be one of 'symmetric .3', .*'none', got 'magic'"),
        (FAMILY, {"only": "SGD"}, "only must be one of 'SAM', '1-SAM', 'ASAM', 'GSAM', 'FSAM', 'VaSSO', got 'SGD'"),
        (SANER_ABLATIONS, {"only": "width 33"}, "only must be one of 'α = 0.25', .*'width 32', .* got 'width 33'"),
        (DECIDING, {"only": "magic"}, "only must be one of 'SAM', .* got 'magic'"),
        (FIELD, {"only": "['FBR', 'magic']"}, "only must be one of 'cross-entropy', .* got 'magic'"),
        (FIELD, {"only": "clean subset only", "extra": "0"}, "such that zhang2025.field has parts to run"),
        (CONTROLS, {"problems": "RealData(), RealData(n_train=99)"}, "problems must be such that no two"),
        (DECIDING, {"problems": "RealData(), RealData(n_train=99)"}, "problems must be such that no two"),
        (FIELD, {"problems": "RealData(), RealData(n_train=99)"}, "problems must be such that no two"),
        (DEPENDENCE, {"methods": "SGD"}, "methods must be one of 'L-SAM'"),
        (TOY, {"n": "201"}, "n must be even"),
        (TOY, {"mean": "-1"}, r"mean must be a number in \[0, inf\), got -1"),
        (TOY, {"Delta": "0.001"}, "Delta must be at least"),
        (UPWEIGHTING, {"C": "-1"}, r"C must be a number in \[0, 500\), got -1"),
        (LINEAR_TOY, {"seeds": "1"}, "seeds must be an integer >= 2, got 1"),
        (RATIO, {"Delta": "0"}, "Delta must be above 0"),
        (NETWORK_DYNAMICS, {"momentum": "0.9"}, "training must be full batches"),
        (NETWORK_DYNAMICS, {"noise": "isotropic"}, "noise must be 'orthogonal'"),
        (RESIDUALS, {"d": "20"}, "d must be above problem.n = 20"),
        (FINITE_BATCHES, {"batch": "2,10000"}, "batch must be at most problem.n"),
        (RATES, {"B": "0"}, "B must be above 0"),
        (KERNEL_WIDTH, {"widths": "16"}, "widths must be at least two"),
        (BOUND, {"rho": "3"}, "norm must be at least rho"),
    ],
)
def test_what_settings_mean_together_is_checked(experiment: Any, changes: dict[str, str], words: str) -> None:
    written = {name: Written(text) for name, text in changes.items()}
    with pytest.raises(InputError, match=words):
        workflow.configurations([experiment], "smoke", None, written)


def test_a_setting_is_given_once() -> None:
    with pytest.raises(InputError, match=r"every setting once, got 'training\.eta' twice"):
        smoke({"eta": "0.1", "training.eta": "0.2"})
    with pytest.raises(InputError, match="--seeds must be left out where --set seeds"):
        workflow.configurations([DIGITS], "smoke", 4, {"seeds": Written("3")})


def test_with_several_experiments_one_must_know_the_setting() -> None:
    chosen = [DIGITS, BOUND]
    changes = {"norm": Written("3"), "B": Written("2")}
    (_, digits), (_, bound) = workflow.configurations(chosen, "smoke", None, changes)
    assert (bound.norm, bound.problem.B) == (3, 2)
    assert digits == DIGITS.config["smoke"]
    with pytest.raises(InputError, match=r"--set name must be one of .* got 'nonsense'"):
        workflow.configurations(chosen, "smoke", None, {"norm": Written("3"), "nonsense": Written("2")})


def test_a_field_of_several_problems_is_set_in_all_of_them() -> None:
    config = CONTROLS.config["full"]
    assert len(config.problems) == 2
    changed = adjusted(config, {"Delta": Written("0.25"), "n_train": Written("900"), "training.eta": 0.03})
    assert [p.noise.Delta for p in changed.problems] == [0.25, 0.25]
    assert [p.n_train for p in changed.problems] == [900, 900]
    assert [p.name for p in changed.problems] == [p.name for p in config.problems]
    assert changed.training.eta == 0.03


def test_problems_that_become_the_same_are_one(tmp_path: Path) -> None:
    config = CONTROLS.config["full"]
    there = {"problem.name": Written("mnist"), "problem.path": Written(str(tmp_path))}
    (problem,) = adjusted(config, there).problems
    assert (problem.name, problem.path) == ("mnist", str(tmp_path))


def test_a_record_stands_for_a_tuple_of_them() -> None:
    changed = adjusted(THRESHOLD.config["full"], {"network": Written("Mlp((32,))")})
    assert changed.networks == (Mlp((32,)),)


@pytest.mark.parametrize("name", ["problems.0.Delta", "problems.Delta", "problem"])
def test_names_of_fields_in_tuples_are_said(name: str) -> None:
    with pytest.raises(InputError, match=r"problem\.noise\.Delta|problems must be"):
        adjusted(CONTROLS.config["full"], {name: Written("0.2")})
