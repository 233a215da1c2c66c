"""The embedded entailment model: a small NLI cross-encoder that needs no model hub.

`adapter.load_nli()` returns the model and its tokenizer. `MODEL_CARD.md` states what it is, how
good it is and its licences.
"""
