"""Function URLs: their configuration, hosts and paths, events and responses, CORS, modes, what is refused."""

import base64
import json
import re
import shutil
import socket
import subprocess

import pytest

from harness import clients, config, wait
from harness.functions import create, public, zipped

CORS = {
    "AllowCredentials": True,
    "AllowHeaders": ["x-a", "content-type"],
    "AllowMethods": ["GET", "PUT"],
    "AllowOrigins": ["https://a.example", "https://b.example"],
    "ExposeHeaders": ["x-b"],
    "MaxAge": 60,
}


def url_id(shown):
    """The id in a FunctionUrl."""
    found = re.fullmatch(r"http://([0-9a-z]{32})\.lambda-url\.us-east-1\.localhost:\d+/", shown["FunctionUrl"])
    assert found, shown["FunctionUrl"]
    return found[1]


class Site:
    """A URL, reached by its host name or by its path."""

    def __init__(self, daemon, shown):
        self.daemon, self.id = daemon, url_id(shown)
        self.domain = f"{self.id}.lambda-url.us-east-1.localhost"

    def __call__(self, path="/", method="GET", body=None, headers=None):
        return self.daemon.request(method, path, body, {"Host": self.domain} | _typed(body) | (headers or {}))

    def by_path(self, path="/", method="GET", body=None, headers=None):
        return self.daemon.request(method, f"/lambda-url/{self.id}{path}", body, _typed(body) | (headers or {}))


def _typed(body):
    """What says that a text is one: without it a body reaches an event function in base64."""
    return {"Content-Type": "application/json"} if isinstance(body, str) else {}


@pytest.fixture
def site(daemon, lam, make):
    """Makes functions with URLs on the shared daemon."""

    def make_site(package="invoke_echo.event", auth="NONE", mode="BUFFERED", cors=None, **more):
        name = make(package, **more)
        settings = {"AuthType": auth, "InvokeMode": mode} | ({"Cors": cors} if cors else {})
        made = Site(daemon, lam.create_function_url_config(FunctionName=name, **settings))
        if auth == "NONE":
            public(lam, name)
        made.name = name
        return made

    return make_site


# Configuration


def test_a_url_is_made_shown_changed_and_taken_away(lam, make):
    name = make()
    made = lam.create_function_url_config(FunctionName=name, AuthType="NONE")
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert made["FunctionArn"] == clients.function_arn(name)
    assert (made["AuthType"], made["InvokeMode"]) == ("NONE", "BUFFERED") and "Cors" not in made
    shown = lam.get_function_url_config(FunctionName=name)
    assert shown["FunctionUrl"] == made["FunctionUrl"] and shown["LastModifiedTime"] == made["CreationTime"]
    changed = lam.update_function_url_config(
        FunctionName=name, AuthType="AWS_IAM", InvokeMode="RESPONSE_STREAM", Cors=CORS
    )
    assert (changed["FunctionUrl"], changed["AuthType"]) == (made["FunctionUrl"], "AWS_IAM")
    assert (changed["InvokeMode"], changed["Cors"]) == ("RESPONSE_STREAM", CORS)
    # What is left out stays.
    assert lam.update_function_url_config(FunctionName=name, AuthType="NONE")["Cors"] == CORS
    assert lam.delete_function_url_config(FunctionName=name)["ResponseMetadata"]["HTTPStatusCode"] == 204
    for call in (lam.get_function_url_config, lam.delete_function_url_config, lam.update_function_url_config):
        with clients.refused("ResourceNotFoundException", 404):
            call(FunctionName=name)


def test_aliases_have_urls_of_their_own(daemon, lam, make):
    name = make("invoke_ops")
    version = lam.publish_version(FunctionName=name)["Version"]
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    plain = lam.create_function_url_config(FunctionName=name, AuthType="NONE")
    live = lam.create_function_url_config(FunctionName=name, Qualifier="live", AuthType="NONE")
    assert live["FunctionArn"] == clients.function_arn(name, "live")
    body = json.dumps({"op": "context"})
    public(lam, name)
    # What holds for the function does not for its aliases.
    assert (Site(daemon, plain)("/").status, Site(daemon, live)("/").status) == (200, 403)
    public(lam, name, "live")
    for shown, ran, qualifier in ((plain, "$LATEST", None), (live, version, "live")):
        context = json.loads(Site(daemon, shown)("/", "POST", body).body)
        assert (context["function_version"], context["qualifier"]) == (ran, qualifier)
    assert lam.get_function_url_config(FunctionName=f"{name}:live")["FunctionUrl"] == live["FunctionUrl"]
    lam.delete_alias(FunctionName=name, Name="live")
    with clients.refused("ResourceNotFoundException", 404):
        lam.get_function_url_config(FunctionName=name, Qualifier="live")
    assert Site(daemon, live)("/").status == 403


