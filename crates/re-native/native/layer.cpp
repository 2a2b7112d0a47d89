// A layer of an encoder as one operation of libtorch's automatic differentiation.
#include <torch/csrc/autograd/custom_function.h>
#include <ATen/ATen.h>

#include <atomic>
#include <cmath>

#include "check.h"
#include "packed.h"
#include "shim.h"

namespace re {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <class S>
struct Store;
template <>
struct Store<float> {
    static constexpr at::ScalarType kind = at::kFloat;
};
template <>
struct Store<bf16> {
    static constexpr at::ScalarType kind = at::kBFloat16;
};

// The widest kernels that this processor has.
int widest() {
#ifdef RE_X86
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
        return 2;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 1;
#endif
    return 0;
}

// Those that are used: fewer where a test asks for them.
std::atomic<int>& used() {
    static std::atomic<int> number{widest()};
    return number;
}

template <class S>
const Kernels<S>& kernels();

#ifdef RE_X86
template <class S>
const Kernels<S>& pick(const Kernels<S>& generic, const Kernels<S>& avx2, const Kernels<S>& avx512) {
    const Kernels<S>* const all[] = {&generic, &avx2, &avx512};
    return *all[used().load(std::memory_order_relaxed)];
}

template <>
const Kernels<float>& kernels<float>() { return pick(generic::of_float, avx2::of_float, avx512::of_float); }
template <>
const Kernels<bf16>& kernels<bf16>() { return pick(generic::of_bf16, avx2::of_bf16, avx512::of_bf16); }
#else
template <>
const Kernels<float>& kernels<float>() { return generic::of_float; }
template <>
const Kernels<bf16>& kernels<bf16>() { return generic::of_bf16; }
#endif

template <class S>
S* of(const Tensor& tensor) {
    return static_cast<S*>(tensor.data_ptr());
}

float* floats(const Tensor& tensor) { return tensor.data_ptr<float>(); }

// Rows of a matrix that one task works on. Fixed, so that sums over tasks do not depend on the number of threads.
constexpr size_t ROWS = 32;
// Parts of a batch whose gradients of tables are summed apart. Fixed, for the same reason.
constexpr size_t GROUPS = 16;
// Values that one task converts.
constexpr size_t VALUES = 1 << 15;

// Runs body(number, first, last) on parts of 0 .. count.
template <class F>
void parts(size_t count, size_t size, F body) {
    parallel((count + size - 1) / size, [&](size_t part) {
        size_t first = part * size;
        body(part, first, first + size < count ? first + size : count);
    });
}

// Column sums of several matrices at once: body(sums, first, last) adds those of some rows to `width` places.
template <class F>
Tensor sums(size_t rows, size_t width, F body) {
    size_t count = (rows + ROWS - 1) / ROWS;
    Tensor all = at::zeros({int64_t(count), int64_t(width)}, at::kFloat);
    float* values = floats(all);
    parts(rows, ROWS, [&](size_t part, size_t first, size_t last) { body(values + part * width, first, last); });
    return all.sum(0);
}

// A layer with the sizes of one batch.
template <class S>
class Layer {
public:
    Layer(const Settings& settings, const variable_list& parameters, const DistanceTensors& distances, const Rows& rows,
          int64_t tokens)
        : settings_(settings), parameters_(parameters), distances_(distances), starts_(rows.starts),
          query_starts_(rows.starts), results_(tokens) {
        hidden_ = parameters[OW].size(0);
        inner_ = parameters[IW].size(0);
        if (!rows.query_positions) return;
        const std::vector<int64_t>& positions = *rows.query_positions;
        query_positions_ = at::tensor(positions, at::kLong);
        results_ = positions.size();
        for (int64_t& start : query_starts_) {
            start = std::lower_bound(positions.begin(), positions.end(), start) - positions.begin();
        }
    }

