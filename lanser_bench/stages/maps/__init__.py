"""The engine of stages that work through a corpus: distinct rows, shards, spans."""
