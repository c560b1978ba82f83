"""Rules as pytrees: compiled programs are looked up by tree structure, so different rules must never look alike."""

import itertools

import jax
from cases import RULES


def test_no_two_rules_share_a_tree_structure() -> None:
    structures = [jax.tree.structure(rule) for rule in RULES]
    assert all(a != b for a, b in itertools.combinations(structures, 2))


def test_rules_survive_the_round_trip() -> None:
    for rule in RULES:
        leaves, structure = jax.tree.flatten(rule)
        assert jax.tree.unflatten(structure, leaves) == rule
        assert leaves == ([rule.rho] if hasattr(rule, "rho") else [])
