"""Planning: which distinct stages the cells of a grid need, and what is in the store."""
