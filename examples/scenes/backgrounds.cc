#include "examples/scenes/backgrounds.h"

#include "examples/scenes/random.h"

#include <cmath>
#include <numbers>

namespace paraclip::scenes {
namespace {

void paint_gradient(cairo_t* cr, Rgb top, Rgb bottom) {
  cairo_pattern_t* gradient = cairo_pattern_create_linear(0, 0, 0.15, 1);
  cairo_pattern_add_color_stop_rgb(gradient, 0, top.red, top.green, top.blue);
  cairo_pattern_add_color_stop_rgb(gradient, 1, bottom.red, bottom.green, bottom.blue);
  cairo_set_source(cr, gradient);
  cairo_pattern_destroy(gradient);
  cairo_paint(cr);
}

void stroke(cairo_t* cr, Rgb colour, double width, double opacity) {
  cairo_set_source_rgba(cr, colour.red, colour.green, colour.blue, opacity);
  cairo_set_line_width(cr, width);
  cairo_stroke(cr);
}

void fill(cairo_t* cr, Rgb colour, double opacity) {
  cairo_set_source_rgba(cr, colour.red, colour.green, colour.blue, opacity);
  cairo_fill(cr);
}

void draw_grass(cairo_t* cr, Random& random) {
  paint_gradient(cr, {0.60, 0.80, 0.38}, {0.45, 0.68, 0.27});
  constexpr Rgb kBlades[] = {{0.34, 0.58, 0.20}, {0.70, 0.87, 0.45}, {0.40, 0.64, 0.24}};
  for (const Rgb& blades : kBlades) {
    for (int i = 0; i < 34; ++i) {
      const double x = random.uniform();
      const double y = random.uniform();
      const double lean = random.uniform(-0.018, 0.018);
      const double height = random.uniform(0.03, 0.055);
      cairo_move_to(cr, x - 0.012, y - height * 0.7);
      cairo_line_to(cr, x, y);
      cairo_line_to(cr, x + lean, y - height);
    }
    stroke(cr, blades, 0.009, 0.75);
  }
}

void draw_sand(cairo_t* cr, Random& random) {
  paint_gradient(cr, {0.96, 0.88, 0.68}, {0.90, 0.78, 0.54});
  for (int i = 0; i < 9; ++i) {
    const double y = (i + random.uniform(0.1, 0.9)) / 9;
    const double x = random.uniform(-0.3, 0.4);
    cairo_move_to(cr, x, y);
    cairo_curve_to(cr, x + 0.2, y - 0.05, x + 0.3, y + 0.04, x + 0.62, y - 0.01);
  }
  stroke(cr, {0.78, 0.64, 0.40}, 0.010, 0.6);
  for (int i = 0; i < 90; ++i)
    cairo_rectangle(cr, random.uniform(), random.uniform(), 0.008, 0.008);
  fill(cr, {0.66, 0.52, 0.32}, 0.55);
}

void draw_water(cairo_t* cr, Random& random) {
  paint_gradient(cr, {0.60, 0.85, 0.93}, {0.27, 0.62, 0.80});
  for (int i = 0; i < 9; ++i) {
    const double y = (i + 0.5) / 9;
    const double phase = random.uniform(-0.12, 0);
    cairo_move_to(cr, phase, y);
    for (double x = phase; x < 1; x += 0.12)
      cairo_rel_curve_to(cr, 0.03, 0.03, 0.09, 0.03, 0.12, 0);
  }
  stroke(cr, {0.90, 0.97, 1.0}, 0.012, 0.8);
}

void draw_night(cairo_t* cr, Random& random) {
  paint_gradient(cr, {0.05, 0.07, 0.22}, {0.16, 0.18, 0.42});
  for (int i = 0; i < 55; ++i) {
    cairo_new_sub_path(cr);
    cairo_arc(cr, random.uniform(), random.uniform(), random.uniform(0.003, 0.0075), 0,
              2 * std::numbers::pi);
  }
  fill(cr, {1.0, 0.98, 0.85}, 0.95);
  const double x = random.chance(0.5) ? 0.07 : 0.93;
  cairo_arc(cr, x, 0.075, 0.055, 0, 2 * std::numbers::pi);
  fill(cr, {0.98, 0.95, 0.78}, 1);
  cairo_arc(cr, x + 0.025, 0.062, 0.048, 0, 2 * std::numbers::pi);
  fill(cr, {0.07, 0.09, 0.25}, 1);
}

void draw_snow(cairo_t* cr, Random& random) {
  paint_gradient(cr, {0.86, 0.91, 0.97}, {0.96, 0.98, 1.0});
  for (int i = 0; i < 4; ++i) {
    const double y = (i + random.uniform(0.3, 0.8)) / 4;
    const double swell = random.uniform(0.05, 0.12) * (i % 2 == 0 ? 1 : -1);
    cairo_move_to(cr, 0, y);
    cairo_curve_to(cr, 0.3, y - swell, 0.6, y + swell, 1, y);
    cairo_line_to(cr, 1, y + 0.09);
    cairo_curve_to(cr, 0.6, y + 0.09 + swell, 0.3, y + 0.05 - swell, 0, y + 0.06);
    cairo_close_path(cr);
  }
  fill(cr, {0.70, 0.79, 0.90}, 0.38);
  for (int i = 0; i < 40; ++i) {
    const double x = random.uniform();
    const double y = random.uniform();
    const double arm = random.uniform(0.008, 0.015);
    for (int k = 0; k < 3; ++k) {
      const double dx = arm * std::cos(k * std::numbers::pi / 3);
      const double dy = arm * std::sin(k * std::numbers::pi / 3);
      cairo_move_to(cr, x - dx, y - dy);
      cairo_line_to(cr, x + dx, y + dy);
    }
  }
  stroke(cr, {0.52, 0.66, 0.84}, 0.006, 0.8);
}

void draw_wood(cairo_t* cr, Random& random) {
  constexpr int kPlanks = 6;
  for (int i = 0; i < kPlanks; ++i) {
    const Rgb plank = mix({0.80, 0.60, 0.38}, {0.68, 0.48, 0.28}, random.uniform());
    cairo_rectangle(cr, 0, static_cast<double>(i) / kPlanks, 1, 1.0 / kPlanks + 0.01);
    fill(cr, plank, 1);
  }
  for (int i = 0; i < kPlanks; ++i) {
    for (int k = 0; k < 3; ++k) {
      const double y = (i + (k + random.uniform(0.3, 0.7)) / 3) / kPlanks;
      const double x = random.uniform(-0.4, 0.6);
      cairo_move_to(cr, x, y);
      cairo_rel_curve_to(cr, 0.15, 0.012, 0.3, -0.012, random.uniform(0.35, 0.7), 0);
    }
  }
  stroke(cr, {0.52, 0.34, 0.17}, 0.006, 0.55);
  for (int i = 0; i < kPlanks; ++i) {
    const double y = static_cast<double>(i) / kPlanks;
    cairo_move_to(cr, 0, y);
    cairo_line_to(cr, 1, y);
    const double joint = random.uniform();
    cairo_move_to(cr, joint, y);
    cairo_rel_line_to(cr, 0, 1.0 / kPlanks);
  }
  stroke(cr, {0.36, 0.22, 0.10}, 0.010, 0.85);
}

void draw_brick(cairo_t* cr, Random& random) {
  cairo_set_source_rgb(cr, 0.86, 0.82, 0.78);
  cairo_paint(cr);
  constexpr int kRows = 9;
  constexpr double kWidth = 0.21;
  const double shift = random.uniform(0, kWidth);
  constexpr Rgb kClay[] = {{0.74, 0.42, 0.33}, {0.68, 0.36, 0.28}, {0.80, 0.49, 0.38}};
  for (const Rgb& clay : kClay) {
    Random choice(random.next());
    for (int row = 0; row < kRows; ++row) {
      double x = shift - 2 * kWidth + (row % 2 == 0 ? 0 : kWidth / 2);
      for (; x < 1; x += kWidth) {
        // The first colour is laid everywhere, the others over part of it.
        if (&clay == kClay || choice.chance(0.3))
          cairo_rectangle(cr, x, static_cast<double>(row) / kRows, kWidth - 0.014,
                          1.0 / kRows - 0.014);
      }
    }
    fill(cr, clay, 1);
  }
}

void draw_gray(cairo_t* cr, Random& random) {
  const double shade = random.uniform(-0.03, 0.03);
  cairo_pattern_t* light = cairo_pattern_create_radial(0.45, 0.4, 0.1, 0.5, 0.5, 0.8);
  cairo_pattern_add_color_stop_rgb(light, 0, 0.78 + shade, 0.78 + shade, 0.79 + shade);
  cairo_pattern_add_color_stop_rgb(light, 1, 0.58 + shade, 0.58 + shade, 0.60 + shade);
  cairo_set_source(cr, light);
  cairo_pattern_destroy(light);
  cairo_paint(cr);
}

}  // namespace

void draw_background(cairo_t* context, Background background, uint64_t key) {
  Random random(key);
  switch (background) {
    case Background::kGrass: return draw_grass(context, random);
    case Background::kSand: return draw_sand(context, random);
    case Background::kWater: return draw_water(context, random);
    case Background::kNight: return draw_night(context, random);
    case Background::kSnow: return draw_snow(context, random);
    case Background::kWood: return draw_wood(context, random);
    case Background::kBrick: return draw_brick(context, random);
    case Background::kGray: return draw_gray(context, random);
  }
}

Rgb outline_on(Background background) {
  return background == Background::kNight ? Rgb{0.02, 0.02, 0.08} : Rgb{0.13, 0.11, 0.14};
}

double shadow_on(Background background) {
  switch (background) {
    case Background::kNight: return 0;
    case Background::kWater: return 0.18;
    case Background::kBrick: return 0.3;
    default: return 0.34;
  }
}

}  // namespace paraclip::scenes
