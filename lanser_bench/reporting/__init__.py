"""Reporting: from a run's artifacts to records, and from records to what people read.

`build` makes a cell's record (`records`) and `attached` the files beside it. `groups`, `sides` and
`boards` put records together that may be compared, and `standing` ranks them. What ends in
``_views``, with `leaderboard`, `plots` and `report`, only shows.
"""
