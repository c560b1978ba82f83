"""Claims on Baek et al. (2024): a statement, its predicted and its measured side, a tolerance and mutants."""
