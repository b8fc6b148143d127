"""Which runtimes there are, how they come to be, and what a restart and a kill leave of them."""

import pytest

from harness import clients, config, packages, runtimes, wait
from harness.clients import refused
from harness.daemon import NotReady
from harness.functions import active, create

INVALID = "InvalidParameterValueException"
CODE = packages.archive({"a": ""})


def started(own_daemon, tmp_path, environment=None, **names):
    directory = runtimes.write(tmp_path / "runtimes")
    daemon = own_daemon(runtimes.settings(directory, **names), environment=environment)
    return daemon.start()


def test_names_of_awss_lead_where_the_table_says(own_daemon, tmp_path):
    daemon = started(own_daemon, tmp_path, **{"ruby3.3": "probe"})
    create(daemon.lam, "f", CODE, Runtime="ruby3.3", Handler="h.h")
    assert daemon.invoke("f", "o").ok() == "1"
    shape = daemon.lam.get_function_configuration(FunctionName="f")
    assert shape["Runtime"] == "ruby3.3" and ":runtime:probe-1.0-" in shape["RuntimeVersionConfig"]["RuntimeVersionArn"]
    with refused(INVALID, 400, "[provided.al2023, provided.al2, probe, ruby3.3]. python3.12 is a runtime of AWS"):
        create(daemon.lam, "g", CODE, Runtime="python3.12", Handler="h.h")
    with refused(INVALID, 400, "nonsense is no runtime"):
        create(daemon.lam, "g", CODE, Runtime="nonsense", Handler="h.h")
    with refused(INVALID, 400, "python3.12 is a runtime of AWS that is not installed here"):
        daemon.lam.update_function_configuration(FunctionName="f", Runtime="python3.12")


def test_a_package_is_a_zip_with_anything_in_it(own_daemon, tmp_path):
    daemon = started(own_daemon, tmp_path)
    for code in (b"no zip", packages.archive({}), packages.archive({"../x": ""})):
        with refused(INVALID, 400):
            create(daemon.lam, "f", code, Runtime="probe", Handler="h.h")
    assert list((daemon.data / "tasks").iterdir()) == []
    with refused(INVALID, 400, "Runtime and Handler are mandatory"):
        daemon.lam.create_function(FunctionName="f", Role=clients.ROLE, Code={"ZipFile": CODE}, Runtime="probe")


def test_a_runtime_is_built_once_and_a_kill_while_it_is_built_is_made_up_for(own_daemon, tmp_path):
    daemon = started(own_daemon, tmp_path, environment={"LAMINA_SANDBOX_PENDING_AFTER_MS": "0"})
    answer = daemon.lam.create_function(
        FunctionName="f", Role=clients.ROLE, Code={"ZipFile": CODE}, Runtime="probe", Handler="h.h"
    )
    assert answer["State"] == "Pending" and ":runtime:probe-1.0-" in answer["RuntimeVersionConfig"]["RuntimeVersionArn"]
    daemon.kill()
    daemon.start()
    active(daemon.lam, "f")
    assert daemon.invoke("f", "o").ok() == "1"
    built = sorted(path.name for path in (daemon.data / "runtimes").iterdir())
    assert len(built) == 1 and not built[0].startswith("."), built
    assert daemon.stop() == 0
    daemon.start()
    assert "being built" not in daemon.log.read_text()
    assert daemon.invoke("f", "o").ok() == "1"
    assert "being built" not in daemon.log.read_text()


def test_unpacked_packages_go_with_the_last_version(own_daemon, tmp_path):
    daemon = started(own_daemon, tmp_path)
    create(daemon.lam, "f", CODE, Runtime="probe", Handler="h.h")
    assert len(list((daemon.data / "tasks").iterdir())) == 1
    daemon.lam.delete_function(FunctionName="f")
    assert daemon.stop() == 0
    daemon.start()
    wait.until("the package to be removed", lambda: not list((daemon.data / "tasks").iterdir()), 30)


@pytest.mark.parametrize(
    "change, said",
    [
        ({"abi": 2}, "abi is 2"),
        ({"name": "x", "aws": ["a b"]}, "aws is"),
        ({"names": {"java21": "probe"}}, "the runtime probe cannot stand for it"),
        ({"names": {"ruby3.3": "nothing"}}, "there is no runtime nothing"),
        ({"damaged": True}, "SHA256SUMS"),
    ],
)
def test_a_runtime_that_is_none_keeps_the_daemon_from_starting(own_daemon, tmp_path, change, said):
    change = dict(change)
    names, damaged = change.pop("names", {}), change.pop("damaged", False)
    directory = runtimes.write(tmp_path / "runtimes", **change)
    if damaged:
        (directory / "probe" / "dist" / "runtime.wasm.gz").write_bytes(b"another")
    with pytest.raises(NotReady, match=said):
        own_daemon(runtimes.settings(directory, **names)).start()


