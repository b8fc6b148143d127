"""Registries over TLS: whom they are trusted by."""

import subprocess

import pytest

from harness.clients import refused
from harness.registry import Registry, create, settings, wasm

INVALID = "InvalidParameterValueException"


@pytest.fixture
def certificate(tmp_path):
    """A certificate for loopback that is its own authority."""
    files = tmp_path / "registry.pem", tmp_path / "registry.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        + ["-subj", "/CN=registry", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        + ["-addext", "basicConstraints=critical,CA:FALSE", "-out", files[0], "-keyout", files[1]],
        check=True,
        capture_output=True,
    )
    return files


def test_an_authority_of_ones_own_is_trusted_if_configured(own_daemon, tmp_path, certificate, names):
    registry = Registry(tmp_path / "registry", certificate=certificate).start()
    try:
        pinned = registry.push("secure", "v1", wasm())
        image, name = registry.reference("secure", "v1"), names()
        daemon = own_daemon(settings(registries=[registry.host], ca_file=str(certificate[0]))).start()
        assert create(daemon, name, image)["CodeSha256"] == pinned.removeprefix("sha256:")
        assert daemon.invoke(name, 1).ok() == 1
        stranger = own_daemon(settings(registries=[registry.host])).start()
        with refused(INVALID, 400, "could not be pulled"):
            create(stranger, name, image)
        # Neither over plain HTTP where TLS is meant, nor the other way round.
        plain = own_daemon(settings(registry.host, ca_file=str(certificate[0]))).start()
        with refused(INVALID, 400):
            create(plain, name, image)
    finally:
        registry.stop()


def test_a_plain_registry_is_not_spoken_to_as_if_it_were_secure(own_daemon, registry, name):
    registry.push("plain", "v1", wasm())
    daemon = own_daemon(settings(registries=[registry.host])).start()
    with refused(INVALID, 400, "could not be pulled"):
        create(daemon, name, registry.reference("plain", "v1"))


def test_a_star_is_everything_in_public(own_daemon, registry, name):
    registry.push("star", "v1", wasm())
    daemon = own_daemon(settings(registries=["*"])).start()
    with refused(INVALID, 400):
        create(daemon, name, registry.reference("star", "v1"))
    with refused(INVALID, 400, "169.254.169.254"):
        create(daemon, name, "169.254.169.254/a:v1")
