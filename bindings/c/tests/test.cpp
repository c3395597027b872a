// The classes of picoformer.hpp: the same answers, and errors instead of undefined behaviour.
#include "picoformer.hpp"
extern "C" {
#include "g2p.h"
#include "intent.h"
#include "motion.h"
#include "tales.h"
}
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            std::printf("FAILED %s:%d: %s\n", __FILE__, __LINE__, #condition); \
            std::exit(1); \
        } \
    } while (false)

static PICOFORMER_ARENA(arena, 80000);
static picoformer::Model model;

static void classify()
{
    static picoformer::Classifier classifier;
    picoformer::Answer answer, steps;
    picoformer::Numbers logits;
    std::string_view name;
    char memory[100];
    CHECK(!classifier.init(model, arena, sizeof arena)); // not parsed
    CHECK(model.parse(intent_blob));
    const auto small = classifier.init(model, arena, 100);
    CHECK(!small && small.code() == PICOFORMER_ERROR_ARENA_TOO_SMALL && small.error().given == 100);
    CHECK(small.text(memory, sizeof memory) == "the arena is too small (bytes), needed 28384, given 100");
    CHECK(small.text(memory, 10) == "the arena" && small.text(memory, 0).empty());
    CHECK(classifier.init(model, arena, sizeof arena));
    CHECK(classifier.classify("please set a timer for ten minutes", answer) && answer.name == "timer");
    auto status = classifier.begin(std::string_view("please set a timer for ten minutes, or so").substr(0, 34));
    while (status.working()) {
        status = classifier.step();
    }
    CHECK(status && classifier.answer(steps) && steps.log_probability == answer.log_probability);
    CHECK(classifier.outputs(logits) && logits.size == INTENT_LABELS && *logits.begin() == logits.data[0]);
    CHECK(model.label(answer.label, name) && name == "timer" && !model.label(999, name) && name.empty());
    CHECK(!classifier.classify("\xFF", answer) && answer.name.empty());
}

static void generate()
{
    static picoformer::Generator generator;
    char text[400];
    std::size_t length = 0;
    int pieces = 0;
    CHECK(model.parse(tales_blob) && generator.init(model, arena, sizeof arena));
    auto status = generator.generate("Once upon a time", 12, [&](std::string_view piece) {
        std::memcpy(text + length, piece.data(), piece.size());
        length += piece.size();
    });
    CHECK(status.code() == PICOFORMER_LIMIT && length > 12);
    status = generator.generate("Once upon a time", 12, [&](std::string_view) { return ++pieces < 3; });
    CHECK(status.code() == PICOFORMER_CANCELLED && pieces == 3);
    std::printf("Once upon a time%.*s\n", static_cast<int>(length), text);
}

static void translate()
{
    static picoformer::Translator translator;
    char text[100];
    std::size_t length = 0;
    CHECK(model.parse(g2p_blob) && model.set_beams(1) && translator.init(model, arena, sizeof arena));
    const auto status = translator.translate("hello", [&](std::string_view piece) {
        std::memcpy(text + length, piece.data(), piece.size());
        length += piece.size();
    });
    CHECK(status && std::string_view(text, length) == "HH EH1 L OW0");
}

static void lifetimes()
{
    alignas(8) static unsigned char memory[sizeof(picoformer::Motion)];
    picoformer::Answer answer;
    CHECK(model.parse(motion_blob));
    auto *motion = new (memory) picoformer::Motion;
    CHECK(motion->init(model, arena, sizeof arena) && motion->classify(answer) && !answer.name.empty());
    static_assert(!std::is_copy_constructible_v<picoformer::Motion> && !std::is_move_constructible_v<picoformer::Model>,
                  "objects stay where they are");
    picoformer_motion *c = motion->c();
    motion->~Motion();
    CHECK(picoformer_motion_reset(c, nullptr) == PICOFORMER_ERROR_NOT_OPEN);
}

int main()
{
    classify();
    generate();
    translate();
    lifetimes();
    std::puts("all well");
    return 0;
}
