/*
 * memory.c - exact restore: whatever a run writes, wherever it grows, the slot equals its image
 * afterwards, byte for byte. Writes go through real page faults and the real handler.
 */
/* needs: core */
#include "check.h"

#include "memory.h"
#include "plat/linux/linux.h"
#include <stdlib.h>

#define IMAGE_SIZE (6u * WASM_PAGE)
#define LIMIT      ((size_t)160 * WASM_PAGE)
#define SLOTS      4
#define RUNS       10000

static uint64_t seed = 0x9e3779b97f4a7c15u;

static uint64_t draw(uint64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

static unsigned faults;

static bool count_fault(uintptr_t address)
{
    faults++;
    return memory_on_write(address);
}

static uint8_t *make_image(struct memory_image *image, size_t size, size_t limit)
{
    uint8_t *bytes = calloc(1, size + 1);
    for (size_t page = 0; page < size / PLAT_PAGE; page++) {
        if (draw(3) == 0)
            continue; /* a page of zeros: a hole in the file */
        for (size_t i = 0; i < PLAT_PAGE; i++)
            bytes[page * PLAT_PAGE + i] = (uint8_t)draw(256);
    }
    tfaas_status_t status = memory_image_create(image, bytes, size, limit);
    CHECK(status == TFAAS_OK, "%s", tfaas_status_name(status));
    return bytes;
}

/* Is it what a run must find? The pages past the image are zeros up to `tracked`. */
static bool is_pristine(const struct memory_slot *slot, const uint8_t *bytes)
{
    const struct memory_image *image = slot->image;
    static const uint8_t zeros[MEMORY_SPARE];
    return slot->size == image->size && slot->grown == 0 && slot->cold_count == 0 && !slot->open &&
           memcmp(slot->base, bytes, image->size) == 0 &&
           memcmp(slot->base + image->size, zeros, image->tracked - image->size) == 0;
}

static void scribble(struct memory_slot *slot, size_t at, size_t size)
{
    for (size_t i = 0; i < size && at + i < slot->size; i++)
        slot->base[at + i] = (uint8_t)(0xa0 | (seed >> (i % 32) & 0xf));
}

/* One adversarial run: some mixture of growing and writing. */
static void misbehave(struct memory_slot *slot)
{
    unsigned kind = (unsigned)draw(100);
    if (kind < 30) { /* within the spare, past it, to the limit, over it */
        static const size_t steps[] = {1, 3, 15, 20, 34, 35};
        for (unsigned i = 0; i < 1 + draw(3); i++)
            (void)memory_grow(slot, slot->size + steps[draw(6)] * WASM_PAGE);
        for (size_t at = slot->image->size; at < slot->size; at += PLAT_PAGE) {
            if (slot->base[at + draw(PLAT_PAGE)] != 0 && !memory_restore_disabled)
                CHECK(false, "a grown page held something at %zu", at);
        }
    }
    size_t pages = slot->size / PLAT_PAGE;
    unsigned writes = kind % 10 == 0  ? (unsigned)pages
                      : kind % 10 < 3 ? 40 + (unsigned)draw(20)
                                      : (unsigned)draw(12);
    for (unsigned i = 0; i < writes; i++) {
        /* Half of the writes go to few favourite pages, which become hot. */
        size_t page = draw(2) ? draw(pages) : draw(9) * 7;
        size_t at = page * PLAT_PAGE + draw(PLAT_PAGE);
        scribble(slot, at, 1 + draw(draw(20) == 0 ? 3 * PLAT_PAGE : 24));
    }
    if (kind == 99)
        memory_slot_open(slot);
}

/* Returns how many runs left something behind in slots of an image that must hold `bytes`. */
static unsigned random_runs_of(struct memory_image *image, const uint8_t *bytes, unsigned runs)
{
    struct memory_slot *slots[SLOTS];
    for (size_t i = 0; i < SLOTS; i++)
        slots[i] = memory_slot_new(image);
    unsigned wrong = 0;
    for (unsigned run = 0; run < runs; run++) {
        size_t i = draw(SLOTS);
        if (draw(200) == 0) { /* a new slot starts with what the others have learnt */
            memory_slot_free(slots[i]);
            slots[i] = memory_slot_new(image);
        }
        bool ok = false;
        memory_set_current(slots[i]);
        misbehave(slots[i]);
        memory_set_current(NULL);
        (void)memory_restore(slots[i], &ok);
        wrong += !ok || !is_pristine(slots[i], bytes);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        wrong += !memory_restore_disabled && !is_pristine(slots[i], bytes);
        memory_slot_free(slots[i]);
    }
    CHECK(image->slot_count == 0, "%u slots left", image->slot_count);
    return wrong;
}

static unsigned random_runs(unsigned runs)
{
    struct memory_image image;
    uint8_t *bytes = make_image(&image, IMAGE_SIZE, LIMIT);
    unsigned wrong = random_runs_of(&image, bytes, runs);
    memory_image_destroy(&image);
    free(bytes);
    return wrong;
}

/* An image taken from an opened slot over `base` after `pages` pages of it were changed and it grew
 * by `grow`; *bytes is what it must hold. */
static void take_changed(struct memory_image *taken, struct memory_image *base, unsigned pages,
                         size_t grow, uint8_t **bytes)
{
    struct memory_image view;
    CHECK(memory_image_borrow(&view, base, LIMIT) == TFAAS_OK, "not borrowed");
    struct memory_slot *slot = memory_slot_new(&view);
    memory_slot_open(slot);
    CHECK(memory_grow(slot, slot->size + grow), "cannot grow");
    for (unsigned i = 0; i < pages; i++)
        slot->base[(size_t)i * slot->size / pages / PLAT_PAGE * PLAT_PAGE + draw(PLAT_PAGE)] ^=
            (uint8_t)(1 + draw(255));
    *bytes = calloc(1, slot->size);
    memcpy(*bytes, slot->base, slot->size);
    CHECK(memory_image_take(taken, slot) == TFAAS_OK, "no image was taken");
    CHECK(taken->size == slot->size && taken->limit == LIMIT, "size %zu, limit %zu", taken->size,
          taken->limit);
    memory_slot_free(slot);
    memory_image_destroy(&view);
}

/* Images that share a base: each exact, whatever happens in slots of the others. */
static void images_over_one_base(void)
{
    struct memory_image base, large, few, none, grown, many, past;
    uint8_t *base_bytes = make_image(&base, IMAGE_SIZE, LIMIT);
    uint8_t *few_bytes, *none_bytes, *grown_bytes, *many_bytes, *past_bytes;
    const size_t large_size = (size_t)(MEMORY_DELTA_MAX / 16 + 1) * WASM_PAGE;
    uint8_t *large_bytes = make_image(&large, large_size, 2 * large_size);
    CHECK(memory_image_settle(&base) == TFAAS_OK && memory_image_settle(&large) == TFAAS_OK,
          "not settled");
    take_changed(&few, &base, 17, 0, &few_bytes);
    take_changed(&none, &base, 0, 0, &none_bytes);
    take_changed(&grown, &base, 30, 5u * WASM_PAGE, &grown_bytes);
    CHECK(few.lent == &base.own && few.delta_count == 17, "%u pages of its own", few.delta_count);
    CHECK(none.lent == &base.own && none.delta_count == 0, "%u pages of its own", none.delta_count);
    CHECK(grown.lent == &base.own && grown.delta_count == 30, "%u pages of its own",
          grown.delta_count);
    /* Every page of the image differs, or it is larger than the base: whole images. */
    take_changed(&many, &large, MEMORY_DELTA_MAX + 1, 0, &many_bytes);
    take_changed(&past, &base, 3, MEMORY_SPARE + WASM_PAGE, &past_bytes);
    CHECK(!many.lent && !past.lent, "an image that does not fit its base shares it");
    for (unsigned round = 0; round < 3; round++) {
        unsigned wrong = random_runs_of(&few, few_bytes, RUNS / 6) +
                         random_runs_of(&none, none_bytes, RUNS / 6) +
                         random_runs_of(&grown, grown_bytes, RUNS / 6) +
                         random_runs_of(&many, many_bytes, RUNS / 30) +
                         random_runs_of(&past, past_bytes, RUNS / 30) +
                         random_runs_of(&base, base_bytes, RUNS / 30);
        CHECK(wrong == 0, "round %u: %u runs left something behind", round, wrong);
    }
    memory_restore_disabled = true;
    unsigned wrong = random_runs_of(&few, few_bytes, 200);
    memory_restore_disabled = false;
    CHECK(wrong > 190, "only %u of 200 runs were found dirty", wrong);
    memory_image_destroy(&large);
    free(large_bytes);
    memory_image_destroy(&few);
    CHECK(random_runs_of(&grown, grown_bytes, 100) == 0, "an image went with another's");
    memory_image_destroy(&none);
    memory_image_destroy(&grown);
    memory_image_destroy(&many);
    memory_image_destroy(&past);
    memory_image_destroy(&base);
    free(base_bytes);
    free(few_bytes);
    free(none_bytes);
    free(grown_bytes);
    free(many_bytes);
    free(past_bytes);
}

/* One page number after the other: from the delta where it differs, else from the base. */
static void pages_come_from_the_right_place(void)
{
    struct memory_image base, taken;
    uint8_t *base_bytes = make_image(&base, IMAGE_SIZE, LIMIT), *bytes;
    for (unsigned pages = 1; pages <= IMAGE_SIZE / PLAT_PAGE; pages += 19) {
        take_changed(&taken, &base, pages, 0, &bytes);
        uint32_t own = 0;
        for (uint32_t page = 0; page < IMAGE_SIZE / PLAT_PAGE; page++) {
            const uint8_t *at = memory_image_page(&taken, page);
            CHECK(memcmp(at, bytes + (size_t)page * PLAT_PAGE, PLAT_PAGE) == 0, "page %u", page);
            own += at != base.own.bytes + (size_t)page * PLAT_PAGE;
        }
        CHECK(own == pages && taken.delta_count == pages, "%u and %u of %u pages", own,
              taken.delta_count, pages);
        memory_image_destroy(&taken);
        free(bytes);
    }
    memory_image_destroy(&base);
    free(base_bytes);
}

static void adversarial_runs(void)
{
    faults = 0;
    unsigned wrong = random_runs(RUNS);
    CHECK(wrong == 0, "%u of %u runs left something behind", wrong, RUNS);
    CHECK(faults > RUNS, "only %u faults: the writes did not go through the handler", faults);
}

static void images_over_one_memory_file(void)
{
    static char window[16];
    plat_linux_attach(window); /* from now on images are sealed files */
    images_over_one_base();
}

static void adversarial_runs_over_memory_files(void)
{
    unsigned wrong = random_runs(RUNS);
    CHECK(wrong == 0, "%u of %u runs left something behind", wrong, RUNS);
}

static void restore_off_is_noticed(void)
{
    memory_restore_disabled = true;
    unsigned wrong = random_runs(200);
    memory_restore_disabled = false;
    CHECK(wrong > 190, "only %u of 200 runs were found dirty", wrong);
}

static void frequent_pages_get_hot(void)
{
    struct memory_image image;
    uint8_t *bytes = make_image(&image, IMAGE_SIZE, LIMIT);
    struct memory_slot *slot = memory_slot_new(&image);
    unsigned last_faults = 0;
    uint32_t copied = 0;
    for (unsigned run = 0; run < 6; run++) {
        faults = 0;
        memory_set_current(slot);
        for (size_t page = 0; page < 10; page++)
            slot->base[page * 5 * PLAT_PAGE] ^= 0xff;
        memory_set_current(NULL);
        last_faults = faults;
        bool ok;
        copied = memory_restore(slot, &ok);
        CHECK(ok && is_pristine(slot, bytes), "run %u left something behind", run);
    }
    CHECK(last_faults == 0 && copied == 10, "%u faults and %u pages copied in the sixth run",
          last_faults, copied);
    struct memory_slot *second = memory_slot_new(&image);
    CHECK(second->hot_count == 10, "a new slot knows %u hot pages", second->hot_count);
    memory_slot_free(second);
    memory_slot_free(slot);
    memory_image_destroy(&image);
    free(bytes);
}

/* The hot set is bounded: when it is full, pages fault and are restored as before. */
static void hot_set_is_bounded(void)
{
    struct memory_image image;
    uint8_t *bytes = make_image(&image, 32u * WASM_PAGE, 40u * WASM_PAGE);
    struct memory_slot *slot = memory_slot_new(&image);
    for (unsigned run = 0; run < 60; run++) {
        memory_set_current(slot);
        for (size_t page = run % 8 * 40; page < run % 8 * 40 + 40; page++)
            slot->base[page * PLAT_PAGE + 9] ^= 1;
        memory_set_current(NULL);
        bool ok;
        (void)memory_restore(slot, &ok);
        CHECK(ok && is_pristine(slot, bytes), "run %u left something behind", run);
        CHECK(slot->hot_count <= MEMORY_HOT_MAX, "%u hot pages", slot->hot_count);
    }
    CHECK(slot->hot_count == MEMORY_HOT_MAX, "%u hot pages", slot->hot_count);
    memory_slot_free(slot);
    memory_image_destroy(&image);
    free(bytes);
}

static void growth_is_limited(void)
{
    struct memory_image image;
    uint8_t *bytes = make_image(&image, IMAGE_SIZE, LIMIT);
    struct memory_slot *slot = memory_slot_new(&image);
    CHECK(!memory_grow(slot, IMAGE_SIZE - WASM_PAGE), "memory shrank");
    CHECK(!memory_grow(slot, LIMIT + WASM_PAGE) && slot->refused, "grew over the limit");
    CHECK(!memory_grow(slot, SIZE_MAX - WASM_PAGE + 1), "grew by almost everything");
    CHECK(slot->size == IMAGE_SIZE, "size changed to %zu", slot->size);
    CHECK(memory_grow(slot, LIMIT) && slot->size == LIMIT && slot->peak == LIMIT,
          "not to the limit");
    memset(slot->base + IMAGE_SIZE + MEMORY_SPARE, 0x55, LIMIT - IMAGE_SIZE - MEMORY_SPARE);
    bool ok;
    (void)memory_restore(slot, &ok);
    CHECK(ok && !slot->refused && is_pristine(slot, bytes), "growth was not undone");
    CHECK(memory_grow(slot, LIMIT), "cannot grow again");
    size_t dirty = 0;
    for (size_t at = IMAGE_SIZE; at < LIMIT; at += 64)
        dirty += slot->base[at] != 0;
    CHECK(dirty == 0, "%zu grown places still hold what was there", dirty);
    memory_slot_free(slot);
    memory_image_destroy(&image);
    free(bytes);
}

static void faults_elsewhere_are_refused(void)
{
    struct memory_image image;
    uint8_t *bytes = make_image(&image, IMAGE_SIZE, LIMIT);
    struct memory_slot *slot = memory_slot_new(&image), *other = memory_slot_new(&image);
    uintptr_t base = (uintptr_t)slot->base;
    memory_set_current(NULL);
    CHECK(!memory_on_write(base), "a fault without a running guest was served");
    memory_set_current(slot);
    CHECK(!memory_on_write((uintptr_t)other->base), "a fault in another slot was served");
    CHECK(!memory_on_write(base - 1) && !memory_on_write(base + image.tracked) &&
              !memory_on_write(0) && !memory_on_write(UINTPTR_MAX),
          "a fault outside the slot was served");
    CHECK(memory_on_write(base + 5), "a fault in the slot was refused");
    CHECK(!memory_on_write(base + 6), "a second fault in one page was served");
    memory_slot_free(slot);
    CHECK(!memory_on_write(base + PLAT_PAGE), "a fault in a freed slot was served");
    memory_slot_free(other);
    memory_image_destroy(&image);
    free(bytes);
}

static unsigned runs_in(struct memory_slot *slot, const uint8_t *bytes, unsigned runs)
{
    unsigned wrong = !is_pristine(slot, bytes);
    for (unsigned run = 0; run < runs; run++) {
        bool ok = false;
        memory_set_current(slot);
        misbehave(slot);
        memory_set_current(NULL);
        (void)memory_restore(slot, &ok);
        wrong += !ok || !is_pristine(slot, bytes);
    }
    return wrong;
}

/* One memory for all: the base's spare, a function's load, that function's runs, the spare again,
 * for many functions in turn. It holds exactly what it must at each step, and learns. */
static void one_memory_for_all(void)
{
    struct memory_image base;
    uint8_t *base_bytes = make_image(&base, IMAGE_SIZE, LIMIT);
    struct memory_slot *slot = memory_slot_spare(&base, LIMIT);
    unsigned wrong = 0, adopted = 0, returned = 0, cooled = 0;
    for (unsigned round = 0; round < 300; round++) {
        struct memory_image view, taken;
        CHECK(memory_image_borrow(&view, &base, LIMIT - draw(3) * WASM_PAGE) == TFAAS_OK, "borrow");
        CHECK(memory_slot_assign(slot, &view), "the spare memory does not fit a view");
        if (draw(4) == 0)
            memory_slot_open(slot);
        memory_set_current(slot);
        if (draw(3) == 0)
            (void)memory_grow(slot, slot->size + WASM_PAGE);
        unsigned writes = (unsigned)draw(draw(5) == 0 ? 60 : 20);
        for (unsigned i = 0; i < writes; i++)
            scribble(slot, draw(slot->size - 64), 1 + draw(64));
        memory_set_current(NULL);
        uint8_t *bytes = calloc(1, slot->image->tracked);
        memcpy(bytes, slot->base, slot->size);
        CHECK(memory_image_take(&taken, slot) == TFAAS_OK, "no image was taken");
        CHECK(taken.lent == &base.own, "the image shares no base");
        memory_learn_load(&base, slot, &taken);
        CHECK(memory_slot_fits(slot, &taken),
              "a memory does not fit the image that was taken of it");
        memory_slot_adopt(slot, &taken);
        memory_image_destroy(&view);
        adopted++;
        uint32_t extra = slot->extra;
        wrong += runs_in(slot, bytes, (unsigned)draw(12));
        cooled += slot->extra < extra;
        if (draw(10) == 0)
            memory_learn_runs(&base, &taken);
        if (memory_slot_reset(slot, &base)) {
            returned++;
        } else { /* too many pages are hot by now */
            memory_slot_free(slot);
            memset(base.heat, 0, base.tracked / PLAT_PAGE);
            slot = memory_slot_spare(&base, LIMIT);
        }
        wrong += !is_pristine(slot, base_bytes);
        memory_image_destroy(&taken);
        free(bytes);
    }
    CHECK(wrong == 0, "%u times something was left behind", wrong);
    CHECK(adopted == 300 && returned > 100 && cooled > 100, "%u adopted, %u returned, %u cooled",
          adopted, returned, cooled);
    memory_slot_free(slot);
    memory_image_destroy(&base);
    free(base_bytes);
}

/* A second view (another limit) of one image must not free it, and learns on its own. */
static void borrowed_image(void)
{
    struct memory_image image, view;
    uint8_t *bytes = make_image(&image, IMAGE_SIZE, LIMIT);
    CHECK(memory_image_borrow(&view, &image, IMAGE_SIZE) == TFAAS_MEMORY_LIMIT, "limit ignored");
    memory_image_destroy(&view);
    CHECK(memory_image_borrow(&view, &image, 30u * WASM_PAGE) == TFAAS_OK, "not borrowed");
    for (unsigned run = 0; run < 3; run++) {
        struct memory_slot *slot = memory_slot_new(&view);
        memory_set_current(slot);
        slot->base[PLAT_PAGE] ^= 1;
        memory_set_current(NULL);
        CHECK(!memory_grow(slot, 31u * WASM_PAGE), "grew over the view's limit");
        bool ok;
        (void)memory_restore(slot, &ok);
        CHECK(ok && is_pristine(slot, bytes), "not restored");
        memory_slot_free(slot);
    }
    CHECK(view.heat[1] >= MEMORY_PROMOTE && image.heat[1] == 0, "heat %u and %u", view.heat[1],
          image.heat[1]);
    memory_image_destroy(&view);
    struct memory_slot *slot = memory_slot_new(&image);
    CHECK(slot && is_pristine(slot, bytes), "the image is gone with its view");
    memory_slot_free(slot);
    memory_image_destroy(&image);
    free(bytes);
}

static void empty_memory(void)
{
    struct memory_image image;
    tfaas_status_t status = memory_image_create(&image, NULL, 0, 3u * WASM_PAGE);
    CHECK(status == TFAAS_OK, "%s", tfaas_status_name(status));
    struct memory_slot *slot = memory_slot_new(&image);
    CHECK(slot && memory_grow(slot, WASM_PAGE), "an empty memory does not grow");
    memory_set_current(slot);
    slot->base[77] = 1;
    memory_set_current(NULL);
    bool ok;
    (void)memory_restore(slot, &ok);
    CHECK(ok && slot->size == 0 && memory_grow(slot, WASM_PAGE) && slot->base[77] == 0,
          "not restored");
    memory_slot_free(slot);
    memory_image_destroy(&image);
    CHECK(memory_image_create(&image, NULL, 2u * WASM_PAGE, WASM_PAGE) == TFAAS_MEMORY_LIMIT,
          "an image over its limit was made");
}

int main(int argc, char **argv)
{
    const char *why = plat_linux_prepare();
    if (why) {
        (void)printf("%s\n0 passed, 1 failed\n", why);
        return 1;
    }
    plat_handlers(count_fault, NULL);
    static const struct check_case cases[] = {
        {"adversarial runs", adversarial_runs},
        {"restore off is noticed", restore_off_is_noticed},
        {"frequent pages get hot", frequent_pages_get_hot},
        {"hot set is bounded", hot_set_is_bounded},
        {"growth is limited", growth_is_limited},
        {"faults elsewhere are refused", faults_elsewhere_are_refused},
        {"borrowed image", borrowed_image},
        {"empty memory", empty_memory},
        {"pages come from the right place", pages_come_from_the_right_place},
        {"images over one base", images_over_one_base},
        {"one memory for all", one_memory_for_all},
        {"images over one memory file", images_over_one_memory_file},
        {"adversarial runs over memory files", adversarial_runs_over_memory_files},
    };
    return CHECK_MAIN(cases, argc, argv);
}
