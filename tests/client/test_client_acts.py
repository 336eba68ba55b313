"""Keys, acts, drafts for several signers, and the platform's API over real HTTP."""

import base64
import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from client_rig import ORIGIN, serve

from crypto.canonical import canonical_json
from crypto.errors import (
    LedgerError,
    OutcomeUnknown,
    ProtocolError,
    RequestRefused,
    SanlianError,
    VerificationError,
)
from crypto.sm2 import PrivateKey, PublicKey, Signature, verify
from protocol.acknowledgement import sign_acknowledgement
from protocol.acts import Act, ActSignature, SignedAct
from protocol.description import ACT_TYPES, CONTRACTS, Role
from protocol.documents import document_digest, make_entry_document
from sanlian_client.acts import Acts
from sanlian_client.acts.elements import element_code
from sanlian_client.acts.requests import Term, mask_of
from sanlian_client.cli import main
from sanlian_client.dev_ca import DevelopmentCa
from sanlian_client.drafts import Draft
from sanlian_client.keys import load_key, make_key
from sanlian_client.platform import Platform
from sanlian_client.sealing import Sealed, seal
from sanlian_client.words import ACT_NAMES, FIELD_NAMES

CONDITIONS = "仅用于核验"
ENTRY = make_entry_document(
    name="企业登记",
    code="1020010001/1",
    provider="市场监管局",
    items=[
        {
            "index": i,
            "name": f"项{i}",
            "code": f"I{i}",
            "type": "C",
            "length": 10,
            "sensitive": i == 2,
        }
        for i in (0, 2)
    ],
    conditions=CONDITIONS,
    duty="登记",
)


class Api:
    """A small platform: it checks what it gets and acknowledges it with a real signature."""

    def __init__(self) -> None:
        self.key = PrivateKey.generate()
        self.taken: dict[bytes, SignedAct] = {}
        self.status: dict[str, Any] = {"status": "recorded", "block_number": 9}
        self.signer = self.key
        self.problem: tuple[int, str] | None = None

    def answer(self, method: str, path: str, _headers: dict[str, str], body: bytes) -> Any:
        if self.problem is not None and method == "POST":
            status, code = self.problem
            return status, {}, canonical_json({"code": code, "title": "no"})
        if path == "/v1/acts":
            return self.take(json.loads(body))
        if path.startswith("/v1/keys/"):
            return 200, {}, b'{"nonce":4}'
        if path.startswith("/v1/targets/"):
            return 200, {}, b'{"kind":"entry","revision":3}'
        if path.startswith("/v1/acts/"):
            return 200, {}, canonical_json(self.status)
        if path.startswith("/v1/departments"):
            more = "cursor" not in path
            items = [{"id": str(n)} for n in (range(2) if more else range(2, 3))]
            cursor = "next" if more else None
            return 200, {}, canonical_json({"items": items, "next_cursor": cursor})
        if path.startswith("/v1/documents/"):
            return 200, {}, ENTRY
        key = self.key.public_key.to_bytes().hex()
        info = {
            "chain_id": 7,
            "contracts": {name: f"0x{number:040x}" for number, name in enumerate(CONTRACTS, 1)},
            "example": False,
            "type": "sanlian/deployment/v1",
            "block": 1,
            "platform_key": key,
            "gateway_key": key,
            "origin": ORIGIN,
            "supplement_stops_clock": True,
        }
        return 200, {}, canonical_json(info)

    def take(self, value: dict[str, Any]) -> Any:
        signatures = tuple(
            ActSignature(
                bytes.fromhex(one["key_id"]),
                Signature.from_bytes(bytes.fromhex(one["r"] + one["s"])),
            )
            for one in value["signatures"]
        )
        signed = SignedAct(bytes.fromhex(value["act"]), signatures)
        assert all(base64.b64decode(text) for text in value["documents"])
        self.taken[signed.act_id] = signed
        signature = sign_acknowledgement(
            self.signer, chain_id=7, act_id=signed.act_id, received_at=1000
        )
        acknowledgement = {
            "received_at": 1000,
            "key_id": self.signer.public_key.key_id.hex(),
            "public_key": self.signer.public_key.to_bytes().hex(),
            "signature": signature.to_bytes().hex(),
        }
        return 202, {}, canonical_json({"acknowledgement": acknowledgement})


@pytest.fixture(scope="module")
def keys() -> list[PrivateKey]:
    return [PrivateKey.generate() for _ in range(4)]


