"""Claims on our own results: a statement, its predicted and its measured side, a tolerance and mutants."""
