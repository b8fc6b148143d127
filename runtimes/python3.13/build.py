#!/usr/bin/env python3
"""Builds dist/ of this runtime from Debian's sources: `build.py --work DIR [--out DIR] [--jobs N]`.

Needs Debian's clang, lld, llvm and the wasm32 runtime of clang in the release that inputs.toml names, a C compiler of the machine's own,
make, patch, tclsh and gzip. Packages come from the mirror that apt is configured for. Two builds give the same bytes, wherever DIR is.
"""

import argparse
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import urllib.parse
import urllib.request

import tomllib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))
import debian  # noqa: E402

TARGET = "wasm32-wasip1"
# The day of CPython 3.13.5: what says when something was built says this.
SOURCE_DATE_EPOCH = "1749600000"
# Modules of the building Python that nothing here needs.
NOT_NATIVE = (
    "_ssl _hashlib _tkinter _curses _curses_panel _dbm _gdbm readline nis _sqlite3 _bz2 _lzma _uuid _ctypes _decimal pyexpat"
    " _elementtree _codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr _codecs_tw _multiprocessing _posixshmem"
    " _interpreters _interpqueues _interpchannels xxlimited xxlimited_35"
).split()
SQLITE = (
    "-DSQLITE_WASI=1 -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_OMIT_WAL -DSQLITE_TEMP_STORE=2 -DSQLITE_ENABLE_FTS4"
    " -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_RTREE -DSQLITE_ENABLE_MATH_FUNCTIONS -D_WASI_EMULATED_GETPID -D_WASI_EMULATED_MMAN"
).split()
ZLIB = "adler32 crc32 deflate infback inffast inflate inftrees trees zutil compress uncompr".split()
OWN_SOURCES = ("rt_main", "counters", "heap", "lamina_module", "tz")
BZIP2 = "blocksort huffman crctable randtable compress decompress bzlib".split()


