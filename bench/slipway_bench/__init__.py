"""Measures the runtime's speed, its peers' beside it, and what it does when there is too much."""
