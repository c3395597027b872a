/* What the library does with bad input, and that steps give what one call gives. Runs on the host (with sanitizers)
 * and on emulated cores; prints one line a group, and ends with status 1 at the first failure. */
#include "digits.h"
#include "g2p.h"
#include "intent.h"
#include "motion.h"
#include "picoformer.h"
#include "tales.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            char sentence[160]; \
            picoformer_error_text(&error, sentence, sizeof sentence); \
            printf("FAILED %s:%d: %s (last error: %s)\n", __FILE__, __LINE__, #condition, sentence); \
            exit(1); \
        } \
    } while (0)

/* The status of a call, also in the error. */
#define IS(call, expected) CHECK((error.status = 0, (call) == (expected)) && ((expected) >= 0 || error.status == (expected)))

#define WHOLE PICOFORMER_NUL_TERMINATED

static picoformer_error error;
static picoformer_model model;
static PICOFORMER_ARENA(arena, 80000);
static uint64_t copy[MOTION_BLOB_BYTES / 8 + 4];

static char written[512];
static size_t length;
static int32_t stop_after;

static int32_t keep(void *context, const char *text, size_t bytes)
{
    CHECK(context == written && bytes > 0 && length + bytes < sizeof written);
    memcpy(written + length, text, bytes);
    length += bytes;
    written[length] = 0;
    return stop_after > 0 && --stop_after == 0;
}

static void forget(void)
{
    length = 0;
    written[0] = 0;
}

static void errors(void)
{
    char text[16], whole[200];
    size_t needed;
    int32_t status;
    CHECK(picoformer_version() == PICOFORMER_VERSION);
    CHECK(strlen(picoformer_kernels()) > 0);
    for (status = -70; status < 10; status++) {
        CHECK(strlen(picoformer_status_text(status)) > 0);
    }
    CHECK(picoformer_error_text(NULL, NULL, 0) > 1);
    IS(picoformer_parse(&model, intent_blob, 5, &error), PICOFORMER_ERROR_BLOB_TOO_SHORT);
    needed = picoformer_error_text(&error, whole, sizeof whole);
    CHECK(strcmp(whole, "too short for a header (bytes), needed 128, given 5") == 0);
    CHECK(needed == strlen(whole) + 1 && picoformer_error_text(&error, text, sizeof text) == needed);
    CHECK(strlen(text) == sizeof text - 1 && strncmp(text, whole, sizeof text - 1) == 0);
    printf("errors\n");
}

static void sizes(void)
{
    CHECK(sizeof(picoformer_model) >= picoformer_model_bytes());
    CHECK(sizeof(picoformer_classifier) >= picoformer_classifier_bytes());
    CHECK(sizeof(picoformer_generator) >= picoformer_generator_bytes());
    CHECK(sizeof(picoformer_translator) >= picoformer_translator_bytes());
    CHECK(sizeof(picoformer_encoder) >= picoformer_encoder_bytes());
    CHECK(sizeof(picoformer_scorer) >= picoformer_scorer_bytes());
    CHECK(sizeof(picoformer_listener) >= picoformer_listener_bytes());
    CHECK(sizeof(picoformer_motion) >= picoformer_motion_bytes());
    printf("sizes: model %u, classifier %u, generator %u, translator %u, encoder %u, scorer %u, listener %u, "
           "motion %u\n",
           (unsigned)picoformer_model_bytes(), (unsigned)picoformer_classifier_bytes(),
           (unsigned)picoformer_generator_bytes(), (unsigned)picoformer_translator_bytes(),
           (unsigned)picoformer_encoder_bytes(), (unsigned)picoformer_scorer_bytes(),
           (unsigned)picoformer_listener_bytes(), (unsigned)picoformer_motion_bytes());
}