class Build:
    """One build in one directory."""

    def __init__(self, work, out, jobs):
        self.work = work
        self.out = out
        self.jobs = jobs
        self.inputs = tomllib.loads((HERE / "inputs.toml").read_text())
        llvm = self.inputs["toolchain"]["llvm"]
        self.sysroot = work / "sysroot"
        self.prefix = work / "prefix"
        self.cc = [f"clang-{llvm}", f"--target={TARGET}", f"--sysroot={self.sysroot}"]
        self.flags = ["-g0", f"-ffile-prefix-map={work}=."]
        self.tools = {"AR": f"llvm-ar-{llvm}", "RANLIB": f"llvm-ranlib-{llvm}", "LD": f"wasm-ld-{llvm}"}
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(work),
            "LC_ALL": "C",
            "TZ": "UTC",
            "SOURCE_DATE_EPOCH": SOURCE_DATE_EPOCH,
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, *command, cwd=None, env=None, log=None, may_fail=False):
        """Runs a command; its output goes to a log in the work directory, and is shown when it fails."""
        command = [str(part) for part in command]
        path = self.work / "logs" / f"{log or pathlib.Path(command[0]).name}.log"
        with path.open("a") as stream:
            stream.write(f"+ {' '.join(command)}\n")
            stream.flush()
            done = subprocess.run(command, cwd=cwd or self.work, env={**self.env, **(env or {})}, stdout=stream, stderr=subprocess.STDOUT)
        if done.returncode and not may_fail:
            sys.exit(f"{' '.join(command)[:200]}\nfailed with {done.returncode}; the end of {path}:\n{path.read_text()[-3000:]}")

    def everything(self):
        """All steps."""
        (self.work / "logs").mkdir(parents=True, exist_ok=True)
        missing = [tool for tool in (self.cc[0], *self.tools.values(), "cc", "make", "patch", "tclsh", "gzip") if not shutil.which(tool)]
        if missing:
            sys.exit(f"not installed: {', '.join(missing)}")
        for step in (
            self.fetch,
            self.unpack,
            self.libraries,
            self.native_python,
            self.cross_python,
            self.link,
            self.library_directory,
            self.pack,
        ):
            print(f"{step.__name__.replace('_', ' ')} …", flush=True)
            step()

    # Inputs.

    def source(self, name):
        """The path of an input, checked."""
        for group in ("debian", "pypi"):
            if name in self.inputs[group]:
                entry = self.inputs[group][name]
                path = self.work / "inputs" / entry["file"]
                if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"]:
                    return path
                return None
        raise KeyError(name)

    def fetch(self, only=None):
        """Fetches what is not there yet, or only the inputs of these names, with an apt state of its own, and checks it."""
        (self.work / "inputs").mkdir(exist_ok=True)
        wanted = {
            group: {name: entry for name, entry in self.inputs[group].items() if only is None or name in only} for group in ("debian", "pypi")
        }
        if any(self.source(name) is None for name in wanted["debian"]):
            config = debian.configuration(self.work)
            for name, entry in wanted["debian"].items():
                if self.source(name) is None:
                    debian.download(config, entry, self.work / "inputs")
        for name, entry in wanted["pypi"].items():
            if self.source(name) is None:
                self.download(name, entry["file"])
        for entries in wanted.values():
            for name, entry in entries.items():
                if self.source(name) is None:
                    sys.exit(f"{entry['file']} could not be fetched, or is not the file that inputs.toml names")

    def download(self, name, file):
        """Fetches a file of the Python package index. `pip download` would first run the package's own set-up, unchecked as it is then."""
        listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True).stdout
        told = [line.partition("=")[2].strip("'\"") for line in listed.splitlines() if line.partition("=")[0].endswith(".index-url")]
        index = (told or ["https://pypi.org/simple"])[-1].rstrip("/") + f"/{name}/"
        asked = urllib.request.Request(index, headers={"Accept": "application/vnd.pypi.simple.v1+json, text/html;q=0.1"})
        with urllib.request.urlopen(asked) as answer:
            page, base = answer.read().decode(), answer.url
        # As JSON or as HTML: the address is what stands in quotes and has the file's name, and in HTML its sum behind it.
        found = re.search(rf'"([^"\s]*/{re.escape(file)})["#]', page)
        if found is None:
            sys.exit(f"{index} has no {file}")
        with urllib.request.urlopen(urllib.parse.urljoin(base, found[1])) as answer:
            (self.work / "inputs" / file).write_bytes(answer.read())

    def unpack_source(self, name):
        """Unpacks a source afresh."""
        shutil.rmtree(self.work / name, ignore_errors=True)
        (self.work / name).mkdir()
        self.run("tar", "xf", self.source(name), "--strip-components=1", "-C", self.work / name)

    def unpack_python(self):
        """Unpacks Python afresh and applies Debian's patches."""
        for name in ("python", "patches"):
            self.unpack_source(name)
        patches = self.work / "patches" / "patches"
        for name in (patches / "series").read_text().split():
            if name.startswith(tuple(self.inputs["patches"]["prefixes"])):
                self.run("patch", "-p1", "--no-backup-if-mismatch", "-i", patches / name, cwd=self.work / "python")

    def unpack(self):
        """Unpacks the sources afresh; applies the patches."""
        self.unpack_python()
        for name in ("zlib", "bzip2", "xz", "sqlite", "simplejson"):
            self.unpack_source(name)
        # The C library has no tzset; src/tz.c does, and the header does not know.
        change(self.work / "python/Modules/timemodule.c", '#include "Python.h"\n', '#include "Python.h"\nvoid tzset(void);\n')
        # A counter that cannot be reached is a page that need not be written (src/counters.c), and so is a smaller cache of lookups.
        counts = "        (COUNTER) = advance_backoff_counter((COUNTER)); \\\n"
        reached = counts.replace("(COUNTER)", "if (!is_unreachable_backoff_counter((COUNTER))) (COUNTER)", 1)
        change(self.work / "python/Python/ceval_macros.h", counts, reached)
        size = "#define MCACHE_SIZE_EXP {}\n"
        change(self.work / "python/Include/internal/pycore_typeobject.h", size.format(12), size.format(10))
        # What is no named tuple for certain has no `_asdict`: looking for it makes an error each time.
        asks = "s->namedtuple_as_object && _call_json_method("
        exact = "!PyDict_CheckExact(obj) && !PyList_CheckExact(obj) && !PyTuple_CheckExact(obj)"
        change(self.work / "simplejson/simplejson/_speedups.c", asks, f"{exact} && {asks}")
        shutil.rmtree(self.work / "wasi-libc", ignore_errors=True)
        self.run("dpkg-deb", "-x", self.source("wasi-libc"), self.work / "wasi-libc")
        shutil.rmtree(self.sysroot, ignore_errors=True)
        self.sysroot.mkdir()
        for part in ("include", "lib"):
            (self.sysroot / part).symlink_to(f"../wasi-libc/usr/{part}")

    # What is compiled.

    def compile(self, source, output, *flags):
        """Compiles one file for the sandbox."""
        self.run(*self.cc, "-O2", *self.flags, *flags, "-c", source, "-o", output, cwd=source.parent, log="compile")

    def archive(self, name, directory, files, *flags):
        """Compiles `files` of `directory` into a library."""
        objects = []
        for file in files:
            objects.append(directory / f"{file}.wasm.o")
            self.compile(directory / f"{file}.c", objects[-1], *flags)
        self.run(self.tools["AR"], "rcsD", self.prefix / "lib" / f"lib{name}.a", *objects)

    def libraries(self):
        """zlib, bzip2, xz's liblzma and SQLite."""
        shutil.rmtree(self.prefix, ignore_errors=True)
        for part in ("include", "lib/pkgconfig"):
            (self.prefix / part).mkdir(parents=True)
        include = self.prefix / "include"
        zlib, bzip2, xz, sqlite = (self.work / name for name in ("zlib", "bzip2", "xz", "sqlite"))
        self.archive("z", zlib, ZLIB, "-DHAVE_UNISTD_H=1")
        self.archive("bz2", bzip2, BZIP2, "-DBZ_NO_STDIO=1", "-Wno-implicit-function-declaration")
        for header in (zlib / "zlib.h", zlib / "zconf.h", bzip2 / "bzlib.h"):
            shutil.copy(header, include)
        cross = {"CC": " ".join(self.cc), "CFLAGS": " ".join(["-O2", *self.flags]), "AR": self.tools["AR"], "RANLIB": self.tools["RANLIB"]}
        without = "shared threads xz xzdec lzmadec lzmainfo scripts doc nls lzma-links".split()
        options = [f"--disable-{part}" for part in without]
        self.run("./configure", f"--host={TARGET}", "--build=x86_64-pc-linux-gnu", *options, cwd=xz, env=cross, log="xz")
        self.run("make", f"-j{self.jobs}", "-C", "src/liblzma", cwd=xz, log="xz")
        shutil.copy(xz / "src/liblzma/.libs/liblzma.a", self.prefix / "lib")
        shutil.copytree(xz / "src/liblzma/api", include, dirs_exist_ok=True, ignore=lambda _, names: [n for n in names if "akefile" in n])
        self.run("./configure", "--disable-readline", "--disable-tcl", cwd=sqlite, log="sqlite")
        self.run("make", "sqlite3.c", cwd=sqlite, log="sqlite")
        self.archive("sqlite3", sqlite, ["sqlite3"], *SQLITE)
        shutil.copy(sqlite / "sqlite3.h", include)

    def native_python(self):
        """The same Python for this machine: it freezes, and byte-compiles the library."""
        build = self.work / "native"
        shutil.rmtree(build, ignore_errors=True)
        build.mkdir()
        modules = [f"py_cv_module_{name}=n/a" for name in NOT_NATIVE]
        options = ["--disable-test-modules", "--without-ensurepip", "--with-pkg-config=no", "MODULE_BUILDTYPE=static", *modules]
        self.run("../python/configure", "-q", *options, "CC=cc", "CFLAGS=-g0 -O1", cwd=build, log="native")
        self.run("make", f"-j{self.jobs}", "python", cwd=build, log="native")

    def cross_python(self):
        """Python for the sandbox. What is linked in the end is not its program but the exports of src/."""
        build = self.work / "build"
        shutil.rmtree(build, ignore_errors=True)
        build.mkdir()
        include, lib = f"-I{self.prefix}/include", f"-L{self.prefix}/lib"
        env = {
            **self.tools,
            "CC": " ".join(self.cc),
            "CPP": " ".join([*self.cc, "-E"]),
            "CONFIG_SITE": str(self.work / "python/Tools/wasm/config.site-wasm32-wasi"),
            "PKG_CONFIG": "false",
        }
        for name, library in (("ZLIB", "-lz"), ("BZIP2", "-lbz2"), ("LIBLZMA", "-llzma"), ("LIBSQLITE3", "-lsqlite3")):
            env[f"{name}_CFLAGS"] = include
            env[f"{name}_LIBS"] = f"{lib} {library}"
        env["LIBSQLITE3_LIBS"] += " -lwasi-emulated-getpid -lwasi-emulated-mman"
        options = [
            f"--host={TARGET}",
            "--build=x86_64-pc-linux-gnu",
            "--prefix=/var/runtime",
            f"--with-build-python={self.work}/native/python",
            "--disable-test-modules",
            "--with-ensurepip=no",
            "--without-readline",
            "ac_cv_func_shm_open=no",
            "ac_cv_working_tzset=yes",
            f"CFLAGS={' '.join(self.flags)}",
        ]
        self.run("../python/configure", *options, cwd=build, env=env, log="cross")
        # Everything that the program's link needs, and the words of that link.
        rule = "lamina-link:\n\t@echo $(PY_CORE_LDFLAGS) $(LINK_PYTHON_OBJS) $(LIBS) $(MODLIBS) $(SYSLIBS)\n"
        (build / "lamina.mk").write_text(f"include Makefile\n{rule}lamina-parts: $(LINK_PYTHON_DEPS)\n")
        self.run("make", f"-j{self.jobs}", "-f", "lamina.mk", "lamina-parts", cwd=build, log="cross")
        # Writes the file of build variables, then fails for want of a program that runs here.
        self.run("make", "pybuilddir.txt", cwd=build, log="cross", may_fail=True)
        if not list(build.rglob("_sysconfigdata*.py")):
            sys.exit("make pybuilddir.txt wrote no build variables")

    def link(self):
        """runtime.wasm."""
        build, objects = self.work / "build", self.work / "objects"
        shutil.rmtree(objects, ignore_errors=True)
        objects.mkdir()
        python = ["-I", str(build), "-I", str(self.work / "python/Include")]
        strict = ["-std=gnu17", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-D_GNU_SOURCE"]
        # Copied first, so that no path of a checkout is in the bytes.
        shutil.copytree(HERE / "src", objects, dirs_exist_ok=True)
        for name in OWN_SOURCES:
            self.compile(objects / f"{name}.c", objects / f"{name}.o", *strict, *python)
        speedups = self.work / "simplejson/simplejson/_speedups.c"
        speedups.write_text(speedups.read_text().replace('"simplejson.', '"lamina_runtime.simplejson.'))
        self.compile(speedups, objects / "speedups.o", *python)
        words = subprocess.run(
            ["make", "-s", "-f", "lamina.mk", "lamina-link"], cwd=build, env=self.env, capture_output=True, text=True, check=True
        ).stdout.split()
        own = [objects / f"{name}.o" for name in (*OWN_SOURCES, "speedups")]
        shape = ["-mexec-model=reactor", "-Wl,--export=__stack_pointer", "-Wl,--strip-all"]
        self.run(*self.cc, *shape, "-o", self.work / "runtime.wasm", *own, *words, cwd=build, log="link")

    # What is packed.

    def library_directory(self):
        """What the host shows at /var/runtime: the library's zip, the time zones, what rt_init loads for practice."""
        library, extra = self.work / "library", self.work / "extra"
        for directory in (library, extra):
            shutil.rmtree(directory, ignore_errors=True)
        (library / "lib").mkdir(parents=True)
        package = extra / "lamina_runtime" / "simplejson"
        package.mkdir(parents=True)
        for source in (self.work / "simplejson/simplejson").glob("*.py"):
            shutil.copy(source, package)
        for source in (self.work / "build").rglob("_sysconfigdata*.py"):
            text = source.read_text().replace(str(self.work), "/build")
            (extra / source.name).write_text(text)
        command = [self.work / "native/python", "-s", "-P", HERE / "mkstdlib.py", library / "lib/python313.zip"]
        self.run(*command, self.work / "python/Lib", extra, HERE / "bootstrap", log="library")
        shutil.copytree(HERE / "rehearsal", library / "rehearsal", ignore=shutil.ignore_patterns("__pycache__"))
        # The old names are links to the new ones, of another package: together first, then copied as files.
        zones = self.work / "zones"
        shutil.rmtree(zones, ignore_errors=True)
        for name in ("tzdata", "tzdata-legacy"):
            self.run("dpkg-deb", "-x", self.source(name), zones)
        shutil.copytree(
            zones / "usr/share/zoneinfo",
            library / "share/zoneinfo",
            ignore=lambda _, names: [name for name in names if name in ("localtime", "posix", "right", "posixrules")],
        )

    def pack(self):
        """dist/."""
        self.out.mkdir(parents=True, exist_ok=True)
        wasm, lib = self.out / "runtime.wasm.gz", self.out / "lib.tar.gz"
        squeeze(self.work / "runtime.wasm", wasm)
        tar = self.work / "lib.tar"
        with tarfile.open(tar, "w", format=tarfile.USTAR_FORMAT) as archive:
            for path in sorted((self.work / "library").rglob("*")):
                entry = archive.gettarinfo(path, path.relative_to(self.work / "library").as_posix())
                entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, 0, "", ""
                entry.mode = 0o755 if entry.isdir() else 0o644
                if entry.isfile():
                    with path.open("rb") as stream:
                        archive.addfile(entry, stream)
                else:
                    archive.addfile(entry)
        squeeze(tar, lib)
        sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in (lib, wasm))
        (self.out / "SHA256SUMS").write_text(sums)
        print(sums, end="")


def change(path, old, new):
    """Replaces the first `old` of a source file."""
    text = path.read_text()
    if old not in text:
        sys.exit(f"{path.name} is not as expected")
    path.write_text(text.replace(old, new, 1))


def squeeze(source, target):
    """gzip -9, without name and time."""
    with source.open("rb") as stream, target.open("wb") as out:
        subprocess.run(["gzip", "-9n"], stdin=stream, stdout=out, check=True)


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=pathlib.Path, required=True, help="where to build; about 700 MB")
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "dist", help="where the results go (default: dist/)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many compilers at once")
    parser.add_argument("--library-only", action="store_true", help="only the zip and the packing, in a work directory that was built")
    options = parser.parse_args()
    build = Build(options.work.resolve(), options.out.resolve(), options.jobs)
    if options.library_only:
        build.link()
        build.library_directory()
        build.pack()
    else:
        build.everything()


if __name__ == "__main__":
    main()
