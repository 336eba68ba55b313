"""The outbox: where an act is durable before it is acknowledged."""
