"""sanlian_client: what a department runs beside its own systems.

Keys, acts and their signatures, data requests with receipts, provider middleware, witness and
command line. It needs crypto, protocol and HTTP; nothing of the server.
"""
