/* picoformer: trained transformers on microcontrollers. docs/C.md is the guide; this is the reference.
 *
 *   static const unsigned char blob[] = ...;          made by `picoformer export-c model.pico`
 *   static picoformer_model model;                    what was read of the blob
 *   static picoformer_classifier classifier;          a task on the model
 *   static PICOFORMER_ARENA(arena, 28384);            its RAM: `arena_bytes` of the bill
 *
 *   picoformer_error error;
 *   picoformer_answer answer;
 *   if (picoformer_parse(&model, blob, sizeof blob, &error) == PICOFORMER_OK
 *       && picoformer_classifier_init(&classifier, &model, arena, sizeof arena, &error) == PICOFORMER_OK
 *       && picoformer_classify(&classifier, "set a timer", PICOFORMER_NUL_TERMINATED, &answer, &error)
 *           == PICOFORMER_OK)
 *       printf("%.*s\n", (int)answer.name_bytes, (const char *)answer.name);
 *
 * Return values. Every function that can fail returns a status: 0 or more is well, less is an error. Its last
 * argument is a `picoformer_error *`, or NULL: on an error it is filled with the status, a few words and the
 * numbers needed and given; picoformer_error_text makes a sentence of it.
 *
 * Steps. Every function that computes for long has a twin: `begin`, then `step` while it returns
 * PICOFORMER_WORKING, then the result. A step is one tile of rows in one layer, or the logits of one token:
 * feed the watchdog in between. `picoformer inspect` tells how many instructions the longest call takes on
 * each core, and the header that `picoformer export-c` writes has it as MODEL_LONGEST_CORTEX_M4 and so on.
 *
 * Units. Logits are Q15.16: 65536 is 1. Log-probabilities are natural logarithms, Q15.16. Embeddings are
 * Q1.30, or Q15.16 where the checkpoint does not scale them to length one. Texts are UTF-8 with a length in bytes; a length of PICOFORMER_NUL_TERMINATED takes it up to its NUL.
 *
 * What the caller promises (nothing can check it): pointers are NULL or point to as much memory as the
 * length beside them says; a blob never changes; a model stays where it is, and is not opened again, while a
 * task uses it; an arena belongs to one task at a time; an object is used by one thread at a time. Everything
 * else is checked: null pointers, sizes, alignments, UTF-8, versions, the order of calls, every byte of the
 * blob that the engine relies on.
 *
 * No function has static state, allocates, prints, takes or returns a float. Kernels for Helium
 * (picoformer_kernels() is "arm-mve") need the FPU switched on in CPACR before a task is opened, which is
 * checked; all others run with the FPU on, off or absent, for every float ABI.
 */
#ifndef PICOFORMER_H
#define PICOFORMER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Before every function that the library has. */
#ifndef PICOFORMER_API
#define PICOFORMER_API extern
#endif

/* Version of this header: major, minor and patch, 8 bits each. `picoformer_version` gives the library's. */
#define PICOFORMER_VERSION 0x000100u
PICOFORMER_API uint32_t picoformer_version(void);
/* The library's kernels: "arm-dsp", "arm-mve", "arm-v6m" or "native". */
PICOFORMER_API const char *picoformer_kernels(void);

/* As the length of a text: the text ends at its NUL. */
#define PICOFORMER_NUL_TERMINATED ((size_t)-1)

/* ---------------------------------------------------------------- Status */

#define PICOFORMER_OK 0        /* done */
#define PICOFORMER_WORKING 1   /* more steps are needed */
#define PICOFORMER_TOKEN 2     /* the text of a token was written */
#define PICOFORMER_ENDED 3     /* the model ended the text */
#define PICOFORMER_FULL 4      /* the context is full */
#define PICOFORMER_LIMIT 5     /* the limit of tokens is reached */
#define PICOFORMER_CANCELLED 6 /* the callback asked to stop */
#define PICOFORMER_EVENT 7     /* something was detected */

