"""SM2 keys that stay in a token or a hardware security module, through PKCS#11.

Beside protocol, and used by the client and by the servers: crypto and protocol do no input or
output, and this does nothing else.
"""
