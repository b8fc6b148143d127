"""Hostile archives: refused with the reason, nothing written outside, the daemon healthy."""

import io
import zipfile

import pytest

from harness import packages
from harness.clients import refused

INVALID = "InvalidParameterValueException"
LIMIT = 262_144_000


def zipped(*entries):
    """A zip of `(name, content, mode)`."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return out.getvalue()


def link(name, target):
    return (name, target, 0o120777)


def file(name, content="x"):
    return (name, content, 0o100644)


def zeros(*sizes):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for number, size in enumerate(sizes):
            with archive.open(f"zeros{number}", "w") as entry:
                block = bytes(1 << 20)
                while size > 0:
                    entry.write(block[: min(size, len(block))])
                    size -= len(block)
    return out.getvalue()


def lying():
    """A zip whose directory says 10 bytes for a file that unpacks to 64 MB."""
    data = bytearray(zeros(64 << 20))
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")
    return bytes(data)


def wrong_checksum():
    data = bytearray(zipped(file("a", "content" * 100)))
    at = data.rindex(b"PK\x01\x02")
    data[at + 16 : at + 20] = b"\1\2\3\4"
    return bytes(data)


HOSTILE = {
    "no zip": (b"this is not a zip file", "unzip"),
    "bare wasm": (b"\0asm\1\0\0\0", "unzip"),
    "an empty zip": (packages.archive({}), "non-empty"),
    "a cut zip": (packages.archive({"a": "b" * 1000})[:-30], "unzip"),
    "a wrong checksum": (wrong_checksum(), "unzip"),
    "a zip that lies": (lying(), "unzip"),
    "one byte too many": (zeros(LIMIT - 100, 101), "262144000"),
    "a bomb": (zeros(LIMIT, LIMIT), "262144000"),
    "a name upwards": (zipped(file("../evil")), "unsafe name"),
    "a name upwards within": (zipped(file("a/../../evil")), "unsafe name"),
    "an absolute name": (zipped(file("/tmp/evil")), "unsafe name"),
    "a backslash": (zipped(file("a\\..\\evil")), "unsafe name"),
    "a long name": (zipped(file("n" * 256)), "unsafe name"),
    "a long path": (zipped(file("d/" * 512 + "f")), "unsafe name"),
    "an absolute link": (zipped(link("l", "/etc/passwd")), "leads out"),
    "a link upwards": (zipped(link("a/l", "../../etc")), "leads out"),
    "a link to nothing": (zipped(link("l", "")), "leads out"),
    "a file through a link": (zipped(link("l", "d"), file("l/evil")), "two entries"),
    "a link where files are": (zipped(file("l/good"), link("l", "d")), "two entries"),
    "a file twice": (zipped(file("./a"), file("a")), "two entries"),
    "a device": (zipped(("null", "", 0o020666)), "neither"),
    "a pipe": (zipped(("pipe", "", 0o010666)), "neither"),
    "too many": (packages.archive({f"{number}": "" for number in range(65_536)}), "more than 65535"),
    "too many directories": (
        packages.archive({f"{number}/" + "d/" * 400 + "f": "" for number in range(170)}),
        "more than 65535",
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_archives_are_refused(daemon, lam, name, what):
    content, says = HOSTILE[what]
    with refused(INVALID, 400, says=says):
        lam.publish_layer_version(LayerName=name, Content={"ZipFile": content})
    assert lam.list_layer_versions(LayerName=name)["LayerVersions"] == []
    assert daemon.healthy()
    assert not list(daemon.data.rglob("evil"))


def test_the_largest_layer_is_taken(lam, name):
    assert lam.publish_layer_version(LayerName=name, Content={"ZipFile": zeros(LIMIT - 100, 100)})["Version"] == 1


def test_an_archive_over_50_mb_is_refused(lam, name):
    import os

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("random", os.urandom((50 << 20) + 1))
    with refused("RequestEntityTooLargeException", 413):
        lam.publish_layer_version(LayerName=name, Content={"ZipFile": out.getvalue()})