#define PICOFORMER_ERROR_NULL (-1)              /* a pointer is null: `what` says which */
#define PICOFORMER_ERROR_NOT_OPEN (-2)          /* not opened, opened as something else, or copied */
#define PICOFORMER_ERROR_OBJECT_TOO_SMALL (-3)  /* memory for the object: bytes needed and given */
#define PICOFORMER_ERROR_OBJECT_MISALIGNED (-4) /* given: bytes beyond a multiple of needed */
#define PICOFORMER_ERROR_OTHER_VERSION (-5)     /* header and library differ */
#define PICOFORMER_ERROR_ARENA_MISALIGNED (-6)  /* given: bytes beyond a multiple of needed */
#define PICOFORMER_ERROR_BLOB_MISALIGNED (-7)   /* given: bytes beyond a multiple of needed */
#define PICOFORMER_ERROR_ARENA_TOO_SMALL (-8)   /* bytes needed and given */
#define PICOFORMER_ERROR_NOT_UTF8 (-9)          /* given: the valid bytes at the beginning */
#define PICOFORMER_ERROR_NO_UNIT (-10)          /* FPU and Helium are switched off */
#define PICOFORMER_ERROR_BAD_ARGUMENT (-11)     /* `what` says which; needed: the most */

#define PICOFORMER_ERROR_BLOB_TOO_SHORT (-20)
#define PICOFORMER_ERROR_BLOB_MAGIC (-21)
#define PICOFORMER_ERROR_BLOB_VERSION (-22)     /* needed: the version that this library reads */
#define PICOFORMER_ERROR_BLOB_CONFIG (-23)
#define PICOFORMER_ERROR_BLOB_OTHER_MODEL (-24) /* a library for one model; given: the byte that differs */
#define PICOFORMER_ERROR_BLOB_LENGTH (-25)
#define PICOFORMER_ERROR_BLOB_PADDING (-26)
#define PICOFORMER_ERROR_BLOB_SECTION (-27)
#define PICOFORMER_ERROR_BLOB_UNKNOWN_SECTION (-28)
#define PICOFORMER_ERROR_BLOB_MISPLACED_SECTION (-29)
#define PICOFORMER_ERROR_BLOB_CUT_SECTION (-30)
#define PICOFORMER_ERROR_BLOB_TOKENIZER (-31)
#define PICOFORMER_ERROR_BLOB_CONTRADICTION (-32)
#define PICOFORMER_ERROR_BLOB_CHECKSUM (-33)
#define PICOFORMER_ERROR_BLOB_OTHER (-34)

#define PICOFORMER_ERROR_WRONG_MODEL (-40)      /* `what`: the kind that is needed */
#define PICOFORMER_ERROR_PACKING (-41)
#define PICOFORMER_ERROR_TOO_MANY_KEYS (-42)
#define PICOFORMER_ERROR_BEAM_TOO_WIDE (-43)
#define PICOFORMER_ERROR_EMPTY (-44)            /* no input yet, or an empty one */
#define PICOFORMER_ERROR_TOO_LONG (-45)         /* positions needed and there */
#define PICOFORMER_ERROR_IN_FLIGHT (-46)        /* the steps are not done */
#define PICOFORMER_ERROR_NO_LOGITS (-47)
#define PICOFORMER_ERROR_TOKEN_RANGE (-48)
#define PICOFORMER_ERROR_TOO_MANY_SAMPLES (-49)
#define PICOFORMER_ERROR_FRAME_LENGTH (-50)
#define PICOFORMER_ERROR_NO_SUCH_LABEL (-51)
#define PICOFORMER_ERROR_OTHER (-52)
#define PICOFORMER_ERROR_SPLIT_PREFIX (-53)

#define PICOFORMER_ERROR_TEXT_TOO_LONG (-60)     /* tokens that there is room for */
#define PICOFORMER_ERROR_UNKNOWN_CHARACTER (-61) /* `what`: the character; given: its code point */
#define PICOFORMER_ERROR_NOT_NORMALIZED (-62)    /* the text is not in NFC; likewise */

/* The text of a status, without numbers; never NULL. */
PICOFORMER_API const char *picoformer_status_text(int32_t status);

typedef struct picoformer_error {
    int32_t status;
    uint32_t needed;
    uint32_t given;
    char what[48]; /* a few words, possibly none, with a NUL */
} picoformer_error;

