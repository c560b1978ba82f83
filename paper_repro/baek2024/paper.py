"""What the project has on Baek et al. (2024): symbols, statements, experiments and claims."""

from paper_repro.baek2024 import accuracy_claims, gradient_claims, group_claims, ratio_claims, weight_claims
from paper_repro.baek2024.ablation import DIGITS, MNIST1D
from paper_repro.baek2024.theory_figures import RATIO, UPWEIGHTING
from paper_repro.baek2024.toy import LINEAR_TOY
from paper_repro.registry import Paper, Statement

PAPER = Paper(
    key="baek2024",
    citation="C. Baek, J. Z. Kolter, A. Raghunathan. Why is SAM Robust to Label Noise? ICLR 2024.",
    url="https://arxiv.org/abs/2405.03676",
    symbols=(
        ("t", "t", "observed label, in {-1, 1}"),
        ("y", "y", "true label"),
        ("Δ", "Delta", "label-noise rate"),
        ("ρ", "rho", "length of the ascent step"),
        ("ε", "eps", "ascent step ρ g/‖g‖"),
        ("z (Lemma 3.1)", "z", "margin t⟨w, x⟩; in Section 4 the paper's z is the hidden activation, ours `hidden`"),
        ("C", "C", "ρ‖x‖"),
        ("B, γ", "B, gamma", "strength of signal and of noise in the toy data"),
        ("1-SAM, n-SAM", "Sam(rho, 'example'), Sam(rho, 'batch')", "one ascent step for each example / each batch"),
    ),
    statements=(
        Statement(
            "Section 3",
            "The 1-SAM gradient of logistic regression is −t σ(−t⟨w,x⟩ + ρ‖x‖) x",
            "theory.logistic.example_gradients",
            ("baek2024.closed_form", "baek2024.amplification"),
            "baek2024.upweighting",
            "holds exactly",
        ),
        Statement(
            "Lemma 3.1",
            "σ(−z+C)/σ(−z) is strictly increasing in z for C > 0: low-loss points are up-weighted most",
            "theory.logistic.amplification",
            ("baek2024.lemma_3_1", "baek2024.amplification_slopes", "baek2024.amplification_limits"),
            "baek2024.upweighting",
            "holds; all points are boosted, by factors in (1, e^C)",
        ),
        Statement(
            "Section 3, reading",
            "SAM up-weights clean examples, which have the lower loss early in training",
            "theory.logistic.clean_noisy_ratio_log_slope",
            ("baek2024.ratio_slope", "baek2024.ratio_condition", "baek2024.population_sign"),
            "baek2024.clean_noisy_ratio",
            "holds exactly when the mislabelled have the larger self-weighted weight; in population, when w_1 > 0",
        ),
        Statement(
            "Section 3, linear experiment",
            "On the linear toy SAM reaches a higher early-stopped test accuracy",
            "theory.mixture.accuracy",
            ("baek2024.toy_gain", "baek2024.exact_test_accuracy"),
            "baek2024.toy_gain",
            "holds for 1-SAM from a random start; the gain is transient and vanishes from w = 0",
        ),
        Statement(
            "follows from Section 3",
            "1-SAM descends a convex robust loss, reweights but never reorders, and tends to the mean classifier",
            "theory.logistic.robust_loss",
            (
                "baek2024.robust_loss",
                "baek2024.training_path",
                "baek2024.never_reorders",
                "baek2024.reordering_radius",
                "baek2024.uniform_limit",
                "baek2024.mean_classifier",
                "baek2024.population_gradient_norms",
            ),
            "baek2024.toy_gain",
            "exact; 'never reorders' needs equal norms",
        ),
        Statement(
            "n-SAM, Section 2",
            "A shared ascent step shifts margins by ρ t⟨x, u⟩, far less than 1-SAM's ρ‖x‖",
            "theory.logistic.shared_margin_shift",
            ("baek2024.batch_shifts", "baek2024.batch_shift_at_zero", "baek2024.batch_shift_rate"),
            "baek2024.toy_curves",
            "exact at finite n",
        ),
        Statement(
            "Section 4.1",
            "Explicit reweighting (L-SAM) does not explain SAM's gain in networks; the Jacobian (J-SAM) does",
            "theory.logistic.example_weights",
            ("baek2024.linear_split",),
            "baek2024.digits_ablation",
            "shown on digits at one common ρ; L-SAM gains too once its ρ is tuned; in the linear model L-SAM is 1-SAM",
        ),
    ),
    experiments=(UPWEIGHTING, RATIO, LINEAR_TOY, DIGITS, MNIST1D),
    claims=gradient_claims.CLAIMS
    + weight_claims.CLAIMS
    + ratio_claims.CLAIMS
    + group_claims.CLAIMS
    + accuracy_claims.CLAIMS,
)
