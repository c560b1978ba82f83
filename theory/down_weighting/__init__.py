"""The element-wise ratio of a SAM gradient to the plain one (Luong et al. 2026).

ratio             the ratio, its groups A, B, C, dominance, and what is known of its sign and size
two_groups        a coordinate that sees one clean and one mislabelled margin: regions and their boundaries
transition        signal and memory: in which order a linear model passes through the groups
orders            in which orders it can pass through them, and where it unlearns the signal
batch_sam         group B under n-SAM: what opposes the batch, and the memory of mislabelled examples
shares            group shares of jointly normal coordinates
expected_shares   group shares in expectation over the mixture
"""
