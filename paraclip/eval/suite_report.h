#pragma once

#include "paraclip/eval/suite.h"

#include <string>

namespace paraclip {

/// The report of a run as one self-contained HTML page, without script: a table and a chart of the
/// headline metrics; then for each benchmark what it says, how it is computed, what it lacks, all
/// its metrics, and the examples that the model won and lost most against the baseline (without
/// one: its best and its worst). A pure function of `report`. Numbers that are not finite are shown
/// as a dash.
std::string suite_page(const SuiteReport& report);

}  // namespace paraclip
