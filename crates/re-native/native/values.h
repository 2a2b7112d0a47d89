// Values as they are stored, and the functions of them that the compiler turns into vector instructions.
#pragma once
#include <cmath>
#include <cstring>

#include "kernels.h"

namespace re::RE_PROCESSOR {

inline float load(float value) { return value; }

inline float load(bf16 value) {
    uint32_t bits = uint32_t(value.bits) << 16;
    float out;
    std::memcpy(&out, &bits, 4);
    return out;
}

template <class S>
inline S store(float value);

template <>
inline float store<float>(float value) { return value; }

// To nearest, ties to even.
template <>
inline bf16 store<bf16>(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    bits += 0x7fff + ((bits >> 16) & 1);
    return {uint16_t(bits >> 16)};
}

// e^x to about one unit in the last place; 0 and infinity are approached, never reached.
inline float exponential(float x) {
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float n = __builtin_rintf(x * 1.44269504f);
    float r = x - n * 0.693147181f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    float e = p * r * r + r + 1.0f;
    uint32_t bits = uint32_t(int32_t(n) + 127) << 23;
    float power;
    std::memcpy(&power, &bits, 4);
    return e * power;
}

// A value and its derivative.
struct Curve {
    float value;
    float slope;
};

// Hyperbolic tangent to an absolute error of 1e-7.
inline float tangent(float x) { return 1.0f - 2.0f / (exponential(2.0f * x) + 1.0f); }

template <Activation>
inline Curve curve(float x);

// x times the normal distribution function, by Abramowitz and Stegun's 7.1.26: absolute error below 1e-7.
template <>
inline Curve curve<Activation::gelu>(float x) {
    float z = (x < 0.0f ? -x : x) * 0.707106781f;
    float t = 1.0f / (1.0f + 0.3275911f * z);
    float p = ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t;
    float bell = exponential(-z * z);
    float tail = 0.5f * p * bell;
    float below = x < 0.0f ? tail : 1.0f - tail;
    return {x * below, below + x * 0.398942280f * bell};
}

template <>
inline Curve curve<Activation::gelu_tanh>(float x) {
    float t = tangent(0.797884561f * (x + 0.044715f * x * x * x));
    float inner = 0.797884561f * (1.0f + 0.134145f * x * x);
    return {0.5f * x * (1.0f + t), 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * inner};
}

template <>
inline Curve curve<Activation::relu>(float x) {
    return {x > 0.0f ? x : (x != x ? x : 0.0f), x > 0.0f ? 1.0f : 0.0f};
}

template <>
inline Curve curve<Activation::silu>(float x) {
    float s = 1.0f / (1.0f + exponential(-x));
    return {x * s, s * (1.0f + x * (1.0f - s))};
}

template <>
inline Curve curve<Activation::tanh>(float x) {
    float t = std::tanh(x);
    return {t, 1.0f - t * t};
}

// The factors of dropout for the values of one row of a matrix.
class Mask {
public:
    Mask(Dropout dropout, size_t width)
        : half_((width + 1) / 2),
          low_(uint32_t(dropout.seed)),
          high_(uint32_t(dropout.seed >> 32)),
          below_(uint32_t(std::lround(dropout.rate * 65536.0))),
          kept_(float(1.0 / (1.0 - dropout.rate))) {}

    bool active() const { return below_ != 0; }

    // Fills factors[0 .. width] (an even number of places) for row `row`: 0, or 1 / (1 - rate).
    void fill(size_t row, float* factors) const {
        uint32_t first = uint32_t(row * half_);
        for (size_t i = 0; i < half_; ++i) {
            uint32_t bits = scramble(((first + uint32_t(i)) * 0x9e3779b9u + low_) ^ high_);
            factors[i] = (bits & 0xffff) < below_ ? 0.0f : kept_;
            factors[half_ + i] = (bits >> 16) < below_ ? 0.0f : kept_;
        }
    }

    size_t places() const { return 2 * half_; }

private:
    // A bijection of 32 bits whose outputs show no pattern of the inputs (Wellons 2018, "lowbias32").
    static uint32_t scramble(uint32_t x) {
        x ^= x >> 16;
        x *= 0x7feb352du;
        x ^= x >> 15;
        x *= 0x846ca68bu;
        return x ^ (x >> 16);
    }

    size_t half_;
    uint32_t low_, high_, below_;
    float kept_;
};

}  // namespace re::RE_PROCESSOR