static void blobs(void)
{
    unsigned char *bytes = (unsigned char *)copy;
    char *memory = (char *)malloc(sizeof model + 16);
    size_t n = sizeof motion_blob, i;
    int32_t status;
    CHECK(memory != NULL);
    IS(picoformer_model_open(NULL, sizeof model, motion_blob, n, PICOFORMER_VERSION, &error), PICOFORMER_ERROR_NULL);
    IS(picoformer_parse(&model, NULL, n, &error), PICOFORMER_ERROR_NULL);
    CHECK(strcmp(error.what, "blob") == 0);
    IS(picoformer_model_open(&model, 16, motion_blob, n, PICOFORMER_VERSION, &error), PICOFORMER_ERROR_OBJECT_TOO_SMALL);
    CHECK(error.given == 16 && error.needed == picoformer_model_bytes());
    IS(picoformer_model_open(&model, sizeof model, motion_blob, n, 0x020000, &error), PICOFORMER_ERROR_OTHER_VERSION);
    CHECK(error.needed == PICOFORMER_VERSION && error.given == 0x020000);
    for (i = 0; i < 8; i++) {
        picoformer_model *at = (picoformer_model *)(void *)(memory + i);
        status = picoformer_model_open(at, sizeof model, motion_blob, n, PICOFORMER_VERSION, &error);
        if (((uintptr_t)at & 7u) == 0) {
            CHECK(status == PICOFORMER_OK);
        } else {
            CHECK(status == PICOFORMER_ERROR_OBJECT_MISALIGNED && error.given == ((uintptr_t)at & 7u));
        }
    }
    free(memory);
    for (i = 0; i < 16; i++) {
        memcpy(bytes + i, motion_blob, n);
        status = picoformer_parse(&model, bytes + i, n, &error);
        if (i % 4 == 0) {
            CHECK(status == PICOFORMER_OK);
        } else {
            CHECK(status == PICOFORMER_ERROR_BLOB_MISALIGNED && error.given == i % 4 && error.needed == 4);
        }
    }
    memcpy(bytes, motion_blob, n);
    IS(picoformer_parse(&model, bytes, n - 1, &error), PICOFORMER_ERROR_BLOB_LENGTH);
    CHECK(error.needed == n && error.given == n - 1);
    bytes[4] ^= 0xFF; /* the version of the format */
    IS(picoformer_parse(&model, bytes, n, &error), PICOFORMER_ERROR_BLOB_VERSION);
    bytes[4] ^= 0xFF;
    bytes[0] = 'p';
    IS(picoformer_parse(&model, bytes, n, &error), PICOFORMER_ERROR_BLOB_MAGIC);
    bytes[0] = 'P';
    IS(picoformer_parse_checked(&model, bytes, n, &error), PICOFORMER_OK);
    bytes[n / 2] ^= 1;
    status = picoformer_parse_checked(&model, bytes, n, &error);
    CHECK(status < 0);
    bytes[n / 2] ^= 1;
    /* Piece by piece, and again. */
    IS(picoformer_parse(&model, bytes, n, &error), PICOFORMER_OK);
    for (i = 0; i < 2; i++) {
        size_t pieces = 1;
        while ((status = picoformer_model_check_step(&model, 1000, &error)) == PICOFORMER_WORKING) {
            pieces++;
        }
        CHECK(status == PICOFORMER_OK && pieces == (n + 999) / 1000);
    }
    bytes[n / 2] ^= 1;
    IS(picoformer_model_check_step(&model, n, &error), PICOFORMER_ERROR_BLOB_CHECKSUM);
    CHECK(error.needed != error.given);
    printf("blobs\n");
}

static void bills(void)
{
    picoformer_bill bill;
    char name[32];
    const char *label;
    size_t bytes, sum = 0;
    uint32_t line;
    CHECK(picoformer_parse(&model, intent_blob, sizeof intent_blob, &error) == PICOFORMER_OK);
    CHECK(picoformer_model_bill(&model, &bill, &error) == PICOFORMER_OK);
    CHECK(bill.arena_bytes == INTENT_ARENA_BYTES && bill.flash_bytes == INTENT_BLOB_BYTES);
    CHECK(bill.architecture == PICOFORMER_ARCHITECTURE_ENCODER && bill.head == PICOFORMER_HEAD_CLASSIFIER);
    CHECK(bill.n_labels == INTENT_LABELS && bill.n_outputs == INTENT_LABELS && bill.tokenizer == PICOFORMER_TOKENIZER_WORD_PIECE);
    for (line = 0; picoformer_model_bill_line(&model, line, name, &bytes, &error) == PICOFORMER_WORKING; line++) {
        CHECK(strlen(name) > 0);
        sum += bytes;
    }
    CHECK(line > 5 && sum == bill.arena_bytes);
    IS(picoformer_model_bill(&model, NULL, &error), PICOFORMER_ERROR_NULL);
    CHECK(picoformer_model_label(&model, 0, &label, &bytes, &error) == PICOFORMER_OK && bytes > 0);
    CHECK(picoformer_model_label(&model, 0, &label, NULL, NULL) == PICOFORMER_OK);
    IS(picoformer_model_label(&model, INTENT_LABELS, &label, &bytes, &error), PICOFORMER_ERROR_NO_SUCH_LABEL);
    CHECK(error.needed == INTENT_LABELS && error.given == INTENT_LABELS);
    IS(picoformer_model_set_beams(&model, 2, &error), PICOFORMER_ERROR_BAD_ARGUMENT);
    printf("bills\n");
}