    // What the backward pass needs of the forward pass.
    struct Kept {
        Tensor queries, qkv, context, log_sums, attention_output, attention_mean, attention_scale, states, inner,
            ffn_output, ffn_mean, ffn_scale;
        Weights weights;

        // All of it, in an order of its own.
        std::vector<Tensor*> all() {
            return {&queries,   &qkv,         &context,    &log_sums,   &attention_output, &attention_mean,
                    &attention_scale, &states, &inner,     &ffn_output, &ffn_mean,         &ffn_scale,
                    &weights[0], &weights[1], &weights[2], &weights[3]};
        }
    };

    // With `prepared`, weights are taken from there, and put there where others or none are.
    Tensor forward(const Tensor& x, Kept& kept, PreparedWeights* prepared = nullptr) {
        if (prepared == nullptr) {
            prepare(kept.weights);
        } else {
            if (!prepared->are_of(parameters_, Store<S>::kind)) {
                Weights weights;
                prepare(weights);
                prepared->set(parameters_, Store<S>::kind, weights);
            }
            kept.weights = prepared->weights();
        }
        Tensor queried = of_queried(x);
        if (query_positions_.defined()) kept.queries = product(queried, of_queries(kept.weights[0]));
        kept.qkv = product(x, of_qkv(kept.weights[0]));
        kept.context = empty(hidden_);
        kept.log_sums = at::empty({settings_.heads, results_}, at::kFloat);
        attend(kept);
        kept.attention_output = product(kept.context, weight(kept, 1, OW));
        kept.states = add_norm(kept.attention_output, OB, queried, NORM_W, 0, kept.attention_mean, kept.attention_scale);
        kept.inner = product(kept.states, weight(kept, 2, IW));
        Tensor active = empty(inner_);
        parts(results_, ROWS, [&](size_t, size_t first, size_t last) {
            kernels<S>().activate(settings_.activation, of<S>(kept.inner), floats(parameters_[IB]), of<S>(active), first,
                                  last, inner_);
        });
        kept.ffn_output = product(active, weight(kept, 3, EW));
        return add_norm(kept.ffn_output, EB, kept.states, FFN_NORM_W, 1, kept.ffn_mean, kept.ffn_scale);
    }

