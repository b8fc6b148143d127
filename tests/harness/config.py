"""Configuration files for daemons under test: the shape of `config.toml` in one place."""

import pathlib


def render(settings):
    """A dict as TOML: nested dicts are tables, lists of dicts are arrays of tables."""
    lines = []
    _table(lines, (), settings)
    return "\n".join(lines) + "\n"


def _table(lines, path, table):
    plain = {key: value for key, value in table.items() if not _nested(value)}
    if path and (plain or not table):
        lines.append(f"[{'.'.join(map(_key, path))}]")
    for key, value in plain.items():
        lines.append(f"{_key(key)} = {_value(value)}")
    for key, value in table.items():
        if isinstance(value, dict):
            _table(lines, (*path, key), value)
        elif _nested(value):
            for item in value:
                lines.append(f"[[{'.'.join(map(_key, (*path, key)))}]]")
                lines.extend(f"{_key(name)} = {_value(part)}" for name, part in item.items())


def _nested(value):
    return isinstance(value, dict) or (isinstance(value, list) and value and all(isinstance(v, dict) for v in value))


def _key(key):
    return key if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else _value(key)


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(part)}" for key, part in value.items()) + " }"
    text = str(value) if isinstance(value, pathlib.Path) else value
    out = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{out}"'


def route(route_key, function, **more):
    """A route: `GET /users/{id}` to `function` or `function:qualifier`."""
    method, _, path = route_key.rpartition(" ")
    name, _, qualifier = function.partition(":")
    out = {"path": path, "function": name}
    if method:
        out["method"] = method
    if qualifier:
        out["qualifier"] = qualifier
    return out | more


def function(name, package, **more):
    """A function whose zip, wasm or wat lies at `package`."""
    return {"name": name, "package": str(package)} | more
