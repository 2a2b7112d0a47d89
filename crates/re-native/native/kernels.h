// The loops of an encoder layer that are not matrix products. All matrices are row-major and contiguous.
#pragma once
#include <cstddef>
#include <cstdint>

namespace re {

// The upper half of a 32-bit float.
struct bf16 {
    uint16_t bits;
};

enum class Activation : int { gelu = 0, gelu_tanh = 1, relu = 2, silu = 3, tanh = 4 };

// Dropout whose mask follows from `seed` and the position of a value alone, so that nothing has to be kept of it.
struct Dropout {
    uint64_t seed;
    double rate;  // 0 for none
};

// The rows of a batch laid end to end: row r has tokens starts[r] .. starts[r + 1].
struct Rows {
    const int64_t* starts;
    size_t count;
};

// Queries, keys and values of all tokens side by side: [tokens, 3 * heads * width], biases not added yet.
struct Heads {
    size_t heads;
    size_t width;
    const float* bias[3];
};

// Kernels for values stored as S, computing in 32-bit floats. `first` and `last` bound the matrix rows (or tasks) that
// one call works on, so that calls can run at the same time.
template <class S>
struct Kernels {
    // out = S(in), `count` values.
    void (*narrow)(const float* in, S* out, size_t count);

    // out = activation(in + bias), row by row.
    void (*activate)(Activation, const S* in, const float* bias, S* out, size_t first, size_t last, size_t width);

    // From in, bias and the gradient of `activate`'s result: its result again, and the gradient of `in`, in place of
    // the former. Adds the column sums of that gradient to `bias_gradient`.
    void (*activate_backward)(Activation, const S* in, const float* bias, S* gradient, S* out, float* bias_gradient,
                              size_t first, size_t last, size_t width);

    // sum = dropout(in + bias) + residual, in place of `in`; out = LayerNorm(sum) with its mean and 1 / deviation.
    void (*add_norm)(S* in, const float* bias, const S* residual, Dropout, const float* weight, const float* shift,
                     double eps, S* out, float* mean, float* scale, size_t first, size_t last, size_t width);

    // From `sum` and the gradient of `out`: the gradients of `residual` (in place of the former) and of `in`. Adds
    // those of weight, shift and bias to `sums`, [3, width].
    void (*add_norm_backward)(const S* sum, const float* mean, const float* scale, const float* weight, Dropout,
                              S* gradient, S* in_gradient, float* sums, size_t first, size_t last, size_t width);

    // Attention of one head in one row; `log_sums` gets the logarithm of each softmax's denominator, [tokens].
    void (*attend)(const S* qkv, Heads, size_t head, size_t start, size_t end, Dropout, S* out, float* log_sums);

    // The gradient of `qkv` in its place in `qkv_gradient`, from the gradient of `out`.
    void (*attend_backward)(const S* qkv, Heads, size_t head, size_t start, size_t end, Dropout, const float* log_sums,
                            const S* gradient, S* qkv_gradient);

    // Adds the sums of columns over rows first .. last to `sums`.
    void (*column_sums)(const S* in, float* sums, size_t first, size_t last, size_t width);
};

#define RE_KERNELS(processor)             \
    namespace processor {                 \
    extern const Kernels<float> of_float; \
    extern const Kernels<bf16> of_bf16;   \
    }
RE_KERNELS(generic)
RE_KERNELS(avx2)
RE_KERNELS(avx512)
#undef RE_KERNELS

}  // namespace re