def ids(keys: list[PrivateKey]) -> list[bytes]:
    return [key.public_key.key_id for key in keys]


def test_key_files(tmp_path: Path) -> None:
    path = tmp_path / "a" / "key.pem"
    made = make_key(path, "correct horse")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(path, "correct horse").public_key == made.public_key
    for code, attempt in {
        "FILE_EXISTS": lambda: make_key(path, "correct horse"),
        "KEYFILE_PASSPHRASE_WRONG": lambda: load_key(path, "wrong horse"),
        "PASSPHRASE_TOO_SHORT": lambda: make_key(tmp_path / "b.pem", "short"),
        "FILE_MISSING": lambda: load_key(tmp_path / "b.pem", "correct horse"),
    }.items():
        with pytest.raises(SanlianError) as refused:
            attempt()
        assert refused.value.code == code
    assert load_key(path, "correct horse").public_key == made.public_key
    path.chmod(0o644)
    with pytest.raises(LedgerError, match="KEYFILE_EXPOSED"):
        load_key(path, "correct horse")


def test_every_act_has_words_and_every_builder_fits(keys: list[PrivateKey], tmp_path: Path) -> None:
    ca = DevelopmentCa.new(tmp_path / "ca", "passphrase", name="根", days=9, crl_days=9)
    certificate = ca.issue(keys[3].public_key, name="张三", unit=None, days=5)
    assert set(ACT_NAMES) == {kind.name for kind in ACT_TYPES}
    fields = {field.name for kind in ACT_TYPES for word in kind.words for field in word}
    assert set(FIELD_NAMES) == fields
    api = Api()
    a, b, c, d = ids(keys)
    public = keys[3].public_key
    target, term = b"\x05" * 32, Term(1000, 2000, 5)
    with serve(api.answer) as url, Platform(url) as platform:
        acts = Acts(platform)
        entry, sealed = acts.submit_entry(
            a,
            b,
            document=ENTRY,
            sharing_class=2,
            library=1,
            update_cycle=1,
            openness=0,
            mode=1,
            secrecy_assessment=b"s",
            privacy_assessment=b"p",
        )
        content = {"application/json": {"schema": {"properties": {"a": {"type": "string"}}}}}
        operation = {
            "parameters": [],
            "responses": {"200": {"description": "rows", "content": content}},
            "x-sanlian-items": {"0": ["/a"]},
        }
        interface = canonical_json(
            {
                "openapi": "3.0.3",
                "info": {"title": "t", "version": "1"},
                "paths": {"/rows": {"get": operation}},
            }
        )
        drafts: list[Draft] = [
            entry,
            acts.register_department(
                [a, b, c], public, name="市医保局", level=3, kind=1, region=440300
            ),
            acts.change_department(
                [a, b], target, name="市医疗保障局", level=3, kind=1, region=440300, reason=b"r"
            )[0],
            acts.end_department([a, b], target, successor=b"\x06" * 32, reason=b"r")[0],
            acts.enrol_person(a, public, Role.OPERATOR | Role.OFFICER),
            acts.set_roles(a, target, Role(0)),
            acts.add_key(a, target, public),
            acts.revoke_key(a, target, 2),
            acts.rotate_key(a, public, valid_until=2_000_000_000),
            acts.suspend_key(a, target, 3),
            acts.resume_key(a, target),
            acts.resume_authority_key([a, b], target),
            acts.propose_head_key([a, b], target, public, 2),
            acts.object_head_key(a, target, d),
            acts.replace_head_key(a, target, d),
            acts.set_threshold([a, b], target, 3),
            acts.add_authority_person([a, b], public),
            acts.remove_authority_person([a, b], target, 4),
            acts.bind_certificate(a, certificate),
            acts.name_successor([a, b], "Entries", b"\x07" * 20),
            acts.publish_entry(a, target, document_digest(ENTRY)),
            acts.retire_entry(a, target, b"r")[0],
            acts.return_entry(a, target, document_digest(ENTRY), b"r")[0],
            acts.note_change(a, target, change_day=20600, reason=b"r")[0],
            acts.extend_update(a, b, target, b"r")[0],
            acts.report_oversight(a, from_day=20500, until_day=20600, report=b"{}", findings=b"f")[
                0
            ],
            acts.refresh_data(a, entry=target, from_day=20600, until_day=20630, rows=5),
            acts.claim_element(a, b, entry=target, item=3, element=element_code("DE00017")),
            acts.release_element(a, target, b"r")[0],
            acts.decide_conflict(a, target, source=target, reason=b"r")[0],
            acts.register_interface(
                a, entry=target, entry_version=1, document=interface, node="node-1"
            ),
            acts.interface_tested(
                a,
                target,
                document_id=document_digest(interface),
                passed=True,
                log=target,
                report=target,
            ),
            acts.interface_online(a, target, document_digest(interface)),
            acts.suspend_interface(a, target, b"r")[0],
            acts.resume_interface(a, target),
            acts.retire_interface(a, target, b"r")[0],
            acts.file_request(
                a,
                b,
                interface=target,
                interface_version=1,
                items=mask_of([0, 2]),
                term=term,
                legal_basis="B",
                scenario="S",
                case=b"c",
            )[0],
            acts.agree(a, target, items=1, term=term),
            acts.refuse(a, target, b"r")[0],
            acts.ask_supplement(a, target, b"m")[0],
            acts.supplement_request(
                a,
                b,
                target,
                interface=target,
                interface_version=1,
                items=1,
                term=term,
                legal_basis="B",
                scenario="S",
                case=b"c",
            )[0],
            acts.extend_answer(a, b, target, extension_days=5, reason=b"r")[0],
            acts.withdraw_request(a, target),
            acts.provide(a, target, 1),
            acts.renew_grant(a, b, target, valid_until=5, quota=9, case=b"c")[0],
            acts.report_use(a, target, from_day=1, until_day=2, uses=3, report=b"r")[0],
            acts.dispose(a, target, b"d")[0],
            acts.suspend_grant(a, target, b"r", 1)[0],
            acts.resume_grant(a, target),
            acts.revoke_grant(a, target, b"r", 4)[0],
            acts.register_log(a, d, origin=ORIGIN),
            acts.file_correction(a, target, subject_kind=1, items=1, errors=b"e")[0],
            acts.verify_correction(a, target, b"f")[0],
            acts.close_correction(a, target, result=1, report=b"r")[0],
            acts.open_dispute(a, target, b"s")[0],
            acts.settle_dispute(a, b, target, b"t")[0],
            acts.escalate_dispute(
                a,
                target,
                superior=target,
                requester_steps=1,
                provider_steps=2,
                statement=b"s",
            )[0],
            acts.refer_dispute(a, target, b"p")[0],
            acts.decide_dispute(a, target, ruling=1, decision=b"d")[0],
            acts.consent_third_party(
                a,
                target,
                third_party=target,
                third_party_kind=1,
                valid_until=9,
                items=1,
                purpose=b"p",
            )[0],
            acts.revoke_third_party(a, target, b"r")[0],
            acts.parameters_disposed(
                a, target, disposed_kind=1, period=202_601, record=7, record_leaf=target
            ),
            acts.publish_calendar(a, year=2026, working_days=1, source=target),
            acts.correct_calendar(
                [a, b], target, year=2026, working_days=1, source=target, reason=b"r"
            )[0],
        ]
        contracts = platform.deployment().contracts
    assert {draft.act.type.name for draft in drafts} == set(ACT_NAMES)
    claim = next(one for one in drafts if one.act.type.name == "ElementClaimed")
    assert any(line.endswith(" “DE00017”") for line in claim.words("zh"))
    for draft in drafts:
        assert Act.from_bytes(draft.act.to_bytes()) == draft.act
        assert (draft.act.nonce, draft.act.revision in (0, 3)) == (4, True)
        for language in ("zh", "en"):
            text = "\n".join(draft.words(language, contracts))  # type: ignore[arg-type]
            assert draft.act_id.hex() in text
            assert ACT_NAMES[draft.act.type.name][language == "en"] in text
    assert entry.act.values["secrecy_assessment"] == sealed["secrecy_assessment"].commitment
    assert "企业登记" in "\n".join(entry.words("zh"))
    with pytest.raises(ProtocolError, match="WRONG_CONTRACT"):
        entry.words("zh", {name: bytes(20) for name in CONTRACTS})


