// Products with many rows, whose weights oneDNN lays out in its own order first; `at::mm` works on the rows as they are.
#pragma once
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

extern "C" const int64_t re_native_packed_rows;

namespace re {

// x wᵀ with the weights laid out anew. Throws where libtorch has no such product for this processor.
inline at::Tensor packed_product(const at::Tensor& x, const at::Tensor& w) {
    auto operation = [](const char* name) { return c10::Dispatcher::singleton().findSchemaOrThrow(name, ""); };
    static const auto pack = operation("mkldnn::_reorder_linear_weight");
    static const auto multiply = operation("mkldnn::_linear_pointwise");
    torch::jit::Stack stack = {w, x.size(0)};
    pack.callBoxed(stack);
    c10::IValue packed = torch::jit::pop(stack), none;
    stack = {x, packed, none, "none", c10::List<std::optional<at::Scalar>>(), none};
    multiply.callBoxed(stack);
    return torch::jit::pop(stack).toTensor();
}

// Whether that product works here: libtorch's own conditions differ with the processor, its build and the environment.
inline bool packs(at::ScalarType kind) {
#ifdef RE_X86
    auto works = [](at::ScalarType kind) {
        try {
            packed_product(at::ones({1, 1}, kind), at::ones({1, 1}, kind));
            return true;
        } catch (const std::exception&) {
            return false;
        }
    };
    static const bool of_float = works(at::kFloat), of_bf16 = works(at::kBFloat16);
    return at::globalContext().userEnabledMkldnn() && (kind == at::kFloat ? of_float : of_bf16);
#else
    return false;
#endif
}

// x wᵀ, without gradients: `x` is [rows, in], `w` [out, in].
inline at::Tensor product(const at::Tensor& x, const at::Tensor& w) {
    if (x.size(0) < re_native_packed_rows || !packs(x.scalar_type())) return at::mm(x, w.t());
    return packed_product(x, w);
}

}  // namespace re
