// Finds what a sentence wants, with models/intent: type one in the serial monitor (115200 baud).
//
// Needs @FLASH@ bytes of flash for the model and about 70,000 for code, @ARENA@ bytes of RAM and @STACK@ bytes of
// stack. ESP32-C3: the default partition scheme has 1,310,720 bytes for the sketch, which is enough.
#include "intent.h"
#include <picoformer_arduino.h>

#if defined(ARDUINO_ARCH_ESP32)
SET_LOOP_TASK_STACK_SIZE(@STACK@ + 4096);
#endif

static picoformer_model model;
static picoformer_classifier classifier;
static PICOFORMER_ARENA(arena, INTENT_ARENA_BYTES);
static picoformer_error error;
static char line[200];

static void tell(void)
{
    char text[128];
    picoformer_error_text(&error, text, sizeof text);
    Serial.println(text);
}

void setup()
{
    Serial.begin(115200);
    if (picoformer_parse(&model, intent_blob, sizeof intent_blob, &error) < 0
        || picoformer_classifier_init(&classifier, &model, arena, sizeof arena, &error) < 0) {
        while (true) {
            tell();
            delay(1000);
        }
    }
    Serial.setTimeout(60000);
}

void loop()
{
    picoformer_answer answer;
    size_t n = Serial.readBytesUntil('\n', line, sizeof line);
    while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == ' ')) {
        n--;
    }
    if (n == 0) {
        return;
    }
    int32_t status = picoformer_classifier_begin(&classifier, line, n, &error);
    while (status == PICOFORMER_WORKING) {
        status = picoformer_classifier_step(&classifier, &error);
        yield(); // other tasks and the watchdog
    }
    if (status == PICOFORMER_OK) {
        status = picoformer_classifier_answer(&classifier, &answer, &error);
    }
    if (status < 0) {
        tell();
        return;
    }
    Serial.write((const uint8_t *)answer.name, answer.name_bytes);
    Serial.println();
}
