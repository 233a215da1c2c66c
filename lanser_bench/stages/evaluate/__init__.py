"""Evaluate: label-efficiency curves from embeddings and gold."""
