"""The `lamina` command line against a running daemon."""

import json
import subprocess
import threading

import pytest

from harness import packages, wait
from harness.daemon import binary

CONSTANT = "invoke_constant.event"


@pytest.fixture
def guest(tmp_path):
    """Writes guests that answer a text of five letters: `guest("first")`."""

    def write(mark):
        path = tmp_path / f"{mark}.wat"
        path.write_text(packages.wat(CONSTANT, mark))
        return path

    return write


@pytest.fixture
def function(daemon, name):
    """A name whose function is deleted with the test."""
    yield name
    try:
        daemon.lam.delete_function(FunctionName=name)
    except daemon.lam.exceptions.ResourceNotFoundException:
        pass


def answer(done):
    return json.loads(done.stdout)


def test_deploy_creates_then_changes_what_is_named(daemon, function, guest):
    settings = ["--memory", 256, "--timeout", 7, "--env", "ONE=1", "--description", "one"]
    first = answer(daemon.lamina("deploy", function, guest("first"), *settings, "--output", "json"))
    assert daemon.invoke(function).ok() == "first"
    daemon.lamina("deploy", function, guest("other"), "--env", "TWO=2")
    assert daemon.invoke(function).ok() == "other"
    now = daemon.lam.get_function_configuration(FunctionName=function)
    assert (now["MemorySize"], now["Timeout"], now["Description"]) == (256, 7, "one")
    assert now["Environment"]["Variables"] == {"ONE": "1", "TWO": "2"}
    assert json.dumps(first).count(function) >= 1


def test_deploy_gives_a_function_its_role(daemon, function, guest):
    role = lambda: daemon.lam.get_function_configuration(FunctionName=function)["Role"]
    daemon.lamina("deploy", function, guest("first"))
    assert role() == "arn:aws:iam::000000000000:role/lamina"
    for given, expected in (
        (["--role", "by-name"], "arn:aws:iam::000000000000:role/by-name"),
        ([], "arn:aws:iam::000000000000:role/by-name"),
        (["--role", "arn:aws:iam::123456789012:role/p/by-arn"], "arn:aws:iam::123456789012:role/p/by-arn"),
    ):
        daemon.lamina("deploy", function, guest("first"), *given)
        assert role() == expected
    failed = daemon.lamina("deploy", function, guest("first"), "--role", "no role", check=False)
    assert failed.returncode == 1 and b"role" in failed.stderr
    assert role() == "arn:aws:iam::123456789012:role/p/by-arn"


def test_deploy_takes_wasm_zips_and_directories(daemon, function, tmp_path):
    bare = tmp_path / "guest.wasm"
    bare.write_bytes(packages.built("invoke_ops"))
    zipped = tmp_path / "guest.zip"
    zipped.write_bytes(packages.text_package("invoke_echo.event"))
    directory = tmp_path / "guest"
    directory.mkdir()
    (directory / "main.wat").write_text(packages.wat(CONSTANT, "third"))
    for package, more, event, expected in (
        (bare, [], {"op": "echo", "value": 1}, None),
        (zipped, [], {"a": 1}, {"a": 1}),
        (directory, ["--handler", "main"], {}, "third"),
    ):
        daemon.lamina("deploy", function, package, *more)
        got = daemon.invoke(function, event)
        assert expected is None or got.ok() == expected


def test_invoke_prints_the_response_and_tells_failures_apart(daemon, make, tmp_path):
    name = make("invoke_echo.event")
    event = tmp_path / "event.json"
    event.write_text('{"from": "a file"}')
    assert answer(daemon.lamina("invoke", name, "--payload", '{"a": 1}')) == {"a": 1}
    assert answer(daemon.lamina("invoke", name, "--payload", f"@{event}")) == {"from": "a file"}
    assert answer(daemon.lamina("invoke", name, "--payload", "-", stdin=b'"piped"')) == "piped"
    tailed = daemon.lamina("invoke", name, "--tail")
    assert b"REPORT RequestId" in tailed.stderr
    assert daemon.lamina("invoke", name, "--dry-run").returncode == 0
    failing = make("invoke_ops")
    failed = daemon.lamina("invoke", failing, "--payload", '{"op": "fail", "type": "A", "message": "b"}', check=False)
    assert failed.returncode == 1 and answer(failed)["errorType"] == "A"


def test_versions_aliases_weights_and_rollback(daemon, function, guest):
    daemon.lamina("deploy", function, guest("first"), "--alias", "live")
    daemon.lamina("deploy", function, guest("other"), "--alias", "live")
    assert daemon.invoke(function, Qualifier="live").version == "2"
    daemon.lamina("rollback", function, "live")
    assert daemon.invoke(function, Qualifier="live").version == "1"
    daemon.lamina("rollback", function, "live", "--to", "2")
    assert daemon.invoke(function, Qualifier="live").version == "2"
    nothing = daemon.lamina("publish", function, "--output", "json")
    assert answer(nothing)["Version"] == "2", "nothing changed"
    daemon.lamina("alias", "create", function, "next", "--version", 1)
    daemon.lamina("alias", "weights", function, "next", "2=1.0")
    assert daemon.invoke(function, Qualifier="next").version == "2"
    daemon.lamina("alias", "delete", function, "next")
    listed = daemon.lamina("list", function).stdout.decode()
    assert "live" in listed and "next" not in listed
    assert function in daemon.lamina("list").stdout.decode()


