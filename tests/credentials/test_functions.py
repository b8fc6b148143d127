"""Credentials that functions get: who they are with them, what they may do, and when they end.

The guest tells its variables, and the test calls as the function would.
"""

import json

import boto3
import botocore.config
import botocore.exceptions
import pytest

from harness import clients, wait
from harness.clients import ACCOUNT, REGION, function_arn, queue_arn, refused
from harness.functions import active, create, zipped
from harness.keys import client, lamina, make_key, policy_file

NAMES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL")
REACHES = {"LAMINA_OUTBOUND_HOSTS": "lamina"}
INVALID = ("UnrecognizedClientException", "InvalidClientTokenId")


def role(name, account=ACCOUNT):
    return f"arn:aws:iam::{account}:role/{name}"


def variables(lam, function, qualifier="$LATEST"):
    answer = lam.invoke(FunctionName=function, Qualifier=qualifier, Payload=b'{"op": "env"}')
    return json.loads(answer["Payload"].read())


def as_function(variables, service, endpoint=None, token=None):
    """A client as an SDK in the function makes it."""
    session = boto3.session.Session(
        variables["AWS_ACCESS_KEY_ID"],
        variables["AWS_SECRET_ACCESS_KEY"],
        token or variables["AWS_SESSION_TOKEN"],
        region_name=REGION,
    )
    config = botocore.config.Config(retries={"max_attempts": 0})
    return session.client(service, endpoint_url=endpoint or variables["AWS_ENDPOINT_URL"], config=config)


def set_role(daemon, directory, name, *statements):
    lamina(daemon, "role", "set", name, "--policy", policy_file(directory, *statements))


def set_environment(lam, function, environment):
    lam.update_function_configuration(FunctionName=function, Environment={"Variables": environment})
    active(lam, function)


@pytest.fixture
def closed(own_daemon):
    """A daemon with an administrator's key, its Lambda client, and a function `f` with the role `worker`."""
    daemon = own_daemon()
    key = make_key(daemon, "admin", "--admin")
    daemon.start()
    lam = client(daemon, "lambda", key)
    create(lam, "f", zipped("invoke_ops"), REACHES, Role=role("worker"))
    client(daemon, "sqs", key).create_queue(QueueName="q")
    return daemon, lam


def test_only_functions_that_list_it_have_an_endpoint_and_credentials(daemon, make):
    with_it = variables(daemon.lam, make("invoke_ops", environment={"LAMINA_OUTBOUND_HOSTS": "example.com, lamina"}))
    assert with_it["AWS_ENDPOINT_URL"] == daemon.api
    assert len(with_it["AWS_ACCESS_KEY_ID"]) == 20 and len(with_it["AWS_SECRET_ACCESS_KEY"]) == 40
    for environment in (None, {"LAMINA_OUTBOUND_HOSTS": f"lamina:80,{daemon.address('api')[0]}"}):
        without = variables(daemon.lam, make("invoke_ops", environment=environment))
        assert not set(NAMES) & without.keys()
    own = variables(daemon.lam, make("invoke_ops", environment=REACHES | {"AWS_ENDPOINT_URL": "http://example.com"}))
    assert own["AWS_ENDPOINT_URL"] == "http://example.com" and own["AWS_SESSION_TOKEN"]
    with refused("InvalidParameterValueException", 400, "lamina needs a role"):
        make("invoke_ops", environment=REACHES, Role="arn:aws:iam::000000000000:user/me")


def test_the_entry_is_the_daemon_s_port_and_no_other(daemon, make):
    name = make("http_ops", environment=REACHES)

    def fetch(authority):
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/fetch",
            "rawQueryString": f"authority={authority}&path=/2015-03-31/functions",
            "headers": {},
            "isBase64Encoded": False,
            "requestContext": {"http": {"method": "GET", "path": "/fetch", "sourceIp": "127.0.0.1"}},
        }
        return json.loads(daemon.invoke(name, event).ok()["body"])

    host, port = daemon.address("api")
    for own in (f"{host}:{port}", f"localhost:{port}"):
        answer = fetch(own)
        assert answer.get("status") == 200 and "Functions" in answer["body"], answer
    others = [":".join(map(str, daemon.address(listener))) for listener in ("http", "admin")]
    for other in (*others, f"127.0.0.2:{port}", f"lamina:{port}", host, f"example.com:{port}"):
        assert "error" in fetch(other), other


