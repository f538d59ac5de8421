#pragma once

#include "paraclip/eval/html.h"
#include "paraclip/eval/suite.h"

namespace paraclip {

/// The part of a benchmark's section with its examples: the five that the model won and the five
/// that it lost most against the baseline, by the difference of scores; without a baseline the five
/// best and the five worst. Equal ones in the order of the benchmark. Nothing where there are none.
html::Html examples_part(const BenchmarkResult& benchmark, bool compared);

}  // namespace paraclip
