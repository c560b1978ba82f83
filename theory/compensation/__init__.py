"""Label noise and the SAM perturbation (Xu et al. 2026).

correction   the tilt of gradients under flipped labels, effective noise rates, the best correction, its sign
angle        the angle between clean and noisy perturbation, in population and in batches
sign         which sign of the correction improves the direction of a batch: a threshold
selection    which examples the published rule selects, under which labels, how strongly
pac_bayes    the generalisation bound of Theorem 1, step by step, and its repair
"""