/* Writes an error as a sentence with its numbers, at most `bytes` bytes with its NUL. Returns the bytes that the
 * whole sentence needs, NUL included. */
PICOFORMER_API size_t picoformer_error_text(const picoformer_error *error, char *text, size_t bytes);

/* ---------------------------------------------------------------- Objects
 * Memory that you give, usually static. All zeros is a valid "not opened". `picoformer_X_bytes` tells what the
 * library needs, for memory from elsewhere: pass it to `picoformer_X_open`, which the `init` functions
 * below call with the size of the struct. A struct may be larger than what is needed, and is a multiple of 8. */

#define PICOFORMER_OBJECT(name, words) \
    typedef struct name { \
        uint64_t opaque[UINTPTR_MAX > 0xFFFFFFFFu ? 2 * (words) : (words)]; \
    } name

PICOFORMER_OBJECT(picoformer_model, 72);
PICOFORMER_OBJECT(picoformer_classifier, 24);
PICOFORMER_OBJECT(picoformer_generator, 36);
PICOFORMER_OBJECT(picoformer_translator, 104);
PICOFORMER_OBJECT(picoformer_encoder, 20);
PICOFORMER_OBJECT(picoformer_scorer, 28);
PICOFORMER_OBJECT(picoformer_listener, 46);
PICOFORMER_OBJECT(picoformer_motion, 42);

/* What the memory of an object must be a multiple of; and of an arena and a blob. */
#define PICOFORMER_OBJECT_ALIGNMENT 8
#define PICOFORMER_MEMORY_ALIGNMENT 4

/* Defines memory for an arena: static PICOFORMER_ARENA(name, bytes); */
#define PICOFORMER_ARENA(name, bytes) uint64_t name[((bytes) + 7u) / 8u]

/* Writes a piece of UTF-8, not ended by a NUL; returns 0 to go on, anything else to stop. */
typedef int32_t (*picoformer_write)(void *context, const char *text, size_t bytes);

/* ---------------------------------------------------------------- Model */

/* Opens a model on a blob that is linked into the program: its structure is checked, its checksum is not.
 * Costs a few instructions a weight row, not a byte. */
PICOFORMER_API int32_t picoformer_model_open(picoformer_model *self, size_t self_bytes, const void *blob,
                                             size_t blob_bytes, uint32_t version, picoformer_error *error);
PICOFORMER_API size_t picoformer_model_bytes(void);

/* For a blob that was flashed separately or came over the air: computes its checksum, at most `bytes` bytes a
 * call (about 14 instructions each). PICOFORMER_OK once it is right; the call after that begins anew. */
PICOFORMER_API int32_t picoformer_model_check_step(picoformer_model *self, size_t bytes,
                                                   picoformer_error *error);

#define PICOFORMER_ARCHITECTURE_ENCODER 0u
#define PICOFORMER_ARCHITECTURE_DECODER 1u
#define PICOFORMER_ARCHITECTURE_ENCODER_DECODER 2u

#define PICOFORMER_INPUT_TOKENS 0u
#define PICOFORMER_INPUT_FRAMES 1u
#define PICOFORMER_INPUT_AUDIO 2u
#define PICOFORMER_INPUT_MOTION 3u

#define PICOFORMER_HEAD_NONE 0u
#define PICOFORMER_HEAD_CLASSIFIER 1u
#define PICOFORMER_HEAD_TOKEN_LABELS 2u
#define PICOFORMER_HEAD_EMBEDDING 3u
#define PICOFORMER_HEAD_VOCABULARY 4u

#define PICOFORMER_TOKENIZER_NONE 0u
#define PICOFORMER_TOKENIZER_BYTES 1u
#define PICOFORMER_TOKENIZER_BPE 2u
#define PICOFORMER_TOKENIZER_WORD_PIECE 3u
#define PICOFORMER_TOKENIZER_BYTE_LEVEL 4u
#define PICOFORMER_TOKENIZER_UNIGRAM 5u
#define PICOFORMER_TOKENIZER_CL100K 6u /* bytes, with the words of Llama 3 and Qwen */

