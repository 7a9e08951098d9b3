"""Seeds faults into a model and its server, and sees which of them get past a verification."""
