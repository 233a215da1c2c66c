"""Records made again, and records sent to trackers again."""
