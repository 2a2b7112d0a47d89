// Products with many rows, whose weights oneDNN lays out in its own order first; `at::mm` works on the rows as they are.
#pragma once
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

extern "C" const int64_t re_native_packed_rows;

namespace re {

inline bool can_pack(const at::Tensor& x) {
#ifdef RE_X86
    // What libtorch asks for before it gives oneDNN bfloat16.
    static const bool packs_bf16 = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                                   __builtin_cpu_supports("avx512dq");
    return x.size(0) >= re_native_packed_rows && at::globalContext().userEnabledMkldnn() &&
           (x.scalar_type() == at::kFloat || packs_bf16);
#else
    return false;
#endif
}

// x wᵀ, without gradients: `x` is [rows, in], `w` [out, in].
inline at::Tensor product(const at::Tensor& x, const at::Tensor& w) {
    auto operation = [](const char* name) { return c10::Dispatcher::singleton().findSchema({name, ""}); };
    static const auto pack = operation("mkldnn::_reorder_linear_weight");
    static const auto multiply = operation("mkldnn::_linear_pointwise");
    if (!pack || !multiply || !can_pack(x)) return at::mm(x, w.t());
    torch::jit::Stack stack = {w, x.size(0)};
    pack->callBoxed(stack);
    c10::IValue packed = torch::jit::pop(stack), none;
    stack = {x, packed, none, "none", c10::List<std::optional<at::Scalar>>(), none};
    multiply->callBoxed(stack);
    return torch::jit::pop(stack).toTensor();
}

}  // namespace re
