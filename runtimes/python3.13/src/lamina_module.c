// The module `_lamina`: the host's imports for Python.
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "counters.h"

#define IMPORT(name) __attribute__((import_module("lamina"), import_name(name)))

IMPORT("log") void host_log(const char *ptr, size_t len);
IMPORT("stream_begin") int32_t host_stream_begin(const char *ptr, size_t len);
IMPORT("stream_write") int32_t host_stream_write(const char *ptr, size_t len);
IMPORT("http_start") int32_t host_http_start(const char *ptr, size_t len);
IMPORT("http_wait") int32_t host_http_wait(const uint32_t *handles, uint32_t count, int32_t timeout_ms);
IMPORT("http_head") int32_t host_http_head(int32_t handle, char *ptr, size_t cap);
IMPORT("http_body") int32_t host_http_body(int32_t handle, char *ptr, size_t cap);
IMPORT("http_close") void host_http_close(int32_t handle);

// Most heads fit; a longer one costs a second call.
#define HEAD_ROOM 2048
// More handles than any function waits for at once.
#define MOST_HANDLES 1024

static PyObject *py_log(PyObject *self, PyObject *record) {
  if (PyUnicode_Check(record)) {
    Py_ssize_t len;
    const char *utf8 = PyUnicode_AsUTF8AndSize(record, &len);
    if (utf8) {
      host_log(utf8, (size_t)len);
      Py_RETURN_NONE;
    }
    // Lone surrogates have no UTF-8: say them as escapes, a log must not fail.
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) return NULL;
    PyErr_Clear();
    PyObject *bytes = PyUnicode_AsEncodedString(record, "utf-8", "backslashreplace");
    if (!bytes) return NULL;
    host_log(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
    Py_RETURN_NONE;
  }
  Py_buffer view;
  if (PyObject_GetBuffer(record, &view, PyBUF_SIMPLE) < 0) return NULL;
  host_log(view.buf, (size_t)view.len);
  PyBuffer_Release(&view);
  Py_RETURN_NONE;
}

typedef int32_t (*bytes_import)(const char *, size_t);

static PyObject *with_bytes(bytes_import import, PyObject *argument) {
  Py_buffer view;
  if (PyObject_GetBuffer(argument, &view, PyBUF_SIMPLE) < 0) return NULL;
  int32_t result = import(view.buf, (size_t)view.len);
  PyBuffer_Release(&view);
  return PyLong_FromLong(result);
}

static PyObject *py_stream_begin(PyObject *self, PyObject *content_type) { return with_bytes(host_stream_begin, content_type); }

static PyObject *py_stream_write(PyObject *self, PyObject *piece) { return with_bytes(host_stream_write, piece); }

static PyObject *py_http_start(PyObject *self, PyObject *args) {
  Py_buffer head, body;
  if (!PyArg_ParseTuple(args, "y*y*:http_start", &head, &body)) return NULL;
  size_t len = sizeof(uint32_t) + (size_t)head.len + (size_t)body.len;
  char *argument = malloc(len);
  int32_t handle = 0;
  if (argument) {
    uint32_t head_len = (uint32_t)head.len;
    memcpy(argument, &head_len, sizeof head_len);
    memcpy(argument + sizeof head_len, head.buf, (size_t)head.len);
    memcpy(argument + sizeof head_len + head.len, body.buf, (size_t)body.len);
    handle = host_http_start(argument, len);
    free(argument);
  }
  PyBuffer_Release(&head);
  PyBuffer_Release(&body);
  return argument ? PyLong_FromLong(handle) : PyErr_NoMemory();
}

static PyObject *py_http_wait(PyObject *self, PyObject *args) {
  PyObject *sequence;
  int timeout_ms;
  if (!PyArg_ParseTuple(args, "Oi:http_wait", &sequence, &timeout_ms)) return NULL;
  PyObject *fast = PySequence_Fast(sequence, "http_wait wants a sequence of handles");
  if (!fast) return NULL;
  Py_ssize_t count = PySequence_Fast_GET_SIZE(fast);
  if (count > MOST_HANDLES) {
    Py_DECREF(fast);
    PyErr_SetString(PyExc_ValueError, "too many handles");
    return NULL;
  }
  uint32_t handles[MOST_HANDLES];
  for (Py_ssize_t i = 0; i < count; i++) {
    handles[i] = (uint32_t)PyLong_AsUnsignedLong(PySequence_Fast_GET_ITEM(fast, i));
    if (PyErr_Occurred()) {
      Py_DECREF(fast);
      return NULL;
    }
  }
  Py_DECREF(fast);
  return PyLong_FromLong(host_http_wait(handles, (uint32_t)count, timeout_ms));
}