static void objects(void)
{
    static picoformer_classifier classifier, moved, never;
    static picoformer_generator generator;
    static picoformer_model none;
    char *memory = (char *)arena;
    size_t i;
    IS(picoformer_classifier_init(&classifier, NULL, arena, sizeof arena, &error), PICOFORMER_ERROR_NULL);
    IS(picoformer_classifier_init(&classifier, &none, arena, sizeof arena, &error), PICOFORMER_ERROR_NOT_OPEN);
    IS(picoformer_classifier_init(&classifier, &model, NULL, sizeof arena, &error), PICOFORMER_ERROR_NULL);
    CHECK(strcmp(error.what, "arena") == 0);
    IS(picoformer_classifier_init(&classifier, &model, arena, INTENT_ARENA_BYTES - 1, &error),
       PICOFORMER_ERROR_ARENA_TOO_SMALL);
    CHECK(error.needed == INTENT_ARENA_BYTES && error.given == INTENT_ARENA_BYTES - 1);
    for (i = 0; i < 16; i++) {
        int32_t status
            = picoformer_classifier_init(&classifier, &model, memory + i, INTENT_ARENA_BYTES, &error);
        if (i % 4 == 0) {
            picoformer_answer answer;
            CHECK(status == PICOFORMER_OK);
            CHECK(picoformer_classify(&classifier, "set a timer", WHOLE, &answer, &error) == PICOFORMER_OK);
            CHECK(answer.name_bytes == 5 && memcmp(answer.name, "timer", 5) == 0);
        } else {
            CHECK(status == PICOFORMER_ERROR_ARENA_MISALIGNED && error.given == i % 4);
        }
    }
    /* What failed to open is not open. */
    IS(picoformer_classifier_step(&classifier, &error), PICOFORMER_ERROR_NOT_OPEN);
    IS(picoformer_classifier_step(&never, &error), PICOFORMER_ERROR_NOT_OPEN);
    IS(picoformer_classifier_step(NULL, &error), PICOFORMER_ERROR_NULL);
    CHECK(picoformer_classifier_step(NULL, NULL) == PICOFORMER_ERROR_NULL);
    CHECK(picoformer_classifier_init(&classifier, &model, arena, sizeof arena, &error) == PICOFORMER_OK);
    memcpy(&moved, &classifier, sizeof moved);
    IS(picoformer_classifier_begin(&moved, "hello", 5, &error), PICOFORMER_ERROR_NOT_OPEN);
    IS(picoformer_classifier_begin((picoformer_classifier *)(void *)((char *)&classifier + 4), "hello", 5, &error),
       PICOFORMER_ERROR_OBJECT_MISALIGNED);
    IS(picoformer_generator_begin((picoformer_generator *)(void *)&classifier, "hello", 5, &error),
       PICOFORMER_ERROR_NOT_OPEN);
    IS(picoformer_generator_init(&generator, &model, arena, sizeof arena, NULL, &error), PICOFORMER_ERROR_WRONG_MODEL);
    CHECK(strlen(error.what) > 0);
    printf("objects\n");
}

