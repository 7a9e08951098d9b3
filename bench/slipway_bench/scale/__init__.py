"""What the operator does and costs with thousands of ModelDeployments, on a real API server."""