def test_a_list_in_pages(lam, make):
    name = make()
    version = lam.publish_version(FunctionName=name)["Version"]
    urls = {lam.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]}
    for number in range(6):
        lam.create_alias(FunctionName=name, Name=f"a{number}", FunctionVersion=version)
        made = lam.create_function_url_config(FunctionName=name, Qualifier=f"a{number}", AuthType="AWS_IAM")
        urls.add(made["FunctionUrl"])
    pages = list(lam.get_paginator("list_function_url_configs").paginate(FunctionName=name, MaxItems=2))
    seen = [url["FunctionUrl"] for page in pages for url in page["FunctionUrlConfigs"]]
    assert len(pages) == 4 and len(seen) == 7 and set(seen) == urls
    assert len(lam.list_function_url_configs(FunctionName=name)["FunctionUrlConfigs"]) == 7
    for number in (0, 51):
        with clients.refused("ValidationException", 400, "maxItems"):
            lam.list_function_url_configs(FunctionName=name, MaxItems=number)
    with clients.refused("ResourceNotFoundException", 404):
        lam.list_function_url_configs(FunctionName="nothing-of-this-name")


def test_what_a_configuration_may_not_say(lam, make):
    name = make()
    version = lam.publish_version(FunctionName=name)["Version"]

    def refused(code="ValidationException", status=400, says=None, **settings):
        with clients.refused(code, status, says):
            lam.create_function_url_config(**({"FunctionName": name, "AuthType": "NONE"} | settings))

    refused(says="authType", AuthType="SOME")
    refused(says="invokeMode", InvokeMode="LATER")
    refused(says="qualifier", Qualifier=version)
    refused(says="qualifier", Qualifier="$LATEST")
    refused("ResourceNotFoundException", 404, Qualifier="missing")
    refused("ResourceNotFoundException", 404, FunctionName="nothing-of-this-name")
    for cors, says in (
        ({"MaxAge": -1}, "cors.maxAge"),
        ({"MaxAge": 86401}, "cors.maxAge"),
        ({"AllowMethods": ["OPTIONS"]}, "cors.allowMethods"),
        ({"AllowMethods": ["GET"] * 7}, "cors.allowMethods"),
        ({"AllowOrigins": ["x" * 254]}, "cors.allowOrigins"),
        ({"AllowOrigins": [""]}, "cors.allowOrigins"),
        ({"AllowOrigins": ["*"] * 101}, "cors.allowOrigins"),
        ({"AllowHeaders": ["x" * 1025]}, "cors.allowHeaders"),
        ({"ExposeHeaders": ["x"] * 101}, "cors.exposeHeaders"),
    ):
        refused(says=says, Cors=cors)
    refused("InvalidParameterValueException", says="header", Cors={"ExposeHeaders": ["a\r\nb"]})
    with clients.refused("ValidationException", 400, "authType"):
        lam.create_function_url_config(FunctionName=name)
    limits = {
        "MaxAge": 86400,
        "AllowMethods": ["DELETE"] * 6,
        "AllowOrigins": ["x" * 253] * 100,
        "AllowHeaders": ["x" * 1024],
    }
    lam.create_function_url_config(FunctionName=name, AuthType="NONE", Cors=limits)
    refused("ResourceConflictException", 409)


def test_urls_outlive_a_kill(own_daemon):
    daemon = own_daemon().start()
    create(daemon.lam, "f", zipped("invoke_echo.event"))
    create(daemon.lam, "gone", zipped("invoke_echo.event"))
    made = daemon.lam.create_function_url_config(FunctionName="f", AuthType="NONE", Cors=CORS)
    gone = daemon.lam.create_function_url_config(FunctionName="gone", AuthType="NONE")
    for name in ("f", "gone"):
        public(daemon.lam, name)
    daemon.lam.delete_function(FunctionName="gone")
    assert Site(daemon, gone)("/").status == 403
    daemon.kill()
    daemon.start()
    shown = daemon.lam.get_function_url_config(FunctionName="f")
    assert url_id(shown) == url_id(made) and shown["Cors"] == CORS
    assert Site(daemon, made)("/").status == 200 and Site(daemon, gone)("/").status == 403


