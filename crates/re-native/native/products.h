// Small matrix products, of a size that fits the cache: those of attention.
#pragma once
#include <cstddef>

namespace re::RE_PROCESSOR {

// As many floats as a register holds, at any address: the compiler keeps wider ones in memory.
#if defined(__AVX512F__)
constexpr size_t LANE = 16;
#elif defined(__AVX2__)
constexpr size_t LANE = 8;
#else
constexpr size_t LANE = 4;
#endif
typedef float Lane __attribute__((vector_size(LANE * 4), aligned(4)));

// Widths of right-hand sides and results are multiples of a lane.
inline size_t padded(size_t width) { return (width + LANE - 1) / LANE * LANE; }

// Sums that fit the registers beside what is added to them.
#ifdef __AVX512F__
constexpr size_t TILE_ROWS = 6, TILE_LANES = 4;
#else
constexpr size_t TILE_ROWS = 6, TILE_LANES = 2;
#endif

template <size_t ROWS, size_t LANES>
inline void tile(size_t depth, const float* a, size_t row_step, size_t step, const float* b, size_t b_stride, float* c,
                 size_t c_stride, bool add) {
    Lane sums[ROWS][LANES];
    for (size_t i = 0; i < ROWS; ++i) {
        for (size_t j = 0; j < LANES; ++j) {
            sums[i][j] = add ? *reinterpret_cast<const Lane*>(c + i * c_stride + j * LANE) : Lane{};
        }
    }
    for (size_t k = 0; k < depth; ++k) {
        Lane right[LANES];
        for (size_t j = 0; j < LANES; ++j) right[j] = *reinterpret_cast<const Lane*>(b + k * b_stride + j * LANE);
        for (size_t i = 0; i < ROWS; ++i) {
            float left = a[i * row_step + k * step];
            for (size_t j = 0; j < LANES; ++j) sums[i][j] += left * right[j];
        }
    }
    for (size_t i = 0; i < ROWS; ++i) {
        for (size_t j = 0; j < LANES; ++j) *reinterpret_cast<Lane*>(c + i * c_stride + j * LANE) = sums[i][j];
    }
}

template <size_t LANES>
inline void strip(size_t rows, size_t depth, const float* a, size_t row_step, size_t step, const float* b,
                  size_t b_stride, float* c, size_t c_stride, bool add) {
    size_t i = 0;
    for (; i + TILE_ROWS <= rows; i += TILE_ROWS) {
        tile<TILE_ROWS, LANES>(depth, a + i * row_step, row_step, step, b, b_stride, c + i * c_stride, c_stride, add);
    }
    for (; i < rows; ++i) {
        tile<1, LANES>(depth, a + i * row_step, row_step, step, b, b_stride, c + i * c_stride, c_stride, add);
    }
}

// As many lanes as one has places, as the columns of the matrix whose rows they were.
inline void transpose(Lane (&rows)[LANE]) {
#ifdef __clang__
    for (size_t i = 0; i < LANE; ++i) {
        for (size_t k = 0; k < i; ++k) {
            float value = rows[i][k];
            rows[i][k] = rows[k][i];
            rows[k][i] = value;
        }
    }
#else
    // Blocks of 8, 4, 2 and 1 change places, each pair of lanes in two instructions.
    typedef int Places __attribute__((vector_size(LANE * 4)));
#pragma GCC unroll 4
    for (int size = LANE / 2; size > 0; size /= 2) {
        Places upper, lower;
#pragma GCC unroll 16
        for (int k = 0; k < int(LANE); ++k) {
            upper[k] = (k & size) ? int(LANE) + k - size : k;
            lower[k] = (k & size) ? int(LANE) + k : k + size;
        }
#pragma GCC unroll 16
        for (int i = 0; i < int(LANE); ++i) {
            if (i & size) continue;
            Lane a = rows[i], b = rows[i + size];
            rows[i] = __builtin_shuffle(a, b, upper);
            rows[i + size] = __builtin_shuffle(a, b, lower);
        }
    }
#endif
}

// The largest of `count` values, a multiple of a lane.
inline float maximum(const float* values, size_t count) {
    Lane best = *reinterpret_cast<const Lane*>(values);
    for (size_t i = LANE; i < count; i += LANE) {
        Lane next = *reinterpret_cast<const Lane*>(values + i);
        best = next > best ? next : best;
    }
    float largest = best[0];
    for (size_t i = 1; i < LANE; ++i) largest = best[i] > largest ? best[i] : largest;
    return largest;
}

// The columns of `in`, [rows, padded(width)], as rows: [padded(width), padded(rows)], zero past the last row.
inline void transpose(const float* in, size_t rows, size_t width, float* out) {
    size_t places = padded(rows), stride = padded(width);
    for (size_t i = 0; i < places; i += LANE) {
        for (size_t c = 0; c < stride; c += LANE) {
            Lane block[LANE];
            for (size_t k = 0; k < LANE; ++k) {
                block[k] = i + k < rows ? *reinterpret_cast<const Lane*>(in + (i + k) * stride + c) : Lane{};
            }
            transpose(block);
            for (size_t k = 0; k < LANE; ++k) *reinterpret_cast<Lane*>(out + (c + k) * places + i) = block[k];
        }
    }
}

// c = a b, or c + a b with `add`: a is [rows, depth] with a(i, k) at a[i * row_step + k * step]; `columns` is a multiple
// of a lane.
inline void product(size_t rows, size_t columns, size_t depth, const float* a, size_t row_step, size_t step,
                    const float* b, size_t b_stride, float* c, size_t c_stride, bool add) {
    size_t j = 0;
    for (; j + TILE_LANES * LANE <= columns; j += TILE_LANES * LANE) {
        strip<TILE_LANES>(rows, depth, a, row_step, step, b + j, b_stride, c + j, c_stride, add);
    }
    for (; j + 2 * LANE <= columns; j += 2 * LANE) {
        strip<2>(rows, depth, a, row_step, step, b + j, b_stride, c + j, c_stride, add);
    }
    for (; j < columns; j += LANE) strip<1>(rows, depth, a, row_step, step, b + j, b_stride, c + j, c_stride, add);
}

}  // namespace re::RE_PROCESSOR
