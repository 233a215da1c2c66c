"""The engine of stages that process a corpus in shards: distinct rows, shards, spans."""
