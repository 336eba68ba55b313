"""The gateway: checks data requests, records them, forwards them, releases what was granted."""