def test_sealed_documents() -> None:
    sealed = seal(b"why")
    assert Sealed.from_bytes(sealed.to_bytes()) == sealed
    assert seal(b"why").commitment != sealed.commitment
    bent = sealed.to_bytes().replace(b"why".hex().encode(), b"who".hex().encode())
    with pytest.raises(VerificationError, match="COMMITMENT_MISMATCH"):
        Sealed.from_bytes(bent)


def test_a_draft_is_signed_by_several_on_their_own_machines(keys: list[PrivateKey]) -> None:
    api = Api()
    with serve(api.answer) as url, Platform(url) as platform:
        acts = Acts(platform)
        draft, _ = acts.file_request(
            *ids(keys[:2]),
            interface=b"\x05" * 32,
            interface_version=1,
            items=1,
            term=Term(1, 2, 3),
            legal_basis="B",
            scenario="S",
            case=b"c",
        )
        with pytest.raises(RequestRefused, match="SIGNATURE_COUNT"):
            acts.submit(draft)
        with pytest.raises(RequestRefused, match="SIGNER_NOT_NAMED"):
            draft.sign(keys[2])
        # The officer signs first here; the order of the act's signers stays.
        half = Draft.from_bytes(draft.sign(keys[1]).to_bytes())
        assert half.missing == (keys[0].public_key.key_id,)
        whole = Draft.from_bytes(half.sign(keys[0]).to_bytes())
        assert acts.submit(whole).act_id == draft.act_id
        assert acts.submit(whole).act_id == draft.act_id
        taken = api.taken[draft.act_id]
        assert [one.key_id for one in taken.signatures] == ids(keys[:2])
        for key, one in zip(keys, taken.signatures, strict=False):
            verify(key.public_key, taken.data, one.signature)

        text = whole.to_bytes().decode()
        other = PrivateKey.generate().sign(b"other").to_bytes().hex()
        bent = text.replace(json.loads(text)["signatures"][0]["signature"], other)
        with pytest.raises(ProtocolError, match="SIGNATURE_INVALID"):
            Draft.from_bytes(bent.encode())
        words = json.loads(text)["act"]
        bent = text.replace(words, words[:-2] + ("00" if words[-2:] != "00" else "01"))
        with pytest.raises(ProtocolError, match="SIGNATURE_INVALID"):
            Draft.from_bytes(bent.encode())


