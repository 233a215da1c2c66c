"""Settings: experiment files, grids and their axes, read into typed settings."""
