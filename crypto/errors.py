"""The error tree of sanlian.

SanlianError                     every error of the product; has a stable ``code``
├── CryptoError                  keys, signatures, digests, encodings
│   └── TokenError               a token, or the module that speaks to it, cannot sign (tokens/)
├── ProtocolError                bytes that do not follow docs/protocol.md
├── VerificationError            evidence, receipts, checkpoints that do not hold
├── LedgerError                  engine, relay, index, database, log
│   └── OutcomeUnknown           it may or may not have happened; ask again by id
├── RequestRefused               a rule refused what was asked
└── FatalFinding                 the ledger contradicts itself: never skipped, never retried
                                 (ledger/chain/worker.py)

Codes are upper-case words, listed in docs/errors.md; a test holds the two together.
One place (api/problems.py) maps codes to HTTP.
"""


class SanlianError(Exception):
    """An error with a stable code and a message for people.

    Args:
        code: stable upper-case code, listed in docs/errors.md.
        message: one sentence that says what happened, without internals.
        details: JSON-able values that help the caller (field, limit, ids).
    """

    def __init__(self, code: str, message: str, **details: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class CryptoError(SanlianError):
    """A key, signature, digest or encoding is not acceptable."""


class ProtocolError(SanlianError):
    """Bytes do not follow the protocol."""


class VerificationError(SanlianError):
    """Something that claims to be proven does not hold."""


class LedgerError(SanlianError):
    """The ledger could not do what was asked; nothing was recorded."""


class OutcomeUnknown(LedgerError):
    """The step may or may not have taken effect; ask again by its id."""


class RequestRefused(SanlianError):
    """A rule refused what was asked."""


class TokenError(CryptoError):
    """A token, or the module that speaks to it, cannot do what was asked."""
