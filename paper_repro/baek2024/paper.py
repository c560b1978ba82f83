"""What the project has on Baek et al. (2024): symbols, statements, experiments and claims."""

from paper_repro.baek2024.claims import (
    accuracy,
    example_weights,
    expectations,
    four_numbers,
    gradients,
    layer_decay,
    max_margin,
    network_balance,
    network_dynamics,
    network_gradients,
    network_margins,
    population,
    ratio,
    ratio_between_radii,
    shards,
    toy_limits,
    uniform_rate,
)
from paper_repro.baek2024.experiments.ablation import DIGITS, MNIST1D
from paper_repro.baek2024.experiments.dependence import DEPENDENCE, DEPENDENCE_MNIST1D
from paper_repro.baek2024.experiments.formulas import RATIO, UPWEIGHTING
from paper_repro.baek2024.experiments.network_formulas import MARGIN_CEILING, NETWORK_DYNAMICS
from paper_repro.baek2024.experiments.remarks import REMARKS
from paper_repro.baek2024.experiments.residual import RESIDUAL
from paper_repro.baek2024.experiments.shrinkage import SHRINKAGE
from paper_repro.baek2024.experiments.toy import LINEAR_TOY
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
        ("v, W, f = ⟨v, Wx⟩", "v, W", "two-layer linear network; V W x with classes"),
        ("J", "J", "‖∇f(x)‖ = sqrt(‖Wx‖² + ‖x‖²‖v‖²)"),
        ("1-SAM, n-SAM", "Sam(rho, 'example'), Sam(rho, 'batch')", "one ascent step for each example / each batch"),
        ("m-sharpness", "sharpness", "which examples share one ascent step: 'example', an integer m, 'batch'"),
        ("—", "ascent", "what the ascent moves, and in which metric: 'all', 'last' (layer), 'adaptive' (ASAM)"),
        ("L-SAM, J-SAM", "LogitSam, JacobianSam", "only the residual / only the Jacobian taken at w + ε"),
        ("logit scale", "s", "example weight σ(−z + shift)"),
        ("—", "eta", "step size"),
    ),
    statements=(
        Statement(
            "Section 3",
            "The 1-SAM gradient of logistic regression is −t σ(−t⟨w,x⟩ + ρ‖x‖) x",
            "theory.logistic.regression.example_gradients",
            ("baek2024.closed_form", "baek2024.amplification"),
            "baek2024.upweighting",
            "proved identity",
            "holds exactly",
        ),
        Statement(
            "Lemma 3.1",
            "σ(−z+C)/σ(−z) is strictly increasing in z for C > 0: low-loss points are up-weighted most",
            "theory.logistic.regression.amplification",
            ("baek2024.lemma_3_1", "baek2024.amplification_slopes", "baek2024.amplification_limits"),
            "baek2024.upweighting",
            "holds",
            "holds; all points are boosted, by factors in (1, e^C)",
        ),
        Statement(
            "Section 3, reading",
            "SAM up-weights clean examples, which have the lower loss early in training",
            "theory.logistic.regression.clean_noisy_ratio_log_slope",
            (
                "baek2024.ratio_slope",
                "baek2024.ratio_condition",
                "baek2024.ratio_gain",
                "baek2024.ratio_slope_is_local",
                "baek2024.ratio_of_separated_margins",
                "baek2024.population_sign",
                "baek2024.margin_likelihood",
            ),
            "baek2024.clean_noisy_ratio",
            "holds in part",
            "a slightly larger ρ favours clean examples exactly when the mislabelled have the larger self-weighted "
            "weight; on fresh examples of the mixture, when w_1 > 0, and then at every ρ: the ratio rises from below "
            "one to one, so that clean examples catch up with mislabelled ones and never overtake them. On a sample "
            "the sign may turn at a larger ρ; where every clean margin exceeds every mislabelled one, at equal norms, "
            "it never does",
        ),
        Statement(
            "Section 3, linear experiment",
            "On the linear toy SAM reaches a higher early-stopped test accuracy",
            "theory.logistic.mixture.accuracy",
            ("baek2024.toy_gain", "baek2024.exact_test_accuracy", "baek2024.toy_from_zero", "baek2024.toy_final_gain"),
            "baek2024.toy_gain",
            "holds in part",
            "holds for 1-SAM from a random start; from w = 0 it vanishes. At d > n and a small ρ it is gone at the end "
            "of the training, at a large ρ (at n > d too) it lasts",
        ),
        Statement(
            "follows from Section 3",
            "1-SAM descends a convex robust loss, reweights but never reorders, and tends to the mean classifier",
            "theory.logistic.regression.robust_loss",
            (
                "baek2024.robust_loss",
                "baek2024.training_path",
                "baek2024.never_reorders",
                "baek2024.reordering_radius",
                "baek2024.uniform_limit",
                "baek2024.uniform_rate",
                "baek2024.mean_classifier",
                "baek2024.population_gradient_norms",
                "baek2024.maximum_margin",
                "baek2024.late_margins",
            ),
            "baek2024.toy_gain",
            "holds in part",
            "exact; 'never reorders' needs equal norms, and the mean classifier is the limit ρ → ∞: what is left is "
            "below mean ‖x‖ e^(z − ρ‖x‖). In time, at a fixed ρ, separable data (wrong labels included, as with d ≥ n) "
            "lead to the maximum margin of the observed labels, as without SAM: of ρ only margins ρ‖x‖ larger are left",
        ),
        Statement(
            "n-SAM, Section 2",
            "A shared ascent step shifts margins by ρ t⟨x, u⟩, less than 1-SAM's ρ‖x‖",
            "theory.logistic.regression.shared_margin_shift",
            (
                "baek2024.batch_shifts",
                "baek2024.batch_shift_at_zero",
                "baek2024.batch_shift_rate",
                "baek2024.mislabelled_shift_rate",
                "baek2024.shard_shifts",
            ),
            "baek2024.toy_curves",
            "holds",
            "exact at finite n. How much less depends on m, n and d: on the mixture at w = 0 the mean shift runs, as m "
            "grows, from ρ E‖x‖ for all to ρB for clean and −ρB for mislabelled examples",
        ),
        Statement(
            "Section 4.1",
            "Explicit reweighting (L-SAM) does not explain SAM's gain in networks; the Jacobian (J-SAM) does",
            "theory.logistic.regression.example_weights",
            ("baek2024.linear_split",),
            "baek2024.digits_ablation",
            "holds in part",
            "shown on digits at one common ρ, by a network of one hidden layer and by a residual one (J-SAM over L-SAM "
            "there {residual | J-SAM − L-SAM | at the validated epoch | interval} points at the validated epoch, "
            "{seeds residual} seeds); L-SAM gains too once its ρ is tuned; in the linear model L-SAM is 1-SAM; "
            "in networks of a few tanh units the limit predicts the order, and trainings beside it show it: at the end "
            "L-SAM {beyond.shares | base | L-SAM | 2}, J-SAM {beyond.shares | base | J-SAM | 2}, 1-SAM "
            "{beyond.shares | base | 1-SAM | 2} points over SGD; with ReLU units J-SAM loses by "
            "{beyond.shares | unit = relu | J-SAM | 2 abs} there (beyond.shares)",
        ),
        Statement(
            "Section 4.2, Proposition 4.1",
            "In a two-layer linear network J-SAM is SGD with an L2 penalty on activations and last-layer weights",
            "theory.linear_networks.gradients.penalised_gradient",
            (
                "baek2024.proposition_4_1",
                "baek2024.penalty_coefficients",
                "baek2024.proposition_4_1_classes",
                "baek2024.two_layer_gradients",
                "baek2024.class_gradients",
                "baek2024.perturbed_output",
            ),
            "baek2024.margin_ceiling",
            "proved identity",
            "an identity, with the coefficient frozen: the penalty is ρ σ(−tf) ‖∇f‖, a norm; with classes only the "
            "residual's direction of V is penalised",
        ),
        Statement(
            "Section 4.2, reading",
            "The penalty keeps the loss of correctly fit points high by constraining the output",
            "theory.linear_networks.margins.penalty_on_margins",
            (
                "baek2024.margin_velocity",
                "baek2024.penalty_on_margins",
                "baek2024.margin_pull",
                "baek2024.margin_threshold",
                "baek2024.balanced_line",
            ),
            "baek2024.margin_ceiling",
            "holds in part",
            "in part: it slows fit points but also raises misfit ones, more strongly; the ceiling m* is out of reach "
            "unless J ≤ ρ‖x‖, and there it repels (collapse below, growth above)",
        ),
        Statement(
            "Section 4.3, motivation",
            "Deep networks: the same penalty motivates regularising activations and the last layer",
            "theory.symbolic.networks.expansion",
            ("baek2024.jacobian_expansion",),
            None,
            "holds in part",
            "to first order in ρ, in any smooth network, J-SAM penalises the norm of the whole Jacobian",
        ),
        Statement(
            "Section 4.3, norms",
            "Under SAM hidden activations and the last layer stay smaller than under SGD",
            "theory.linear_networks.layer_decay.decay",
            ("baek2024.layer_decay", "baek2024.last_layer_decay"),
            "baek2024.shrinkage",
            "holds in part",
            "derived for the last layer of any network, at first order in ρ: J-SAM shrinks it by the mean of "
            "ρ‖g_body‖²/‖g‖; shown for J-SAM and 1-SAM, L-SAM has larger norms than SGD",
        ),
        Statement(
            "Section 4.3, regularised SGD",
            "SGD with a penalty on those norms narrows the gap to SAM without closing it (52.48, 60.8, 69.47)",
            None,
            (),
            "baek2024.digits_frontier",
            "holds in part",
            "at the validated epoch on digits a tuned penalty gains {digits.2 | SGD + norms − SGD | at the "
            "validated epoch | interval} points and 1-SAM {digits.2 | 1-SAM − SGD | at the validated epoch | "
            "interval}; on MNIST-1D {mnist1d.2 | SGD + norms − SGD | at the validated epoch} and {mnist1d.2 | "
            "1-SAM − SGD | at the validated epoch}. At the final epoch on digits the penalty is ahead by "
            "{digits.2 | 1-SAM − SGD + norms | final epoch | abs}. Matched to 1-SAM's norms and not tuned, a "
            "penalty is behind it ({range digits.5 | SGD + * | at the validated epoch}), so the norms do not "
            "explain the gain",
        ),
        Statement(
            "Fig. 12 and answers to reviewers",
            "The advantage of SAM grows with the number of examples and remains with fewer parameters",
            None,
            (),
            "baek2024.dependence",
            "holds in part",
            "in part: on MNIST-1D 1-SAM gains {dependence_mnist1d | training examples, 500 | 1-SAM − SGD} points "
            "over SGD at 500 examples and {dependence_mnist1d | training examples, 4000 | 1-SAM − SGD} at 4000; "
            "on digits {dependence | training examples, 125 | 1-SAM − SGD} at 125 and {dependence | training "
            "examples, 1000 | 1-SAM − SGD} at 1000. Smaller networks gain less (digits, width 16: {dependence | "
            "hidden width, 16 | 1-SAM − SGD | interval}). Without noise it gains {dependence | noise rate Δ, 0 | "
            "1-SAM − SGD} and, on MNIST-1D, {dependence_mnist1d | noise rate Δ, 0 | 1-SAM − SGD} points too",
        ),
        Statement(
            "Section 2, m-sharpness",
            "SAM's robustness to label noise is that of small m: 1-SAM, not n-SAM",
            "theory.logistic.mixture.shard_shift_at_zero",
            ("baek2024.shard_shifts",),
            "baek2024.remarks",
            "holds in part",
            "on digits, at one ρ for all m, the final gain over SGD is {remarks | m-sharpness, m = 1 | − first#2 | "
            "interval} points at m = 1, {remarks | m-sharpness, m = 5 | − first#2 | interval} at 5, {remarks | "
            "m-sharpness, m = 25 | − first#2 | interval} at 25 and {remarks | m-sharpness, m = 50 | − first#2 | "
            "interval} for the whole batch of 50, as more mislabelled examples are fitted. At the validated epoch no "
            "m gains beyond doubt ({range remarks | m-sharpness, m = * | − first})",
        ),
        Statement(
            "remark on linear models",
            "Weight decay has somewhat equivalent effects to SAM's logit scaling",
            None,
            (),
            "baek2024.remarks",
            "not shown here",
            "not told apart from it at its best, on digits: 1-SAM at ρ = .4 gains {remarks | linear model, 1-SAM, ρ ="
            " 0.4 | − first | interval} points at the validated epoch and {remarks | linear model, 1-SAM, ρ = 0.4 | −"
            " first#2 | interval} at the end, a weight decay of .005 {remarks | linear model, decay 0.005 | − first |"
            " interval} and {remarks | linear model, decay 0.005 | − first#2 | interval}, one of .02 {remarks | "
            "linear model, decay 0.02 | − first | interval} and {remarks | linear model, decay 0.02 | − first#2 | "
            "interval}. In high dimension both end at the mean classifier, by ways that differ "
            "(beyond.shift_and_decay)",
        ),
        Statement(
            "asked by a reviewer",
            "What the penalty on activations and the last layer does without label noise",
            None,
            (),
            "baek2024.remarks",
            "not shown here",
            "on digits no penalty gains beyond doubt without noise ({remarks | no label noise, SGD + 0.01 norms | − "
            "first | interval} and {remarks | no label noise, SGD + 0.03 norms | − first | interval} points at the "
            "validated epoch; 1-SAM {remarks | no label noise, 1-SAM | − first | interval})",
        ),
        Statement(
            "follows from Section 4.2",
            "Training of two-layer linear networks is a closed system; on signal plus noise it is four numbers",
            "theory.linear_networks.signal_noise.velocity",
            (
                "baek2024.network_path",
                "baek2024.class_path",
                "baek2024.network_flow",
                "baek2024.balance_velocity",
                "baek2024.balance_decay",
                "baek2024.four_numbers",
                "baek2024.four_numbers_rate",
            ),
            "baek2024.network_dynamics",
            "holds",
            "exact for any data, and for orthogonal noise; with Gaussian noise up to O(d^(−1/2)). J-SAM restores "
            "balance only along one input direction",
        ),
    ),
    experiments=(
        UPWEIGHTING,
        RATIO,
        LINEAR_TOY,
        MARGIN_CEILING,
        NETWORK_DYNAMICS,
        SHRINKAGE,
        REMARKS,
        DIGITS,
        MNIST1D,
        RESIDUAL,
        DEPENDENCE,
        DEPENDENCE_MNIST1D,
    ),
    claims=gradients.CLAIMS
    + example_weights.CLAIMS
    + ratio.CLAIMS
    + ratio_between_radii.CLAIMS
    + population.CLAIMS
    + expectations.CLAIMS
    + accuracy.CLAIMS
    + toy_limits.CLAIMS
    + shards.CLAIMS
    + uniform_rate.CLAIMS
    + max_margin.CLAIMS
    + network_gradients.CLAIMS
    + network_margins.CLAIMS
    + network_dynamics.CLAIMS
    + network_balance.CLAIMS
    + four_numbers.CLAIMS
    + layer_decay.CLAIMS,
)