static void classify(void)
{
    static const char sentence[] = "how do you say thank you in italian";
    static picoformer_classifier classifier;
    picoformer_answer answer, again;
    const int32_t *outputs;
    char text[700];
    uint32_t token;
    size_t n, i;
    int32_t status;
    CHECK(picoformer_classifier_init(&classifier, &model, arena, sizeof arena, &error) == PICOFORMER_OK);
    IS(picoformer_classifier_step(&classifier, &error), PICOFORMER_ERROR_EMPTY);
    IS(picoformer_classifier_answer(&classifier, &answer, &error), PICOFORMER_ERROR_EMPTY);
    IS(picoformer_classifier_outputs(&classifier, &outputs, &n, &error), PICOFORMER_ERROR_EMPTY);
    CHECK(picoformer_classifier_begin(&classifier, sentence, WHOLE, &error) == PICOFORMER_WORKING);
    IS(picoformer_classifier_answer(&classifier, &answer, &error), PICOFORMER_ERROR_IN_FLIGHT);
    IS(picoformer_classifier_outputs(&classifier, &outputs, &n, &error), PICOFORMER_ERROR_IN_FLIGHT);
    for (i = 0; (status = picoformer_classifier_step(&classifier, &error)) == PICOFORMER_WORKING; i++) {
    }
    CHECK(status == PICOFORMER_OK && i > 3 && picoformer_classifier_step(&classifier, &error) == PICOFORMER_OK);
    CHECK(picoformer_classifier_answer(&classifier, &answer, &error) == PICOFORMER_OK);
    CHECK(picoformer_classify(&classifier, sentence, sizeof sentence - 1, &again, &error) == PICOFORMER_OK);
    CHECK(answer.label == again.label && answer.log_probability == again.log_probability);
    CHECK(answer.name_bytes == 9 && memcmp(answer.name, "translate", 9) == 0);
    CHECK(picoformer_classifier_label(&classifier, answer.label, &again, &error) == PICOFORMER_OK);
    CHECK(again.log_probability == answer.log_probability && answer.log_probability < 0);
    IS(picoformer_classifier_label(&classifier, INTENT_LABELS, &again, &error), PICOFORMER_ERROR_NO_SUCH_LABEL);
    IS(picoformer_classifier_answer(&classifier, NULL, &error), PICOFORMER_ERROR_NULL);
    IS(picoformer_classifier_tag(&classifier, 0, &token, &answer, &error), PICOFORMER_ERROR_WRONG_MODEL);
    CHECK(picoformer_classifier_outputs(&classifier, &outputs, &n, &error) == PICOFORMER_OK && n == INTENT_LABELS);
    /* Texts that are refused leave no answer, also not that to the text before. */
    for (i = 0; i < 4; i++) {
        CHECK(picoformer_classify(&classifier, sentence, WHOLE, &answer, &error) == PICOFORMER_OK);
        memset(text, 'a', sizeof text);
        if (i == 0) {
            IS(picoformer_classifier_begin(&classifier, "ab\xC3(", 4, &error), PICOFORMER_ERROR_NOT_UTF8);
            CHECK(error.given == 2);
        } else if (i == 1) {
            IS(picoformer_classifier_begin(&classifier, NULL, 4, &error), PICOFORMER_ERROR_NULL);
        } else if (i == 2) {
            IS(picoformer_classifier_begin(&classifier, "", 0, &error), PICOFORMER_ERROR_EMPTY);
        } else {
            for (n = 0; n + 1 < sizeof text; n += 2) {
                text[n + 1] = ' ';
            }
            status = picoformer_classifier_begin(&classifier, text, sizeof text, &error);
            CHECK(status == PICOFORMER_ERROR_TOO_LONG || status == PICOFORMER_ERROR_TEXT_TOO_LONG);
            CHECK(error.needed > error.given && error.given >= 64);
        }
        IS(picoformer_classifier_answer(&classifier, &answer, &error), PICOFORMER_ERROR_EMPTY);
    }
    CHECK(picoformer_classify(&classifier, "a\0b", 3, &answer, &error) == PICOFORMER_OK); /* a NUL is a character */
    printf("classify\n");
}

