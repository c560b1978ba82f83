"""Rules as functions of rho."""

import numpy as np

from paper_repro.shared.at_rho import n_jacobian_sam, n_sam, sgd, stacked
from spec.rules import DownWeight, JacobianSam, Sam, Sgd


def test_a_function_gives_its_rule():
    assert [rule(0.2) for rule in (sgd, n_sam, n_jacobian_sam)] == [Sgd(), Sam(0.2, "batch"), JacobianSam(0.2, "batch")]


def test_stacked_rules_have_a_number_for_each_problem():
    """Also the numbers that all problems share; a mutant may descend."""
    rho = np.array([0.1, -0.2, 0.3])
    rule = stacked(lambda r: DownWeight(n_sam(r), 0.5), rho)
    assert rule.base.sharpness == "batch"
    np.testing.assert_array_equal(rule.base.rho, rho)
    np.testing.assert_array_equal(rule.alpha, [0.5, 0.5, 0.5])
    assert stacked(sgd, rho) == Sgd()