typedef struct picoformer_bill {
    uint32_t flash_bytes;
    uint32_t arena_bytes;    /* RAM of a task on this model */
    uint32_t architecture;   /* PICOFORMER_ARCHITECTURE_... */
    uint32_t input;          /* PICOFORMER_INPUT_... */
    uint32_t head;           /* PICOFORMER_HEAD_... */
    uint32_t tokenizer;      /* PICOFORMER_TOKENIZER_... */
    uint32_t context;        /* positions; of the source in an encoder-decoder */
    uint32_t target_context; /* of the target in an encoder-decoder, or 0 */
    uint32_t vocab_size;
    uint32_t n_labels;
    uint32_t n_outputs;      /* numbers that picoformer_..._outputs or _logits gives */
    uint32_t frame_len;      /* features of a frame */
    uint32_t sample_rate;    /* of the front end; 0 without one, or if the model does not say */
    uint32_t channels;       /* values of a sample; 0 without a front end */
    uint32_t triggers;       /* 1 if a stream of samples gives events */
    uint32_t beams;          /* hypotheses of an encoder-decoder */
    uint32_t tile_rows;      /* rows that share a pass over the weights, hence of a step */
    uint32_t parameters;     /* weights */
} picoformer_bill;

PICOFORMER_API int32_t picoformer_model_bill(const picoformer_model *self, picoformer_bill *bill,
                                             picoformer_error *error);
/* Buffer `index` of the arena: PICOFORMER_WORKING with its name and size, PICOFORMER_OK behind the last. */
PICOFORMER_API int32_t picoformer_model_bill_line(const picoformer_model *self, uint32_t index, char name[32],
                                                  size_t *bytes, picoformer_error *error);
/* The name of a label: UTF-8 in the blob, not ended by a NUL. `bytes` may be NULL. */
PICOFORMER_API int32_t picoformer_model_label(const picoformer_model *self, uint32_t label, const char **name,
                                              size_t *bytes, picoformer_error *error);
/* Hypotheses that a translator keeps; the bill's arena follows. Before a translator is opened. */
PICOFORMER_API int32_t picoformer_model_set_beams(picoformer_model *self, uint32_t beams,
                                                  picoformer_error *error);

/* ---------------------------------------------------------------- Tokenizer */

/* The tokens of a text, special tokens included; `n` says how many. Byte-pair encoding needs room for the
 * characters of a word before it merges them. */
PICOFORMER_API int32_t picoformer_encode(const picoformer_model *self, const char *text, size_t bytes,
                                         uint32_t *tokens, size_t room, size_t *n, picoformer_error *error);
/* Writes the text of tokens; PICOFORMER_CANCELLED if the callback stopped. */
PICOFORMER_API int32_t picoformer_decode(const picoformer_model *self, const uint32_t *tokens, size_t n,
                                         picoformer_write write, void *context, picoformer_error *error);

/* ---------------------------------------------------------------- Classifier
 * Labels of a text or of its tokens, embeddings of a text. */

typedef struct picoformer_answer {
    const char *name; /* UTF-8 in the blob, not ended by a NUL */
    size_t name_bytes;
    uint32_t label;
    int32_t log_probability; /* Q15.16 */
    uint32_t in_scope; /* 0: the input is none of the labels, and this is the nearest */
} picoformer_answer;

PICOFORMER_API int32_t picoformer_classifier_open(picoformer_classifier *self, size_t self_bytes,
                                                  const picoformer_model *model, void *arena,
                                                  size_t arena_bytes, uint32_t version,
                                                  picoformer_error *error);
PICOFORMER_API size_t picoformer_classifier_bytes(void);
PICOFORMER_API int32_t picoformer_classifier_begin(picoformer_classifier *self, const char *text, size_t bytes,
                                                   picoformer_error *error);
PICOFORMER_API int32_t picoformer_classifier_step(picoformer_classifier *self, picoformer_error *error);
/* The likeliest label; any label. */
PICOFORMER_API int32_t picoformer_classifier_answer(picoformer_classifier *self, picoformer_answer *answer,
                                                    picoformer_error *error);
PICOFORMER_API int32_t picoformer_classifier_label(picoformer_classifier *self, uint32_t label,
                                                   picoformer_answer *answer, picoformer_error *error);
