"""The outbox: what is acknowledged is durable, once, and in order."""

import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from ledger_city import City, department_values, entry_document, entry_values, key, on_both
from sqlalchemy import text

from crypto.errors import ProtocolError, RequestRefused, SanlianError
from crypto.sm3 import sm3
from ledger.outbox import service
from protocol.acts import ActSignature, SignedAct
from protocol.description import Role

AUTHORITY = [key("authority 0"), key("authority 1")]


def count(city: City) -> int:
    with city.engine.connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM outbox_acts")) or 0)


def test_the_same_act_again_changes_nothing(city: City) -> None:
    new = key("auditor")
    values = {
        "roles": int(Role.AUDITOR),
        "key_x": new.public_key.x,
        "key_y": new.public_key.y,
        "valid_until": 0,
    }
    keys = [key("authority head"), new]
    signed = city.sign("PersonEnrolled", keys, values)
    first = city.accept(signed)
    # SM2 signatures are randomised: the same act signed again is still the same act.
    again = SignedAct(
        signed.data, tuple(ActSignature(k.public_key.key_id, k.sign(signed.data)) for k in keys)
    )
    assert again.signatures != signed.signatures
    second = city.accept(again)
    assert (second.act_id, second.received_at) == (first.act_id, first.received_at)
    assert count(city) == 1
    city.run()
    assert city.accept(again).status == "recorded"
    city.relay.step()
    with city.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM transactions")) == 1


def test_an_act_recorded_by_another_way_is_not_sent(city: City) -> None:
    signed = city.sign(
        "DepartmentRegistered", [*AUTHORITY, key("x")], department_values(key("x"), "x")
    )
    city.accept(signed)
    city.run()
    city.engine.dispose()
    city.open("second.db")
    city.catch_up()
    assert city.accept(signed).status == "recorded"
    assert not city.relay.step()


@on_both
def test_acts_that_wait_count_for_nonce_and_rules(city: City) -> None:
    department = city.register("civil")
    head = key("civil head")
    assert city.outbox.next_nonce("Registry", head.public_key.key_id) == 2
    # Nothing of it is recorded yet, and yet the next act of the new head is accepted.
    city.enrol("civil system", Role.SYSTEM, "civil head")
    with pytest.raises(ProtocolError) as wrong:
        city.accept(
            city.sign("PersonEnrolled", [head, key("y")], _values("y", Role.SYSTEM), nonce=7)
        )
    assert (wrong.value.code, wrong.value.details["expected"]) == ("NONCE_MISMATCH", 3)
    city.run()
    assert city.status(department) == "recorded"
    assert city.outbox.get_target(department).kind == "department"


def _values(name: str, roles: Role) -> dict[str, int | bytes | str]:
    public = key(name).public_key
    return {"roles": int(roles), "key_x": public.x, "key_y": public.y, "valid_until": 0}


def _forged(signed: SignedAct) -> SignedAct:
    first = signed.signatures[0]
    other = key("thief").sign(signed.data)
    return replace(signed, signatures=(replace(first, signature=other), *signed.signatures[1:]))


def test_refusals_leave_nothing_behind(city: City) -> None:
    head = key("authority head")
    good = city.sign("PersonEnrolled", [head, key("p")], _values("p", Role.AUDITOR))
    mixed = city.sign(
        "PersonEnrolled", [head, key("p")], _values("p", Role.AUDITOR | Role.OPERATOR)
    )
    stranger = city.sign(
        "PersonEnrolled", [key("authority 0"), key("p")], _values("p", Role.AUDITOR)
    )
    late = city.sign("PersonEnrolled", [head, key("p")], _values("p", Role.AUDITOR), lifetime_s=-60)
    elsewhere = replace(good, data=good.data[:15] + bytes([good.data[15] ^ 1]) + good.data[16:])
    for signed, code in (
        (_forged(good), "SIGNATURE_INVALID"),
        (mixed, "VALUE_INVALID"),
        (stranger, "ROLE_MISSING"),
        (late, "ACT_EXPIRED"),
        (elsewhere, "WRONG_CHAIN"),
        (replace(good, data=good.data[:-1]), "ACT_MALFORMED"),
        (replace(good, signatures=()), "SIGNATURE_COUNT"),
    ):
        with pytest.raises(SanlianError) as refused:
            city.outbox.accept(signed.data, signed.signatures)
        assert refused.value.code == code
    assert count(city) == 0
    assert city.accept(good).status == "queued"  # and the nonce is still free


def test_documents_say_what_the_act_says(city: City) -> None:
    city.register("civil")
    signers = [key("civil operator"), key("civil head")]
    document = entry_document()
    other = entry_document("another")
    fits = city.sign("EntrySubmitted", signers, entry_values(document))
    narrow = city.sign(
        "EntrySubmitted", signers, {**entry_values(document), "items": 1, "sensitive": 0}
    )
    text_only = b'{"a":1}'
    loose = city.sign("EntrySubmitted", signers, entry_values(text_only))
    for signed, documents, code in (
        (fits, (), "DOCUMENT_MISSING"),
        (fits, (document, other), "DOCUMENT_UNEXPECTED"),
        (fits, (document,) * 5, "DOCUMENT_COUNT"),
        (fits, (bytes(65537),), "DOCUMENT_MALFORMED"),
        (narrow, (document,), "DOCUMENT_DIFFERS"),
        (loose, (text_only,), "DOCUMENT_MALFORMED"),
    ):
        with pytest.raises(SanlianError) as refused:
            city.accept(signed, *documents)
        assert refused.value.code == code
    city.accept(fits, document)
    city.run()
    with city.engine.connect() as connection:
        block = connection.scalar(
            text("SELECT block_number FROM documents WHERE digest = :d"), {"d": sm3(document)}
        )
    assert block is not None
    # A second entry with the same text needs no second copy.
    city.accept(city.sign("EntrySubmitted", signers, entry_values(document)))


