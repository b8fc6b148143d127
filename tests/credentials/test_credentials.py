"""Signatures, access keys and policies, as boto3 and plain HTTP see them."""

import base64
import datetime
import json
import os
import random
import re
import stat
import subprocess
import sys
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import pytest

from harness import clients, functions, packages, wait
from harness.clients import ACCOUNT, REGION, refused
from harness.daemon import NotReady, binary
from harness.functions import create, zipped
from harness.keys import Key, client, lamina, make_key, policy_file

FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function"


def signed(daemon, key, method, path, body=b"", headers=None, service="lambda", signer=None, base=None):
    """A signed request that has not been sent: `(method, path with query, body, headers)`."""
    url = (base or daemon.api) + path
    request = botocore.awsrequest.AWSRequest(method=method, url=url, data=body, headers=headers or {})
    credentials = botocore.credentials.Credentials(key.id, key.secret)
    (signer or botocore.auth.SigV4Auth)(credentials, service, REGION).add_auth(request)
    prepared = request.prepare()
    url = urllib.parse.urlsplit(prepared.url)
    target = f"{url.path}?{url.query}" if url.query else url.path
    headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in prepared.headers.items()}
    return method, target, body, headers


def send(daemon, request):
    method, target, body, headers = request
    answer = daemon.request(method, target, body, headers, listener="api")
    return answer, json.loads(answer.body) if answer.body[:1] == b"{" else None


@pytest.fixture
def closed(own_daemon):
    """A daemon with an administrator's key, and the key."""
    daemon = own_daemon()
    key = make_key(daemon, "admin", "--admin")
    daemon.start()
    return daemon, key


@pytest.fixture
def with_function(closed):
    """The same with functions `f` and `g`."""
    daemon, key = closed
    lam = client(daemon, "lambda", key)
    for name in ("f", "g"):
        create(lam, name, zipped("invoke_echo.event"))
    return daemon, key


# Who calls


def test_without_keys_loopback_is_open(daemon):
    assert daemon.lam.list_functions()["Functions"] is not None
    answer = daemon.request("GET", "/2015-03-31/functions", listener="api")
    assert answer.status == 200


def test_signed_requests_of_every_service_are_served(with_function):
    daemon, key = with_function
    lam = client(daemon, "lambda", key)
    assert lam.invoke(FunctionName="f", Payload=b'{"a":1}')["StatusCode"] == 200
    # Names with characters that paths escape twice.
    assert lam.get_function(FunctionName=f"{FUNCTION}:f:$LATEST")["Configuration"]["FunctionName"] == "f"
    sqs = client(daemon, "sqs", key)
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="é + & =")
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "é + & ="
    scheduler = client(daemon, "scheduler", key)
    assert scheduler.list_schedules(NamePrefix="a.b")["Schedules"] == []
    # Past the signature, with all that queries escape.
    with refused("ValidationException", 400, says="Value 'a b+c&d=é' at 'namePrefix'"):
        scheduler.list_schedules(NamePrefix="a b+c&d=é")
    logs = client(daemon, "logs", key)
    groups = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/f")["logGroups"]
    assert [group["logGroupName"] for group in groups] == ["/aws/lambda/f"]


@pytest.mark.parametrize(
    ("service", "call", "codes"),
    [
        ("lambda", "list_functions", ("InvalidSignatureException", "UnrecognizedClientException")),
        ("scheduler", "list_schedules", ("InvalidSignatureException", "UnrecognizedClientException")),
        ("logs", "describe_log_groups", ("InvalidSignatureException", "UnrecognizedClientException")),
        ("sqs", "list_queues", ("SignatureDoesNotMatch", "InvalidClientTokenId")),
        ("sts", "get_caller_identity", ("SignatureDoesNotMatch", "InvalidClientTokenId")),
    ],
)
def test_wrong_secrets_and_unknown_keys_are_refused(closed, service, call, codes):
    daemon, key = closed
    mismatch, unknown = codes
    status = 400 if service == "logs" else 403
    with refused(mismatch, status, says="does not match the signature you provided"):
        getattr(client(daemon, service, key, secret="wrong"), call)()
    key.id = "LKIAAAAAAAAAAAAAAAAA"
    with refused(unknown, status, says="The security token included in the request is invalid"):
        getattr(client(daemon, service, key), call)()


