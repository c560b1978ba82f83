"""A clean subset whose labels are wrong is used with them: by schemes, and by extra epochs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sims.data.sampling import Split
from sims.rules.base import bind
from sims.rules.bound import Context
from sims.train import extra_epochs
from spec.clean_subset import CleanEpochs
from spec.rules import DownWeight, FeatureReweight, FixedReweight, MetaReweight, NormalisedReweight

X = jnp.arange(8.0).reshape(4, 2)
OBSERVED, TRUE = jnp.asarray([0, 2, 1, 1]), jnp.asarray([0, 1, 1, 2])
CLEAN = Split(X, OBSERVED, TRUE)
CONTEXT = Context(CLEAN, CLEAN, jax.random.key(0))


@pytest.mark.parametrize("scheme", [MetaReweight(1.0, 0.1), NormalisedReweight(), FeatureReweight()], ids=repr)
def test_schemes_look_at_observed_labels(scheme):
    rule = bind(scheme, CONTEXT)
    np.testing.assert_array_equal(rule.clean.t, OBSERVED)
    np.testing.assert_array_equal(rule.clean.x, X)
    np.testing.assert_array_equal(rule.w, 0.5)


def test_fixed_weights_follow_who_is_mislabelled():
    np.testing.assert_array_equal(bind(FixedReweight(0.25, 0.75), CONTEXT).w, [0.25, 0.75, 0.25, 0.75])


def test_rules_inside_a_rule_are_bound_too():
    np.testing.assert_array_equal(bind(DownWeight(FixedReweight(0.25, 0.75)), CONTEXT).base.w, [0.25, 0.75, 0.25, 0.75])


def test_extra_epochs_train_on_observed_labels():
    extra = extra_epochs(CleanEpochs(3, 2), CLEAN)
    np.testing.assert_array_equal(extra.split.t, OBSERVED)
    assert (extra.epochs, extra.size, extra.steps) == (3, 2, 6)
