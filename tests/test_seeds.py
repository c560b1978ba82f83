"""No draw has a seed written as a number: every one moves with SEED_SHIFT."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAKERS = {"default_rng", "key", "PRNGKey", "RandomState", "SeedSequence", "seed", "PCG64", "Random"}
FILES = [file for room in ("paper_repro", "theory", "sims", "spec") for file in sorted((ROOT / room).rglob("*.py"))]


def literal_seeds(text: str) -> list[str]:
    """Calls that make a generator or key of numbers alone, or of nothing."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call.func, ast.Attribute | ast.Name) and maker(call.func) in MAKERS]
    return [ast.unparse(call) for call in named if all(is_literal(a) for a in [*call.args, *keywords(call)])]


def maker(function: ast.Attribute | ast.Name) -> str:
    return function.attr if isinstance(function, ast.Attribute) else function.id


def keywords(call: ast.Call) -> list[ast.expr]:
    return [keyword.value for keyword in call.keywords]


def is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_no_seed_is_a_number(file: Path) -> None:
    text = file.read_text()
    assert literal_seeds(text) == []
    assert "random_state=" not in text


@pytest.mark.parametrize("text", ["default_rng(0)", "jax.random.key(3)", "np.random.RandomState(seed=4)", "Random()"])
def test_the_rule_would_catch(text: str) -> None:
    assert literal_seeds(text) == [text]


def test_the_rule_lets_names_pass() -> None:
    assert literal_seeds("default_rng(seed), jax.random.key(named_seed('a')), default_rng([sample.seed, 1])") == []