static void generate(void)
{
    static picoformer_generator generator;
    static const picoformer_sampling sampling = {PICOFORMER_Q16(0.7), PICOFORMER_Q16(0.9), 20, 5, 0};
    static picoformer_sampling bad = {65536, 65537, 0, 0, 0};
    char whole[sizeof written];
    uint32_t token;
    const int32_t *logits;
    size_t n;
    int32_t status;
    int tokens = 0;
    CHECK(picoformer_parse(&model, tales_blob, sizeof tales_blob, &error) == PICOFORMER_OK);
    IS(picoformer_generator_init(&generator, &model, arena, sizeof arena, &bad, &error), PICOFORMER_ERROR_BAD_ARGUMENT);
    CHECK(strcmp(error.what, "top_p") == 0 && error.needed == 65536 && error.given == 65537);
    CHECK(picoformer_generator_init(&generator, &model, arena, sizeof arena, &sampling, &error) == PICOFORMER_OK);
    IS(picoformer_generator_step(&generator, keep, written, &error), PICOFORMER_ERROR_EMPTY);
    IS(picoformer_generator_logits(&generator, &logits, &n, &error), PICOFORMER_ERROR_NO_LOGITS);
    IS(picoformer_generate(&generator, "The king", WHOLE, 20, NULL, NULL, &error), PICOFORMER_ERROR_NULL);
    forget();
    CHECK(picoformer_generate(&generator, "The king", WHOLE, 20, keep, written, &error) == PICOFORMER_LIMIT);
    strcpy(whole, written);
    CHECK(strlen(whole) > 20);
    /* By steps, with the same seed. */
    CHECK(picoformer_generator_init(&generator, &model, arena, sizeof arena, &sampling, &error) == PICOFORMER_OK);
    CHECK(picoformer_generator_begin(&generator, "The king", WHOLE, &error) == PICOFORMER_WORKING);
    IS(picoformer_generator_logits(&generator, &logits, &n, &error), PICOFORMER_ERROR_NO_LOGITS);
    forget();
    while (tokens < 20) {
        status = picoformer_generator_step(&generator, keep, written, &error);
        CHECK(status == PICOFORMER_WORKING || status == PICOFORMER_TOKEN);
        tokens += status == PICOFORMER_TOKEN;
    }
    CHECK(strcmp(whole, written) == 0);
    CHECK(picoformer_generator_token(&generator, &token, &error) == PICOFORMER_OK && token < 1024);
    while ((status = picoformer_generator_settle(&generator, &error)) == PICOFORMER_WORKING) {
    }
    CHECK(status == PICOFORMER_OK);
    CHECK(picoformer_generator_logits(&generator, &logits, &n, &error) == PICOFORMER_OK && n == 1024);
    /* The callback stops after three pieces. */
    CHECK(picoformer_generator_init(&generator, &model, arena, sizeof arena, &sampling, &error) == PICOFORMER_OK);
    forget();
    stop_after = 3;
    CHECK(picoformer_generate(&generator, "The king", WHOLE, 20, keep, written, &error) == PICOFORMER_CANCELLED);
    CHECK(length > 0 && length < strlen(whole) && strncmp(whole, written, length) == 0);
    stop_after = 0;
    forget();
    CHECK(picoformer_generate(&generator, "The king", WHOLE, 0, keep, written, &error) == PICOFORMER_LIMIT);
    CHECK(length == 0);
    IS(picoformer_generate(&generator, "\xFF", 1, 9, keep, written, &error), PICOFORMER_ERROR_NOT_UTF8);
    IS(picoformer_generator_step(&generator, keep, written, &error), PICOFORMER_ERROR_EMPTY);
    CHECK(picoformer_generator_init(&generator, &model, arena, sizeof arena, NULL, &error) == PICOFORMER_OK);
    printf("generate\n");
}

static void score(void)
{
    static picoformer_scorer scorer;
    int64_t whole, steps;
    size_t n, again;
    int32_t status;
    CHECK(picoformer_scorer_init(&scorer, &model, arena, sizeof arena, &error) == PICOFORMER_OK);
    IS(picoformer_scorer_step(&scorer, &error), PICOFORMER_ERROR_EMPTY);
    IS(picoformer_scorer_result(&scorer, &whole, &n, &error), PICOFORMER_ERROR_EMPTY);
    CHECK(picoformer_score(&scorer, "There was once a king", WHOLE, &whole, &n, &error) == PICOFORMER_OK);
    CHECK(picoformer_scorer_begin(&scorer, "There was once a king", WHOLE, &error) == PICOFORMER_WORKING);
    IS(picoformer_scorer_result(&scorer, &steps, &again, &error), PICOFORMER_ERROR_IN_FLIGHT);
    while ((status = picoformer_scorer_step(&scorer, &error)) == PICOFORMER_WORKING) {
    }
    CHECK(status == PICOFORMER_OK);
    CHECK(picoformer_scorer_result(&scorer, &steps, &again, &error) == PICOFORMER_OK);
    CHECK(steps == whole && n == again && n > 4 && whole < 0);
    IS(picoformer_scorer_begin(&scorer, "", 0, &error), PICOFORMER_ERROR_EMPTY);
    IS(picoformer_scorer_step(&scorer, &error), PICOFORMER_ERROR_EMPTY);
    printf("score\n");
}

static void tokens(void)
{
    static const char text[] = "The king had a daughter";
    uint32_t ids[64];
    size_t n = 0;
    CHECK(picoformer_encode(&model, text, WHOLE, ids, 64, &n, &error) == PICOFORMER_OK && n > 3);
    forget();
    CHECK(picoformer_decode(&model, ids, n, keep, written, &error) == PICOFORMER_OK);
    CHECK(strcmp(written, text) == 0);
    IS(picoformer_encode(&model, text, WHOLE, ids, 2, &n, &error), PICOFORMER_ERROR_TEXT_TOO_LONG);
    CHECK(error.given == 2 && error.needed > 2);
    IS(picoformer_encode(&model, text, WHOLE, NULL, 2, &n, &error), PICOFORMER_ERROR_NULL);
    IS(picoformer_encode(&model, "\xF0\x9F", 2, ids, 64, &n, &error), PICOFORMER_ERROR_NOT_UTF8);
    ids[0] = 0xFFFFFFFFu; /* outside the vocabulary: a replacement character */
    forget();
    CHECK(picoformer_decode(&model, ids, 1, keep, written, &error) == PICOFORMER_OK);
    CHECK(strcmp(written, "\xEF\xBF\xBD") == 0);
    printf("tokens\n");
}

