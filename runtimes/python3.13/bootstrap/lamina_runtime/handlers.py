"""From a handler string to the function it names."""

import importlib
import os
import sys

from .errors import Fault, text_of

TASK_ROOT = "/var/task"
LAYERS = ("/opt/python/lib/python3.13/site-packages", "/opt/python")
RUNTIME_DIR = "/var/runtime"


def set_path(python_path):
    """`sys.path` in Lambda's order: the function, its layers, PYTHONPATH (by default the runtime's directory), the standard library."""
    standard = [entry for entry in sys.path if entry.startswith(RUNTIME_DIR + "/")]
    named = [entry for entry in python_path.split(":") if entry]
    sys.path[:] = [TASK_ROOT, *LAYERS, *(entry for entry in named if entry not in standard), *standard]
    for entry in (TASK_ROOT, *LAYERS, *named):
        # What a finder saw of these during rt_init was empty.
        sys.path_importer_cache.pop(entry, None)


def give_way(preloaded):
    """Forgets modules that rt_init imported and of which the function or a layer has its own: the path says that theirs come first."""
    names = set()
    for directory in (TASK_ROOT, *LAYERS):
        try:
            names.update(name.removesuffix(".py") for name in os.listdir(directory))
        except OSError:
            continue
    for name in names & preloaded:
        for module in [module for module in sys.modules if module == name or module.startswith(name + ".")]:
            del sys.modules[module]


def find(handler):
    """The function that `handler` names. Raises `Fault` in Lambda's words, or what the module itself raised."""
    try:
        module_name, function_name = handler.rsplit(".", 1)
    except ValueError as error:
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{handler}': {error}") from None
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {text_of(error)}") from error
    except SyntaxError as error:
        where = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {text_of(error)}", [where]) from error
    try:
        return getattr(module, function_name)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'") from None
