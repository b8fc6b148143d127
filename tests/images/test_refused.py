"""Images that are refused, and registries that misbehave."""

import threading

import pytest

from harness import packages
from harness.clients import refused
from harness.functions import create as create_zip
from harness.registry import (
    INDEX,
    MANIFEST,
    OLD_WASM_LAYER,
    USER,
    Liar,
    Registry,
    basic,
    create,
    digest,
    encoded,
    index,
    manifest,
    settings,
    wasm,
)

INVALID = "InvalidParameterValueException"
LIMIT = 262_144_000


@pytest.fixture
def daemon(image_daemon):
    return image_daemon


@pytest.fixture
def lied(own_daemon, liar):
    """A daemon that believes a liar, with little patience."""
    return own_daemon(settings(liar.host, pull_timeout_s=5)).start()


# What an image may be


@pytest.mark.parametrize(
    "more",
    [
        {"layer_type": OLD_WASM_LAYER, "config_type": "application/vnd.wasm.config.v1+json"},
        {"config_type": "application/vnd.oci.empty.v1+json", "artifactType": "application/wasm"},
    ],
    ids=["older", "oras"],
)
def test_other_forms_of_wasm_artifacts_are_taken(daemon, registry, name, more):
    registry.push("forms", name.lower(), wasm(), **more)
    create(daemon, name, registry.reference("forms", name.lower()))
    assert daemon.invoke(name, 7).ok() == 7


def test_an_index_leads_to_its_wasm(daemon, registry, name):
    content, config = wasm("of the index"), b"{}"
    linux = manifest(
        b"tar", config, "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar"
    )
    for blob in (content, config, b"tar"):
        registry.blob("indexed", blob)
    guest = manifest(content, config)
    registry.put("indexed", linux)
    pinned = registry.put("indexed", guest)
    top = registry.put("indexed", index([(linux, "linux/amd64"), (guest, "wasi/wasm")]), "v1")
    created = create(daemon, name, registry.reference("indexed", "v1"))
    # What is pinned is what runs.
    assert created["CodeSha256"] == pinned.removeprefix("sha256:")
    assert daemon.invoke(name, 1).ok() == 1
    updated = daemon.lam.update_function_code(FunctionName=name, ImageUri=registry.reference("indexed", top))
    assert updated["CodeSha256"] == pinned.removeprefix("sha256:")
    registry.put("indexed", index([(linux, "linux/amd64")]), "v2")
    with refused(INVALID, 400, "no manifest for wasi/wasm, but linux/amd64"):
        daemon.lam.update_function_code(FunctionName=name, ImageUri=registry.reference("indexed", "v2"))


def test_a_container_image_is_refused(daemon, registry, name):
    types = {"config_type": "application/vnd.oci.image.config.v1+json"}
    registry.push("linux", "v1", b"tar", layer_type="application/vnd.oci.image.layer.v1.tar+gzip", **types)
    says = "media type for the source image"
    with refused(INVALID, 400, says) as refusal:
        create(daemon, name, registry.reference("linux", "v1"))
    assert "application/vnd.oci.image.config.v1+json" in refusal.message
    registry.push("linux", "v2", wasm(), **types)
    with refused(INVALID, 400, says):
        create(daemon, name, registry.reference("linux", "v2"))


def test_artifacts_that_are_almost_wasm_are_refused(daemon, registry, name):
    registry.push("almost", "tar", wasm(), layer_type="application/vnd.oci.image.layer.v1.tar")
    registry.push("almost", "text", b"(module)")
    registry.push("almost", "zip", packages.package("hello"))
    registry.push("almost", "nothing", b"")
    two = [{"mediaType": "application/wasm", "digest": digest(wasm()), "size": len(wasm())}] * 2
    registry.push("almost", "one", wasm())
    registry.put("almost", manifest(wasm(), layers=two), "two")
    for tag in ("tar", "text", "zip", "nothing", "two"):
        with refused(INVALID, 400, "not supported"):
            create(daemon, name, registry.reference("almost", tag))
    registry.push("almost", "broken", b"\0asm" + bytes(40))
    with refused(INVALID, 400):
        create(daemon, name, registry.reference("almost", "broken"))


