// Attention of one head in one row of tokens, without padding and without a matrix of scores for the whole batch.
//
// The backward pass computes the weights again from the logarithms of the softmax's denominators (Dao et al. 2022).
#pragma once
#include <algorithm>
#include <vector>

#include "disentangled.h"
#include "products.h"
#include "values.h"

namespace re::RE_PROCESSOR {

// Queries that are worked on together: their scores stay in the cache.
constexpr size_t QUERIES = 64;

// One head's part of matrices, as 32-bit floats.
class HeadView {
public:
    HeadView(Heads heads, size_t head) : width(heads.width), heads_(heads), at_(head * heads.width) {}

    // Rows of queries (0), keys (1) or values (2) times `factor`: [length, padded(width)].
    template <class S>
    std::vector<float> rows(Attended<const S> from, int which, Range range, float factor) const {
        size_t places = padded(width);
        std::vector<float> out(range.length() * places);
        const float* bias = heads_.bias[which] + at_;
        for (size_t i = 0; i < range.length(); ++i) {
            const S* values = from.values[which] + (range.start + i) * from.stride[which] + at_;
            for (size_t c = 0; c < width; ++c) out[i * places + c] = (load(values[c]) + bias[c]) * factor;
        }
        return out;
    }

    // The same as columns: [padded(width), padded(length)].
    std::vector<float> columns(const std::vector<float>& rows, size_t length) const {
        std::vector<float> out(padded(width) * padded(length));
        transpose(rows.data(), length, width, out.data());
        return out;
    }

    // What `out` [.., heads * width] holds of this head: [length, padded(width)].
    template <class S>
    std::vector<float> of_result(const S* out, Range range) const {
        size_t places = padded(width);
        std::vector<float> values(range.length() * places);
        for (size_t i = 0; i < range.length(); ++i) {
            const S* from = out + (range.start + i) * heads_.heads * width + at_;
            for (size_t c = 0; c < width; ++c) values[i * places + c] = load(from[c]);
        }
        return values;
    }

    // Writes [count, padded(width)] to this head's part of a matrix of `stride` columns, from row `start` on.
    template <class S>
    void write(const float* rows, size_t count, float factor, S* out, size_t stride, size_t start) const {
        size_t places = padded(width);
        for (size_t i = 0; i < count; ++i) {
            S* to = out + (start + i) * stride + at_;
            for (size_t c = 0; c < width; ++c) to[c] = store<S>(rows[i * places + c] * factor);
        }
    }

    // Dropout with a mask of its own for this head in this row.
    Mask mask(Dropout dropout, Range keys) const {
        dropout.seed += (keys.start * heads_.heads + at_ / width + 1) * 0x9e3779b97f4a7c15u;
        return Mask(dropout, keys.length());
    }

