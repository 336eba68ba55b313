"""Signing with a key that stays in its token.

The digest e = SM3(Z_A || M) is computed here, or by the token where its mechanism wants the
message. Either way a signature is verified against the public key before anybody gets it: a broken
token emits no bad act.

A wrong PIN is tried once. Tokens lock after a few, and a service that starts again and again would
use them up: where the token says that a PIN was wrong before, only a person at a keyboard may try.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn, Self

from crypto.errors import CryptoError, TokenError
from crypto.sm2 import DEFAULT_USER_ID, PublicKey, Signature, digest_e, verify, z_a
from tokens.cryptoki import (
    Attribute,
    CallFailed,
    Module,
    ObjectClass,
    Rv,
    Session,
    TokenFlag,
    TokenInfo,
    User,
    describe_rv,
    open_module,
    ulong,
)
from tokens.profile import Input, Output, Profile
from tokens.uri import TokenUri

#: DER of the SM2 curve's object identifier, as CKA_EC_PARAMS holds it (GM/T 0006-2012).
SM2_CURVE_DER: Final = bytes.fromhex("06082a811ccf5501822d")

_POINT_PREFIXES: Final = {
    64: b"",
    65: b"\x04",
    67: b"\x04\x41\x04",  # the standard's way: the point in an OCTET STRING
    68: b"\x03\x42\x00\x04",  # in a BIT STRING
}
_LOST: Final = frozenset(
    {
        Rv.DEVICE_ERROR,
        Rv.DEVICE_REMOVED,
        Rv.TOKEN_NOT_PRESENT,
        Rv.TOKEN_NOT_RECOGNIZED,
        Rv.SLOT_ID_INVALID,
        Rv.SESSION_CLOSED,
        Rv.SESSION_HANDLE_INVALID,
        Rv.KEY_HANDLE_INVALID,
        Rv.OBJECT_HANDLE_INVALID,
        Rv.USER_NOT_LOGGED_IN,
        Rv.OPERATION_ACTIVE,
        Rv.OPERATION_NOT_INITIALIZED,
    }
)
_PIN_WRONG: Final = frozenset({Rv.PIN_INCORRECT, Rv.PIN_INVALID, Rv.PIN_LEN_RANGE})
_UNSUITABLE: Final = frozenset(
    {
        Rv.MECHANISM_INVALID,
        Rv.MECHANISM_PARAM_INVALID,
        Rv.KEY_TYPE_INCONSISTENT,
        Rv.KEY_FUNCTION_NOT_PERMITTED,
        Rv.FUNCTION_NOT_SUPPORTED,
        Rv.DATA_LEN_RANGE,
    }
)
_TEST_MESSAGE: Final = b"sanlian: this signature only shows that the token signs"


@dataclass(frozen=True, slots=True)
class Pin:
    """A PIN, and whether a person typed it just now."""

    value: bytes = field(repr=False)
    typed: bool

    def __reduce__(self) -> NoReturn:
        raise TypeError("a PIN is not pickled or copied")


#: Gives the PIN of a token; called only where one is needed, and once.
AskPin = Callable[[TokenInfo], Pin]


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A public SM2 key on a token."""

    label: str
    cka_id: bytes
    public_key: PublicKey


