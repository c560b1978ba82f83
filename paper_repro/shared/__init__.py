"""What several papers use.

logistic_cases   random logistic problems, and the rules' gradients on them by simulation
comparison       methods side by side on the same seeds, and their tables
"""
