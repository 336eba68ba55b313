"""gmssl's opinion on an SM2 signature, asked for safely; gmssl never signs."""

from gmssl import sm2 as gmssl_sm2

from crypto.sm2 import PublicKey, Signature


def is_valid_for_gmssl(public_key: PublicKey, message: bytes, signature: Signature) -> bool:
    # PublicKey and Signature have checked the point and the ranges, which gmssl does not.
    key_hex = public_key.to_bytes().hex()
    assert len(key_hex) == 128
    verifier = gmssl_sm2.CryptSM2(private_key="", public_key=key_hex)
    # The constructor strips zeros and fours from a key that begins with 04: set the key again.
    verifier.public_key = key_hex
    return bool(verifier.verify_with_sm3(signature.to_bytes().hex(), message))
