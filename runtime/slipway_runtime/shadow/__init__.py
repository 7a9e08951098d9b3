"""Shadowing: whether a new revision would have answered users as this one did.

Copies of users' requests are sent to it beside the answer that the user gets. Nothing here may keep
a user waiting, or cost one his answer.
"""
