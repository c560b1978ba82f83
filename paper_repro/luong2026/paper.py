"""What the project has on Luong et al. (2026): symbols, statements, experiments and claims."""

from paper_repro.luong2026.claims import (
    batch_sam,
    expansion,
    mixture,
    orders,
    ratio,
    signal_memory,
    small_dimension,
    two_groups,
)
from paper_repro.luong2026.experiments.composition import COMPOSITION, LINEAR_DIGITS
from paper_repro.luong2026.experiments.controls import CONTROLS
from paper_repro.luong2026.experiments.formulas import RATIO_REGIONS, SIGNAL_MEMORY
from paper_repro.luong2026.experiments.pipelines import PIPELINES
from paper_repro.luong2026.experiments.toy import TOY
from paper_repro.luong2026.experiments.variations import VARIATIONS
from paper_repro.registry import Paper, Statement

PAPER = Paper(
    key="luong2026",
    citation="T. Luong, Nguyen, Tran, D. B. Tran. Understanding SAM's Robustness to Noisy Labels through Gradient "
    "Down-weighting. AISTATS 2026.",
    url="https://arxiv.org/abs/2411.17132",
    symbols=(
        ("g^SGD, g^SAM", "g, h", "plain gradient of a batch, and the gradient at w + ρ g/‖g‖ of the same batch"),
        ("r", "r, ratio", "h/g, coordinate by coordinate"),
        ("groups A, B, C", "group", "r ≥ 1, 0 < r < 1, r ≤ 0"),
        ("α", "alpha", "removed fraction of group B; the released code's α is the kept fraction 1 − α"),
        ("k", "warmup", "length of the linear warm-up of α, here in steps"),
        ("SANER", 'DownWeight(Sam(rho, "batch"), alpha)', "n-SAM with a fraction of group B removed"),
        ("SGD-GrA, -GrB, -GrC", 'Without(Sam(rho, "batch"), group)', "n-SAM without its effect on a group"),
        ("z_c, z_n (code)", "m_c, m_n", "margins of clean and mislabelled examples: z_c = −m_c, z_n = m_n"),
    ),
    statements=(
        Statement(
            "README, update",
            "SANER multiplies the SAM gradient by 1 − α where 0 < r < 1",
            "theory.down_weighting.ratio.groups",
            ("luong2026.update",),
            "luong2026.toy",
            "proved identity",
            "transcribed exactly; the released code's α means the kept fraction",
        ),
        Statement(
            "README, theory",
            "Where a noisy gradient dominates a direction, SAM amplifies the clean gradient more than the noisy one",
            "theory.down_weighting.ratio.sides",
            ("luong2026.ratio_identity", "luong2026.conflict_regions", "luong2026.dominated_side"),
            "luong2026.ratio_regions",
            "holds in part",
            "derived: for 1-SAM, and where r < 1; it speaks of the two signs, and of noise only if each sign is pure",
        ),
        Statement(
            "README, theory figure",
            "The ratio over the plane of clean and mislabelled margins has a region of down-weighting",
            "theory.down_weighting.two_groups.boundaries",
            (
                "luong2026.two_group_ratio",
                "luong2026.equal_groups",
                "luong2026.two_group_regions",
                "luong2026.twins",
            ),
            "luong2026.ratio_regions",
            "holds",
            "closed form; for equal groups B is m_c + m_n < δ whichever side dominates, and C never occurs",
        ),
        Statement(
            "README, transitional phase",
            "Down-weighting happens while the model turns from fitting clean to memorising mislabelled examples",
            "theory.down_weighting.orders.order",
            ("luong2026.signal_memory_path", "luong2026.transition_orders", "luong2026.unlearning"),
            "luong2026.signal_memory",
            "holds in part",
            "in a linear model with orthogonal memory the first exit from A, if any, is into C: reversal comes before "
            "reduction. With Δ, δ = ρ‖x‖ and the speed of memory the order is A, or A C A, or A C B C A, or "
            "A C B A B C A. The signal is unlearned in B and in that second A, where removing B misses it; with a fast "
            "memory it never is",
        ),
        Statement(
            "follows for n-SAM",
            "The ratio of n-SAM is 1 + ρ(Hg/‖g‖)ᵢ/gᵢ to first order, and never below 1 on energy average",
            "theory.down_weighting.ratio.first_order_ratio",
            (
                "luong2026.first_order",
                "luong2026.energy",
                "luong2026.one_dimension",
                "luong2026.shifts_of_both_signs",
            ),
            None,
            "holds",
            "exact for convex losses; 1-SAM breaks both inequalities",
        ),
        Statement(
            "follows for n-SAM, SANER's own rule",
            "Down-weighting group B resists memorisation",
            "theory.down_weighting.batch_sam.descend",
            ("luong2026.opposed_examples", "luong2026.batch_memory_at_start", "luong2026.batch_memory_path"),
            None,
            "holds in part",
            "by another mechanism than 1-SAM's: what is peculiar to an example is in B iff its gradient opposes the "
            "batch's. From zero that is the memory of every mislabelled example iff γ²/n < B²(1 − 2Δ), and of no clean "
            "one; it ends when the signal saturates. The signal coordinate starts in A",
        ),
        Statement(
            "follows for the mixture",
            "Expected shares of the groups among noise- and clean-dominated coordinates",
            "theory.down_weighting.expected_shares.expected_fractions",
            ("luong2026.expected_shares", "luong2026.shares_in_few_dimensions"),
            None,
            "holds",
            "normal orthants, corrected for the fluctuation of the sample and for parts that lie on spheres, for a w "
            "that does not depend on the sample: the expansion leaves O(n⁻²), and nothing is seen of it at (n, d) = "
            "(50, 40) and (12, 3), where that of normal parts, O(1/(nd)), is seen",
        ),
        Statement(
            "Abstract, networks",
            "SANER resists fitting mislabelled examples more than SAM, and tests better",
            None,
            (),
            "luong2026.controls",
            "holds in part",
            "on digits it fits fewer of them ({controls | SANER memorises less than SAM | digits, ρ = 0.1 | "
            "interval} points fewer at ρ = .1, {controls | SANER memorises less than SAM | digits, ρ = 0.4 | "
            "interval} at ρ = .4), which halving random coordinates of the same energy does not bring about. It "
            "tests better at the final epoch ({controls | ... at the final epoch | digits, ρ = 0.1 | interval} at "
            "ρ = .1, {controls | ... at the final epoch | digits, ρ = 0.4 | interval} at ρ = .4); at the validated "
            "one the gain is {controls | SANER tests better than SAM | digits, ρ = 0.1 | interval} and {controls | "
            "SANER tests better than SAM | digits, ρ = 0.4 | interval}. On MNIST-1D all is memorised, with {controls "
            "| SANER tests better than SAM | mnist1d, ρ = 0.4 | interval} at ρ = .4, and as much by random "
            "coordinates of the same energy ({controls.2 | mnist1d, ρ = 0.4, random halved, energy of B | − first | "
            "interval})",
        ),
        Statement(
            "Released script on MNIST, 0 against 1",
            "While a linear model turns to mislabelled examples, SAM down-weights what they dominate",
            "theory.down_weighting.ratio.dominance",
            (),
            "luong2026.linear_digits",
            "holds in part",
            "for 1-SAM, whose theory it is: on digits 0 and 1 its group B is {linear_digits | 1-SAM, 1-SAM | "
            "noise- / clean-dominated in B (%)} % noise-dominated, and of the noise-dominated coordinates "
            "{linear_digits | 1-SAM, 1-SAM | among noise-dominated | 2} % are in B and {linear_digits | 1-SAM, "
            "1-SAM | among noise-dominated | 3} % in C, reversed. Not for n-SAM, which the paper runs: once it "
            "trains, {linear_digits | n-SAM, n-SAM | among noise-dominated} % of them are in A, as of the "
            "clean-dominated ({linear_digits | n-SAM, n-SAM | among clean-dominated} %)",
        ),
        Statement(
            "README, deep networks",
            "Group B is dominated by mislabelled examples, and the theory's premise holds in networks",
            "theory.down_weighting.ratio.dominance",
            (),
            "luong2026.composition",
            "holds in part",
            "in part: on digits B holds {composition | n-SAM | noise- / clean-dominated in B (%)} % "
            "noise-dominated and {composition | n-SAM | noise- / clean-dominated in B (%) | 2} % clean-dominated "
            "coordinates, the first being {composition | n-SAM | B: noise- minus clean-dominated | interval} "
            "points likelier to be in B; clean parts are amplified more on only {composition | n-SAM | a_clean > "
            "a_noisy where noise dominates | interval} % of the noise-dominated ones",
        ),
        Statement(
            "Table 7 (rows known, values not)",
            "SAM and SANER improve bootstrapping and Co-teaching as well",
            None,
            (),
            "luong2026.pipelines",
            "holds in part",
            "on digits at ρ = .1 SAM ends {range pipelines | digits* | SAM − SGD, final} points above SGD beside every "
            "method, and with none; SANER adds {pipelines | digits, ρ = 0.1, hard bootstrap | SANER − SAM, final | "
            "interval} to hard bootstrapping and nothing that is shown to Co-teaching ({pipelines | digits, ρ = 0.1, "
            "Co-teaching | SANER − SAM, final | interval}). Of the methods under SAM, Co-teaching, which is told the "
            "noise rate, gives most ({pipelines | digits, ρ = 0.1, Co-teaching | method − no method, under SAM, final "
            "| interval} at the final epoch, {pipelines | digits, ρ = 0.1, Co-teaching | method − no method, under "
            "SAM, validated | interval} at the validated one); soft bootstrapping and MW-Net, whose weights end alike, "
            "give nothing that is shown. Intervals are not corrected for their number; "
            "DivideMix and PLC were not built",
        ),
        Statement(
            "Table 4 (rows known, values not)",
            "Down-weighting improves ASAM, GSAM, FSAM and VaSSO as well",
            None,
            (),
            "luong2026.family",
            "holds in part",
            "on digits every member fits fewer mislabelled examples with it ({range family | digits*, with "
            "down-weighting | final clean / mislabelled fit | 2} % instead of {range family | digits*, plain | "
            "final clean / mislabelled fit | 2} %) and ends {range family | digits*, with down-weighting | − "
            "first#2} points better ({above family | digits*, with down-weighting | − first#2} intervals above "
            "zero); at the validated epoch the gain is {range family | digits*, with down-weighting | − first} "
            "({above family | digits*, with down-weighting | − first}). On MNIST-1D at ρ = .1 nearly every "
            "mislabelled example is fit, and {above family | mnist1d*, with down-weighting | − first} gain",
        ),
        Statement(
            "Table 1: kinds of noise",
            "The gain holds under symmetric, asymmetric and instance-dependent noise",
            None,
            (),
            "luong2026.noise_kinds",
            "not shown here",
            "at the validated epoch {above noise_kinds | digits*, SANER | − first} intervals on digits lie above zero. "
            "At the final epoch the gain there is {noise_kinds | digits, ρ = 0.1, symmetric .3, SANER | − first#2 | "
            "interval} at symmetric .3, {noise_kinds | digits, ρ = 0.1, symmetric .5, SANER | − first#2 | interval} "
            "at symmetric .5, and at .3 {noise_kinds | digits, ρ = 0.1, asymmetric .3, SANER | − first#2 | interval} "
            "(asymmetric) and {noise_kinds | digits, ρ = 0.1, instance-dependent .3, SANER | − first#2 | interval} "
            "(instance-dependent). The oracle that halves "
            "the truly noise-dominated coordinates gains {range noise_kinds | digits*oracle) | − first} at the "
            "validated epoch. Without label noise SANER makes no difference ({noise_kinds | digits, ρ = 0.1, "
            "none, SANER | − first | interval})",
        ),
        Statement(
            "Ablations of α, warm-up, ρ, width, examples",
            "SANER is robust to its settings",
            None,
            (),
            "luong2026.ablations",
            "holds in part",
            "at the final epoch the gain on SAM grows with α up to its whole removal ({ablations | α = 1, SANER | − "
            "first#2 | interval} at α = 1; {ablations | α = 0.25, SANER | − first#2 | interval} at .25); it is "
            "{ablations | ρ = 0.4, SANER | − first#2 | interval} at ρ = .4 and {ablations | ρ = 0.05, SANER | − "
            "first#2 | interval} at ρ = .05. At the validated epoch {above ablations | *, SANER | − first} settings "
            "gain (at ρ = .2 {ablations | ρ = 0.2, SANER | − first | interval}). With 250 or 500 examples all is "
            "memorised and nothing is gained",
        ),
        Statement(
            "Fig. 3 (content inferred)",
            "Group B plays the critical role: SAM without its effect on B fits mislabelled examples",
            None,
            (),
            "luong2026.controls",
            "holds in part",
            "in part: on digits SAM without its effect on B memorises {controls | SAM without its effect on B "
            "memorises more | digits, ρ = 0.4 | interval} points more at ρ = .4, but {controls | SAM without its "
            "effect on B memorises more | digits, ρ = 0.1 | interval} at ρ = .1, and without A {controls | B "
            "matters more than A to memorisation | digits, ρ = 0.4 | abs} points more than without B at ρ = .4, "
            "and SAM only on B ends at {controls.2 | digits, ρ = 0.4, SAM only on B | test, final} % where SGD "
            "ends at {controls.2 | digits, ρ = 0.4, SGD | test, final} % and SAM at {controls.2 | digits, ρ = "
            "0.4, SAM | test, final} %",
        ),
    ),
    experiments=(RATIO_REGIONS, SIGNAL_MEMORY, TOY, LINEAR_DIGITS, COMPOSITION, CONTROLS, PIPELINES, *VARIATIONS),
    claims=ratio.CLAIMS
    + two_groups.CLAIMS
    + signal_memory.CLAIMS
    + orders.CLAIMS
    + batch_sam.CLAIMS
    + expansion.CLAIMS
    + mixture.CLAIMS
    + small_dimension.CLAIMS,
)