# Where it may be


@pytest.mark.parametrize(
    ("image", "says"),
    [
        ("app", "names no registry"),
        ("library/app:v1", "names no registry"),
        ("ghcr.io/a/b:v1", "images.registries"),
        ("HOST/Upper:v1", "not valid"),
        ("HOST/a:b:c", "not valid"),
        ("HOST/a@sha256:123", "not valid"),
        ("HOST/a@sha512:" + "0" * 128, "digest"),
        ("127.0.0.1:1/a:v1", "images.registries"),
        ("http://HOST/a:v1", "not valid"),
        ("HOST/" + "a" * 2000, "not valid"),
        ("oci:/srv/images:v1", "images.layout_directories"),
        ("oci:relative", "absolute"),
    ],
)
def test_references_are_refused_before_anything_is_asked(daemon, registry, name, image, says):
    with refused(INVALID, 400, says):
        create(daemon, name, image.replace("HOST", registry.host))


def test_what_is_not_there_is_said_as_aws_says_it(daemon, registry, name):
    registry.push("there", "v1", wasm())
    for image in (
        registry.reference("there", "v2"),
        registry.reference("nowhere", "v1"),
        registry.reference("there", "sha256:" + "0" * 64),
    ):
        with refused(INVALID, 400, f"Source image {image} does not exist. Provide a valid source image."):
            create(daemon, name, image)
    with refused("ResourceNotFoundException", 404):
        daemon.lam.get_function(FunctionName=name)


def test_a_registry_that_is_not_there_is_said_to_be(own_daemon, name):
    daemon = own_daemon(settings("127.0.0.1:1")).start()
    with refused(INVALID, 400, "could not be pulled"):
        create(daemon, name, "127.0.0.1:1/a:v1")


def test_a_function_that_exists_is_not_pulled_for(lied, liar, name):
    liar.hold("a", "v1", wasm())
    create(lied, name, f"{liar.host}/a:v1")
    before = len(liar.seen)
    with refused("ResourceConflictException", 409):
        create(lied, name, f"{liar.host}/a:v1")
    with refused("ResourceNotFoundException", 404):
        lied.lam.update_function_code(FunctionName="nobody", ImageUri=f"{liar.host}/a:v1")
    with refused("PreconditionFailedException", 412):
        lied.lam.update_function_code(FunctionName=name, ImageUri=f"{liar.host}/a:v1", RevisionId="x")
    assert len(liar.seen) == before


# Who may have it


def test_credentials_come_from_their_file(own_daemon, tmp_path, name):
    registry = Registry(tmp_path / "registry", auth=True).start()
    try:
        pinned = registry.push("private", "v1", wasm())
        file = tmp_path / "registries.json"

        def write(password, mode=0o600):
            auth = basic(USER, password).removeprefix("Basic ")
            file.write_bytes(encoded({"auths": {registry.host: {"auth": auth}}}))
            file.chmod(mode)

        write("correct horse")
        daemon = own_daemon(settings(registry.host, credentials_file=str(file))).start()
        created = create(daemon, name, registry.reference("private", "v1"))
        assert created["CodeSha256"] == pinned.removeprefix("sha256:")
        # They are read at every pull.
        for spoil in (lambda: write("wrong"), lambda: write("correct horse", 0o644), lambda: file.write_text("{")):
            spoil()
            with refused("AccessDeniedException", 403, "does not have permission to access the source image"):
                daemon.lam.update_function_code(FunctionName=name, ImageUri=registry.reference("private", "v1"))
        file.unlink()
        with refused("AccessDeniedException", 403):
            daemon.lam.update_function_code(FunctionName=name, ImageUri=registry.reference("private", "v1"))
        write("correct horse")
        daemon.lam.update_function_code(FunctionName=name, ImageUri=registry.reference("private", "v1"))
        assert "correct horse" not in daemon.log.read_text()
        anonymous = own_daemon(settings(registry.host)).start()
        with refused("AccessDeniedException", 403):
            create(anonymous, name, registry.reference("private", "v1"))
    finally:
        registry.stop()


