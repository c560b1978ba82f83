"""What mathematics predicts, in float64 (numpy, scipy, sympy); never imports what simulates.

One room for each topic, one module for each question; a module's functions are its formulas.

logistic          SAM in logistic regression: at finite n, and in expectation over the signal-plus-noise mixture
linear_networks   two-layer linear networks: gradients, training as a closed system, margins, decay of layers
reweighting       clipped meta-reweighting in the tangent-kernel regime: recursion, flow, phases, regrowth
down_weighting    the element-wise ratio of SAM's gradient to the plain one: groups, regions, transition, shares
compensation      label noise and SAM's perturbation: corrections, angles, the PAC-Bayes bound
mean_field        exact curves of training in high dimension
symbolic          the displayed formulas of the other rooms, derived from definitions by sympy
ntk               tangent kernels of infinitely wide ReLU networks
gaussian          expectations over Gaussian variables, with error estimates
"""
