"""Hostile packages: refused with the reason, nothing written outside, the daemon healthy."""

import io
import threading
import time
import zipfile

import pytest

from harness import packages
from harness.clients import ROLE, refused

INVALID = "InvalidParameterValueException"


def create(lam, name, package, **more):
    settings = {"Runtime": "provided.al2023", "Handler": "bootstrap", "Role": ROLE} | more
    return lam.create_function(FunctionName=name, Code={"ZipFile": package}, **settings)


def not_there(lam, name):
    with refused("ResourceNotFoundException", 404):
        lam.get_function(FunctionName=name)


def bomb(size):
    """A zip whose one file unpacks to `size` bytes."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as zipped,
        zipped.open("bootstrap.wasm", "w") as file,
    ):
        block = bytes(1 << 20)
        for _ in range(size >> 20):
            file.write(block)
    return out.getvalue()


def lying_zip():
    """A zip whose directory says 10 bytes for a file that unpacks to 64 MB."""
    data = bytearray(bomb(64 << 20))
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")
    return bytes(data)


MALFORMED = {
    "no zip": b"this is not a zip file",
    "an empty zip": packages.archive({}),
    "a cut zip": packages.archive({"bootstrap.wat": "(module)" * 100})[:-30],
    "an empty wasm": packages.archive({"bootstrap.wasm": b""}),
    "nonsense wasm": packages.archive({"bootstrap.wasm": b"\0asm\1\0\0\0" + b"\xff" * 100}),
    "another wasm version": packages.archive({"bootstrap.wasm": b"\0asm\2\0\0\0"}),
    "wat with an error": packages.archive({"bootstrap.wat": '(module (func (export "_start") (i32.const)'}),
    "wat of deep nesting": packages.archive(
        {"bootstrap.wat": "(module (func" + "(block" * 100_000 + ")" * 100_000 + "))"}
    ),
    "a zip that lies": lying_zip(),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_packages_are_refused(daemon, lam, name, what):
    with refused(INVALID, 400) as refusal:
        create(lam, name, MALFORMED[what])
    assert refusal.message and "panick" not in refusal.message
    not_there(lam, name)
    assert daemon.healthy()


def test_a_truncated_wasm_is_refused_at_every_cut(daemon, lam, name):
    wasm = packages.built("command_ops")
    for cut in (1, 7, 8, 9, 100, len(wasm) // 3, len(wasm) // 2, len(wasm) - 100, len(wasm) - 1):
        with refused(INVALID, 400):
            create(lam, name, packages.archive({"bootstrap.wasm": wasm[:cut]}))
    not_there(lam, name)
    assert daemon.healthy()


@pytest.mark.parametrize(
    "guest,says",
    [
        ("hostile_imports.component", "acme:rocket/launch"),
        ("hostile_imports.command", "system"),
        ("hostile_no_export.command", "_start"),
        ("hostile_minimum.command", "256"),
    ],
)
def test_what_cannot_run_is_refused_by_name(daemon, lam, name, guest, says):
    with refused(INVALID, 400, says=says):
        create(lam, name, packages.text_package(guest), MemorySize=128)
    not_there(lam, name)


def test_a_zip_bomb_is_refused_quickly(daemon, lam, name):
    """300 MB, past Lambda's 250 MB unpacked, in a few hundred kB."""
    package = bomb(300 << 20)
    before = daemon.resident_bytes()
    start = time.monotonic()
    with refused(INVALID, 400, says="262144000"):
        create(lam, name, package)
    assert time.monotonic() - start < 20
    assert daemon.resident_bytes() < before + (400 << 20)
    not_there(lam, name)


def test_a_bomb_of_many_files_is_refused(daemon, lam, name):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
        for index in range(100_000):
            zipped.writestr(f"f{index}", b"")
        zipped.writestr("bootstrap.wat", packages.wat("invoke_echo.event"))
    try:
        create(lam, name, out.getvalue())
        lam.delete_function(FunctionName=name)
    except lam.exceptions.InvalidParameterValueException:
        not_there(lam, name)
    assert daemon.healthy()


@pytest.mark.parametrize("path", ["../outside.txt", "/absolute.txt", "a/../../outside.txt", "..\\outside.txt", "a\0b"])
def test_a_path_out_of_the_package_writes_nothing(daemon, lam, name, path):
    package = packages.archive({"bootstrap.wat": packages.wat("invoke_echo.event"), "x" * len(path): "evil"})
    package = package.replace(b"x" * len(path), path.encode())
    before = {p for p in daemon.directory.parent.rglob("*outside*")}
    try:
        create(lam, name, package)
        lam.delete_function(FunctionName=name)
    except lam.exceptions.InvalidParameterValueException as error:
        assert str(error)
        not_there(lam, name)
    assert {p for p in daemon.directory.parent.rglob("*outside*")} == before
    assert daemon.healthy()


def test_a_path_out_of_the_package_is_refused(lam, name):
    with refused(INVALID, 400):
        create(lam, name, packages.archive({"../bootstrap.wat": packages.wat("invoke_echo.event")}))
    not_there(lam, name)


def test_a_wasm_of_100_mb(daemon, lam, name):
    """Mostly a custom section. Taken or refused, but answered, in bounded time and memory."""
    package = packages.archive({"bootstrap.wasm": packages.padded_module(100_000_000)})
    start = time.monotonic()
    try:
        create(lam, name, package)
        lam.delete_function(FunctionName=name)
        outcome = "taken"
    except lam.exceptions.InvalidParameterValueException as error:
        outcome = f"refused: {error}"
    print(f"100 MB of wasm: {outcome} after {time.monotonic() - start:.1f} s")
    assert daemon.healthy() and daemon.resident_bytes() < 2 << 30


def test_a_module_that_is_slow_to_compile_holds_up_nobody(daemon, lam, make, name):
    """20,000 functions, 24 MB of code: compiled apart, or refused for time or memory."""
    package = packages.archive({"bootstrap.wasm": packages.many_functions(20_000)})
    other = make()
    answers = []

    def deploy():
        try:
            answers.append(create(lam, name, package))
        except lam.exceptions.InvalidParameterValueException as error:
            answers.append(error)

    thread = threading.Thread(target=deploy)
    thread.start()
    slowest = 0.0
    while thread.is_alive():
        start = time.monotonic()
        daemon.invoke(other).ok()
        slowest = max(slowest, time.monotonic() - start)
    thread.join(100)
    print(f"slowest call of a neighbour while it compiled: {slowest * 1e3:.1f} ms")
    assert answers and slowest < 5 and daemon.healthy()
    if not isinstance(answers[0], Exception):
        lam.delete_function(FunctionName=name)


def test_an_upload_past_lambdas_limit_is_refused(daemon, name):
    """70,167,211 bytes is the largest request; refused at its head, before its body."""
    connection = daemon.connection("api")
    connection.putrequest("POST", "/2015-03-31/functions")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "80000000")
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413, answer.status
    connection.close()
    assert daemon.healthy()