    // Gradients of x, of the parameters and of what there is for distances.
    variable_list backward(const Tensor& x, const Kept& kept, const Tensor& gradient_of_result) {
        variable_list gradients(1 + PARAMETERS);
        auto of_parameter = [&](int which) -> Tensor& { return gradients[1 + which]; };

        Tensor states_gradient = gradient_of_result.clone(at::MemoryFormat::Contiguous), out_gradient = empty(hidden_);
        add_norm_backward(kept.ffn_output, kept.ffn_mean, kept.ffn_scale, FFN_NORM_W, 1, states_gradient, out_gradient,
                          &of_parameter(FFN_NORM_W), &of_parameter(FFN_NORM_B), &of_parameter(EB));
        Tensor inner_gradient = at::mm(out_gradient, weight(kept, 3, EW)), active = empty(inner_);
        of_parameter(IB) = sums(results_, inner_, [&](float* to, size_t first, size_t last) {
            kernels<S>().activate_backward(settings_.activation, of<S>(kept.inner), floats(parameters_[IB]),
                                           of<S>(inner_gradient), of<S>(active), to, first, last, inner_);
        });
        of_parameter(EW) = at::mm(out_gradient.t(), active);
        active.reset();
        of_parameter(IW) = at::mm(inner_gradient.t(), kept.states);
        states_gradient.addmm_(inner_gradient, weight(kept, 2, IW));
        inner_gradient.reset();

        add_norm_backward(kept.attention_output, kept.attention_mean, kept.attention_scale, NORM_W, 0, states_gradient, out_gradient,
                          &of_parameter(NORM_W), &of_parameter(NORM_B), &of_parameter(OB));
        Tensor context_gradient = at::mm(out_gradient, weight(kept, 1, OW));
        of_parameter(OW) = at::mm(out_gradient.t(), kept.context);
        Tensor queries_gradient, qkv_gradient = at::empty_like(kept.qkv);
        if (query_positions_.defined()) queries_gradient = at::empty_like(kept.queries);
        DistanceTensors of_rows;
        if (distances_.bias.defined()) of_rows.bias = at::zeros({settings_.heads, 2 * starts_.back()}, at::kFloat);
        auto of_groups = [&](const Tensor& table) {
            return table.defined() ? at::zeros({int64_t(groups()), table.size(0), hidden_}, at::kFloat) : Tensor();
        };
        of_rows.keys = of_groups(distances_.keys);
        of_rows.queries = of_groups(distances_.queries);
        attend_backward(kept, context_gradient, queries_gradient, qkv_gradient, of_rows);
        if (distances_.bias.defined()) gradients.push_back(sum_over_rows(of_rows.bias));
        for (const Tensor& table : {of_rows.keys, of_rows.queries}) {
            if (table.defined()) gradients.push_back(table.sum(0));
        }
        Tensor joined = at::mm(qkv_gradient.t(), x), bias = column_sums(qkv_gradient);
        if (query_positions_.defined()) {
            joined = at::cat({at::mm(queries_gradient.t(), of_queried(x)), joined});
            bias = at::cat({column_sums(queries_gradient), bias});
        }
        for (int which = 0; which < 3; ++which) {
            of_parameter(QW + 2 * which) = joined.narrow(0, which * hidden_, hidden_);
            of_parameter(QB + 2 * which) = bias.narrow(0, which * hidden_, hidden_);
        }
        if (query_positions_.defined()) {
            states_gradient.addmm_(queries_gradient, of_queries(kept.weights[0]));
            gradients[0] = at::mm(qkv_gradient, of_qkv(kept.weights[0])).index_add_(0, query_positions_, states_gradient);
        } else {
            gradients[0] = states_gradient.addmm_(qkv_gradient, kept.weights[0]);
        }
        return gradients;
    }

    // Whether what was kept belongs to these tensors, whose data may have been replaced since.
    bool fits(const Tensor& x, const Kept& kept, const Tensor& gradient) const {
        int64_t sizes[] = {results_, hidden_};
        return x.scalar_type() == Store<S>::kind && x.size(0) == kept.qkv.size(0) && kept.context.sizes() == sizes &&
               kept.inner.size(1) == inner_ && gradient.sizes() == sizes && gradient.scalar_type() == Store<S>::kind;
    }

private:
    Tensor empty(int64_t width) const { return at::empty({results_, width}, Store<S>::kind); }

    // The rows of `x` at the query positions.
    Tensor of_queried(const Tensor& x) const { return query_positions_.defined() ? x.index_select(0, query_positions_) : x; }

    // The joined weights that all tokens are multiplied with, and those for the query positions, where these are some
    // tokens alone.
    Tensor of_qkv(const Tensor& weights) const {
        return query_positions_.defined() ? weights.narrow(0, hidden_, 2 * hidden_) : weights;
    }
    Tensor of_queries(const Tensor& weights) const { return weights.narrow(0, 0, hidden_); }

    // The weights as S. Those of queries, keys and values become one, so that `x` is read once; of the others, the
    // parameters themselves serve as 32-bit floats.
    void prepare(Weights& weights) const {
        weights[0] = at::empty({3 * hidden_, hidden_}, Store<S>::kind);
        for (int which = 0; which < 3; ++which) {
            narrow(parameters_[QW + 2 * which], of<S>(weights[0]) + which * hidden_ * hidden_);
        }
        if (Store<S>::kind == at::kFloat) return;
        const Parameter rest[] = {OW, IW, EW};
        for (int which = 0; which < 3; ++which) {
            weights[1 + which] = at::empty(parameters_[rest[which]].sizes(), Store<S>::kind);
            narrow(parameters_[rest[which]], of<S>(weights[1 + which]));
        }
    }

