"""Access keys and roles of a daemon, as `lamina credentials` makes them, and clients that sign."""

import json
import subprocess

import boto3
import botocore.config

from .clients import REGION
from .daemon import binary


class Key:
    """An access key made by `lamina credentials create`."""

    def __init__(self, answer):
        self.id, self.secret = answer["AccessKeyId"], answer["SecretAccessKey"]


def lamina(daemon, *arguments, check=True):
    """`lamina credentials …` on a daemon's data directory."""
    done = subprocess.run(
        [binary(), "credentials", *map(str, arguments), "--data-dir", daemon.data, "--output", "json"],
        capture_output=True,
        timeout=30,
    )
    if check:
        assert done.returncode == 0, done.stderr
    return done


def make_key(daemon, name, *may):
    """A new key on a daemon."""
    return Key(json.loads(lamina(daemon, "create", name, *may).stdout))


def policy_file(directory, *statements):
    """A policy of `(effect, action, resource)`, in a file of its own."""
    path = directory / f"policy-{len(list(directory.iterdir()))}.json"
    rows = [{"Effect": effect, "Action": action, "Resource": resource} for effect, action, resource in statements]
    path.write_text(json.dumps({"Version": "2012-10-17", "Statement": rows}))
    return path


def client(daemon, service, key, secret=None, region=REGION, read_timeout=30, **more):
    """A boto3 client that signs with a key and asks once."""
    session = boto3.session.Session(key.id, secret or key.secret, region_name=region)
    config = botocore.config.Config(retries={"max_attempts": 0}, parameter_validation=False, read_timeout=read_timeout)
    return session.client(service, endpoint_url=daemon.api, config=config, **more)
