// Counters of the specialising interpreter (PEP 659), which lie in the code itself.
//
// An instruction that cannot be specialised counts down to the next attempt each time it runs, and each count is written into a page that all
// environments could share. What was attempted in vain again and again is not attempted any more: the interpreter leaves a counter
// alone that cannot be reached (build.py sees to it that it does not even write it).
#define Py_BUILD_CORE
#include <Python.h>
#include <stdbool.h>
#include <internal/pycore_backoff.h>
#include <internal/pycore_code.h>
#include <internal/pycore_opcode_metadata.h>

#include "counters.h"

// Each attempt in vain doubles the time to the next one, and adds one to this exponent.
#define BACKOFF_IN_VAIN 5

void give_up_in_vain(PyCodeObject *code) {
  _Py_CODEUNIT *units = _PyCode_CODE(code);
  for (Py_ssize_t at = 0; at < Py_SIZE(code); at++) {
    uint8_t opcode = units[at].op.code;
    uint8_t caches = _PyOpcode_Caches[_PyOpcode_Deopt[opcode]];
    bool counts = caches && opcode == _PyOpcode_Deopt[opcode];
    if (counts && units[at + 1].counter.backoff >= BACKOFF_IN_VAIN) units[at + 1].counter = initial_unreachable_backoff_counter();
    at += caches;
  }
}