    void narrow(const Tensor& from, S* to) const {
        const float* values = floats(from);
        parts(from.numel(), VALUES, [&](size_t, size_t first, size_t last) {
            kernels<S>().narrow(values + first, to + first, last - first);
        });
    }

    const Tensor& weight(const Kept& kept, int joined, Parameter parameter) const {
        return kept.weights[joined].defined() ? kept.weights[joined] : parameters_[parameter];
    }

    Heads heads() const {
        return {size_t(settings_.heads), size_t(hidden_ / settings_.heads),
                {floats(parameters_[QB]), floats(parameters_[KB]), floats(parameters_[VB])},
                float(1.0 / std::sqrt(double(hidden_ / settings_.heads) * double(settings_.score_terms)))};
    }

    Distances distances() const {
        auto values = [](const Tensor& tensor) { return tensor.defined() ? floats(tensor) : nullptr; };
        size_t columns = distances_.bias.defined() ? distances_.bias.size(1) : distances_.row_of.size();
        return {values(distances_.bias), values(distances_.keys), values(distances_.queries), distances_.row_of.data(),
                (columns + 1) / 2, query_positions_.defined() ? query_positions_.data_ptr<int64_t>() : nullptr};
    }

    // From the bias's gradients in each row, `2 * length - 1` columns from twice its start on, that of the bias. Rows are
    // added in their order, whatever number of threads there is.
    Tensor sum_over_rows(const Tensor& of_rows) const {
        Tensor sum = at::zeros_like(distances_.bias);
        int64_t width = of_rows.size(1), columns = sum.size(1), middle = columns / 2;
        parallel(settings_.heads, [&](size_t head) {
            const float* from = floats(of_rows) + head * width;
            float* to = floats(sum) + head * columns + middle;
            for (size_t row = 0; row + 1 < starts_.size(); ++row) {
                int64_t length = starts_[row + 1] - starts_[row];
                if (length == 0) continue;
                const float* zero = from + 2 * starts_[row] + length - 1;
                for (int64_t distance = 1 - length; distance < length; ++distance) to[distance] += zero[distance];
            }
        });
        return sum;
    }

    // The layer's three dropouts have streams of their own.
    Dropout dropout(double rate, uint64_t which) const {
        return {settings_.seed + which * 0xd1342543de82ef95u, rate};
    }

    // Where queries, keys and values stand.
    template <class T>
    Attended<T> attended(const Tensor& queries, const Tensor& qkv) const {
        T* values = of<S>(qkv);
        size_t hidden = hidden_;
        if (!query_positions_.defined()) return {{values, values + hidden, values + 2 * hidden}, {3 * hidden, 3 * hidden, 3 * hidden}};
        return {{of<S>(queries), values, values + hidden}, {hidden, 2 * hidden, 2 * hidden}};
    }

    // Tokens after the last row belong to none: their results are zero.
    static void clear_rest(const Tensor& matrix, int64_t end) {
        if (end < matrix.size(0)) matrix.narrow(0, end, matrix.size(0) - end).zero_();
    }

    // Parts of the batch that work at the same time: each row, or some of them where each part has tables of its own.
    size_t groups() const {
        size_t rows = starts_.size() - 1;
        return distances_.any_rows() ? std::min(rows, GROUPS) : rows;
    }

    // Runs body(head, queries, keys, group) for each head in each row; the rows of a group come one after another.
    template <class F>
    void each_head(size_t groups, F body) const {
        size_t count = settings_.heads, rows = starts_.size() - 1;
        auto range = [](const std::vector<int64_t>& starts, size_t row) {
            return Range{size_t(starts[row]), size_t(starts[row + 1])};
        };
        parallel(groups * count, [&](size_t task) {
            size_t group = task / count;
            for (size_t row = rows * group / groups; row < rows * (group + 1) / groups; ++row) {
                Range keys = range(starts_, row);
                if (keys.length() > 0) body(task % count, range(query_starts_, row), keys, group);
            }
        });
    }