/* Logits (Q15.16), values of a regression (Q15.16) or an embedding (Q1.30): `n` numbers in the arena, until the
 * next call. */
PICOFORMER_API int32_t picoformer_classifier_outputs(picoformer_classifier *self, const int32_t **outputs,
                                                     size_t *n, picoformer_error *error);
/* The label of token `row`, special tokens included: PICOFORMER_WORKING with it, PICOFORMER_OK behind the last. */
PICOFORMER_API int32_t picoformer_classifier_tag(picoformer_classifier *self, uint32_t row, uint32_t *token,
                                                 picoformer_answer *tag, picoformer_error *error);

/* ---------------------------------------------------------------- Generator
 * A prompt in, text out, token by token. */

/* A number in Q16.16, from a constant: the compiler computes it. */
#define PICOFORMER_Q16(x) ((uint32_t)((x) * 65536.0 + 0.5))

typedef struct picoformer_sampling {
    uint32_t temperature; /* Q16.16; 0 takes the likeliest token */
    uint32_t top_p;       /* Q16.16, at most 65536, which keeps all */
    uint32_t top_k;       /* 0 keeps all */
    uint32_t seed_low;
    uint32_t seed_high;
} picoformer_sampling;

/* `sampling` may be NULL: greedy. */
PICOFORMER_API int32_t picoformer_generator_open(picoformer_generator *self, size_t self_bytes,
                                                 const picoformer_model *model, void *arena, size_t arena_bytes,
                                                 const picoformer_sampling *sampling, uint32_t version,
                                                 picoformer_error *error);
PICOFORMER_API size_t picoformer_generator_bytes(void);
/* Takes a prompt; the steps feed it, then give token after token. */
PICOFORMER_API int32_t picoformer_generator_begin(picoformer_generator *self, const char *text, size_t bytes,
                                                  picoformer_error *error);
/* One piece of work. PICOFORMER_TOKEN: the characters that the token completes were written. PICOFORMER_ENDED or
 * _FULL: the text is complete. PICOFORMER_CANCELLED: the callback stopped; the next step goes on. To stop for
 * good, do not step again. */
PICOFORMER_API int32_t picoformer_generator_step(picoformer_generator *self, picoformer_write write,
                                                 void *context, picoformer_error *error);
/* As a step that never draws a token: PICOFORMER_OK once the token drawn last was fed, and the logits of the next
 * are ready. */
PICOFORMER_API int32_t picoformer_generator_settle(picoformer_generator *self, picoformer_error *error);
PICOFORMER_API int32_t picoformer_generator_token(picoformer_generator *self, uint32_t *token,
                                                  picoformer_error *error);
PICOFORMER_API int32_t picoformer_generator_logits(picoformer_generator *self, const int32_t **logits, size_t *n,
                                                   picoformer_error *error);
/* How many new tokens you take at most, for models with a rule about the last one. */
PICOFORMER_API int32_t picoformer_generator_set_limit(picoformer_generator *self, uint32_t tokens,
                                                      picoformer_error *error);
/* All of it: PICOFORMER_ENDED, _FULL, _LIMIT or _CANCELLED. */
PICOFORMER_API int32_t picoformer_generate(picoformer_generator *self, const char *prompt, size_t bytes,
                                           uint32_t max_tokens, picoformer_write write, void *context,
                                           picoformer_error *error);

/* ---------------------------------------------------------------- Scorer
 * The log-probability of a text under a decoder: how usual it is. */

PICOFORMER_API int32_t picoformer_scorer_open(picoformer_scorer *self, size_t self_bytes,
                                              const picoformer_model *model, void *arena, size_t arena_bytes,
                                              uint32_t version, picoformer_error *error);
PICOFORMER_API size_t picoformer_scorer_bytes(void);
PICOFORMER_API int32_t picoformer_scorer_begin(picoformer_scorer *self, const char *text, size_t bytes,
                                               picoformer_error *error);
PICOFORMER_API int32_t picoformer_scorer_step(picoformer_scorer *self, picoformer_error *error);
/* Q15.16 nats over all tokens but the first, and the number of tokens. */
PICOFORMER_API int32_t picoformer_scorer_result(picoformer_scorer *self, int64_t *log_probability,
                                                size_t *tokens, picoformer_error *error);
