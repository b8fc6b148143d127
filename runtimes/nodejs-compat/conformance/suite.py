"""test262 as Mozilla's engine has it in its sources: which tests there are, what their heads say, what each needs to run."""

import functools
import re

import yaml

# What is run: the features of the language that functions use, in the order in which a test is counted among them.
AREAS = (
    ("ES modules, `import()`, `import.meta`", r"^language/(module-code|import|export)/|^language/expressions/(dynamic-import|import\.meta)/"),
    ("Classes", r"^language/(statements|expressions)/class/"),
    (
        "Async functions, async generators, `for await`, `await` at the top",
        r"^language/(statements|expressions)/(async-|await|for-await)|^built-ins/Async|#(async-functions|async-iteration|top-level-await)\b",
    ),
    ("Generators", r"^language/(statements|expressions)/(generators|yield)/|^built-ins/Generator|#generators\b"),
    ("Destructuring", r"/dstr/|#destructuring-"),
    ("`Promise`", r"^built-ins/Promise/"),
    ("`Proxy`", r"^built-ins/Proxy/"),
    ("`Reflect`", r"^built-ins/Reflect/"),
    ("Typed arrays, `ArrayBuffer`, `DataView`", r"^built-ins/(TypedArray|TypedArrayConstructors|ArrayBuffer|DataView)/"),
    ("Regular expressions, named groups and lookbehind among them", r"^built-ins/RegExp/|^language/literals/regexp/"),
    ("`BigInt`", r"^built-ins/BigInt/|^language/literals/bigint/|#BigInt\b"),
    ("`WeakRef`, `FinalizationRegistry`, `WeakMap`, `WeakSet`", r"^built-ins/(WeakRef|FinalizationRegistry|WeakMap|WeakSet)/"),
)
# Tests that are not run, and why.
LEFT_OUT = (
    ("need another realm", r"createRealm"),
    ("need agents, which are threads", r"\$262\.agent\."),
    ("go through all characters of Unicode, which takes an interpreter minutes", r"\A\S*/(CharacterClassEscapes|property-escapes/generated)/"),
    ("need `document.all`", r"IsHTMLDDA"),
    ("are about proposals that have changed since: `assert` after an import, `cleanupSome`", r"import-assertions|cleanupSome"),
)
# Of the language's other parts, and of proposals.
NOT_RUN = r"^(intl402|staging|prs|harness|annexB|built-ins/Temporal)/"
# libyaml where PyYAML has it, for tens of thousands of heads.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
HEAD = re.compile(r"/\*---(.*?)---\*/", re.DOTALL)
RELATIVE = re.compile(r"""['"](\.{1,2}/[^'"\n]+)['"]""")


class Test:
    """One test."""

    def __init__(self, root, name):
        self.root = root
        self.name = name
        self.text = (root / name).read_text()
        head = HEAD.search(self.text)
        self.about = yaml.load(head[1].replace("\r", "\n"), LOADER) if head else {}
        self.flags = self.about.get("flags") or []
        self.features = self.about.get("features") or []

    @property
    def expected(self):
        """The name of the exception that it is to end with, if it is."""
        return (self.about.get("negative") or {}).get("type")

    @property
    def left_out(self):
        """Why it is not run, if it is not."""
        return next((why for why, pattern in LEFT_OUT if re.search(pattern, f"{self.name}\n{self.text}")), None)

    def area(self):
        """The name of the area that it counts to, if it is in one."""
        words = " ".join([self.name, *(f"#{feature}" for feature in self.features)])
        return next((label for label, pattern in AREAS if re.search(pattern, words)), None)

    def event(self):
        """What the function is given."""
        event = {"name": self.name, "text": self.text, "module": "module" in self.flags, "asynchronous": "async" in self.flags}
        event["harness"] = "" if "raw" in self.flags else harness(self.root, self.name.rpartition("/")[0])
        files = self.imports()
        return event | ({"files": files} if files else {})

    def imports(self):
        """The files that it names, itself perhaps, and those that they name."""
        found, wanted = {}, [self.name]
        while wanted:
            name = wanted.pop()
            text = self.text if name == self.name else found[name]
            for relative in RELATIVE.findall(text):
                path = (self.root / name).parent / relative
                if not path.is_file():
                    continue
                other = path.resolve().relative_to(self.root.resolve()).as_posix()
                if other not in found:
                    found[other] = path.read_text()
                    wanted.append(other)
        return found


@functools.cache
def harness(root, directory):
    """The text that is run before the tests of a directory: the suite's, and what each directory on the way adds."""
    own = (root / directory / "shell.js").read_text() if (root / directory / "shell.js").is_file() else ""
    return own if not directory else f"{harness(root, directory.rpartition('/')[0])}\n{own}"


def tests(root, prefixes=()):
    """All tests of the areas, or those whose names begin with one of `prefixes`."""
    for path in sorted(root.rglob("*.js")):
        name = path.relative_to(root).as_posix()
        if path.name in ("shell.js", "browser.js") or "_FIXTURE" in path.name or re.search(NOT_RUN, name):
            continue
        if prefixes and not name.startswith(tuple(prefixes)):
            continue
        try:
            test = Test(root, name)
        except UnicodeDecodeError:
            continue
        if (area := test.area()) is not None:
            yield area, test
