"""OCI registries for tests: a real one as a process, a lying one as a thread, and what pushes images."""

import base64
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import queue
import re
import shutil
import ssl
import subprocess
import threading
import urllib.parse

from . import clients, packages
from .functions import active

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
WASM_CONFIG = "application/vnd.wasm.config.v0+json"
WASM_LAYER = "application/wasm"
OLD_WASM_LAYER = "application/vnd.wasm.content.layer.v1+wasm"

USER, PASSWORD = "ada", "correct horse"
# bcrypt of that password: the one form that the registry knows.
HTPASSWD = "ada:$2y$05$iOB4Zy2wvrdhNwkxlanaMOeli4R0PnbRO0PSEcT0aK0JwbLJYMmde\n"


def digest(content):
    """The digest of some bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def descriptor(content, media_type, **more):
    """What names some bytes in a manifest."""
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)} | more


def encoded(document):
    """A document as its bytes."""
    return json.dumps(document, sort_keys=True).encode()


def manifest(wasm, config=b"{}", config_type=WASM_CONFIG, layer_type=WASM_LAYER, **more):
    """The manifest of an image with one layer, as bytes."""
    layers = [descriptor(wasm, layer_type)]
    shape = {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(config, config_type), "layers": layers}
    return encoded(shape | more)


def index(entries):
    """An index of `(manifest, platform)`, as bytes; a platform is `os/architecture` or None."""

    def entry(content, platform):
        more = {}
        if platform:
            system, architecture = platform.split("/")
            more["platform"] = {"os": system, "architecture": architecture}
        return descriptor(content, MANIFEST, **more)

    return encoded({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry(*one) for one in entries]})


def program():
    """Debian's docker-registry."""
    found = os.environ.get("LAMINA_REGISTRY") or shutil.which("docker-registry")
    if not found:
        raise RuntimeError("LAMINA_REGISTRY names no program: run the tests with `cargo xtask test`")
    return found