def test_tokens_are_fetched_where_the_registry_says(own_daemon, liar, tmp_path, name):
    liar.hold("scoped", "v1", wasm())
    held = dict(liar.answers)
    challenge = {"WWW-Authenticate": f'Bearer realm="http://{liar.host}/token",service="tests"'}

    def guarded(path):
        def answer(handler):
            known = handler.headers.get("Authorization") == "Bearer secret-token"
            return held[path] if known else (401, challenge, b"{}")

        return answer

    for path in held:
        liar.answers[path] = guarded(path)
    liar.answers["/token"] = (200, {}, b'{"token": "secret-token"}')
    file = tmp_path / "registries.json"
    file.write_bytes(encoded({"auths": {liar.host: {"username": USER, "password": "pw"}}}))
    file.chmod(0o600)
    daemon = own_daemon(settings(liar.host, credentials_file=str(file))).start()
    create(daemon, name, f"{liar.host}/scoped:v1")
    assert daemon.invoke(name, 1).ok() == 1
    asked = [path for path, _ in liar.seen if path.startswith("/token")]
    assert asked and all("scope=repository%3Ascoped%3Apull" in path and "service=tests" in path for path in asked)
    assert all(headers["authorization"] == basic(USER, "pw") for headers in liar.asked("/token"))
    liar.answers["/token"] = (200, {}, b'{"token": "line\\nbreak"}')
    with refused((INVALID, "AccessDeniedException")):
        daemon.lam.update_function_code(FunctionName=name, ImageUri=f"{liar.host}/scoped:v1")
    assert daemon.healthy()


# What registries may not do


def test_what_does_not_have_its_digest_is_refused(lied, liar, name):
    content = wasm()
    other = content[:-1] + b"x"
    pinned = liar.hold("spoilt", "v1", content)
    blob = f"/v2/spoilt/blobs/{digest(content)}"
    image = f"{liar.host}/spoilt:v1"
    for answer in ((200, {}, other), (200, {"Docker-Content-Digest": digest(other)}, other)):
        liar.answers[blob] = answer
        with refused(INVALID, 400, "is not valid"):
            create(lied, name, image)
    # Shorter and longer than the manifest says.
    for body in (content[:-1], content + b"x"):
        liar.answers[blob] = (200, {}, body)
        with refused(INVALID, 400):
            create(lied, name, image)
    # A manifest under another's digest.
    liar.hold("spoilt", "v1", content)
    liar.answers[f"/v2/spoilt/manifests/{pinned}"] = (200, {"Content-Type": MANIFEST}, manifest(other))
    with refused(INVALID, 400, "is not valid"):
        create(lied, name, f"{liar.host}/spoilt@{pinned}")
    liar.answers["/v2/spoilt/manifests/v1"] = (200, {"Docker-Content-Digest": digest(b"")}, manifest(content))
    with refused(INVALID, 400, "is not valid"):
        create(lied, name, image)
    # The manifest behind an index.
    entry = manifest(content)
    liar.answers["/v2/spoilt/manifests/v1"] = (200, {"Content-Type": INDEX}, index([(entry, "wasi/wasm")]))
    liar.answers[f"/v2/spoilt/manifests/{digest(entry)}"] = (200, {"Content-Type": MANIFEST}, manifest(other))
    with refused(INVALID, 400, "is not valid"):
        create(lied, name, image)


