"""A certificate and its key: the act is built from the certificate, and compared with the chain."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from client_rig import ORIGIN, serve

from crypto.canonical import canonical_json
from crypto.certificates import Certificate
from crypto.errors import VerificationError
from crypto.pem import encode_pem
from crypto.sm2 import PrivateKey
from crypto.sm3 import sm3
from protocol.acts import Act
from protocol.binding import binding_values, verify_binding
from protocol.description import CONTRACTS
from protocol.model import CertificateBinding
from sanlian_client.cli import main
from sanlian_client.dev_ca import DevelopmentCa
from sanlian_client.drafts import Draft
from sanlian_client.evidence import verify_requester_certificate

HEAD = PrivateKey.generate()


def binding_of(certificate: Certificate, /, **changes: Any) -> CertificateBinding:
    """Return what the chain would record."""
    values: dict[str, Any] = {
        "key_id": certificate.public_key.key_id,
        "issuer": sm3(certificate.issuer_der),
        "serial": certificate.serial,
        "certificate": sm3(certificate.der),
        "not_after": int(certificate.not_after.timestamp()),
        "act_id": bytes(32),
        "block_number": 9,
    }
    return CertificateBinding(**{**values, **changes})


class Api:
    """A platform that knows one key."""

    def __init__(self, bound: CertificateBinding | None) -> None:
        self.bound = bound

    def answer(self, _method: str, path: str, _headers: dict[str, str], _body: bytes) -> Any:
        if path.endswith("/nonce") or "/nonce?" in path:
            return 200, {}, b'{"nonce":4}'
        if path.startswith("/v1/targets/"):
            assert path.endswith("?kind=key")
            return 200, {}, b'{"kind":"key","revision":3}'
        if path.startswith("/v1/keys/"):
            bound = self.bound
            told = None
            if bound is not None:
                told = {
                    "issuer": bound.issuer.hex(),
                    "serial": f"{bound.serial:064x}",
                    "certificate": bound.certificate.hex(),
                    "not_after": bound.not_after,
                    "act_id": bound.act_id.hex(),
                    "block_number": bound.block_number,
                }
            return 200, {}, canonical_json({"certificate": told})
        key = HEAD.public_key.to_bytes().hex()
        info = {
            "chain_id": 7,
            "contracts": {name: f"0x{number:040x}" for number, name in enumerate(CONTRACTS, 1)},
            "example": False,
            "supplement_stops_clock": False,
            "type": "sanlian/deployment/v1",
            "block": 1,
            "platform_key": key,
            "gateway_key": key,
            "origin": ORIGIN,
        }
        return 200, {}, canonical_json(info)


class Files:
    """A CA, a key with its certificate, and another CA and key."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.key, self.other = PrivateKey.generate(), PrivateKey.generate()
        self.ca = DevelopmentCa.new(directory / "ca", "passphrase", name="根", days=99, crl_days=9)
        stranger = DevelopmentCa.new(directory / "x", "passphrase", name="他", days=99, crl_days=9)
        self.certificate = self.ca.issue(self.key.public_key, name="张三", unit=None, days=9)
        self.renewed = self.ca.issue(self.key.public_key, name="张三", unit=None, days=9)
        foreign = stranger.issue(self.key.public_key, name="张三", unit=None, days=9)
        for name, one in (("mine", self.certificate), ("new", self.renewed), ("foreign", foreign)):
            (directory / name).write_bytes(encode_pem("CERTIFICATE", one.der))

    def run(self, api: Api, *words: str, status: int = 0) -> Result:
        """Run a command of the client against an api."""
        with serve(api.answer) as url:
            paths = [str(self.directory / w[1:]) if w.startswith("@") else w for w in words]
            done = CliRunner().invoke(main, [*paths, "--api", url])
        assert done.exit_code == status, done.output
        return done


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("certificates"))


def test_the_act_says_what_the_certificate_says(files: Files) -> None:
    signer = HEAD.public_key.key_id.hex()
    done = files.run(
        Api(None), "act", "bind", "@mine", "@mine.act", "--signer", signer, "--anchor", "@ca/ca.pem"
    )
    assert "not verified" not in done.output
    draft = Draft.from_bytes((files.directory / "mine.act").read_bytes())
    act = Act.from_bytes(draft.act.to_bytes())
    assert (act.type.name, act.revision) == ("CertificateBound", 3)
    assert act.target == files.key.public_key.key_id
    assert act.values == binding_values(files.certificate)
    words = "\n".join(draft.words("en"))
    assert f"serial number of the certificate: {files.certificate.serial:x}" in words
    assert "张三" not in words


def test_a_certificate_that_does_not_fit_is_not_bound(files: Files) -> None:
    signer = HEAD.public_key.key_id.hex()
    bind = ("act", "bind", "@mine", "@never.act", "--signer", signer)
    other = files.other.public_key.key_id.hex()
    done = files.run(Api(None), *bind, "--key-id", other, status=1)
    assert "CERTIFICATE_OTHER_KEY" in done.output
    bind = ("act", "bind", "@foreign", "@never.act", "--signer", signer)
    done = files.run(Api(None), *bind, "--anchor", "@ca/ca.pem", status=1)
    assert "CERTIFICATE_UNTRUSTED" in done.output
    assert not (files.directory / "never.act").exists()
    done = files.run(Api(None), "act", "bind", "@mine", "@bare.act", "--signer", signer)
    assert "not verified" in done.output


def test_the_chain_tells_which_certificate_is_bound(files: Files) -> None:
    bound = Api(binding_of(files.certificate))
    done = files.run(bound, "key", "certified", "@mine", "--anchor", "@ca/ca.pem", "--json")
    assert json.loads(done.stdout)["verdict"] == "bound"
    for api, name in ((bound, "@new"), (bound, "@foreign"), (Api(None), "@mine")):
        done = files.run(api, "key", "certified", name, status=1)
        assert "CERTIFICATE_NOT_BOUND" in done.output


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": bytes(32)},
        {"serial": 1},
        {"certificate": bytes(32)},
        {"not_after": 1},
        {"key_id": bytes(32)},
    ],
)
def test_every_recorded_value_is_compared(files: Files, changes: dict[str, Any]) -> None:
    public = files.key.public_key
    verify_binding(files.certificate, public, binding_of(files.certificate))
    with pytest.raises(VerificationError, match="CERTIFICATE_NOT_BOUND"):
        verify_binding(files.certificate, public, binding_of(files.certificate, **changes))
    with pytest.raises(VerificationError, match="CERTIFICATE_OTHER_KEY"):
        verify_binding(files.certificate, files.other.public_key, binding_of(files.certificate))


def test_evidence_names_the_certificate(files: Files) -> None:
    facts = {
        "requester_key": files.key.public_key.key_id.hex(),
        "requester_certificate": sm3(files.certificate.der).hex(),
    }
    verify_requester_certificate(facts, files.certificate)
    with pytest.raises(VerificationError, match="CERTIFICATE_NOT_BOUND"):
        verify_requester_certificate(facts, files.renewed)
    facts["requester_key"] = files.other.public_key.key_id.hex()
    with pytest.raises(VerificationError, match="CERTIFICATE_OTHER_KEY"):
        verify_requester_certificate(facts, files.certificate)
