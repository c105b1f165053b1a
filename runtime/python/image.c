/*
 * image.c - see guest.h. An immortal object's reference count is never written, so that a call that
 * only looks at what the image holds leaves its pages alone.
 */
#include "alloc.h"
#include "guest.h"

/* Objects whose own references are still to be followed. */
static struct {
    PyObject **item;
    size_t count, room;
    bool failed;
} left;

static int keep(PyObject *object, void *unused)
{
    (void)unused;
    if (!object || object->ob_refcnt == _Py_IMMORTAL_REFCNT)
        return 0;
    if (left.count == left.room) {
        size_t room = left.room ? 2 * left.room : 4096;
        PyObject **item = realloc(left.item, room * sizeof *item);
        if (!item) {
            left.failed = true;
            return -1;
        }
        left.item = item;
        left.room = room;
    }
    object->ob_refcnt = _Py_IMMORTAL_REFCNT;
    left.item[left.count++] = object;
    return 0;
}

static int keep_tracked(PyObject *object, void *unused)
{
    keep(object, unused);
    return !left.failed;
}

/* What traverse functions leave out, because it cannot be part of a cycle. */
static void follow_hidden(PyObject *object)
{
    if (PyCode_Check(object)) {
        PyCodeObject *code = (PyCodeObject *)object;
        PyObject *const parts[] = {code->co_consts,         code->co_names,
                                   code->co_exceptiontable, code->co_filename,
                                   code->co_name,           code->co_qualname,
                                   code->co_linetable,      code->co_localsplusnames,
                                   code->co_localspluskinds};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            keep(parts[i], NULL);
    } else if (PyDict_Check(object)) {
        PyObject *key, *value;
        Py_ssize_t at = 0;
        while (PyDict_Next(object, &at, &key, &value)) {
            keep(key, NULL);
            keep(value, NULL);
        }
    } else if (PyType_Check(object) &&
               PyType_HasFeature((PyTypeObject *)object, Py_TPFLAGS_HEAPTYPE)) {
        PyHeapTypeObject *type = (PyHeapTypeObject *)object;
        keep(type->ht_name, NULL);
        keep(type->ht_qualname, NULL);
        keep(type->ht_slots, NULL);
        keep(type->ht_module, NULL);
    }
}

bool image_freeze(void)
{
    left.failed = false;
    left.count = 0;
    (void)PyGC_Collect();
    PyUnstable_GC_VisitObjects(keep_tracked, NULL);
    while (left.count > 0 && !left.failed) {
        PyObject *object = left.item[--left.count];
        traverseproc traverse = Py_TYPE(object)->tp_traverse;
        keep((PyObject *)Py_TYPE(object), NULL);
        follow_hidden(object);
        if (traverse)
            (void)traverse(object, keep, NULL);
    }
    free(left.item);
    left.item = NULL;
    left.room = left.count = 0;
    if (left.failed)
        return false;
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *done = gc ? PyObject_CallMethod(gc, "freeze", NULL) : NULL;
    Py_XDECREF(done);
    Py_XDECREF(gc);
    return done && alloc_freeze();
}