    const size_t width;

private:
    Heads heads_;
    size_t at_;
};

// Where a query stands in its row.
inline size_t place_of(const Distances& distances, size_t query, Range keys) {
    const int64_t* positions = distances.query_positions;
    return (positions == nullptr ? query : size_t(positions[query])) - keys.start;
}

// Adds to the scores of a query the bias of its distances to the keys.
inline void add_bias(const Distances& distances, size_t head, size_t place, float* scores, size_t count) {
    const float* values = distances.bias + head * (2 * distances.reach - 1) + distances.reach - 1 - place;
    for (size_t j = 0; j < count; ++j) scores[j] += values[j];
}

template <class S>
void attend(Attended<const S> qkv, Heads heads, const Distances& distances, size_t head, Range queried, Range range,
            Dropout dropout, S* out, float* log_sums) {
    HeadView view(heads, head);
    size_t n = range.length(), places = padded(n), width = padded(view.width);
    std::vector<float> queries = view.rows(qkv, 0, queried, heads.factor), values = view.rows(qkv, 2, range, 1.0f);
    std::vector<float> key_rows = view.rows(qkv, 1, range, 1.0f), keys = view.columns(key_rows, n);
    DistanceTerms terms(distances, heads, head, n, key_rows.data(), QUERIES);
    std::vector<float> weights(QUERIES * places), result(QUERIES * width);
    Mask mask = view.mask(dropout, range);
    std::vector<float> factors(mask.places());
    for (size_t first = 0; first < queried.length(); first += QUERIES) {
        size_t count = std::min(queried.length() - first, QUERIES);
        product(count, places, view.width, &queries[first * width], width, 1, keys.data(), places, weights.data(),
                places, false);
        if (terms.any()) terms.begin(&queries[first * width], count);
        for (size_t i = 0; i < count; ++i) {
            float* row = &weights[i * places];
            size_t place = place_of(distances, queried.start + first + i, range);
            if (distances.bias != nullptr) add_bias(distances, head, place, row, n);
            if (terms.any()) terms.add(i, place, row);
            for (size_t j = n; j < places; ++j) row[j] = row[0];
            float largest = maximum(row, places), sum = 0.0f;
            for (size_t j = 0; j < n; ++j) {
                row[j] = exponential(row[j] - largest);
                sum += row[j];
            }
            float inverse = 1.0f / sum;
            if (mask.active()) {
                mask.fill(first + i, factors.data());
                for (size_t j = 0; j < n; ++j) row[j] *= inverse * factors[j];
            } else {
                for (size_t j = 0; j < n; ++j) row[j] *= inverse;
            }
            log_sums[queried.start + first + i] = largest + std::log(sum);
        }
        product(count, width, n, weights.data(), places, 1, values.data(), width, result.data(), width, false);
        view.write(result.data(), count, 1.0f, out, heads.heads * heads.width, queried.start + first);
    }
}

template <class S>
void attend_backward(Attended<const S> qkv, Heads heads, const Distances& distances, size_t head, Range queried,
                     Range range, Dropout dropout, const float* log_sums, const S* gradient, Attended<S> gradients,
                     DistanceGradients of_distances) {
    HeadView view(heads, head);
    size_t n = range.length(), places = padded(n), width = padded(view.width);
    std::vector<float> queries = view.rows(qkv, 0, queried, heads.factor), keys = view.rows(qkv, 1, range, 1.0f);
    DistanceTerms terms(distances, heads, head, n, keys.data(), QUERIES);
    if (terms.any()) terms.begin_backward();
    std::vector<float> key_columns = view.columns(keys, n);
    std::vector<float> value_columns = view.columns(view.rows(qkv, 2, range, 1.0f), n);
    std::vector<float> slopes = view.of_result(gradient, queried);
    std::vector<float> weights(QUERIES * places), changes(QUERIES * places), of_queries(QUERIES * width);
    std::vector<float> of_keys(n * width), of_values(n * width);
    Mask mask = view.mask(dropout, range);
    std::vector<float> factors(mask.places(), 1.0f);
    for (size_t first = 0; first < queried.length(); first += QUERIES) {
        size_t count = std::min(queried.length() - first, QUERIES);
        const float *query = &queries[first * width], *slope = &slopes[first * width];
        product(count, places, view.width, query, width, 1, key_columns.data(), places, weights.data(), places, false);
        product(count, places, view.width, slope, width, 1, value_columns.data(), places, changes.data(), places,
                false);
        if (terms.any()) terms.begin(query, count);
        for (size_t i = 0; i < count; ++i) {
            float *weight = &weights[i * places], *change = &changes[i * places];
            float log_sum = log_sums[queried.start + first + i], sum = 0.0f, mean = 0.0f;
            size_t place = place_of(distances, queried.start + first + i, range);
            if (distances.bias != nullptr) add_bias(distances, head, place, weight, n);
            if (terms.any()) terms.add(i, place, weight);
            if (mask.active()) mask.fill(first + i, factors.data());
            for (size_t j = 0; j < n; ++j) {
                float share = exponential(weight[j] - log_sum);
                float through = change[j] * factors[j];
                sum += share;
                mean += share * through;
                weight[j] = share;
                change[j] = through;
            }
            // The logarithm is rounded: where scores are large, the shares do not sum to 1, and what that adds to the
            // gradient of a score can be larger than the gradient.
            float inverse = 1.0f / sum;
            mean *= inverse;
            for (size_t j = 0; j < n; ++j) {
                float share = weight[j] * inverse;
                change[j] = share * (change[j] - mean);
                weight[j] = share * factors[j];
            }
            if (distances.bias != nullptr) {
                float* of_bias = of_distances.bias + n - 1 - place;
                for (size_t j = 0; j < n; ++j) of_bias[j] += change[j];
            }
            if (terms.any()) terms.take(i, place, change);
            for (size_t j = n; j < places; ++j) weight[j] = change[j] = 0.0f;
        }
        product(n, width, count, weights.data(), 1, places, slope, width, of_values.data(), width, first > 0);
        product(count, width, n, changes.data(), places, 1, keys.data(), width, of_queries.data(), width, false);
        product(n, width, count, changes.data(), 1, places, query, width, of_keys.data(), width, first > 0);
        if (terms.any()) terms.end(query, count, of_queries.data());
        view.write(of_queries.data(), count, heads.factor, gradients.values[0], gradients.stride[0],
                   queried.start + first);
    }
    if (terms.any()) terms.end_backward(of_keys.data(), heads, head, of_distances);
    view.write(of_keys.data(), n, 1.0f, gradients.values[1], gradients.stride[1], range.start);
    view.write(of_values.data(), n, 1.0f, gradients.values[2], gradients.stride[2], range.start);
}

}  // namespace re::RE_PROCESSOR