// bytes of the head's JSON, or the negative number the host gave.
static PyObject *py_http_head(PyObject *self, PyObject *number) {
  int handle = PyLong_AsInt(number);
  if (handle == -1 && PyErr_Occurred()) return NULL;
  Py_ssize_t room = HEAD_ROOM;
  for (;;) {
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, room);
    if (!bytes) return NULL;
    int32_t whole = host_http_head(handle, PyBytes_AS_STRING(bytes), (size_t)room);
    if (whole < 0) {
      Py_DECREF(bytes);
      return PyLong_FromLong(whole);
    }
    if (whole <= room) {
      _PyBytes_Resize(&bytes, whole);
      return bytes;
    }
    Py_DECREF(bytes);
    room = whole;
  }
}

// bytes of the next piece (empty at the end), or the negative number the host gave.
static PyObject *py_http_body(PyObject *self, PyObject *args) {
  int handle;
  Py_ssize_t most;
  if (!PyArg_ParseTuple(args, "in:http_body", &handle, &most)) return NULL;
  PyObject *bytes = PyBytes_FromStringAndSize(NULL, most);
  if (!bytes) return NULL;
  int32_t got = host_http_body(handle, PyBytes_AS_STRING(bytes), (size_t)most);
  if (got < 0 || got > most) {
    Py_DECREF(bytes);
    return PyLong_FromLong(got < 0 ? got : -1);
  }
  _PyBytes_Resize(&bytes, got);
  return bytes;
}

static PyObject *py_http_close(PyObject *self, PyObject *number) {
  int handle = PyLong_AsInt(number);
  if (handle == -1 && PyErr_Occurred()) return NULL;
  host_http_close(handle);
  Py_RETURN_NONE;
}

// Objects that are still to be looked through.
struct Stack {
  PyObject **items;
  size_t len, room;
};

static int make_immortal(PyObject *object, void *arg) {
  struct Stack *stack = arg;
  if (!object || _Py_IsImmortal(object)) return 0;
  if (stack->len == stack->room) {
    size_t room = stack->room ? stack->room * 2 : 1024;
    PyObject **items = PyMem_RawRealloc(stack->items, room * sizeof *items);
    if (!items) return -1;
    stack->items = items;
    stack->room = room;
  }
  object->ob_refcnt = _Py_IMMORTAL_REFCNT;
  stack->items[stack->len++] = object;
  return 0;
}

static int make_reachable_immortal(PyObject *object, void *arg) {
  struct Stack *stack = arg;
  int failed = make_immortal(object, stack);
  while (!failed && stack->len) {
    PyObject *next = stack->items[--stack->len];
    // What the collector of cycles has no interest in: code, and keys that are strings.
    if (PyCode_Check(next)) {
      PyCodeObject *code = (PyCodeObject *)next;
      give_up_in_vain(code);
      PyObject *parts[] = {code->co_consts,   code->co_names, code->co_exceptiontable, code->co_localsplusnames, code->co_localspluskinds,
                           code->co_filename, code->co_name,  code->co_qualname,       code->co_linetable};
      for (size_t i = 0; !failed && i < sizeof parts / sizeof *parts; i++) failed = make_immortal(parts[i], stack);
    } else if (PyDict_Check(next)) {
      PyObject *key;
      Py_ssize_t at = 0;
      while (!failed && PyDict_Next(next, &at, &key, NULL)) failed = make_immortal(key, stack);
    }
    traverseproc traverse = PyObject_IS_GC(next) ? Py_TYPE(next)->tp_traverse : NULL;
    if (!failed && traverse) failed = traverse(next, make_immortal, stack);
  }
  return !failed;
}

static PyObject *py_keep_for_ever(PyObject *self, PyObject *ignored) {
  struct Stack stack = {NULL, 0, 0};
  PyUnstable_GC_VisitObjects(make_reachable_immortal, &stack);
  int is_done = stack.len == 0;
  PyMem_RawFree(stack.items);
  return is_done ? Py_NewRef(Py_None) : PyErr_NoMemory();
}

static PyMethodDef METHODS[] = {
  {"keep_for_ever", py_keep_for_ever, METH_NOARGS,
   "keep_for_ever(): makes all objects immortal (PEP 683), so that nobody writes their reference counts, nor counters in code."},
  {"log", py_log, METH_O, "log(record): one event of the function's log; str or bytes."},
  {"stream_begin", py_stream_begin, METH_O, "stream_begin(content_type: bytes) -> int"},
  {"stream_write", py_stream_write, METH_O, "stream_write(piece: bytes) -> int"},
  {"http_start", py_http_start, METH_VARARGS, "http_start(head: bytes, body: bytes) -> handle, or a negative number"},
  {"http_wait", py_http_wait, METH_VARARGS, "http_wait(handles, timeout_ms) -> index, or a negative number (-5: timeout)"},
  {"http_head", py_http_head, METH_O, "http_head(handle) -> bytes of JSON, or a negative number"},
  {"http_body", py_http_body, METH_VARARGS, "http_body(handle, most) -> bytes (empty: end), or a negative number"},
  {"http_close", py_http_close, METH_O, "http_close(handle)"},
  {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_lamina", "The host's imports.", -1, METHODS, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__lamina(void) { return PyModule_Create(&MODULE); }