@on_both
def test_queue_has_limits(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_QUEUED_PER_KEY", 2)
    monkeypatch.setattr(service, "MAX_QUEUED", 3)
    city.enrol("a", Role.AUDITOR, "authority head")
    city.enrol("b", Role.AUDITOR, "authority head")
    with pytest.raises(RequestRefused) as full:
        city.enrol("c", Role.AUDITOR, "authority head")
    assert full.value.code == "OUTBOX_KEY_FULL"
    signed = city.sign(
        "DepartmentRegistered", [*AUTHORITY, key("x")], department_values(key("x"), "x")
    )
    city.accept(signed)
    with pytest.raises(RequestRefused) as full:
        city.enrol("d", Role.AUDITOR, "x")
    assert full.value.code == "OUTBOX_FULL"
    city.run()
    city.enrol("c", Role.AUDITOR, "authority head")


_SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static ssize_t (*real_write)(int, const void *, size_t);
static void note(const char *what, int fd) {
    char link[64], path[512], line[640];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return;
    path[n] = 0;
    if (!strstr(path, "ledger.db")) return;
    int length = snprintf(line, sizeof line, "%s %s\n", what, path);
    int out = open(getenv("TRACE_FILE"), O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (!real_write) real_write = dlsym(RTLD_NEXT, "write");
    if (real_write(out, line, length) != length) abort();
    close(out);
}
#define WRAP(NAME, KIND, RESULT, ARGS, PASS)            \
    RESULT NAME ARGS {                                  \
        static RESULT (*real) ARGS;                     \
        if (!real) real = dlsym(RTLD_NEXT, #NAME);      \
        RESULT result = real PASS;                      \
        note(KIND, fd);                                 \
        return result;                                  \
    }
WRAP(fsync, "SYNC", int, (int fd), (fd))
WRAP(fdatasync, "SYNC", int, (int fd), (fd))
WRAP(write, "WRITE", ssize_t, (int fd, const void *p, size_t n), (fd, p, n))
WRAP(pwrite, "WRITE", ssize_t, (int fd, const void *p, size_t n, off_t o), (fd, p, n, o))
WRAP(pwrite64, "WRITE", ssize_t, (int fd, const void *p, size_t n, off64_t o), (fd, p, n, o))
"""

_ACCEPT = """
    import sys
    from pathlib import Path
    from ledger.db.engine import make_engine
    from ledger.deployment import load_deployment
    from ledger.outbox import service
    from ledger_city import key
    from protocol.acts import ActSignature
    from crypto.sm2 import Signature

    database, deployment, act, signatures, trace = sys.argv[1:]

    def mark(word):
        with open(trace, "a") as stream:
            stream.write(word + "\\n")

    sign = service.sign_acknowledgement

    def marked(*args, **kwargs):
        mark("ACKNOWLEDGE")
        return sign(*args, **kwargs)

    service.sign_acknowledgement = marked
    outbox = service.Outbox(
        make_engine("sqlite:///" + database), load_deployment(Path(deployment)), key("platform")
    )
    parts = bytes.fromhex(signatures)
    signed = [
        ActSignature(parts[at : at + 32], Signature.from_bytes(parts[at + 32 : at + 96]))
        for at in range(0, len(parts), 96)
    ]
    mark("ACCEPT")
    outbox.accept(bytes.fromhex(act), signed)
"""


def test_the_disk_is_synced_before_the_acknowledgement(city: City, tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        assert "CI" not in os.environ, "a C compiler is needed to watch the system calls"
        pytest.skip("no C compiler to watch the system calls with")
    (tmp_path / "shim.c").write_text(_SHIM)
    shim = tmp_path / "shim.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", shim, tmp_path / "shim.c", "-ldl"], check=True
    )
    signed = city.sign(
        "PersonEnrolled", [key("authority head"), key("p")], _values("p", Role.AUDITOR)
    )
    (tmp_path / "deployment.json").write_bytes(city.deployment.to_bytes())
    trace = tmp_path / "trace"
    packed = b"".join(s.key_id + s.signature.to_bytes() for s in signed.signatures)
    subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent(_ACCEPT),
            str(city.database),
            str(tmp_path / "deployment.json"),
            signed.data.hex(),
            packed.hex(),
            str(trace),
        ],
        check=True,
        env={
            **os.environ,
            "LD_PRELOAD": str(shim),
            "TRACE_FILE": str(trace),
            "PYTHONPATH": os.pathsep.join([os.getcwd(), str(Path(__file__).parent)]),
        },
    )
    lines = trace.read_text().splitlines()
    during = lines[lines.index("ACCEPT") : lines.index("ACKNOWLEDGE")]
    log = f"{city.database}-wal"
    written = [at for at, line in enumerate(during) if line == f"WRITE {log}"]
    synced = [at for at, line in enumerate(during) if line == f"SYNC {log}"]
    assert written, "the act was not written before it was acknowledged"
    assert synced, "the act was acknowledged before it was synced"
    assert synced[-1] > written[-1], "the act was acknowledged before it was synced"
