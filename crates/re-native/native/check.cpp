// Whether what a layer is given fits: sizes and pointers come from outside.
#include "check.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace re {

using at::Tensor;

bool is_plain(const Tensor& tensor) {
    if (!tensor.defined() || tensor.layout() != at::kStrided || !tensor.device().is_cpu() || !tensor.is_contiguous() ||
        tensor.is_neg() || tensor._is_zerotensor() || !tensor.has_storage()) {
        return false;
    }
    // Storage can be made smaller than the tensors on it.
    return size_t(tensor.storage_offset() + tensor.numel()) * tensor.itemsize() <= tensor.storage().nbytes();
}

static void check_distances(const DistanceTensors& distances, int64_t hidden, int64_t heads, int64_t longest) {
    const Tensor& bias = distances.bias;
    TORCH_CHECK(!bias.defined() || (is_plain(bias) && bias.scalar_type() == at::kFloat && bias.dim() == 2 &&
                                    bias.size(0) == heads && bias.size(1) % 2 == 1 &&
                                    bias.size(1) >= 2 * longest - 1),
                "the bias must be a contiguous matrix of 32-bit floats on the CPU, with a row for each of ", heads,
                " heads and an odd number of columns, at least ", 2 * longest - 1);
    if (!distances.any_rows()) return;
    const std::vector<int32_t>& row_of = distances.row_of;
    TORCH_CHECK(row_of.size() % 2 == 1 && int64_t(row_of.size()) >= 2 * longest - 1 && row_of.back() >= 0 &&
                    std::is_sorted(row_of.rbegin(), row_of.rend()),
                "the rows of ", row_of.size(), " distances, expected an odd number of distances, at least ",
                2 * longest - 1, ", and rows that never rise");
    for (const Tensor& table : {distances.keys, distances.queries}) {
        TORCH_CHECK(!table.defined() || (is_plain(table) && table.scalar_type() == at::kFloat && table.dim() == 2 &&
                                         table.size(0) > row_of.front() && table.size(1) == hidden),
                    "distances as keys or queries must be a contiguous matrix of 32-bit floats on the CPU, with more than ",
                    row_of.front(), " rows and ", hidden, " columns");
    }
}

void check(const Tensor& x, const std::vector<Tensor>& parameters, const DistanceTensors& distances, const Settings& settings,
           const Rows& rows) {
    TORCH_CHECK(is_plain(x) && x.dim() == 2, "x must be a contiguous matrix on the CPU");
    TORCH_CHECK(parameters.size() == PARAMETERS && parameters[IW].dim() == 2, "parameter ", int(IW),
                " of the layer must be a matrix");
    int64_t hidden = x.size(1), inner = parameters[IW].size(0);
    TORCH_CHECK(hidden > 0 && inner > 0, "a layer of ", hidden, " and ", inner, " columns, expected at least 1");
    TORCH_CHECK(settings.heads > 0 && hidden % settings.heads == 0, hidden, " columns cannot be divided among ",
                settings.heads, " heads");
    for (double rate : {settings.attention_dropout, settings.hidden_dropout}) {
        TORCH_CHECK(rate >= 0.0 && rate < 1.0, "a rate of dropout of ", rate,
                    ", expected one from 0 up to, not including, 1");
    }
    TORCH_CHECK(settings.eps >= 0.0 && std::isfinite(settings.eps), "eps of ", settings.eps,
                ", expected a number from 0 up");
    TORCH_CHECK(settings.score_terms > 0, settings.score_terms, " terms of a score, expected at least 1");
    const int64_t sizes[PARAMETERS] = {hidden, hidden, hidden, hidden, hidden, hidden, hidden, hidden,
                                      hidden, hidden, inner,  inner,  hidden, hidden, hidden, hidden};
    for (int which = 0; which < PARAMETERS; ++which) {
        const Tensor& parameter = parameters[which];
        bool matrix = which == QW || which == KW || which == VW || which == OW || which == IW || which == EW;
        int64_t columns = which == EW ? inner : hidden;
        TORCH_CHECK(is_plain(parameter) && parameter.scalar_type() == at::kFloat &&
                        parameter.dim() == (matrix ? 2 : 1) && parameter.size(0) == sizes[which] &&
                        (!matrix || parameter.size(1) == columns),
                    "parameter ", which, " of the layer has shape ", parameter.sizes(),
                    " or is not of 32-bit floats side by side in main memory");
    }
    const std::vector<int64_t>& starts = rows.starts;
    TORCH_CHECK(!starts.empty() && starts.front() == 0 && std::is_sorted(starts.begin(), starts.end()) &&
                    starts.back() <= x.size(0),
                "rows must follow each other within the tokens");
    int64_t longest = 0;
    for (size_t row = 0; row + 1 < starts.size(); ++row) longest = std::max(longest, starts[row + 1] - starts[row]);
    check_distances(distances, hidden, settings.heads, longest);
    TORCH_CHECK(!rows.query_positions || rows.query_positions->empty() ||
                    (rows.query_positions->front() >= 0 &&
                     std::is_sorted(rows.query_positions->begin(), rows.query_positions->end()) &&
                     rows.query_positions->back() < starts.back()),
                "query positions must follow each other within the rows");
}

}  // namespace re
