"""The modules that rt_init imports, so that snapshots hold them and no function waits for them."""

import importlib
import sys

# What functions import most; a name that is absent from this build fails the build's own test.
COMMON = (
    "abc argparse ast asyncio base64 bisect calendar codecs collections collections.abc concurrent.futures configparser contextlib"
    " contextvars copy csv dataclasses datetime decimal difflib email email.message email.mime.multipart email.mime.text email.parser"
    " email.policy email.utils encodings.ascii encodings.idna encodings.latin_1 encodings.utf_8_sig enum errno fnmatch fractions"
    " functools getpass glob gzip hashlib heapq hmac html html.parser http http.client http.cookies http.cookiejar importlib.metadata"
    " importlib.resources importlib.util inspect io ipaddress itertools json keyword linecache locale logging logging.config"
    " logging.handlers math mimetypes numbers operator os os.path pathlib pickle pkgutil platform pprint queue quopri random re"
    " reprlib secrets select selectors shlex shutil signal socket ssl stat statistics string struct tempfile textwrap threading time token"
    " tokenize traceback types typing unicodedata unittest.mock urllib.error urllib.parse urllib.request urllib.response uuid warnings"
    " weakref xml.etree.ElementTree zipfile zlib zoneinfo"
).split()


def all_common():
    """Imports them all. Returns the top-level names that were not needed to get this far, which a function may replace by its own."""
    needed = set(sys.modules)
    for name in COMMON:
        importlib.import_module(name)
    return frozenset(name for name in sys.modules if "." not in name and name not in needed)
