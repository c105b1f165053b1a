/*
 * guest.h - what the pieces of the Python runtime share.
 */
#ifndef TFAAS_PYTHON_GUEST_H
#define TFAAS_PYTHON_GUEST_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

/* host_module.c: the module _tfaas, what Python code may ask of the host. */
PyObject *host_module_init(void);

/* image.c: all objects there are now will be there in every instance: no reference count of theirs
 * is written any more, and the collector never looks at them again. false: no memory. */
bool image_freeze(void);

/* stdlib.c, made by freeze.py: the standard library and lib/ as marshalled code. */
extern const struct _frozen stdlib_modules[];

#endif
