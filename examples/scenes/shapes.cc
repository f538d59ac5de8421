#include "examples/scenes/shapes.h"

#include <cmath>
#include <numbers>

namespace paraclip::scenes {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr Rgb kGlass{0.72, 0.88, 0.96};
constexpr Rgb kTyre{0.16, 0.16, 0.18};
constexpr Rgb kMetal{0.78, 0.80, 0.83};
constexpr Rgb kBark{0.45, 0.29, 0.16};
constexpr Rgb kLeaf{0.25, 0.58, 0.24};
constexpr Rgb kBeak{0.98, 0.63, 0.12};
constexpr Rgb kCanvas{0.98, 0.96, 0.90};
constexpr Rgb kSlate{0.36, 0.30, 0.32};
constexpr Rgb kPollen{0.98, 0.80, 0.18};

void draw_ball(Brush& brush) {
  cairo_t* cr = brush.context();
  brush.ellipse(0, 0, 0.43, 0.43);
  brush.body();
  cairo_arc(cr, -0.52, 0.16, 0.62, -0.75, 0.55);
  brush.line(brush.outline(), 0.03, 0.55);
  cairo_arc(cr, 0.58, 0.28, 0.62, kPi - 0.35, kPi + 1.0);
  brush.line(brush.outline(), 0.03, 0.55);
  brush.ellipse(-0.15, -0.22, 0.12, 0.075, -0.6);
  brush.wash(kWhite, 0.6);
}

void draw_box(Brush& brush) {
  brush.polygon({{-0.44, -0.18}, {-0.22, -0.42}, {0.44, -0.42}, {0.22, -0.18}});
  brush.part(brush.light());
  brush.polygon({{0.22, -0.18}, {0.44, -0.42}, {0.44, 0.18}, {0.22, 0.44}});
  brush.part(brush.dark());
  brush.polygon({{-0.44, -0.18}, {0.22, -0.18}, {0.22, 0.44}, {-0.44, 0.44}});
  brush.body();
  brush.polygon({{-0.17, -0.18}, {0.05, -0.42}, {0.17, -0.42}, {-0.05, -0.18}});
  brush.wash(brush.outline(), 0.3);
  brush.polygon({{-0.17, -0.18}, {-0.05, -0.18}, {-0.05, -0.02}, {-0.17, -0.02}});
  brush.wash(brush.outline(), 0.3);
}

void draw_wheel(Brush& brush, double x) {
  brush.ellipse(x, 0.24, 0.115, 0.115);
  brush.part(kTyre);
  brush.ellipse(x, 0.24, 0.055, 0.055);
  brush.wash(kMetal);
}

void draw_car(Brush& brush) {
  cairo_t* cr = brush.context();
  cairo_move_to(cr, -0.46, 0.22);
  cairo_curve_to(cr, -0.47, 0.02, -0.44, -0.02, -0.32, -0.03);
  cairo_curve_to(cr, -0.24, -0.24, -0.20, -0.30, -0.08, -0.30);
  cairo_line_to(cr, 0.08, -0.30);
  cairo_curve_to(cr, 0.18, -0.30, 0.22, -0.16, 0.28, -0.05);
  cairo_curve_to(cr, 0.42, -0.04, 0.47, 0.04, 0.46, 0.22);
  cairo_close_path(cr);
  brush.body();
  brush.polygon({{-0.22, -0.05}, {-0.15, -0.22}, {-0.03, -0.23}, {-0.03, -0.05}});
  brush.part(kGlass);
  brush.polygon({{0.05, -0.05}, {0.05, -0.23}, {0.12, -0.22}, {0.2, -0.05}});
  brush.part(kGlass);
  brush.ellipse(0.41, 0.06, 0.04, 0.045);
  brush.wash({1, 0.95, 0.65});
  draw_wheel(brush, -0.25);
  draw_wheel(brush, 0.25);
}

void draw_boat(Brush& brush) {
  cairo_t* cr = brush.context();
  cairo_move_to(cr, -0.02, -0.44);
  cairo_line_to(cr, -0.02, 0.2);
  brush.line(brush.outline(), 0.11);
  cairo_move_to(cr, -0.02, -0.44);
  cairo_line_to(cr, -0.02, 0.2);
  brush.line(kBark, 0.05);
  cairo_move_to(cr, 0.05, -0.4);
  cairo_curve_to(cr, 0.3, -0.22, 0.4, -0.05, 0.4, 0.08);
  cairo_line_to(cr, 0.05, 0.08);
  cairo_close_path(cr);
  brush.body();
  cairo_move_to(cr, -0.09, -0.3);
  cairo_line_to(cr, -0.09, 0.08);
  cairo_line_to(cr, -0.36, 0.08);
  cairo_curve_to(cr, -0.34, -0.08, -0.24, -0.2, -0.09, -0.3);
  brush.part(kCanvas);
  cairo_move_to(cr, -0.46, 0.17);
  cairo_line_to(cr, 0.46, 0.17);
  cairo_curve_to(cr, 0.42, 0.32, 0.36, 0.4, 0.28, 0.42);
  cairo_line_to(cr, -0.28, 0.42);
  cairo_curve_to(cr, -0.36, 0.4, -0.42, 0.32, -0.46, 0.17);
  brush.body();
}

void draw_house(Brush& brush) {
  brush.polygon({{0.2, -0.44}, {0.31, -0.44}, {0.31, -0.15}, {0.2, -0.15}});
  brush.part({0.62, 0.35, 0.28});
  brush.polygon({{-0.4, -0.16}, {0.4, -0.16}, {0.4, 0.43}, {-0.4, 0.43}});
  brush.body();
  brush.polygon({{-0.47, -0.14}, {0, -0.45}, {0.47, -0.14}});
  brush.part(kSlate);
  brush.polygon({{-0.23, 0.16}, {-0.07, 0.16}, {-0.07, 0.43}, {-0.23, 0.43}});
  brush.part({0.55, 0.36, 0.2});
  brush.rounded_box(0.1, 0.08, 0.16, 0.15, 0.01);
  brush.part(kGlass);
  cairo_t* cr = brush.context();
  cairo_move_to(cr, 0.18, 0.08);
  cairo_line_to(cr, 0.18, 0.23);
  brush.line(brush.outline(), 0.025);
}

void draw_tree(Brush& brush) {
  cairo_t* cr = brush.context();
  brush.polygon({{-0.07, 0.05}, {0.07, 0.05}, {0.11, 0.46}, {-0.11, 0.46}});
  brush.part(kBark);
  brush.lobes(0, -0.14, 0.2, 0.14, 7, 0.16);
  brush.ellipse(0, -0.14, 0.24, 0.18);
  brush.body();
  for (const double x : {-0.14, 0.04, 0.2}) {
    cairo_new_sub_path(cr);
    cairo_arc(cr, x, -0.12 + std::abs(x) * 0.3, 0.09, 0.4, 2.3);
    brush.line(brush.outline(), 0.025, 0.5);
  }
}

void draw_fish(Brush& brush) {
  cairo_t* cr = brush.context();
  brush.polygon({{-0.2, 0}, {-0.46, -0.22}, {-0.4, 0}, {-0.46, 0.22}});
  brush.part(brush.dark());
  cairo_move_to(cr, -0.08, -0.2);
  cairo_curve_to(cr, -0.05, -0.36, 0.12, -0.36, 0.2, -0.18);
  cairo_close_path(cr);
  brush.part(brush.dark());
  cairo_move_to(cr, 0.46, 0.02);
  cairo_curve_to(cr, 0.34, 0.34, -0.1, 0.34, -0.3, 0);
  cairo_curve_to(cr, -0.1, -0.34, 0.34, -0.32, 0.46, 0.02);
  brush.body();
  cairo_arc(cr, 0.02, 0, 0.2, -0.7, 0.7);
  brush.line(brush.outline(), 0.03, 0.7);
  brush.ellipse(0.31, -0.06, 0.055, 0.055);
  brush.part(kWhite);
  brush.ellipse(0.32, -0.06, 0.025, 0.025);
  brush.wash({0.05, 0.05, 0.08});
}

void draw_bird(Brush& brush) {
  cairo_t* cr = brush.context();
  for (const double x : {-0.03, 0.09}) {
    cairo_move_to(cr, x, 0.26);
    cairo_line_to(cr, x, 0.44);
    cairo_line_to(cr, x + 0.07, 0.44);
    brush.line(brush.outline(), 0.075);
    cairo_move_to(cr, x, 0.26);
    cairo_line_to(cr, x, 0.44);
    cairo_line_to(cr, x + 0.07, 0.44);
    brush.line(kBeak, 0.035);
  }
  brush.polygon({{0.34, -0.25}, {0.48, -0.16}, {0.34, -0.1}});
  brush.part(kBeak);
  brush.ellipse(0, 0.08, 0.29, 0.2, 0.15);
  brush.ellipse(0.22, -0.2, 0.17, 0.17);
  brush.polygon({{-0.2, -0.06}, {-0.1, 0.16}, {-0.46, 0.02}, {-0.44, -0.16}});
  brush.body();
  cairo_move_to(cr, 0.12, 0.0);
  cairo_curve_to(cr, 0.06, 0.2, -0.12, 0.22, -0.26, 0.12);
  cairo_curve_to(cr, -0.14, 0.08, -0.12, -0.06, 0.12, 0.0);
  brush.part(brush.dark());
  brush.ellipse(0.25, -0.23, 0.045, 0.045);
  brush.wash(kWhite);
  brush.ellipse(0.26, -0.23, 0.025, 0.025);
  brush.wash({0.05, 0.05, 0.08});
}

void draw_cup(Brush& brush) {
  cairo_t* cr = brush.context();
  brush.ellipse(0.28, 0.06, 0.15, 0.17);
  brush.line(brush.outline(), 0.17);
  brush.ellipse(0.28, 0.06, 0.15, 0.17);
  brush.line(brush.dark(), 0.08);
  cairo_move_to(cr, -0.42, -0.3);
  cairo_line_to(cr, 0.28, -0.3);
  cairo_line_to(cr, 0.24, 0.3);
  cairo_curve_to(cr, 0.2, 0.44, -0.34, 0.44, -0.38, 0.3);
  cairo_close_path(cr);
  brush.body();
  brush.ellipse(-0.07, -0.3, 0.35, 0.09);
  brush.part(mix(brush.colour(), kWhite, 0.55));
  brush.ellipse(-0.07, -0.28, 0.27, 0.055);
  brush.wash({0.36, 0.21, 0.12});
}

void draw_star(Brush& brush) {
  cairo_t* cr = brush.context();
  for (int i = 0; i < 10; ++i) {
    const double radius = i % 2 == 0 ? 0.46 : 0.205;
    const double angle = -kPi / 2 + i * kPi / 5;
    cairo_line_to(cr, radius * std::cos(angle), 0.03 + radius * std::sin(angle));
  }
  cairo_close_path(cr);
  brush.body();
}

void draw_flower(Brush& brush) {
  cairo_t* cr = brush.context();
  cairo_move_to(cr, 0, -0.1);
  cairo_curve_to(cr, 0.03, 0.15, -0.03, 0.3, 0, 0.45);
  brush.line(brush.outline(), 0.13);
  cairo_move_to(cr, 0, -0.1);
  cairo_curve_to(cr, 0.03, 0.15, -0.03, 0.3, 0, 0.45);
  brush.line(kLeaf, 0.06);
  brush.ellipse(0.14, 0.27, 0.14, 0.06, -0.5);
  brush.part(kLeaf);
  brush.ellipse(-0.14, 0.33, 0.13, 0.055, 0.5);
  brush.part(kLeaf);
  brush.lobes(0, -0.16, 0.185, 0.185, 6, 0.118);
  brush.ellipse(0, -0.16, 0.18, 0.18);
  brush.body();
  const bool pale = brush.colour().red > 0.85 && brush.colour().green > 0.7;
  brush.ellipse(0, -0.16, 0.085, 0.085);
  brush.part(pale ? Rgb{0.62, 0.36, 0.12} : kPollen);
}

void draw_umbrella(Brush& brush) {
  cairo_t* cr = brush.context();
  const auto handle = [cr] {
    cairo_move_to(cr, 0, -0.42);
    cairo_line_to(cr, 0, 0.34);
    cairo_arc_negative(cr, 0.08, 0.34, 0.08, kPi, 0.1);
  };
  handle();
  brush.line(brush.outline(), 0.115);
  handle();
  brush.line(kBark, 0.05);
  cairo_move_to(cr, -0.46, 0.05);
  cairo_curve_to(cr, -0.42, -0.5, 0.42, -0.5, 0.46, 0.05);
  cairo_curve_to(cr, 0.38, -0.04, 0.24, -0.04, 0.155, 0.05);
  cairo_curve_to(cr, 0.08, -0.04, -0.08, -0.04, -0.155, 0.05);
  cairo_curve_to(cr, -0.24, -0.04, -0.38, -0.04, -0.46, 0.05);
  cairo_close_path(cr);
  brush.body();
  cairo_move_to(cr, -0.155, 0.05);
  cairo_curve_to(cr, -0.13, -0.2, -0.06, -0.3, 0, -0.36);
  cairo_curve_to(cr, 0.06, -0.3, 0.13, -0.2, 0.155, 0.05);
  brush.line(brush.outline(), 0.028, 0.7);
}

void draw_chair(Brush& brush) {
  for (const double x : {-0.24, 0.17}) {
    brush.rounded_box(x, 0.12, 0.07, 0.27, 0.02);
    brush.part(brush.dark());
  }
  brush.rounded_box(-0.29, -0.45, 0.58, 0.46, 0.08);
  brush.body();
  brush.polygon({{-0.3, 0.02}, {0.3, 0.02}, {0.4, 0.17}, {-0.4, 0.17}});
  brush.part(brush.light());
  for (const double x : {-0.4, 0.32}) {
    brush.rounded_box(x, 0.17, 0.08, 0.28, 0.02);
    brush.part(brush.colour());
  }
}

void draw_hat(Brush& brush) {
  cairo_t* cr = brush.context();
  brush.ellipse(0, 0.2, 0.46, 0.14);
  brush.part(brush.dark());
  cairo_move_to(cr, -0.28, 0.18);
  cairo_curve_to(cr, -0.28, -0.1, -0.26, -0.34, -0.1, -0.34);
  cairo_curve_to(cr, -0.04, -0.34, -0.03, -0.3, 0, -0.3);
  cairo_curve_to(cr, 0.03, -0.3, 0.04, -0.34, 0.1, -0.34);
  cairo_curve_to(cr, 0.26, -0.34, 0.28, -0.1, 0.28, 0.18);
  cairo_curve_to(cr, 0.15, 0.26, -0.15, 0.26, -0.28, 0.18);
  brush.body();
  cairo_move_to(cr, -0.275, 0.07);
  cairo_curve_to(cr, -0.15, 0.15, 0.15, 0.15, 0.275, 0.07);
  cairo_line_to(cr, 0.28, 0.18);
  cairo_curve_to(cr, 0.15, 0.26, -0.15, 0.26, -0.28, 0.18);
  cairo_close_path(cr);
  brush.wash(brush.outline(), 0.85);
}

}  // namespace

void draw_kind(Kind kind, Brush& brush) {
  switch (kind) {
    case Kind::kBall: return draw_ball(brush);
    case Kind::kBox: return draw_box(brush);
    case Kind::kCar: return draw_car(brush);
    case Kind::kBoat: return draw_boat(brush);
    case Kind::kHouse: return draw_house(brush);
    case Kind::kTree: return draw_tree(brush);
    case Kind::kFish: return draw_fish(brush);
    case Kind::kBird: return draw_bird(brush);
    case Kind::kCup: return draw_cup(brush);
    case Kind::kStar: return draw_star(brush);
    case Kind::kFlower: return draw_flower(brush);
    case Kind::kUmbrella: return draw_umbrella(brush);
    case Kind::kChair: return draw_chair(brush);
    case Kind::kHat: return draw_hat(brush);
  }
}

}  // namespace paraclip::scenes