def test_unsigned_requests_are_refused_before_their_body(closed):
    daemon, _ = closed
    answer = daemon.request("POST", "/2015-03-31/functions", b"x" * 1000, listener="api")
    assert answer.status == 403
    assert answer.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"
    # Neither is a page's origin looked at, nor does its absence help.
    answer = daemon.request("GET", "/2015-03-31/functions", headers={"Origin": "http://x.example"}, listener="api")
    assert answer.status == 403
    for authorization in ("", "Bearer x", "AWS4-HMAC-SHA256 Credential=x", "AWS4-HMAC-SHA256 " + "," * 2000):
        headers = {"Authorization": authorization}
        answer = daemon.request("GET", "/2015-03-31/functions", headers=headers, listener="api")
        assert answer.headers["x-amzn-errortype"] == "IncompleteSignatureException", authorization


def test_what_is_changed_after_signing_is_refused(with_function):
    daemon, key = with_function
    path, body = "/2015-03-31/functions/f/invocations", b'{"a":1}'
    headers = {"X-Amz-Log-Type": "None", "Content-Type": "application/json"}

    def sent(path=path, body=body, **changed):
        invocation = "/2015-03-31/functions/f/invocations"
        method, _, _, given = signed(daemon, key, "POST", invocation, b'{"a":1}', headers)
        given.update(changed)
        return send(daemon, (method, path, body, given))[0]

    assert sent().status == 200
    for answer in (
        sent(body=b'{"a":2}'),
        sent(path="/2015-03-31/functions/g/invocations"),
        sent(path=path + "?Qualifier=1"),
        sent(**{"X-Amz-Log-Type": "Tail"}),
        sent(**{"Content-Type": "text/plain"}),
        sent(Host="elsewhere:80"),
    ):
        assert answer.status == 403, answer
        assert answer.headers["x-amzn-errortype"] == "InvalidSignatureException", answer
    # A header of AWS's that was not signed at all.
    answer = sent(**{"X-Amz-Client-Context": base64.b64encode(b"{}").decode()})
    assert answer.headers["x-amzn-errortype"] == "IncompleteSignatureException", answer


@pytest.mark.parametrize(("minutes", "ok"), [(-16, False), (-14, True), (14, True), (16, False)])
def test_clocks_may_be_a_quarter_of_an_hour_off(closed, monkeypatch, minutes, ok):
    daemon, key = closed
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: now.replace(tzinfo=None))
    answer, document = send(daemon, signed(daemon, key, "GET", "/2015-03-31/functions"))
    assert answer.status == (200 if ok else 403), answer
    if not ok:
        assert answer.headers["x-amzn-errortype"] == "InvalidSignatureException"
        assert re.search("Signature (expired|not yet current)", document["message"]), document


def test_signatures_for_other_services_regions_and_algorithms_are_refused(closed):
    daemon, key = closed
    with refused("InvalidSignatureException", 403, says="valid region"):
        client(daemon, "lambda", key, region="eu-west-1").list_functions()
    answer, document = send(daemon, signed(daemon, key, "GET", "/2015-03-31/functions", service="sqs"))
    assert answer.status == 403 and "correct service: 'lambda'" in document["message"]
    session = {"X-Amz-Security-Token": "t"}
    answer, document = send(daemon, signed(daemon, key, "GET", "/2015-03-31/functions", headers=session))
    assert answer.status == 403 and document["message"] == "The security token included in the request is invalid."
    unsigned = {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
    answer, document = send(daemon, signed(daemon, key, "GET", "/2015-03-31/functions", headers=unsigned))
    assert answer.status == 403, answer


def presigner(expires):
    return lambda *arguments: botocore.auth.SigV4QueryAuth(*arguments, expires=expires)


def test_presigned_urls_hold_for_their_time(with_function, monkeypatch):
    daemon, key = with_function
    get = signed(daemon, key, "GET", "/2015-03-31/functions/f", signer=presigner(60))
    assert send(daemon, (*get[:3], {}))[0].status == 200
    url = client(daemon, "lambda", key).generate_presigned_url("get_function", {"FunctionName": "f"}, ExpiresIn=60)
    parts = urllib.parse.urlsplit(url)
    assert daemon.request("GET", f"{parts.path}?{parts.query}", listener="api").status == 200
    post = signed(daemon, key, "POST", "/2015-03-31/functions/f/invocations", signer=presigner(60))
    assert send(daemon, (*post[:3], {}))[0].status == 200
    # Another method, another body, another name.
    assert send(daemon, ("DELETE", *get[1:3], {}))[0].status == 403
    assert send(daemon, (*post[:2], b"{}", {}))[0].status == 403
    assert send(daemon, ("GET", get[1].replace("/f?", "/g?"), b"", {}))[0].status == 403
    assert send(daemon, ("GET", get[1].replace("Expires=60", "Expires=600"), b"", {}))[0].status == 403
    earlier = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=62)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: earlier.replace(tzinfo=None))
    get = signed(daemon, key, "GET", "/2015-03-31/functions/f", signer=presigner(60))
    answer, document = send(daemon, (*get[:3], {}))
    assert answer.status == 400 and answer.headers["x-amzn-errortype"] == "RequestExpired", answer
    assert "expired" in document["message"]


