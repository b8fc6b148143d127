"""Code signing: configurations, which function has which, and what is let in."""

import pytest

from harness import packages
from harness.clients import function_arn, refused
from harness.functions import create, zipped

PROFILE = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/release/0123456789"
OTHER = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/other/0123456789"
PACKAGE = "invoke_echo.event"


def config(lam, policy=None, publishers=(PROFILE,), **more):
    if policy:
        more["CodeSigningPolicies"] = {"UntrustedArtifactOnDeployment": policy}
    answer = lam.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": list(publishers)}, **more)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    return answer["CodeSigningConfig"]


def test_a_configuration_is_created_read_changed_and_deleted(lam):
    made = config(lam, Description="d")
    arn = made["CodeSigningConfigArn"]
    assert arn.endswith(f":code-signing-config:{made['CodeSigningConfigId']}") and made["LastModified"]
    assert made["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Warn"}
    assert lam.get_code_signing_config(CodeSigningConfigArn=arn)["CodeSigningConfig"] == made
    changed = lam.update_code_signing_config(
        CodeSigningConfigArn=arn, CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"}
    )["CodeSigningConfig"]
    assert changed["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Enforce"}
    assert (changed["Description"], changed["AllowedPublishers"]) == ("d", made["AllowedPublishers"])
    lam.delete_code_signing_config(CodeSigningConfigArn=arn)
    for call in (lam.get_code_signing_config, lam.delete_code_signing_config, lam.update_code_signing_config):
        with refused("ResourceNotFoundException", 404):
            call(CodeSigningConfigArn=arn)


def test_lists_have_pages(lam):
    made = {config(lam)["CodeSigningConfigArn"] for _ in range(5)}
    seen, marker = [], {}
    while True:
        page = lam.list_code_signing_configs(MaxItems=2, **marker)
        assert len(page["CodeSigningConfigs"]) <= 2
        seen += [item["CodeSigningConfigArn"] for item in page["CodeSigningConfigs"]]
        if "NextMarker" not in page:
            break
        marker = {"Marker": page["NextMarker"]}
    assert made <= set(seen) and len(seen) == len(set(seen))
    for arn in made:
        lam.delete_code_signing_config(CodeSigningConfigArn=arn)


def test_a_function_has_one_and_it_cannot_be_deleted_meanwhile(lam, make):
    name, arn = make(), config(lam)["CodeSigningConfigArn"]
    with refused("ResourceNotFoundException", 404):
        lam.get_function_code_signing_config(FunctionName=name)
    put = lam.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=arn)
    assert (put["CodeSigningConfigArn"], put["FunctionName"]) == (arn, name)
    assert lam.get_function_code_signing_config(FunctionName=name)["CodeSigningConfigArn"] == arn
    listed = lam.list_functions_by_code_signing_config(CodeSigningConfigArn=arn)["FunctionArns"]
    assert listed == [function_arn(name)]
    with refused("ResourceConflictException", 409):
        lam.delete_code_signing_config(CodeSigningConfigArn=arn)
    lam.delete_function_code_signing_config(FunctionName=name)
    lam.delete_code_signing_config(CodeSigningConfigArn=arn)
    with refused("CodeSigningConfigNotFoundException", 404):
        lam.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=arn)


@pytest.mark.parametrize("publishers", [[], ["no arn"], [PROFILE] * 21], ids=["none", "no-arn", "21"])
def test_publishers_out_of_bounds_are_refused(lam, publishers):
    with refused("ValidationException", 400):
        config(lam, publishers=publishers)


def test_other_members_out_of_bounds_are_refused(lam):
    with refused("ValidationException", 400):
        config(lam, "Perhaps")
    with refused("ValidationException", 400):
        config(lam, Description="d" * 257)
    with refused("ValidationException", 400):
        lam.create_code_signing_config()
    with refused("ValidationException", 400):
        lam.get_code_signing_config(CodeSigningConfigArn="arn:aws:lambda:us-east-1:000000000000:function:f")


@pytest.fixture
def signing(own_daemon, tmp_path):
    """A daemon that knows one of two keys, and a way to sign with either."""
    daemon = own_daemon()

    def public(key):
        return daemon.lamina("sign", "--new-key", tmp_path / key).stdout.decode().strip()

    daemon.api = "http://127.0.0.1:1"
    known, _ = public("known.pem"), public("unknown.pem")
    daemon.config.write_text(
        f'[[signing_keys]]\nname = "known"\npublic_key = "{known}"\nprofile_version_arn = "{PROFILE}"\n'
    )
    daemon.start()

    def sign(key, package=PACKAGE):
        (tmp_path / "package.zip").write_bytes(zipped(package))
        daemon.lamina("sign", tmp_path / "package.zip", "--key", tmp_path / key, "--out", tmp_path / "signed.zip")
        return (tmp_path / "signed.zip").read_bytes()

    return daemon, sign


def test_only_signed_packages_are_let_in_under_enforce(signing):
    daemon, sign = signing
    lam = daemon.lam
    arn = config(lam, "Enforce")["CodeSigningConfigArn"]
    signed = sign("known.pem")
    for package in (zipped(PACKAGE), sign("unknown.pem")):
        with refused("CodeVerificationFailedException", 400):
            create(lam, "f", package, CodeSigningConfigArn=arn)
    made = create(lam, "f", signed, CodeSigningConfigArn=arn)
    assert made["SigningProfileVersionArn"] == PROFILE
    assert daemon.invoke("f", {"a": 1}).ok() == {"a": 1}
    with refused("CodeVerificationFailedException", 400):
        lam.update_function_code(FunctionName="f", ZipFile=zipped("invoke_constant.event"))
    other = packages.text_package("invoke_constant.event", "other")
    lam.update_function_code(FunctionName="f", ZipFile=sign("known.pem", other))
    # A configuration that trusts another profile does not trust this key.
    lam.update_code_signing_config(CodeSigningConfigArn=arn, AllowedPublishers={"SigningProfileVersionArns": [OTHER]})
    with refused("CodeVerificationFailedException", 400):
        lam.update_function_code(FunctionName="f", ZipFile=signed)
    lam.delete_function_code_signing_config(FunctionName="f")
    assert "SigningProfileVersionArn" not in lam.update_function_code(FunctionName="f", ZipFile=zipped(PACKAGE))


def test_a_broken_signature_is_refused_under_warn_too(signing):
    import io
    import zipfile

    daemon, sign = signing
    lam = daemon.lam
    arn = config(lam, "Warn")["CodeSigningConfigArn"]
    files = zipfile.ZipFile(io.BytesIO(sign("known.pem")))
    entries = {name: files.read(name) for name in files.namelist()}
    entries["more.txt"] = b"added"
    with refused("InvalidCodeSignatureException", 400):
        create(lam, "f", packages.archive(entries), CodeSigningConfigArn=arn)
    warned = daemon.metrics().sum("lamina_signature_validation_errors_total")
    assert "SigningProfileVersionArn" not in create(lam, "f", zipped(PACKAGE), CodeSigningConfigArn=arn)
    assert daemon.metrics().sum("lamina_signature_validation_errors_total") == warned + 1
    with refused("CodeSigningConfigNotFoundException", 404):
        missing = arn[:-1] + ("a" if arn[-1] != "a" else "b")
        create(lam, "g", zipped(PACKAGE), CodeSigningConfigArn=missing)