def test_the_names_are_configured(own_daemon):
    settings = {"suffix": "fn.example.com", "scheme": "https", "port": 443, "path_prefix": "/urls/of"}
    daemon = own_daemon(config.render({"function_urls": settings})).start()
    create(daemon.lam, "f", zipped("invoke_echo.event"))
    url = daemon.lam.create_function_url_config(FunctionName="f", AuthType="NONE")["FunctionUrl"]
    public(daemon.lam, "f")
    found = re.fullmatch(r"https://(([0-9a-z]+)\.lambda-url\.us-east-1\.fn\.example\.com)/", url)
    assert daemon.request("GET", "/x", headers={"Host": found[1]}).status == 200
    assert daemon.request("GET", f"/urls/of/{found[2]}/x").status == 200
    assert daemon.request("GET", f"/lambda-url/{found[2]}/x").status == 404


# Events and responses


def test_the_event_of_a_url(daemon, site):
    at = site()
    answer = at("/a%20b/c?x=1&x=2", "POST", "grüße".encode(), {"Content-Type": "text/plain", "Cookie": "a=1; b=2"})
    seen = json.loads(answer.body)
    assert (seen["version"], seen["routeKey"], seen["rawPath"]) == ("2.0", "$default", "/a%20b/c")
    assert (seen["rawQueryString"], seen["queryStringParameters"]) == ("x=1&x=2", {"x": "1,2"})
    assert (seen["cookies"], seen["body"], seen["isBase64Encoded"]) == (["a=1", "b=2"], "grüße", False)
    context = seen["requestContext"]
    assert (context["accountId"], context["apiId"], context["stage"]) == ("anonymous", at.id, "$default")
    assert (context["domainName"], context["domainPrefix"]) == (at.domain, at.id)
    assert (context["http"]["method"], context["http"]["path"]) == ("POST", "/a%20b/c")
    assert context["requestId"] == answer.headers["x-amzn-requestid"] and "authorizer" not in context
    seen = json.loads(at("/", "POST", b"\x00\xff").body)
    assert (base64.b64decode(seen["body"]), seen["isBase64Encoded"]) == (b"\x00\xff", True)


def test_a_path_is_the_same_url(daemon, site):
    at = site()
    for path in ("/a/b?x=1", "/", "/lambda-url/x", "//double"):
        by_path, by_host = json.loads(at.by_path(path).body), json.loads(at(path).body)
        for member in ("rawPath", "rawQueryString"):
            assert by_path[member] == by_host[member], path
        assert by_path["requestContext"]["domainName"] == by_host["requestContext"]["domainName"] == at.domain
    assert json.loads(at.by_path("").body)["rawPath"] == "/"
    assert daemon.request("GET", f"/lambda-url/{'0' * 32}/x").status == 404
    answer = daemon.request("GET", "/", headers={"Host": f"{'0' * 32}.lambda-url.us-east-1.localhost"})
    assert (answer.status, json.loads(answer.body)) == (403, {"Message": "Forbidden"})


def respond(at, answer):
    return at("/", "POST", json.dumps({"respond": answer}))


def test_responses_are_read_as_lambda_does(site):
    at = site("invoke_ops")
    answer = respond(
        at,
        {
            "statusCode": 201,
            "headers": {"X-A": "1", "Content-Type": "text/plain"},
            "cookies": ["a=1", "b=2"],
            "body": "x",
        },
    )
    assert (answer.status, answer.body, answer.headers["x-a"]) == (201, b"x", "1")
    assert answer.headers.get_all("set-cookie") == ["a=1", "b=2"]
    answer = respond(at, {"statusCode": 200, "body": "x"})
    assert answer.headers["content-type"] == "application/json"
    answer = respond(at, {"statusCode": 200, "body": base64.b64encode(b"\xff").decode(), "isBase64Encoded": True})
    assert answer.body == b"\xff"
    answer = respond(at, {"any": "json"})
    assert (answer.status, json.loads(answer.body)) == (200, {"any": "json"})
    assert answer.headers["content-type"] == "application/json"


def test_failures_are_502_and_throttles_429(lam, site):
    at = site("invoke_ops", Timeout=1)
    for body in ({"op": "fail", "type": "T", "message": "m"}, {"op": "panic"}, {"op": "sleep", "ms": 5000}):
        assert at("/", "POST", json.dumps(body)).status == 502
    assert respond(at, {"statusCode": "no"}).status == 502
    lam.put_function_concurrency(FunctionName=at.name, ReservedConcurrentExecutions=0)
    answer = at("/")
    assert (answer.status, answer.headers["retry-after"]) == (429, "1")


def test_a_body_of_more_than_6_mb_is_413(site):
    assert site()("/", "POST", b"x" * (6 << 20), {"Content-Type": "text/plain"}).status == 413


