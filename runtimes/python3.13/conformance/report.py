"""CONFORMANCE.md out of what run.py found: a table, and why tests were skipped or failed."""

import collections
import re

HEAD = """# CPython's own tests in the sandbox

The test modules of CPython's sources that this runtime is built from, each in a function on a daemon, as `python -m test` runs them without options:
nothing that takes the network, hours or gigabytes. `cargo xtask runtimes --conformance python3.13` runs them and writes this page. A test with
subtests counts once; one that CPython expects to fail, and that does, has passed.
"""

# Why a test is skipped, by the words it is skipped with: the first that fits.
SKIPPED = (
    ("CPython's internal modules, which only builds for its own tests have", r"_test(?!_)|_testcapi|xxlimited|_xx|testinternal"),
    ("there are no processes", r"subprocess|multiprocess|fork|spawn|Popen|waitpid|#!/bin"),
    ("there are no threads", r"thread"),
    ("there are no sockets", r"socket|IPv6|AF_"),
    ("what only builds for debugging have", r"debug|refcount|Py_TRACE|gil\b|JIT|getobjects|pystats"),
    ("resources that are left out by default: time, memory, network", r"resource|not enough memory|slow|large|bigmem|64-bit|32-bit"),
    ("OpenSSL is not there", r"openssl|_hashlib|_ssl|scrypt"),
    ("WASI, by CPython's own word", r"wasi|emscripten|wasm"),
    ("files: links, owners, permissions, names that are not UTF-8", r"link|chmod|umask|fifo|permission|owner|write access|undecodable|filesystem"),
    ("the C library has no other locale than C", r"locale|LC_"),
    ("other systems", r"windows|win32|macos|darwin|android|bsd|aix|linux|solaris|separator|drive|UNC"),
    ("other parts of CPython's test that this one has a twin of, in C or in Python", r"pure|python implementation|C (implementation|version|accel)"),
    ("packages that the tests take where they are installed", r"tzdata|hypothesis"),
    ("functions of the operating system that WASI has not", r"\bos\.|signal\.|sendfile|alarm|pipe|attribute|gethostname|/usr/share"),
    ("modules that are not there", r"module|import|requires? [a-z_.]+$|need"),
)

# Why a test fails, by its exception and where that was raised: the first that fits.
FAILED = (
    ("The environment ends", r"^ends the environment"),
    ("What another thread is to do is done in the caller, or never", r"waits for another thread|test_wrap_future|thread"),
    ("There are no sockets", r"no sockets|socketpair"),
    ("There are no processes, and so no signals", r"no processes|signal"),
    ("`/` itself is not there, only the directories in it", r"is_mount_root|exist_ok_root|resolve_root|directory: '/'"),
    ("A SQLite file is locked for one connection alone while it is in a transaction", r"database is locked"),
    (
        "The library is there as bytecode, without its sources",
        r"exit_exception_traceback|filter_traceback|source code|getsource|OSError: could not|\.py' ?not|__file__|python313\.zip",
    ),
    ("`sys.executable` names a file that is not there", r"/var/runtime/bin/python"),
    ("`zoneinfo`, imported anew, does not know where the zones are", r"ZoneInfoNotFoundError"),
    ("`socket.socket` is the runtime's own class", r"socket\.socket"),
    ("A test writes more to `/tmp` than it holds", r"No space left"),
    ("A module is not there", r"No module named|ImportError|cannot import"),
)


def counts(found):
    """Run, passed, skipped and failed tests of a file."""
    total, passed = found["tests"], found["passed"]
    failed = len(found["faults"])
    return total, passed, max(0, total - passed - failed), failed


def line(found):
    """The same as a line."""
    return "{} tests, {} passed, {} skipped, {} failed".format(*counts(found))


def classed(classes, reasons):
    """Pairs of a name and a reason, by the first class that fits the reason; None is the class of those that fit none."""
    found = collections.defaultdict(list)
    for name, reason in reasons:
        fits = (label for label, pattern in classes if re.search(pattern, reason, re.IGNORECASE))
        found[next(fits, None)].append((name, reason))
    return [(label, found[label]) for label in (*(label for label, _ in classes), None) if found[label]]


def write(found, names):
    """The document."""
    lines = [HEAD, "| test module | tests | passed | skipped | failed |", "|---|---:|---:|---:|---:|"]
    totals = [0, 0, 0, 0]
    for name in sorted(name for name in names if name in found):
        sums = [sum(column) for column in zip(*(counts(each) for each in found[name].values()), strict=True)]
        totals = [total + part for total, part in zip(totals, sums, strict=True)]
        cells = [str(part) for part in sums]
        if not any(sums):
            reasons = {reason for each in found[name].values() for reason in each["skips"].values()}
            cells[2] = f"the file: {', '.join(sorted(reasons))}"
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    lines.append(f"| all {len(found)} | {' | '.join(map(str, totals))} |")
    if absent := sorted(set(names) - set(found)):
        lines += ["", f"Not run yet: {', '.join(f'`{name}`' for name in absent)}."]
    files = [each for module in found.values() for each in module.values()]
    lines += ["", "## Why tests are skipped", "", "| because | tests or files |", "|---|---:|"]
    skips = [pair for each in files for pair in each["skips"].items()]
    lines += [f"| {label or 'other reasons'} | {len(those)} |" for label, those in classed(SKIPPED, skips)]
    faults = [pair for each in files for pair in each["faults"].items()]
    lines += ["", "## Why tests fail", ""]
    for label, those in classed(FAILED, faults):
        if label is None:
            lines += [f"- `{shorter(name)}`: {worded(reason)}" for name, reason in those]
        else:
            lines.append(f"- {label} ({len(those)}): {', '.join(f'`{shorter(name)}`' for name, _ in those)}.")
    if not faults:
        lines.append("None does.")
    return "\n".join(wrapped(lines)) + "\n"


def worded(reason):
    """The first words of an exception's text."""
    text = " ".join(reason.partition(" [")[0].split()).replace("`", "'")
    return f"`{text if len(text) <= 100 else text[:99] + '…'}`"


def shorter(name):
    """A test's name without what all have."""
    return name.removeprefix("test.")


def wrapped(lines, width=150):
    """Lines broken at spaces where they are too long for the repository, but for tables."""
    for text in lines:
        while len(text) > width and not text.startswith("|"):
            at = text.rfind(" ", 0, width)
            if at <= 0 or "\n" in text[:width]:
                break
            yield text[:at]
            text = "  " + text[at + 1 :]
        yield text
