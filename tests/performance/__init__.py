"""Performance of departments, computed from real contracts' events."""