@pytest.mark.parametrize("mode", ["BUFFERED", "RESPONSE_STREAM"])
def test_http_functions_get_the_request_itself(site, mode):
    at = site("http_ops", mode=mode)
    seen = json.loads(at.by_path("/a/echo?x=1", headers={"X-One": "1"}).body)
    assert (seen["path"], seen["query"]) == ("/a/echo", "x=1") and ["x-one", "1"] in seen["headers"]
    assert at("/status?code=418").status == 418
    assert at("/cookies").headers.get_all("set-cookie") == ["a=1; Path=/", "b=2"]
    assert at("/body", "POST", b"y" * 100_000).body == b"y" * 100_000
    assert at("/trap").status == 502


# Modes


def steps(*steps):
    return json.dumps({"steps": list(steps)})


HEADED = [{"head": 201, "headers": [["X-A", "1"], ["set-cookie", "a=1"], ["set-cookie", "b=2"]]}, {"write": "one"}]


@pytest.mark.parametrize("mode", ["BUFFERED", "RESPONSE_STREAM"])
def test_a_stream_s_head_is_the_response_s(site, mode):
    at = site("stream_ops", mode=mode)
    answer = at("/", "POST", steps(*HEADED, {"write": "two"}))
    assert (answer.status, answer.headers["x-a"], answer.body) == (201, "1", b"onetwo")
    assert answer.headers.get_all("set-cookie") == ["a=1", "b=2"]
    answer = at("/", "POST", steps({"begin": "text/event-stream"}, {"write": "data: 1\n\n"}))
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "text/event-stream", b"data: 1\n\n")
    assert at("/", "POST", steps({"fail": "no"})).status == 502


def test_a_streamed_response_leaves_while_the_function_runs(daemon, site):
    """The function writes until nobody reads, so what is read of it was sent before it ended."""
    at = site("stream_ops", mode="RESPONSE_STREAM", Timeout=30)
    connection = daemon.connection()
    connection.request("POST", "/", steps(*HEADED, {"endless": True}), {"Host": at.domain} | _typed(""))
    response = connection.getresponse()
    assert response.status == 201 and response.read(2051) == b"one" + b"e" * 2048
    assert not any("STOPPED" in line for line in daemon.logs(at.name))
    connection.close()
    wait.until("the function to end", lambda: any("STOPPED: BrokenPipe" in line for line in daemon.logs(at.name)))
    assert at("/", "POST", steps({"write": "again"})).body == b"again"


def test_an_unheaded_answer_in_stream_mode_is_taken_as_it_is(site):
    at = site("invoke_ops", mode="RESPONSE_STREAM")
    answer = respond(at, {"statusCode": 201, "body": "x"})
    assert (answer.status, json.loads(answer.body)) == (200, {"statusCode": 201, "body": "x"})


@pytest.mark.parametrize("package", ["stream_ops", "http_ops"])
def test_a_failure_midway_cuts_the_connection(daemon, site, package):
    at = site(package, mode="RESPONSE_STREAM")
    path, body = ("/", steps(*HEADED, {"panic": "boom"})) if package == "stream_ops" else ("/trap-later", None)
    with socket.create_connection(daemon.address(), timeout=20) as raw:
        body = (body or "").encode()
        head = f"POST {path} HTTP/1.1\r\nHost: {at.domain}\r\nContent-Type: application/json\r\n"
        head += f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        raw.sendall(head.encode() + body)
        seen = b""
        while part := raw.recv(65536):
            seen += part
    assert (b"one" if package == "stream_ops" else b"half of it") in seen
    assert not seen.endswith(b"0\r\n\r\n"), "the response looks whole"


