"""Running: executes a plan, notifies trackers, and writes a record for each cell."""