class _Login:
    """The PIN of one key's token, asked for once and tried while it is not known to be wrong."""

    def __init__(self, ask_pin: AskPin) -> None:
        self._ask = ask_pin
        self._pin: Pin | None = None
        self._wrong = False

    def __call__(self, session: Session, info: TokenInfo, user: User = User.USER) -> None:
        """Log in.

        Raises:
            TokenError: PKCS11_PIN_INVALID, PKCS11_PIN_LOCKED, PKCS11_PIN_COUNT_LOW,
                PKCS11_PIN_MISSING, and what explain says.
        """
        if user is User.USER and not info.flags & TokenFlag.LOGIN_REQUIRED:
            return
        if self._wrong:
            raise TokenError("PKCS11_PIN_INVALID", "the PIN was wrong and is not tried again")
        if info.flags & TokenFlag.USER_PIN_LOCKED:
            raise _locked(info)
        value = None
        if not info.flags & TokenFlag.PROTECTED_AUTHENTICATION_PATH:
            value = self._get_pin(info)
        try:
            session.login(value, user)
        except CallFailed as error:
            if error.rv == Rv.USER_ALREADY_LOGGED_IN:
                return
            if error.rv == Rv.PIN_LOCKED:
                self._wrong = True
                raise _locked(info) from error
            if error.rv in _PIN_WRONG:
                self._wrong = True
                raise TokenError(
                    "PKCS11_PIN_INVALID",
                    f"the token {info.label} refused the PIN; it was tried once, and a token locks "
                    "after a few wrong ones",
                    token=info.label,
                ) from error
            raise explain(error) from error

    def _get_pin(self, info: TokenInfo) -> bytes:
        if self._pin is None:
            self._pin = self._ask(info)
        low = TokenFlag.USER_PIN_COUNT_LOW | TokenFlag.USER_PIN_FINAL_TRY
        if info.flags & low and not self._pin.typed:
            raise TokenError(
                "PKCS11_PIN_COUNT_LOW",
                f"a wrong PIN was given to the token {info.label} before: a person has to type it "
                "once (sanlian-client key check), then programs may use it again",
                token=info.label,
            )
        # Once it is right it is used like any other; after a removal nobody types it anew.
        return self._pin.value

    @property
    def pin(self) -> Pin:
        """The PIN that was asked for.

        Raises:
            TokenError: PKCS11_PIN_MISSING when none was.
        """
        if self._pin is None:
            raise TokenError("PKCS11_PIN_MISSING", "the token's PIN is needed again")
        return self._pin

    def trust(self) -> None:
        """Remember that the PIN was right: from now on it is not a person's fresh word."""
        if self._pin is not None and self._pin.typed:
            self._pin = Pin(self._pin.value, typed=False)


@dataclass(frozen=True, slots=True)
class _Opened:
    info: TokenInfo
    session: Session
    handle: int
    public_key: PublicKey
    always_authenticate: bool


