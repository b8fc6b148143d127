// The exports of the contract (docs/runtimes.md, ABI 1) over an embedded CPython.
//
// Everything that can be said in Python is in bootstrap/lamina_runtime; here are only the interpreter's start, the hand-over of
// buffers and the frame of last resort for when there is no memory left to build one in Python.
#include <Python.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap.h"

#define EXPORT(name) __attribute__((export_name(name)))

PyMODINIT_FUNC PyInit__lamina(void);
PyMODINIT_FUNC PyInit__speedups(void);

static PyObject *entry_load, *entry_invoke, *entry_snapshot, *entry_restore;
// The frame given to the host, alive until the next call.
static PyObject *last_frame;

static const char NO_MEMORY[] = "\x01{\"errorMessage\": \"\", \"errorType\": \"MemoryError\", \"requestId\": \"\", \"stackTrace\": []}";

static void die(const char *what) {
  fprintf(stderr, "python runtime: %s\n", what);
  if (PyErr_Occurred()) PyErr_Print();
  fflush(stderr);
  abort();
}

// libbz2, built without stdio, reports its own bugs here.
void bz_internal_error(int code) {
  (void)code;
  die("bzip2 is inconsistent");
}

static uint64_t packed(const void *ptr, size_t len) { return ((uint64_t)(uintptr_t)ptr << 32) | (uint32_t)len; }

static PyObject *entry(PyObject *module, const char *name) {
  PyObject *function = PyObject_GetAttrString(module, name);
  if (!function) die(name);
  return function;
}

EXPORT("rt_init") void rt_init(void) {
  PyPreConfig pre;
  PyPreConfig_InitIsolatedConfig(&pre);
  pre.utf8_mode = 1;
  if (PyStatus_Exception(Py_PreInitialize(&pre))) die("pre-initialisation failed");
  if (PyImport_AppendInittab("_lamina", PyInit__lamina) < 0) die("no room for _lamina");
  if (PyImport_AppendInittab("lamina_runtime.simplejson._speedups", PyInit__speedups) < 0) die("no room for _speedups");

  PyConfig config;
  PyConfig_InitIsolatedConfig(&config);
  config.site_import = 0;
  config.write_bytecode = 0;
  config.install_signal_handlers = 0;
  config.pathconfig_warnings = 0;
  config.parse_argv = 0;
  config.module_search_paths_set = 1;
  PyStatus status = PyConfig_SetBytesString(&config, &config.home, "/var/runtime");
  if (!PyStatus_Exception(status)) status = PyConfig_SetBytesString(&config, &config.executable, "/var/runtime/bin/python3.13");
  if (!PyStatus_Exception(status)) status = PyConfig_SetBytesString(&config, &config.stdio_encoding, "utf-8");
  if (!PyStatus_Exception(status)) status = PyConfig_SetBytesString(&config, &config.stdio_errors, "backslashreplace");
  if (!PyStatus_Exception(status)) status = PyWideStringList_Append(&config.module_search_paths, L"/var/runtime/lib/python313.zip");
  if (!PyStatus_Exception(status)) status = Py_InitializeFromConfig(&config);
  PyConfig_Clear(&config);
  if (PyStatus_Exception(status)) die(status.err_msg ? status.err_msg : "initialisation failed");

  PyObject *module = PyImport_ImportModule("lamina_runtime.entry");
  if (!module) die("no lamina_runtime.entry");
  entry_load = entry(module, "load");
  entry_invoke = entry(module, "invoke");
  entry_snapshot = entry(module, "snapshot");
  entry_restore = entry(module, "restore");
  PyObject *done = PyObject_CallMethod(module, "init", NULL);
  if (!done) die("init failed");
  Py_DECREF(done);
  Py_DECREF(module);
  fill_holes();
}

EXPORT("rt_alloc") void *rt_alloc(size_t len) { return malloc(len ? len : 1); }

// What a call of an entry gave, as the host wants it. Steals `frame`.
static uint64_t answer(PyObject *frame) {
  if (frame && PyBytes_Check(frame) && PyBytes_GET_SIZE(frame) > 0) {
    last_frame = frame;
    return packed(PyBytes_AS_STRING(frame), (size_t)PyBytes_GET_SIZE(frame));
  }
  Py_XDECREF(frame);
  if (PyErr_ExceptionMatches(PyExc_MemoryError)) {
    PyErr_Clear();
    return packed(NO_MEMORY, sizeof NO_MEMORY - 1);
  }
  if (PyErr_Occurred()) PyErr_Print();
  return 0;
}

// Makes one str of a piece of the host's buffer; bytes where it is not UTF-8, so that Python can word the failure.
static PyObject *text(const char *ptr, size_t len) {
  PyObject *str = PyUnicode_DecodeUTF8(ptr, (Py_ssize_t)len, "strict");
  if (str || !PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) return str;
  PyErr_Clear();
  return PyBytes_FromStringAndSize(ptr, (Py_ssize_t)len);
}

static uint64_t call_with_text(PyObject *function, char *ptr, size_t len) {
  Py_CLEAR(last_frame);
  PyObject *argument = text(ptr, len);
  free(ptr);
  PyObject *frame = argument ? PyObject_CallOneArg(function, argument) : NULL;
  Py_XDECREF(argument);
  return answer(frame);
}

EXPORT("rt_load") uint64_t rt_load(char *ptr, size_t len) { return call_with_text(entry_load, ptr, len); }

EXPORT("rt_restore") uint64_t rt_restore(char *ptr, size_t len) { return call_with_text(entry_restore, ptr, len); }

EXPORT("rt_snapshot") uint64_t rt_snapshot(void) {
  Py_CLEAR(last_frame);
  return answer(PyObject_CallNoArgs(entry_snapshot));
}

EXPORT("rt_invoke") uint64_t rt_invoke(char *ptr, size_t len) {
  Py_CLEAR(last_frame);
  uint32_t context_len = 0;
  if (len >= sizeof context_len) memcpy(&context_len, ptr, sizeof context_len);
  if (len < sizeof context_len || context_len > len - sizeof context_len) {
    free(ptr);
    return 0;
  }
  const char *context = ptr + sizeof context_len, *event = context + context_len;
  PyObject *args[2];
  args[0] = text(context, context_len);
  args[1] = args[0] ? text(event, len - sizeof context_len - context_len) : NULL;
  free(ptr);
  PyObject *frame = args[1] ? PyObject_Vectorcall(entry_invoke, args, 2, NULL) : NULL;
  Py_XDECREF(args[0]);
  Py_XDECREF(args[1]);
  return answer(frame);
}
