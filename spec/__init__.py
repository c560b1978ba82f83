"""What is studied: problems, networks, rules, runs and claims, as frozen records without arithmetic.

problems, networks, training, runs   what is learned from, by what, and how: a TrainingRun holds all of it
rules, clean_subset, observables     update rules in one contract, sets of clean examples, and what is recorded
claims                               statements with two sides, a tolerance and mutants
fields, validation, records, seeds   ranges of fields, sentences for bad input, records as data, seeds by name
"""
