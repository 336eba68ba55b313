"""Compares each answer with the response schema of its interface, in this process.

The schema is a stranger's. What is applied was written anew from known keywords, without references
(protocol.documents.response_schema); its patterns run in an engine whose time grows with the text
and no faster; and an answer whose comparison could take long is not compared but refused.
"""

from weakref import WeakKeyDictionary

import jsonschema_rs

from protocol.documents.response_schema import ResponseSchema

#: Bytes of the answer times the schema's width: about a second at the very worst, in which nothing
#: else runs in this process.
MAX_WORK = 1 << 28
_PATTERN_SIZE = 256 * 1024
_PATTERN_CACHE = 1024 * 1024

_VALIDATORS: WeakKeyDictionary[ResponseSchema, jsonschema_rs.Draft202012Validator | None] = (
    WeakKeyDictionary()
)


def answer_problem(schema: ResponseSchema | None, data: object, size: int) -> str:
    """Return the code that refuses an answer, empty when it is as its schema describes.

    Args:
        schema: the interface's response schema; None compares nothing.
        data: the answer's data as JSON values.
        size: size of the answer in bytes.

    Returns:
        ANSWER_NOT_AS_DESCRIBED, or CHECK_FAILED when they cannot be compared within limits.
    """
    if schema is None:
        return ""
    validator = _validator(schema)
    if validator is None or size * schema.width > MAX_WORK:
        return "CHECK_FAILED"
    try:
        return "" if validator.is_valid(data) else "ANSWER_NOT_AS_DESCRIBED"
    except ValueError:  # numbers or nesting beyond what the library takes
        return "CHECK_FAILED"


def _validator(schema: ResponseSchema) -> jsonschema_rs.Draft202012Validator | None:
    """Return the schema's validator, made once; None where it is no schema after all."""
    if schema not in _VALIDATORS:
        _VALIDATORS[schema] = _make_validator(schema)
    return _VALIDATORS[schema]


def _make_validator(schema: ResponseSchema) -> jsonschema_rs.Draft202012Validator | None:
    contents = schema.contents
    try:
        return jsonschema_rs.Draft202012Validator(
            contents if isinstance(contents, bool) else dict(contents),
            validate_formats=False,
            offline=True,
            pattern_options=jsonschema_rs.RegexOptions(
                size_limit=_PATTERN_SIZE, dfa_size_limit=_PATTERN_CACHE
            ),
        )
    except ValueError:  # a wrong type of a keyword, or a pattern that the engine does not take
        return None