def test_the_platform_is_not_believed(keys: list[PrivateKey]) -> None:
    api = Api()
    with serve(api.answer) as url, Platform(url, timeout_s=2) as platform:
        acts = Acts(platform)
        draft = acts.resume_grant(keys[0].public_key.key_id, b"\x05" * 32).sign(keys[0])
        api.signer = PrivateKey.generate()
        with pytest.raises(VerificationError, match="ACKNOWLEDGEMENT_INVALID"):
            acts.submit(draft)
        for status, code, kind in (
            (409, "NONCE_MISMATCH", RequestRefused),
            (503, "OUTBOX_FULL", RequestRefused),
            (500, "INTERNAL_ERROR", OutcomeUnknown),
            (0, "", OutcomeUnknown),
        ):
            api.problem = (status, code)
            with pytest.raises(kind) as refused:  # type: ignore[call-overload]
                acts.submit(draft)
            assert refused.value.code == (code if kind is RequestRefused else "OUTCOME_UNKNOWN")
        api.problem = None
        api.status = {"status": "refused", "error": {"code": "ROLE_MISSING", "title": "no"}}
        with pytest.raises(RequestRefused, match="ROLE_MISSING"):
            platform.wait_for(draft.act_id)
        api.status = {"status": "queued"}
        with pytest.raises(OutcomeUnknown, match="ACT_PENDING"):
            platform.wait_for(draft.act_id, 0.3)
        assert [one["id"] for one in platform.read_all("departments")] == ["0", "1", "2"]
        assert platform.document(document_digest(ENTRY)) == ENTRY
        with pytest.raises(VerificationError, match="DOCUMENT_TAMPERED"):
            platform.document(b"\x01" * 32)
    with Platform(url, timeout_s=2) as gone, pytest.raises(LedgerError, match="UNREACHABLE"):
        gone.deployment()


def run(*arguments: str) -> Any:
    return CliRunner().invoke(
        main, list(arguments), env={"SANLIAN_KEY_PASSPHRASE": "correct horse"}
    )


