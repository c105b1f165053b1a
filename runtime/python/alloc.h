/*
 * alloc.h - memory for Python's objects. What a call allocates lies together, apart from what was
 * there when the image was taken, so that few pages are written.
 */
#ifndef TFAAS_PYTHON_ALLOC_H
#define TFAAS_PYTHON_ALLOC_H

#include <stdbool.h>

void alloc_install(void); /* before Python starts */
/* Before an image is taken: blocks so far are never used again, new ones come from pages of their
 * own. false: no memory. */
bool alloc_freeze(void);

#endif
