// Terms of attention scores with a query or a key on one side and their distance on the other (He et al. 2021).
#pragma once
#include <vector>

#include "products.h"
#include "values.h"

namespace re::RE_PROCESSOR {

// These terms for one head in one row of `length` tokens. Those of the queries are made for a few at a time.
class DistanceTerms {
public:
    // `keys` are the row's, [length, padded(width)].
    DistanceTerms(const Distances& distances, Heads heads, size_t head, size_t length, const float* keys, size_t queries)
        : width_(heads.width), length_(length), factor_(heads.factor), keys_(keys) {
        if (distances.keys == nullptr && distances.queries == nullptr) return;
        const int32_t* nearest = distances.row_of + distances.reach - 1;
        first_ = nearest[length - 1];
        rows_ = nearest[1 - ptrdiff_t(length)] - first_ + 1;
        places_ = padded(rows_);
        row_of_.resize(2 * length - 1);
        for (size_t at = 0; at < row_of_.size(); ++at) {
            row_of_[at] = nearest[ptrdiff_t(at) - ptrdiff_t(length - 1)] - int32_t(first_);
        }
        size_t stride = heads.heads * width_, at = first_ * stride + head * width_;
        if (distances.keys != nullptr) {
            as_keys_ = read(distances.keys + at, stride, 1.0f);
            key_columns_ = columns(as_keys_);
            of_queries_.resize(queries * places_);
        }
        if (distances.queries != nullptr) {
            as_queries_ = read(distances.queries + at, stride, factor_);
            std::vector<float> query_columns = columns(as_queries_);
            of_keys_.resize(length * places_);
            product(length, places_, width_, keys_, padded(width_), 1, query_columns.data(), places_, of_keys_.data(),
                    places_, false);
        }
    }

    bool any() const { return rows_ > 0; }

    // Makes the terms of `count` queries, [count, padded(width)].
    void begin(const float* queries, size_t count) {
        if (as_keys_.empty()) return;
        product(count, places_, width_, queries, padded(width_), 1, key_columns_.data(), places_, of_queries_.data(),
                places_, false);
    }

    // Adds the terms of query number `i` of those, which stands at `place` in the row, to its scores.
    void add(size_t i, size_t place, float* scores) const {
        const int32_t* rows = &row_of_[length_ - 1 - place];
        if (!as_keys_.empty()) gather(rows, &of_queries_[i * places_], scores, length_);
        if (!as_queries_.empty()) gather_diagonal(rows, of_keys_.data(), places_, scores, length_);
    }

    // Prepares for gradients.
    void begin_backward() {
        if (!as_keys_.empty()) {
            query_changes_.resize(of_queries_.size());
            keys_gradient_.resize(rows_ * padded(width_));
        }
        if (!as_queries_.empty()) key_changes_.resize(of_keys_.size());
    }

    // Takes the gradient of the scores of query number `i`.
    void take(size_t i, size_t place, const float* changes) {
        const int32_t* rows = &row_of_[length_ - 1 - place];
        if (!as_keys_.empty()) {
            float* to = &query_changes_[i * places_];
            for (size_t k = 0; k < places_; ++k) to[k] = 0.0f;
            for (size_t j = 0; j < length_; ++j) to[rows[j]] += changes[j];
        }
        if (!as_queries_.empty()) {
            float* to = key_changes_.data();
            for (size_t j = 0; j < length_; ++j, to += places_) to[rows[j]] += changes[j];
        }
    }

    // Adds what `count` queries get from their terms to their gradient, [count, padded(width)].
    void end(const float* queries, size_t count, float* queries_gradient) {
        if (as_keys_.empty()) return;
        size_t width = padded(width_);
        product(count, width, rows_, query_changes_.data(), places_, 1, as_keys_.data(), width, queries_gradient, width,
                true);
        product(rows_, width, count, query_changes_.data(), 1, places_, queries, width, keys_gradient_.data(), width,
                true);
    }

    // Adds what the keys get from their terms to their gradient, [length, padded(width)], and what the distances get to
    // theirs.
    void end_backward(float* keys_gradient, Heads heads, size_t head, const DistanceGradients& gradients) const {
        size_t width = padded(width_), stride = heads.heads * width_, at = first_ * stride + head * width_;
        if (!as_keys_.empty()) write(keys_gradient_, 1.0f, gradients.keys + at, stride);
        if (as_queries_.empty()) return;
        product(length_, width, rows_, key_changes_.data(), places_, 1, as_queries_.data(), width, keys_gradient, width,
                true);
        std::vector<float> queries_gradient(rows_ * width);
        product(rows_, width, length_, key_changes_.data(), 1, places_, keys_, width, queries_gradient.data(), width,
                false);
        write(queries_gradient, factor_, gradients.queries + at, stride);
    }

private:
    static void gather(const int32_t* rows, const float* __restrict values, float* __restrict scores, size_t count) {
        for (size_t j = 0; j < count; ++j) scores[j] += values[rows[j]];
    }

    static void gather_diagonal(const int32_t* rows, const float* __restrict values, size_t stride,
                                float* __restrict scores, size_t count) {
        for (size_t j = 0; j < count; ++j) scores[j] += values[j * stride + rows[j]];
    }

    std::vector<float> read(const float* from, size_t stride, float factor) const {
        size_t width = padded(width_);
        std::vector<float> out(rows_ * width);
        for (size_t i = 0; i < rows_; ++i) {
            for (size_t c = 0; c < width_; ++c) out[i * width + c] = from[i * stride + c] * factor;
        }
        return out;
    }

    std::vector<float> columns(const std::vector<float>& rows) const {
        std::vector<float> out(padded(width_) * places_);
        transpose(rows.data(), rows_, width_, out.data());
        return out;
    }

    void write(const std::vector<float>& rows, float factor, float* to, size_t stride) const {
        size_t width = padded(width_);
        for (size_t i = 0; i < rows_; ++i) {
            for (size_t c = 0; c < width_; ++c) to[i * stride + c] += rows[i * width + c] * factor;
        }
    }

    size_t width_, length_;
    float factor_;
    const float* keys_;
    // Rows of the tables from `first_` on are those of the distances in this row of tokens.
    size_t first_ = 0, rows_ = 0, places_ = 0;
    std::vector<int32_t> row_of_;  // of distances, key minus query, from 1 - length on; counted from `first_`
    std::vector<float> as_keys_, key_columns_, as_queries_, of_queries_, of_keys_;
    std::vector<float> query_changes_, key_changes_, keys_gradient_;
};

}  // namespace re::RE_PROCESSOR
