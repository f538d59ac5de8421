#pragma once

#include "paraclip/eval/benchmark.h"

namespace paraclip {

// What loads each benchmark; registry.cc puts them in order and gives them their names.
LoadedBenchmark load_retrieval_coco(const BenchmarkData& data);
LoadedBenchmark load_retrieval_flickr30k(const BenchmarkData& data);
LoadedBenchmark load_retrieval_flickr8k(const BenchmarkData& data);
LoadedBenchmark load_paraphrased_coco(const BenchmarkData& data);
LoadedBenchmark load_paraphrased_flickr8k(const BenchmarkData& data);
LoadedBenchmark load_zeroshot(const BenchmarkData& data);
LoadedBenchmark load_cxc(const BenchmarkData& data);
LoadedBenchmark load_own(const BenchmarkData& data);

}  // namespace paraclip