class TokenKey:
    """An SM2 key in a token; a Signer (crypto.sm2). Threads take turns.

    Args:
        uri: the key, with the profile of its token.
        ask_pin: gives the PIN.

    Raises:
        TokenError: PKCS11_UNAVAILABLE, PKCS11_TIMEOUT, PKCS11_TOKEN_UNKNOWN,
            PKCS11_TOKEN_AMBIGUOUS, PKCS11_PIN_MISSING, PKCS11_PIN_INVALID, PKCS11_PIN_LOCKED,
            PKCS11_PIN_COUNT_LOW, PKCS11_KEY_UNKNOWN, PKCS11_KEY_AMBIGUOUS,
            PKCS11_KEY_UNSUITABLE, PKCS11_MECHANISM_UNSUPPORTED, PKCS11_FAILED;
            PKCS11_URI_INVALID when the URI names no profile.
    """

    def __init__(self, uri: TokenUri, ask_pin: AskPin) -> None:
        self._uri = uri
        self._profile = require_profile(uri)
        self._module = open_module(uri.module_path)
        self._login = _Login(ask_pin)
        self._lock = threading.RLock()
        self._opened: _Opened | None = self._open()
        self._public_key = self._opened.public_key

    def __repr__(self) -> str:
        return f"<TokenKey key_id={self._public_key.key_id.hex()}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token's key is not pickled or copied")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def public_key(self) -> PublicKey:
        """The key's public half, as the token gave it."""
        return self._public_key

    def close(self) -> None:
        """End the session; the next signature begins another."""
        with self._lock:
            self._drop()

    def check(self) -> None:
        """Sign and verify a text that is no act, to see that token and profile fit.

        Raises:
            TokenError: as sign.
        """
        self.sign(_TEST_MESSAGE)

    def sign(self, message: bytes, *, user_id: bytes = DEFAULT_USER_ID) -> Signature:
        """Return the token's signature of message, verified.

        Raises:
            TokenError: PKCS11_SIGNATURE_WRONG when it does not hold, PKCS11_UNAVAILABLE while the
                token is away, PKCS11_TIMEOUT, PKCS11_MECHANISM_UNSUPPORTED, PKCS11_FAILED, and
                those of opening when the token came back.
            CryptoError: USER_ID_INVALID, LIBCRYPTO_FAILED.

        Standard: GB/T 32918.2-2016 clause 6.1.
        """
        data = self._input(message, user_id)
        with self._lock:
            raw = self._sign(data)
        try:
            signature = (
                Signature.from_der(raw)
                if self._profile.output is Output.DER
                else Signature.from_bytes(raw)
            )
            verify(self._public_key, message, signature, user_id=user_id)
        except CryptoError as error:
            if error.code not in {"SIGNATURE_INVALID", "SIGNATURE_MALFORMED"}:
                raise
            raise TokenError(
                "PKCS11_SIGNATURE_WRONG",
                f"what the token signed does not hold ({error.code}) and was thrown away; does the "
                "URI's profile fit this token?",
            ) from error
        return signature

    def _input(self, message: bytes, user_id: bytes) -> bytes:
        match self._profile.input:
            case Input.DIGEST:
                return digest_e(self._public_key, message, user_id=user_id)
            case Input.PREFIXED:
                return z_a(self._public_key, user_id) + message
            case Input.MESSAGE:
                if user_id == DEFAULT_USER_ID:
                    return message
        raise TokenError(
            "PKCS11_MECHANISM_UNSUPPORTED", "the token computes Z_A with the default user id only"
        )

    def _sign(self, data: bytes) -> bytes:
        fresh = self._opened is None
        while True:
            if self._opened is None:
                self._opened = self._open()
            opened = self._opened
            try:
                return opened.session.sign(
                    opened.handle,
                    self._profile.mechanism,
                    data,
                    login=self._login_again if opened.always_authenticate else None,
                )
            except CallFailed as error:
                self._drop()
                # A session that was lost meanwhile is opened anew, once.
                if error.rv in _LOST and not fresh:
                    fresh = True
                    continue
                raise explain(error) from error
            except TokenError:
                self._drop()
                raise

    def _login_again(self) -> None:
        if self._opened is not None:
            self._login(self._opened.session, self._opened.info, User.CONTEXT_SPECIFIC)

    def _drop(self) -> None:
        if self._opened is not None:
            self._opened.session.close()
            self._opened = None

    def _open(self) -> _Opened:
        try:
            info = find_token(self._module, self._uri)
            require_mechanism(self._module, info, self._profile.mechanism)
            session = self._module.open_session(info.slot_id)
            try:
                self._login(session, info)
                opened = self._find_key(session, info)
            except BaseException:
                session.close()
                raise
        except CallFailed as error:
            raise explain(error) from error
        self._login.trust()
        return opened

    def _find_key(self, session: Session, info: TokenInfo) -> _Opened:
        handles = session.find_objects(_selection(self._uri, ObjectClass.PRIVATE_KEY))
        if not handles:
            raise TokenError("PKCS11_KEY_UNKNOWN", f"the token {info.label} has no such key")
        if len(handles) > 1:
            raise TokenError(
                "PKCS11_KEY_AMBIGUOUS",
                f"{len(handles)} keys of the token {info.label} fit the URI: give object and id",
            )
        public_key = _find_public_key(session, handles[0])
        known = getattr(self, "_public_key", public_key)
        if known != public_key:
            raise TokenError(
                "PKCS11_KEY_UNKNOWN", "another token or key has taken the place of the one opened"
            )
        always = session.find_attribute(handles[0], Attribute.ALWAYS_AUTHENTICATE)
        return _Opened(info, session, handles[0], public_key, bool(always and any(always)))


def list_tokens(module_path: Path) -> list[tuple[TokenInfo, frozenset[int]]]:
    """Return the tokens that a module shows now, each with the numbers of its mechanisms.

    Raises:
        TokenError: PKCS11_UNAVAILABLE, PKCS11_TIMEOUT, PKCS11_FAILED.
    """
    module = open_module(module_path)
    try:
        return [(info, module.get_mechanisms(info.slot_id)) for info in module.find_tokens()]
    except CallFailed as error:
        raise explain(error) from error


