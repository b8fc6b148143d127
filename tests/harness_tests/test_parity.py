"""The tables of operations: made of what was seen, and refused where that is not enough."""

import json

import pytest

from harness import parity, recorder
from harness.clients import boto, refused
from harness.parity import Service
from harness.recorder import Seen

MODEL = Service("sts", {}, {})


def sts(notes=None, **seen):
    """STS, of whose operations those not given were refused."""
    record = {name: Seen(refused_with="UnsupportedOperation") for name in MODEL.operations} | seen
    record = {name: seen for name, seen in record.items() if seen}
    return Service("sts", {"sts": notes or {}}, {"sts": record})


def test_rows_are_what_was_seen():
    there = {"GetCallerIdentity": Seen(succeeded=True, errors=["AccessDenied"]), "AssumeRole": Seen(succeeded=True)}
    service = sts({"AssumeRole": {"partly": "without tags", "remark": "for a while"}}, **there)
    assert list(service.faults()) == []
    rows = list(service.table())
    assert rows[2:5] == [
        "| AssumeRole | partly | without tags; for a while |",
        "| GetCallerIdentity | supported | |",
        "| AssumeRoleWithSAML | refused | `UnsupportedOperation` |",
    ]
    assert len(rows) == 2 + len(service.operations)


@pytest.mark.parametrize(
    "seen, notes, words",
    [
        ({"GetSessionToken": None}, {}, "no test called GetSessionToken"),
        ({"GetSessionToken": Seen(errors=["A"])}, {}, "neither succeeded nor was refused; it answered ['A']"),
        ({}, {"GetNothing": {"remark": "x"}}, "sts has no operation GetNothing"),
        ({}, {"GetSessionToken": {"remark": "x"}}, "GetSessionToken has a note, and is refused"),
        ({"AssumeRole": Seen(True)}, {"AssumeRole": {"part": "x"}}, "['part'], which mean nothing"),
        ({"AssumeRole": Seen(True)}, {"AssumeRole": {"unseen": {"Nothing": "x"}}}, "AssumeRole has no error Nothing"),
        (
            {"AssumeRole": Seen(True, errors=["ExpiredTokenException"])},
            {"AssumeRole": {"unseen": {"ExpiredTokenException": "x"}}},
            "is said to answer ExpiredTokenException unseen",
        ),
        ({}, {"unseen": {"ExpiredTokenException": "x"}}, "ExpiredTokenException is excused for nothing"),
    ],
)
def test_what_keeps_a_table_from_being_made(seen, notes, words):
    (fault,) = sts(notes, **seen).faults()
    assert words in fault


def test_errors_that_are_missing():
    service = sts(
        {"unseen": {"RegionDisabledException": "x"}, "AssumeRole": {"unseen": {"ExpiredTokenException": "x"}}},
        AssumeRole=Seen(True, errors=["PackedPolicyTooLargeException"]),
    )
    assert service.missing("AssumeRole") == ["MalformedPolicyDocumentException"]


def test_a_page_is_filled_between_its_marks():
    service = sts()
    page = f"a\n<!-- parity of sts: {parity.COMMAND} -->\nold\n<!-- end of parity -->\nb\n"
    filled = parity.filled(page, [service])
    assert filled.startswith("a\n<!-- ") and filled.endswith("\n<!-- end of parity -->\nb\n") and "old" not in filled
    assert parity.filled(filled, [service]) == filled
    assert "- old" in parity.differing(page, filled)
    for broken in (page.replace("parity of sts", "x"), page.replace("end of parity", "x")):
        with pytest.raises(ValueError):
            parity.filled(broken, [service])


def test_the_command_fails_until_the_page_is_written(tmp_path, monkeypatch, capsys):
    page, notes, record = tmp_path / "page.md", tmp_path / "parity.toml", tmp_path / "record.json"
    page.write_text(f"<!-- parity of sts: {parity.COMMAND} -->\n<!-- end of parity -->\n")
    notes.write_text('[sts.GetCallerIdentity]\nremark = "who"\n')
    seen = {name: Seen(refused_with="UnsupportedOperation") for name in MODEL.operations}
    seen |= {"GetCallerIdentity": Seen(True), "GetSessionToken": Seen(True)}
    record.write_text(json.dumps({"sts": {name: seen.json() for name, seen in seen.items()}}))
    monkeypatch.setattr(parity, "PAGE", page)
    monkeypatch.setattr(parity, "NOTES", notes)
    monkeypatch.setattr(parity, "OFFERED", ("sts",))

    def run(*options):
        return parity.main([str(record), *options]), capsys.readouterr()

    status, said = run("--check")
    assert status == 1 and "stale" in said.err and "+ | GetCallerIdentity | supported | who |" in said.err
    assert run()[0] == 0 and "| GetCallerIdentity | supported | who |" in page.read_text()
    # Written, but an error that AWS documents was not seen.
    assert run("--check")[0] == 1 and "GetSessionToken: RegionDisabledException" in run("--missing")[1].out
    with notes.open("a") as more:
        more.write('[sts.unseen]\nRegionDisabledException = "there is one region"\n')
    assert run("--check")[0] == 0
    with notes.open("a") as more:
        more.write('[nothing.Get]\nremark = "x"\n')
    status, said = run()
    assert status == 1 and "nothing is no service here" in said.err


def test_runs_add_to_a_record(tmp_path, daemon):
    path = tmp_path / "more" / "parity.json"
    with recorder.Recorder() as one:
        boto("sts", daemon.api).get_caller_identity()
    with recorder.Recorder() as two:
        with refused("UnsupportedOperation"):
            boto("sts", daemon.api).get_session_token()
        with refused("AWS.SimpleQueueService.NonExistentQueue"):
            boto("sqs", daemon.api).get_queue_url(QueueName="no-such-queue")
    one.write(path)
    assert json.loads(path.read_text())["sts"].keys() == {"GetCallerIdentity"}
    two.write(path)
    record = recorder.load(path)
    assert record["sts"]["GetCallerIdentity"].succeeded and not record["sts"]["GetCallerIdentity"].errors
    assert record["sts"]["GetSessionToken"].refused_with == "UnsupportedOperation"
    # By the model's name, not by the older one that clients are told too.
    assert record["sqs"]["GetQueueUrl"].errors == {"QueueDoesNotExist"}
