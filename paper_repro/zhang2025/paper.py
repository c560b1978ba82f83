"""What the project has on Zhang et al. (2025): symbols, statements, experiments and claims."""

from paper_repro.registry import Paper, Statement
from paper_repro.zhang2025.claims import (
    alignment,
    coupling,
    coupling_errors,
    feature_agreement,
    finite_width,
    flow,
    flow_ends,
    late_times,
    recursion,
    reflection,
    regrowth,
    slow_weights,
)
from paper_repro.zhang2025.experiments import kernels
from paper_repro.zhang2025.experiments.after_filtering import POST_FILTERING
from paper_repro.zhang2025.experiments.field import FIELD
from paper_repro.zhang2025.experiments.finite_width import FINITE_WIDTH
from paper_repro.zhang2025.experiments.kernel_blocks import KERNEL_BLOCKS
from paper_repro.zhang2025.experiments.phase_diagram import PHASE_DIAGRAM
from paper_repro.zhang2025.experiments.phases import PHASES

PAPER = Paper(
    key="zhang2025",
    citation="Y. Zhang, C. Holtz, G. Mishne, A. Cloninger. Revisiting Meta-Learning with Noisy Labels. arXiv 2025.",
    url="https://arxiv.org/abs/2510.12209",
    symbols=(
        ("K", "K, kernel", "neural tangent kernel ⟨∇f(x), ∇f(x')⟩; k = y y' K with true labels"),
        ("w", "w", "example weights, in [0, 1]"),
        ("α", "alpha", "rate of the weights, β/η"),
        ("β", "beta", "speed of the weights for each step"),
        ("η", "eta", "step of the model on the SUM of weighted losses (sims: η n on their mean)"),
        ("n, m", "n, m", "training examples, clean subset"),
        ("ρ", "rho", "1 − y f: the signed residual of a clean example"),
        ("p", "p", "share of mislabelled examples"),
        ("Λ", "Lambda", "η n/β"),
    ),
    statements=(
        Statement(
            "setting of the analysis",
            "Wide networks follow their tangent kernel at initialisation",
            "theory.ntk.relu",
            ("zhang2025.kernel_two_layers", "zhang2025.kernel_three_layers", "zhang2025.finite_width"),
            "zhang2025.finite_width",
            "holds",
            "holds at rate width^(−1/2), for the kernel and for the weights; outputs must start near zero",
        ),
        Statement(
            "algorithm and its dynamics",
            "Weights follow a similarity-weighted coupling with the clean subset, at a speed set by β",
            "theory.reweighting.recursion.step",
            ("zhang2025.recursion", "zhang2025.signed_coupling"),
            "zhang2025.phases",
            "proved identity",
            "exact for linearised networks; one signed sum G decides the direction of every weight",
        ),
        Statement(
            "phase 1, alignment",
            "Examples that agree with the clean subset are amplified, others suppressed",
            "theory.reweighting.phases.arrival",
            (
                "zhang2025.drift",
                "zhang2025.alignment_times",
                "zhang2025.wrong_way",
                "zhang2025.alignment_closed_form",
                "zhang2025.turning_time",
                "zhang2025.slow_time",
            ),
            "zhang2025.alignment",
            "holds in part",
            "holds where the kernel's row mean is positive and weights are fast, with proved times, tried at noise "
            "rates of .2 to .8",
        ),
        Statement(
            "phase 2, filtering",
            "Mislabelled weights vanish until the clean-subset loss levels off",
            "theory.reweighting.flow.solve",
            (
                "zhang2025.filtering",
                "zhang2025.contraction_rates",
                "zhang2025.mean_field",
                "zhang2025.final_clean_weight",
                "zhang2025.amplification_boundary",
                "zhang2025.memorisation_alpha",
            ),
            "zhang2025.phase_diagram",
            "holds in part",
            "fast ones vanish; clean weights reach one only if β/(η n) ≥ 1 − p − w², shown at one kernel of the "
            "classes; weights slower than α = w²δ/(8p(1 − p)k̄) lose to memorisation, δ the kernel's individual part",
        ),
        Statement(
            "phase 3, after filtering",
            "With the clean-subset loss the coupling vanishes, and filtering becomes sensitive to perturbations",
            "theory.reweighting.regrowth.energy",
            (
                "zhang2025.vanishing_coupling",
                "zhang2025.regret",
                "zhang2025.energy_of_classes",
                "zhang2025.no_free_regrowth",
                "zhang2025.regain_bound",
                "zhang2025.coupling_noise",
                "zhang2025.relative_kernel_error",
                "zhang2025.filtering_end",
                "zhang2025.first_order_end",
                "zhang2025.reflected_walk",
                "zhang2025.memorisation_time",
                "zhang2025.memorisation_time_and_speed",
                "zhang2025.memorisation_time_and_clean_subset",
            ),
            "zhang2025.post_filtering",
            "holds in part",
            "without any error of the coupling clipped weights do not bring memorisation back. Errors do so mostly on "
            "a clean subset that is also trained on: contained, noise of .1 ends at "
            "{post_filtering | noise 0.1 | contained, β = 0.5 | 2 round} to "
            "{post_filtering | noise 0.1 | contained, β = 5 | 2 round} % memorised, held out at "
            "{post_filtering | noise 0.1 | held out, β = 0.5 | 2 round}. Exceptions: held out, a constant offset of "
            "−.1 memorises {post_filtering | offset -0.1 | held out, β = 0.5 | interval} % and wrong clean labels "
            "{post_filtering | 2 of 20 clean labels wrong | held out, β = 0.5 | 2 round} % and more; "
            "contained, normalised weights (L2RW) memorise all without any error. Under fresh errors "
            "a filtered weight is a reflected walk: bounded held out, memorising at (sβ)^(−2/3) m^(1/3) contained",
        ),
        Statement(
            "kernel separation (Assumptions 3 and 4)",
            "The kernel is positive within and negative between classes, or nearly so",
            "theory.ntk.centred",
            ("zhang2025.fbr_is_last_layer", "zhang2025.fbr_strict", "zhang2025.centring_threshold"),
            "zhang2025.kernel_blocks",
            "holds in part",
            "false for raw kernels of digits, in part true for centred ones; FBR is a centred last-layer meta-gradient",
        ),
        Statement(
            "abstract, experiments",
            "Feature-based reweighting (FBR) consistently outperforms strong baselines",
            "spec.rules.FeatureReweight",
            ("zhang2025.fbr_is_last_layer",),
            "zhang2025.field",
            "does not hold",
            "no: ahead in {sum field | all blocks | cross-entropy & L2RW & clipped meta-reweighting, β = 10 & "
            "clean subset only | 1} and behind in {sum field | all blocks | cross-entropy & L2RW & clipped "
            "meta-reweighting, β = 10 & clean subset only | 2} of {sum field | all blocks | cross-entropy & L2RW "
            "& clipped meta-reweighting, β = 10 & clean subset only | 3} paired comparisons at the validated "
            "epoch ({sum field.2 | all blocks | cross-entropy & L2RW & clipped meta-reweighting, β = 10 & clean "
            "subset only | 1} and {sum field.2 | all blocks | cross-entropy & L2RW & clipped meta-reweighting, β "
            "= 10 & clean subset only | 2} at the final one). It beats cross-entropy and L2RW nearly everywhere; "
            "clipped meta-reweighting (β = 10) on MNIST-1D ({range field | mnist1d* | clipped meta-reweighting, "
            "β = 10}, better in {count field | mnist1d* | clipped meta-reweighting, β = 10 | better} places), "
            "on digits in {count field | digits* | clipped meta-reweighting, β = 10 | better}, with 30 extra clean "
            "epochs under 80 % noise ({field | digits, symmetric .8, V = 30 | clipped meta-reweighting, β = 10}) or "
            "with 20 clean labels ({field | digits, symmetric .4, m = 20, V = 30 | clipped meta-reweighting, β = "
            "10}). There it is behind in {count field | digits* | clipped meta-reweighting, β = 10 | worse}, with 200 "
            "clean labels ({field | digits, symmetric .4, m = 200, V = 0 | clipped meta-reweighting, β = 10}) and "
            "with wrong ones ({field | digits, symmetric .4, m = 100 with 20% wrong, V = 0 | clipped "
            "meta-reweighting, β = 10}) and no extra epochs. With β = 1 it is ahead of it in {sum field | all blocks "
            "| clipped meta-reweighting, β = 1 | 1} and behind in {sum field | all blocks | clipped "
            "meta-reweighting, β = 1 | 2} of {sum field | all blocks | clipped meta-reweighting, β = 1 | 3}, with β "
            "= 100 in {sum field | all blocks | clipped meta-reweighting, β = 100 | 1} and {sum field | all blocks | "
            "clipped meta-reweighting, β = 100 | 2}. Under 80 % noise on digits "
            "the clean subset alone is {field | digits, symmetric .8, V = 30 | clean subset only | abs} points ahead "
            "of it",
        ),
    ),
    experiments=(kernels.KERNEL_WIDTH, PHASES, FINITE_WIDTH, PHASE_DIAGRAM, POST_FILTERING, KERNEL_BLOCKS, FIELD),
    claims=kernels.CLAIMS
    + recursion.CLAIMS
    + alignment.CLAIMS
    + flow.CLAIMS
    + flow_ends.CLAIMS
    + finite_width.CLAIMS
    + late_times.CLAIMS
    + slow_weights.CLAIMS
    + feature_agreement.CLAIMS
    + regrowth.CLAIMS
    + coupling.CLAIMS
    + coupling_errors.CLAIMS
    + reflection.CLAIMS,
)
