#include <Python.h>

// Ends the attempts to specialise those of the code's instructions that were attempted in vain again and again.
void give_up_in_vain(PyCodeObject *code);
