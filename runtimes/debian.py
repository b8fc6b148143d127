"""Packages and sources of Debian's, from the mirror that apt is configured for, with an apt state of their own."""

import os
import subprocess
import sys

RELEASE = "trixie"
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


def configuration(work):
    """The path of an apt configuration for the release, with its lists fetched, in the directory `work`."""
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(LABEL)\t$(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    mirrors = [line.split("\t")[1] for line in told.splitlines() if line.startswith("Debian\t")]
    if not mirrors:
        sys.exit("apt is not configured for a mirror of Debian")
    state = work / "apt"
    (state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (state / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    (state / "sources.list").write_text("".join(f"{kind} [signed-by={KEYS}] {mirrors[0]} {RELEASE} main\n" for kind in ("deb", "deb-src")))
    config = state / "apt.conf"
    config.write_text(
        f'Dir::Etc::sourcelist "{state}/sources.list";\nDir::Etc::sourceparts "-";\nDir::State::lists "{state}/lists";\n'
        f'Dir::Cache "{state}/cache";\nDir::State::status "{state}/status";\nAPT::Sandbox::User "root";\n'
    )
    subprocess.run(["apt-get", "-q", "update"], env={**os.environ, "APT_CONFIG": str(config)}, check=True)
    return config


def download(config, entry, directory):
    """Fetches what `entry` names, as `source` or as `binary` with its version, into a directory; what came is not checked."""
    what = ["source", "--download-only", entry["source"]] if "source" in entry else ["download", entry["binary"]]
    # Parts of a source package that are not needed may be missing on a mirror.
    subprocess.run(["apt-get", *what], cwd=directory, env={**os.environ, "APT_CONFIG": str(config)}, check=False)
