"""Our own results: what no paper states. Symbols, statements, experiments and claims."""

from paper_repro.beyond.claims import (
    curves,
    ends,
    family,
    flips,
    gains,
    groups,
    network_collapse,
    network_rates,
    networks,
    strengths,
)
from paper_repro.beyond.experiments.curves import CURVES
from paper_repro.beyond.experiments.ends import ENDS
from paper_repro.beyond.experiments.networks import NETWORKS
from paper_repro.beyond.experiments.phases import PHASES, SIGNALS, STRENGTHS
from paper_repro.beyond.experiments.rules import RULES
from paper_repro.beyond.experiments.shares import SHARES
from paper_repro.beyond.experiments.signs import SIGN_CHANGES
from paper_repro.beyond.experiments.transition import TRANSITION
from paper_repro.registry import Paper, Statement

CURVE = "theory.mean_field.prediction.at_end"
NETWORK = "theory.mean_field.networks.prediction.at_end"

PAPER = Paper(
    key="beyond",
    citation="Our own results: training in high dimension, predicted without training; the limit is that of Celentano, "
    "Cheng, Montanari (2021) for first-order methods.",
    url="https://arxiv.org/abs/2112.07572",
    symbols=(
        ("α", "n/d", "examples for each dimension; kept as n, d → ∞"),
        ("c", "rho ‖x‖", "by how much 1-SAM lowers an example's own margin"),
        ("M, q", "signal_overlap, noise_norm", "⟨w, e₁⟩ and the norm of the rest of w"),
        ("ξ, η", "xi, fresh directions", "fresh normals of examples and of weights; their memories are the responses"),
        ("κ", "kappa", "response of the end of training to an example"),
    ),
    statements=(
        Statement(
            "derived, curves",
            "In the linear model the whole training of the rules of all four papers closes as n, d → ∞",
            CURVE,
            (
                "beyond.one_sam",
                "beyond.n_sam",
                "beyond.saner",
                "beyond.compensated",
                "beyond.reweighted",
                *(claim.id for claim in family.CLAIMS),
            ),
            "beyond.curves",
            "holds",
            "derived; without responses, with n/d inverted, without the jump of SANER's mask or the memory of the "
            "ascent the prediction is rejected",
        ),
        Statement(
            "derived, finite size",
            "One training of size d is off by O(d^−1/2), the mean over trainings by O(1/d)",
            CURVE,
            ("beyond.rate",),
            "beyond.finite_size",
            "holds",
            "holds for the norm of the weights under 1-SAM from d = 16 on",
        ),
        Statement(
            "derived, flips",
            "Independent flips have the limit of a fixed number, and a variance that swamps effects at finite size",
            "theory.mean_field.prediction.flip_variance",
            ("beyond.flips",),
            "beyond.finite_size",
            "holds",
            "the count of flips adds more to the variance of the test accuracy than everything else together",
        ),
        Statement(
            "derived, end",
            "1-SAM with weight decay ends at a minimum that three numbers describe",
            "theory.mean_field.long_time.minimum",
            ("beyond.end", "beyond.shift_and_decay"),
            "beyond.ends",
            "holds",
            "both shift and weight decay end at the mean classifier, but on the way they differ: where labels can be "
            "separated, at small decay, the shift lowers the final accuracy, and more decay raises it. At n/d = 4 and "
            "the best of the weight decays, SGD ends at {beyond.ends | 4, 0 | best | cell} %, 1-SAM of the largest c "
            "at {beyond.ends | 4, 8 | best | cell} %; the mean classifier is at {beyond.ends | 4, 8 | mean | cell} %",
        ),
        Statement(
            "predicted, rules",
            "How all rules compare along training and at equal norm",
            "theory.mean_field.stopping.at_norms",
            ("beyond.equal_norm",),
            "beyond.rules",
            "holds",
            "at equal norm 1-SAM stays ahead of n-SAM in trainings as in the limit. The others are predicted, with "
            "their best stopping: SGD {beyond.rules | SGD | best | cell} %, 1-SAM "
            "{beyond.rules | 1-SAM | best | cell} %, n-SAM with true labels in its ascent "
            "{beyond.rules | n-SAM (oracle) | best | cell} %, and with a clean subset FBR "
            "{beyond.rules | FBR | best | cell} % and clipped meta-reweighting "
            "{beyond.rules | clipped meta-reweighting | best | cell} %, which is at "
            "{beyond.rules | clipped meta-reweighting | last | cell} % in the end, where SGD is at "
            "{beyond.rules | SGD | last | cell} %",
        ),
        Statement(
            "predicted, groups",
            "How SANER's groups change over training",
            "theory.mean_field.prediction.at_end",
            ("beyond.groups",),
            "beyond.groups",
            "holds",
            "shares of coordinates checked in trainings after one and after six steps",
        ),
        Statement(
            "predicted, transition",
            "As n/d → 0 the signal passes through the groups in the order of the transition theory",
            None,
            (),
            "beyond.transition",
            "not shown here",
            "the limit against the theory of orthogonal examples, without trainings: at the smallest n/d the signal's "
            "coordinate is in the group of the transition theory in {beyond.transition | 0.02 | steps in the same "
            "group | cell} of the steps, at the largest in {beyond.transition | 0.8 | steps in the same group | cell}, "
            "in the orders {beyond.transition | 0.02 | order | cell} and {beyond.transition | 0.8 | order | cell}; its "
            "margin ends at {beyond.transition | 0.02 | margin at the end | cell} and "
            "{beyond.transition | 0.8 | margin at the end | cell} against {beyond.transition | 0.02 | of the "
            "transition | cell}",
        ),
        Statement(
            "predicted, phases",
            "Where which rule beats descent at its best stopping, and whether the gain is transient",
            "theory.mean_field.stopping.stopping",
            ("beyond.transient",),
            "beyond.phases",
            "holds",
            "signs checked in trainings at one place: 1-SAM keeps its gain, n-SAM and SANER lose theirs. Predicted, "
            "each rule at its best strength: 1-SAM gains at its best stopping in {beyond.phases.3 | 1-SAM | gains at "
            "its best stopping | cell} places and still at the end in {beyond.phases.3 | 1-SAM | of these also at the"
            " end | cell}, n-SAM in {beyond.phases.3 | n-SAM | gains at its best stopping | cell} and "
            "{beyond.phases.3 | n-SAM | of these also at the end | cell}, SANER in {beyond.phases.3 | SANER | gains "
            "at its best stopping | cell} and {beyond.phases.3 | SANER | of these also at the end | cell}. Without "
            "trusted examples 1-SAM gains most in {count beyond.phases.2 | * | largest gain without clean examples | "
            "1-SAM} and NC+, whose selection is an oracle's, in {count beyond.phases.2 | * | largest gain without "
            "clean examples | NC+}; the best c is the largest of the grid, near the mean classifier, in {count "
            "beyond.phases.2 | * | c of 1-SAM | 100}",
        ),
        Statement(
            "predicted, signals",
            "How the gains over descent depend on the size of the signal",
            "theory.mean_field.stopping.stopping",
            ("beyond.signals",),
            "beyond.signals",
            "holds",
            "signs checked in trainings over four signals: the gain of 1-SAM at the best stopping rises and falls "
            "with the signal, that at the end rises. Predicted, at the best strength: the largest gain of 1-SAM is "
            "{beyond.signals.3 | 1-SAM | gains most | cell}, that of n-SAM {beyond.signals.3 | n-SAM | gains most | "
            "cell}; still at the end 1-SAM gains in {beyond.signals.3 | 1-SAM | of these also at the end | cell} "
            "places and n-SAM in {beyond.signals.3 | n-SAM | of these also at the end | cell}",
        ),
        Statement(
            "predicted, signs",
            "Which sign of NCSAM's correction helps depends on the precision of its selection, hardly on the step",
            "theory.mean_field.prediction.at_end",
            ("beyond.signs",),
            "beyond.signs",
            "holds",
            "the sign at the noise rate's precision is checked in trainings. The precision above which + is the better "
            "sign is predicted: {beyond.signs.2 | * | step 3 | cell} early, {beyond.signs.2 | * | step 21 | cell} in "
            "the middle and {beyond.signs.2 | * | step 40 | cell} at the end of the training",
        ),
        Statement(
            "predicted, strengths",
            "Which strength ρ is the best, by noise rate",
            "theory.mean_field.stopping.stopping",
            ("beyond.strengths",),
            "beyond.strengths",
            "holds",
            "signs checked in trainings at three strengths and one noise rate: more strength gains more at the best "
            "stopping; at the end 1-SAM gains by it and n-SAM, up to ρ = 3, loses. Predicted: 1-SAM keeps "
            "{beyond.strengths.3 | 1-SAM | of these also at the end | cell} of its gains, those of large c; the least"
            " strength within a tenth of a point of the largest gain (points), at the best stopping / at the end, is "
            "c = {beyond.strengths.2 | 0.05 | 1-SAM | cell} and ρ = {beyond.strengths.2 | 0.05 | n-SAM | cell} at the"
            " least noise rate, c = {beyond.strengths.2 | 0.45 | 1-SAM | cell} and ρ = {beyond.strengths.2 | 0.45 | "
            "n-SAM | cell} at the largest",
        ),
        Statement(
            "derived, networks",
            "In a two-layer network of a few units the training of SGD, L-SAM, J-SAM and 1-SAM closes as n, d → ∞",
            NETWORK,
            ("beyond.network_one_sam", "beyond.network_l_sam", "beyond.network_j_sam", "beyond.network_mask"),
            "beyond.networks",
            "holds",
            "an ascent moves the example's own fields by c sign(q) p/‖p‖; v moved, another direction, a dropped sign "
            "and transposed memory are rejected. SANER over them closes where no entry of v and none of the signal is "
            "at the mask's edge; there, single trainings follow either side",
        ),
        Statement(
            "derived, networks and a teacher",
            "The same under noisy labels y = sign ⟨e₁, x⟩ of x ~ N(0, I)",
            NETWORK,
            ("beyond.network_teacher",),
            "beyond.networks",
            "holds",
            "one more number of an example, drawn before all others",
        ),
        Statement(
            "derived, collapse",
            "Under J-SAM and 1-SAM the last layer of a network vanishes where c is above a threshold",
            "theory.mean_field.networks.collapse.threshold",
            ("beyond.network_collapse", "beyond.network_collapse_relu"),
            "beyond.networks",
            "holds in part",
            "for small ‖v‖ the pull is the gradient of half of c E‖v∗φ′(H)‖, and the threshold follows; at ‖v‖ of "
            "order one only the whole curve tells",
        ),
        Statement(
            "derived, networks of finite size",
            "One training of size d is off by O(d^−1/2), the mean over trainings by O(1/d), under every rule",
            NETWORK,
            tuple(claim.id for claim in network_rates.CLAIMS),
            "beyond.networks",
            "holds",
            "holds for ‖v‖ after four steps",
        ),
        Statement(
            "derived, linear units",
            "Proposition 4.1 in high dimension: J-SAM of linear units is SGD with c E|q| v/‖v‖ added for v alone",
            "theory.mean_field.networks.rules.direction",
            ("beyond.network_shrinkage",),
            "beyond.shares",
            "holds",
            "the penalty of activations is smaller by 1/d",
        ),
        Statement(
            "predicted, Section 4.1 of Baek et al.",
            "In networks of a few units J-SAM gains more than L-SAM, and more than a norm penalty that matches its ‖v‖",
            None,
            (),
            "beyond.shares",
            "holds in part",
            "predicted, and trained beside. Shown at the end in {count beyond.shares.2 | * | J-SAM over L-SAM, end | ; "
            "shown} settings; reversed in {count beyond.shares.2 | * | J-SAM over L-SAM, end | ; reversed}: with ReLU "
            "units, where J-SAM loses to SGD, under a teacher, where neither gains, at the smallest n/d, and at the "
            "largest c, where the last layer collapses. Over the penalty in {count beyond.shares.2 | * | J-SAM over "
            "the penalty, end | ; shown}. At the best stopping in {count beyond.shares.2 | * | J-SAM over L-SAM, best "
            "| ; shown}: there linear units gain by L-SAM. Gains of simulations are off the predicted ones by "
            "{beyond.shares.3 | 500 | median} points in the median at the smaller d and {beyond.shares.3 | 2000 | "
            "median} at the larger, at most by {beyond.shares.3 | 500 | largest} and {beyond.shares.3 | 2000 | "
            "largest}",
        ),
    ),
    experiments=(CURVES, RULES, PHASES, SIGNALS, STRENGTHS, SIGN_CHANGES, TRANSITION, ENDS, NETWORKS, SHARES),
    claims=(
        *curves.CLAIMS,
        *family.CLAIMS,
        *ends.CLAIMS,
        *flips.CLAIMS,
        *gains.CLAIMS,
        *strengths.CLAIMS,
        *groups.CLAIMS,
        *networks.CLAIMS,
        *network_rates.CLAIMS,
        *network_collapse.CLAIMS,
    ),
)
