"""What is recorded while training.

scalars       losses, accuracies, norms and angles of a network
composition   what a rule does to the coordinates of the gradient
correction    what a compensated rule does to the perturbation of a batch
sign_terms    what decides whether its correction helps: second moments, and the measured turn
"""
