// What a layer is given, and whether it fits.
#pragma once
#include "shim.h"

namespace re {

// The layer's parameters, in the order in which Rust gives them.
enum Parameter { QW, QB, KW, KB, VW, VB, OW, OB, NORM_W, NORM_B, IW, IB, EW, EB, FFN_NORM_W, FFN_NORM_B, PARAMETERS };

// Throws where the sizes, kinds or values do not fit each other.
void check(const at::Tensor& x, const std::vector<at::Tensor>& parameters, const DistanceTensors& distances,
           const Settings& settings, const Rows& rows);

}  // namespace re
