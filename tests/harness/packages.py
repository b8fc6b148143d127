"""Deployment packages: guests as built or written, put into zip files."""

import functools
import io
import os
import pathlib
import zipfile

WAT = pathlib.Path(__file__).parent.parent / "guests" / "wat"
MARK = b"CODE-MARK:0000000000000."


def guests():
    """Where `cargo xtask guests` puts guests."""
    directory = os.environ.get("LAMINA_GUESTS")
    if not directory:
        raise RuntimeError("LAMINA_GUESTS names no directory: run the tests with `cargo xtask test`")
    return directory


def built(name):
    """The bytes of a guest that `cargo xtask guests` built."""
    path = pathlib.Path(guests()) / f"{name}.wasm"
    if not path.is_file():
        raise RuntimeError(f"{path} is missing: run `cargo xtask guests`")
    return path.read_bytes()


@functools.cache
def wat(name, mark=None):
    """A hand-written guest as text: `NAME.event.wat` in its shell, command modules and components as they are."""
    path = WAT / f"{name}.wat"
    text = path.read_text()
    if mark is not None:
        text = text.replace("LENGTH", str(len(mark) + 2)).replace("MARK", mark)
    if name.endswith(".event"):
        shell = (WAT / "event-shell.wat").read_text()
        if '(export "init")' not in text:
            shell = "\n".join(line for line in shell.splitlines() if not line.endswith(";; INIT"))
        text = shell.replace("    GUEST\n", text)
    return text


def archive(files):
    """A zip file of `{name: content}`."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, date_time=(2024, 1, 1, 0, 0, 0))
            info.external_attr = 0o755 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            zipped.writestr(info, content)
    return out.getvalue()


@functools.cache
def text_package(name, mark=None):
    """A zip with a hand-written guest as `bootstrap.wat`."""
    return archive({"bootstrap.wat": wat(name, mark)})


def package(name, code_mark=None):
    """A zip with a built guest as `bootstrap.wasm`; `code_mark` (13 characters) makes its code another version's."""
    return _package(name, code_mark)


@functools.cache
def _package(name, code_mark):
    wasm = built(name)
    if code_mark is not None:
        mark = f"CODE-MARK:{code_mark:0>13}.".encode()
        assert len(mark) == len(MARK) and wasm.count(MARK) == 1, "the guest carries its mark once"
        wasm = wasm.replace(MARK, mark)
    return archive({"bootstrap.wasm": wasm})


def leb128(number):
    """An unsigned integer as wasm writes it."""
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def padded_module(size):
    """A valid command module with a custom section that makes it `size` bytes large."""
    # (module (func (export "_start")) (memory (export "memory") 1))
    module = bytes.fromhex(
        "0061736d01000000010401600000030201000503010001071302065f73746172740000066d656d6f727902000a040102000b"
    )
    name = b"\x07padding"
    content = size - len(module) - 1 - 5 - len(name)
    return module + b"\x00" + _padded_leb128(content + len(name)) + name + bytes(content)


def echo_module():
    """`invoke_echo.command.wat` in binary form: a command module that copies standard input to standard output."""
    preview1 = b"\x16wasi_snapshot_preview1"
    types = section(1, b"\x02" + b"\x60\x04\x7f\x7f\x7f\x7f\x01\x7f" + b"\x60\x00\x00")
    imports = section(2, b"\x02" + preview1 + b"\x07fd_read\x00\x00" + preview1 + b"\x08fd_write\x00\x00")
    functions, memory = section(3, b"\x01\x01"), section(5, b"\x01\x00\x02")
    exports = section(7, b"\x02" + b"\x06memory\x02\x00" + b"\x06_start\x00\x02")
    body = bytes.fromhex(
        "01017f"  # a local
        "0340"
        "410041c000360200"
        "410441808004360200"  # the buffer: at 64, 65,536 bytes
        "4100410041014108100004400"
        "00b"
        "41082802002100"  # read; how much
        "20004504400f0b"
        "41042000360200"  # nothing: the end
        "0340"
        "4101410041014108100104400"
        "00b"  # write
        "4100410028020041082802006a360200"
        "4104410428020041082802006b360200"  # on by what was written
        "41042802000d00"
        "0b"
        "0c00"
        "0b"
        "0b"
    )
    code = section(10, b"\x01" + leb128(len(body)) + body)
    return b"\x00asm\x01\x00\x00\x00" + types + imports + functions + memory + exports + code


def many_functions(count):
    """A valid command module with `count` functions, each a little work for a compiler."""
    # (func (result i32) i32.const 1 (i32.const 3 i32.mul i32.const 5 i32.xor) × 200)
    body = b"\x00\x41\x01" + b"\x41\x03\x6c\x41\x05\x73" * 200 + b"\x0b"
    entry = leb128(len(body)) + body
    start = b"\x02\x00\x0b"
    types = section(1, b"\x02" + b"\x60\x00\x00" + b"\x60\x00\x01\x7f")
    functions = section(3, leb128(count + 1) + b"\x00" + b"\x01" * count)
    memory = section(5, b"\x01\x00\x01")
    exports = section(7, b"\x02" + b"\x06_start\x00\x00" + b"\x06memory\x02\x00")
    code = section(10, leb128(count + 1) + start + entry * count)
    return b"\x00asm\x01\x00\x00\x00" + types + functions + memory + exports + code


def section(number, content):
    """One section of a wasm module."""
    return bytes([number]) + leb128(len(content)) + content


def _padded_leb128(number):
    return bytes((number >> (7 * index)) & 0x7F | (0x80 if index < 4 else 0) for index in range(5))
