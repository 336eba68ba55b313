"""Sealed texts in envelopes, kept for their parties until their department disposes of them."""