def list_keys(uri: TokenUri) -> list[KeyInfo]:
    """Return the public SM2 keys that a token shows without a PIN.

    Raises:
        TokenError: PKCS11_UNAVAILABLE, PKCS11_TIMEOUT, PKCS11_TOKEN_UNKNOWN,
            PKCS11_TOKEN_AMBIGUOUS, PKCS11_FAILED.
    """
    module = open_module(uri.module_path)
    found = []
    try:
        session = module.open_session(find_token(module, uri).slot_id)
        try:
            for handle in session.find_objects(_selection(uri, ObjectClass.PUBLIC_KEY)):
                public_key = _read_public_key(session, handle)
                if public_key is not None:
                    label = session.find_attribute(handle, Attribute.LABEL) or b""
                    cka_id = session.find_attribute(handle, Attribute.ID) or b""
                    found.append(KeyInfo(label.decode("utf-8", "replace"), cka_id, public_key))
        finally:
            session.close()
    except CallFailed as error:
        raise explain(error) from error
    return found


def generate_key(uri: TokenUri, ask_pin: AskPin, *, cka_id: bytes) -> TokenKey:
    """Make a key on a token, private half not extractable, and return it, tried out.

    Args:
        uri: the token, the new key's label, and the profile.
        ask_pin: gives the PIN.
        cka_id: the new key's CKA_ID, where the URI names none.

    Raises:
        TokenError: PKCS11_KEY_EXISTS; PKCS11_URI_INVALID without label or profile; those of
            TokenKey and of its sign.
    """
    profile = require_profile(uri)
    if not uri.label:
        raise TokenError(
            "PKCS11_URI_INVALID", "the pkcs11 URI names no object: the new key's label"
        )
    label = uri.label.encode()
    module = open_module(uri.module_path)
    login = _Login(ask_pin)
    try:
        info = find_token(module, uri)
        require_mechanism(module, info, profile.generate)
        require_mechanism(module, info, profile.mechanism)
        session = module.open_session(info.slot_id, writable=True)
        try:
            login(session, info)
            for kind in ObjectClass:
                if session.find_objects({Attribute.CLASS: ulong(kind), Attribute.LABEL: label}):
                    raise TokenError(
                        "PKCS11_KEY_EXISTS", "the token has a key of this label; nothing was made"
                    )
            _generate(session, profile, label, uri.key_id or cka_id)
            # The PIN is known to be right, and the session holds the login while the key is opened.
            key = TokenKey(uri, lambda _: login.pin)
        finally:
            session.close()
    except CallFailed as error:
        raise explain(error) from error
    key.check()
    return key


def _generate(session: Session, profile: Profile, label: bytes, cka_id: bytes) -> None:
    shared = {
        Attribute.TOKEN: b"\x01",
        Attribute.KEY_TYPE: ulong(profile.key_type),
        Attribute.LABEL: label,
        Attribute.ID: cka_id,
    }
    session.generate_pair(
        profile.generate,
        {
            Attribute.CLASS: ulong(ObjectClass.PUBLIC_KEY),
            **shared,
            Attribute.VERIFY: b"\x01",
            Attribute.EC_PARAMS: SM2_CURVE_DER,
        },
        {
            Attribute.CLASS: ulong(ObjectClass.PRIVATE_KEY),
            **shared,
            Attribute.PRIVATE: b"\x01",
            Attribute.SENSITIVE: b"\x01",
            Attribute.EXTRACTABLE: b"\x00",
            Attribute.SIGN: b"\x01",
        },
    )


def require_profile(uri: TokenUri) -> Profile:
    """Return the URI's profile.

    Raises:
        TokenError: PKCS11_URI_INVALID.
    """
    if uri.profile is None:
        raise TokenError(
            "PKCS11_URI_INVALID",
            "the pkcs11 URI does not say how the token signs: add sm2=PRESET "
            "(sanlian-client key tokens shows which fit)",
        )
    return uri.profile


