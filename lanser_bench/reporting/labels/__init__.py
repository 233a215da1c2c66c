"""Weak labels against gold, and taxonomies against each other."""
