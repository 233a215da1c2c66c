"""The leaderboard: rows, ranks, tables, files and pictures."""
