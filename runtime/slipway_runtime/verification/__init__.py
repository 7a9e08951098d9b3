"""Whether a model answers rightly: before it takes traffic, and ever after.

Arrays go into the checks and verdicts come out of them; the rest of the package reads the rows,
asks for the answers over this server's own REST port, and tells what came of it.
"""
