"""Evaluation: from embeddings and gold to numbers with intervals over speakers.

Read `folds`, `budgets` and `efficiency` for the label-efficiency study, `selection` and `linear`
for what it fits; `ridge` and `classes` for probes. `predictions` turns what was predicted into sums
over speakers, `statistics` gives those their intervals, and `contrast` means and differences over
seeds. `power` and `sensitivity` ask the same of a design before it is run.
"""
