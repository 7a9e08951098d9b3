"""The Open Inference Protocol over gRPC, with gRPC's own services for health and reflection."""
