"""Byte-compiles the standard library and the bootstrap into one zip, stored, with unchecked hashes: the same bytes every time.

Run by build.py with the Python that was built from the same sources: `mkstdlib.py OUT.zip DIRECTORY…`; later directories win.
"""

import _imp
import importlib._bootstrap_external as external
import pathlib
import sys
import zipfile

INSIDE = "/var/runtime/lib/python313.zip/"
LEFT_OUT = frozenset(
    "test tests idlelib idle_test tkinter turtledemo turtle.py ensurepip __pycache__ venv site-packages curses msilib _pyrepl"
    " _osx_support.py _aix_support.py _ios_support.py _android_support.py nturl2path.py ntpath_test pydoc_data lib2to3 webbrowser.py"
    " antigravity.py this.py __phello__".split()
)

# Of what is left out, what other modules import: pydoc its pager.
KEPT = frozenset(("_pyrepl/__init__.py", "_pyrepl/pager.py"))


def sources(directories):
    """Relative name to path of every module."""
    found = {}
    for directory in directories:
        for path in directory.rglob("*.py"):
            relative = path.relative_to(directory)
            if relative.as_posix() in KEPT or not LEFT_OUT.intersection(relative.parts):
                found[relative.as_posix()] = path
    return sorted(found.items())


def main(out, *directories):
    """Writes the zip."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, path in sources([pathlib.Path(directory) for directory in directories]):
            source = path.read_bytes()
            code = compile(source, INSIDE + name, "exec", dont_inherit=True, optimize=0)
            data = external._code_to_hash_pyc(code, _imp.source_hash(external._RAW_MAGIC_NUMBER, source), False)
            archive.writestr(zipfile.ZipInfo(name + "c", (1980, 1, 1, 0, 0, 0)), data)


if __name__ == "__main__":
    main(*sys.argv[1:])
