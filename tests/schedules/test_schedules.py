"""The Scheduler API, and schedules that fire."""

import datetime
import json
import re
import time

import pytest

from harness import wait
from harness.clients import ROLE, function_arn, refused
from harness.functions import create, zipped

OFF = {"Mode": "OFF"}


def target(function, **more):
    return {"Arn": function_arn(function), "RoleArn": ROLE} | more


def in_seconds(seconds):
    """An at() expression that is due in about so many seconds, and when exactly."""
    due = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(seconds=seconds + 1)
    return f"at({due:%Y-%m-%dT%H:%M:%S})", due.timestamp()


@pytest.fixture
def schedule(daemon, scheduler, names):
    """Makes schedules that are deleted with the test."""
    made = []

    def make(expression, function, name=None, **more):
        name = name or names()
        made.append(name)
        settings = {"FlexibleTimeWindow": OFF, "Target": target(function)} | more
        scheduler.create_schedule(Name=name, ScheduleExpression=expression, **settings)
        return name

    yield make
    for name in made:
        try:
            scheduler.delete_schedule(Name=name)
        except scheduler.exceptions.ResourceNotFoundException:
            pass


def invocations(daemon, function):
    return int(daemon.metrics().sum("lamina_invocations_total", function=function, source="schedule"))


def test_create_get_list_update_delete(scheduler, make, schedule):
    function = make()
    name = schedule("rate(1 day)", function, Description="d", ScheduleExpressionTimezone="Europe/Berlin")
    read = scheduler.get_schedule(Name=name)
    assert read["Arn"] == f"arn:aws:scheduler:us-east-1:000000000000:schedule/default/{name}"
    assert (read["ScheduleExpression"], read["ScheduleExpressionTimezone"], read["State"]) == (
        "rate(1 day)",
        "Europe/Berlin",
        "ENABLED",
    )
    assert (read["GroupName"], read["Description"], read["FlexibleTimeWindow"]) == ("default", "d", OFF)
    assert read["Target"]["Arn"] == function_arn(function) and read["CreationDate"] and read["LastModificationDate"]
    listed = [item for item in scheduler.list_schedules(NamePrefix=name)["Schedules"]]
    assert [item["Name"] for item in listed] == [name] and listed[0]["Target"] == {"Arn": function_arn(function)}
    scheduler.update_schedule(
        Name=name,
        ScheduleExpression="cron(0 12 ? * MON-FRI *)",
        FlexibleTimeWindow=OFF,
        Target=target(function),
        State="DISABLED",
    )
    read = scheduler.get_schedule(Name=name)
    assert (read["ScheduleExpression"], read["State"]) == ("cron(0 12 ? * MON-FRI *)", "DISABLED")
    assert "Description" not in read, "UpdateSchedule replaces; what it does not name returns to its default"
    scheduler.delete_schedule(Name=name)
    with refused("ResourceNotFoundException", 404):
        scheduler.get_schedule(Name=name)


def test_refusals(scheduler, make, schedule):
    function = make()
    name = schedule("rate(1 day)", function)
    with refused("ConflictException", 409):
        scheduler.create_schedule(
            Name=name, ScheduleExpression="rate(1 day)", FlexibleTimeWindow=OFF, Target=target(function)
        )
    for call in (scheduler.get_schedule, scheduler.delete_schedule):
        with refused("ResourceNotFoundException", 404):
            call(Name="nope")
    with refused("ResourceNotFoundException", 404):
        scheduler.update_schedule(
            Name="nope", ScheduleExpression="rate(1 day)", FlexibleTimeWindow=OFF, Target=target(function)
        )


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "rate(0 minutes)",
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(1 fortnight)",
        "cron(* * * * * *)",
        "cron(0 0 31 2 ? *)",
        "cron(0 12 * * *)",
        "at(2030-02-30T00:00:00)",
        "at(tomorrow)",
        "every(5 minutes)",
        "cron(0 0 ? * 8 *)",
        "rate(" + "9" * 400 + " days)",
    ],
)
def test_malformed_expressions_are_refused(scheduler, make, name, expression):
    if expression in ("rate(1 minutes)", "rate(5 minute)"):
        pytest.skip("AWS's services differ on the unit's number; either is fine")
    function = make()
    try:
        with refused("ValidationException", 400):
            scheduler.create_schedule(
                Name=name, ScheduleExpression=expression, FlexibleTimeWindow=OFF, Target=target(function)
            )
    except Exception as error:
        # botocore itself refuses an empty expression.
        assert expression == "" and "ParamValidation" in type(error).__name__, error


