"""Prometheus's text format, read as far as the tests need it."""

import re

_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


class Metrics:
    """All samples of one scrape."""

    def __init__(self, samples, types):
        self.samples = samples
        self.types = types

    def sum(self, name, **labels):
        """The sum of a metric's samples that carry these labels; 0 where there is none."""
        return sum(value for found, value in self.samples.get(name, []) if labels.items() <= found.items())

    def all(self, name):
        """Label sets and values of a metric."""
        return self.samples.get(name, [])

    def series(self):
        """How many samples each metric has."""
        return {name: len(samples) for name, samples in self.samples.items()}


def parse(text):
    """Reads a scrape; a line that is none of the format's is an error."""
    samples, types = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ", 3)
            types[name] = kind
        elif line and not line.startswith("#"):
            match = _SAMPLE.match(line)
            if match is None:
                raise ValueError(f"not a sample: {line!r}")
            name, labels, value = match.groups()
            labels = {key: _plain(text) for key, text in _LABEL.findall(labels or "")}
            samples.setdefault(name, []).append((labels, float(value)))
    return Metrics(samples, types)


def _plain(text):
    return text.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
