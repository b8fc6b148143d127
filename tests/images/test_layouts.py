"""Functions from OCI image layouts: directories on the daemon's machine."""

import os

import pytest

from harness.clients import refused
from harness.registry import create, digest, index, layout, manifest, put_blob, settings, wasm

INVALID = "InvalidParameterValueException"


@pytest.fixture
def allowed(tmp_path):
    """A directory below which layouts may be."""
    directory = tmp_path / "layouts"
    directory.mkdir()
    return directory


@pytest.fixture
def daemon(own_daemon, allowed):
    return own_daemon(settings(layout_directories=[str(allowed)])).start()


def written(directory, *tags):
    """A layout with a guest for each tag; their manifests' digests."""
    images = {tag: manifest(wasm(tag)) for tag in tags}
    layout(directory, images)
    for tag in tags:
        put_blob(directory, wasm(tag))
    return [digest(content) for content in images.values()]


def test_images_are_found_by_tag_by_digest_and_alone(daemon, allowed, names):
    one, two = written(allowed / "app", "v1", "v2")
    for image, pinned in (("v1", one), ("v2", two)):
        name = names()
        created = create(daemon, name, f"oci:{allowed}/app:{image}")
        assert created["CodeSha256"] == pinned.removeprefix("sha256:")
        code = daemon.lam.get_function(FunctionName=name)["Code"]
        assert code["ResolvedImageUri"] == f"oci:{allowed}/app@{pinned}" and code["ImageUri"].endswith(image)
        assert daemon.invoke(name, image).ok() == image
    name = names()
    created = create(daemon, name, f"oci:{allowed}/app@{two}")
    assert created["CodeSha256"] == two.removeprefix("sha256:")
    with refused(INVALID, 400, "several images"):
        daemon.lam.update_function_code(FunctionName=name, ImageUri=f"oci:{allowed}/app")
    (alone,) = written(allowed / "deep" / "er" / "alone", "v1")
    updated = daemon.lam.update_function_code(FunctionName=name, ImageUri=f"oci:{allowed}/deep/er/alone")
    assert updated["CodeSha256"] == alone.removeprefix("sha256:")


def test_an_index_in_a_layout_leads_to_its_wasm(daemon, allowed, name):
    guest = manifest(wasm())
    layout(allowed / "app", {"v1": index([(guest, "wasi/wasm")])})
    put_blob(allowed / "app", guest)
    put_blob(allowed / "app", wasm())
    assert create(daemon, name, f"oci:{allowed}/app:v1")["CodeSha256"] == digest(guest).removeprefix("sha256:")


def test_a_layout_that_is_gone_is_not_needed(daemon, allowed, name):
    written(allowed / "app", "v1")
    create(daemon, name, f"oci:{allowed}/app:v1")
    os.rename(allowed / "app", allowed / "moved")
    assert daemon.stop() == 0
    daemon.start()
    assert daemon.invoke(name, 1).ok() == 1
    with refused(INVALID, 400, "does not exist"):
        daemon.lam.update_function_code(FunctionName=name, ImageUri=f"oci:{allowed}/app:v1")


def test_only_listed_directories_are_read(daemon, own_daemon, allowed, tmp_path, name):
    written(tmp_path / "outside", "v1")
    written(allowed / "app", "v1")
    for image in (f"oci:{tmp_path}/outside:v1", f"oci:{allowed}-more/app:v1", "oci:/etc", "oci:/"):
        with refused(INVALID, 400, "images.layout_directories"):
            create(daemon, name, image)
    with refused(INVALID, 400, ". and .."):
        create(daemon, name, f"oci:{allowed}/../outside:v1")
    nothing = own_daemon("").start()
    with refused(INVALID, 400, "images.layout_directories"):
        create(nothing, name, f"oci:{allowed}/app:v1")


def test_links_lead_nowhere_else(daemon, allowed, tmp_path, name):
    written(tmp_path / "outside", "v1")
    (allowed / "link").symlink_to(tmp_path / "outside")
    with refused(INVALID, 400, "leads out"):
        create(daemon, name, f"oci:{allowed}/link:v1")
    written(allowed / "app", "v1")
    blob = put_blob(allowed / "app", wasm("v1"))
    blob.rename(tmp_path / "blob")
    blob.symlink_to(tmp_path / "blob")
    with refused(INVALID, 400, "leads out"):
        create(daemon, name, f"oci:{allowed}/app:v1")
    blob.unlink()
    os.mkfifo(blob)
    with refused(INVALID, 400, "no regular file"):
        create(daemon, name, f"oci:{allowed}/app:v1")
    # Within the directory a link is as good as what it leads to.
    written(allowed / "real", "v1")
    (allowed / "current").symlink_to("real")
    create(daemon, name, f"oci:{allowed}/current:v1")


def test_what_is_not_as_it_should_be_is_refused(daemon, allowed, name):
    image = f"oci:{allowed}/app:v1"
    with refused(INVALID, 400, "does not exist"):
        create(daemon, name, image)
    written(allowed / "app", "v1")
    with refused(INVALID, 400, "does not exist"):
        create(daemon, name, f"oci:{allowed}/app:v9")
    with refused(INVALID, 400, "does not exist"):
        create(daemon, name, f"oci:{allowed}/app@sha256:{'0' * 64}")
    blob = put_blob(allowed / "app", wasm("v1"))
    content = blob.read_bytes()
    for spoilt in (content[:-1] + b"x", content[:-1], content + b"x"):
        blob.write_bytes(spoilt)
        with refused(INVALID, 400):
            create(daemon, name, image)
    blob.write_bytes(content)
    of_manifest = put_blob(allowed / "app", manifest(wasm("v1")))
    of_manifest.write_bytes(manifest(wasm("other")))
    put_blob(allowed / "app", wasm("other"))
    with refused(INVALID, 400, "digest"):
        create(daemon, name, f"oci:{allowed}/app@{digest(manifest(wasm('v1')))}")
    with refused(INVALID, 400):
        create(daemon, name, image)
    layout(allowed / "app", {"v1": manifest(wasm("v1"))}, version="2.0.0")
    with refused(INVALID, 400, "version 1"):
        create(daemon, name, image)
    layout(allowed / "app", {"v1": manifest(wasm("v1"))})
    (allowed / "app" / "index.json").write_text("{")
    with refused(INVALID, 400, "index.json"):
        create(daemon, name, image)