def test_a_role_s_policy_is_the_function_s(closed, tmp_path):
    daemon, lam = closed
    own = variables(lam, "f")
    sqs, sts = as_function(own, "sqs"), as_function(own, "sts")
    who = sts.get_caller_identity()
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/f"
    assert (who["Account"], who["Arn"]) == (ACCOUNT, arn)
    assert who["UserId"].startswith("AROA") and who["UserId"].endswith(":f") and len(who["UserId"]) == 23
    url = f"{daemon.api}/{ACCOUNT}/q"

    def send():
        return sqs.send_message(QueueUrl=url, MessageBody="x")["MessageId"]

    says = f"User: {arn} is not authorized to perform: sqs:SendMessage on resource: {queue_arn('q')}"
    with refused(("AccessDenied", "AccessDeniedException"), 403, says):
        send()
    with refused("AccessDeniedException", 403, f"User: {arn} is not authorized to perform: lambda:InvokeFunction"):
        as_function(own, "lambda").invoke(FunctionName="f")

    set_role(daemon, tmp_path, "worker", ("Allow", "sqs:SendMessage", queue_arn("q")))
    wait.until("the role may send", lambda: works(send), 10)
    with refused(("AccessDenied", "AccessDeniedException"), 403, "sqs:ReceiveMessage"):
        sqs.receive_message(QueueUrl=url)
    listed = json.loads(lamina(daemon, "role", "list").stdout)["Roles"]
    assert [role["RoleName"] for role in listed] == ["worker"]
    # What is allowed is the role's, not the key's that a name might be taken for.
    assert lamina(daemon, "role", "delete", "admin", check=False).returncode == 2

    set_role(daemon, tmp_path, "worker", ("Allow", "sqs:*", "*"), ("Deny", "sqs:SendMessage", "*"))
    wait.until("the role may not send", lambda: not works(send), 10)
    with refused(("AccessDenied", "AccessDeniedException"), 403, "with an explicit deny in an identity-based policy"):
        send()
    lamina(daemon, "role", "delete", "worker")
    wait.until("nothing is said of the role", lambda: not works(lambda: sqs.receive_message(QueueUrl=url)), 10)


def works(call):
    """Whether a call is let through: refused by nothing but what it asks for."""
    try:
        call()
    except botocore.exceptions.ClientError as error:
        assert clients.code_of(error) in ("AccessDenied", "AccessDeniedException"), error
        return False
    return True


