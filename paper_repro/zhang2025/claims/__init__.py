"""Claims on Zhang et al. (2025): a statement, its predicted and its measured side, a tolerance and mutants."""
