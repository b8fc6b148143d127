"""Components in a layer's `lib/` that satisfy what a function imports."""

import json

import pytest

from harness import functions, packages
from harness.clients import refused

INVALID = "InvalidParameterValueException"
INTERFACE = "example:numbers/source@1.0.0"

# Between the shell's types and its core module: an import, lowered for the core module.
IMPORT = """
  (import "%s" (instance $numbers (export "number" (func (result u32)))))
  (core func $number (canon lower (func $numbers "number")))
  (core instance $imports (export "number" (func $number)))
  (core module $guest
    (import "numbers" "number" (func $number (result i32)))"""

# Answers the number as one digit.
DIGIT = """
(func (export "handle") (param $at i32) (result i32)
  (i32.store8 (i32.const 1024) (i32.add (i32.const 48) (call $number)))
  (call $answer (i32.const 1024) (i32.const 1)))"""


def guest(interface=INTERFACE):
    """A function that answers the number it gets from another component."""
    shell = packages.wat("invoke_echo.event")
    body = (packages.WAT / "invoke_echo.event.wat").read_text()
    text = shell.replace(body, DIGIT)
    text = text.replace("  (core module $guest", IMPORT % interface, 1)
    text = text.replace(
        "(core instance $instance (instantiate $guest))",
        '(core instance $instance (instantiate $guest (with "numbers" (instance $imports))))',
    )
    assert "$numbers" in text and "1024" in text
    return packages.archive({"bootstrap.wat": text})


def library(number, interface=INTERFACE, result="u32"):
    """A component, as text, that exports a number."""
    core = {
        "u32": f'(func (export "f") (result i32) (i32.const {number}))',
        "u64": '(func (export "f") (result i64) (i64.const 1))',
    }
    return f"""(component
      (core module $m {core[result]})
      (core instance $i (instantiate $m))
      (func $f (result {result}) (canon lift (core func $i "f")))
      (instance $o (export "number" (func $f)))
      (export "{interface}" (instance $o)))"""


def layer(lam, name, files):
    zipped = packages.archive(files)
    return lam.publish_layer_version(LayerName=name, Content={"ZipFile": zipped})["LayerVersionArn"]


def answer(lam, function):
    got = lam.invoke(FunctionName=function)
    assert "FunctionError" not in got, got["Payload"].read()
    return json.load(got["Payload"])


def test_a_library_satisfies_an_import(lam, make, name):
    arn = layer(lam, name, {"lib/numbers.wat": library(7), "lib/notes.txt": "no component"})
    function = make(guest(), Layers=[arn])
    assert answer(lam, function) == 7
    assert [item["Arn"] for item in lam.get_function_configuration(FunctionName=function)["Layers"]] == [arn]


def test_without_the_library_the_import_is_named(lam, make, name, names):
    with refused(INVALID, 400, says=INTERFACE):
        functions.create(lam, name, guest())
    other = layer(lam, names(), {"lib/other.wat": library(1, "example:numbers/other@1.0.0")})
    with refused(INVALID, 400, says=INTERFACE):
        functions.create(lam, name, guest(), Layers=[other])
    elsewhere = layer(lam, names(), {"numbers.wat": library(1), "lib/deep/numbers.wat": library(1)})
    with refused(INVALID, 400, says=INTERFACE):
        functions.create(lam, name, guest(), Layers=[elsewhere])
    with refused("ResourceNotFoundException", 404):
        lam.get_function(FunctionName=name)


def test_a_compatible_version_is_taken(lam, make, name):
    function = make(guest(), Layers=[layer(lam, name, {"lib/n.wat": library(3, "example:numbers/source@1.4.0")})])
    assert answer(lam, function) == 3


def test_changing_layers_composes_anew(lam, make, names):
    one, two = (layer(lam, names(), {"lib/numbers.wat": library(number)}) for number in (1, 2))
    function = make(guest(), Layers=[one])
    first = lam.publish_version(FunctionName=function)["Version"]
    lam.update_function_configuration(FunctionName=function, Layers=[two])
    assert answer(lam, function) == 2
    assert answer(lam, f"{function}:{first}") == 1
    # The later layer's file lies over the earlier one's.
    lam.update_function_configuration(FunctionName=function, Layers=[two, one])
    assert answer(lam, function) == 1
    with refused(INVALID, 400, says=INTERFACE):
        lam.update_function_configuration(FunctionName=function, Layers=[])
    assert answer(lam, function) == 1
    lam.update_function_code(FunctionName=function, ZipFile=guest())
    assert answer(lam, function) == 1


def test_code_that_needs_a_library_finds_the_one_there_is(lam, make, name):
    function = make("invoke_echo.event", Layers=[layer(lam, name, {"lib/numbers.wat": library(5)})])
    with refused(INVALID, 400, says="example:numbers/other"):
        lam.update_function_code(FunctionName=function, ZipFile=guest("example:numbers/other@1.0.0"))
    lam.update_function_code(FunctionName=function, ZipFile=guest())
    assert answer(lam, function) == 5


def test_libraries_may_need_each_other(lam, make, name):
    relay = """(component
      (import "example:numbers/base@1.0.0" (instance $i (export "number" (func (result u32)))))
      (instance $o (export "number" (func $i "number")))
      (export "example:numbers/source@1.0.0" (instance $o)))"""
    files = {"lib/a.wat": relay, "lib/b.wat": library(8, "example:numbers/base@1.0.0")}
    assert answer(lam, make(guest(), Layers=[layer(lam, name, files)])) == 8


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (library(0, result="u64"), "cannot be satisfied"),
        ("(component", "numbers.wat"),
        ('(component (import "example:numbers/source@1.0.0" (instance)))', INTERFACE),
    ],
)
def test_libraries_that_do_not_fit_are_refused(daemon, lam, name, names, text, says):
    arn = layer(lam, names(), {"lib/numbers.wat": text})
    with refused(INVALID, 400, says=says):
        functions.create(lam, name, guest(), Layers=[arn])
    assert daemon.healthy()


def test_a_composed_function_survives_kill_without_its_layer(own_daemon):
    daemon = own_daemon().start()
    arn = layer(daemon.lam, "numbers", {"lib/numbers.wat": library(6)})
    functions.create(daemon.lam, "user", guest(), Layers=[arn])
    daemon.lam.delete_layer_version(LayerName="numbers", VersionNumber=1)
    daemon.kill()
    daemon.start()
    assert answer(daemon.lam, "user") == 6


def test_functions_of_the_sdk_s_kind_are_composed_too(lam, make, name):
    seed = """(component
      (core module $m
        (memory (export "memory") 1)
        (func (export "f") (result i32)
          (i64.store (i32.const 8) (i64.const 1)) (i64.store (i32.const 16) (i64.const 2)) (i32.const 8)))
      (core instance $i (instantiate $m))
      (func $f (result (tuple u64 u64)) (canon lift (core func $i "f") (memory (core memory $i "memory"))))
      (instance $o (export "insecure-seed" (func $f)))
      (export "wasi:random/insecure-seed@0.2.99" (instance $o)))"""
    function = make("invoke_ops", Layers=[layer(lam, name, {"lib/seed.wat": seed})])
    got = json.load(lam.invoke(FunctionName=function, Payload='{"op": "count"}')["Payload"])
    assert got["calls"] == 1
