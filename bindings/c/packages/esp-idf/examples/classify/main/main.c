/* Finds what sentences want, in a task of its own with @STACK@ bytes of stack. */
#include "esp_heap_caps.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "intent.h"
#include "picoformer.h"
#include <stdio.h>

static picoformer_model model;
static picoformer_classifier classifier;
static picoformer_error error;

static void tell(void)
{
    char text[128];
    picoformer_error_text(&error, text, sizeof text);
    printf("%s\n", text);
}

static void run(void *arena)
{
    static const char *const sentences[] = {"please set a timer for ten minutes", "my credit card was stolen yesterday"};
    picoformer_answer answer;
    size_t i;
    if (picoformer_parse(&model, intent_blob, sizeof intent_blob, &error) < 0
        || picoformer_classifier_init(&classifier, &model, arena, INTENT_ARENA_BYTES, &error) < 0) {
        tell();
        vTaskDelete(NULL);
    }
    for (;;) {
        for (i = 0; i < sizeof sentences / sizeof sentences[0]; i++) {
            int32_t status
                = picoformer_classifier_begin(&classifier, sentences[i], PICOFORMER_NUL_TERMINATED, &error);
            while (status == PICOFORMER_WORKING) {
                status = picoformer_classifier_step(&classifier, &error);
                vTaskDelay(1); /* the idle task runs, and feeds its watchdog */
            }
            if (status < 0 || picoformer_classifier_answer(&classifier, &answer, &error) < 0) {
                tell();
            } else {
                printf("%s: %.*s\n", sentences[i], (int)answer.name_bytes, answer.name);
            }
        }
    }
}

void app_main(void)
{
    void *arena = heap_caps_malloc(INTENT_ARENA_BYTES, MALLOC_CAP_INTERNAL | MALLOC_CAP_8BIT);
    if (arena == NULL) {
        printf("no %u bytes of internal RAM\n", (unsigned)INTENT_ARENA_BYTES);
        return;
    }
    xTaskCreate(run, "picoformer", @STACK@, arena, 1, NULL);
}
