/* Finds what sentences want. The main stack in prj.conf is what the model's bill says. */
#include "intent.h"
#include <picoformer.h>
#include <zephyr/kernel.h>

static picoformer_model model;
static picoformer_classifier classifier;
static PICOFORMER_ARENA(arena, INTENT_ARENA_BYTES);

int main(void)
{
    picoformer_error error;
    picoformer_answer answer;
    char text[128];
    int32_t status = picoformer_parse(&model, intent_blob, sizeof intent_blob, &error);
    if (status == PICOFORMER_OK) {
        status = picoformer_classifier_init(&classifier, &model, arena, sizeof arena, &error);
    }
    if (status == PICOFORMER_OK) {
        status = picoformer_classifier_begin(&classifier, "please set a timer for ten minutes",
                                             PICOFORMER_NUL_TERMINATED, &error);
    }
    while (status == PICOFORMER_WORKING) {
        status = picoformer_classifier_step(&classifier, &error);
        k_yield();
    }
    if (status == PICOFORMER_OK) {
        status = picoformer_classifier_answer(&classifier, &answer, &error);
    }
    if (status < 0) {
        picoformer_error_text(&error, text, sizeof text);
        printk("%s\n", text);
        return 1;
    }
    printk("%.*s\n", (int)answer.name_bytes, answer.name);
    return 0;
}
