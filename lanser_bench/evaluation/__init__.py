"""Evaluation: from embeddings and gold to scores with intervals over speakers.

`folds`, `budgets` and `efficiency` define the label-efficiency study; `selection` and `linear` fit
its classifiers; `ridge` and `classes` serve probes. `predictions` sums predictions over speakers,
`statistics` computes intervals from the sums, and `contrast` computes means and differences over
seeds. `power` and `sensitivity` estimate the power of a design before it is run.
"""
