"""What the project has on Xu et al. (2026): symbols, statements, experiments and claims."""

from paper_repro.registry import Paper, Statement
from paper_repro.xu2026.claims import (
    angle,
    batches,
    coverage,
    effective_rate,
    proof,
    random_counts,
    selection,
    sign,
    step,
    tilt,
    worth_of_the_bound,
)
from paper_repro.xu2026.experiments.ablations import ABLATIONS
from paper_repro.xu2026.experiments.angle import ANGLES, RESIDUALS
from paper_repro.xu2026.experiments.bound import BOUND
from paper_repro.xu2026.experiments.curves import FIG_1
from paper_repro.xu2026.experiments.deciding import DECIDING
from paper_repro.xu2026.experiments.effective_rate import FINITE_BATCHES, RATES
from paper_repro.xu2026.experiments.natural_noise import NATURAL_NOISE
from paper_repro.xu2026.experiments.threshold import THRESHOLD

PAPER = Paper(
    key="xu2026",
    citation="Xu, Deng, Pang. NCSAM: noise-compensated sharpness-aware minimisation. arXiv 2026.",
    url="https://arxiv.org/abs/2601.19947",
    symbols=(
        ("ỹ, y", "t, y", "observed and true label"),
        ("α, λ_B", "Delta", "share of wrong labels, in all data or in a batch"),
        ("ε_SAM, ε_NCSAM", "eps, eps'", "perturbation of SAM, and the compensated one"),
        ("g*_noise", "g*", "gradient of selected examples under other labels"),
        ("s(t), κ", "strength × progress", "weight of g*; κ is the strength at full schedule"),
        ("r_flip", "fraction", "share of the batch that is selected"),
        ("δ_i", "gap", "difference of the two largest logits"),
        ("γ of the code's README", "strength", "first step size times the code's multiple"),
        ("—", "gamma", "weight of g* relative to the batch gradient: strength ‖g‖/ρ before projection"),
        ("—", "precision", "share of mislabelled examples in a selection"),
    ),
    statements=(
        Statement(
            "equation 3 and after",
            "Label noise biases the gradient",
            "theory.compensation.correction.tilt",
            ("xu2026.tilt", "xu2026.curvature"),
            "xu2026.angle",
            "proved identity",
            "exactly: it adds a constant tilt to logistic regression and changes no curvature",
        ),
        Statement(
            "after equation 9",
            "Clean and noisy gradients have a negative inner product, which turns SAM's perturbation away",
            "theory.compensation.angle.perturbation_angle",
            (
                "xu2026.angle",
                "xu2026.overshoot_zone",
                "xu2026.opposed_gradients",
                "xu2026.batch_moments",
                "xu2026.orthogonal_cosine",
                "xu2026.uniform_cosine",
            ),
            "xu2026.residual",
            "holds in part",
            "it turns, by up to 180°; the negative sign holds at small weights and fails at large ones",
        ),
        Statement(
            "equations 15 to 18, and the released code",
            "A cubic schedule; examples of small margin, under their highest other class; or by clusters",
            "theory.compensation.selection.inclusion",
            ("xu2026.schedule", "xu2026.margin_selection", "xu2026.highest_target", "xu2026.cluster_selection"),
            None,
            "holds",
            "implemented as printed, with draws without replacement; the schedule is full from half of the training on",
        ),
        Statement(
            "equations 10 to 13, Algorithm 1",
            "Adding the gradient of simulated noise, projected onto the ball, compensates the perturbation",
            "theory.compensation.correction.compensated_step",
            ("xu2026.step", "xu2026.suppression"),
            None,
            "holds in part",
            "the step is implemented as printed; in logistic regression it suppresses the selected examples",
        ),
        Statement(
            "equation 12, the sign",
            "The simulated noise is added",
            "theory.compensation.correction.helpful_sign",
            (
                "xu2026.sign_rule",
                "xu2026.effective_rate",
                "xu2026.cancelling_gamma",
                "xu2026.difference_estimator",
                "xu2026.class_rates",
            ),
            "xu2026.rates",
            "holds in part",
            "in population, with weights that do not depend on the flips: it lowers the noise rate iff the selection's "
            "precision exceeds 1 − Δ. In a batch the threshold is another one: next row",
        ),
        Statement(
            "equation 12, the sign, in a batch of a network that fits its labels",
            "The simulated noise is added",
            "theory.compensation.sign.threshold",
            (
                "xu2026.sign_moments",
                "xu2026.sign_threshold",
                "xu2026.sign_orthogonal",
                "xu2026.sign_memorised",
                "xu2026.sign_classes",
            ),
            "xu2026.threshold",
            "holds in part",
            "adding a little helps the direction iff precision exceeds a threshold that second moments give: 1 − Δ for "
            "large batches and weights independent of the flips, Δ once the labels are memorised (or at w = 0), less "
            "with many classes; so it falls during training. Read off some batches it names "
            "the sign of the slope of the cosine on others in "
            "{threshold | all, slope of the cosine, second moments | right of decided | cell} "
            "decided cases (digits and MNIST-1D, three networks, nine epochs) and, at the rule's own strength, that of "
            "its turn in {threshold | all, turn at the rule's own strength, second moments | right of decided | cell} "
            "(the population rule: "
            "{threshold | all, slope of the cosine, population: right > 1 − Δ | right of decided | cell} and "
            "{threshold | all, turn at the rule's own strength, population: right > 1 − Δ | right of decided | cell})",
        ),
        Statement(
            "Tables I to IV: NCSAM tests better than SAM",
            "The compensation makes the difference",
            "theory.compensation.correction.helpful_sign",
            ("xu2026.sign_rule",),
            "xu2026.deciding",
            "does not hold",
            "no: the published form is better in {count deciding.4 | *s = 0.1, published − SAM (SAM) | test | : shown}"
            " blocks (digits, MNIST-1D; symmetric, instance-dependent noise; κ = .1): level with SAM at the validated "
            "epoch ({range deciding.4 | *s = 0.1, published − SAM (SAM) | test}), below it at the end on digits "
            "({range deciding.4 | digits*s = 0.1, published − SAM (SAM) | test, final}), and {range deciding.4 | *s = "
            "0.1, published − SAM of the best ρ* | test} against SAM at a larger ρ. No correction of SAM's own length "
            "gains at the validated epoch, nor does the ascent under true labels ({range deciding.4 | *s = 0.1, "
            "ceiling: ascent under true labels − SAM (SAM) | test, final} at the end). The population sign rule "
            "(precision against 1 − Δ) names the better sign in {sum deciding.1 | digits*s = 0.1 | as predicted} "
            "decided comparisons on digits and the worse in {sum deciding.1 | digits*s = 0.1 | against}; on MNIST-1D, "
            "where all labels are memorised and the rule does not hold, in {sum deciding.1 | mnist1d*s = 0.1 | as "
            "predicted} and {sum deciding.1 | mnist1d*s = 0.1 | against}. At a tenth of this strength (digits, "
            "symmetric noise) γ is inside the window of the rule: it names the better sign in {deciding.1 | γ inside "
            "the window, cosine with the clean gradient | as predicted | cell} and the worse in {deciding.1 | γ "
            "inside the window, cosine with the clean gradient | against | cell} decided comparisons of the cosine, "
            "in {deciding.1 | γ inside the window, test, final | as predicted | cell} and {deciding.1 | γ inside the "
            "window, test, final | against | cell} of the final accuracy; the published form differs from SAM by "
            "{deciding.4 | *s = 0.01, published − SAM (SAM) | test | interval} points there",
        ),
        Statement(
            "Fig. 1",
            "SGD and SAM lose test accuracy late in training, NCSAM does not (last epochs 69.6, 79.0, 92.5)",
            None,
            (),
            "xu2026.fig1",
            "does not hold",
            "not at our scale: with 40 % noise NCSAM ends {fig1.2 | NCSAM − SAM | final epoch | interval} points "
            "from SAM and {fig1.2 | NCSAM − SGD | final epoch | interval} from SGD, and fits {fig1.2 | NCSAM − "
            "SAM | memorised | interval} points more of the mislabelled examples than SAM",
        ),
        Statement(
            "Tables III to V",
            "NCSAM tests better than SAM under symmetric, asymmetric and natural noise",
            None,
            (),
            "xu2026.natural_noise",
            "does not hold",
            "not at our scale (digits; noise that depends on the input stands for natural noise): the intervals of "
            "NCSAM − SAM at the validated epoch all include zero ({range natural_noise | * | NCSAM − SAM, validated}), "
            "and at the final one it is {range natural_noise | * | NCSAM − SAM, final} points, shown to be worse in "
            "{count natural_noise | * | NCSAM − SAM, final | : reversed} of the columns",
        ),
        Statement(
            "Tables VI to VIII",
            "The noise rate is the best share of flips, the schedule matters, and there is a best strength",
            None,
            (),
            "xu2026.ablations",
            "not shown here",
            "no setting gains on SAM of the same warm-up: at the end, shares of .2 to .7 are {range ablations | "
            "VI: share*, r = * | − first#2} points from it, schedules {range ablations | VII: schedule*, c* | − "
            "first#2} and strengths {range ablations | VIII: strength*, κ = * | − first#2}. The best epoch under "
            "40 and 60 % noise is in the SGD warm-up, before there is anything to compensate",
        ),
        Statement(
            "equation 12 on one batch",
            "The same in a batch of finite size",
            "theory.compensation.correction.finite_batch_optimum",
            ("xu2026.finite_batch_error", "xu2026.reversal_batch", "xu2026.reversal_direction"),
            "xu2026.finite_batch",
            "holds in part",
            "in small batches of many dimensions adding lowers the squared error, by shrinking the gradient: variance "
            "outweighs bias. SAM uses the direction alone, and there subtracting helps at every size of batch we tried",
        ),
        Statement(
            "abstract: compensation of the perturbation removes the harm of the noise",
            "A corrected perturbation gives a corrected step",
            "theory.compensation.correction.cancelling_shift",
            ("xu2026.descent_bias", "xu2026.cancelling_shift"),
            None,
            "does not hold",
            "not in models that are linear in their weights: there the descent keeps the whole tilt under any "
            "perturbation, and a shift by −H⁻¹c would cancel it. In networks, no claim: the tilt of the logits is "
            "pulled back through another Jacobian",
        ),
        Statement(
            "Theorem 1, its proof, Corollary 2",
            "A PAC-Bayes bound with 1/(1 − α) and the effective sample n(1 − α)",
            "theory.compensation.pac_bayes.theorem_1",
            (
                "xu2026.theorem_1",
                "xu2026.corollary_2",
                "xu2026.gaussian_divergence",
                "xu2026.union_over_priors",
                "xu2026.ball",
                "xu2026.split",
            ),
            "xu2026.bound",
            "holds in part",
            "the steps that are ours to check (divergence, union, ball, split) hold when kept samples follow the test "
            "law; McAllester's bound is taken as proved. In simulation linear learners that memorise, or that err on "
            "every right label, stay below the sum, and would not without its 1/(1 − α) or its complexity. It bounds "
            "SAM, and says nothing of NCSAM",
        ),
        Statement(
            "Theorem 1, reading",
            "The bound explains generalisation under symmetric and instance-dependent noise",
            "theory.compensation.pac_bayes.repaired",
            ("xu2026.vacuous", "xu2026.memorisation", "xu2026.instance_dependent"),
            "xu2026.bound",
            "does not hold",
            "vacuous for a ResNet-18 (the complexity alone exceeds one from ‖w‖ = .01 on); prefers memorisers; false "
            "under instance-dependent noise, repaired here",
        ),
    ),
    experiments=(ANGLES, RESIDUALS, RATES, FINITE_BATCHES, BOUND, FIG_1, ABLATIONS, NATURAL_NOISE, DECIDING, THRESHOLD),
    claims=tilt.CLAIMS
    + angle.CLAIMS
    + batches.CLAIMS
    + effective_rate.CLAIMS
    + selection.CLAIMS
    + sign.CLAIMS
    + step.CLAIMS
    + proof.CLAIMS
    + coverage.CLAIMS
    + random_counts.CLAIMS
    + worth_of_the_bound.CLAIMS,
)
