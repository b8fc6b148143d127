"""Functions whose code is an image: how they are created, shown, updated, published and run."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from harness import clients, packages
from harness.clients import refused
from harness.functions import active
from harness.functions import create as create_zip
from harness.registry import create, digest, settings, wasm

INVALID = "InvalidParameterValueException"


@pytest.fixture
def daemon(image_daemon):
    return image_daemon


@pytest.fixture
def lam(daemon):
    return daemon.lam


def test_an_image_is_pulled_created_shown_and_invoked(daemon, lam, registry, name):
    pinned = registry.push("shown", "v1", wasm())
    image = registry.reference("shown", "v1")
    created = create(daemon, name, image)
    assert (created["PackageType"], created["CodeSize"]) == ("Image", 0)
    assert created["CodeSha256"] == pinned.removeprefix("sha256:")
    assert created["State"] == "Active" and created["LastUpdateStatus"] == "Successful"
    assert not {"Runtime", "Handler", "RuntimeVersionConfig", "ImageConfigResponse", "Layers"} & created.keys()
    assert daemon.invoke(name, {"a": 1}).ok() == {"a": 1}
    found = lam.get_function(FunctionName=name)
    expected = {"RepositoryType": "ECR", "ImageUri": image, "ResolvedImageUri": f"{registry.host}/shown@{pinned}"}
    assert found["Code"] == expected
    assert found["Configuration"]["PackageType"] == "Image"
    listed = {one["FunctionName"]: one for one in lam.list_functions()["Functions"]}
    assert listed[name]["PackageType"] == "Image" and listed[name]["CodeSha256"] == created["CodeSha256"]
    registry.push("shown", "v2", packages.built("command_ops"))
    lam.update_function_code(FunctionName=name, ImageUri=registry.reference("shown", "v2"))
    environment = daemon.invoke(name, {"op": "env"}).ok()
    assert not {"_HANDLER", "AWS_EXECUTION_ENV"} & environment.keys()
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == name


def test_a_tag_that_moves_changes_nothing_until_the_code_is_updated(daemon, lam, registry, name):
    first = registry.push("moves", "live", wasm("one"))
    image = registry.reference("moves", "live")
    create(daemon, name, image, Publish=True)
    second = registry.push("moves", "live", wasm("two"))
    assert first != second
    assert lam.get_function(FunctionName=name)["Code"]["ResolvedImageUri"].endswith(first)
    # What is published next is still what was pulled.
    lam.update_function_configuration(FunctionName=name, MemorySize=256)
    assert lam.publish_version(FunctionName=name)["CodeSha256"] == first.removeprefix("sha256:")
    updated = lam.update_function_code(FunctionName=name, ImageUri=image)
    assert updated["CodeSha256"] == second.removeprefix("sha256:")
    third = lam.publish_version(FunctionName=name, CodeSha256=second.removeprefix("sha256:"))
    assert third["Version"] == "3"
    for qualifier, pinned in (("1", first), ("2", first), ("3", second), ("$LATEST", second)):
        code = lam.get_function(FunctionName=name, Qualifier=qualifier)["Code"]
        assert code["ResolvedImageUri"] == f"{registry.host}/moves@{pinned}", qualifier
        assert code["ImageUri"] == image
        assert daemon.invoke(name, {"v": qualifier}, Qualifier=qualifier).ok() == {"v": qualifier}


def test_the_same_digest_is_the_same_code(daemon, lam, registry, name):
    pinned = registry.push("same", "a", wasm())
    registry.push("same", "b", wasm())
    create(daemon, name, registry.reference("same", "a"), Publish=True)
    lam.update_function_code(FunctionName=name, ImageUri=registry.reference("same", "b"))
    again = lam.update_function_code(FunctionName=name, ImageUri=registry.reference("same", pinned), Publish=True)
    assert again["Version"] == "1"
    assert lam.publish_version(FunctionName=name)["Version"] == "1"
    assert lam.get_function(FunctionName=name)["Code"]["ImageUri"] == registry.reference("same", pinned)


def test_a_digest_names_an_image_without_a_tag(daemon, registry, name):
    pinned = registry.push("by-digest", "gone", wasm("kept"))
    registry.push("by-digest", "gone", wasm("other"))
    created = create(daemon, name, registry.reference("by-digest", pinned))
    assert created["CodeSha256"] == pinned.removeprefix("sha256:")
    both = f"{registry.host}/by-digest:gone@{pinned}"
    assert daemon.lam.update_function_code(FunctionName=name, ImageUri=both)["CodeSha256"] == created["CodeSha256"]


def test_no_tag_is_latest(daemon, registry, name):
    pinned = registry.push("team/untagged", "latest", wasm())
    created = create(daemon, name, f"{registry.host}/team/untagged")
    assert created["CodeSha256"] == pinned.removeprefix("sha256:")


def test_a_dry_run_pulls_and_changes_nothing(daemon, lam, registry, name):
    registry.push("dry", "v1", wasm("one"))
    second = registry.push("dry", "v2", wasm("two"))
    before = create(daemon, name, registry.reference("dry", "v1"))
    tried = lam.update_function_code(FunctionName=name, ImageUri=registry.reference("dry", "v2"), DryRun=True)
    assert tried["CodeSha256"] == second.removeprefix("sha256:")
    after = lam.get_function_configuration(FunctionName=name)
    assert (after["CodeSha256"], after["RevisionId"]) == (before["CodeSha256"], before["RevisionId"])
    with refused(INVALID, 400, "does not exist"):
        lam.update_function_code(FunctionName=name, ImageUri=registry.reference("dry", "v3"), DryRun=True)


def test_publish_version_asks_for_the_digest(daemon, lam, registry, name):
    registry.push("asked", "v1", wasm())
    create(daemon, name, registry.reference("asked", "v1"))
    with refused(INVALID, 400, "CodeSHA256 is different"):
        lam.publish_version(FunctionName=name, CodeSha256="0" * 64)
    with refused("PreconditionFailedException", 412):
        image = registry.reference("asked", "v1")
        lam.update_function_code(FunctionName=name, ImageUri=image, RevisionId="another")


@pytest.mark.parametrize("member", [{"Runtime": "provided.al2023"}, {"Handler": "bootstrap"}])
def test_runtime_and_handler_are_not_for_images(daemon, lam, registry, name, member):
    registry.push("bare", "v1", wasm())
    image, says = registry.reference("bare", "v1"), "Please don't provide Handler or Runtime or Layer"
    with refused(INVALID, 400, says):
        create(daemon, name, image, **member)
    create(daemon, name, image)
    with refused(INVALID, 400, says):
        lam.update_function_configuration(FunctionName=name, **member)


def test_layers_and_code_signing_are_not_for_images(daemon, lam, registry, name):
    registry.push("bare", "v1", wasm())
    image = registry.reference("bare", "v1")
    archive = packages.archive({"a.txt": b"a"})
    layer = lam.publish_layer_version(LayerName=name, Content={"ZipFile": archive})["LayerVersionArn"]
    with refused(INVALID, 400, "Please don't provide Handler or Runtime or Layer"):
        create(daemon, name, image, Layers=[layer])
    profile = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/release/0123456789"
    config = lam.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": [profile]})
    arn = config["CodeSigningConfig"]["CodeSigningConfigArn"]
    with refused(INVALID, 400, "Code signing is not supported"):
        create(daemon, name, image, CodeSigningConfigArn=arn)
    create(daemon, name, image, Layers=[])
    with refused(INVALID, 400, "Please don't provide Handler or Runtime or Layer"):
        lam.update_function_configuration(FunctionName=name, Layers=[layer])
    with refused(INVALID, 400, "Code signing is not supported"):
        lam.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=arn)


def test_the_package_type_is_for_good(daemon, lam, registry, names):
    registry.push("bare", "v1", wasm())
    image, zipped, image_name, zip_name = registry.reference("bare", "v1"), packages.package("hello"), names(), names()
    create(daemon, image_name, image)
    with refused(INVALID, 400, "Please provide ImageUri when updating a function with packageType Image."):
        lam.update_function_code(FunctionName=image_name, ZipFile=zipped)
    create_zip(lam, zip_name, zipped)
    with refused(INVALID, 400, "Please don't provide ImageUri when updating a function with packageType Zip."):
        lam.update_function_code(FunctionName=zip_name, ImageUri=image)
    with refused(INVALID, 400, "Please don't provide ImageConfig"):
        lam.update_function_configuration(FunctionName=zip_name, ImageConfig={"Command": ["a"]})


def test_code_and_package_type_have_to_agree(lam, registry, name):
    registry.push("bare", "v1", wasm())
    image, zipped = registry.reference("bare", "v1"), packages.package("hello")

    def made(code, **more):
        lam.create_function(FunctionName=name, Role=clients.ROLE, Code=code, **more)

    zip_members = {"Runtime": "provided.al2023", "Handler": "bootstrap"}
    with refused(INVALID, 400, "Please provide ImageUri"):
        made({"ZipFile": zipped}, PackageType="Image")
    with refused(INVALID, 400, "Please provide ImageUri"):
        made({}, PackageType="Image")
    for more in (zip_members, zip_members | {"PackageType": "Zip"}):
        with refused(INVALID, 400, "Please don't provide ImageUri"):
            made({"ImageUri": image}, **more)
    with refused(INVALID, 400, "only one source"):
        made({"ImageUri": image, "ZipFile": zipped}, **zip_members)
    with refused("ValidationException", 400, "'packageType'"):
        made({"ImageUri": image}, PackageType="Tar")


def test_image_config_gives_the_guest_its_arguments(daemon, lam, registry, name):
    registry.push("arguments", "v1", packages.built("command_ops"))
    config = {"EntryPoint": ["app", "serve"], "Command": ["--fast", "zwölf"], "WorkingDirectory": "/"}
    created = create(daemon, name, registry.reference("arguments", "v1"), ImageConfig=config, Publish=True)
    assert created["ImageConfigResponse"] == {"ImageConfig": config}
    assert daemon.invoke(name, {"op": "arguments"}).ok() == ["app", "serve", "--fast", "zwölf"]
    changed = lam.update_function_configuration(FunctionName=name, ImageConfig={"Command": ["only"]})
    assert changed["ImageConfigResponse"] == {"ImageConfig": {"Command": ["only"]}}
    assert daemon.invoke(name, {"op": "arguments"}).ok() == ["only"]
    assert daemon.invoke(name, {"op": "arguments"}, Qualifier="1").ok() == ["app", "serve", "--fast", "zwölf"]
    unchanged = lam.update_function_configuration(FunctionName=name, Description="d")
    assert unchanged["ImageConfigResponse"] == {"ImageConfig": {"Command": ["only"]}}
    reset = lam.update_function_configuration(FunctionName=name, ImageConfig={})
    assert "ImageConfigResponse" not in reset
    assert daemon.invoke(name, {"op": "arguments"}).ok() == []


@pytest.mark.parametrize(
    ("config", "code", "says"),
    [
        ({"WorkingDirectory": "/srv"}, INVALID, "WorkingDirectory"),
        ({"WorkingDirectory": "/" + "a" * 1000}, "ValidationException", "1000"),
        ({"Command": ["a"] * 1501}, "ValidationException", "1500"),
        ({"EntryPoint": ["a\0b"]}, INVALID, "NUL"),
        ({"Command": ["a" * 40_000]}, INVALID, "bytes"),
    ],
    ids=["directory", "long-directory", "1501", "nul", "40-kB"],
)
def test_image_config_out_of_bounds_is_refused(daemon, registry, name, config, code, says):
    registry.push("bare", "v1", wasm())
    with refused(code, 400, says):
        create(daemon, name, registry.reference("bare", "v1"), ImageConfig=config)


def test_components_and_modules_alike(daemon, registry, names):
    for guest in ("invoke_ops", "command_ops"):
        name = names()
        registry.push(f"guests/{guest.replace('_', '-')}", "v1", packages.built(guest))
        create(daemon, name, registry.reference(f"guests/{guest.replace('_', '-')}", "v1"))
        assert daemon.invoke(name, {"a": 5}).ok() == {"a": 5}


def test_the_cli_of_aws_creates_and_updates(daemon, registry, name):
    first, second = registry.push("aws", "v1", wasm("one")), registry.push("aws", "v2", wasm("two"))

    def aws(*arguments):
        program = pathlib.Path(sys.executable).parent / "aws"
        environment = os.environ | {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_PAGER": ""}
        done = subprocess.run(
            [program, "--endpoint-url", daemon.api, "--region", "us-east-1", "--output", "json", "lambda", *arguments],
            env=environment,
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None

    image = f"ImageUri={registry.reference('aws', 'v1')}"
    function = ("--function-name", name)
    created = aws("create-function", *function, "--package-type", "Image", "--code", image, "--role", clients.ROLE)
    assert created["CodeSha256"] == first.removeprefix("sha256:")
    aws("wait", "function-active-v2", *function)
    updated = aws("update-function-code", *function, "--image-uri", registry.reference("aws", "v2"))
    assert updated["CodeSha256"] == second.removeprefix("sha256:")
    aws("wait", "function-updated-v2", *function)
    assert aws("get-function", *function)["Code"]["ResolvedImageUri"].endswith(second)


def test_lamina_deploys_images(daemon, registry, name):
    first = registry.push("deployed", "v1", wasm("one"))
    image = registry.reference("deployed", "v1")
    said = daemon.lamina("deploy", name, "--image", image, "--alias", "live").stdout.decode()
    assert "created" in said and image in said
    again = json.loads(daemon.lamina("deploy", name, "--image", image, "--output", "json").stdout)
    assert again["Result"] == "unchanged" and again["Function"]["CodeSha256"] == first.removeprefix("sha256:")
    moved = registry.push("deployed", "v1", wasm("two"))
    updated = json.loads(daemon.lamina("deploy", name, "--image", image, "--publish", "--output", "json").stdout)
    assert updated["Result"] == "updated" and updated["Function"]["CodeSha256"] == moved.removeprefix("sha256:")
    assert updated["Function"]["Version"] == "2"
    failed = daemon.lamina("deploy", name, "--image", registry.reference("deployed", "none"), check=False)
    assert failed.returncode != 0 and b"does not exist" in failed.stderr


def test_without_the_registry_functions_go_on_after_a_restart(own_daemon, registry, name):
    pinned = registry.push("kept", "v1", wasm())
    registry.push("kept", "v2", wasm("two"))
    daemon = own_daemon(settings(registry.host)).start()
    create(daemon, name, registry.reference("kept", "v1"), Publish=True)
    assert daemon.stop() == 0
    registry.delete("kept", pinned)
    daemon.config.write_text("")
    daemon.start()
    assert daemon.invoke(name, [1]).ok() == [1] and daemon.invoke(name, [2], Qualifier="1").ok() == [2]
    found = daemon.lam.get_function(FunctionName=name)
    assert found["Code"]["ResolvedImageUri"].endswith(pinned)
    # Changed configuration needs no registry either.
    assert daemon.lam.update_function_configuration(FunctionName=name, MemorySize=256)["MemorySize"] == 256
    assert daemon.invoke(name, [3]).ok() == [3]
    with refused(INVALID, 400, "images.registries"):
        daemon.lam.update_function_code(FunctionName=name, ImageUri=registry.reference("kept", "v2"))


def test_the_wasm_is_a_package_of_the_store(daemon, registry, name):
    content = wasm("stored")
    registry.push("stored", "v1", content)
    create(daemon, name, registry.reference("stored", "v1"))
    hexed = digest(content).removeprefix("sha256:")
    assert (daemon.data / "blobs" / hexed[:2] / hexed).exists() or list((daemon.data / "blobs").rglob(f"*{hexed}*"))


def test_a_pending_image_is_finished_without_its_registry(own_daemon, registry, name):
    content = packages.many_functions(1_500)
    pinned = registry.push("pending", "v1", content)
    image = registry.reference("pending", "v1")
    daemon = own_daemon(settings(registry.host), environment={"LAMINA_SANDBOX_PENDING_AFTER_MS": "0"}).start()
    code = {"ImageUri": image}
    made = daemon.lam.create_function(
        FunctionName=name, Code=code, PackageType="Image", Role=clients.ROLE, Publish=True
    )
    assert (made["State"], made["PackageType"], made["Version"]) == ("Pending", "Image", "1")
    assert made["CodeSha256"] == pinned.removeprefix("sha256:") and "Runtime" not in made
    found = daemon.lam.get_function(FunctionName=name)["Code"]
    assert found["ImageUri"] == image and found["ResolvedImageUri"].endswith(pinned)
    # What is compiled was pulled before the answer.
    daemon.kill()
    daemon.config.write_text("")
    daemon.start()
    active(daemon.lam, name)
    for qualifier in ("$LATEST", "1"):
        found = daemon.lam.get_function(FunctionName=name, Qualifier=qualifier)
        assert found["Code"]["ResolvedImageUri"].endswith(pinned)
        assert found["Configuration"]["CodeSha256"] == pinned.removeprefix("sha256:")


def test_an_image_that_cannot_be_pulled_is_told_at_once(own_daemon, registry, name):
    daemon = own_daemon(settings(registry.host), environment={"LAMINA_SANDBOX_PENDING_AFTER_MS": "0"}).start()
    with refused(INVALID, 400, "does not exist"):
        create(daemon, name, registry.reference("never", "v1"))
    with refused("ResourceNotFoundException", 404):
        daemon.lam.get_function(FunctionName=name)