def test_an_index_in_an_index_is_refused(lied, liar, name):
    inner = index([(manifest(wasm()), "wasi/wasm")])
    outer = index([(inner, "wasi/wasm")])
    liar.answers["/v2/nested/manifests/v1"] = (200, {"Content-Type": INDEX}, outer)
    liar.answers[f"/v2/nested/manifests/{digest(inner)}"] = (200, {"Content-Type": INDEX}, inner)
    with refused(INVALID, 400, "another index"):
        create(lied, name, f"{liar.host}/nested:v1")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"nonsense", b"[" * 100_000, b'{"schemaVersion": 1}', b'{"schemaVersion": 2}'], ids=repr
)
def test_manifests_that_are_none_are_refused(lied, liar, body, name):
    liar.answers["/v2/odd/manifests/v1"] = (200, {}, body)
    with refused(INVALID, 400):
        create(lied, name, f"{liar.host}/odd:v1")
    assert lied.healthy()


def test_what_is_too_large_is_refused_by_its_word_and_by_its_size(lied, liar, name):
    content = wasm()
    image = f"{liar.host}/large:v1"

    def claim(size):
        layers = [{"mediaType": "application/wasm", "digest": digest(content), "size": size}]
        liar.answers["/v2/large/manifests/v1"] = (200, {"Content-Type": MANIFEST}, manifest(content, layers=layers))

    claim(LIMIT + 1)
    with refused(INVALID, 400, f"more than {LIMIT}"):
        create(lied, name, image)
    assert not any("/blobs/" in path for path, _ in liar.seen)
    # More than the manifest says, with and without a length.
    claim(70_000)
    more = b"\0asm" + bytes(200_000)
    blob = f"/v2/large/blobs/{digest(content)}"
    for headers in ({}, {"Content-Length": None, "Connection": "close"}):
        liar.answers[blob] = (200, headers, more)
        with refused(INVALID, 400, "sends more than 70000 bytes"):
            create(lied, name, image)
    huge = b'{"schemaVersion": 2, "a": "' + b"x" * (4 << 20) + b'"}'
    for headers in ({}, {"Content-Length": None, "Connection": "close"}):
        liar.answers["/v2/large/manifests/v1"] = (200, headers, huge)
        with refused(INVALID, 400, "sends more than 4194304 bytes"):
            create(lied, name, image)
    # An error's body and a token are bounded as well.
    liar.answers["/v2/large/manifests/v1"] = (500, {}, huge)
    with refused(INVALID, 400, "sends more than"):
        create(lied, name, image)


def test_redirects_lead_only_where_images_may_come_from(lied, liar, name):
    content = wasm()
    liar.hold("sent", "v1", content)
    blob = f"/v2/sent/blobs/{digest(content)}"
    kept = liar.answers[blob]
    other = Liar()
    try:
        other.answers["/elsewhere"] = kept
        liar.answers["/here"] = kept
        image = f"{liar.host}/sent:v1"
        for location, says in (
            ("https://169.254.169.254/latest/meta-data/", "which images may not come from"),
            ("http://169.254.169.254/latest/meta-data/", "without TLS"),
            ("https://[fd00:ec2::254]/", "which images may not come from"),
            ("https://127.0.0.1:1/", "which images may not come from"),
            ("https://localhost:1/", "which images may not come from"),
            (f"http://{other.host}/elsewhere", "without TLS"),
            ("http://example.com/", "without TLS"),
            ("ftp://example.com/", "without TLS"),
            ("relative", "no URL"),
            (blob, "redirects more than"),
        ):
            liar.answers[blob] = (307, {"Location": location}, b"")
            with refused(INVALID, 400, says):
                create(lied, name, image)
        assert not other.seen
        for location in ("/here", f"http://{liar.host}/here", f"//{liar.host}/here"):
            liar.answers[blob] = (302, {"Location": location}, b"")
            lied.lam.create_function(
                FunctionName=name,
                PackageType="Image",
                Role="arn:aws:iam::000000000000:role/r",
                Code={"ImageUri": image},
            )
            lied.lam.delete_function(FunctionName=name)
    finally:
        other.stop()