def test_a_module_that_breaks_the_contract_fails_the_deployment_and_says_why(own_daemon, tmp_path):
    text = '(module (memory (export "memory") 1) (func (export "rt_init")))'
    directory = runtimes.write(tmp_path / "runtimes", text=text)
    daemon = own_daemon(runtimes.settings(directory)).start()
    with pytest.raises(Exception, match="ServiceException|could not"):
        create(daemon.lam, "f", CODE, Runtime="probe", Handler="h.h")
    assert "does not export" in daemon.log.read_text()
    assert daemon.healthy()


def test_images_are_compared_with_an_example_of_the_runtime(own_daemon, tmp_path):
    directory = runtimes.write(tmp_path / "runtimes", example={"file": "h", "text": "nothing"})
    daemon = own_daemon(runtimes.settings(directory)).start()
    snap_start = {"ApplyOn": "PublishedVersions"}
    create(daemon.lam, "f", CODE, Runtime="probe", Handler="h.h", Publish=True, SnapStart=snap_start)

    def optimized():
        version = daemon.lam.get_function_configuration(FunctionName="f", Qualifier="1")
        return version["SnapStart"]["OptimizationStatus"] == "On"

    wait.until("the image", optimized)
    assert daemon.invoke("f", "o", Qualifier="1").ok() == daemon.invoke("f", "o").ok() == "1"
    (built,) = (path for path in (daemon.data / "runtimes").iterdir() if (path / "example-memory").exists())
    assert not (built / "example").exists() and not (built / "example.json").exists()
    assert daemon.stop() == 0
    # Another example is another base.
    manifest = directory / "probe" / "runtime.toml"
    manifest.write_text(manifest.read_text().replace("nothing", "something"))
    daemon.start()
    assert daemon.invoke("f", "o", Qualifier="1").ok() == "1"
    assert not built.exists()


LOADS_THAT_FAIL = [("e.h", "Probe.Error"), ("u.h", "unreachable"), ("z.h", "the runtime failed")]


@pytest.mark.parametrize(("handler", "why"), LOADS_THAT_FAIL)
def test_an_example_that_cannot_be_loaded_fails_the_deployment_and_says_why(own_daemon, tmp_path, handler, why):
    example = {"file": "h", "text": ""}
    directory = runtimes.write(tmp_path / "runtimes", handler_default=handler, example=example)
    daemon = own_daemon(runtimes.settings(directory)).start()
    with pytest.raises(Exception, match="ServiceException|could not"):
        create(daemon.lam, "f", CODE, Runtime="probe", Handler="h.h")
    assert any("the example failed" in line and why in line for line in daemon.log.read_text().splitlines())
    assert daemon.healthy()


def test_a_function_in_source_code_can_be_declared_with_its_directory(own_daemon, tmp_path):
    directory = runtimes.write(tmp_path / "runtimes")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "h").write_text("first")

    def text(**more):
        function = {"name": "f", "package": str(tmp_path / "source"), "handler": "h.h", "runtime": "probe"} | more
        return runtimes.settings(directory) + "\n[[functions]]\n" + config.render(function)

    daemon = own_daemon(text()).start()
    versions = lambda: len(daemon.lam.list_versions_by_function(FunctionName="f")["Versions"])  # noqa: E731
    assert daemon.lam.get_function_configuration(FunctionName="f")["Runtime"] == "probe"
    assert daemon.invoke("f", "o").ok() == "1" and versions() == 2

    (tmp_path / "source" / "h").write_text("second")
    daemon.hang_up()
    wait.until("the change is published", lambda: versions() == 3)

    assert daemon.stop() == 0
    for wrong, said in [
        ({"runtime": "python3.99"}, "functions[0].runtime: "),
        ({"handler": "bootstrap"}, "functions[0].handler: must name a module and a function"),
        ({"package": str(tmp_path / "nowhere")}, "functions[0].package: there is no package file"),
    ]:
        daemon.config.write_text(text(**wrong))
        with pytest.raises(NotReady):
            daemon.start()
        assert said in daemon.tail()
