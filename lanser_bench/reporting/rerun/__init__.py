"""Reruns of records, and replays of records to trackers."""