@pytest.mark.parametrize("principal", [role("worker"), f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/f"])
def test_a_function_s_policy_lets_a_role_in(closed, principal):
    _, lam = closed
    create(lam, "g", zipped("invoke_echo.event"), Role=role("other"))
    own = as_function(variables(lam, "f"), "lambda")
    with refused("AccessDeniedException", 403):
        own.invoke(FunctionName="g")
    lam.add_permission(FunctionName="g", StatementId="s", Action="lambda:InvokeFunction", Principal=principal)
    assert own.invoke(FunctionName="g")["StatusCode"] == 200
    with refused("AccessDeniedException", 403, function_arn("f")):
        own.invoke(FunctionName="f")


def test_a_role_of_another_account_may_do_nothing_here(closed, tmp_path):
    daemon, lam = closed
    set_role(daemon, tmp_path, "worker", ("Allow", "*", "*"))
    create(lam, "g", zipped("invoke_ops"), REACHES, Role=role("worker", "111122223333"))
    own = variables(lam, "g")
    wait.until("the role is known", lambda: works(as_function(variables(lam, "f"), "lambda").list_functions), 10)
    assert as_function(own, "sts").get_caller_identity()["Account"] == "111122223333"
    with refused("AccessDeniedException", 403):
        as_function(own, "lambda").list_functions()


def test_credentials_are_the_same_after_a_restart_and_of_each_version_its_own(closed, tmp_path):
    daemon, lam = closed
    lam.publish_version(FunctionName="f")
    latest, first = variables(lam, "f"), variables(lam, "f", "1")
    assert all(latest[name] != first[name] for name in NAMES[:3])
    # The port is another one after a restart here, and so the variable with it; what is signed with is not.
    daemon.kill()
    daemon.start()
    for own in (latest, first):
        assert as_function(own, "sts", daemon.api).get_caller_identity()["Arn"].endswith(":assumed-role/worker/f")


def end_by_deleting(lam):
    lam.delete_function(FunctionName="f")


def end_by_another_of_the_name(lam):
    lam.delete_function(FunctionName="f")
    create(lam, "f", zipped("invoke_ops"), REACHES, Role=role("worker"))


def end_by_another_role(lam):
    lam.update_function_configuration(FunctionName="f", Role=role("other"))
    active(lam, "f")


def end_by_taking_the_entry_away(lam):
    set_environment(lam, "f", {"LAMINA_OUTBOUND_HOSTS": "example.com"})


@pytest.mark.parametrize(
    "end", [end_by_deleting, end_by_another_of_the_name, end_by_another_role, end_by_taking_the_entry_away]
)
def test_credentials_end_with_what_they_are_for(closed, end):
    _, lam = closed
    sts = as_function(variables(lam, "f"), "sts")
    assert sts.get_caller_identity()["Account"] == ACCOUNT
    end(lam)
    with refused(INVALID, 403, "security token"):
        sts.get_caller_identity()


def test_a_deleted_version_s_credentials_end_and_others_go_on(closed):
    _, lam = closed
    lam.publish_version(FunctionName="f")
    first = as_function(variables(lam, "f", "1"), "sts")
    assert first.get_caller_identity()["Account"] == ACCOUNT
    lam.delete_function(FunctionName="f", Qualifier="1")
    with refused(INVALID, 403):
        first.get_caller_identity()
    assert as_function(variables(lam, "f"), "sts").get_caller_identity()["Account"] == ACCOUNT


def test_nothing_made_up_is_a_token(closed):
    _, lam = closed
    lam.publish_version(FunctionName="f")
    own, other = variables(lam, "f"), variables(lam, "f", "1")
    for token in ("t", other["AWS_SESSION_TOKEN"], own["AWS_SESSION_TOKEN"] + "A", own["AWS_SESSION_TOKEN"][:-1]):
        with refused(INVALID, 403):
            as_function(own, "sts", token=token).get_caller_identity()
    forged = own | {"AWS_SECRET_ACCESS_KEY": other["AWS_SECRET_ACCESS_KEY"]}
    with refused("SignatureDoesNotMatch", 403):
        as_function(forged, "sts").get_caller_identity()
    endpoint = own["AWS_ENDPOINT_URL"]
    session = boto3.session.Session(own["AWS_ACCESS_KEY_ID"], own["AWS_SECRET_ACCESS_KEY"], region_name=REGION)
    with refused(INVALID, 403):
        session.client("sts", endpoint_url=endpoint).get_caller_identity()


def test_presigned_urls_carry_the_token(closed):
    daemon, lam = closed
    url = as_function(variables(lam, "f"), "sts").generate_presigned_url("get_caller_identity", HttpMethod="GET")
    path = url.removeprefix(daemon.api)
    assert "X-Amz-Security-Token" in path
    answer = daemon.request("GET", path, listener="api")
    assert answer.status == 200 and b"assumed-role/worker/f" in answer.body, answer
    damaged = path.replace("X-Amz-Security-Token=M", "X-Amz-Security-Token=N")
    assert damaged != path
    assert daemon.request("GET", damaged, listener="api").status == 403


def test_roles_alone_do_not_close_the_port(own_daemon, tmp_path):
    daemon = own_daemon()
    set_role(daemon, tmp_path, "worker", ("Allow", "sqs:*", "*"))
    daemon.start()
    assert daemon.lam.list_functions()["Functions"] == []
