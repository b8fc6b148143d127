"""What the operations answered in this run: the ground of the tables in `docs/aws-parity.md`.

Every boto3 client of the process is listened to, whoever makes it. Of each operation it is kept whether a call
succeeded, which error codes were answered, and the code of a refusal for not being in Lamina. Raw requests and the AWS
CLI are not seen.

Written to the file that `LAMINA_PARITY` names, added to what the file has: runs of some of the tests complete an
earlier one. Whoever wants a run to stand alone removes the file first.
"""

import fcntl
import json
import os
import pathlib
import threading

import botocore.session

# How an operation is refused for not being here. Members of operations that are here are refused in these words under
# other codes.
REFUSAL = "not supported by Lamina"
REFUSALS = ("UnknownOperationException", "UnsupportedOperation")


class Seen:
    """What one operation answered."""

    def __init__(self, succeeded=False, refused_with=None, errors=()):
        self.succeeded = succeeded
        self.refused_with = refused_with
        self.errors = set(errors)

    def add(self, other):
        """Takes over what another run saw; a success anywhere counts."""
        self.succeeded |= other.succeeded
        self.refused_with = self.refused_with or other.refused_with
        self.errors |= other.errors

    def json(self):
        """For the file."""
        return {"succeeded": self.succeeded, "refused_with": self.refused_with, "errors": sorted(self.errors)}


def load(path):
    """A record: service to operation to `Seen`; empty where there is no file."""
    path = pathlib.Path(path)
    if not path.exists():
        return {}
    record = json.loads(path.read_text())
    return {
        service: {name: Seen(**seen) for name, seen in operations.items()} for service, operations in record.items()
    }


class Recorder:
    """Listens to the clients of this process."""

    def __init__(self):
        self._seen = {}
        self._lock = threading.Lock()

    def __enter__(self):
        """From now on made clients are listened to."""
        self._create_client = create_client = botocore.session.Session.create_client

        def created(session, *arguments, **more):
            client = create_client(session, *arguments, **more)
            client.meta.events.register_last("after-call", self._heard)
            return client

        botocore.session.Session.create_client = created
        return self

    def __exit__(self, *_):
        botocore.session.Session.create_client = self._create_client

    def _heard(self, model, parsed, http_response, **_):
        with self._lock:
            operations = self._seen.setdefault(model.service_model.service_name, {})
            seen = operations.setdefault(model.name, Seen())
            if http_response.status_code < 300:
                seen.succeeded = True
                return
            error = parsed.get("Error", {})
            # The model's name of the error, where there is an older one for older clients.
            code = error.get("QueryErrorCode") or error.get("Code", "")
            code = code.rpartition("#")[2]
            if code in REFUSALS and REFUSAL in error.get("Message", ""):
                seen.refused_with = code
            seen.errors.add(code)

    def write(self, path):
        """Adds what was seen to a file; the processes of a parallel run take turns."""
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path.with_name(path.name + ".lock"), "w") as turn, self._lock:
            fcntl.flock(turn, fcntl.LOCK_EX)
            self._add_to(path)

    def _add_to(self, path):
        record = load(path)
        for service, operations in self._seen.items():
            known = record.setdefault(service, {})
            for name, seen in operations.items():
                known.setdefault(name, Seen()).add(seen)
        text = {
            service: {name: seen.json() for name, seen in sorted(operations.items())}
            for service, operations in sorted(record.items())
        }
        temporary = path.with_name(path.name + f".{os.getpid()}")
        temporary.write_text(json.dumps(text, indent=1) + "\n")
        temporary.replace(path)