/* All of it, in tiles of rows: the same number with less work. */
PICOFORMER_API int32_t picoformer_score(picoformer_scorer *self, const char *text, size_t bytes,
                                        int64_t *log_probability, size_t *tokens, picoformer_error *error);

/* ---------------------------------------------------------------- Translator
 * A text in, another out, by an encoder-decoder. */

typedef struct picoformer_translation {
    uint32_t tokens;
    uint32_t complete;       /* 1 if the model ended it, 0 if it was cut at the limit */
    int64_t log_probability; /* Q15.16 */
} picoformer_translation;

#define PICOFORMER_PART_DONE 0
#define PICOFORMER_PART_ENCODER 1
#define PICOFORMER_PART_SOURCE 2
#define PICOFORMER_PART_SELF_ATTENTION 3
#define PICOFORMER_PART_CROSS_ATTENTION 4
#define PICOFORMER_PART_FEED_FORWARD 5
#define PICOFORMER_PART_HEAD 6

PICOFORMER_API int32_t picoformer_translator_open(picoformer_translator *self, size_t self_bytes,
                                                  const picoformer_model *model, void *arena,
                                                  size_t arena_bytes, uint32_t version,
                                                  picoformer_error *error);
PICOFORMER_API size_t picoformer_translator_bytes(void);
PICOFORMER_API int32_t picoformer_translator_begin(picoformer_translator *self, const char *text, size_t bytes,
                                                   picoformer_error *error);
PICOFORMER_API int32_t picoformer_translator_step(picoformer_translator *self, picoformer_error *error);
/* What the next step works on: PICOFORMER_PART_... */
PICOFORMER_API int32_t picoformer_translator_part(picoformer_translator *self, picoformer_error *error);
PICOFORMER_API int32_t picoformer_translator_logits(picoformer_translator *self, const int32_t **logits,
                                                    size_t *n, picoformer_error *error);
/* Limits the translations to come to so many tokens, with the end token. 0, and more than the target context, are
 * PICOFORMER_ERROR_TOO_LONG. */
PICOFORMER_API int32_t picoformer_translator_set_limit(picoformer_translator *self, uint32_t tokens,
                                                       picoformer_error *error);
/* Writes the translation once the steps are done. `found` may be NULL. */
PICOFORMER_API int32_t picoformer_translator_write(picoformer_translator *self, picoformer_write write,
                                                   void *context, picoformer_translation *found,
                                                   picoformer_error *error);
PICOFORMER_API int32_t picoformer_translate(picoformer_translator *self, const char *text, size_t bytes,
                                            picoformer_write write, void *context,
                                            picoformer_translation *found, picoformer_error *error);

/* ---------------------------------------------------------------- Encoder
 * Tokens or frames of features in; logits, an embedding or hidden rows out. */

PICOFORMER_API int32_t picoformer_encoder_open(picoformer_encoder *self, size_t self_bytes,
                                               const picoformer_model *model, void *arena, size_t arena_bytes,
                                               uint32_t version, picoformer_error *error);
PICOFORMER_API size_t picoformer_encoder_bytes(void);
PICOFORMER_API int32_t picoformer_encoder_begin_tokens(picoformer_encoder *self, const uint32_t *tokens,
                                                       size_t n, picoformer_error *error);
/* `n` features: whole frames of `frame_len`, in the units of the model. */
PICOFORMER_API int32_t picoformer_encoder_begin_frames(picoformer_encoder *self, const int16_t *features,
                                                       size_t n, picoformer_error *error);
PICOFORMER_API int32_t picoformer_encoder_step(picoformer_encoder *self, picoformer_error *error);
PICOFORMER_API int32_t picoformer_encoder_outputs(picoformer_encoder *self, const int32_t **outputs, size_t *n,
                                                  picoformer_error *error);
/* Hidden row `row`: `n` numbers, each times two to the power of `exponent`. */
PICOFORMER_API int32_t picoformer_encoder_hidden(picoformer_encoder *self, uint32_t row,
                                                 const int16_t **mantissas, size_t *n, int32_t *exponent,
                                                 picoformer_error *error);