def test_a_stream_without_a_whole_head_is_502(site):
    at = site("stream_ops", mode="RESPONSE_STREAM")
    integration = {"begin": "application/vnd.awslambda.http-integration-response"}
    assert at("/", "POST", steps(integration, {"write": "{}"})).status == 502
    assert at("/", "POST", steps(integration, {"write": "no" + "\0" * 8})).status == 502
    assert at("/", "POST", steps(integration, {"times": 3, "size": 65536})).status == 502


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl speaks HTTP/2 here")
def test_http_2(daemon, site):
    at = site("stream_ops", mode="RESPONSE_STREAM")
    host, port = daemon.address()
    done = subprocess.run(
        ["curl", "-sS", "--http2-prior-knowledge", "-i", "--resolve", f"{at.domain}:{port}:{host}"]
        + [
            "-H",
            "content-type: application/json",
            "-d",
            steps(*HEADED, {"write": "two"}),
            f"http://{at.domain}:{port}/",
        ],
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.startswith(b"HTTP/2 201") and done.stdout.endswith(b"onetwo")


# CORS


def preflight(at, origin, method="PUT", headers="x-a"):
    asked = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return at("/", "OPTIONS", headers=asked)


def test_a_preflight_is_answered_without_the_function(daemon, site):
    at = site(cors=CORS)
    answer = preflight(at, "https://a.example")
    allowed = {name: answer.headers[f"access-control-{name}"] for name in ("allow-methods", "allow-headers", "max-age")}
    assert allowed == {"allow-methods": "GET,PUT", "allow-headers": "x-a,content-type", "max-age": "60"}
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert answer.headers["access-control-allow-credentials"] == "true" and answer.headers["vary"] == "Origin"
    answer = preflight(at, "https://evil.example")
    assert not any(name.startswith("access-control") for name in answer.headers)
    assert not any("START" in line for line in daemon.logs(at.name))


def test_answers_carry_the_settings_not_the_function_s_own(site):
    at = site("invoke_ops", cors=CORS)
    own = {"respond": {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*"}, "body": ""}}
    answer = at("/", "POST", json.dumps(own), {"Origin": "https://b.example"})
    assert answer.headers.get_all("access-control-allow-origin") == ["https://b.example"]
    assert answer.headers["access-control-expose-headers"] == "x-b"
    answer = at("/", "POST", json.dumps(own), {"Origin": "https://evil.example"})
    assert answer.status == 200 and "access-control-allow-origin" not in answer.headers
    failed = at("/", "POST", '{"op": "panic"}', {"Origin": "https://a.example"})
    assert (failed.status, failed.headers["access-control-allow-origin"]) == (502, "https://a.example")


def test_without_settings_the_function_answers_preflights(site):
    at = site("invoke_ops")
    assert json.loads(preflight(at, "https://a.example").body)["requestContext"]["http"]["method"] == "OPTIONS"


def test_a_star_allows_everybody(site):
    at = site(cors={"AllowOrigins": ["*"], "AllowMethods": ["*"]})
    assert at("/", headers={"Origin": "https://x.example"}).headers["access-control-allow-origin"] == "*"
    assert preflight(at, "https://x.example").headers["access-control-allow-methods"] == "*"


# Who may call


def test_an_open_url_needs_a_policy_that_opens_it(daemon, lam, make):
    name = make()
    at = Site(daemon, lam.create_function_url_config(FunctionName=name, AuthType="NONE", Cors=CORS))

    def permit(**more):
        whole = {"Action": "lambda:InvokeFunctionUrl", "Principal": "*", "FunctionUrlAuthType": "NONE"} | more
        lam.add_permission(FunctionName=name, StatementId="s", **whole)

    def statuses():
        return [ask("/", "POST", b"{}").status for ask in (at, at.by_path)]

    def forbidden():
        answer = at("/", "POST", b"{}", {"Origin": "https://a.example"})
        assert json.loads(answer.body) == {"Message": "Forbidden"}
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        return statuses() == [403, 403]

    assert forbidden()
    # Neither somebody else's permission nor one for something else opens it.
    for other in (
        {"Principal": clients.ACCOUNT},
        {"Principal": "111122223333"},
        {"Principal": "s3.amazonaws.com"},
        {"FunctionUrlAuthType": "AWS_IAM"},
        {"Action": "lambda:InvokeFunction", "FunctionUrlAuthType": None},
        {"SourceAccount": clients.ACCOUNT},
        {"PrincipalOrgID": "o-a1b2c3d4e5"},
    ):
        permit(**other)
        assert forbidden(), other
        lam.remove_permission(FunctionName=name, StatementId="s")
    for enough in ({}, {"FunctionUrlAuthType": None}, {"Action": "lambda:*", "FunctionUrlAuthType": None}):
        permit(**enough)
        assert statuses() == [200, 200], enough
        lam.remove_permission(FunctionName=name, StatementId="s")
        assert forbidden()
    permit()
    lam.update_function_url_config(FunctionName=name, AuthType="AWS_IAM")
    assert statuses() == [403, 403]
    assert preflight(at, "https://a.example").status == 200


def test_without_a_valid_signature_iam_urls_are_forbidden(daemon, site):
    at = site(auth="AWS_IAM", cors=CORS)
    made_up = "AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0"
    for headers in ({}, {"Authorization": made_up}, {"Authorization": "Bearer x"}):
        for ask in (at, at.by_path):
            answer = ask("/", "POST", b"{}", headers)
            assert (answer.status, json.loads(answer.body)) == (403, {"Message": "Forbidden"})
    assert at("/?X-Amz-Signature=0").status == 403
    assert preflight(at, "https://a.example").status == 200
    assert not any("START" in line for line in daemon.logs(at.name))
