"""The embedded entailment model: a small NLI cross-encoder that needs no model hub.

`adapter.load_nli()` gives the model and its tokenizer;
`MODEL_CARD.md` says what it is, how good it is and under which licences.
"""