def test_other_bad_input_is_refused(scheduler, make, name):
    function = make()
    good = {"Name": name, "ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": OFF, "Target": target(function)}
    for bad in (
        {"ScheduleExpressionTimezone": "Mars/Olympus"},
        {"Target": target(function, Input="{not json")},
        {"Target": {"Arn": "arn:aws:nothing:us-east-1:000000000000:x", "RoleArn": ROLE}},
        {"Target": {"Arn": "not an arn", "RoleArn": ROLE}},
        {"Name": "a b"},
        {"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}},
        {"State": "MAYBE"},
    ):
        with refused(("ValidationException", "ResourceNotFoundException")) as refusal:
            scheduler.create_schedule(**(good | bad))
        assert refusal.status in (400, 404), bad


def test_list_pages(scheduler, make, schedule, name):
    function = make()
    made = {schedule("rate(1 day)", function, name=f"{name[:40]}-{index}") for index in range(5)}
    seen, pages = [], 0
    for page in scheduler.get_paginator("list_schedules").paginate(
        NamePrefix=name[:40], PaginationConfig={"PageSize": 2}
    ):
        assert len(page["Schedules"]) <= 2
        pages += 1
        seen += [item["Name"] for item in page["Schedules"]]
    assert set(seen) == made and len(seen) == 5 and pages >= 3


def test_at_fires_once_with_its_input(daemon, make, schedule):
    function = make("invoke_ops")
    expression, due = in_seconds(1)
    schedule(
        expression, function, Target=target(function, Input=json.dumps({"op": "log", "text": "fired for the test"}))
    )
    wait.until("it fired", lambda: invocations(daemon, function) == 1, 10)
    assert time.time() - due < 5
    wait.until(
        "its line is in the log", lambda: any("fired for the test" in line for line in daemon.logs(function)), 10
    )
    wait.steadily("it fires once", lambda: invocations(daemon, function) == 1, 2)


def test_after_completion_delete(scheduler, daemon, make, schedule):
    function = make()
    expression, _ = in_seconds(1)
    name = schedule(expression, function, ActionAfterCompletion="DELETE")

    def gone():
        try:
            scheduler.get_schedule(Name=name)
            return False
        except scheduler.exceptions.ResourceNotFoundException:
            return True

    wait.until("it deleted itself", gone, 15)
    wait.until("it fired", lambda: invocations(daemon, function) == 1, 5)


def test_without_it_a_done_schedule_stays(scheduler, daemon, make, schedule):
    function = make()
    expression, _ = in_seconds(1)
    name = schedule(expression, function)
    wait.until("it fired", lambda: invocations(daemon, function) == 1, 10)
    assert scheduler.get_schedule(Name=name)["ScheduleExpression"] == expression


def test_a_disabled_or_deleted_schedule_does_not_fire(scheduler, daemon, make, schedule):
    function = make()
    expression, due = in_seconds(2)
    schedule(expression, function, State="DISABLED")
    deleted = schedule(expression, function)
    scheduler.delete_schedule(Name=deleted)
    other = make()
    schedule(expression, other)
    wait.until("a third one fired at that time", lambda: invocations(daemon, other) == 1, 10)
    wait.steadily("neither of them did", lambda: invocations(daemon, function) == 0, 1)


def test_an_update_moves_the_next_firing(scheduler, daemon, make, schedule):
    function = make()
    name = schedule("rate(1 day)", function)
    expression, _ = in_seconds(1)
    scheduler.update_schedule(Name=name, ScheduleExpression=expression, FlexibleTimeWindow=OFF, Target=target(function))
    wait.until("it fired", lambda: invocations(daemon, function) == 1, 10)


def test_a_time_zone_is_obeyed(daemon, make, schedule):
    function = make()
    due = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=5, minutes=45))) + datetime.timedelta(
        seconds=2
    )
    schedule(f"at({due:%Y-%m-%dT%H:%M:%S})", function, ScheduleExpressionTimezone="Asia/Kathmandu")
    wait.until("it fired", lambda: invocations(daemon, function) == 1, 10)


def test_lateness_is_measured(daemon, make, schedule):
    function = make()
    before = daemon.metrics()
    expression, _ = in_seconds(1)
    for _ in range(20):
        schedule(expression, function)
    wait.until("all fired", lambda: invocations(daemon, function) == 20, 10)
    after = daemon.metrics()
    fired = after.sum("lamina_schedule_lateness_seconds_count") - before.sum("lamina_schedule_lateness_seconds_count")
    late = after.sum("lamina_schedule_lateness_seconds_sum") - before.sum("lamina_schedule_lateness_seconds_sum")
    assert fired >= 20
    print(f"mean lateness of {fired:.0f} firings: {late / fired * 1e3:.2f} ms")


def test_the_default_event_is_schedulers(daemon, make, schedule):
    """Without an Input the function gets EventBridge's Scheduled Event, or an empty one: JSON either way."""
    function = make("invoke_ops")
    expression, _ = in_seconds(1)
    schedule(expression, function)
    wait.until("it fired", lambda: invocations(daemon, function) == 1, 10)
    assert daemon.metrics().sum("lamina_invocation_errors_total", function=function) == 0


def test_a_failing_target_is_retried_as_told(daemon, make, schedule):
    function = make("invoke_ops")
    before = daemon.metrics().sum("lamina_schedule_failures_total")
    expression, _ = in_seconds(1)
    schedule(
        expression,
        function,
        Target=target(
            function, Input='{"op": "fail", "type": "A", "message": "b"}', RetryPolicy={"MaximumRetryAttempts": 0}
        ),
    )
    wait.until("it fired", lambda: invocations(daemon, function) == 1, 10)
    wait.until("it is given up", lambda: daemon.metrics().sum("lamina_schedule_failures_total") >= before + 1, 10)
    wait.steadily("it is not retried", lambda: invocations(daemon, function) == 1, 1.5)


def test_a_firing_missed_while_down_comes_after_a_restart(own_daemon):
    daemon = own_daemon().start()
    create(daemon.lam, "late", zipped("invoke_ops"))
    expression, due = in_seconds(1)
    daemon.scheduler.create_schedule(
        Name="late",
        ScheduleExpression=expression,
        FlexibleTimeWindow=OFF,
        Target=target("late", Input=json.dumps({"op": "log", "text": "better late"})),
    )
    daemon.kill()
    wait.until("it is past due", lambda: time.time() > due + 0.5)
    daemon.start()
    wait.until("it fired", lambda: any("better late 0" in line for line in daemon.logs("late")), 15)
    assert len([line for line in daemon.logs("late") if re.search(r"better late 0", line)]) == 1
