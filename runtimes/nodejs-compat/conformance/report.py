"""CONFORMANCE.md out of what run.py found: a table by part of the language, and which tests fail."""

import collections

import suite

HEAD = """# test262 in the sandbox

The tests of ECMAScript for the parts of the language below, each an invocation of its own on a daemon, in a new sandbox. Neither npm nor Debian has
a package of test262. Debian has it in the sources of Mozilla's engine (`mozjs128`), as Mozilla keeps it: of April 2024, a test that is for strict
code made strict by its text, the harness put beside the tests. `cargo xtask runtimes --conformance nodejs-compat` fetches and runs them and writes
this page. Tests without a flag run in sloppy mode. Of proposals, the engine has what it has: their tests count.
"""


def write(found, total):
    """The document, of `total` tests that there are."""
    lines = [HEAD]
    if len(found) < total:
        lines += [f"Of the {total} tests of these parts {len(found)} have been run so far, in the order of their names.", ""]
    lines += ["| part | tests | passed | left out | failed |", "|---|---:|---:|---:|---:|"]
    rows = collections.defaultdict(collections.Counter)
    for each in found.values():
        rows[each["area"]]["failed" if each["wrong"] else "left out" if each["left_out"] else "passed"] += 1
    total = sum(rows.values(), collections.Counter())
    for label, row in [*((area, rows[area]) for area, _ in suite.AREAS if rows[area]), ("all", total)]:
        lines.append(f"| {label} | {row.total()} | {row['passed']} | {row['left out']} | {row['failed']} |")
    reasons = collections.Counter(each["left_out"] for each in found.values() if each["left_out"])
    lines += ["", "Left out are tests that", ""]
    lines += [f"- {why}: {reasons[why]}" for why, _ in suite.LEFT_OUT if reasons[why]]
    lines += ["", "## What fails", "", "By the place of the tests and the feature that their heads name.", ""]
    lines += ["| tests of | with the feature | failed | such as |", "|---|---|---:|---|"]
    groups = collections.defaultdict(list)
    for name, each in sorted(found.items()):
        if each["wrong"]:
            groups["/".join(name.split("/")[:3]), ", ".join(sorted(each["features"]))].append((name, each["wrong"]))
    for (place, features), those in sorted(groups.items(), key=lambda group: (-len(group[1]), group[0])):
        lines.append(f"| `{place}` | {features or '–'} | {len(those)} | {worded(those[0][1])} |")
    return "\n".join(lines) + "\n"


def worded(wrong):
    """What was wrong, short, fit for a table."""
    text = " ".join(wrong.split()).replace("|", "\\|").replace("`", "'")
    return f"`{text if len(text) <= 90 else text[:89] + '…'}`"
