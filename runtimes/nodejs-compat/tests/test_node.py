"""Node's modules and globals: each of `functions/checks/` asserts what its name says, inside the runtime."""

import json

import pytest
from harness import FUNCTIONS, Environment

WITH_SERVER = {"fetch", "http_client"}
CHECKS = sorted(path.stem for path in (FUNCTIONS / "checks").glob("*.mjs"))


@pytest.mark.parametrize("name", CHECKS)
def test_check(name, server):
    environment = Environment(FUNCTIONS / "checks")
    assert environment.load(f"{name}.handler") == (0, None), environment.logs
    tag, answer = environment.invoke(server.url if name in WITH_SERVER else None)
    assert (tag, answer) == (0, "done"), answer


MODULES_REQUIRE = [
    "cjs",
    {"a": 1},
    "index",
    "from esm",
    "/var/task/node_modules/dual/main.cjs",
    "/",
    "/var/task/common.cjs",
    True,
    "/var/task/common.cjs",
    "object",
    True,
]


def test_module_systems():
    """Imports of every kind; what CommonJS saw is what the handler answers."""
    environment = Environment(FUNCTIONS / "modules")
    assert environment.load("index.handler") == (0, None)
    assert environment.invoke() == (0, MODULES_REQUIRE)


def test_logs_of_console_methods(function):
    source = """export const handler = async () => {
      console.table([{ a: 1, b: 'x' }]); console.count(); console.count(); console.group('g'); console.log('in');
      console.groupEnd(); console.assert(false, 'no'); console.time('t'); console.timeEnd('t');
      console.dir({ a: 1 }); };"""
    function.file("index.mjs", source)
    assert function()[0] == 0
    messages = [line.split("\t", 3)[3] for line in function.logs]
    assert messages[0].startswith("┌─")
    assert messages[1:6] == ["default: 1", "default: 2", "g", "  in", "Assertion failed: no"]


def test_stdout_goes_to_the_descriptor(function):
    function.file(
        "index.mjs",
        "export const handler = async () => { process.stdout.write('raw\\n'); process.stderr.write('err\\n'); };",
    )
    function()
    assert function.environment.stdout.read_text() == "raw\n"
    assert function.environment.stderr.read_text() == "err\n"
    assert json.dumps(function.logs) == "[]"
