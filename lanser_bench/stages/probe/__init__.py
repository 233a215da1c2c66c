"""Probe: how well targets can be predicted from embeddings, on held-out speakers."""
