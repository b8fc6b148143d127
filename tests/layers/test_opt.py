"""What functions see of their layers: `/opt`, read-only, later layers over earlier ones."""

import io
import json
import zipfile

import pytest

from harness import functions, packages
from harness.clients import ACCOUNT, REGION, refused

INVALID = "InvalidParameterValueException"
LIMIT = 262_144_000


def layer(lam, name, files):
    """Publishes a layer; its ARN."""
    zipped = files if isinstance(files, bytes) else packages.archive(files)
    return lam.publish_layer_version(LayerName=name, Content={"ZipFile": zipped})["LayerVersionArn"]


def zeros(size, name="zeros"):
    """A zip of one file of `size` zero bytes."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped,
        zipped.open(name, "w", force_zip64=True) as file,
    ):
        block = bytes(1 << 20)
        while size > 0:
            file.write(block[: min(size, len(block))])
            size -= len(block)
    return out.getvalue()


def do(lam, function, op, **event):
    answer = lam.invoke(FunctionName=function, Payload=json.dumps({"op": op} | event))
    assert "FunctionError" not in answer, answer["Payload"].read()
    return json.load(answer["Payload"])


def attached(lam, function, **more):
    configuration = lam.get_function_configuration(FunctionName=function, **more)
    return [item["Arn"] for item in configuration.get("Layers", [])]


def configure(lam, function, **more):
    lam.update_function_configuration(FunctionName=function, **more)
    functions.active(lam, function)


def test_a_function_reads_its_layer(lam, make, name):
    zipped = packages.archive({"data/one.txt": "first", "top": "level", "empty/": ""})
    arn = layer(lam, name, zipped)
    function = make("invoke_ops", Layers=[arn])
    shown = lam.get_function(FunctionName=function)["Configuration"]["Layers"]
    assert shown == [{"Arn": arn, "CodeSize": len(zipped)}]
    assert do(lam, function, "read", path="/opt/data/one.txt") == {"ok": "first"}
    assert do(lam, function, "list", path="/opt") == {"ok": ["data", "empty", "top"]}
    assert do(lam, function, "list", path="/opt/empty") == {"ok": []}
    assert do(lam, function, "size", path="/opt/top") == {"ok": 5}
    assert "error" in do(lam, function, "read", path="/opt/none")
    assert "error" in do(lam, function, "read", path="/opt/../etc/passwd")


def test_without_layers_there_is_no_opt(lam, make):
    function = make("invoke_ops")
    assert "Layers" not in lam.get_function_configuration(FunctionName=function)
    assert "error" in do(lam, function, "list", path="/opt")


@pytest.mark.parametrize(
    ("op", "event"),
    [
        ("write", {"path": "/opt/new", "size": 1}),
        ("write", {"path": "/opt/data/file", "size": 1}),
        ("append", {"path": "/opt/data/file", "text": "x"}),
        ("remove", {"path": "/opt/data/file"}),
        ("rename", {"path": "/opt/data/file", "to": "/opt/data/other"}),
        ("rename", {"path": "/opt/data/file", "to": "/tmp/stolen"}),
        ("symlink", {"to": "data", "path": "/opt/link"}),
    ],
)
def test_nothing_in_opt_can_be_changed(lam, make, name, op, event):
    function = make("invoke_ops", Layers=[layer(lam, name, {"data/file": "as it was"})])
    answer = do(lam, function, op, **event)
    # WASI's perm, or rofs.
    assert answer.get("os") in (63, 69), answer
    assert do(lam, function, "read", path="/opt/data/file") == {"ok": "as it was"}
    assert do(lam, function, "list", path="/opt") == {"ok": ["data"]}


def test_a_layer_takes_nothing_of_tmp(lam, make, name):
    layers = [layer(lam, name, zeros(100 << 20))]
    function = make("invoke_ops", Layers=layers, EphemeralStorage={"Size": 512}, Timeout=60)
    assert do(lam, function, "size", path="/opt/zeros") == {"ok": 100 << 20}
    assert do(lam, function, "write", path="/tmp/large", size=500 << 20) == {"ok": None}
    assert "error" in do(lam, function, "write", path="/tmp/more", size=20 << 20)


def test_commands_and_http_components_see_it_too(lam, make, name):
    arn = layer(lam, name, {"x": "y"})
    for guest in ("http_ops", "http_p3"):
        function = make(guest, Layers=[arn])
        assert attached(lam, function) == [arn]
        assert "FunctionError" not in lam.invoke(FunctionName=function, Payload=b"{}")


def test_later_layers_lie_over_earlier_ones(lam, make, names):
    low = layer(lam, names(), {"who": "low", "low": "1", "a/low": "1", "becomes/file": "1", "becomes-dir": "1"})
    high = layer(lam, names(), {"who": "high", "high": "1", "a/high": "1", "becomes": "1", "becomes-dir/x": "1"})
    function = make("invoke_ops", Layers=[low, high])
    assert attached(lam, function) == [low, high]
    assert do(lam, function, "read", path="/opt/who") == {"ok": "high"}
    assert do(lam, function, "list", path="/opt/a") == {"ok": ["high", "low"]}
    assert do(lam, function, "read", path="/opt/becomes") == {"ok": "1"}
    assert do(lam, function, "list", path="/opt/becomes-dir") == {"ok": ["x"]}
    configure(lam, function, Layers=[high, low])
    assert do(lam, function, "read", path="/opt/who") == {"ok": "low"}
    assert do(lam, function, "list", path="/opt/becomes") == {"ok": ["file"]}
    configure(lam, function, Description="unchanged layers")
    assert attached(lam, function) == [high, low]
    configure(lam, function, Layers=[])
    assert attached(lam, function) == []
    assert "error" in do(lam, function, "read", path="/opt/who")


def test_links_within_a_layer_are_followed(lam, make, name):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        zipped.writestr("lib/real.txt", "real")
        link = zipfile.ZipInfo("lib/link.txt")
        link.create_system = 3
        link.external_attr = 0o120777 << 16
        zipped.writestr(link, "real.txt")
    function = make("invoke_ops", Layers=[layer(lam, name, out.getvalue())])
    assert do(lam, function, "read", path="/opt/lib/link.txt") == {"ok": "real"}


def test_layers_belong_to_a_version(lam, make, names):
    one, two = layer(lam, names(), {"who": "one"}), layer(lam, names(), {"who": "two"})
    function = make("invoke_ops", Layers=[one])
    first = lam.publish_version(FunctionName=function)["Version"]
    configure(lam, function, Layers=[two])
    second = lam.publish_version(FunctionName=function)["Version"]
    assert first != second
    assert attached(lam, function, Qualifier=first) == [one]
    assert do(lam, f"{function}:{first}", "read", path="/opt/who") == {"ok": "one"}
    assert do(lam, f"{function}:{second}", "read", path="/opt/who") == {"ok": "two"}
    listed = lam.list_versions_by_function(FunctionName=function)["Versions"]
    assert [version["Layers"][0]["Arn"] for version in listed] == [two, one, two]


def test_five_layers_and_no_more(lam, make, name, names):
    arns = [layer(lam, names(), {f"file{number}": "x"}) for number in range(6)]
    function = make("invoke_ops", Layers=arns[:5])
    assert do(lam, function, "list", path="/opt") == {"ok": [f"file{number}" for number in range(5)]}
    with refused(INVALID, 400, says="5 layers"):
        lam.update_function_configuration(FunctionName=function, Layers=arns)
    with refused(INVALID, 400, says="5 layers"):
        functions.create(lam, name, packages.package("invoke_ops"), Layers=arns)
    assert attached(lam, function) == arns[:5]


def test_layer_versions_that_cannot_be_had_are_refused(lam, make, name, names):
    layered = names()
    arn = layer(lam, layered, {"a": "1"})
    second = layer(lam, layered, {"a": "2"})
    function = make("invoke_ops")
    bad = {
        f"{arn[:-1]}99": "does not exist",
        arn.replace(ACCOUNT, "1" * 12): "does not exist",
        arn.replace(REGION, "eu-west-1"): "same region",
    }
    for wrong, says in bad.items():
        with refused(INVALID, 400, says=says):
            lam.update_function_configuration(FunctionName=function, Layers=[wrong])
        with refused(INVALID, 400, says=says):
            functions.create(lam, name, packages.package("invoke_ops"), Layers=[wrong])
    for layers in (["nonsense"], [layered], [arn[:-2]]):
        with refused("ValidationException", 400, says="layers"):
            lam.update_function_configuration(FunctionName=function, Layers=layers)
    with refused(INVALID, 400, says="Two different versions"):
        lam.update_function_configuration(FunctionName=function, Layers=[arn, second])
    assert attached(lam, function) == []


def test_code_and_layers_together_have_a_limit(lam, make, name, names):
    package = packages.archive({"bootstrap.wasm": packages.built("invoke_ops")})
    left = LIMIT - len(packages.built("invoke_ops"))
    function = make(package)
    fits = layer(lam, names(), zeros(left))
    one_more = layer(lam, names(), {"byte": "x"})
    configure(lam, function, Layers=[fits])
    assert do(lam, function, "size", path="/opt/zeros") == {"ok": left}
    with refused(INVALID, 400, says=f"The actual size is {LIMIT + 1} bytes"):
        lam.update_function_configuration(FunctionName=function, Layers=[fits, one_more])
    with refused(INVALID, 400, says="262144000"):
        functions.create(lam, name, package, Layers=[fits, one_more])
    larger = packages.archive({"bootstrap.wasm": packages.built("invoke_ops"), "more": "x"})
    with refused(INVALID, 400, says="262144000"):
        lam.update_function_code(FunctionName=function, ZipFile=larger)


def test_a_deleted_layer_version_stays_with_who_has_it(own_daemon):
    daemon = own_daemon().start()
    lam = daemon.lam
    first, second = layer(lam, "shared", {"who": "first"}), layer(lam, "shared", {"who": "second"})
    functions.create(lam, "user", packages.package("invoke_ops"), Layers=[first])
    lam.delete_layer_version(LayerName="shared", VersionNumber=1)
    assert do(lam, "user", "read", path="/opt/who") == {"ok": "first"}
    # What nobody refers to is removed at the start.
    for _ in range(2):
        daemon.kill()
        daemon.start()
        lam = daemon.lam
        assert attached(lam, "user") == [first]
        assert do(lam, "user", "read", path="/opt/who") == {"ok": "first"}
    configure(lam, "user", Description="still has it")
    assert do(lam, "user", "read", path="/opt/who") == {"ok": "first"}
    with refused(INVALID, 400, says="does not exist"):
        functions.create(lam, "late", packages.package("invoke_ops"), Layers=[first])
    configure(lam, "user", Layers=[second])
    assert do(lam, "user", "read", path="/opt/who") == {"ok": "second"}


def test_unpacked_layers_are_made_again_and_removed(own_daemon):
    daemon = own_daemon().start()
    arns = [layer(daemon.lam, f"layer{number}", {f"file{number}": str(number)}) for number in range(2)]
    functions.create(daemon.lam, "user", packages.package("invoke_ops"), Layers=arns)
    unpacked = daemon.data / "layers"
    assert len(list(unpacked.iterdir())) == 3
    daemon.kill()
    # As after a restore of the database and the blobs alone; and as a crash leaves a directory half made.
    for entry in list(unpacked.iterdir()):
        entry.rename(unpacked / f".unfinished-{entry.name}")
    daemon.start()
    assert do(daemon.lam, "user", "list", path="/opt") == {"ok": ["file0", "file1"]}
    daemon.lam.delete_function(FunctionName="user")
    daemon.stop()
    daemon.start()
    assert daemon.lam.get_layer_version(LayerName="layer0", VersionNumber=1)["Version"] == 1
    from harness import wait

    wait.until("unpacked layers are removed", lambda: not list(unpacked.iterdir()), 20)
