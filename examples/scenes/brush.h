#pragma once

#include "examples/scenes/scene.h"

#include <cairo.h>

#include <initializer_list>
#include <utility>

namespace paraclip::scenes {

/// Red, green and blue in [0, 1].
struct Rgb {
  double red, green, blue;
};

/// Between `a` (share 0) and `b` (share 1).
Rgb mix(Rgb a, Rgb b, double share);

inline constexpr Rgb kWhite{1, 1, 1};
inline constexpr Rgb kBlack{0, 0, 0};

/// Draws the parts of one object into a square of side 1 around the origin, y down.
///
/// A path is built with the functions of Cairo and then given to body() or part(). Paths that
/// overlap must turn the same way (clockwise, as cairo_arc does), or they cut holes.
class Brush {
 public:
  Brush(cairo_t* context, const SceneObject& object, Rgb outline);

  cairo_t* context() const { return context_; }

  /// The object's own colour, and a lighter and a darker shade of it.
  Rgb colour() const { return colour_; }
  Rgb light() const { return mix(colour_, kWhite, 0.35); }
  Rgb dark() const { return mix(colour_, kBlack, 0.3); }
  Rgb outline() const { return outline_; }

  /// Fills the current path with the object's colour, shaded, under its pattern, and outlines it.
  void body();

  /// Fills the current path with `colour`, shaded, and outlines it.
  void part(Rgb colour);

  /// Fills the current path with `colour` and `opacity`, without an outline.
  void wash(Rgb colour, double opacity = 1);

  /// Strokes the current path.
  void line(Rgb colour, double width, double opacity = 1);

  /// Paths, each from a fresh start.
  void polygon(std::initializer_list<std::pair<double, double>> points);
  void ellipse(double x, double y, double radius_x, double radius_y, double rotation = 0);
  void rounded_box(double left, double top, double width, double height, double radius);
  /// `count` round lobes around the ellipse: a cloud, the petals of a flower.
  void lobes(double x, double y, double radius_x, double radius_y, int count, double lobe);

 private:
  void fill(Rgb colour, bool patterned);
  void paint_pattern();

  cairo_t* context_;
  Rgb colour_;
  Rgb outline_;
  Pattern pattern_;
  Rgb ink_;  // Of the pattern.
};

}  // namespace paraclip::scenes
