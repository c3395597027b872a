// picoformer for C++17 and later: picoformer.h with classes, std::string_view and callables. No exceptions, no
// heap, no RTTI; every call returns a Status.
//
//   static picoformer::Model model;
//   static picoformer::Classifier classifier;
//   if (auto status = model.parse(intent_blob); !status) return report(status);
//   if (auto status = classifier.init(model, arena, sizeof arena); !status) return report(status);
//   picoformer::Answer answer;
//   if (classifier.classify("set a timer", answer)) puts(answer.name);
//
// Objects are neither copied nor moved: tasks keep the address of their model, and the library refuses objects
// that are not where they were opened. A destructor closes its object: a use after it is an error.
#ifndef PICOFORMER_HPP
#define PICOFORMER_HPP

#include "picoformer.h"
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace picoformer {

// What a call returned: its code, and the error behind it.
class Status {
public:
    Status() noexcept : error_{} {}

    // Well: nothing is wrong. `working` and the like say more.
    explicit operator bool() const noexcept { return code_ >= 0; }
    std::int32_t code() const noexcept { return code_; }
    bool working() const noexcept { return code_ == PICOFORMER_WORKING; }
    bool token() const noexcept { return code_ == PICOFORMER_TOKEN; }
    bool event() const noexcept { return code_ == PICOFORMER_EVENT; }
    const picoformer_error &error() const noexcept { return error_; }

    // The error as a sentence with its numbers, in memory that the caller gives.
    std::string_view text(char *memory, std::size_t bytes) const noexcept
    {
        if (code_ >= 0) {
            return picoformer_status_text(code_);
        }
        const std::size_t whole = picoformer_error_text(&error_, memory, bytes);
        return bytes == 0 ? std::string_view() : std::string_view(memory, (whole < bytes ? whole : bytes) - 1);
    }

    // For this header: takes what a function returned.
    template <typename Call> static Status of(Call call) noexcept
    {
        Status status;
        status.code_ = call(&status.error_);
        return status;
    }

private:
    picoformer_error error_;
    std::int32_t code_ = 0;
};

struct Answer {
    std::string_view name;
    std::uint32_t label = 0;
    std::int32_t log_probability = 0; // Q15.16
    bool in_scope = true; // false: the input is none of the labels, and this is the nearest

    Answer() = default;
    explicit Answer(const picoformer_answer &c) noexcept
        : name(c.name, c.name_bytes), label(c.label), log_probability(c.log_probability),
          in_scope(c.in_scope != 0)
    {
    }
};

struct Detection {
    std::string_view name;
    std::uint32_t label = 0;
    std::uint32_t confidence = 0; // 32768 is 1
    std::uint64_t end = 0;
};

// Numbers in the arena, until the next call.
struct Numbers {
    const std::int32_t *data = nullptr;
    std::size_t size = 0;
    const std::int32_t *begin() const noexcept { return data; }
    const std::int32_t *end() const noexcept { return data + size; }
};

namespace detail {

// An object of C that stays where it is and is closed at its end.
template <typename C> class Object {
public:
    Object() noexcept : c_{} {}
    Object(const Object &) = delete;
    Object &operator=(const Object &) = delete;
    // Volatile: the compiler may drop a plain store to an object that ends.
    ~Object() { *static_cast<volatile std::uint64_t *>(c_.opaque) = 0; }
    C *c() noexcept { return &c_; }
    const C *c() const noexcept { return &c_; }

protected:
    C c_;
};

// A callable that takes a std::string_view, as a callback of C. It returns true (or nothing) to go on.
template <typename Write> std::int32_t write(void *context, const char *text, std::size_t bytes)
{
    auto &call = *static_cast<Write *>(context);
    if constexpr (std::is_void_v<decltype(call(std::string_view()))>) {
        call(std::string_view(text, bytes));
        return 0;
    } else {
        return call(std::string_view(text, bytes)) ? 0 : 1;
    }
}

template <typename Write> void *context(Write &write) noexcept
{
    return const_cast<void *>(static_cast<const void *>(&write));
}

} // namespace detail

class Model : public detail::Object<picoformer_model> {
public:
    Status parse(const void *blob, std::size_t bytes) noexcept
    {
        return Status::of([&](auto *error) { return picoformer_parse(&c_, blob, bytes, error); });
    }
    template <std::size_t N> Status parse(const unsigned char (&blob)[N]) noexcept { return parse(blob, N); }
    Status parse_checked(const void *blob, std::size_t bytes) noexcept
    {
        return Status::of([&](auto *error) { return picoformer_parse_checked(&c_, blob, bytes, error); });
    }
    Status check_step(std::size_t bytes) noexcept
    {
        return Status::of([&](auto *error) { return picoformer_model_check_step(&c_, bytes, error); });
    }
    Status bill(picoformer_bill &bill) const noexcept
    {
        return Status::of([&](auto *error) { return picoformer_model_bill(&c_, &bill, error); });
    }
    Status set_beams(std::uint32_t beams) noexcept
    {
        return Status::of([&](auto *error) { return picoformer_model_set_beams(&c_, beams, error); });
    }
    Status label(std::uint32_t label, std::string_view &name) const noexcept
    {
        return Status::of([&](auto *error) {
            const char *text = nullptr;
            std::size_t bytes = 0;
            const auto code = picoformer_model_label(&c_, label, &text, &bytes, error);
            name = code < 0 ? std::string_view() : std::string_view(text, bytes);
            return code;
        });
    }
    Status encode(std::string_view text, std::uint32_t *tokens, std::size_t room, std::size_t &n) const noexcept
    {
        return Status::of(
            [&](auto *e) { return picoformer_encode(&c_, text.data(), text.size(), tokens, room, &n, e); });
    }
    template <typename Write> Status decode(const std::uint32_t *tokens, std::size_t n, Write &&write) const
    {
        return Status::of([&](auto *error) {
            return picoformer_decode(&c_, tokens, n, detail::write<std::remove_reference_t<Write>>,
                                     detail::context(write), error);
        });
    }
};

class Classifier : public detail::Object<picoformer_classifier> {
public:
    Status init(const Model &model, void *arena, std::size_t bytes) noexcept
    {
        return Status::of(
            [&](auto *error) { return picoformer_classifier_init(&c_, model.c(), arena, bytes, error); });
    }
    Status begin(std::string_view text) noexcept
    {
        return Status::of(
            [&](auto *error) { return picoformer_classifier_begin(&c_, text.data(), text.size(), error); });
    }
    Status step() noexcept
    {
        return Status::of([&](auto *error) { return picoformer_classifier_step(&c_, error); });
    }
    Status answer(Answer &answer) noexcept
    {
        return read(answer, [&](auto *c, auto *error) { return picoformer_classifier_answer(&c_, c, error); });
    }
    Status label(std::uint32_t label, Answer &answer) noexcept
    {
        return read(answer,
                    [&](auto *c, auto *error) { return picoformer_classifier_label(&c_, label, c, error); });
    }
    Status tag(std::uint32_t row, std::uint32_t &token, Answer &tag) noexcept
    {
        return read(tag,
                    [&](auto *c, auto *e) { return picoformer_classifier_tag(&c_, row, &token, c, e); });
    }
    Status classify(std::string_view text, Answer &answer) noexcept
    {
        return read(answer, [&](auto *c, auto *error) {
            return picoformer_classify(&c_, text.data(), text.size(), c, error);
        });
    }
    Status outputs(Numbers &numbers) noexcept
    {
        return Status::of([&](auto *error) {
            return picoformer_classifier_outputs(&c_, &numbers.data, &numbers.size, error);
        });
    }
    Status embed(std::string_view text, Numbers &numbers) noexcept
    {
        return Status::of([&](auto *error) {
            return picoformer_embed(&c_, text.data(), text.size(), &numbers.data, &numbers.size, error);
        });
    }

private:
    template <typename Call> static Status read(Answer &answer, Call call) noexcept
    {
        return Status::of([&](auto *error) {
            picoformer_answer c{};
            const auto code = call(&c, error);
            answer = code < 0 ? Answer() : Answer(c);
            return code;
        });
    }
};

class Generator : public detail::Object<picoformer_generator> {
public:
    // Greedy without `sampling`.
    Status init(const Model &model, void *arena, std::size_t bytes,
                const picoformer_sampling *sampling = nullptr) noexcept
    {
        return Status::of(
            [&](auto *e) { return picoformer_generator_init(&c_, model.c(), arena, bytes, sampling, e); });
    }
    Status begin(std::string_view prompt) noexcept
    {
        return Status::of(
            [&](auto *error) { return picoformer_generator_begin(&c_, prompt.data(), prompt.size(), error); });
    }
    template <typename Write> Status step(Write &&write)
    {
        return Status::of([&](auto *error) {
            return picoformer_generator_step(&c_, detail::write<std::remove_reference_t<Write>>,
                                             detail::context(write), error);
        });
    }
    Status settle() noexcept
    {
        return Status::of([&](auto *error) { return picoformer_generator_settle(&c_, error); });
    }
    Status logits(Numbers &numbers) noexcept
    {
        return Status::of([&](auto *error) {
            return picoformer_generator_logits(&c_, &numbers.data, &numbers.size, error);
        });
    }
    template <typename Write> Status generate(std::string_view prompt, std::uint32_t max_tokens, Write &&write)
    {
        return Status::of([&](auto *error) {
            return picoformer_generate(&c_, prompt.data(), prompt.size(), max_tokens,
                                       detail::write<std::remove_reference_t<Write>>, detail::context(write),
                                       error);
        });
    }
};

class Scorer : public detail::Object<picoformer_scorer> {
public:
    Status init(const Model &model, void *arena, std::size_t bytes) noexcept
    {
        return Status::of([&](auto *e) { return picoformer_scorer_init(&c_, model.c(), arena, bytes, e); });
    }
    Status score(std::string_view text, std::int64_t &log_probability, std::size_t &tokens) noexcept
    {
        return Status::of([&](auto *error) {
            return picoformer_score(&c_, text.data(), text.size(), &log_probability, &tokens, error);
        });
    }
    Status begin(std::string_view text) noexcept
    {
        return Status::of(
            [&](auto *error) { return picoformer_scorer_begin(&c_, text.data(), text.size(), error); });
    }
    Status step() noexcept
    {
        return Status::of([&](auto *error) { return picoformer_scorer_step(&c_, error); });
    }
    Status result(std::int64_t &log_probability, std::size_t &tokens) noexcept
    {
        return Status::of(
            [&](auto *error) { return picoformer_scorer_result(&c_, &log_probability, &tokens, error); });
    }
};

class Translator : public detail::Object<picoformer_translator> {
public:
    Status init(const Model &model, void *arena, std::size_t bytes) noexcept
    {
        return Status::of([&](auto *e) { return picoformer_translator_init(&c_, model.c(), arena, bytes, e); });
    }
    Status begin(std::string_view text) noexcept
    {
        return Status::of(
            [&](auto *error) { return picoformer_translator_begin(&c_, text.data(), text.size(), error); });
    }
    Status step() noexcept
    {
        return Status::of([&](auto *error) { return picoformer_translator_step(&c_, error); });
    }
    template <typename Write> Status write(Write &&write, picoformer_translation *found = nullptr)
    {
        return Status::of([&](auto *error) {
            return picoformer_translator_write(&c_, detail::write<std::remove_reference_t<Write>>,
                                               detail::context(write), found, error);
        });
    }
    template <typename Write>
    Status translate(std::string_view text, Write &&write, picoformer_translation *found = nullptr)
    {
        return Status::of([&](auto *error) {
            return picoformer_translate(&c_, text.data(), text.size(),
                                        detail::write<std::remove_reference_t<Write>>, detail::context(write),
                                        found, error);
        });
    }
};

class Encoder : public detail::Object<picoformer_encoder> {
public:
    Status init(const Model &model, void *arena, std::size_t bytes) noexcept
    {
        return Status::of([&](auto *e) { return picoformer_encoder_init(&c_, model.c(), arena, bytes, e); });
    }
    Status begin(const std::uint32_t *tokens, std::size_t n) noexcept
    {
        return Status::of([&](auto *error) { return picoformer_encoder_begin_tokens(&c_, tokens, n, error); });
    }
    Status begin(const std::int16_t *features, std::size_t n) noexcept
    {
        return Status::of([&](auto *error) { return picoformer_encoder_begin_frames(&c_, features, n, error); });
    }
    Status step() noexcept
    {
        return Status::of([&](auto *error) { return picoformer_encoder_step(&c_, error); });
    }
    Status outputs(Numbers &numbers) noexcept
    {
        return Status::of([&](auto *error) {
            return picoformer_encoder_outputs(&c_, &numbers.data, &numbers.size, error);
        });
    }
};

// A listener or a classifier of motions.
#define PICOFORMER_STREAM(Name, prefix) \
    class Name : public detail::Object<prefix> { \
    public: \
        Status init(const Model &model, void *arena, std::size_t bytes) noexcept \
        { \
            return Status::of([&](auto *error) { return prefix##_init(&c_, model.c(), arena, bytes, error); }); \
        } \
        Status push(const std::int16_t *values, std::size_t n, Detection &found) noexcept \
        { \
            return Status::of([&](auto *error) { \
                picoformer_detection c{}; \
                const auto code = prefix##_push(&c_, values, n, &c, error); \
                if (code == PICOFORMER_EVENT) { \
                    found = {{c.name, c.name_bytes}, c.label, c.confidence, c.end}; \
                } \
                return code; \
            }); \
        } \
        Status feed(const std::int16_t *values, std::size_t n) noexcept \
        { \
            return Status::of([&](auto *error) { return prefix##_feed(&c_, values, n, error); }); \
        } \
        Status classify(Answer &answer) noexcept \
        { \
            return Status::of([&](auto *error) { \
                picoformer_answer c{}; \
                const auto code = prefix##_classify(&c_, &c, error); \
                answer = code < 0 ? Answer() : Answer(c); \
                return code; \
            }); \
        } \
        Status limit(std::size_t &values) noexcept \
        { \
            return Status::of([&](auto *error) { return prefix##_limit(&c_, &values, error); }); \
        } \
        Status spread() noexcept \
        { \
            return Status::of([&](auto *error) { return prefix##_spread(&c_, error); }); \
        } \
        Status reset() noexcept \
        { \
            return Status::of([&](auto *error) { return prefix##_reset(&c_, error); }); \
        } \
    }

PICOFORMER_STREAM(Listener, picoformer_listener);
PICOFORMER_STREAM(Motion, picoformer_motion);
#undef PICOFORMER_STREAM

} // namespace picoformer

#endif
