"""TLS on every port: certificates, their renewal, protocols, and the limits that hold for handshakes."""

import http.client
import json
import socket
import ssl
import subprocess
import time
import urllib.parse

import boto3
import botocore.config
import pytest

from harness import wait
from harness.clients import REGION
from harness.daemon import NotReady, binary
from harness.functions import create, zipped


def certificate(directory, name):
    """A certificate for loopback that is its own authority: `(certificate, key)`."""
    files = directory / f"{name}.pem", directory / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        + ["-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        + ["-addext", "basicConstraints=critical,CA:FALSE", "-out", files[0], "-keyout", files[1]],
        check=True,
        capture_output=True,
    )
    return files


def settings(pair, ports=("api", "http", "admin")):
    lines = [f'{port}_certificate_file = "{pair[0]}"\n{port}_key_file = "{pair[1]}"' for port in ports]
    return "[tls]\n" + "\n".join(lines) + "\n"


def get(url, path, authority=None):
    """`(status, body, common name)` of one request over TLS."""
    parts = urllib.parse.urlsplit(url)
    context = ssl.create_default_context(cafile=authority)
    connection = http.client.HTTPSConnection(parts.hostname, parts.port, context=context, timeout=10)
    try:
        connection.connect()
        name = dict(part[0] for part in connection.sock.getpeercert()["subject"])["commonName"]
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(), name
    finally:
        connection.close()


@pytest.fixture
def private(own_daemon, tmp_path):
    pair = certificate(tmp_path, "first")
    return own_daemon(settings(pair)).start(), pair


def test_every_port_speaks_tls(private):
    daemon, (authority, _) = private
    assert all(url.startswith("https://") for url in (daemon.api, daemon.http, daemon.admin))
    assert get(daemon.admin, "/readyz", authority)[:2] == (200, b"ready\n")
    assert get(daemon.http, "/nothing", authority)[0] == 404
    assert get(daemon.api, "/2015-03-31/functions", authority)[0] == 200
    session = boto3.session.Session("a", "b", region_name=REGION)
    config = botocore.config.Config(retries={"max_attempts": 0})
    sqs = session.client("sqs", endpoint_url=daemon.api, verify=str(authority), config=config)
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    assert url.startswith("https://")
    assert sqs.send_message(QueueUrl=url, MessageBody="x")["MessageId"]
    with pytest.raises(ssl.SSLError):
        get(daemon.api, "/")
    with pytest.raises((http.client.HTTPException, OSError)):
        daemon.request("GET", "/2015-03-31/functions", listener="api", timeout=5)


def test_functions_are_sent_to_localhost_whose_name_certificates_can_have(private):
    daemon, (authority, _) = private
    session = boto3.session.Session("a", "b", region_name=REGION)
    lam = session.client("lambda", endpoint_url=daemon.api, verify=str(authority))
    create(lam, "f", zipped("invoke_ops"), {"LAMINA_OUTBOUND_HOSTS": "lamina"})
    variables = json.loads(lam.invoke(FunctionName="f", Payload=b'{"op": "env"}')["Payload"].read())
    assert variables["AWS_ENDPOINT_URL"] == f"https://localhost:{daemon.address('api')[1]}"


def test_http2_is_agreed_on(private):
    daemon, (authority, _) = private
    parts = urllib.parse.urlsplit(daemon.api)
    for offered, chosen in ((["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1")):
        context = ssl.create_default_context(cafile=authority)
        context.set_alpn_protocols(offered)
        with (
            socket.create_connection((parts.hostname, parts.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            assert secured.selected_alpn_protocol() == chosen
            if chosen == "h2":
                secured.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
                assert secured.recv(9)[3] == 4, "its settings"


def test_a_renewed_certificate_is_taken_up_and_a_bad_one_is_not(private, tmp_path):
    daemon, (authority, key) = private
    renewed, renewed_key = certificate(tmp_path, "second")
    first = authority.read_bytes()
    anchors = tmp_path / "both.pem"
    anchors.write_bytes(first + renewed.read_bytes())
    name = lambda: get(daemon.api, "/2015-03-31/functions", anchors)[2]  # noqa: E731
    assert name() == "first"
    # The certificate alone does not go with the key that is there.
    authority.write_bytes(renewed.read_bytes())
    wait.until("the fault is in the log", lambda: "a certificate was not read" in daemon.tail(), 10)
    assert name() == "first"
    key.write_bytes(renewed_key.read_bytes())
    wait.until("the new one is served", lambda: name() == "second", 10)
    authority.write_text("nothing")
    daemon.hang_up()
    wait.until("this fault too", lambda: "holds no certificate" in daemon.tail(), 10)
    assert name() == "second"


def test_bad_certificates_stop_the_start(own_daemon, tmp_path):
    pair = certificate(tmp_path, "a")
    other = certificate(tmp_path, "b")
    for text, says in [
        (settings((pair[0], other[1])), "tls"),
        (settings((pair[1], pair[1])), "holds no certificate"),
        (settings((tmp_path / "none", pair[1])), "is not a file"),
        (f'[tls]\napi_certificate_file = "{pair[0]}"\n', "needs tls.api_key_file"),
    ]:
        with pytest.raises(NotReady, match=says):
            own_daemon(text).start()


def test_a_handshake_that_does_not_come_ends(private):
    daemon, _ = private
    parts = urllib.parse.urlsplit(daemon.api)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as silent:
        silent.sendall(b"\x16\x03\x01")
        began = time.monotonic()
        assert silent.recv(100) == b""
        assert time.monotonic() - began < 25
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not plain.recv(100).startswith(b"HTTP/")


def test_the_command_line_takes_an_authority(private):
    daemon, (authority, _) = private
    run = lambda *more: subprocess.run(  # noqa: E731
        [binary(), "list", "--endpoint", daemon.api, *more], capture_output=True, timeout=30
    )
    assert run("--ca-file", authority).returncode == 0
    done = run()
    assert done.returncode == 1 and b"certificate" in done.stderr
