"""HTTP routes: matching, payload-2.0 events, real requests for HTTP functions, streaming, limits, sticky splits."""

import base64
import collections
import json
import socket
import threading
import time

import pytest

from harness import config, packages, wait
from harness.daemon import Daemon
from harness.functions import active, create, zipped

MB = 1 << 20


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A daemon with functions and routes to them."""
    daemon = Daemon(tmp_path_factory.mktemp("site"))
    daemon.start()
    try:
        lam = daemon.lam
        create(lam, "echo", zipped("invoke_echo.event"))
        create(lam, "ops", zipped("invoke_ops"), MemorySize=512, Timeout=2)
        create(lam, "http", zipped("http_ops"), MemorySize=256, Timeout=20)
        create(lam, "p3", zipped("http_p3"))
        create(lam, "split", packages.text_package("invoke_constant.event", "v1"), Publish=True)
        for mark in ("v2", "v3"):
            lam.update_function_code(FunctionName="split", ZipFile=packages.text_package("invoke_constant.event", mark))
            active(lam, "split")
            lam.publish_version(FunctionName="split")
        for alias, sticky in (("by-header", {"Header": "x-user"}), ("by-cookie", {"Cookie": "session"})):
            body = {
                "Name": alias,
                "FunctionVersion": "1",
                "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.3, "3": 0.3}, "Sticky": sticky},
            }
            answer = daemon.request(
                "POST",
                "/2015-03-31/functions/split/aliases",
                json.dumps(body),
                {"Content-Type": "application/json"},
                "api",
            )
            assert answer.status == 201, answer
        assert daemon.stop() == 0
        daemon.config.write_text(
            config.render(
                {
                    "http": {"header_read_timeout_ms": 1000, "body_read_timeout_ms": 1000, "max_body_bytes": 8 * MB},
                    "routes": [
                        config.route("GET /users/{id}", "echo"),
                        config.route("GET /users/me", "echo:$LATEST"),
                        config.route("ANY /files/{proxy+}", "echo"),
                        config.route("POST /ops", "ops"),
                        config.route("ANY /http/{proxy+}", "http"),
                        config.route("ANY /p3/{proxy+}", "p3"),
                        config.route("GET /version", "split:2"),
                        config.route("GET /by-header", "split:by-header"),
                        config.route("GET /by-cookie", "split:by-cookie"),
                    ],
                }
            )
        )
        daemon.start()
        yield daemon
    finally:
        daemon.end()


def get(site, path, headers=None):
    return site.request("GET", path, headers=headers)


def event(site, path, method="GET", body=None, headers=None):
    answer = site.request(method, path, body, headers)
    assert answer.status == 200, answer
    return json.loads(answer.body)


def test_a_parameter_becomes_part_of_the_event(site):
    seen = event(site, "/users/a%20b?x=1&x=2&y=%C3%A9", headers={"X-One": "1", "Cookie": "a=1; b=2"})
    assert (seen["version"], seen["routeKey"], seen["rawPath"]) == ("2.0", "GET /users/{id}", "/users/a%20b")
    assert seen["rawQueryString"] == "x=1&x=2&y=%C3%A9"
    assert seen["queryStringParameters"] == {"x": "1,2", "y": "é"}
    assert seen["pathParameters"] == {"id": "a b"}
    assert seen["headers"]["x-one"] == "1" and seen["cookies"] == ["a=1", "b=2"]
    http = seen["requestContext"]["http"]
    assert (http["method"], http["path"], http["protocol"], http["sourceIp"]) == (
        "GET",
        "/users/a%20b",
        "HTTP/1.1",
        "127.0.0.1",
    )
    assert seen["requestContext"]["requestId"] and isinstance(seen["requestContext"]["timeEpoch"], int)
    assert seen["isBase64Encoded"] is False and "body" not in seen


def test_the_more_specific_route_wins(site):
    assert event(site, "/users/me")["routeKey"] == "GET /users/me"
    assert event(site, "/users/you")["routeKey"] == "GET /users/{id}"


def test_a_greedy_parameter_takes_the_rest(site):
    seen = event(site, "/files/a/b/c.txt", "DELETE")
    assert seen["pathParameters"] == {"proxy": "a/b/c.txt"} and seen["routeKey"] == "ANY /files/{proxy+}"


def test_text_and_binary_bodies(site):
    seen = event(site, "/files/x", "PUT", "grüße".encode(), {"Content-Type": "text/plain; charset=utf-8"})
    assert (seen["body"], seen["isBase64Encoded"]) == ("grüße", False)
    seen = event(site, "/files/x", "PUT", b"\x00\xff", {"Content-Type": "application/octet-stream"})
    assert (base64.b64decode(seen["body"]), seen["isBase64Encoded"]) == (b"\x00\xff", True)


@pytest.mark.parametrize(
    "method,path", [("GET", "/nothing"), ("POST", "/users/1"), ("GET", "/users/"), ("GET", "/files/")]
)
def test_what_no_route_matches_is_404(site, method, path):
    answer = site.request(method, path)
    assert answer.status == 404 and json.loads(answer.body) == {"message": "Not Found"}


def ops(site, body):
    return site.request("POST", "/ops", json.dumps(body), {"Content-Type": "application/json"})


def test_a_structured_response(site):
    answer = ops(
        site,
        {
            "respond": {
                "statusCode": 201,
                "headers": {"X-Thing": "a", "Content-Type": "text/plain"},
                "cookies": ["a=1", "b=2"],
                "body": "made",
            }
        },
    )
    assert (answer.status, answer.body) == (201, b"made")
    assert (answer.headers["x-thing"], answer.headers["content-type"]) == ("a", "text/plain")
    assert answer.headers.get_all("set-cookie") == ["a=1", "b=2"]
    answer = ops(
        site, {"respond": {"statusCode": 200, "body": base64.b64encode(b"\x00\xff").decode(), "isBase64Encoded": True}}
    )
    assert answer.body == b"\x00\xff"


def test_a_response_without_a_status_is_the_body(site):
    answer = ops(site, {"respond": {"hello": "world"}})
    assert (answer.status, json.loads(answer.body), answer.headers["content-type"]) == (
        200,
        {"hello": "world"},
        "application/json",
    )
    assert json.loads(ops(site, {"respond": "just text"}).body) == "just text"


@pytest.mark.parametrize(
    "response", [{"statusCode": "abc"}, {"statusCode": 99}, {"statusCode": 200, "isBase64Encoded": True, "body": "%"}]
)
def test_a_malformed_response_is_an_internal_error(site, response):
    answer = ops(site, {"respond": response})
    assert answer.status in (500, 502) and json.loads(answer.body) == {"message": "Internal Server Error"}, answer


@pytest.mark.parametrize(
    "failure", [{"op": "fail", "type": "A", "message": "secret"}, {"op": "panic"}, {"op": "exit", "code": 2}]
)
def test_a_failing_function_is_an_internal_error_that_tells_nothing(site, failure):
    answer = ops(site, failure)
    assert answer.status in (500, 502) and json.loads(answer.body) == {"message": "Internal Server Error"}, answer


def test_a_real_request_reaches_an_http_function(site):
    answer = site.request("PATCH", "/http/a/echo?x=%20y", b"", {"X-One": "1", "Accept": "text/*"})
    seen = json.loads(answer.body)
    assert (answer.status, seen["method"], seen["path"], seen["query"]) == (200, "PATCH", "/http/a/echo", "x=%20y")
    names = [name for name, _ in seen["headers"]]
    # wasi:http keeps `host` from guests: they are told the authority instead.
    assert ["x-one", "1"] in seen["headers"] and "connection" not in names


def test_statuses_and_repeated_headers_pass(site):
    assert get(site, "/http/status?code=418").status == 418
    answer = get(site, "/http/cookies")
    assert answer.headers.get_all("set-cookie") == ["a=1; Path=/", "b=2"]


def test_a_response_streams(site):
    """The first chunk is here long before the last is made."""
    connection = site.connection()
    connection.request("GET", "/http/stream?chunks=5&size=10&ms=400")
    response = connection.getresponse()
    start = time.monotonic()
    assert response.read(10) == b"c" * 10
    first = time.monotonic() - start
    assert response.read() == b"c" * 40
    assert first < 0.4 * 4 / 2, f"the first of five chunks, 400 ms apart, came after {first:.2f} s"
    connection.close()


def test_bodies_stream_both_ways_at_once(site):
    """The function answers each part before the next is sent: neither side buffers the whole."""
    connection = socket.create_connection(site.address(), 20)
    connection.sendall(b"POST /http/body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    seen = b""
    for index in range(5):
        part = f"part-{index};".encode()
        connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        while part not in seen:
            seen += connection.recv(4096) or pytest.fail(f"closed after {seen!r}")
    connection.sendall(b"0\r\n\r\n")
    while not seen.endswith(b"0\r\n\r\n"):
        seen += connection.recv(4096) or pytest.fail(f"closed after {seen!r}")
    connection.close()


def test_a_large_body_passes_an_http_function(site):
    body = bytes(range(256)) * (5 * MB // 256)
    answer = site.request("POST", "/http/body", body)
    assert answer.status == 200 and answer.body == body


def test_a_wasi_http_0_3_function_behind_a_route(site):
    answer = site.request("POST", "/p3/x/y?z=1", b"content")
    assert (answer.status, answer.body, answer.headers["x-path"]) == (200, b"content", "/p3/x/y?z=1")


def test_head_has_no_body(site):
    answer = site.request("HEAD", "/http/echo")
    assert answer.status == 200 and answer.body == b""


def test_a_body_past_the_limit_is_413(site):
    answer = site.request("POST", "/http/nothing", b"x" * (9 * MB))
    assert answer.status in (413, 502), answer
    connection = socket.create_connection(site.address(), 10)
    connection.sendall(b"POST /ops HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
    assert b" 413 " in connection.recv(4096)
    connection.close()


def test_an_uri_past_the_limit_is_414_and_headers_past_it_431(site):
    assert get(site, "/users/" + "x" * 10_000).status == 414
    assert get(site, "/users/1", {"X-Big": "y" * 40_000}).status == 431
    assert get(site, "/users/1").status == 200


@pytest.mark.parametrize(
    "text",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /users/1 HTTP/1.1\r\n\r\n",
        b"GET /users/1 HTTP/1.1\r\nHost: x\r\nContent-Length: z\r\n\r\n",
        b"\x16\x03\x01\x00\x00",
    ],
    ids=["no-http", "version", "no-host", "length", "tls"],
)
def test_malformed_requests_get_400_or_a_close(site, text):
    connection = socket.create_connection(site.address(), 10)
    connection.sendall(text)
    answer = connection.recv(4096)
    connection.close()
    assert answer == b"" or b" 4" in answer[:13] or b" 505 " in answer[:13], answer
    assert get(site, "/users/1").status == 200


def test_a_slow_head_is_cut(site):
    connection = socket.create_connection(site.address(), 10)
    connection.sendall(b"GET /users/1 HTTP/1.1\r\n")
    start = time.monotonic()
    answer = connection.recv(4096)
    assert time.monotonic() - start < 5 and (answer == b"" or b" 408 " in answer), answer
    connection.close()


def test_a_slow_body_is_cut(site):
    connection = socket.create_connection(site.address(), 10)
    connection.sendall(b"POST /ops HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx")
    start = time.monotonic()
    answer = connection.recv(4096)
    assert time.monotonic() - start < 5 and (answer == b"" or b" 408 " in answer), answer
    connection.close()


def test_chunks_win_over_a_length_beside_them(site):
    """RFC 9112, 6.3: the length is dropped, so nothing of the body can pass for a second request."""
    connection = socket.create_connection(site.address(), 10)
    head = b"POST /ops HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    sizes = b"Content-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.sendall(head + sizes + b"0\r\n\r\nGET /users/1 HTTP/1.1\r\n\r\n")
    seen = b""
    while part := connection.recv(4096):
        seen += part
    connection.close()
    assert seen.count(b"HTTP/1.1 ") == 1 and b'"content-length":"30"' not in seen, seen


def test_a_trap_before_the_head_is_502_and_after_it_a_cut_body(site):
    assert get(site, "/http/trap").status == 502
    connection = socket.create_connection(site.address(), 10)
    connection.sendall(b"GET /http/trap-later HTTP/1.1\r\nHost: x\r\n\r\n")
    seen = b""
    while part := connection.recv(4096):
        seen += part
    connection.close()
    assert seen.startswith(b"HTTP/1.1 200") and b"half of it" in seen and not seen.endswith(b"0\r\n\r\n"), seen
    assert get(site, "/http/nothing").status in (500, 502)
    assert get(site, "/http/status?code=204").status == 204


def test_a_timeout_behind_a_route_is_504(site):
    site.lam.update_function_configuration(FunctionName="http", Timeout=1)
    active(site.lam, "http")
    try:
        answer = get(site, "/http/sleep?ms=20000")
        assert answer.status == 504, answer
    finally:
        site.lam.update_function_configuration(FunctionName="http", Timeout=20)
        active(site.lam, "http")


def test_a_throttle_behind_a_route_is_429(site):
    site.lam.put_function_concurrency(FunctionName="http", ReservedConcurrentExecutions=0)
    try:
        answer = get(site, "/http/echo")
        assert answer.status in (429, 503), answer
    finally:
        site.lam.delete_function_concurrency(FunctionName="http")
    assert get(site, "/http/echo").status == 200


def test_a_route_to_a_version(site):
    assert json.loads(get(site, "/version").body) == "v2"


@pytest.mark.parametrize(
    "path,header",
    [("/by-header", lambda who: {"X-User": who}), ("/by-cookie", lambda who: {"Cookie": f"z=1; session={who}"})],
)
def test_a_sticky_split_keeps_each_caller_on_a_version(site, path, header):
    chosen = {}
    for _ in range(3):
        for user in range(100):
            version = json.loads(get(site, path, header(f"user-{user}")).body)
            assert chosen.setdefault(user, version) == version
    counts = collections.Counter(chosen.values())
    assert set(counts) == {"v1", "v2", "v3"} and all(10 <= count <= 70 for count in counts.values()), counts
    site.stop()
    site.start()
    assert all(json.loads(get(site, path, header(f"user-{user}")).body) == chosen[user] for user in range(20))


def test_without_the_sticky_header_the_split_is_random(site):
    counts = collections.Counter(json.loads(get(site, "/by-header").body) for _ in range(100))
    assert set(counts) == {"v1", "v2", "v3"}, counts


def test_keep_alive_and_pipelining(site):
    connection = socket.create_connection(site.address(), 10)
    one = b"GET /http/status?code=200 HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /http/status?code=418 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    connection.sendall(one + one + last)
    seen = b""
    while part := connection.recv(4096):
        seen += part
    connection.close()
    assert seen.count(b"HTTP/1.1 200") == 2 and b"HTTP/1.1 418" in seen


def test_http_2_with_prior_knowledge(site):
    """The connection preface and an empty SETTINGS frame are answered with SETTINGS."""
    connection = socket.create_connection(site.address(), 10)
    connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
    head = connection.recv(9)
    assert len(head) == 9 and head[3] == 4, head
    connection.close()


def test_a_client_that_leaves_costs_nothing(site):
    def busy():
        return site.metrics().sum("lamina_environments", function="http", state="busy")

    connections = []
    for _ in range(5):
        connection = socket.create_connection(site.address(), 10)
        connection.sendall(b"GET /http/stream?chunks=10000&size=10000&ms=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.recv(100)
        connections.append(connection)
    assert busy() == 5
    for connection in connections:
        connection.close()
    wait.until("their functions ended", lambda: busy() == 0, 20)


def test_parallel_requests(site):
    failures = []

    def work(worker):
        connection = site.connection()
        for index in range(50):
            connection.request("GET", f"/users/{worker}-{index}")
            response = connection.getresponse()
            body = response.read()
            if response.status != 200 or json.loads(body)["pathParameters"] != {"id": f"{worker}-{index}"}:
                failures.append((response.status, body[:200]))
        connection.close()

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures, failures[:3]
