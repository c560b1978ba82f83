"""Rules as pytrees: compiled programs are looked up by tree structure, so different rules must never look alike."""

import itertools

import jax
from cases import EVERY, RHO, RULES

from spec.rules import DownWeight, Fsam


def test_no_two_rules_share_a_tree_structure() -> None:
    structures = [jax.tree.structure(rule) for rule in EVERY]
    assert all(a != b for a, b in itertools.combinations(structures, 2))


def test_rules_survive_the_round_trip() -> None:
    for rule in EVERY:
        leaves, structure = jax.tree.flatten(rule)
        assert jax.tree.unflatten(structure, leaves) == rule
        assert all(isinstance(leaf, float) for leaf in leaves)
    for rule in RULES:
        strengths = ("rho", "activation", "last_layer")
        assert jax.tree.leaves(rule) == [getattr(rule, name) for name in strengths if hasattr(rule, name)]
    assert jax.tree.leaves(DownWeight(Fsam(RHO), 0.7, "C", 3)) == [RHO, 1.0, 0.9, 0.7]
