"""What several papers use.

at_rho           rules as functions of rho, for problems that each have their own
drawn            samples of synthetic problems, by numpy
logistic_cases   random logistic problems, and the rules' gradients on them by simulation
comparison       methods side by side on the same seeds, and their tables
"""