class Registry:
    """A registry that keeps its images in a directory, on a free port of loopback."""

    def __init__(self, directory, auth=False, certificate=None):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.credentials = (USER, PASSWORD) if auth else None
        self.certificate = certificate
        lines = ["version: 0.1", "log: {level: info, formatter: text}"]
        lines += [
            "storage:",
            f"  filesystem: {{rootdirectory: {self.directory / 'images'}}}",
            "  delete: {enabled: true}",
        ]
        lines += ["http:", "  addr: 127.0.0.1:0"]
        if certificate:
            lines += ["  tls:", f"    certificate: {certificate[0]}", f"    key: {certificate[1]}"]
        if auth:
            (self.directory / "htpasswd").write_text(HTPASSWD)
            lines += ["auth:", f"  htpasswd: {{realm: tests, path: {self.directory / 'htpasswd'}}}"]
        self.config = self.directory / "config.yml"
        self.config.write_text("\n".join(lines) + "\n")
        self.process = None

    def start(self):
        """Starts it and waits until it listens."""
        self.process = subprocess.Popen(
            [program(), "serve", self.config],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        lines = queue.Queue()
        threading.Thread(target=_listening, args=(self.process.stderr, lines), daemon=True).start()
        self.host = lines.get(timeout=20)
        assert self.host, "the registry did not start"
        return self

    def stop(self):
        """Ends it, whatever state it is in."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    # Pushing

    def blob(self, repository, content):
        """Uploads a blob."""
        where = self._asked("POST", f"/v2/{repository}/blobs/uploads/", expect=202).headers["Location"]
        parts = urllib.parse.urlsplit(where)
        query = f"{parts.query}&digest={digest(content)}".lstrip("&")
        headers = {"Content-Type": "application/octet-stream"}
        self._asked("PUT", f"{parts.path}?{query}", content, headers, expect=201)

    def put(self, repository, content, tag=None):
        """Puts a manifest or index under a tag, or only under its digest; answers the digest."""
        media_type = json.loads(content)["mediaType"]
        where = f"/v2/{repository}/manifests/{tag or digest(content)}"
        self._asked("PUT", where, content, {"Content-Type": media_type}, expect=201)
        return digest(content)

    def push(self, repository, tag, wasm, config=b"{}", **more):
        """Pushes an image with one layer; answers its digest."""
        for content in (wasm, config):
            self.blob(repository, content)
        return self.put(repository, manifest(wasm, config, **more), tag)

    def reference(self, repository, tag="latest"):
        """What names an image of it; a digest is one too."""
        return f"{self.host}/{repository}{'@' if tag.startswith('sha256:') else ':'}{tag}"

    def delete(self, repository, image):
        """Deletes an image by its digest."""
        self._asked("DELETE", f"/v2/{repository}/manifests/{image}", expect=202)

    def _asked(self, method, path, body=None, headers=None, expect=200):
        headers = dict(headers or {})
        if self.credentials:
            headers["Authorization"] = basic(*self.credentials)
        if self.certificate:
            context = ssl.create_default_context(cafile=self.certificate[0])
            connection = http.client.HTTPSConnection(self.host, timeout=20, context=context)
        else:
            connection = http.client.HTTPConnection(self.host, timeout=20)
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status == expect, (method, path, answer.status, said)
            return answer
        finally:
            connection.close()


def basic(user, password):
    """An Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _listening(stream, lines):
    for line in stream:
        found = re.search(rb"listening on ([0-9.:]+)", line)
        if found:
            lines.put(found.group(1).decode())
    lines.put(None)


class Liar:
    """A registry that answers what a test wants.

    `answers` maps a path, with or without its query, to `(status, headers, body)` or to a call of the request.
    """

    def __init__(self):
        self.answers, self.seen = {}, []
        liar = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                headers = {name.lower(): value for name, value in self.headers.items()}
                liar.seen.append((self.path, headers))
                answer = liar.answers.get(self.path) or liar.answers.get(self.path.split("?")[0])
                if callable(answer):
                    answer = answer(self)
                if answer is None:
                    answer = (404, {}, b"{}")
                if answer == "said":
                    return
                status, headers, body = answer
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    if value is not None:
                        self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.answers["/v2/"] = (200, {}, b"{}")
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        """Closes it."""
        self.server.shutdown()
        self.server.server_close()

    def hold(self, repository, tag, wasm, **more):
        """An image as it should be, for tests to spoil; answers the manifest's digest."""
        content = manifest(wasm, **more)
        for name in (tag, digest(content)):
            self.answers[f"/v2/{repository}/manifests/{name}"] = (200, {"Content-Type": MANIFEST}, content)
        self.answers[f"/v2/{repository}/blobs/{digest(wasm)}"] = (200, {}, wasm)
        return digest(content)

    def asked(self, path):
        """The headers of each request for a path, names in lower case."""
        return [headers for seen, headers in self.seen if seen.split("?")[0] == path]


def layout(directory, images, version="1.0.0"):
    """Writes an OCI image layout of `{tag: manifest bytes}`, with what `blobs` the caller adds beside."""
    directory = pathlib.Path(directory)
    (directory / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    (directory / "oci-layout").write_text(json.dumps({"imageLayoutVersion": version}))
    entries = []
    for tag, content in images.items():
        put_blob(directory, content)
        media_type = json.loads(content)["mediaType"]
        more = {"annotations": {"org.opencontainers.image.ref.name": tag}} if tag else {}
        entries.append(descriptor(content, media_type, **more))
    (directory / "index.json").write_bytes(encoded({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}))
    return directory


def put_blob(directory, content):
    """Adds a blob to a layout; answers its path."""
    path = pathlib.Path(directory) / "blobs" / "sha256" / digest(content).removeprefix("sha256:")
    path.write_bytes(content)
    return path


# Daemons and functions


def settings(*insecure, **more):
    """The `[images]` section."""
    lines = ["[images]", f"insecure_registries = [{', '.join(repr(host) for host in insecure)}]"]
    lines += [f"{key} = {value!r}" for key, value in more.items()]
    return "\n".join(lines) + "\n"


def create(daemon, name, image, **more):
    """CreateFunction from an image."""
    members = {"PackageType": "Image", "Role": clients.ROLE} | more
    answer = daemon.lam.create_function(FunctionName=name, Code={"ImageUri": image}, **members)
    active(daemon.lam, name)
    return answer


def wasm(mark="0"):
    """A guest that answers its event, whose code differs from others by `mark`."""
    return packages.echo_module() + packages.section(0, b"\x04mark" + mark.encode())