static void translate(void)
{
    static picoformer_translator translator;
    picoformer_translation found;
    picoformer_bill bill;
    char whole[sizeof written];
    CHECK(picoformer_parse(&model, g2p_blob, sizeof g2p_blob, &error) == PICOFORMER_OK);
    CHECK(picoformer_model_set_beams(&model, 2, &error) == PICOFORMER_OK);
    CHECK(picoformer_model_bill(&model, &bill, &error) == PICOFORMER_OK);
    CHECK(bill.beams == 2 && bill.arena_bytes < G2P_ARENA_BYTES);
    CHECK(picoformer_translator_init(&translator, &model, arena, bill.arena_bytes, &error) == PICOFORMER_OK);
    IS(picoformer_translator_write(&translator, keep, written, &found, &error), PICOFORMER_ERROR_EMPTY);
    IS(picoformer_translator_set_limit(&translator, 0, &error), PICOFORMER_ERROR_TOO_LONG);
    IS(picoformer_translator_set_limit(&translator, UINT32_MAX, &error), PICOFORMER_ERROR_TOO_LONG);
    CHECK(error.needed == UINT32_MAX && error.given > 0 && error.given < 1000);
    CHECK(picoformer_translator_set_limit(&translator, error.given, &error) == PICOFORMER_OK);
    CHECK(picoformer_translator_begin(&translator, "hello", WHOLE, &error) == PICOFORMER_WORKING);
    IS(picoformer_translator_write(&translator, keep, written, &found, &error), PICOFORMER_ERROR_IN_FLIGHT);
    while (picoformer_translator_step(&translator, &error) == PICOFORMER_WORKING) {
    }
    forget();
    CHECK(picoformer_translator_write(&translator, keep, written, &found, &error) == PICOFORMER_OK);
    CHECK(strcmp(written, "HH EH1 L OW0") == 0 && found.complete == 1 && found.tokens > 3);
    strcpy(whole, written);
    forget();
    CHECK(picoformer_translate(&translator, "hello", WHOLE, keep, written, NULL, &error) == PICOFORMER_OK);
    CHECK(strcmp(whole, written) == 0);
    stop_after = 1;
    forget();
    CHECK(picoformer_translate(&translator, "hello", WHOLE, keep, written, NULL, &error) == PICOFORMER_CANCELLED);
    stop_after = 0;
    IS(picoformer_translate(&translator, "mp3", WHOLE, keep, written, NULL, &error), PICOFORMER_ERROR_UNKNOWN_CHARACTER);
    CHECK(strcmp(error.what, "3") == 0 && error.given == '3');
    IS(picoformer_translator_write(&translator, keep, written, &found, &error), PICOFORMER_ERROR_EMPTY);
    printf("translate\n");
}