def test_a_token_server_is_held_to_the_same_places(lied, liar, name):
    liar.hold("guarded", "v1", wasm())
    for realm in ("http://169.254.169.254/token", "https://169.254.169.254/token", "https://127.0.0.1:1/token"):
        challenge = {"WWW-Authenticate": f'Bearer realm="{realm}",service="s"'}
        liar.answers["/v2/"] = (401, challenge, b"{}")
        liar.answers["/v2/guarded/manifests/v1"] = (401, challenge, b"{}")
        with refused(INVALID, 400, "which images may not come from"):
            create(lied, name, f"{liar.host}/guarded:v1")


def test_credentials_do_not_follow_a_redirect_to_another_host(own_daemon, liar, tmp_path, name):
    content = wasm()
    liar.hold("led", "v1", content)
    blob = f"/v2/led/blobs/{digest(content)}"
    other = Liar()
    try:
        other.answers["/elsewhere"] = liar.answers[blob]
        liar.answers["/v2/"] = (401, {"WWW-Authenticate": 'Basic realm="r"'}, b"{}")
        liar.answers[blob] = (307, {"Location": f"http://{other.host}/elsewhere"}, b"")
        file = tmp_path / "registries.json"
        file.write_bytes(encoded({"auths": {liar.host: {"username": "u", "password": "p"}}}))
        file.chmod(0o600)
        daemon = own_daemon(settings(liar.host, other.host, credentials_file=str(file))).start()
        create(daemon, name, f"{liar.host}/led:v1")
        assert all("authorization" in headers for headers in liar.asked(blob))
        assert other.asked("/elsewhere") and not any("authorization" in one for one in other.asked("/elsewhere"))
    finally:
        other.stop()


def test_a_slow_registry_holds_up_only_its_own_pulls(own_daemon, liar, registry, names):
    hold, entered = threading.Event(), threading.Semaphore(0)

    def slow(handler):
        entered.release()
        hold.wait(30)
        return 404, {}, b"{}"

    liar.answers["/v2/slow/manifests/v1"] = slow
    registry.push("quick", "v1", wasm())
    daemon = own_daemon(settings(liar.host, registry.host, pull_timeout_s=4, max_pulls=2)).start()
    quick = names()
    create(daemon, quick, registry.reference("quick", "v1"))
    outcomes = []

    def pull(function):
        try:
            with refused((INVALID, "TooManyRequestsException")) as refusal:
                create(daemon, function, f"{liar.host}/slow:v1")
        except AssertionError as error:
            outcomes.append(error)
        else:
            outcomes.append((refusal.code, refusal.message))

    pulls = [threading.Thread(target=pull, args=(names(),)) for _ in range(3)]
    for thread in pulls:
        thread.start()
    assert entered.acquire(timeout=20) and entered.acquire(timeout=20)
    # As many pulls as may be are stuck, and a collection of unused code could run: nothing else waits.
    assert daemon.invoke(quick, 1).ok() == 1
    assert daemon.lam.update_function_configuration(FunctionName=quick, Description="d")["Description"] == "d"
    zipped = names()
    create_zip(daemon.lam, zipped, packages.text_package("invoke_echo.command"))
    assert daemon.invoke(zipped, 1).ok() == 1
    for thread in pulls:
        thread.join(30)
    hold.set()
    assert sorted(code for code, _ in outcomes) == [INVALID, INVALID, "TooManyRequestsException"], outcomes
    assert all("within 4 s" in message for code, message in outcomes if code == INVALID)


def test_a_registry_that_breaks_off_is_said_to(lied, liar, name):
    content = wasm()
    liar.hold("off", "v1", content)

    def broken(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:100])
        handler.close_connection = True
        return "said"

    liar.answers[f"/v2/off/blobs/{digest(content)}"] = broken
    with refused(INVALID, 400, "could not be pulled"):
        create(lied, name, f"{liar.host}/off:v1")
    liar.answers["/v2/off/manifests/v1"] = (503, {}, b"busy")
    with refused(INVALID, 400, "status 503"):
        create(lied, name, f"{liar.host}/off:v1")
    liar.answers["/v2/off/manifests/v1"] = (403, {}, b"{}")
    with refused("AccessDeniedException", 403):
        create(lied, name, f"{liar.host}/off:v1")
