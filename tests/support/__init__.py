"""Builders with valid defaults, and fakes at the ports."""