static void sense(void)
{
    static picoformer_motion motion;
    static picoformer_listener listener;
    static picoformer_encoder encoder;
    static int16_t samples[600];
    picoformer_detection detection;
    picoformer_answer answer, again;
    picoformer_bill bill;
    const int32_t *outputs;
    const int16_t *row;
    int32_t exponent, status;
    size_t limit, n, i;
    for (i = 0; i < 600; i++) {
        samples[i] = (int16_t)((i * 7919) % 2001 - 1000);
    }
    CHECK(picoformer_parse(&model, motion_blob, sizeof motion_blob, &error) == PICOFORMER_OK);
    CHECK(picoformer_model_bill(&model, &bill, &error) == PICOFORMER_OK);
    CHECK(bill.input == PICOFORMER_INPUT_MOTION && bill.channels > 1);
    IS(picoformer_listener_init(&listener, &model, arena, sizeof arena, &error), PICOFORMER_ERROR_WRONG_MODEL);
    CHECK(picoformer_motion_init(&motion, &model, arena, sizeof arena, &error) == PICOFORMER_OK);
    IS(picoformer_motion_answer(&motion, &answer, &error), PICOFORMER_ERROR_EMPTY);
    CHECK(picoformer_motion_limit(&motion, &limit, &error) == PICOFORMER_OK && limit > 0);
    status = picoformer_motion_push(&motion, samples, limit + 1, &detection, &error);
    CHECK(status == (bill.triggers ? PICOFORMER_ERROR_TOO_MANY_SAMPLES : PICOFORMER_ERROR_WRONG_MODEL));
    IS(picoformer_motion_feed(&motion, NULL, 4, &error), PICOFORMER_ERROR_NULL);
    CHECK(picoformer_motion_feed(&motion, samples, 600 / bill.channels * bill.channels, &error) == PICOFORMER_OK);
    CHECK(picoformer_motion_begin(&motion, &error) == PICOFORMER_WORKING);
    IS(picoformer_motion_answer(&motion, &answer, &error), PICOFORMER_ERROR_IN_FLIGHT);
    while (picoformer_motion_step(&motion, &error) == PICOFORMER_WORKING) {
    }
    CHECK(picoformer_motion_answer(&motion, &answer, &error) == PICOFORMER_OK && answer.name_bytes > 0);
    CHECK(picoformer_motion_outputs(&motion, &outputs, &n, &error) == PICOFORMER_OK && n == bill.n_labels);
    CHECK(picoformer_motion_classify(&motion, &again, &error) == PICOFORMER_OK && again.label == answer.label);
    CHECK(picoformer_motion_spread(&motion, &error) == PICOFORMER_OK);
    CHECK(picoformer_motion_reset(&motion, &error) == PICOFORMER_OK);

    CHECK(picoformer_encoder_init(&encoder, &model, arena, sizeof arena, &error) == PICOFORMER_OK);
    IS(picoformer_encoder_step(&encoder, &error), PICOFORMER_ERROR_EMPTY);
    IS(picoformer_encoder_begin_frames(&encoder, samples, bill.frame_len + 1, &error), PICOFORMER_ERROR_FRAME_LENGTH);
    CHECK(error.needed == bill.frame_len);
    IS(picoformer_encoder_begin_frames(&encoder, samples, 0, &error), PICOFORMER_ERROR_EMPTY);
    IS(picoformer_encoder_begin_tokens(&encoder, &bill.beams, 1, &error), PICOFORMER_ERROR_WRONG_MODEL);
    CHECK(picoformer_encoder_begin_frames(&encoder, samples, bill.frame_len, &error) == PICOFORMER_WORKING);
    IS(picoformer_encoder_outputs(&encoder, &outputs, &n, &error), PICOFORMER_ERROR_IN_FLIGHT);
    while (picoformer_encoder_step(&encoder, &error) == PICOFORMER_WORKING) {
    }
    CHECK(picoformer_encoder_outputs(&encoder, &outputs, &n, &error) == PICOFORMER_OK && n == bill.n_labels);
    CHECK(picoformer_encoder_hidden(&encoder, 0, &row, &n, &exponent, &error) == PICOFORMER_OK && n > 8);
    IS(picoformer_encoder_hidden(&encoder, 1, &row, &n, &exponent, &error), PICOFORMER_ERROR_TOO_LONG);

    CHECK(picoformer_parse(&model, digits_blob, sizeof digits_blob, &error) == PICOFORMER_OK);
    CHECK(picoformer_listener_init(&listener, &model, arena, sizeof arena, &error) == PICOFORMER_OK);
    IS(picoformer_classify_recording(&listener, samples, 0, &answer, &error), PICOFORMER_ERROR_EMPTY);
    CHECK(picoformer_classify_recording(&listener, samples, 600, &answer, &error) == PICOFORMER_OK);
    CHECK(picoformer_listener_reset(&listener, &error) == PICOFORMER_OK);
    CHECK(picoformer_listener_feed(&listener, samples, 600, &error) == PICOFORMER_OK);
    CHECK(picoformer_listener_classify(&listener, &again, &error) == PICOFORMER_OK);
    IS(picoformer_motion_init(&motion, &model, arena, sizeof arena, &error), PICOFORMER_ERROR_WRONG_MODEL);
    printf("sense\n");
}

/* Lengths that are no lengths, calls from within a callback, steps before anything was begun. */
static picoformer_generator writer;
static int32_t nested;

static int32_t call_again(void *context, const char *text, size_t bytes)
{
    (void)context, (void)text, (void)bytes;
    nested = picoformer_generator_step(&writer, call_again, NULL, NULL);
    return 0;
}

