"""HTTP/2 for servers: frames, headers, flow control and bounds. Knows nothing of gRPC."""
