"""Running: a plan carried out, what happens told to trackers, and a record for each cell."""
