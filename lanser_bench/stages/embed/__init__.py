"""Embed: an encoder turns recordings into embeddings."""
