// Attention within short packed sequences, for the instruction set of the including file.
#pragma once

#include "paraclip/nn/kernels/kernels.h"
#include "paraclip/nn/kernels/simd.h"

namespace paraclip::kernels {
namespace {

// The rows that a token can see, by their depth: a stack. Rows come in the order of a depth-first
// walk, so the latest row of each smaller depth is the token's predecessor there.
struct Stack {
  int64_t width;   // Of a head, rounded up to whole vectors; the rest is 0.
  int64_t blocks;  // Of kLanes depths.
  // Rows [depth][width], and transposed [block][width][kLanes], so that scores are sums of vectors.
  float *keys, *values, *keys_t, *values_t;
  float *key_gradients, *value_gradients;  // [depth][width]
  float *scores, *score_gradients;         // [blocks * kLanes]
  int64_t* rows;                           // [depth]
  float *query, *query_gradient;           // [width]
};

int64_t attention_scratch(int64_t max_depth, int64_t head_width) {
  const int64_t depth = padded(max_depth), width = padded(head_width);
  return (6 * depth * width + 2 * depth + 2 * width) * 4 + depth * 8 + 64;
}

Stack make_stack(std::byte* scratch, int64_t max_depth, int64_t head_width) {
  Stack s{};
  s.width = padded(head_width);
  const int64_t depth = padded(max_depth);
  s.blocks = depth / kLanes;
  auto* next = reinterpret_cast<float*>(scratch);
  const auto take = [&](int64_t count) {
    float* result = next;
    next += count;
    return result;
  };
  for (float** part :
       {&s.keys, &s.values, &s.keys_t, &s.values_t, &s.key_gradients, &s.value_gradients}) {
    *part = take(depth * s.width);
  }
  s.scores = take(depth);
  s.score_gradients = take(depth);
  s.query = take(s.width);
  s.query_gradient = take(s.width);
  s.rows = reinterpret_cast<int64_t*>(next);
  return s;
}

// Which of queries, keys and values.
template <bool kBf16>
const std::byte* part_of(const AttentionCall& c, int64_t row, int64_t part) {
  return c.qkv + (row * c.qkv_stride + part * c.width + c.head * c.head_width) * kSize<kBf16>;
}

template <bool kBf16>
void load_row(const std::byte* from, int64_t head_width, float* to) {
  for_vectors(head_width,
              [&](int64_t i, int n) { store_as(to + i, load_some<kBf16>(from, i, n)); });
}

void store_column(const float* row, int64_t depth, int64_t width, float* transposed) {
  float* column = transposed + depth / kLanes * width * kLanes + depth % kLanes;
  for (int64_t i = 0; i < width; ++i) column[i * kLanes] = row[i];
}

template <bool kBf16, bool kGradient>
void push(const AttentionCall& c, Stack& s, int64_t row, int64_t depth) {
  float* keys = s.keys + depth * s.width;
  float* values = s.values + depth * s.width;
  load_row<kBf16>(part_of<kBf16>(c, row, 1), c.head_width, keys);
  load_row<kBf16>(part_of<kBf16>(c, row, 2), c.head_width, values);
  store_column(keys, depth, s.width, s.keys_t);
  if constexpr (kGradient) {
    store_column(values, depth, s.width, s.values_t);
    s.rows[depth] = row;
    __builtin_memset(s.key_gradients + depth * s.width, 0, static_cast<size_t>(s.width) * 4);
    __builtin_memset(s.value_gradients + depth * s.width, 0, static_cast<size_t>(s.width) * 4);
  }
}

// out[j] = row . column j of `transposed`, for whole blocks of depths below `reach`.
void products(const Stack& s, const float* row, const float* transposed, int64_t reach,
              float* out) {
  for (int64_t block = 0; block * kLanes < reach; ++block) {
    const float* column = transposed + block * s.width * kLanes;
    Floats sums[4] = {};
    for (int64_t i = 0; i < s.width; i += 4) {
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j)
        sums[j] += row[i + j] * load_as<Floats>(column + (i + j) * kLanes);
    }
    store_as(out + block * kLanes, (sums[0] + sums[1]) + (sums[2] + sums[3]));
  }
}

// out += sum over depths of factor[depth] * rows[depth]
void add_rows(const Stack& s, const float* factors, const float* rows, int64_t reach, float* out) {
  for (int64_t i = 0; i < s.width; i += kLanes) {
    Floats sum = load_as<Floats>(out + i);
    for (int64_t j = 0; j < reach; ++j) sum += factors[j] * load_as<Floats>(rows + j * s.width + i);
    store_as(out + i, sum);
  }
}

// rows[depth] += factor[depth] * row
void add_to_rows(const Stack& s, const float* factors, const float* row, int64_t reach,
                 float* rows) {
  for (int64_t j = 0; j < reach; ++j) {
    for (int64_t i = 0; i < s.width; i += kLanes) {
      float* at = rows + j * s.width + i;
      store_as(at, load_as<Floats>(at) + factors[j] * load_as<Floats>(row + i));
    }
  }
}

// The attention probabilities of a query over the first `reach` depths; 0 beyond.
void probabilities(const Stack& s, int64_t reach, float scale) {
  products(s, s.query, s.keys_t, reach, s.scores);
  const int64_t whole = padded(reach);
  for (int64_t j = reach; j < whole; ++j) s.scores[j] = -__builtin_inff();
  Floats most = splat(-__builtin_inff());
  for (int64_t j = 0; j < whole; j += kLanes) most = larger(most, load_as<Floats>(s.scores + j));
  float highest = most[0];
  for (int i = 1; i < kLanes; ++i) highest = most[i] > highest ? most[i] : highest;
  Floats sum = {};
  for (int64_t j = 0; j < whole; j += kLanes) {
    const Floats e = exponential((load_as<Floats>(s.scores + j) - highest) * scale);
    store_as(s.scores + j, e);
    sum += e;
  }
  const float factor = 1.0f / sum_of(sum);
  for (int64_t j = 0; j < whole; j += kLanes) {
    store_as(s.scores + j, load_as<Floats>(s.scores + j) * factor);
  }
}

template <bool kBf16>
void attend(const AttentionCall& c, Stack& s, int64_t row, int64_t reach) {
  load_row<kBf16>(part_of<kBf16>(c, row, 0), c.head_width, s.query);
  probabilities(s, reach, reciprocal_root(static_cast<float>(c.head_width)));
  float* out = s.query_gradient;  // Not in use here.
  __builtin_memset(out, 0, static_cast<size_t>(s.width) * 4);
  add_rows(s, s.scores, s.values, reach, out);
  std::byte* to = c.out + (row * c.out_stride + c.head * c.head_width) * kSize<kBf16>;
  for_vectors(c.head_width,
              [&](int64_t i, int n) { store_some<kBf16>(to, i, load_as<Floats>(out + i), n); });
}

template <bool kBf16>
void store_gradient(const AttentionCall& c, int64_t row, int64_t part, const float* gradient) {
  std::byte* to =
      c.qkv_gradient +
      (row * c.qkv_gradient_stride + part * c.width + c.head * c.head_width) * kSize<kBf16>;
  for_vectors(c.head_width, [&](int64_t i, int n) {
    store_some<kBf16>(to, i, load_as<Floats>(gradient + i), n);
  });
}

// dv += P^T dout, dS = P (dP - sum(P dP)), dq = dS k, dk += dS^T q.
template <bool kBf16>
void attend_gradient(const AttentionCall& c, Stack& s, int64_t row, int64_t reach) {
  const float scale = reciprocal_root(static_cast<float>(c.head_width));
  load_row<kBf16>(part_of<kBf16>(c, row, 0), c.head_width, s.query);
  probabilities(s, reach, scale);
  float* out_gradient = s.query_gradient;
  load_row<kBf16>(
      c.out_gradient + (row * c.out_gradient_stride + c.head * c.head_width) * kSize<kBf16>,
      c.head_width, out_gradient);
  products(s, out_gradient, s.values_t, reach, s.score_gradients);
  Floats sum = {};
  const int64_t whole = padded(reach);
  for (int64_t j = reach; j < whole; ++j) s.score_gradients[j] = 0;
  for (int64_t j = 0; j < whole; j += kLanes) {
    sum += load_as<Floats>(s.scores + j) * load_as<Floats>(s.score_gradients + j);
  }
  const float mean = sum_of(sum);
  add_to_rows(s, s.scores, out_gradient, reach, s.value_gradients);
  for (int64_t j = 0; j < whole; j += kLanes) {
    const Floats slope = (load_as<Floats>(s.score_gradients + j) - mean) * scale;
    store_as(s.score_gradients + j, load_as<Floats>(s.scores + j) * slope);
  }
  add_to_rows(s, s.score_gradients, s.query, reach, s.key_gradients);
  __builtin_memset(s.query_gradient, 0, static_cast<size_t>(s.width) * 4);
  add_rows(s, s.score_gradients, s.keys, reach, s.query_gradient);
  store_gradient<kBf16>(c, row, 0, s.query_gradient);
}

// Writes what has gathered for the depths from `from` to `to`: no later row sees them.
template <bool kBf16>
void flush(const AttentionCall& c, const Stack& s, int64_t from, int64_t to) {
  for (int64_t depth = from; depth < to; ++depth) {
    store_gradient<kBf16>(c, s.rows[depth], 1, s.key_gradients + depth * s.width);
    store_gradient<kBf16>(c, s.rows[depth], 2, s.value_gradients + depth * s.width);
  }
}

template <bool kBf16, bool kGradient>
void visit(const AttentionCall& c, Stack& s, int64_t row, int64_t reach) {
  if (c.active == nullptr || c.active[row] != 0) {
    if constexpr (kGradient) {
      attend_gradient<kBf16>(c, s, row, reach);
    } else {
      attend<kBf16>(c, s, row, reach);
    }
  } else if constexpr (kGradient) {
    __builtin_memset(s.query_gradient, 0, static_cast<size_t>(s.width) * 4);
    store_gradient<kBf16>(c, row, 0, s.query_gradient);
  }
}

template <bool kBf16, bool kGradient>
void walk(const AttentionCall& c, std::byte* scratch) {
  Stack s = make_stack(scratch, c.max_depth, c.head_width);
  int64_t held = 0;  // Depths on the stack.
  for (int64_t row = c.begin; row < c.end;) {
    const int64_t depth = c.depths[row];
    if constexpr (kGradient) flush<kBf16>(c, s, depth, held);
    if (c.causal) {
      push<kBf16, kGradient>(c, s, row, depth);
      held = depth + 1;
      visit<kBf16, kGradient>(c, s, row, held);
      ++row;
      continue;
    }
    held = 0;
    do {
      push<kBf16, kGradient>(c, s, row + held, held);
      ++held;
    } while (row + held < c.end && c.depths[row + held] != 0);
    for (int64_t i = 0; i < held; ++i) visit<kBf16, kGradient>(c, s, row + i, held);
    row += held;
  }
  if constexpr (kGradient) flush<kBf16>(c, s, 0, held);
}

void attention(const AttentionCall& c, std::byte* scratch) {
  return c.bfloat16 ? walk<true, false>(c, scratch) : walk<false, false>(c, scratch);
}

void attention_gradient(const AttentionCall& c, std::byte* scratch) {
  return c.bfloat16 ? walk<true, true>(c, scratch) : walk<false, true>(c, scratch);
}

}  // namespace
}  // namespace paraclip::kernels