    void attend(const Kept& kept) const {
        clear_rest(kept.context, query_starts_.back());
        each_head(starts_.size() - 1, [&](size_t head, Range queries, Range keys, size_t) {
            kernels<S>().attend(attended<const S>(kept.queries, kept.qkv), heads(), distances(), head, queries, keys,
                                dropout(settings_.attention_dropout, 2), of<S>(kept.context),
                                floats(kept.log_sums) + head * results_);
        });
    }

    void attend_backward(const Kept& kept, const Tensor& gradient, const Tensor& queries_gradient,
                         const Tensor& qkv_gradient, const DistanceTensors& of_rows) const {
        clear_rest(qkv_gradient, starts_.back());
        each_head(groups(), [&](size_t head, Range queries, Range keys, size_t group) {
            auto table = [&](const Tensor& all) {
                return all.defined() ? floats(all) + group * all.size(1) * all.size(2) : nullptr;
            };
            DistanceGradients of_distances = {nullptr, table(of_rows.keys), table(of_rows.queries)};
            if (of_rows.bias.defined()) {
                of_distances.bias = floats(of_rows.bias) + head * of_rows.bias.size(1) + 2 * keys.start;
            }
            kernels<S>().attend_backward(attended<const S>(kept.queries, kept.qkv), heads(), distances(), head,
                                         queries, keys, dropout(settings_.attention_dropout, 2),
                                         floats(kept.log_sums) + head * results_, of<S>(gradient),
                                         attended<S>(queries_gradient, qkv_gradient), of_distances);
        });
    }

    Tensor column_sums(const Tensor& matrix) const {
        int64_t width = matrix.size(1);
        return sums(matrix.size(0), width, [&](float* to, size_t first, size_t last) {
            kernels<S>().column_sums(of<S>(matrix), to, first, last, width);
        });
    }

    Tensor add_norm(const Tensor& in, Parameter bias, const Tensor& residual, Parameter norm, uint64_t which,
                    Tensor& mean, Tensor& scale) const {
        mean = at::empty({results_}, at::kFloat);
        scale = at::empty({results_}, at::kFloat);
        Tensor out = empty(hidden_);
        parts(results_, ROWS, [&](size_t, size_t first, size_t last) {
            kernels<S>().add_norm(of<S>(in), floats(parameters_[bias]), of<S>(residual),
                                  dropout(settings_.hidden_dropout, which), floats(parameters_[norm]),
                                  floats(parameters_[norm + 1]), settings_.eps, of<S>(out), floats(mean), floats(scale),
                                  first, last, hidden_);
        });
        return out;
    }

    void add_norm_backward(const Tensor& sum, const Tensor& mean, const Tensor& scale, Parameter norm, uint64_t which,
                           const Tensor& gradient, const Tensor& in_gradient, Tensor* weight, Tensor* shift,
                           Tensor* bias) const {
        Tensor all = sums(results_, 3 * hidden_, [&](float* to, size_t first, size_t last) {
            kernels<S>().add_norm_backward(of<S>(sum), floats(mean), floats(scale), floats(parameters_[norm]),
                                           dropout(settings_.hidden_dropout, which), of<S>(gradient),
                                           of<S>(in_gradient), to, first, last, hidden_);
        });
        *weight = all.narrow(0, 0, hidden_);
        *shift = all.narrow(0, hidden_, hidden_);
        *bias = all.narrow(0, 2 * hidden_, hidden_);
    }

    Settings settings_;
    const variable_list& parameters_;
    const DistanceTensors& distances_;
    std::vector<int64_t> starts_, query_starts_;
    Tensor query_positions_;  // undefined for all tokens
    int64_t results_, hidden_, inner_;
};

// What is kept between the passes besides the layer's tensors. Automatic differentiation knows no tensor that may be
// missing: those of distances come after the parameters, as many as there are.
struct Batch : torch::CustomClassHolder {
    Settings settings;
    Rows rows;
    std::array<bool, 3> has_distances;
    std::vector<int32_t> row_of;

