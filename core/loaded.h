/*
 * loaded.h - a function as the core holds it: what arrived (function.h), its module and image, and
 * its idle memory slots.
 */
#ifndef TFAAS_CORE_LOADED_H
#define TFAAS_CORE_LOADED_H

#include "engine/engine.h"
#include "function.h"
#include "runtime.h"

#define IDLE_SLOTS_MAX    4u   /* pristine memories kept per function between runs */
#define IDLE_SLOTS_ALL    128u /* and in the whole core: those unused for longest go first */
#define LOADED_INSIDE_MAX 8u

enum loaded_state { LOADED_EMPTY, LOADED_RECEIVING, LOADED_LOADING, LOADED_READY, LOADED_FAILED };

struct loaded {
    struct function function; /* first */
    enum loaded_state state;
    tfaas_status_t failure;
    char *why;               /* of a failure that was not answered yet, malloc'ed */
    bool answer_due;         /* there was no room for LOADED */
    size_t received;         /* bytes of the bundle so far */
    struct runtime *runtime; /* NULL: a module of its own */
    struct engine_module *module;
    bool owns_module; /* false: the runtime's, shared */
    enum tfaas_code code;
    bool wants_cache; /* the host asked for what is compiled */
    uint8_t *cache;   /* sealed, to be sent before LOADED; malloc'ed */
    size_t cache_size;
    struct memory_image image;
    struct memory_slot_list idle; /* last used first */
    uint32_t idle_count;
    size_t table_bytes; /* what a run's tables take at most */
    bool init_each_run; /* keeps state where no image reaches: initialise in every run */
    struct engine_global globals[GLOBALS_KEPT_MAX];
    uint32_t global_count;
    uint32_t *mutable_globals, mutable_global_count;
    uint64_t load_work, load_started_ns;
    struct compartment *compartment;               /* that it is (inner.h); NULL: a function */
    struct compartment *inside[LOADED_INSIDE_MAX]; /* that its modules opened; a handle's place */
    uint32_t inside_count, inside_total; /* total: of a function, with those inside others */
};

struct loaded *loaded_find(uint32_t id);
/* The newest function of that name that serves or will; NULL: none. */
struct loaded *loaded_find_name(struct span name);
/* One LOAD piece. OK; or a rule of the protocol was broken (the host is dead to us): PEER_DEAD. */
tfaas_status_t loaded_receive(const struct tfaas_slot *slot, const uint8_t *piece) TFAAS_MUST_USE;
tfaas_status_t loaded_unload(uint32_t id) TFAAS_MUST_USE;
/* After a run ended: frees a function that is being unloaded and has nothing in flight. */
void loaded_release(struct loaded *loaded);
/* Gives the answers that found no room. */
void loaded_retry(void);

/* For inner.c. attach: module and first image for a package that `loaded` holds already, where
 * compiling may take a deep stack. */
tfaas_status_t loaded_attach(struct loaded *loaded, char *why, size_t why_size) TFAAS_MUST_USE;
void loaded_destroy(struct loaded *loaded);

/* Before the fork, after a warm-up: what the runs of function `id` wrote is known to all later
 * functions; the first of them finds a memory that is ready. */
void loaded_learn(uint32_t id);
/* Takes it back from function `id`, which has run in it. */
bool loaded_return_spare(uint32_t id) TFAAS_MUST_USE;

/* The image that was taken of the slot is the function's from now on, and the slot a pristine one
 * of it or freed. */
void loaded_keep_image(struct loaded *loaded, const struct memory_image *image,
                       struct memory_slot *slot);
/* A pristine memory for one run, or NULL (out of memory). */
struct memory_slot *loaded_take_slot(struct loaded *loaded);
/* Restores it and keeps or frees it. Returns pages copied. */
uint32_t loaded_give_slot(struct loaded *loaded, struct memory_slot *slot);

#endif