/* ---------------------------------------------------------------- Listener
 * A model that hears: 16-bit samples at the bill's sample_rate. */

typedef struct picoformer_detection {
    const char *name; /* UTF-8 in the blob, not ended by a NUL */
    size_t name_bytes;
    uint32_t label;
    uint32_t confidence; /* 32768 is 1 */
    uint64_t end;        /* values of the stream up to the end of the row in which it was found */
} picoformer_detection;

PICOFORMER_API int32_t picoformer_listener_open(picoformer_listener *self, size_t self_bytes,
                                                const picoformer_model *model, void *arena, size_t arena_bytes,
                                                uint32_t version, picoformer_error *error);
PICOFORMER_API size_t picoformer_listener_bytes(void);
/* Samples of a stream, at most `limit` a call, and the work for them: at most one inference a call, or, after
 * `spread`, a part of one. PICOFORMER_EVENT with a detection; `detection` may be NULL. */
PICOFORMER_API int32_t picoformer_listener_push(picoformer_listener *self, const int16_t *samples, size_t n,
                                                picoformer_detection *detection, picoformer_error *error);
PICOFORMER_API int32_t picoformer_listener_limit(picoformer_listener *self, size_t *samples,
                                                 picoformer_error *error);
PICOFORMER_API int32_t picoformer_listener_spread(picoformer_listener *self, picoformer_error *error);
PICOFORMER_API int32_t picoformer_listener_reset(picoformer_listener *self, picoformer_error *error);
/* Without events: samples of any number, then what the newest window of them is, by steps. */
PICOFORMER_API int32_t picoformer_listener_feed(picoformer_listener *self, const int16_t *samples, size_t n,
                                                picoformer_error *error);
PICOFORMER_API int32_t picoformer_listener_begin(picoformer_listener *self, picoformer_error *error);
PICOFORMER_API int32_t picoformer_listener_step(picoformer_listener *self, picoformer_error *error);
PICOFORMER_API int32_t picoformer_listener_answer(picoformer_listener *self, picoformer_answer *answer,
                                                  picoformer_error *error);
PICOFORMER_API int32_t picoformer_listener_outputs(picoformer_listener *self, const int32_t **outputs,
                                                   size_t *n, picoformer_error *error);
/* The label of a whole recording: of its loudest window, if it is longer than one. */
PICOFORMER_API int32_t picoformer_classify_recording(picoformer_listener *self, const int16_t *samples, size_t n,
                                                     picoformer_answer *answer, picoformer_error *error);

/* ---------------------------------------------------------------- Motion
 * A model that feels motions: 16-bit values of all channels in turn. Functions as the listener's. */

PICOFORMER_API int32_t picoformer_motion_open(picoformer_motion *self, size_t self_bytes,
                                              const picoformer_model *model, void *arena, size_t arena_bytes,
                                              uint32_t version, picoformer_error *error);
PICOFORMER_API size_t picoformer_motion_bytes(void);
PICOFORMER_API int32_t picoformer_motion_push(picoformer_motion *self, const int16_t *values, size_t n,
                                              picoformer_detection *detection, picoformer_error *error);
PICOFORMER_API int32_t picoformer_motion_limit(picoformer_motion *self, size_t *values, picoformer_error *error);
PICOFORMER_API int32_t picoformer_motion_spread(picoformer_motion *self, picoformer_error *error);
PICOFORMER_API int32_t picoformer_motion_reset(picoformer_motion *self, picoformer_error *error);
PICOFORMER_API int32_t picoformer_motion_feed(picoformer_motion *self, const int16_t *values, size_t n,
                                              picoformer_error *error);
PICOFORMER_API int32_t picoformer_motion_begin(picoformer_motion *self, picoformer_error *error);
PICOFORMER_API int32_t picoformer_motion_step(picoformer_motion *self, picoformer_error *error);
PICOFORMER_API int32_t picoformer_motion_answer(picoformer_motion *self, picoformer_answer *answer,
                                                picoformer_error *error);
PICOFORMER_API int32_t picoformer_motion_outputs(picoformer_motion *self, const int32_t **outputs, size_t *n,
                                                 picoformer_error *error);

