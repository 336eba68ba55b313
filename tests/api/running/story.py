"""A small city whose persons sign acts and hand them in over HTTP, to the process that serves."""

import base64
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import httpx
from openapi import require_valid

from crypto.canonical import canonical_json
from crypto.sm2 import N, PrivateKey, PublicKey, Signature
from crypto.sm3 import sm3
from protocol.acknowledgement import verify_acknowledgement
from protocol.acts import ZERO_ID, SignedAct, make_act, sign_act
from protocol.description import BY_NAME
from protocol.documents import make_entry_document

#: A key, or the name of a fixed one.
Signer = str | PrivateKey
AUTHORITY = ("authority 1", "authority 2", "authority 3")
CONDITIONS = "仅用于办理公租房资格审核"
ENTRY = make_entry_document(
    name="低保对象",
    name_en="Recipients of subsistence allowances",
    code="3300000001/0001",
    category={"division": "民政", "group": "社会救助", "subgroup": "低保"},
    summary="<b>最低生活保障对象名单</b>",
    provider="民政局",
    items=[
        {"name": name, "code": code, "type": "C", "length": 32, "sensitive": code == "id"}
        for name, code in (("姓名", "name"), ("状态", "state"), ("证号", "id"))
    ],
    conditions=CONDITIONS,
    duty="县级以上民政部门",
)
_ROW = {"type": "object", "properties": {"name": {"type": "string"}, "state": {"type": "string"}}}
INTERFACE = canonical_json(
    {
        "openapi": "3.1.0",
        "info": {"title": "低保核验 <script>", "version": "1"},
        "paths": {
            "/check": {
                "get": {
                    "parameters": [{"name": "id", "in": "query", "required": True}],
                    "responses": {
                        "200": {
                            "description": "ok",
                            "content": {
                                "application/json": {
                                    "schema": {
                                        "properties": {"rows": {"type": "array", "items": _ROW}}
                                    }
                                }
                            },
                        }
                    },
                    "x-sanlian-records": "/rows",
                    "x-sanlian-items": {"0": ["/rows/*/name"], "1": ["/rows/*/state"]},
                }
            }
        },
    }
)


@cache
def key(name: str) -> PrivateKey:
    """Return the fixed key of a name."""
    return PrivateKey.from_int(
        int.from_bytes(sm3(b"api test " + name.encode()), "big") % (N - 2) + 1
    )


def key_id(name: str) -> str:
    """Return the id of a name's key in hex."""
    return key(name).public_key.key_id.hex()


def key_words(signer: Signer) -> dict[str, int]:
    """Return the values with which an act brings a new key."""
    public = (signer if isinstance(signer, PrivateKey) else key(signer)).public_key
    return {"key_x": public.x, "key_y": public.y, "valid_until": 0}


