"""Outbound HTTP through the bridge, by clients as they are published."""

import pytest


def ask(environment, url, client, layers=None):
    """What the sample function answers for one client."""
    env = environment(layers=layers)
    assert env.load("clients.lambda_handler") == ("success", b"")
    tag, body = env.invoke({"client": client, "url": url})
    assert tag == "success", (body, env.stdout(), env.records)
    return body


def test_http_client_keeps_one_connection(environment, url):
    (first, got), (second, posted) = ask(environment, url, "http_client")
    assert (first, second) == (200, 200)
    assert got["path"] == "/anything?x=1"
    assert got["headers"]["x-test"] == "1"
    assert posted["body"] == "data"


def test_urllib(environment, url):
    first, second, status, third = ask(environment, url, "urllib")
    assert first["method"] == "GET"
    assert (second["method"], second["body"], second["headers"]["content-type"]) == ("PUT", '{"a": 1}', "application/json")
    assert status == 404
    assert third["path"] == "/anything"


def test_requests(environment, url, packages):
    body = ask(environment, url, "requests", packages)
    assert body["json"]["body"] == '{"a": [1, 2]}'
    assert body["json"]["headers"]["user-agent"].startswith("python-requests/")
    del body["json"]
    assert body == {
        "redirect": "anything",
        "chunks": 1000,
        "gzip": "squeezed",
        "head": 200,
        "status": 503,
        "stream": 1_000_000,
        "upload": "abcdef",
        "timeout": "ReadTimeout",
        "refused": "ConnectionError",
    }


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("urllib3", [200, 503]),
        ("boto3", "m-1"),
        ("httpx", ["GET", [200, 200, 200]]),
        ("aiohttp", [200, 404, 200]),
    ],
)
def test_packages(environment, url, packages, client, expected):
    assert ask(environment, url, client, packages) == expected
