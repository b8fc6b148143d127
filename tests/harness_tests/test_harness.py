"""The harness itself: what it generates is well-formed, and its checks can fail."""

import io
import zipfile

import pytest
import tomllib

from harness import config, metrics, packages, wait


def test_configuration_is_toml():
    settings = {
        "http": {"max_body_bytes": 10, "deep": {"on": True}},
        "functions": {"a-b": {"code": 'x"\\y', "environment": {"A": "1"}, "list": [1, 2]}},
        "routes": [config.route("GET /users/{id}", "a-b:live"), config.route("$default", "a-b")],
    }
    assert tomllib.loads(config.render(settings)) == {
        "http": {"max_body_bytes": 10, "deep": {"on": True}},
        "functions": {"a-b": {"code": 'x"\\y', "environment": {"A": "1"}, "list": [1, 2]}},
        "routes": [
            {"path": "/users/{id}", "function": "a-b", "method": "GET", "qualifier": "live"},
            {"path": "$default", "function": "a-b"},
        ],
    }


def test_metrics_are_read_and_malformed_ones_refused():
    scrape = metrics.parse(
        "# HELP a_total things\n# TYPE a_total counter\n"
        'a_total{x="1",y="q\\"q"} 2\na_total{x="1",y="z"} 3.5\na_total{x="2",y="z"} +Inf\nb 1e-05\n'
    )
    assert scrape.sum("a_total", x="1") == 5.5
    assert scrape.sum("a_total", x="1", y='q"q') == 2
    assert scrape.sum("b") == 1e-05 and scrape.sum("c") == 0
    assert scrape.types == {"a_total": "counter"}
    with pytest.raises(ValueError):
        metrics.parse("a b c d\n")


def test_waiting_ends_with_an_error():
    with pytest.raises(wait.NotInTime, match="never"):
        wait.until("never", lambda: 0, seconds=0.05)
    left = [0, 0, 7]
    assert wait.until("the third time", lambda: left.pop(0), every=0) == 7


def test_packages_are_deterministic_and_hold_their_guest():
    one, two = (
        packages.text_package("invoke_constant.event", "v1"),
        packages.text_package("invoke_constant.event", "v2"),
    )
    assert one != two
    with zipfile.ZipFile(io.BytesIO(one)) as zipped:
        text = zipped.read("bootstrap.wat").decode()
    assert (
        '"\\"v1\\""' in text
        and "GUEST" not in text.replace("GUEST stands", "")
        and "canon lift (core func $init)" not in text
    )
    assert "canon lift (core func $init)" in packages.wat("hostile_init.event")


def test_generated_modules_have_the_size_asked_for():
    module = packages.padded_module(1_000_000)
    assert len(module) == 1_000_000 and module.startswith(b"\0asm\1\0\0\0")
    assert len(packages.many_functions(10)) > 10_000
    assert packages.leb128(300) == b"\xac\x02"
