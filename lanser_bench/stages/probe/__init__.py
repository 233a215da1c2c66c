"""Probe: what embeddings hold, measured on held-out speakers."""
