"""Swapping an alias under load: no invocation is lost, none sees one version's code with another's configuration."""

import json
import threading

from harness import packages, wait
from harness.functions import active


def test_swapping_loses_and_mixes_nothing(daemon, lam, make):
    name = make(packages.package("invoke_ops", "1"), environment={"MARK": "1"}, Publish=True)
    for number in ("2", "3"):
        lam.update_function_code(FunctionName=name, ZipFile=packages.package("invoke_ops", number))
        active(lam, name)
        lam.update_function_configuration(FunctionName=name, Environment={"Variables": {"MARK": number}})
        active(lam, name)
        assert lam.publish_version(FunctionName=name)["Version"] == number
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    stop, problems, seen = threading.Event(), [], {"1": 0, "2": 0, "3": 0}
    counted = threading.Lock()

    def call():
        connection = daemon.connection("api")
        body = json.dumps({"op": "mark", "ms": 2}).encode()
        while not stop.is_set():
            connection.request("POST", f"/2015-03-31/functions/{name}/invocations?Qualifier=live", body)
            response = connection.getresponse()
            content = response.read()
            if response.status != 200 or "X-Amz-Function-Error" in response.headers:
                problems.append((response.status, content[:200]))
                continue
            answer = json.loads(content)
            version = answer["version"]
            expected = {"code": f"CODE-MARK:{version:0>13}.", "mark": version, "version": version}
            if {key: answer[key] for key in expected} != expected or response.headers[
                "X-Amz-Executed-Version"
            ] != version:
                problems.append((version, answer, response.headers["X-Amz-Executed-Version"]))
            with counted:
                seen[version] += 1
        connection.close()

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for swap in range(30):
            version = str(swap % 3 + 1)
            before = seen[version]
            lam.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
            wait.until(f"version {version} serves", lambda: seen[version] >= before + 5 or problems, 20)
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert not problems, problems[:3]
    assert all(count >= 50 for count in seen.values()), seen


def test_an_invocation_in_flight_finishes_on_its_version(daemon, lam, make):
    name = make(packages.package("invoke_ops", "1"), environment={"MARK": "1"}, Publish=True)
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    answers = []
    before = daemon.metrics().sum("lamina_environments", function=name, state="busy")
    thread = threading.Thread(
        target=lambda: answers.append(daemon.invoke(name, {"op": "mark", "ms": 1500}, Qualifier="live"))
    )
    thread.start()
    wait.until(
        "it is running",
        lambda: (
            daemon.metrics().sum("lamina_environments", function=name, state="busy") > before or not thread.is_alive()
        ),
    )
    lam.update_function_configuration(FunctionName=name, Environment={"Variables": {"MARK": "2"}})
    active(lam, name)
    lam.publish_version(FunctionName=name)
    lam.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    assert daemon.invoke(name, {"op": "mark"}, Qualifier="live").ok()["mark"] == "2"
    assert thread.is_alive(), "the old version's invocation was meant to be still running"
    thread.join(20)
    assert (answers[0].version, answers[0].ok()["mark"]) == ("1", "1")
