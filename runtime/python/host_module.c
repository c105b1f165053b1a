/*
 * host_module.c - the module _tfaas: the request, the response and the log, for
 * lib/_tfaas_runtime.py. Functions can import it too: it gives nothing that they do not have
 * anyway.
 */
#include "guest.h"
#include "host.h"
#include "request.h"
#include "response.h"

#include <string.h>

static PyObject *latin1(struct slice text)
{
    return PyUnicode_DecodeLatin1((const char *)text.data, (Py_ssize_t)text.size, NULL);
}

static PyObject *get_method(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    return latin1(io.request.method);
}

static PyObject *get_path(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    return latin1(io.request.path);
}

static PyObject *get_query(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    return latin1(io.request.query);
}

/* [(name, value)], in order, as they came. */
static PyObject *get_headers(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    PyObject *list = PyList_New(0);
    struct slice name, value;
    uint32_t at = 0;
    while (list && request_next_field(&at, &name, &value)) {
        PyObject *pair = Py_BuildValue("(NN)", latin1(name), latin1(value));
        if (!pair || PyList_Append(list, pair) != 0)
            Py_CLEAR(list);
        Py_XDECREF(pair);
    }
    return list;
}

static PyObject *get_body(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    struct slice content;
    switch (request_gather(&content)) {
    case REQUEST_OK:
        return PyBytes_FromStringAndSize((const char *)content.data, (Py_ssize_t)content.size);
    case REQUEST_NO_MEMORY:
        return PyErr_NoMemory();
    default:
        PyErr_SetString(PyExc_OSError, "the request ended before its body was complete");
        return NULL;
    }
}

static bool put_header(PyObject *name, PyObject *value)
{
    PyObject *name_bytes = PyUnicode_Check(name) ? PyUnicode_AsLatin1String(name) : NULL;
    PyObject *value_bytes = PyUnicode_Check(value) ? PyUnicode_AsLatin1String(value) : NULL;
    enum response_field_result result = FIELD_BAD_VALUE;
    PyErr_Clear();
    if (!name_bytes)
        result = FIELD_BAD_NAME;
    else if (value_bytes)
        result = response_field(
            (const uint8_t *)PyBytes_AS_STRING(name_bytes), (size_t)PyBytes_GET_SIZE(name_bytes),
            (const uint8_t *)PyBytes_AS_STRING(value_bytes), (size_t)PyBytes_GET_SIZE(value_bytes));
    Py_XDECREF(name_bytes);
    Py_XDECREF(value_bytes);
    switch (result) {
    case FIELD_OK:
        return true;
    case FIELD_BAD_NAME:
        PyErr_Format(PyExc_ValueError, "invalid response header name: %R", name);
        return false;
    case FIELD_BAD_VALUE:
        PyErr_Format(PyExc_ValueError, "invalid value of response header %R", name);
        return false;
    case FIELD_OF_CONNECTION:
        PyErr_Format(PyExc_ValueError,
                     "response header %R belongs to the connection, a function cannot set it",
                     name);
        return false;
    case FIELD_NO_ROOM:
        break;
    }
    PyErr_SetString(PyExc_ValueError, "the response headers are too large");
    return false;
}

/* respond(status, [(name, value)] or None, content type or None, content) */
static PyObject *respond(PyObject *self, PyObject *args)
{
    (void)self;
    int status;
    PyObject *headers;
    const char *type;
    Py_buffer content;
    if (!PyArg_ParseTuple(args, "iOzy*:respond", &status, &headers, &type, &content))
        return NULL;
    bool good = false;
    if (response_sent())
        PyErr_SetString(PyExc_RuntimeError, "the response was sent already");
    else if (status < 200 || status > 599)
        PyErr_Format(PyExc_ValueError, "the response status must be from 200 to 599, not %d",
                     status);
    else if (headers != Py_None && !PyList_Check(headers))
        PyErr_SetString(PyExc_TypeError, "headers: a list of pairs");
    else
        good = true;
    if (good)
        response_start((uint16_t)status);
    for (Py_ssize_t i = 0; good && headers != Py_None && i < PyList_GET_SIZE(headers); i++) {
        PyObject *pair = PyList_GET_ITEM(headers, i);
        good = PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2;
        if (!good)
            PyErr_SetString(PyExc_TypeError, "headers: a list of pairs");
        good = good && put_header(PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1));
    }
    if (good) /* a host that takes no more has its reason: the call is over anyway */
        (void)response_send(type, content.buf, (size_t)content.len);
    PyBuffer_Release(&content);
    if (!good)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *write_log(PyObject *self, PyObject *text)
{
    (void)self;
    PyObject *bytes =
        PyUnicode_Check(text) ? PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace") : NULL;
    if (!bytes) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "log: not a str");
        return NULL;
    }
    host_log(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
    Py_RETURN_NONE;
}

static PyObject *get_environment(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    size_t count;
    char *strings = host_environment(&count), *at = strings;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++, at += strlen(at) + 1) {
        PyObject *text = PyUnicode_DecodeUTF8(at, (Py_ssize_t)strlen(at), "surrogateescape");
        if (!text || PyList_Append(list, text) != 0)
            Py_CLEAR(list);
        Py_XDECREF(text);
    }
    free(strings);
    return list;
}

static PyObject *get_entry(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    size_t count;
    char *arguments = host_arguments(&count);
    PyObject *entry = NULL;
    if (count < 2)
        PyErr_SetString(PyExc_RuntimeError, "no entry file is named");
    else
        entry = PyUnicode_DecodeFSDefault(arguments + strlen(arguments) + 1);
    free(arguments);
    return entry;
}

PyObject *host_module_init(void)
{
    static PyMethodDef methods[] = {
        {"method", get_method, METH_NOARGS, NULL},
        {"path", get_path, METH_NOARGS, NULL},
        {"query", get_query, METH_NOARGS, NULL},
        {"headers", get_headers, METH_NOARGS, NULL},
        {"body", get_body, METH_NOARGS, NULL},
        {"respond", respond, METH_VARARGS, NULL},
        {"log", write_log, METH_O, NULL},
        {"environment", get_environment, METH_NOARGS, NULL},
        {"entry", get_entry, METH_NOARGS, NULL},
        {NULL, NULL, 0, NULL},
    };
    static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_tfaas", .m_size = -1,
                                            .m_methods = methods};
    return PyModule_Create(&definition);
}
