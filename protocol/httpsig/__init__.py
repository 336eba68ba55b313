"""HTTP message signatures with SM2 and SM3: one strict profile of RFC 9421 (docs/protocol.md, 7).

The profile fixes label, components, parameters and spelling, so that a signature has one form and
nothing needs to be negotiated: whatever is spelt otherwise is refused.
"""

from protocol.httpsig.common import (
    CLOSING_PATH,
    CONSULTATION_PATH,
    CONTENT_TYPE,
    DATA_PATH,
    DATA_TAG,
    EVIDENCE_TAG,
    NONE,
    NOT_SENT_PATH,
    OBSERVATIONS_PATH,
    OFFER_PATH,
    OPEN_OFFERS_PATH,
    RESTRICTION_PATH,
    SEALED_PATHS,
    TEST_PATH,
    TEST_TAG,
    Headers,
    canonical_authority,
    content_digest,
    digest_field,
    parse_content_digest,
)
from protocol.httpsig.forwarding import (
    Forward,
    ProviderAnswer,
    parse_answer,
    parse_forward,
    prepare_answer,
    prepare_forward,
    sign_answer,
    sign_forward,
)
from protocol.httpsig.group import Group, Unsigned, sign_all
from protocol.httpsig.group_signer import GroupSigner
from protocol.httpsig.request import (
    SignedRequest,
    parse_request,
    read_head,
    read_request,
    sign_request,
)

__all__ = [
    "CLOSING_PATH",
    "CONSULTATION_PATH",
    "CONTENT_TYPE",
    "DATA_PATH",
    "DATA_TAG",
    "EVIDENCE_TAG",
    "NONE",
    "NOT_SENT_PATH",
    "OBSERVATIONS_PATH",
    "OFFER_PATH",
    "OPEN_OFFERS_PATH",
    "RESTRICTION_PATH",
    "SEALED_PATHS",
    "TEST_PATH",
    "TEST_TAG",
    "Forward",
    "Group",
    "GroupSigner",
    "Headers",
    "ProviderAnswer",
    "SignedRequest",
    "Unsigned",
    "canonical_authority",
    "content_digest",
    "digest_field",
    "parse_answer",
    "parse_content_digest",
    "parse_forward",
    "parse_request",
    "prepare_answer",
    "prepare_forward",
    "read_head",
    "read_request",
    "sign_all",
    "sign_answer",
    "sign_forward",
    "sign_request",
]
