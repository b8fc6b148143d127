"""Snapshots: hooks, and what restored environments must not share. An image is a copy of the memory, put into a new instance."""

import json

import harness

HOOKS = """
import random, snapshot_restore_py, time, uuid, os
told = []
@snapshot_restore_py.register_before_snapshot
def first(): told.append("first")
snapshot_restore_py.register_before_snapshot(told.append, "second")
snapshot_restore_py.register_after_restore(told.append, "third")
@snapshot_restore_py.register_after_restore
def fourth(): told.append("fourth " + os.environ["MINE"])
def h(e, c): return told
"""


def restored(origin, image, **given):
    """A new environment like `origin` whose memory is `image`, after rt_restore."""
    other = origin.twin()
    other.overwrite(image)
    assert other.restore(**given) == ("success", b"")
    return other


def test_hooks(environment):
    env = environment(m=HOOKS)
    assert env.load("m.h", env={"MINE": "0"})[0] == "success"
    assert env.snapshot() == ("success", b"")
    assert env.restore(env={"MINE": "1"}, logStream="s")[0] == "success"
    assert env.invoke() == ("success", ["second", "first", "third", "fourth 1"])


def test_failing_hooks(environment):
    env = environment(m="import snapshot_restore_py\nsnapshot_restore_py.register_before_snapshot(lambda: 1 / 0)\ndef h(e, c): pass")
    env.load("m.h")
    tag, body = env.snapshot()
    assert (tag, json.loads(body)["errorType"]) == ("error", "ZeroDivisionError")


def test_restored_environments_differ(environment):
    env = environment()
    env.load("semantics.lambda_handler")
    env.invoke({"do": "draw"})
    assert env.snapshot()[0] == "success"
    image = env.image()
    drawn = []
    for number in range(2):
        other = restored(env, image, env={"NUMBER": str(number)}, logStream=f"s-{number}", initializationType="snap-start")
        drawn.append(other.invoke({"do": "draw"})[1])
        variables = other.invoke({"do": "where"})[1]["env"]
        assert variables["NUMBER"] == str(number)
        assert variables["AWS_LAMBDA_LOG_STREAM_NAME"] == f"s-{number}"
        assert variables["AWS_LAMBDA_INITIALIZATION_TYPE"] == "snap-start"
    for index in (0, 1, 3):
        assert drawn[0][index] != drawn[1][index]
    # The function chose this one's seed: it goes on with its sequence, in both.
    assert drawn[0][2] == drawn[1][2]


LEFT_BEHIND = """
import random, tempfile, time, uuid
def draw(): return [random.gauss(0, 1), uuid.uuid1().node, next(tempfile._get_candidate_names())]
draw()
def h(e, c): return [draw(), time.tzname]
"""


def test_what_drawing_leaves_behind_is_forgotten(environment):
    env = environment(m=LEFT_BEHIND)
    env.load("m.h", env={"TZ": "UTC"})
    assert env.snapshot()[0] == "success"
    image = env.image()
    (one, zone), (other, other_zone) = (
        restored(env, image, env={"TZ": name}, logStream="s").invoke()[1] for name in ("UTC", "EST5")
    )
    assert all(left != right for left, right in zip(one, other, strict=True)), (one, other)
    assert (zone[0], other_zone[0]) == ("UTC", "EST")


def test_globals_are_as_before_after_each_call(environment):
    env = environment()
    before = env.stack_pointer()
    env.load("semantics.lambda_handler")
    for event in ({"do": "draw"}, {"do": "fail", "what": "x"}, {"do": "recurse"}):
        env.invoke(event)
        assert env.stack_pointer() == before


def test_lies_are_refused(environment):
    env = environment()
    env.load("echo.lambda_handler")
    for argument in (b"", b"\1", b"\xff\xff\xff\xff{}"):
        try:
            env._answer(env._call("rt_invoke", *env._give(argument)))
        except harness.Ended as ended:
            assert "answered 0" in str(ended)
        else:
            raise AssertionError("a context longer than the argument was taken")
    assert env.invoke({"a": 1}) == ("success", {"a": 1})
