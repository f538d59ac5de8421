#pragma once

#include <string_view>

namespace paraclip::html {

// The one style sheet of a page. Every colour is a variable, chosen so that text reaches a contrast
// of 4.5 and lines of 3 on the background in both schemes.
inline constexpr std::string_view kStyleSheet = R"css(
:root {
  color-scheme: light dark;
  --paper: #fcfbf8; --raised: #f3f1eb; --ink: #1d2126; --quiet: #575e66; --rule: #d8d4cb;
  --axis: #858179; --accent: #0a5c88;
  --line-1: #0a5c88; --line-2: #a2491b; --line-3: #2f6b3a; --line-4: #6d4a9c; --line-5: #8a2f4f;
  --line-6: #575e66;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #15171a; --raised: #1f2226; --ink: #e7e4dd; --quiet: #a5aab0; --rule: #363a40;
    --axis: #7d828a; --accent: #74bfeb;
    --line-1: #74bfeb; --line-2: #f0a678; --line-3: #8fce98; --line-4: #c0a5ec; --line-5: #ee9ab6;
    --line-6: #a5aab0;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  overflow-wrap: break-word;
}
main { max-width: 60rem; margin: 0 auto; padding: 3.5rem 1.25rem 4rem; }
h1, h2, h3, .lead {
  font-family: Charter, "Bitstream Charter", "Iowan Old Style", Georgia, "Liberation Serif", serif;
  text-wrap: balance;
}
h1 { font-size: clamp(1.9rem, 1.3rem + 2.6vw, 2.9rem); line-height: 1.12; margin: 0 0 1rem;
  font-weight: 600; letter-spacing: -0.01em; }
h2 { font-size: 1.55rem; line-height: 1.2; font-weight: 600; margin: 0 0 0.75rem; }
h3 { font-size: 1.15rem; line-height: 1.35; font-weight: 600; margin: 0 0 0.25rem; }
p { margin: 0 0 0.9rem; max-width: 42rem; }
section { margin-top: 3.25rem; padding-top: 1.5rem; border-top: 1px solid var(--rule); }
.kicker { font-size: 0.85rem; letter-spacing: 0.06em; text-transform: uppercase;
  color: var(--quiet); margin: 0 0 0.75rem; }
.lead { font-size: 1.2rem; line-height: 1.5; text-wrap: pretty; }
.quiet { color: var(--quiet); }
.small { font-size: 0.9rem; }
code { font: 0.875em ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; }
ol.method { padding-left: 1.4rem; max-width: 42rem; }
ol.method li { margin-bottom: 0.4rem; padding-left: 0.3rem; }
ol.method li::marker { color: var(--quiet); font-variant-numeric: tabular-nums; }

.columns { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 2rem 2.5rem;
  margin: 1.5rem 0; align-items: start; }
@media (max-width: 46rem) { .columns { grid-template-columns: minmax(0, 1fr); } }

.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.95rem; }
caption, figcaption { text-align: left; font-weight: 600; font-size: 0.95rem;
  padding: 0; margin-bottom: 0.6rem; }
caption { padding-bottom: 0.6rem; }
th, td { padding: 0.45rem 0 0.45rem 1rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--rule); }
th:first-child { padding-left: 0; }
th { font-weight: 400; }
thead .number { white-space: normal; }
thead th { color: var(--quiet); font-size: 0.85rem; vertical-align: bottom;
  border-bottom-color: var(--axis); }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td small, th small { display: block; color: var(--quiet); font-size: 0.85rem; white-space: nowrap; }
th small { white-space: normal; }

@media screen and (max-width: 40rem) {
  table.stacked thead { position: absolute; width: 1px; height: 1px; overflow: hidden;
    clip-path: inset(50%); white-space: nowrap; }
  table.stacked, table.stacked tbody, table.stacked tr, table.stacked th, table.stacked td,
  table.stacked caption { display: block; }
  table.stacked tr { padding: 0.5rem 0; border-bottom: 1px solid var(--rule); }
  table.stacked th, table.stacked td { padding: 0.1rem 0; border: 0; }
  table.stacked td { display: flex; justify-content: space-between; gap: 1rem; text-align: right; }
  table.stacked td::before { content: attr(data-column); color: var(--quiet); text-align: left;
    white-space: normal; }
  table.stacked td small { display: inline; margin-left: 0.5rem; }
}

dl { margin: 0; }
dl > div { display: grid; grid-template-columns: 9rem minmax(0, 1fr); gap: 0 1rem;
  padding: 0.4rem 0; border-bottom: 1px solid var(--rule); }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; min-width: 0; }
@media (max-width: 30rem) { dl > div { grid-template-columns: 6.5rem minmax(0, 1fr); } }

