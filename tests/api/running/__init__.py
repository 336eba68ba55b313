"""The api process as it is run: real engine, real contracts, real database, acts over HTTP."""