class Story:
    """Signs acts with what the api says, hands them in, and checks every answer's form."""

    def __init__(self, http: httpx.Client, wait_until: Callable[..., None]) -> None:
        self.http = http
        self.wait_until = wait_until
        self.document: dict[str, Any] = http.get("/openapi.json").json()
        self.deployment = self.get("/v1/deployment")
        self.ids: dict[str, str] = {}

    # reading

    def get(self, path: str, status: int = 200, **params: str | int) -> Any:
        """Read, and check the answer against the OpenAPI document."""
        response = self.http.get(path, params=params)
        return self.checked("get", path, response, status)

    def checked(self, method: str, path: str, response: httpx.Response, status: int) -> Any:
        """Check an answer against the OpenAPI document."""
        assert response.status_code == status, response.text
        (found,) = [
            item
            for template, item in self.document["paths"].items()
            if _matches(template, path) and method in item
        ]
        answers = found[method]["responses"]
        answer = answers.get(str(status)) or answers[f"{status // 100}XX"]
        media_type = response.headers["content-type"]
        value = response.json()
        require_valid(self.document, answer["content"][media_type]["schema"], value)
        return value

    def get_all(self, path: str, **params: str | int) -> list[dict[str, Any]]:
        """Read a whole list in pages of two."""
        items: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.get(path, limit=2, **params, **cursor)
            assert len(page["items"]) <= 2
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            cursor = {"cursor": page["next_cursor"]}

    # writing

    def sign(
        self,
        name: str,
        signers: tuple[Signer, ...],
        target: str | None = None,
        /,
        *,
        header: dict[str, Any] | None = None,
        **values: Any,
    ) -> SignedAct:
        """Sign an act with the nonce and revision that the api names."""
        contract = BY_NAME[name].contract
        keys = [one if isinstance(one, PrivateKey) else key(one) for one in signers]
        actor = keys[0].public_key.key_id
        nonce = self.get(f"/v1/keys/{actor.hex()}/nonce", contract=contract)["nonce"]
        revision = 0 if target is None else self.revision(name, target)
        fields: dict[str, Any] = {
            "chain_id": self.deployment["chain_id"],
            "contract": bytes.fromhex(self.deployment["contracts"][contract][2:]),
            "key_id": actor,
            "nonce": nonce,
            "expires_at": int(time.time()) + 3600,
            "target": ZERO_ID if target is None else bytes.fromhex(target),
            "revision": revision,
            **(header or {}),
        }
        return sign_act(make_act(name, values=values, **fields), keys)

    def revision(self, name: str, target: str) -> int:
        """Return the revision of what an act of that name changes."""
        kind = BY_NAME[name].target_kind
        query = {"kind": kind} if kind else {}
        return int(self.get(f"/v1/targets/{target}", **query)["revision"])

    def post(self, signed: SignedAct, *documents: bytes) -> httpx.Response:
        """Hand an act in."""
        return self.http.post("/v1/acts", json=body_of(signed, *documents))

    def record(self, signed: SignedAct, *documents: bytes) -> dict[str, Any]:
        """Hand an act in, check the acknowledgement, and wait until it is recorded."""
        response = self.post(signed, *documents)
        accepted = self.checked("post", "/v1/acts", response, 202)
        act_id = signed.act_id.hex()
        assert accepted["act_id"] == act_id
        assert accepted["status_url"] == response.headers["location"] == f"/v1/acts/{act_id}"
        self.verify(accepted)
        found: dict[str, Any] = {}

        def done() -> bool:
            found.update(self.get(f"/v1/acts/{act_id}"))
            return found["status"] not in ("queued", "sent")

        self.wait_until(done, 30)
        assert found["status"] == "recorded", found
        return found

    def verify(self, accepted: dict[str, Any]) -> None:
        """Check the platform's signature on an acknowledgement."""
        raw = accepted["acknowledgement"]
        assert raw["public_key"] == self.deployment["platform_key"]
        platform_key = PublicKey.from_bytes(bytes.fromhex(raw["public_key"]))
        assert raw["key_id"] == platform_key.key_id.hex()
        verify_acknowledgement(
            platform_key,
            Signature.from_bytes(bytes.fromhex(raw["signature"])),
            chain_id=self.deployment["chain_id"],
            act_id=bytes.fromhex(accepted["act_id"]),
            received_at=raw["received_at"],
        )

    def do(
        self,
        name: str,
        signers: tuple[Signer, ...],
        target: str | None = None,
        /,
        *documents: bytes,
        **values: Any,
    ) -> str:
        """Sign and record an act; return the id of its target."""
        return str(self.record(self.sign(name, signers, target, **values), *documents)["target"])

    def refused(self, signed: SignedAct, code: str, status: int, *documents: bytes) -> Any:
        """Hand an act in that is refused and leaves nothing behind; return the problem."""
        found = self.checked("post", "/v1/acts", self.post(signed, *documents), status)
        assert found["code"] == code
        self.get(f"/v1/acts/{signed.act_id.hex()}", 404)
        return found

    # the acts with usual values

    def register(self, name: str) -> None:
        """Register a department, whose head has the key `<name> head`."""
        self.ids[name] = self.do(
            "DepartmentRegistered",
            ("authority 1", "authority 2", f"{name} head"),
            level=3,
            kind=1,
            region=330000,
            parent=ZERO_ID,
            uscc="",
            uscc_override=0,
            name=name,
            **key_words(f"{name} head"),
        )

    def enrol(self, person: str, head: str, roles: int, own_key: PrivateKey | None = None) -> None:
        """Enrol a person, who has the given key or that of the name."""
        signer = own_key or key(person)
        self.ids[person] = self.do(
            "PersonEnrolled", (head, signer), roles=int(roles), **key_words(signer)
        )

    def entry_values(self, **changes: Any) -> dict[str, Any]:
        """Return the words of an entry's version."""
        return {
            "sharing_class": 2,
            "library": 2,
            "update_cycle": 5,
            "openness": 0,
            "mode": 1,
            "grading": 1,
            "items": 0b111,
            "sensitive": 0b100,
            "document": sm3(ENTRY),
            "secrecy_assessment": sm3(b"secrecy"),
            "privacy_assessment": sm3(b"privacy"),
            "basis": sm3(CONDITIONS.encode()),
            **changes,
        }


def body_of(signed: SignedAct, *documents: bytes) -> dict[str, Any]:
    """Return the JSON form of an act with its documents."""
    return {
        "act": signed.data.hex(),
        "signatures": [
            {
                "key_id": one.key_id.hex(),
                "r": f"{one.signature.r:064x}",
                "s": f"{one.signature.s:064x}",
            }
            for one in signed.signatures
        ],
        "documents": [base64.b64encode(one).decode() for one in documents],
    }


def _matches(template: str, path: str) -> bool:
    parts, given = template.split("/"), path.split("/")
    return len(parts) == len(given) and all(
        part == one or part.startswith("{") for part, one in zip(parts, given, strict=True)
    )
