/* Tags and embeddings. Prints what `picoformer run --json` says on the host: labels of tokens with models/slots, and
 * the numbers of an embedding. */
#include "embed.h"
#include "picoformer.h"
#include "slots.h"
#include <stdio.h>

static picoformer_model model;
static picoformer_classifier classifier;
static picoformer_error error;
static PICOFORMER_ARENA(arena, SLOTS_ARENA_BYTES + EMBED_ARENA_BYTES);

static const char *const texts[] = {TEXTS};

static int fail(void)
{
    char text[128];
    picoformer_error_text(&error, text, sizeof text);
    printf("%s\n", text);
    return 1;
}

static int tag(const char *text)
{
    picoformer_answer label;
    uint32_t token, row = 0;
    int32_t status;
    if (picoformer_classifier_run(&classifier, text, PICOFORMER_NUL_TERMINATED, &error) < 0) {
        return fail();
    }
    while ((status = picoformer_classifier_tag(&classifier, row, &token, &label, &error)) == PICOFORMER_WORKING) {
        printf("%lu %.*s\n", (unsigned long)token, (int)label.name_bytes, label.name);
        row++;
    }
    return status < 0 ? fail() : 0;
}

static int embed(const char *text)
{
    const int32_t *numbers;
    size_t n, i;
    if (picoformer_embed(&classifier, text, PICOFORMER_NUL_TERMINATED, &numbers, &n, &error) < 0) {
        return fail();
    }
    for (i = 0; i < n; i++) {
        printf("%ld\n", (long)numbers[i]);
    }
    return 0;
}

int main(void)
{
    size_t i;
    if (picoformer_parse_checked(&model, slots_blob, sizeof slots_blob, &error) < 0
        || picoformer_classifier_init(&classifier, &model, arena, sizeof arena, &error) < 0) {
        return fail();
    }
    for (i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (tag(texts[i]) != 0) {
            return 1;
        }
    }
    if (picoformer_parse_checked(&model, embed_blob, sizeof embed_blob, &error) < 0
        || picoformer_classifier_init(&classifier, &model, arena, sizeof arena, &error) < 0) {
        return fail();
    }
    for (i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (embed(texts[i]) != 0) {
            return 1;
        }
    }
    return 0;
}
