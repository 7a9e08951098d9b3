"""The bare-host provider: control plane on the host, each node a set of namespaces beside it."""