def test_a_packages_link_lets_in_and_nothing_else_does(with_function):
    daemon, key = with_function
    link = client(daemon, "lambda", key).get_function(FunctionName="f")["Code"]["Location"]
    parts = urllib.parse.urlsplit(link)
    assert daemon.request("GET", f"{parts.path}?{parts.query}", listener="api").body == zipped("invoke_echo.event")
    for target in (parts.path, f"{parts.path}?{parts.query[:-1]}", f"{parts.path[:-1]}?{parts.query}"):
        assert daemon.request("GET", target, listener="api").status == 403, target
    # The link is for the package, and for no call that travels under its path.
    target = f"{parts.path}?{parts.query}"
    call = {"X-Amz-Target": "AmazonSQS.ListQueues", "Content-Type": "application/x-amz-json-1.0"}
    assert daemon.request("GET", target, b"{}", call, listener="api").status == 403


# What they may do


def test_policies_allow_and_deny(with_function, tmp_path):
    daemon, admin = with_function
    url = client(daemon, "sqs", admin).create_queue(QueueName="open")["QueueUrl"]
    shut = client(daemon, "sqs", admin).create_queue(QueueName="shut")["QueueUrl"]
    schedule = {
        "ScheduleExpression": "rate(1 hour)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": f"{FUNCTION}:f", "RoleArn": clients.ROLE},
    }
    path = policy_file(
        tmp_path,
        ("Allow", "lambda:*", "*"),
        ("Deny", "lambda:Invoke*", f"{FUNCTION}:g"),
        ("Deny", ["lambda:Delete*", "lambda:CreateFunction"], "*"),
        ("Allow", ["sqs:SendMessage", "sqs:Get*"], clients.queue_arn("o?en")),
        ("Allow", "scheduler:CreateSchedule", f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/mine/*"),
        ("Allow", "logs:FilterLogEvents", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/f:*"),
    )
    client(daemon, "scheduler", admin).create_schedule_group(Name="mine")
    key = make_key(daemon, "some", "--policy", path)
    lam, sqs = client(daemon, "lambda", key), client(daemon, "sqs", key)
    scheduler, logs = client(daemon, "scheduler", key), client(daemon, "logs", key)
    wait.until("the key is known", lambda: _works(lam.list_functions), 10)
    assert lam.invoke(FunctionName="f", Payload=b"{}")["StatusCode"] == 200
    lam.publish_version(FunctionName="g")
    user = f"User: arn:aws:iam::{ACCOUNT}:user/some is not authorized to perform: "
    for name in ("g", f"{FUNCTION}:g", f"{ACCOUNT}:function:g:1", "g:1"):
        with refused("AccessDeniedException", 403, says=f"{user}lambda:InvokeFunction on resource: {FUNCTION}:g"):
            lam.invoke(FunctionName=name, Payload=b"{}")
    with refused("AccessDeniedException", 403, says="with an explicit deny in an identity-based policy"):
        lam.delete_function(FunctionName="f")
    with refused("AccessDeniedException", 403, says=f"lambda:CreateFunction on resource: {FUNCTION}:h"):
        create(lam, "h", zipped("invoke_echo.event"))
    sqs.send_message(QueueUrl=url, MessageBody="x")
    sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "x"}])
    because = "because no identity-based policy allows the sqs:SendMessage action"
    with refused("AccessDenied", 403, says=f"{user}sqs:SendMessage on resource: {clients.queue_arn('shut')} {because}"):
        sqs.send_message_batch(QueueUrl=shut, Entries=[{"Id": "1", "MessageBody": "x"}])
    for call in (lambda: sqs.receive_message(QueueUrl=url), sqs.list_queues, lambda: sqs.create_queue(QueueName="n")):
        with refused("AccessDenied", 403):
            call()
    scheduler.create_schedule(Name="s", GroupName="mine", **schedule)
    with refused("AccessDeniedException", 403, says="schedule/default/s"):
        scheduler.create_schedule(Name="s", **schedule)
    with refused("AccessDeniedException", 403, says="scheduler:GetSchedule"):
        scheduler.get_schedule(Name="s", GroupName="mine")
    assert "events" in logs.filter_log_events(logGroupName="/aws/lambda/f")
    with refused("AccessDeniedException", 400, says="log-group:/aws/lambda/g:log-stream:"):
        logs.filter_log_events(logGroupName="/aws/lambda/g")
    with refused("AccessDeniedException", 400, says="log-group::log-stream:"):
        logs.describe_log_groups()
    denied = daemon.metrics().sum("lamina_api_denied_total", reason="not_authorized")
    assert denied >= 10


def _works(call):
    try:
        call()
    except Exception:
        return False
    return True


def test_an_invoke_only_key_invokes_only(with_function):
    daemon, _ = with_function
    key = make_key(daemon, "caller", "--invoke-only", "f")
    lam = client(daemon, "lambda", key)
    wait.until("the key is known", lambda: _works(lambda: lam.invoke(FunctionName="f", Payload=b"{}")), 10)
    assert lam.invoke(FunctionName="f:$LATEST", Payload=b"{}")["StatusCode"] == 200
    for call in (
        lambda: lam.invoke(FunctionName="g", Payload=b"{}"),
        lambda: lam.get_function(FunctionName="f"),
        lambda: lam.update_function_code(FunctionName="f", ZipFile=b"x"),
        lam.list_functions,
    ):
        with refused("AccessDeniedException", 403):
            call()


def test_a_url_of_the_kind_aws_iam_takes_signed_requests_only(with_function, tmp_path):
    daemon, admin = with_function
    lam = client(daemon, "lambda", admin)
    shown = lam.create_function_url_config(FunctionName="f", AuthType="AWS_IAM")["FunctionUrl"]
    path = f"/lambda-url/{urllib.parse.urlsplit(shown).hostname.partition('.')[0]}/a"
    policy = policy_file(tmp_path, ("Allow", "lambda:InvokeFunctionUrl", f"{FUNCTION}:g"))
    stranger = make_key(daemon, "stranger", "--policy", policy)
    wait.until("the key is known", lambda: _works(client(daemon, "sts", stranger).get_caller_identity), 10)

    def status(key, body=b'{"a": 1}', sent=None, **more):
        headers = {"Content-Type": "application/json"}
        method, target, body, headers = signed(daemon, key, "POST", path, body, headers, base=daemon.http, **more)
        return daemon.request(method, target, sent or body, headers)

    answer = status(admin)
    assert answer.status == 200, answer
    caller = json.loads(answer.body)["requestContext"]["authorizer"]["iam"]
    assert (caller["accessKey"], caller["accountId"]) == (admin.id, ACCOUNT)
    assert caller["userArn"] == f"arn:aws:iam::{ACCOUNT}:user/admin"
    assert daemon.request("POST", path, b"{}").status == 403
    assert status(stranger).status == 403
    assert status(admin, sent=b'{"a": 2}').status == 403
    assert status(admin, service="sqs").status == 403
    assert status(Key({"AccessKeyId": admin.id, "SecretAccessKey": "x" * 40})).status == 403


GUEST = "111111111111"


def known(daemon, key):
    """The key, once the daemon has it."""
    sts = client(daemon, "sts", key)
    wait.until("the key is known", lambda: _works(sts.get_caller_identity), 10)
    return key


def permit(lam, name, sid="s", **more):
    settings = {"Action": "lambda:InvokeFunction", "Principal": GUEST} | more
    lam.add_permission(FunctionName=name, StatementId=sid, **settings)


def may(call):
    """Whether a call is let through: refused by nothing but what it asks for."""
    try:
        call()
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDeniedException", error
        return False
    return True


def test_keys_of_another_account_can_only_ask_who_they_are(with_function):
    daemon, _ = with_function
    key = known(daemon, make_key(daemon, "guest", "--admin", "--account", GUEST))
    assert client(daemon, "sts", key).get_caller_identity()["Account"] == GUEST
    user, lam = f"User: arn:aws:iam::{GUEST}:user/guest is not authorized to perform", client(daemon, "lambda", key)
    because = "because no resource-based policy allows the lambda:InvokeFunction action"
    for name in ("f", f"{FUNCTION}:f"):
        with refused(
            "AccessDeniedException", 403, says=f"{user}: lambda:InvokeFunction on resource: {FUNCTION}:f {because}"
        ):
            lam.invoke(FunctionName=name, Payload=b"{}")
    with refused("AccessDeniedException", 403, says="no resource-based policy"):
        lam.list_functions()
    for service, call in (("sqs", "list_queues"), ("scheduler", "list_schedules"), ("logs", "describe_log_groups")):
        with refused(("AccessDeniedException", "AccessDenied"), says="no resource-based policy"):
            getattr(client(daemon, service, key), call)()


def test_a_policy_lets_another_account_in_for_what_it_says(with_function, tmp_path):
    daemon, admin = with_function
    lam = client(daemon, "lambda", admin)
    version = lam.publish_version(FunctionName="f")["Version"]
    lam.create_alias(FunctionName="f", Name="live", FunctionVersion=version)
    invokes = policy_file(tmp_path, ("Allow", "lambda:InvokeFunction", f"{FUNCTION}:*"))
    guest = known(daemon, make_key(daemon, "guest", "--policy", invokes, "--account", GUEST))
    other = known(daemon, make_key(daemon, "other", "--policy", invokes, "--account", "222222222222"))
    mute = policy_file(tmp_path, ("Allow", "sqs:*", "*"))
    mute = known(daemon, make_key(daemon, "mute", "--policy", mute, "--account", GUEST))

    def invoke(key, qualifier=None, name="f"):
        arn = f"{FUNCTION}:{name}" + (f":{qualifier}" if qualifier else "")
        return may(lambda: client(daemon, "lambda", key).invoke(FunctionName=arn, Payload=b"{}"))

    for principal in (GUEST, f"arn:aws:iam::{GUEST}:root", f"arn:aws:iam::{GUEST}:user/guest", "*"):
        assert not invoke(guest), principal
        permit(lam, "f", Principal=principal)
        assert invoke(guest), principal
        # Of the function as such, not of its alias, its version, or another function.
        assert not invoke(guest, "live") and not invoke(guest, version) and not invoke(guest, name="g")
        assert not invoke(guest, "$LATEST")
        assert invoke(other) == (principal == "*")
        # The key's own policy has to allow it too.
        assert not invoke(mute)
        lam.remove_permission(FunctionName="f", StatementId="s")
    permit(lam, "f", Qualifier="live")
    assert invoke(guest, "live") and not invoke(guest) and not invoke(guest, version)
    permit(lam, "f", Qualifier=version)
    assert invoke(guest, version)
    # Conditions that a direct call does not meet.
    for condition in (
        {"SourceArn": "arn:aws:s3:::bucket"},
        {"SourceAccount": GUEST},
        {"EventSourceToken": "token"},
        {"PrincipalOrgID": "o-a1b2c3d4e5", "Principal": "*"},
        {"InvokedViaFunctionUrl": True},
        {"Principal": "s3.amazonaws.com"},
        {"Principal": f"arn:aws:iam::{GUEST}:user/somebody-else"},
        {"Action": "lambda:GetFunction"},
    ):
        permit(lam, "g", **condition)
        assert not invoke(guest, name="g"), condition
        lam.remove_permission(FunctionName="g", StatementId="s")


def test_a_policy_lets_a_key_of_the_account_do_what_its_own_does_not_say(with_function, tmp_path):
    daemon, admin = with_function
    lam = client(daemon, "lambda", admin)
    mute = policy_file(tmp_path, ("Allow", "sqs:*", "*"))
    mute = known(daemon, make_key(daemon, "mute", "--policy", mute))
    barred = policy_file(tmp_path, ("Deny", "lambda:Invoke*", "*"), ("Allow", "sqs:*", "*"))
    barred = known(daemon, make_key(daemon, "barred", "--policy", barred))
    invoke = lambda key: may(lambda: client(daemon, "lambda", key).invoke(FunctionName="f", Payload=b"{}"))  # noqa: E731
    assert not invoke(mute)
    # An account's number leaves it to the account's own policies.
    permit(lam, "f", Principal=ACCOUNT)
    assert not invoke(mute)
    for name in ("mute", "barred"):
        permit(lam, "f", name, Principal=f"arn:aws:iam::{ACCOUNT}:user/{name}")
    assert invoke(mute) and not invoke(barred)
    with refused("AccessDeniedException", 403, says="with an explicit deny in an identity-based policy"):
        client(daemon, "lambda", barred).invoke(FunctionName="f", Payload=b"{}")
    # Only for what it says.
    with refused("AccessDeniedException", 403, says="no identity-based policy allows the lambda:GetFunction action"):
        client(daemon, "lambda", mute).get_function(FunctionName="f")


def test_a_url_of_the_kind_aws_iam_lets_another_account_in(with_function, tmp_path):
    daemon, admin = with_function
    lam = client(daemon, "lambda", admin)
    shown = lam.create_function_url_config(FunctionName="f", AuthType="AWS_IAM")["FunctionUrl"]
    path = f"/lambda-url/{urllib.parse.urlsplit(shown).hostname.partition('.')[0]}/a"
    policy = policy_file(tmp_path, ("Allow", "lambda:InvokeFunctionUrl", f"{FUNCTION}:f"))
    guest = known(daemon, make_key(daemon, "guest", "--policy", policy, "--account", GUEST))
    mute = policy_file(tmp_path, ("Allow", "sqs:*", "*"))
    mute = known(daemon, make_key(daemon, "mute", "--policy", mute, "--account", GUEST))

    def status(key):
        method, target, body, headers = signed(daemon, key, "POST", path, b"{}", base=daemon.http)
        return daemon.request(method, target, body, headers).status

    url = {"Action": "lambda:InvokeFunctionUrl"}
    assert (status(admin), status(guest)) == (200, 403)
    for settings, expected in (
        ({"FunctionUrlAuthType": "AWS_IAM"}, 200),
        ({"FunctionUrlAuthType": "NONE"}, 403),
        ({"InvokedViaFunctionUrl": True}, 200),
        ({"Action": "lambda:InvokeFunction"}, 403),
        ({"Principal": "*"}, 200),
    ):
        permit(lam, "f", **(url | settings))
        assert (status(guest), status(mute)) == (expected, 403), settings
        lam.remove_permission(FunctionName="f", StatementId="s")


def test_a_layer_is_lent_to_another_account(with_function, tmp_path):
    daemon, admin = with_function
    lam = client(daemon, "lambda", admin)
    archive = packages.archive({"a.txt": b"x"})
    layer = [lam.publish_layer_version(LayerName=name, Content={"ZipFile": archive}) for name in ("lent", "kept")]
    lent, kept = (made["LayerVersionArn"] for made in layer)
    policy = policy_file(tmp_path, ("Allow", "lambda:*", "*"))
    guest = client(daemon, "lambda", known(daemon, make_key(daemon, "guest", "--policy", policy, "--account", GUEST)))
    permit(lam, "f", Action="lambda:UpdateFunctionConfiguration")
    attach = lambda arn: guest.update_function_configuration(FunctionName=f"{FUNCTION}:f", Layers=[arn])  # noqa: E731
    for arn in (lent, kept):
        with refused("AccessDeniedException", 403, says=f"lambda:GetLayerVersion on resource: {arn}"):
            attach(arn)
        with refused("AccessDeniedException", 403, says="no resource-based policy allows the lambda:GetLayerVersion"):
            guest.get_layer_version_by_arn(Arn=arn)
    for principal in (GUEST, "*"):
        lam.add_layer_version_permission(
            LayerName="lent", VersionNumber=1, StatementId="s", Action="lambda:GetLayerVersion", Principal=principal
        )
        assert guest.get_layer_version_by_arn(Arn=lent)["Version"] == 1
        assert guest.get_layer_version(LayerName=lent.rpartition(":")[0], VersionNumber=1)["LayerVersionArn"] == lent
        assert [one["Arn"] for one in attach(lent)["Layers"]] == [lent]
        with refused("AccessDeniedException", 403, says=f"lambda:GetLayerVersion on resource: {kept}"):
            attach(kept)
        lam.remove_layer_version_permission(LayerName="lent", VersionNumber=1, StatementId="s")
        functions.active(lam, "f")
    with refused("AccessDeniedException", 403):
        attach(lent)


def test_who_attaches_a_layer_must_be_allowed_to_get_it(with_function, tmp_path):
    daemon, admin = with_function
    lam = client(daemon, "lambda", admin)
    archive = packages.archive({"a.txt": b"x"})
    arn = lam.publish_layer_version(LayerName="l", Content={"ZipFile": archive})["LayerVersionArn"]
    path = policy_file(tmp_path, ("Allow", "lambda:*", "*"), ("Deny", "lambda:GetLayerVersion", f"{arn}"))
    key = client(daemon, "lambda", known(daemon, make_key(daemon, "some", "--policy", path)))
    for named in (arn, arn.replace("arn:aws:", "arn:aws-cn:")):
        with refused("AccessDeniedException", 403, says=f"lambda:GetLayerVersion on resource: {arn}"):
            key.update_function_configuration(FunctionName="f", Layers=[named])
        with refused("AccessDeniedException", 403, says=f"lambda:GetLayerVersion on resource: {arn}"):
            key.create_function(
                FunctionName="h",
                Runtime="provided.al2023",
                Handler="bootstrap",
                Role=clients.ROLE,
                Code={"ZipFile": zipped("invoke_echo.event")},
                Layers=[named],
            )


# Keys


def test_keys_come_and_go_while_the_daemon_runs(own_daemon):
    daemon = own_daemon().start()
    assert daemon.lam.list_functions()["Functions"] == []
    first = make_key(daemon, "first", "--admin")
    lam = client(daemon, "lambda", first)
    open_now = lambda: daemon.request("GET", "/2015-03-31/functions", listener="api").status == 200  # noqa: E731
    wait.until("unsigned requests are refused", lambda: not open_now(), 10)
    assert lam.list_functions()["Functions"] == []
    second = make_key(daemon, "second", "--admin")
    lamina(daemon, "delete", "first")
    wait.until("the old key is gone", lambda: not _works(lam.list_functions), 10)
    assert client(daemon, "lambda", second).list_functions()["Functions"] == []
    with refused("UnrecognizedClientException", 403):
        lam.list_functions()
    # The last one gone, the door stays shut.
    lamina(daemon, "delete", second.id)
    daemon.hang_up()
    wait.until("the last key is gone", lambda: not _works(client(daemon, "lambda", second).list_functions), 10)
    assert not open_now()


def test_a_file_that_went_wrong_changes_nothing(closed):
    daemon, key = closed
    path = daemon.data / "credentials.json"
    before = path.read_bytes()
    path.write_text("{")
    wait.until("the fault is in the log", lambda: "access keys were not read" in daemon.tail(), 10)
    assert _works(client(daemon, "lambda", key).list_functions)
    path.write_bytes(before)
    os.chmod(path, 0o644)
    wait.until("so is this one", lambda: "open to others" in daemon.tail(), 10)
    assert _works(client(daemon, "lambda", key).list_functions)


def test_secrets_are_not_on_the_disk_and_files_are_private(closed):
    daemon, key = closed
    for name in ("credentials.json", "credentials.key"):
        path = daemon.data / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert key.secret not in path.read_text()
    listed = json.loads(lamina(daemon, "list").stdout)["AccessKeys"]
    assert [(one["UserName"], one["AccessKeyId"]) for one in listed] == [("admin", key.id)]
    assert key.secret not in json.dumps(listed) and key.secret not in daemon.log.read_text()


def test_the_command_says_what_is_wrong(own_daemon, tmp_path):
    daemon = own_daemon()
    make_key(daemon, "a", "--admin")
    bad = tmp_path / "bad.json"
    bad.write_text('{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {}}}')
    for arguments, says in [
        (("create", "a", "--admin"), "already"),
        (("create", "b"), "--admin"),
        (("create", "b", "--policy", bad), "Condition"),
        (("create", "b b", "--admin"), "no name"),
        (("create", "b", "--admin", "--account", "1"), "twelve digits"),
        (("delete", "nobody"), "no key"),
    ]:
        done = lamina(daemon, *arguments, check=False)
        assert done.returncode == 2 and says in done.stderr.decode(), (arguments, done.stderr)


def test_a_public_address_needs_a_key(own_daemon):
    daemon = own_daemon(arguments=("--api-addr", "0.0.0.0:0"))
    with pytest.raises(NotReady, match="requires credentials"):
        daemon.start()
    key = make_key(daemon, "a", "--admin")
    daemon.start()
    daemon.api = daemon.api.replace("0.0.0.0", "127.0.0.1")
    assert client(daemon, "lambda", key).list_functions()["Functions"] == []
    assert daemon.request("GET", "/2015-03-31/functions", listener="api").status == 403


def test_signatures_can_be_required_before_there_is_a_key(own_daemon):
    daemon = own_daemon(config="[credentials]\nrequired = true\n").start()
    assert daemon.request("GET", "/2015-03-31/functions", listener="api").status == 403


def test_the_command_line_signs(with_function):
    daemon, key = with_function
    environment = dict(os.environ, LAMINA_ENDPOINT=daemon.api)
    run = lambda **more: subprocess.run(  # noqa: E731
        [binary(), "invoke", "f", "--payload", "{}"], env=environment | more, capture_output=True, timeout=30
    )
    assert run(AWS_ACCESS_KEY_ID=key.id, AWS_SECRET_ACCESS_KEY=key.secret).returncode == 0
    done = run(AWS_ACCESS_KEY_ID=key.id, AWS_SECRET_ACCESS_KEY="wrong")
    assert done.returncode == 1 and b"InvalidSignatureException" in done.stderr


# STS, and services that are not here


def test_get_caller_identity(closed, daemon):
    own, key = closed
    identity = client(own, "sts", key).get_caller_identity()
    assert identity["Account"] == ACCOUNT
    assert identity["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/admin"
    assert identity["UserId"] == key.id
    # Signed in the URL, as what proves an identity to others is.
    url = client(own, "sts", key).generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
    parts = urllib.parse.urlsplit(url)
    answer = own.request("GET", f"{parts.path}?{parts.query}", listener="api")
    assert answer.status == 200 and f"<Account>{ACCOUNT}</Account>".encode() in answer.body
    answer = own.request("GET", f"{parts.path}?{parts.query}", headers={"Accept": "application/json"}, listener="api")
    assert json.loads(answer.body)["GetCallerIdentityResponse"]["GetCallerIdentityResult"]["Account"] == ACCOUNT
    assert daemon.client("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert own.request("POST", "/", "Action=GetCallerIdentity&Version=2011-06-15", FORM, "api").status == 403


def test_the_aws_cli_knows_who_it_is(closed):
    daemon, key = closed
    keys = {"AWS_ACCESS_KEY_ID": key.id, "AWS_SECRET_ACCESS_KEY": key.secret}
    environment = os.environ | keys | {"AWS_DEFAULT_REGION": REGION}
    asked = ["--endpoint-url", daemon.api, "--output", "json", "sts", "get-caller-identity"]
    command = [sys.executable, "-m", "awscli", *asked]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/admin"


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def test_other_operations_of_sts_are_refused(daemon):
    sts = daemon.client("sts")
    with refused("UnsupportedOperation", 400, says="AssumeRole is not supported by Lamina"):
        sts.assume_role(RoleArn=clients.ROLE, RoleSessionName="s")
    with refused("UnsupportedOperation", 400):
        sts.get_session_token()
    for body, code in [
        ("", "MissingAction"),
        ("Action=Nothing&Version=2011-06-15", "InvalidAction"),
        ("Action=GetCallerIdentity&Version=2010-05-08", "InvalidAction"),
        ("Action=%3Cx%3E&Version=2011-06-15", "InvalidAction"),
    ]:
        answer = daemon.request("POST", "/", body, FORM, listener="api")
        assert answer.status == 400 and f"<Code>{code}</Code>".encode() in answer.body, body


@pytest.mark.parametrize(
    ("service", "call", "arguments", "code"),
    [
        ("sns", "list_topics", {}, "InvalidAction"),
        ("iam", "list_users", {}, "InvalidAction"),
        ("ec2", "describe_instances", {}, "InvalidAction"),
        ("dynamodb", "list_tables", {}, "UnknownOperationException"),
        ("s3", "list_buckets", {}, "UnknownOperationException"),
        ("cloudwatch", "list_metrics", {}, ("UnknownOperationException", "InvalidAction")),
    ],
)
def test_services_that_are_not_here_are_refused_in_their_own_protocol(daemon, closed, service, call, arguments, code):
    with refused(code):
        getattr(daemon.client(service), call)(**arguments)
    own, key = closed
    with refused(code):
        getattr(client(own, service, key), call)(**arguments)


def test_nothing_made_up_gets_in(closed):
    """Mutations of a signed request: always a refusal, never an answer or a fault of the daemon's."""
    daemon, key = closed
    chance = random.Random(7)
    method, target, body, headers = signed(daemon, key, "GET", "/2015-03-31/functions")
    value = headers["Authorization"]
    for _ in range(300):
        mutated = bytearray(value.encode())
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(mutated))
            mutated[at : at + chance.randint(0, 2)] = bytes(chance.choices(b" ,=/;Aa0-", k=chance.randint(0, 2)))
        text = mutated.decode().strip()
        answer, _ = send(daemon, (method, target, body, headers | {"Authorization": text}))
        assert answer.status == 403 or text.replace(" ", "") == value.replace(" ", ""), (answer, text)
    assert daemon.healthy()
