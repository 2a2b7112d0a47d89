// What Rust calls, and what it gives.
#pragma once
#include <ATen/ATen.h>

#include <optional>

#include "kernels.h"

namespace re {

struct Settings {
    int64_t heads;
    double eps;
    Activation activation;
    double attention_dropout;
    double hidden_dropout;
    uint64_t seed;
};

// Rows laid end to end, and the tokens whose results are asked for where those are not all, in their order.
struct Rows {
    std::vector<int64_t> starts;
    std::optional<std::vector<int64_t>> asked;
};

at::Tensor encoder_layer(const at::Tensor& x, const std::vector<at::Tensor>& parameters, const Settings& settings,
                         const Rows& rows);

}  // namespace re

extern "C" {
// Runs body(context, task) for every task below `tasks`, several at a time: Rust's threads.
void re_native_parallel(size_t tasks, void (*body)(void*, size_t), void* context);
// Lets go of the memory behind a tensor.
void re_native_release(void* owner);
}

namespace re {

template <class F>
void parallel(size_t tasks, F body) {
    re_native_parallel(tasks, [](void* context, size_t task) { (*static_cast<F*>(context))(task); }, &body);
}

}  // namespace re
