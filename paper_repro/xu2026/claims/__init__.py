"""Claims on Xu et al. (2026): a statement, its predicted and its measured side, a tolerance and mutants."""