static void manners(void)
{
    static const size_t negative = (size_t)-5;
    static picoformer_translator translator;
    static picoformer_motion motion;
    static picoformer_classifier classifier;
    picoformer_answer answer;
    uint32_t ids[4];
    int16_t sample = 0;
    size_t n;
    IS(picoformer_parse(&model, intent_blob, negative, &error), PICOFORMER_ERROR_BAD_ARGUMENT);
    CHECK(strcmp(error.what, "length") == 0);
    IS(picoformer_classifier_init(&classifier, &model, arena, sizeof arena, &error), PICOFORMER_ERROR_NOT_OPEN);
    CHECK(picoformer_parse(&model, intent_blob, sizeof intent_blob, &error) == PICOFORMER_OK);
    IS(picoformer_encode(&model, "a", negative, ids, 4, &n, &error), PICOFORMER_ERROR_BAD_ARGUMENT);
    IS(picoformer_encode(&model, "a", 1, ids, negative, &n, &error), PICOFORMER_ERROR_BAD_ARGUMENT);
    IS(picoformer_decode(&model, ids, negative, keep, written, &error), PICOFORMER_ERROR_BAD_ARGUMENT);
    CHECK(picoformer_classifier_init(&classifier, &model, arena, sizeof arena, &error) == PICOFORMER_OK);
    IS(picoformer_classifier_begin(&classifier, "a", negative, &error), PICOFORMER_ERROR_BAD_ARGUMENT);
    IS(picoformer_classifier_answer(&classifier, &answer, &error), PICOFORMER_ERROR_EMPTY);
    IS(picoformer_classifier_label(&classifier, 0xFFFFFFFFu, &answer, &error), PICOFORMER_ERROR_EMPTY);
    /* The other version of a header. */
    IS(picoformer_classifier_open(&classifier, sizeof classifier, &model, arena, sizeof arena, PICOFORMER_VERSION + 1, &error),
       PICOFORMER_ERROR_OTHER_VERSION);
    CHECK(error.needed == PICOFORMER_VERSION && error.given == PICOFORMER_VERSION + 1);
    CHECK(picoformer_parse(&model, motion_blob, sizeof motion_blob, &error) == PICOFORMER_OK);
    CHECK(picoformer_motion_init(&motion, &model, arena, sizeof arena, &error) == PICOFORMER_OK);
    IS(picoformer_motion_step(&motion, &error), PICOFORMER_ERROR_EMPTY);
    IS(picoformer_motion_feed(&motion, &sample, negative, &error), PICOFORMER_ERROR_BAD_ARGUMENT);
    IS(picoformer_motion_push(&motion, NULL, 1, NULL, &error), PICOFORMER_ERROR_NULL);
    CHECK(picoformer_parse(&model, g2p_blob, sizeof g2p_blob, &error) == PICOFORMER_OK);
    CHECK(picoformer_translator_init(&translator, &model, arena, sizeof arena, &error) == PICOFORMER_OK);
    IS(picoformer_translator_step(&translator, &error), PICOFORMER_ERROR_EMPTY);
    CHECK(picoformer_translator_begin(&translator, "a", 1, &error) == PICOFORMER_WORKING);
    while (picoformer_translator_step(&translator, &error) == PICOFORMER_WORKING) {
    }
    CHECK(picoformer_translator_step(&translator, &error) == PICOFORMER_OK);
    IS(picoformer_translator_begin(&translator, "", 0, &error), PICOFORMER_ERROR_EMPTY);
    IS(picoformer_translator_step(&translator, &error), PICOFORMER_ERROR_EMPTY);
    CHECK(picoformer_parse(&model, tales_blob, sizeof tales_blob, &error) == PICOFORMER_OK);
    CHECK(picoformer_generator_init(&writer, &model, arena, sizeof arena, NULL, &error) == PICOFORMER_OK);
    CHECK(picoformer_generate(&writer, "The king", WHOLE, 5, call_again, NULL, &error) == PICOFORMER_LIMIT);
    CHECK(nested == PICOFORMER_ERROR_NOT_OPEN);
    /* And is open again. */
    CHECK(picoformer_generate(&writer, "The king", WHOLE, 5, keep, written, &error) == PICOFORMER_LIMIT);
    printf("manners\n");
}

int main(void)
{
    errors();
    sizes();
    blobs();
    bills();
    objects();
    classify();
    generate();
    score();
    tokens();
    translate();
    sense();
    manners();
    printf("all well\n");
    return 0;
}
