#include "examples/scenes/brush.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace paraclip::scenes {
namespace {

constexpr double kOutlineWidth = 0.045;

constexpr std::array<Rgb, kColours> kPaint = {{{0.87, 0.13, 0.14},
                                               {0.97, 0.51, 0.07},
                                               {0.99, 0.85, 0.12},
                                               {0.16, 0.62, 0.22},
                                               {0.13, 0.36, 0.85},
                                               {0.51, 0.20, 0.70},
                                               {0.98, 0.56, 0.74},
                                               {0.46, 0.28, 0.13},
                                               {0.12, 0.12, 0.14},
                                               {0.96, 0.96, 0.95}}};

// What shows on the colour, and leaves no doubt which of the two is the object's own.
Rgb pattern_ink(Colour colour, Rgb paint) {
  switch (colour) {
    case Colour::kWhite: return {0.58, 0.60, 0.64};
    case Colour::kYellow: return {0.78, 0.56, 0.02};
    case Colour::kPink: return {0.80, 0.26, 0.50};
    default: return mix(paint, kWhite, 0.86);
  }
}

}  // namespace

Rgb mix(Rgb a, Rgb b, double share) {
  return {a.red + (b.red - a.red) * share, a.green + (b.green - a.green) * share,
          a.blue + (b.blue - a.blue) * share};
}

Brush::Brush(cairo_t* context, const SceneObject& object, Rgb outline)
    : context_(context), outline_(outline), pattern_(object.pattern) {
  const Rgb paint = kPaint[static_cast<size_t>(object.colour)];
  const auto tinted = [](double value, double tint) { return std::clamp(value + tint, 0.0, 1.0); };
  colour_ = {tinted(paint.red, object.tint[0]), tinted(paint.green, object.tint[1]),
             tinted(paint.blue, object.tint[2])};
  ink_ = pattern_ink(object.colour, colour_);
  cairo_set_line_join(context_, CAIRO_LINE_JOIN_ROUND);
  cairo_set_line_cap(context_, CAIRO_LINE_CAP_ROUND);
  cairo_new_path(context_);
}

void Brush::body() { fill(colour_, pattern_ != Pattern::kPlain); }

void Brush::part(Rgb colour) { fill(colour, /*patterned=*/false); }

// The outline goes first, twice as wide, so that where paths overlap no line shows inside.
void Brush::fill(Rgb colour, bool patterned) {
  cairo_set_source_rgb(context_, outline_.red, outline_.green, outline_.blue);
  cairo_set_line_width(context_, 2 * kOutlineWidth);
  cairo_stroke_preserve(context_);

  double left, top, right, bottom;
  cairo_path_extents(context_, &left, &top, &right, &bottom);
  cairo_pattern_t* shade = cairo_pattern_create_linear(left, top, right * 0.6 + left * 0.4, bottom);
  const Rgb high = mix(colour, kWhite, 0.18);
  const Rgb low = mix(colour, kBlack, 0.16);
  cairo_pattern_add_color_stop_rgb(shade, 0, high.red, high.green, high.blue);
  cairo_pattern_add_color_stop_rgb(shade, 0.5, colour.red, colour.green, colour.blue);
  cairo_pattern_add_color_stop_rgb(shade, 1, low.red, low.green, low.blue);
  cairo_set_source(context_, shade);
  cairo_pattern_destroy(shade);
  if (patterned) {
    cairo_fill_preserve(context_);
    cairo_save(context_);
    cairo_clip(context_);
    paint_pattern();
    cairo_restore(context_);
  } else {
    cairo_fill(context_);
  }
}

void Brush::paint_pattern() {
  cairo_set_source_rgb(context_, ink_.red, ink_.green, ink_.blue);
  if (pattern_ == Pattern::kStriped) {
    constexpr double kPeriod = 0.23;
    for (double at = -1.15; at < 1.2; at += kPeriod) {
      cairo_move_to(context_, at - 0.35, 0.6);
      cairo_line_to(context_, at + 0.35, -0.6);
    }
    cairo_set_line_width(context_, 0.085);
    cairo_stroke(context_);
  } else if (pattern_ == Pattern::kDotted) {
    constexpr double kPeriod = 0.21;
    for (int row = -3; row <= 3; ++row) {
      for (int column = -3; column <= 3; ++column) {
        const double x = (column + (row % 2 != 0 ? 0.5 : 0.0)) * kPeriod;
        cairo_new_sub_path(context_);
        cairo_arc(context_, x, row * kPeriod * 0.86, 0.062, 0, 2 * std::numbers::pi);
      }
    }
    cairo_fill(context_);
  } else {
    constexpr double kCell = 0.145;
    for (int row = -4; row < 4; ++row) {
      for (int column = -4; column < 4; ++column) {
        if ((row + column) % 2 == 0)
          cairo_rectangle(context_, column * kCell, row * kCell, kCell, kCell);
      }
    }
    cairo_fill(context_);
  }
}

void Brush::wash(Rgb colour, double opacity) {
  cairo_set_source_rgba(context_, colour.red, colour.green, colour.blue, opacity);
  cairo_fill(context_);
}

void Brush::line(Rgb colour, double width, double opacity) {
  cairo_set_source_rgba(context_, colour.red, colour.green, colour.blue, opacity);
  cairo_set_line_width(context_, width);
  cairo_stroke(context_);
}

void Brush::polygon(std::initializer_list<std::pair<double, double>> points) {
  cairo_new_sub_path(context_);
  for (const auto& [x, y] : points) cairo_line_to(context_, x, y);
  cairo_close_path(context_);
}

void Brush::ellipse(double x, double y, double radius_x, double radius_y, double rotation) {
  cairo_new_sub_path(context_);
  cairo_save(context_);
  cairo_translate(context_, x, y);
  cairo_rotate(context_, rotation);
  cairo_scale(context_, radius_x, radius_y);
  cairo_arc(context_, 0, 0, 1, 0, 2 * std::numbers::pi);
  cairo_restore(context_);
  cairo_close_path(context_);
}

void Brush::rounded_box(double left, double top, double width, double height, double radius) {
  constexpr double kQuarter = std::numbers::pi / 2;
  const double right = left + width - radius;
  const double bottom = top + height - radius;
  cairo_new_sub_path(context_);
  cairo_arc(context_, right, top + radius, radius, -kQuarter, 0);
  cairo_arc(context_, right, bottom, radius, 0, kQuarter);
  cairo_arc(context_, left + radius, bottom, radius, kQuarter, 2 * kQuarter);
  cairo_arc(context_, left + radius, top + radius, radius, 2 * kQuarter, 3 * kQuarter);
  cairo_close_path(context_);
}

void Brush::lobes(double x, double y, double radius_x, double radius_y, int count, double lobe) {
  for (int i = 0; i < count; ++i) {
    const double angle = 2 * std::numbers::pi * i / count - std::numbers::pi / 2;
    cairo_new_sub_path(context_);
    cairo_arc(context_, x + radius_x * std::cos(angle), y + radius_y * std::sin(angle), lobe, 0,
              2 * std::numbers::pi);
    cairo_close_path(context_);
  }
}

}  // namespace paraclip::scenes
