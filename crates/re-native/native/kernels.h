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

// Some rows of a matrix.
struct Range {
    size_t start, end;
    size_t length() const { return end - start; }
};

struct Heads {
    size_t heads;
    size_t width;
    const float* bias[3];  // of queries, keys and values
    float factor;          // of scores
};

// What scores get from the distance d of key and query, the former minus the latter. No row of tokens is longer than
// `reach`. Null for what there is not.
struct Distances {
    const float* bias;     // by head and distance: d at column reach - 1 + d of 2 * reach - 1
    const float* keys;     // distances as keys, which queries are scored with: [.., heads * width]
    const float* queries;  // distances as queries, which keys are scored with: [.., heads * width]
    const int32_t* row_of;  // of d in the latter two, at reach - 1 + d; never rising
    size_t reach;
    const int64_t* query_positions;  // of the queries among all tokens, where those are not all
};

// Gradients of the bias, for the distances in one row of tokens alone, and of the distances as keys and as queries.
struct DistanceGradients {
    float *bias, *keys, *queries;
};

// Matrices of queries, keys and values: each [.., heads * width] with `stride` values from row to row, biases not added.
template <class S>
struct Attended {
    S* values[3];
    size_t stride[3];
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

    // Attention of one head in one row: from the rows `queries` to the rows `keys`. `out` and `log_sums` have a row for
    // each query; the latter gets the logarithm of each softmax's denominator.
    void (*attend)(Attended<const S>, Heads, const Distances&, size_t head, Range queries, Range keys, Dropout, S* out,
                   float* log_sums);

    // The gradients of queries, keys and values in their places in `gradients`, from the gradient of `out`. Adds those of
    // what distances give; that of the bias has the columns for distances in this row alone: 2 * keys.length() - 1.
    void (*attend_backward)(Attended<const S>, Heads, const Distances&, size_t head, Range queries, Range keys, Dropout,
                            const float* log_sums, const S* gradient, Attended<S> gradients, DistanceGradients);

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
