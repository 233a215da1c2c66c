"""Plugins to start from, one per kind; `lanser-bench new` copies them under another name."""
