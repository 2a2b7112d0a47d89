// Which parameters prepared weights were made of.
#include <algorithm>

#include "shim.h"

namespace re {

using at::Tensor;

bool PreparedWeights::are_of(const std::vector<Tensor>& parameters, at::ScalarType kind) const {
    auto same = [](const Tensor& parameter, const Origin& origin) {
        return parameter.data_ptr() == origin.values && parameter._version() == origin.version;
    };
    return weights_[0].defined() && kind_ == kind && origins_.size() == parameters.size() &&
           std::equal(parameters.begin(), parameters.end(), origins_.begin(), same);
}

void PreparedWeights::set(const std::vector<Tensor>& parameters, at::ScalarType kind, const Weights& weights) {
    kind_ = kind;
    weights_ = weights;
    origins_.clear();
    for (const Tensor& parameter : parameters) origins_.push_back({parameter.data_ptr(), parameter._version()});
}

}  // namespace re