def test_an_act_by_command_line(tmp_path: Path) -> None:
    api = Api()
    found = [run("key", "new", str(tmp_path / f"{n}.pem"), "--json") for n in "ab"]
    signers = [json.loads(one.stdout)["key_id"] for one in found]
    shown = json.loads(run("key", "show", str(tmp_path / "a.pem"), "--json").stdout)
    assert shown["key_id"] == signers[0]
    assert PublicKey.from_bytes(bytes.fromhex(shown["public_key"])).key_id.hex() == signers[0]
    draft = str(tmp_path / "act.json")
    values = {
        "interface": "05" * 32,
        "valid_from": int(time.time()),
        "valid_until": int(time.time()) + 3600,
        "quota": 5,
        "interface_version": 1,
        "way": 1,
        "items": "00" * 31 + "03",
        "legal_basis": "B",
        "scenario": "S",
        "case": "06" * 32,
    }
    with serve(api.answer) as url:
        made = run(
            *("act", "draft", "RequestFiled", draft, "--api", url, "--values", json.dumps(values)),
            *(part for signer in signers for part in ("--signer", signer)),
        )
        assert made.exit_code == 0, made.output
        assert run("act", "send", draft, "--api", url).exit_code == 1
        for name in "ab":
            key = str(tmp_path / f"{name}.pem")
            signed = run("act", "sign", draft, "--key", key, "--yes", "--lang", "en")
            assert signed.exit_code == 0
            assert "File a share request" in signed.output
        assert "已签" in run("act", "show", draft).output
        sent = run("act", "send", draft, "--api", url, "--json")
        assert json.loads(sent.stdout)["status"] == "recorded"
        status = run("act", "status", made.stdout.strip(), "--api", url)
        assert "block_number: 9" in status.output
        again = run("act", "draft", "Nonsense", draft, "--api", url, "--signer", signers[0])
        assert (again.exit_code, again.stderr.split(":")[0]) == (1, "ACT_TYPE_UNKNOWN")
    gone = run("act", "status", "00" * 32, "--api", url)
    assert (gone.exit_code, gone.stderr.split(":")[0]) == (1, "SERVER_UNREACHABLE")
    assert run("key", "new", str(tmp_path / "a.pem")).stderr.startswith("FILE_EXISTS: ")
    (tmp_path / "bad.json").write_text("{}")
    trust = str(tmp_path / "bad.json")
    assert run("evidence", "verify", trust, "--trust", trust).exit_code == 2


def test_seal_command_keeps_what_opens_the_commitment(tmp_path: Path) -> None:
    text, path = tmp_path / "reason.txt", tmp_path / "reason.sealed"
    text.write_text("资料不全", encoding="utf-8")
    done = CliRunner().invoke(main, ["seal", str(text), str(path), "--json"])
    assert done.exit_code == 0, done.output
    sealed = Sealed.from_bytes(path.read_bytes())
    assert sealed.document == text.read_bytes()
    assert json.loads(done.output)["commitment"] == sealed.commitment.hex()
    assert path.stat().st_mode & 0o077 == 0
    again = CliRunner().invoke(main, ["seal", str(text), str(path)])
    assert again.exit_code == 1
    assert "FILE_EXISTS" in again.output


def test_sealed_text_goes_encrypted_to_its_parties(tmp_path: Path) -> None:
    def run(*words: object) -> Result:
        environment = {"SANLIAN_KEY_PASSPHRASE": "a passphrase"}
        return CliRunner().invoke(main, [str(word) for word in words], env=environment)

    text, sealed, sent = (tmp_path / name for name in ("text", "text.sealed", "text.envelope"))
    text.write_text("资料不全", encoding="utf-8")
    for name in ("one", "other"):
        assert run("key", "new", tmp_path / f"{name}.pem").exit_code == 0
        shown = run("key", "show", tmp_path / f"{name}.pem", "--pem")
        (tmp_path / f"{name}.pub").write_text(shown.output, encoding="utf-8")
    commitment = json.loads(run("seal", text, sealed, "--json").output)["commitment"]
    done = run("encrypt-sealed", sealed, sent, "--to", tmp_path / "one.pub")
    assert (done.exit_code, done.output) == (0, f"{commitment}: 1\n")
    assert text.read_bytes().hex().encode() not in sent.read_bytes()
    opened = tmp_path / "opened"
    own = ("open-sealed", sent, opened, "--key", tmp_path / "one.pem", "--commitment")
    wrong = run(*own, "00" * 32)
    assert (wrong.exit_code, opened.exists()) == (1, False)
    assert "COMMITMENT_MISMATCH" in wrong.output
    found = run(*own, commitment)
    assert (found.exit_code, found.stdout_bytes) == (0, text.read_bytes())
    assert opened.read_bytes() == sealed.read_bytes()
    stranger = run("open-sealed", sent, tmp_path / "x", "--key", tmp_path / "other.pem")
    assert stranger.exit_code == 1
    assert "NOT_A_PARTY" in stranger.output
