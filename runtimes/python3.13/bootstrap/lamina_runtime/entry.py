"""What rt_main.c calls: one function for each export of the contract. Every frame is a tag and a body."""

import gc
import os
import sys
import time
import zoneinfo

import _lamina

from . import digests, errors, handlers, hooks, logs, loop, marshal, preload, renew, sockets, system, threads
from .context import LambdaContext

_TRACE_ID = "_X_AMZN_TRACE_ID"
SUCCESS = b"\0"
REHEARSALS = 100
REHEARSAL, REHEARSAL_DIR = "lamina_rehearsal", handlers.RUNTIME_DIR + "/rehearsal"
ZONES = handlers.RUNTIME_DIR + "/share/zoneinfo"


class _Function:
    """What rt_load found."""

    __slots__ = ("as_json", "handler", "trace_id")

    def __init__(self):
        self.handler = None
        self.as_json = False
        self.trace_id = None


_function = _Function()
_preloaded = frozenset()
# What os.environ is made of: bytes by bytes.
_variables = os.environ._data


def init():
    """Everything that does not depend on a function."""
    global _preloaded
    sys.dont_write_bytecode = True
    sys.stdout.reconfigure(line_buffering=True)
    sys.stderr.reconfigure(line_buffering=True)
    os.chdir(handlers.TASK_ROOT)
    system.install()
    sockets.install()
    _preloaded = preload.all_common()
    zoneinfo.reset_tzpath([ZONES])
    digests.install()
    renew.install()
    threads.install()
    loop.install()
    logs.install()
    handlers.set_path(handlers.RUNTIME_DIR)
    # A first record, formatted and thrown away, and a first error: what they build lazily is in the snapshot.
    marshal.loads('{"a":[1,2.5,null,"b"]}')
    marshal.frame({"a": [1, 2.5, None, "b"]})
    _rehearse()
    gc.collect()
    _keep_for_ever()
    gc.freeze()


def _rehearse():
    """Runs what comes before and after a function until the interpreter has specialised it, which it writes into the code (PEP 659).

    Counts that are written down on the way are part of the code as well: what has run often enough is written to no more.
    """
    variables = {"PYTHONPATH": handlers.RUNTIME_DIR, "AWS_REGION": "r", "AWS_LAMBDA_LOG_STREAM_NAME": "s"}
    given = {"handler": REHEARSAL + ".handler", "env": variables, "logFormat": "Text"}
    fields = {"requestId": "r", "deadlineMs": 0, "functionName": "f", "traceId": None, "memoryLimitMb": 128}
    load_text, restore_text = marshal.dumps(given), marshal.dumps({"env": variables, "logStream": "t"})
    context, event = marshal.dumps(fields), marshal.dumps({"a": 1})
    sys.path.append(REHEARSAL_DIR)
    for _ in range(REHEARSALS):
        sys.modules.pop(REHEARSAL, None)
        sys.path_importer_cache.pop(REHEARSAL_DIR, None)
        load(load_text)
        restore(restore_text)
        invoke(context, event)
    sys.path.remove(REHEARSAL_DIR)
    del sys.modules[REHEARSAL], sys.path_importer_cache[REHEARSAL_DIR]
    _function.handler = None
    logs.invocation.request_id = ""
    os.environ.clear()


def _keep_for_ever():
    """Sees to it that nobody writes the reference counts of what is in every environment: a count that is written is a page of one's own."""
    kinds, dictionaries = [object], []
    while kinds:
        kind = kinds.pop()
        # Types in C are immortal already, but not their methods.
        dictionaries.append(vars(kind))
        kinds += type.__subclasses__(kind)
    _lamina.keep_for_ever()


def _flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: S112 - a function may have put anything in their place
            continue


def _failure(error, request_id=""):
    """Tag 1 and the document of an exception, which the log gets as well."""
    doc = errors.document(error, request_id)
    _flush()
    errors.log(doc, _function.as_json)
    return b"\1" + marshal.dumps(doc).encode("utf-8", "backslashreplace")


def load(text):
    """rt_load: variables, paths, logging, then the function's module."""
    try:
        given = marshal.loads(text)
        env = given["env"]
        env.setdefault("PYTHONPATH", handlers.RUNTIME_DIR)
        env["AWS_LAMBDA_INITIALIZATION_TYPE"] = given.get("initializationType", "on-demand")
        os.environ.clear()
        os.environ.update(env)
        time.tzset()
        renew.all_state()
        _function.as_json = given.get("logFormat") == "JSON"
        logs.configure(_function.as_json, given.get("logLevel"))
        handlers.set_path(env["PYTHONPATH"])
        handlers.give_way(_preloaded)
        _function.handler = handlers.find(given["handler"])
        return SUCCESS
    except Exception as error:
        return _failure(error)
    except BaseException as error:
        errors.leave(error)
    finally:
        _flush()


def _set_variable(name, value):
    """What `os.environ[name] = value` does, less the way there; whether the value is another one."""
    name, value = name.encode(), value.encode("utf-8", "surrogateescape")
    if _variables.get(name) == value:
        return False
    os.putenv(name, value)
    _variables[name] = value
    return True


def _trace(trace_id):
    """Tells the function, by its environment, which trace the invocation belongs to."""
    _function.trace_id = trace_id
    if trace_id is None:
        os.environ.pop(_TRACE_ID, None)
    else:
        _set_variable(_TRACE_ID, trace_id)


def _unmarshal(event):
    try:
        return marshal.loads(event)
    except Exception as error:
        raise errors.Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {errors.text_of(error)}") from None


def _marshal(value):
    try:
        return marshal.frame(value)
    except MemoryError:
        raise
    except Exception as error:
        raise errors.Fault("Runtime.MarshalError", f"Unable to marshal response: {errors.text_of(error)}") from None


def invoke(context_text, event_text):
    """rt_invoke."""
    request_id = ""
    try:
        fields = marshal.loads(context_text)
        context = LambdaContext(fields)
        logs.invocation.request_id = request_id = context.aws_request_id
        logs.invocation.tenant_id = context.tenant_id
        trace_id = fields.get("traceId")
        if trace_id != _function.trace_id:
            _trace(trace_id)
        return _marshal(_function.handler(_unmarshal(event_text), context))
    except Exception as error:
        return _failure(error, request_id)
    except BaseException as error:
        errors.leave(error)
    finally:
        _flush()


def snapshot():
    """rt_snapshot: the function's hooks, then as little garbage as can be."""
    try:
        hooks.run_before_snapshot()
        logs.invocation.request_id = ""
        gc.collect()
        gc.freeze()
        return SUCCESS
    except Exception as error:
        return _failure(error)
    except BaseException as error:
        errors.leave(error)
    finally:
        _flush()


def restore(text):
    """rt_restore: this environment's own variables and randomness, then the function's hooks."""
    try:
        given = marshal.loads(text)
        variables = given.get("env", {})
        if "logStream" in given:
            variables["AWS_LAMBDA_LOG_STREAM_NAME"] = given["logStream"]
        if "initializationType" in given:
            variables["AWS_LAMBDA_INITIALIZATION_TYPE"] = given["initializationType"]
        for name, value in variables.items():
            if _set_variable(name, value) and name == "TZ":
                time.tzset()
        renew.all_state()
        hooks.run_after_restore()
        return SUCCESS
    except Exception as error:
        return _failure(error)
    except BaseException as error:
        errors.leave(error)
    finally:
        _flush()
