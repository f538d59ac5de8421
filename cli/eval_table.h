#pragma once

#include "paraclip/eval/suite.h"

namespace paraclip::cli {

/// Prints the headline metrics (of a single benchmark all metrics) with their intervals, and
/// against the baseline if there is one, then what could not run and why. Fits 80 columns.
void print_report(const SuiteReport& report);

/// Prints names and purposes of all benchmarks.
void print_benchmarks();

}  // namespace paraclip::cli