/* ---------------------------------------------------------------- Shorter
 * The same with this header's version and the sizes of its structs, and loops over steps. */

static inline int32_t picoformer_parse(picoformer_model *self, const void *blob, size_t bytes,
                                       picoformer_error *error)
{
    return picoformer_model_open(self, sizeof *self, blob, bytes, PICOFORMER_VERSION, error);
}

/* Parses a blob and computes its checksum, all at once. */
static inline int32_t picoformer_parse_checked(picoformer_model *self, const void *blob, size_t bytes,
                                               picoformer_error *error)
{
    int32_t status = picoformer_parse(self, blob, bytes, error);
    if (status == PICOFORMER_OK) {
        status = picoformer_model_check_step(self, bytes, error);
    }
    return status;
}

#define PICOFORMER_INIT(task) \
    static inline int32_t task##_init(task *self, const picoformer_model *model, void *arena, \
                                      size_t arena_bytes, picoformer_error *error) \
    { \
        return task##_open(self, sizeof *self, model, arena, arena_bytes, PICOFORMER_VERSION, error); \
    }

/* int32_t picoformer_classifier_init(picoformer_classifier *, const picoformer_model *, void *arena,
 *                                    size_t arena_bytes, picoformer_error *), and so on. */
PICOFORMER_INIT(picoformer_classifier)
PICOFORMER_INIT(picoformer_scorer)
PICOFORMER_INIT(picoformer_translator)
PICOFORMER_INIT(picoformer_encoder)
PICOFORMER_INIT(picoformer_listener)
PICOFORMER_INIT(picoformer_motion)

static inline int32_t picoformer_generator_init(picoformer_generator *self, const picoformer_model *model,
                                                void *arena, size_t arena_bytes,
                                                const picoformer_sampling *sampling, picoformer_error *error)
{
    return picoformer_generator_open(self, sizeof *self, model, arena, arena_bytes, sampling,
                                     PICOFORMER_VERSION, error);
}

/* All steps for a text; then `outputs`, `answer` or `tag`. */
static inline int32_t picoformer_classifier_run(picoformer_classifier *self, const char *text, size_t bytes,
                                                picoformer_error *error)
{
    int32_t status = picoformer_classifier_begin(self, text, bytes, error);
    while (status == PICOFORMER_WORKING) {
        status = picoformer_classifier_step(self, error);
    }
    return status;
}

/* The likeliest label of a text. */
static inline int32_t picoformer_classify(picoformer_classifier *self, const char *text, size_t bytes,
                                          picoformer_answer *answer, picoformer_error *error)
{
    int32_t status = picoformer_classifier_run(self, text, bytes, error);
    return status == PICOFORMER_OK ? picoformer_classifier_answer(self, answer, error) : status;
}

/* The embedding of a text: `n` numbers in Q1.30, a vector of length one; in Q15.16, one of any length, where the
 * checkpoint does not scale it. */
static inline int32_t picoformer_embed(picoformer_classifier *self, const char *text, size_t bytes,
                                       const int32_t **embedding, size_t *n, picoformer_error *error)
{
    int32_t status = picoformer_classifier_run(self, text, bytes, error);
    return status == PICOFORMER_OK ? picoformer_classifier_outputs(self, embedding, n, error) : status;
}

/* What the newest window of a stream is. */
static inline int32_t picoformer_listener_classify(picoformer_listener *self, picoformer_answer *answer,
                                                   picoformer_error *error)
{
    int32_t status = picoformer_listener_begin(self, error);
    while (status == PICOFORMER_WORKING) {
        status = picoformer_listener_step(self, error);
    }
    return status == PICOFORMER_OK ? picoformer_listener_answer(self, answer, error) : status;
}

static inline int32_t picoformer_motion_classify(picoformer_motion *self, picoformer_answer *answer,
                                                 picoformer_error *error)
{
    int32_t status = picoformer_motion_begin(self, error);
    while (status == PICOFORMER_WORKING) {
        status = picoformer_motion_step(self, error);
    }
    return status == PICOFORMER_OK ? picoformer_motion_answer(self, answer, error) : status;
}

#ifdef __cplusplus
}
#endif

#endif
