// What Rust calls, and what it gives.
#pragma once
#include <ATen/ATen.h>

#include <array>
#include <exception>
#include <mutex>
#include <optional>

#include "kernels.h"

namespace re {

// As Rust lays it out.
struct Settings {
    int64_t heads;
    double eps;
    Activation activation;
    double attention_dropout;
    double hidden_dropout;
    uint64_t seed;
    int64_t score_terms;
};
static_assert(sizeof(Settings) == 56);

// What scores get from the distance of key and query, as Rust lays it out: see `Distances`. Null for what there is not.
struct GivenDistances {
    const at::Tensor *bias, *keys, *queries;
    const int64_t* row_of;
    size_t row_count;
};

// The same; undefined is what there is not.
struct DistanceTensors {
    at::Tensor bias, keys, queries;
    std::vector<int32_t> row_of;

    bool any_rows() const { return keys.defined() || queries.defined(); }

    // All of them, in an order of their own.
    std::array<at::Tensor*, 3> all() { return {&bias, &keys, &queries}; }
    std::array<const at::Tensor*, 3> all() const { return {&bias, &keys, &queries}; }
};

// Rows laid end to end, and the tokens whose results are wanted where those are not all, in their order.
struct Rows {
    std::vector<int64_t> starts;
    std::optional<std::vector<int64_t>> query_positions;
};

// A layer's matrices as its products read them: queries, keys and values joined, attention output, intermediate, output.
// Undefined where the parameter itself serves.
using Weights = std::array<at::Tensor, 4>;

// Those of the last forward pass, for the next one with the same parameters.
class PreparedWeights {
public:
    // Whether these were made of `parameters`, which have not changed since.
    bool are_of(const std::vector<at::Tensor>& parameters, at::ScalarType kind) const;
    void set(const std::vector<at::Tensor>& parameters, at::ScalarType kind, const Weights& weights);
    const Weights& weights() const { return weights_; }

private:
    struct Origin {
        const void* values;
        uint32_t version;
    };
    at::ScalarType kind_ = at::kFloat;
    Weights weights_;
    std::vector<Origin> origins_;
};

// Chooses the kernels of a kind of processor (generic, AVX2, AVX-512); false where this one has none of them.
bool use_kernels(int number);

// Whether the values of a tensor stand side by side in main memory, in the order of its indices, all of them as they are.
bool is_plain(const at::Tensor& tensor);

// Without gradients, `prepared` (which may be null) saves the weights' preparation.
at::Tensor encoder_layer(const at::Tensor& x, const std::vector<at::Tensor>& parameters,
                         const DistanceTensors& distances, const Settings& settings, const Rows& rows,
                         PreparedWeights* prepared);

}  // namespace re

extern "C" {
// Runs body(context, task) for every task below `tasks`, several at a time: Rust's threads. The body must not throw.
void re_native_parallel(size_t tasks, void (*body)(void*, size_t), void* context);
// Lets go of the memory behind a tensor.
void re_native_release(void* owner);
}

namespace re {

// Runs body(task) for every task below `tasks`. Between the body and this function lie frames of Rust, which an
// exception must not cross: the first one waits here until the loop is over.
template <class F>
void parallel(size_t tasks, F body) {
    struct Loop {
        F& body;
        std::mutex mutex;
        std::exception_ptr thrown;
    } loop{body, {}, nullptr};
    auto one = [](void* context, size_t task) noexcept {
        Loop& loop = *static_cast<Loop*>(context);
        try {
            loop.body(task);
        } catch (...) {
            std::lock_guard<std::mutex> guard(loop.mutex);
            if (!loop.thrown) loop.thrown = std::current_exception();
        }
    };
    re_native_parallel(tasks, one, &loop);
    if (loop.thrown) std::rethrow_exception(loop.thrown);
}

}  // namespace re
