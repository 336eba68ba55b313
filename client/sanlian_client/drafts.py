"""Drafts: an act on its way from one signer to the next, as a file that proves what is in it.

A draft names its signers in order. Each opens it on a machine of their own, reads its words, adds
a signature and passes it on; when all have signed, anyone may send it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from crypto.canonical import canonical_json, parse_json
from crypto.errors import CryptoError, ProtocolError, RequestRefused
from crypto.sm2 import PublicKey, Signature, Signer, verify
from protocol.acts import MAX_SIGNATURES, Act, ActSignature, SignedAct, act_id
from protocol.documents import MAX_DOCUMENT_SIZE, document_digest
from sanlian_client.words import Language, describe_act

TYPE = "sanlian/draft/v1"
MAX_DRAFT_SIZE = 1024 * 1024
MAX_DOCUMENTS = 4


@dataclass(frozen=True, slots=True)
class DraftSignature:
    """A signature with the public key that checks it."""

    public_key: PublicKey
    signature: Signature


@dataclass(frozen=True, slots=True)
class Draft:
    """An act, who must sign it, and the signatures so far.

    Attributes:
        act: the act.
        signers: key ids in the order that its type names; the first is the actor's.
        signatures: by key id.
        documents: public documents that the act names.
    """

    act: Act
    signers: tuple[bytes, ...]
    signatures: Mapping[bytes, DraftSignature]
    documents: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Check that everything in the draft belongs to its act.

        Raises:
            ProtocolError: DRAFT_MALFORMED, DOCUMENT_MISMATCH, SIGNATURE_INVALID.
        """
        if (
            not 1 <= len(self.signers) <= MAX_SIGNATURES
            or len(set(self.signers)) != len(self.signers)
            or self.signers[0] != self.act.key_id
            or not set(self.signatures) <= set(self.signers)
            or len(self.documents) > MAX_DOCUMENTS
        ):
            raise _bad("a draft names one to eight signers, the act's actor first")
        named = (self.act.values.get("document"), self.act.values.get("basis"))
        for document in self.documents:
            if document_digest(document) not in named:
                raise ProtocolError("DOCUMENT_MISMATCH", "a document is not one that the act names")
        data = self.act.to_bytes()
        for key_id, one in self.signatures.items():
            if one.public_key.key_id != key_id:
                raise _bad("a signature's key does not have the id it stands under")
            try:
                verify(one.public_key, data, one.signature)
            except CryptoError as error:
                raise ProtocolError(
                    "SIGNATURE_INVALID",
                    "a signature in the draft does not hold",
                    key_id=key_id.hex(),
                ) from error

    @property
    def act_id(self) -> bytes:
        """Id that the act will have, 32 bytes."""
        return act_id(self.act)

    @property
    def missing(self) -> tuple[bytes, ...]:
        """Key ids that have not signed yet."""
        return tuple(key_id for key_id in self.signers if key_id not in self.signatures)

    def words(self, language: Language, contracts: Mapping[str, bytes] | None = None) -> list[str]:
        """Return the act in plain words, see describe_act."""
        return describe_act(
            self.act, self.act_id, language, documents=self.documents, contracts=contracts
        )

    def sign(self, *keys: Signer) -> "Draft":
        """Return the draft with these keys' signatures added.

        Raises:
            RequestRefused: SIGNER_NOT_NAMED.
        """
        signatures = dict(self.signatures)
        data = self.act.to_bytes()
        for key in keys:
            key_id = key.public_key.key_id
            if key_id not in self.signers:
                raise RequestRefused(
                    "SIGNER_NOT_NAMED", "the draft does not ask for this key", key_id=key_id.hex()
                )
            signatures[key_id] = DraftSignature(key.public_key, key.sign(data))
        return replace(self, signatures=signatures)

    def signed(self) -> SignedAct:
        """Return the act with all signatures.

        Raises:
            RequestRefused: SIGNATURE_COUNT when somebody has not signed yet.
        """
        if self.missing:
            raise RequestRefused(
                "SIGNATURE_COUNT",
                "not everybody has signed the act yet",
                missing=[key_id.hex() for key_id in self.missing],
            )
        return SignedAct(
            self.act.to_bytes(),
            tuple(ActSignature(k, self.signatures[k].signature) for k in self.signers),
        )

    def to_bytes(self) -> bytes:
        """Encode as canonical JSON with a final line break."""
        return (
            canonical_json(
                {
                    "type": TYPE,
                    "act": self.act.to_bytes().hex(),
                    "signers": [key_id.hex() for key_id in self.signers],
                    "signatures": [
                        {
                            "public_key": self.signatures[k].public_key.to_bytes().hex(),
                            "signature": self.signatures[k].signature.to_bytes().hex(),
                        }
                        for k in self.signers
                        if k in self.signatures
                    ],
                    "documents": [document.decode() for document in self.documents],
                }
            )
            + b"\n"
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode and check everything, the signatures too.

        Raises:
            ProtocolError: DRAFT_MALFORMED, ACT_MALFORMED, ACT_TYPE_UNKNOWN, DOCUMENT_MISMATCH,
                SIGNATURE_INVALID.
        """
        try:
            value: Any = parse_json(data, max_bytes=MAX_DRAFT_SIZE)
        except CryptoError as error:
            raise _bad("a draft is JSON of at most 1 MiB") from error
        if (
            not isinstance(value, dict)
            or set(value) != {"type", "act", "signers", "signatures", "documents"}
            or value["type"] != TYPE
            or not isinstance(value["act"], str)
            or not all(isinstance(value[n], list) for n in ("signers", "signatures", "documents"))
            or not all(isinstance(x, str) for x in (*value["signers"], *value["documents"]))
            or not all(_is_signature(one) for one in value["signatures"])
        ):
            raise _bad("this is not a draft of version 1")
        try:
            signatures = {}
            for one in value["signatures"]:
                key = PublicKey.from_bytes(bytes.fromhex(one["public_key"]))
                signature = Signature.from_bytes(bytes.fromhex(one["signature"]))
                signatures[key.key_id] = DraftSignature(key, signature)
            signers = tuple(bytes.fromhex(text) for text in value["signers"])
            raw = bytes.fromhex(value["act"])
        except (CryptoError, ValueError) as error:
            raise _bad("a key or signature in the draft cannot be read") from error
        documents = tuple(text.encode() for text in value["documents"])
        if any(len(document) > MAX_DOCUMENT_SIZE for document in documents):
            raise _bad("a document is larger than 64 KiB")
        return cls(Act.from_bytes(raw), signers, signatures, documents)


def make_draft(act: Act, signers: Sequence[bytes], documents: Sequence[bytes] = ()) -> Draft:
    """Return a draft that nobody has signed yet."""
    return Draft(act, tuple(signers), {}, tuple(documents))


def _is_signature(value: object) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"public_key", "signature"}
        and all(isinstance(text, str) for text in value.values())
    )


def _bad(message: str) -> ProtocolError:
    return ProtocolError("DRAFT_MALFORMED", message)