figure { margin: 0; min-width: 0; }
svg.chart { display: block; width: 100%; height: auto; overflow: visible; }
svg.chart text { font-size: 12.5px; fill: var(--quiet); font-variant-numeric: tabular-nums; }
svg .grid { stroke: var(--rule); }
svg .axis { stroke: var(--axis); }
svg .zero { stroke: var(--axis); stroke-width: 1.5; stroke-dasharray: 3 3; }
svg .curve { fill: none; stroke: var(--line); stroke-width: 1.8; stroke-linejoin: round; }
svg .marker { fill: var(--paper); stroke: var(--line); stroke-width: 1.6; }
svg .whisker { stroke: var(--accent); stroke-width: 2; }
svg .dot { fill: var(--accent); stroke: var(--accent); stroke-width: 2; }
svg .bar { fill: var(--accent); stroke: var(--accent); stroke-width: 1.2; }
svg .bar.hollow { fill: var(--paper); }
svg .halo { stroke: var(--paper); stroke-width: 3.6; }
svg .bar-whisker { stroke: var(--ink); stroke-width: 1.4; }
svg .chance { stroke: var(--ink); stroke-width: 1.4; stroke-dasharray: 2 2; }
svg .dot.hollow { fill: var(--paper); }
.series-1 { --line: var(--line-1); } .series-2 { --line: var(--line-2); }
.series-3 { --line: var(--line-3); } .series-4 { --line: var(--line-4); }
.series-5 { --line: var(--line-5); } .series-6 { --line: var(--line-6); }
.series-1 .marker { fill: var(--line); }
.legend { list-style: none; margin: 0.6rem 0 0; padding: 0; font-size: 0.9rem;
  font-variant-numeric: tabular-nums; }
.legend li { padding-left: 3rem; position: relative; margin-bottom: 0.15rem; }
svg.sample { position: absolute; left: 0; top: 0.3rem; width: 2.125rem; height: 0.875rem;
  overflow: visible; }
.interval { margin: 0.35rem 0 0; font-size: 0.95rem; font-variant-numeric: tabular-nums; }

.scroll + p { margin-top: 0.9rem; }
.narrow { max-width: 32rem; }
.chart-space { max-width: 32rem; margin: 1.75rem 0; }
.contents { columns: 16rem; list-style: none; margin: 1rem 0; padding: 0; }
.contents li { break-inside: avoid; margin-bottom: 0.3rem; }
a { color: var(--accent); text-underline-offset: 0.15em; }
.contents a { color: inherit; }
h3.part { margin: 2rem 0 0.5rem; }
.lacks { list-style: none; margin: 1rem 0; padding: 0; }
.lacks li { border-left: 4px solid var(--line-2); padding: 0.1rem 0 0.1rem 0.9rem;
  margin-bottom: 0.8rem; overflow-wrap: anywhere; }
.lacks p { margin: 0; }
.cases { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1rem 2.5rem;
  align-items: start; }
@media (max-width: 46rem) { .cases { grid-template-columns: minmax(0, 1fr); } }
.case { background: var(--raised); border-radius: 6px; padding: 0.7rem 0.9rem 0.4rem;
  margin-bottom: 1rem; font-size: 0.92rem; }
.case h4 { margin: 0 0 0.3rem; font-size: 0.95rem; overflow-wrap: anywhere; }
.case h4 span { font-weight: 400; color: var(--quiet); }
.case dl > div { grid-template-columns: 7rem minmax(0, 1fr); padding: 0.25rem 0; }
.case dl > div:last-child { border-bottom: 0; }
.case dt { overflow-wrap: anywhere; }

svg.picture { display: block; width: 100%; aspect-ratio: 1; height: auto; border-radius: 2px; }
svg.pictures { position: absolute; }
.examples { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1.5rem 2.5rem;
  list-style: none; margin: 1.25rem 0; padding: 0; }
@media (max-width: 46rem) { .examples { grid-template-columns: minmax(0, 1fr); } }
.example { display: grid; grid-template-columns: 6rem minmax(0, 1fr); gap: 1rem; }
.example p, .reject p { margin: 0 0 0.4rem; line-height: 1.4; }
.tag { display: block; font-size: 0.78rem; color: var(--quiet); }
.rejects { list-style: none; margin: 1.25rem 0; padding: 0; }
.reject { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1.6fr); gap: 0.25rem 2rem;
  padding: 0.8rem 0; border-top: 1px solid var(--rule); }
.reject h4 { margin: 0 0 0.2rem; font: inherit; font-weight: 600; }
@media (max-width: 46rem) { .reject { grid-template-columns: minmax(0, 1fr); } }

.pair { margin: 2.25rem 0 0; }
.pair h3 { margin-bottom: 0.75rem; }
.models { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1rem 1.75rem; }
@media (max-width: 46rem) { .models { grid-template-columns: minmax(0, 1fr); } }
.model { background: var(--raised); border-radius: 6px; padding: 0.8rem 0.9rem 0.5rem;
  min-width: 0; }
.model h4 { margin: 0 0 0.6rem; font-size: 0.95rem; }
.model h4 span { font-weight: 400; color: var(--quiet); }
.strip-heading { font-size: 0.88rem; line-height: 1.35; margin: 0 0 0.35rem; }
.strip ol { display: grid; grid-auto-flow: column; grid-auto-columns: minmax(0, 1fr); gap: 0.4rem;
  list-style: none; margin: 0 0 0.7rem; padding: 0; }
@media (max-width: 30rem) {
  .strip ol { grid-auto-flow: row; grid-template-columns: repeat(3, minmax(0, 1fr)); }
}
.tile svg { border: 1px solid var(--rule); }
.tile .note { display: block; text-align: center; font-size: 0.8rem; line-height: 1.5;
  color: var(--quiet); font-variant-numeric: tabular-nums; white-space: nowrap; }
.tile.marked svg { border: 3px solid var(--accent); padding: 2px; }
.tile.marked .note { color: var(--accent); font-weight: 600; }

@media print {
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  figure, .pair, .example, .reject, .case, .bar-group, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
}
)css";

}  // namespace paraclip::html