    // Takes them from the end of a list.
    DistanceTensors take_distances(variable_list& list) const {
        DistanceTensors distances;
        distances.row_of = row_of;
        for (size_t which = has_distances.size(); which-- > 0;) {
            if (!has_distances[which]) continue;
            *distances.all()[which] = list.back();
            list.pop_back();
        }
        return distances;
    }
};

template <class S>
struct Function : torch::autograd::Function<Function<S>> {
    static Tensor forward(AutogradContext* context, const Tensor& x, at::TensorList given,
                          const DistanceTensors& distances, const Settings& settings, const Rows& rows) {
        at::AutoDispatchBelowADInplaceOrView guard;
        variable_list parameters = given.slice(0, PARAMETERS).vec();
        typename Layer<S>::Kept kept;
        Tensor out = Layer<S>(settings, parameters, distances, rows, x.size(0)).forward(x, kept);
        variable_list saved = {x};
        for (Tensor* tensor : kept.all()) saved.push_back(*tensor);
        saved.insert(saved.end(), given.begin(), given.end());
        context->save_for_backward(saved);
        auto batch = c10::make_intrusive<Batch>();
        batch->settings = settings;
        batch->rows = rows;
        for (size_t which = 0; which < 3; ++which) batch->has_distances[which] = distances.all()[which]->defined();
        batch->row_of = distances.row_of;
        context->saved_data["batch"] = c10::IValue::make_capsule(batch);
        return out;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        at::NoGradGuard no_gradients;
        variable_list saved = context->get_saved_variables();
        typename Layer<S>::Kept kept;
        Tensor x = saved[0];
        size_t next = 1;
        for (Tensor* tensor : kept.all()) *tensor = saved[next++];
        variable_list parameters(saved.begin() + next, saved.end());
        auto batch = c10::static_intrusive_pointer_cast<Batch>(context->saved_data["batch"].toCapsule());
        DistanceTensors distances = batch->take_distances(parameters);
        check(x, parameters, distances, batch->settings, batch->rows);
        Layer<S> layer(batch->settings, parameters, distances, batch->rows, x.size(0));
        TORCH_CHECK(layer.fits(x, kept, gradients[0]), "the layer's tensors have changed since the forward pass");
        variable_list result = layer.backward(x, kept, gradients[0]);
        // What says how distances, settings and rows are given has no gradient.
        result.resize(result.size() + 3);
        return result;
    }
};

template <class S>
Tensor run(const Tensor& x, const variable_list& parameters, const DistanceTensors& distances, const Settings& settings,
           const Rows& rows, PreparedWeights* prepared) {
    if (at::GradMode::is_enabled()) {
        variable_list given = parameters;
        for (const Tensor* tensor : distances.all()) {
            if (tensor->defined()) given.push_back(*tensor);
        }
        return Function<S>::apply(x, at::TensorList(given), distances, settings, rows);
    }
    typename Layer<S>::Kept kept;
    return Layer<S>(settings, parameters, distances, rows, x.size(0)).forward(x, kept, prepared);
}

}  // namespace

bool use_kernels(int number) {
    if (number < 0 || number > widest()) return false;
    used() = number;
    return true;
}

Tensor encoder_layer(const Tensor& x, const variable_list& parameters, const DistanceTensors& distances,
                     const Settings& settings, const Rows& rows, PreparedWeights* prepared) {
    check(x, parameters, distances, settings, rows);
    if (x.scalar_type() == at::kBFloat16) return run<bf16>(x, parameters, distances, settings, rows, prepared);
    TORCH_CHECK(x.scalar_type() == at::kFloat, "x must be of 32-bit floats or bfloat16");
    return run<float>(x, parameters, distances, settings, rows, prepared);
}

}  // namespace re
