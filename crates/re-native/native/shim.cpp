// The functions that Rust calls. Exceptions end here: they become a message, which the caller frees.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <new>

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

// A generator of its own: the one that libtorch keeps for a device is shared by all that the process does.
at::Generator generator(at::Device device, uint64_t seed) {
    if (device.is_cpu()) return at::detail::createCPUGenerator(seed);
    at::Generator own = at::globalContext().getAcceleratorHooksInterface(device.type()).getNewGenerator(device.index());
    own.set_current_seed(seed);
    return own;
}

}  // namespace

extern "C" {

char* re_native_encoder_layer(const at::Tensor* x, const at::Tensor* const* parameters, size_t count,
                              const re::GivenDistances* distances, const re::Settings* settings, const int64_t* starts,
                              size_t starts_count, const int64_t* query_positions, size_t query_count,
                              re::PreparedWeights* prepared, at::Tensor** out) {
    return guarded([&] {
        std::vector<at::Tensor> all;
        re::Rows rows{{starts, starts + starts_count}, std::nullopt};
        if (query_positions != nullptr) {
            rows.query_positions.emplace(query_positions, query_positions + query_count);
        }
        for (size_t i = 0; i < count; ++i) all.push_back(*parameters[i]);
        auto given = [](const at::Tensor* tensor, const char* name) {
            TORCH_CHECK(tensor == nullptr || tensor->defined(), "the ", name, " must be a tensor");
            return tensor == nullptr ? at::Tensor() : *tensor;
        };
        re::DistanceTensors tensors{given(distances->bias, "bias"), given(distances->keys, "keys of distances"),
                                    given(distances->queries, "queries of distances"), {}};
        for (size_t i = 0; i < distances->row_count; ++i) {
            int64_t row = distances->row_of[i];
            TORCH_CHECK(row == int32_t(row), "row ", row, " of distances, expected one of the table");
            tensors.row_of.push_back(int32_t(row));
        }
        *out = new at::Tensor(re::encoder_layer(*x, all, tensors, *settings, rows, prepared));
    });
}

re::PreparedWeights* re_native_prepared_weights() { return new (std::nothrow) re::PreparedWeights; }

void re_native_free_prepared_weights(re::PreparedWeights* prepared) { delete prepared; }

// A tensor of 32-bit floats on memory that belongs to `owner`, which is let go of with the tensor, or at once where there
// is none.
char* re_native_borrow(void* data, void* owner, const int64_t* shape, size_t dimensions, at::Tensor** out) {
    return guarded([&] {
        std::shared_ptr<void> held(owner, re_native_release);
        *out = new at::Tensor(
            at::from_blob(data, at::IntArrayRef(shape, dimensions), [held](void*) {}, at::kFloat));
    });
}

// Where the values of a tensor stand, `width` bytes each.
char* re_native_values(const at::Tensor* tensor, size_t width, void** data, size_t* count) {
    return guarded([&] {
        TORCH_CHECK(re::is_plain(*tensor) && tensor->itemsize() == width,
                    "the values of a tensor must stand side by side in main memory");
        *data = tensor->data_ptr();
        *count = tensor->numel();
    });
}

// Says that the values of a tensor are written to past libtorch.
char* re_native_written(const at::Tensor* tensor) {
    return guarded([&] { tensor->unsafeGetTensorImpl()->bump_version(); });
}

// Normally distributed 32-bit floats.
char* re_native_normal(const int64_t* shape, size_t dimensions, uint64_t seed, at::Tensor** out) {
    return guarded([&] {
        *out = new at::Tensor(at::randn(at::IntArrayRef(shape, dimensions), generator(at::kCPU, seed), at::kFloat));
    });
}

// A mask of dropout with the shape, kind and device of `like`.
char* re_native_dropout_mask(const at::Tensor* like, double rate, uint64_t seed, at::Tensor** out) {
    return guarded([&] {
        TORCH_CHECK(rate >= 0.0 && rate < 1.0, "a rate of dropout of ", rate, ", expected one from 0 up to, not including, 1");
        TORCH_CHECK(like->is_floating_point(), "dropout of ", like->scalar_type(), ", expected floating-point numbers");
        at::NoGradGuard no_gradients;
        at::Tensor mask = at::empty_like(*like);
        mask.bernoulli_(1.0 - rate, generator(like->device(), seed)).div_(1.0 - rate);
        *out = new at::Tensor(mask);
    });
}

int re_native_use_kernels(int number) { return re::use_kernels(number); }

// For a test: a loop of which every second task throws. `done` counts the others.
char* re_native_throw_in_loop(size_t tasks, size_t* done) {
    return guarded([&] {
        std::atomic<size_t> count{0};
        try {
            re::parallel(tasks, [&](size_t task) {
                if (task % 2 == 1) throw std::runtime_error("a task that throws");
                ++count;
            });
        } catch (...) {
            *done = count;
            throw;
        }
    });
}
}