def test_layers_are_published_and_listed(daemon, name, tmp_path):
    directory = tmp_path / "layer"
    (directory / "data").mkdir(parents=True)
    (directory / "data" / "one.txt").write_text("first")
    about = ["--description", "what it is", "--license-info", "MIT", "--runtime", "provided.al2023"]
    published = answer(daemon.lamina("layer", "publish", name, directory, *about, "--output", "json"))
    assert (published["Version"], published["LicenseInfo"]) == (1, "MIT")
    zipped = tmp_path / "layer.zip"
    zipped.write_bytes(packages.archive({"x": "y"}))
    said = daemon.lamina("layer", "publish", name, zipped).stdout.decode()
    assert "version 2" in said and f":layer:{name}:2" in said
    listed = answer(daemon.lamina("layer", "list", name, "--output", "json"))
    assert [one["Version"] for one in listed] == [2, 1]
    shown = daemon.lamina("layer", "list", name).stdout.decode()
    assert "what it is" in shown and "provided.al2023" in shown
    assert name in daemon.lamina("layer", "list").stdout.decode()
    for path in (tmp_path / "none", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        done = daemon.lamina("layer", "publish", name, path, check=False)
        assert done.returncode == 2, done.stderr
    (tmp_path / "text").write_text("no zip")
    done = daemon.lamina("layer", "publish", name, tmp_path / "text", check=False)
    assert done.returncode == 1 and b"InvalidParameterValueException" in done.stderr


def test_logs_follow_prints_what_comes(daemon, make):
    name = make("invoke_ops")
    daemon.invoke(name, {"op": "log", "text": "before", "lines": 1}).ok()
    lines, process = (
        [],
        subprocess.Popen(
            [binary(), "logs", name, "--follow", "--endpoint", daemon.api],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ),
    )
    reader = threading.Thread(target=lambda: lines.extend(process.stdout), daemon=True)
    reader.start()
    try:
        wait.until("the log so far", lambda: any("before" in line for line in list(lines)), 20)
        daemon.invoke(name, {"op": "log", "text": "afterwards", "lines": 1}).ok()
        wait.until("what came", lambda: any("afterwards" in line for line in list(lines)), 20)
    finally:
        process.kill()
        process.wait(10)
        reader.join(10)


def test_refusals_say_what_and_end_with_1(daemon, name, tmp_path):
    for arguments in (
        ("invoke", name),
        ("publish", name),
        ("rollback", name, "live"),
        ("list", name),
        ("alias", "list", name),
    ):
        done = daemon.lamina(*arguments, check=False)
        assert done.returncode == 1 and name.encode() in done.stderr, (arguments, done)
    bad = tmp_path / "bad.wasm"
    bad.write_bytes(b"\0asm garbage")
    done = daemon.lamina("deploy", name, bad, check=False)
    assert done.returncode != 0 and done.stderr, done


def test_no_daemon_is_told_with_the_endpoint(daemon, name):
    done = daemon.lamina("invoke", name, "--endpoint", "http://127.0.0.1:1", check=False)
    assert done.returncode == 1 and b"127.0.0.1:1" in done.stderr


def test_usage_errors_end_with_2(daemon):
    for arguments in (("deploy",), ("no-such-command",), ("invoke", "f", "--no-such-flag")):
        assert daemon.lamina(*arguments, check=False).returncode == 2


def test_check_finds_faults_with_line_and_key(daemon, tmp_path, guest):
    good = tmp_path / "good.toml"
    good.write_text(f'[[functions]]\nname = "f"\npackage = "{guest("first")}"\n')
    daemon.lamina("check", "--packages", good)
    bad = tmp_path / "bad.toml"
    for text, says in (
        ("[http]\nno_such_key = 1\n", ("line 2", "http.no_such_key", "unknown key")),
        ('[storage]\n\n[listen]\napi_addr = "nowhere"\n', ("line 4", "listen.api_addr")),
    ):
        bad.write_text(text)
        done = daemon.lamina("check", bad, check=False)
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == 2 and all(part in said for part in says), said
    daemon.lamina("check", guest("other"))
    broken = tmp_path / "broken.wat"
    broken.write_text("(module (func")
    assert daemon.lamina("check", broken, check=False).returncode != 0


def test_new_writes_a_function(daemon, tmp_path):
    for kind in ("event", "http"):
        daemon.lamina("new", f"greeter-{kind}", "--kind", kind, "--in", tmp_path)
        made = tmp_path / f"greeter-{kind}"
        assert f'name = "greeter-{kind}"' in (made / "Cargo.toml").read_text()
        assert "#[lamina::" in (made / "src/lib.rs").read_text()
    again = daemon.lamina("new", "greeter-event", "--in", tmp_path, check=False)
    assert again.returncode != 0, "what is there is not written over"


def test_bench_shows_all_starts_side_by_side(daemon, make, tmp_path):
    name = make("invoke_echo.event")
    files = {what: tmp_path / f"bench.{what}" for what in ("html", "svg", "json")}
    written = [word for what, path in files.items() for word in (f"--{what}", path)]
    table = daemon.lamina("bench", name, "--duration", 1, "--concurrency", 2, *written, timeout=120).stdout.decode()
    for start in ("cold", "fresh", "warm", "provisioned"):
        assert start in table, table
    assert json.loads(files["json"].read_text())
    assert "<svg" in files["svg"].read_text() and "<svg" in files["html"].read_text()
    # It leaves nothing of its own behind.
    assert [f["FunctionName"] for f in daemon.lam.list_functions()["Functions"] if "bench" in f["FunctionName"]] in (
        [],
        [name],
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "elvish", "powershell"])
def test_completions(daemon, shell):
    assert b"lamina" in daemon.lamina("completions", shell).stdout
