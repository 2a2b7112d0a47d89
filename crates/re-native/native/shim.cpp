// The functions that Rust calls. Exceptions end here: they become a message, which the caller frees.
#include <cstring>

#include "shim.h"

namespace {

template <class F>
char* guarded(F body) {
    try {
        body();
        return nullptr;
    } catch (const std::exception& error) {
        return strdup(error.what());
    } catch (...) {
        return strdup("unknown C++ exception");
    }
}

}  // namespace

extern "C" {

char* re_native_encoder_layer(const at::Tensor* x, const at::Tensor* const* parameters, size_t count,
                              const re::Settings* settings, const int64_t* starts, size_t starts_count,
                              const int64_t* asked, size_t asked_count, at::Tensor** out) {
    return guarded([&] {
        std::vector<at::Tensor> all;
        re::Rows rows{{starts, starts + starts_count}, std::nullopt};
        if (asked != nullptr) rows.asked.emplace(asked, asked + asked_count);
        for (size_t i = 0; i < count; ++i) all.push_back(*parameters[i]);
        *out = new at::Tensor(re::encoder_layer(*x, all, *settings, rows));
    });
}

// A tensor of 32-bit floats on memory that belongs to `owner`.
char* re_native_borrow(void* data, void* owner, const int64_t* shape, size_t dimensions, at::Tensor** out) {
    return guarded([&] {
        *out = new at::Tensor(at::from_blob(
            data, at::IntArrayRef(shape, dimensions), [owner](void*) { re_native_release(owner); }, at::kFloat));
    });
}
}
