"""The tables of operations in `docs/aws-parity.md`, made from what a run of the tests saw.

`python -m harness.parity RECORD` (in `tests/`) writes them, `--check` compares them and fails where they differ,
`--missing` lists the errors that AWS documents and no test saw; `--check` fails for them too. RECORD is what the tests
wrote (`recorder`). `cargo xtask parity` calls it.

An operation is *supported* when a test saw it succeed, *partly* so when `parity.toml` says besides what is missing, and
*refused* when a test saw the refusal and none a success. It is an error if no test called an operation of a model, or
`parity.toml` speaks of what is not so.
"""

import argparse
import pathlib
import sys

import botocore.session
import tomllib

from . import recorder

TESTS = pathlib.Path(__file__).parent.parent
NOTES = TESTS / "parity.toml"
PAGE = TESTS.parent / "docs" / "aws-parity.md"
COMMAND = "cargo xtask parity"

# The services offered, by botocore's names.
OFFERED = ("lambda", "sqs", "scheduler", "logs", "sts")

# The keys of an operation in `parity.toml`, and the table in a service for all of its operations.
PARTLY, REMARK, UNSEEN = "partly", "remark", "unseen"


class Service:
    """A service's model, what is noted of it and what a run saw of it."""

    def __init__(self, name, notes, record):
        self.name = name
        self.model = botocore.session.get_session().get_service_model(name)
        self.operations = list(self.model.operation_names)
        self.unseen = notes.get(name, {}).get(UNSEEN, {})
        self.notes = {key: note for key, note in notes.get(name, {}).items() if key != UNSEEN}
        self.seen = record.get(name, {})

    def documented(self, operation):
        """The names of the errors that the model has for an operation."""
        return [shape.name for shape in self.model.operation_model(operation).error_shapes]

    def supported(self, operation):
        """Whether a test saw it succeed."""
        return operation in self.seen and self.seen[operation].succeeded

    def missing(self, operation):
        """Documented errors that no test saw and of which `parity.toml` does not say why."""
        excused = self.unseen.keys() | self.notes.get(operation, {}).get(UNSEEN, {}).keys()
        return [code for code in self.documented(operation) if code not in self.seen[operation].errors | excused]

    def faults(self):
        """What keeps the table from being made."""
        for operation in self.operations:
            seen = self.seen.get(operation)
            if seen is None:
                yield f"{self.name}: no test called {operation}"
            elif not seen.succeeded and not seen.refused_with:
                yield f"{self.name}: {operation} neither succeeded nor was refused; it answered {sorted(seen.errors)}"
        for operation, note in self.notes.items():
            if operation not in self.operations:
                yield f"{NOTES.name}: {self.name} has no operation {operation}"
                continue
            if not self.supported(operation):
                if operation in self.seen and self.seen[operation].refused_with:
                    yield f"{NOTES.name}: {self.name}: {operation} has a note, and is refused"
                continue
            if unknown := note.keys() - {PARTLY, REMARK, UNSEEN}:
                yield f"{NOTES.name}: {self.name}: {operation} has {sorted(unknown)}, which mean nothing"
            for code in note.get(UNSEEN, {}):
                if code not in self.documented(operation):
                    yield f"{NOTES.name}: {self.name}: {operation} has no error {code}"
                elif code in self.seen[operation].errors:
                    yield f"{NOTES.name}: {self.name}: {operation} is said to answer {code} unseen, and a test saw it"
        excused = {
            code
            for operation in filter(self.supported, self.operations)
            for code in self.documented(operation)
            if code not in self.seen[operation].errors
        }
        for code in self.unseen:
            if code not in excused:
                yield f"{NOTES.name}: {self.name}: {code} is excused for nothing"

    def table(self):
        """The lines of the table: what is there, then what is refused."""
        yield "| operation | | |"
        yield "|---|---|---|"
        for operation in sorted(self.operations, key=lambda name: (not self.supported(name), name)):
            note = self.notes.get(operation, {})
            if not self.supported(operation):
                word, text = "refused", f"`{self.seen[operation].refused_with}`"
            else:
                word = "partly" if PARTLY in note else "supported"
                text = "; ".join(note[key] for key in (PARTLY, REMARK) if key in note)
            yield f"| {operation} | {word} | {text} |".replace("|  |", "| |")


def filled(page, services):
    """A page with the tables of these services between their marks."""
    for service in services:
        begin, end = f"<!-- parity of {service.name}: {COMMAND} -->\n", "<!-- end of parity -->"
        before, mark, rest = page.partition(begin)
        _, closed, after = rest.partition(end)
        if not mark or not closed:
            raise ValueError(f"{PAGE.name} has no marks {begin.strip()} … {end}")
        page = before + begin + "\n" + "\n".join(service.table()) + "\n\n" + end + after
    return page


def differing(old, new):
    """The rows that two pages do not share."""
    old, new = old.splitlines(), new.splitlines()
    return [f"- {line}" for line in old if line not in new] + [f"+ {line}" for line in new if line not in old]


def main(arguments=None):
    """The command; its exit status."""
    parser = argparse.ArgumentParser(prog="harness.parity", description=__doc__.partition("\n")[0])
    parser.add_argument("record", type=pathlib.Path, help="what the tests wrote")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="compare the page, and fail where it is stale")
    what.add_argument("--missing", action="store_true", help="list the documented errors that no test saw")
    options = parser.parse_args(arguments)

    record, notes = recorder.load(options.record), tomllib.loads(NOTES.read_text())
    services = [Service(name, notes, record) for name in OFFERED]
    faults = [fault for service in services for fault in service.faults()]
    faults += [f"{NOTES.name}: {name} is no service here" for name in notes if name not in OFFERED]
    missing = [
        f"{service.name} {operation}: {' '.join(codes)}"
        for service in services
        for operation in filter(service.supported, service.operations)
        if (codes := service.missing(operation))
    ]
    if options.missing:
        print("\n".join(missing or [f"every documented error was seen, or {NOTES.name} says why not"]))
        return 0
    if faults:
        print("\n".join(faults), file=sys.stderr)
        return 1
    if missing:
        says = f"documented errors that no test saw; test them, or say in {NOTES.name} why they are `{UNSEEN}`:"
        print("\n".join([says, *missing]), file=sys.stderr)
    old = PAGE.read_text()
    new = filled(old, services)
    if old == new:
        print(f"{PAGE.name} has what the tests saw")
        return int(options.check and bool(missing))
    if options.check:
        rows = "\n".join(differing(old, new))
        print(f"{PAGE.name} is stale: `{COMMAND}` writes it anew.\n{rows}", file=sys.stderr)
        return 1
    PAGE.write_text(new)
    print(f"{PAGE.name} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
