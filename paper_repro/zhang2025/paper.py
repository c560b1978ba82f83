"""What the project has on Zhang et al. (2025): so far the tangent kernels that its analysis rests on."""

from paper_repro.registry import Paper, Statement
from paper_repro.zhang2025.kernels import CLAIMS, KERNEL_WIDTH

PAPER = Paper(
    key="zhang2025",
    citation="Y. Zhang, C. Holtz, G. Mishne, A. Cloninger. Revisiting Meta-Learning with Noisy Labels. arXiv 2025.",
    url="https://arxiv.org/abs/2510.12209",
    symbols=(("K", "K, kernel", "neural tangent kernel ⟨∇f(x), ∇f(x')⟩"),),
    statements=(
        Statement(
            "setting of the analysis",
            "Wide networks follow their tangent kernel at initialisation",
            "theory.ntk.relu",
            ("zhang2025.kernel_two_layers", "zhang2025.kernel_three_layers"),
            "zhang2025.kernel_width",
            "the kernel of a finite network is off by O(width^(-1/2)), more for deeper networks",
        ),
    ),
    experiments=(KERNEL_WIDTH,),
    claims=CLAIMS,
)