def find_token(module: Module, uri: TokenUri) -> TokenInfo:
    """Return the one token that a URI selects.

    Raises:
        TokenError: PKCS11_TOKEN_UNKNOWN, PKCS11_TOKEN_AMBIGUOUS, PKCS11_TIMEOUT.
        CallFailed: the module cannot list its tokens.
    """
    found = [info for info in module.find_tokens() if uri.is_of(info)]
    if not found:
        raise TokenError(
            "PKCS11_TOKEN_UNKNOWN", "no token that the URI selects is present: is it plugged in?"
        )
    if len(found) > 1:
        raise TokenError(
            "PKCS11_TOKEN_AMBIGUOUS", f"{len(found)} tokens fit the URI: give token and serial"
        )
    return found[0]


def require_mechanism(module: Module, info: TokenInfo, mechanism: int) -> None:
    """Check that a token has a mechanism.

    Raises:
        TokenError: PKCS11_MECHANISM_UNSUPPORTED.
        CallFailed: the token cannot say.
    """
    if mechanism not in module.get_mechanisms(info.slot_id):
        raise TokenError(
            "PKCS11_MECHANISM_UNSUPPORTED",
            f"the token {info.label} has no mechanism 0x{mechanism:08x}",
            mechanism=f"0x{mechanism:08x}",
        )


def explain(error: CallFailed) -> TokenError:
    """Return the error for a return value that nobody expected at its place."""
    if error.rv in _LOST:
        return TokenError(
            "PKCS11_UNAVAILABLE",
            "the token was removed or lost its session",
            rv=describe_rv(error.rv),
        )
    if error.rv in _UNSUITABLE:
        return TokenError(
            "PKCS11_MECHANISM_UNSUPPORTED",
            f"the token does not sign so with this key ({error})",
            rv=describe_rv(error.rv),
        )
    return TokenError("PKCS11_FAILED", f"the token refused: {error}", rv=describe_rv(error.rv))


def _locked(info: TokenInfo) -> TokenError:
    return TokenError(
        "PKCS11_PIN_LOCKED",
        f"the PIN of the token {info.label} is locked: its security officer has to set a new one",
        token=info.label,
    )


def _selection(uri: TokenUri, kind: ObjectClass) -> dict[Attribute, bytes]:
    selection = {Attribute.CLASS: ulong(kind)}
    if uri.label is not None:
        selection[Attribute.LABEL] = uri.label.encode()
    if uri.key_id is not None:
        selection[Attribute.ID] = uri.key_id
    return selection


def _find_public_key(session: Session, private: int) -> PublicKey:
    # The pair is held together by CKA_ID; without one, by its label.
    for attribute in (Attribute.ID, Attribute.LABEL):
        value = session.find_attribute(private, attribute)
        if not value:
            continue
        template = {Attribute.CLASS: ulong(ObjectClass.PUBLIC_KEY), attribute: value}
        found = {_read_public_key(session, handle) for handle in session.find_objects(template)}
        found.discard(None)
        if len(found) > 1:
            raise TokenError(
                "PKCS11_KEY_AMBIGUOUS", "the token has two public keys for this private key"
            )
        for public_key in found:
            if public_key is not None:
                return public_key
    public_key = _read_public_key(session, private)
    if public_key is None:
        raise TokenError(
            "PKCS11_KEY_UNSUITABLE", "the token shows no public key on the SM2 curve for this key"
        )
    return public_key


def _read_public_key(session: Session, handle: int) -> PublicKey | None:
    curve = session.find_attribute(handle, Attribute.EC_PARAMS)
    # A key type that is SM2's own may leave the curve out.
    if curve and curve != SM2_CURVE_DER:
        return None
    point = session.find_attribute(handle, Attribute.EC_POINT) or b""
    prefix = _POINT_PREFIXES.get(len(point))
    if prefix is None or not point.startswith(prefix):
        return None
    try:
        return PublicKey.from_bytes(point[len(prefix) :])
    except CryptoError:
        return None
