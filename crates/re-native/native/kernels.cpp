// Compiled once for each kind of processor, in a namespace of its own.
#include "kernels.h"

#include <vector>

#include "attention.h"
#include "values.h"

namespace re::RE_PROCESSOR {
namespace {

template <class S>
void narrow(const float* in, S* out, size_t count) {
    for (size_t i = 0; i < count; ++i) out[i] = store<S>(in[i]);
}

template <Activation A, class S>
void activate_as(const S* in, const float* bias, S* out, size_t first, size_t last, size_t width) {
    for (size_t row = first; row < last; ++row) {
        const S* from = in + row * width;
        S* to = out + row * width;
        for (size_t i = 0; i < width; ++i) to[i] = store<S>(curve<A>(load(from[i]) + bias[i]).value);
    }
}

template <Activation A, class S>
void activate_backward_as(const S* in, const float* bias, S* gradient, S* out, float* bias_gradient, size_t first,
                          size_t last, size_t width) {
    for (size_t row = first; row < last; ++row) {
        const S* from = in + row * width;
        S* slope = gradient + row * width;
        S* to = out + row * width;
        for (size_t i = 0; i < width; ++i) {
            Curve at = curve<A>(load(from[i]) + bias[i]);
            float change = load(slope[i]) * at.slope;
            to[i] = store<S>(at.value);
            slope[i] = store<S>(change);
            bias_gradient[i] += change;
        }
    }
}

template <class S>
void activate(Activation activation, const S* in, const float* bias, S* out, size_t first, size_t last, size_t width) {
    switch (activation) {
        case Activation::gelu: return activate_as<Activation::gelu>(in, bias, out, first, last, width);
        case Activation::gelu_tanh: return activate_as<Activation::gelu_tanh>(in, bias, out, first, last, width);
        case Activation::relu: return activate_as<Activation::relu>(in, bias, out, first, last, width);
        case Activation::silu: return activate_as<Activation::silu>(in, bias, out, first, last, width);
        case Activation::tanh: return activate_as<Activation::tanh>(in, bias, out, first, last, width);
    }
}

template <class S>
void activate_backward(Activation activation, const S* in, const float* bias, S* gradient, S* out, float* sums,
                       size_t first, size_t last, size_t width) {
    switch (activation) {
        case Activation::gelu:
            return activate_backward_as<Activation::gelu>(in, bias, gradient, out, sums, first, last, width);
        case Activation::gelu_tanh:
            return activate_backward_as<Activation::gelu_tanh>(in, bias, gradient, out, sums, first, last, width);
        case Activation::relu:
            return activate_backward_as<Activation::relu>(in, bias, gradient, out, sums, first, last, width);
        case Activation::silu:
            return activate_backward_as<Activation::silu>(in, bias, gradient, out, sums, first, last, width);
        case Activation::tanh:
            return activate_backward_as<Activation::tanh>(in, bias, gradient, out, sums, first, last, width);
    }
}

template <class S>
void add_norm(S* in, const float* bias, const S* residual, Dropout dropout, const float* weight, const float* shift,
              double eps, S* out, float* mean, float* scale, size_t first, size_t last, size_t width) {
    Mask mask(dropout, width);
    std::vector<float> values(width), factors(mask.places(), 1.0f);
    for (size_t row = first; row < last; ++row) {
        S* sum = in + row * width;
        const S* beside = residual + row * width;
        S* to = out + row * width;
        if (mask.active()) mask.fill(row, factors.data());
        float total = 0.0f;
        for (size_t i = 0; i < width; ++i) {
            // As it is stored, so that the backward pass sees the same.
            S kept = store<S>((load(sum[i]) + bias[i]) * factors[i] + load(beside[i]));
            sum[i] = kept;
            values[i] = load(kept);
            total += values[i];
        }
        float average = total / float(width), spread = 0.0f;
        for (size_t i = 0; i < width; ++i) spread += (values[i] - average) * (values[i] - average);
        float inverse = float(1.0 / std::sqrt(double(spread) / double(width) + eps));
        for (size_t i = 0; i < width; ++i) {
            to[i] = store<S>((values[i] - average) * inverse * weight[i] + shift[i]);
        }
        mean[row] = average;
        scale[row] = inverse;
    }
}

template <class S>
void add_norm_backward(const S* sum, const float* mean, const float* scale, const float* weight, Dropout dropout,
                       S* gradient, S* in_gradient, float* sums, size_t first, size_t last, size_t width) {
    Mask mask(dropout, width);
    std::vector<float> centred(width), change(width), factors(mask.places(), 1.0f);
    float *of_weight = sums, *of_shift = sums + width, *of_bias = sums + 2 * width;
    for (size_t row = first; row < last; ++row) {
        const S* from = sum + row * width;
        S* slope = gradient + row * width;
        S* of_in = in_gradient + row * width;
        if (mask.active()) mask.fill(row, factors.data());
        float total = 0.0f, dot = 0.0f;
        for (size_t i = 0; i < width; ++i) {
            centred[i] = (load(from[i]) - mean[row]) * scale[row];
            float out = load(slope[i]);
            change[i] = out * weight[i];
            total += change[i];
            dot += change[i] * centred[i];
            of_weight[i] += out * centred[i];
            of_shift[i] += out;
        }
        total /= float(width);
        dot /= float(width);
        for (size_t i = 0; i < width; ++i) {
            float back = scale[row] * (change[i] - total - centred[i] * dot);
            slope[i] = store<S>(back);
            back *= factors[i];
            of_in[i] = store<S>(back);
            of_bias[i] += back;
        }
    }
}

template <class S>
void column_sums(const S* in, float* sums, size_t first, size_t last, size_t width) {
    for (size_t row = first; row < last; ++row) {
        const S* from = in + row * width;
        for (size_t i = 0; i < width; ++i) sums[i] += load(from[i]);
    }
}

template <class S>
constexpr Kernels<S> all() {
    return {narrow<S>,        activate<S>, activate_backward<S>, add_norm<S>,   add_norm_backward<S>,
            attend<S>, attend_backward<S>, column_sums<S>};
}

}  // namespace

extern const Kernels<float> of_float;
extern const Kernels<bf16> of_bf16;
const Kernels<float> of_float = all<float>();
const Kernels<bf16> of_bf16 = all<bf16>();

}  // namespace re::RE_PROCESSOR
