#include "examples/scenes/draw.h"

#include "examples/scenes/backgrounds.h"
#include "examples/scenes/brush.h"
#include "examples/scenes/random.h"
#include "examples/scenes/shapes.h"
#include "paraclip/base/error.h"

#include <memory>
#include <numbers>

namespace paraclip::scenes {
namespace {

constexpr uint64_t kTexturePurpose = 1;

struct CairoDeleter {
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
  void operator()(cairo_t* context) const { cairo_destroy(context); }
};
using Surface = std::unique_ptr<cairo_surface_t, CairoDeleter>;
using Context = std::unique_ptr<cairo_t, CairoDeleter>;

// Every kind stands on y = 0.45 of its square.
void draw_shadow(cairo_t* cr, const SceneObject& object, double opacity) {
  cairo_save(cr);
  cairo_translate(cr, object.x, object.y + 0.44 * object.extent);
  cairo_scale(cr, 0.48 * object.extent, 0.11 * object.extent);
  cairo_pattern_t* shade = cairo_pattern_create_radial(0, 0, 0, 0, 0, 1);
  cairo_pattern_add_color_stop_rgba(shade, 0.2, 0, 0, 0, opacity);
  cairo_pattern_add_color_stop_rgba(shade, 1, 0, 0, 0, 0);
  cairo_set_source(cr, shade);
  cairo_pattern_destroy(shade);
  cairo_arc(cr, 0, 0, 1, 0, 2 * std::numbers::pi);
  cairo_fill(cr);
  cairo_restore(cr);
}

void draw_object(cairo_t* cr, const SceneObject& object, Rgb outline) {
  cairo_save(cr);
  cairo_translate(cr, object.x, object.y);
  cairo_rotate(cr, object.rotation);
  cairo_scale(cr, object.extent, object.extent);
  Brush brush(cr, object, outline);
  draw_kind(object.kind, brush);
  cairo_restore(cr);
}

// Cairo keeps a pixel as 0x00RRGGBB in the machine's byte order.
Image to_rgb(cairo_surface_t* surface, int side) {
  cairo_surface_flush(surface);
  Image image(PixelMode::kRgb, side, side);
  const unsigned char* data = cairo_image_surface_get_data(surface);
  const auto stride = static_cast<size_t>(cairo_image_surface_get_stride(surface));
  for (int y = 0; y < side; ++y) {
    const auto* from = reinterpret_cast<const uint32_t*>(data + static_cast<size_t>(y) * stride);
    uint8_t* to = image.row(y);
    for (int x = 0; x < side; ++x) {
      *to++ = static_cast<uint8_t>(from[x] >> 16);
      *to++ = static_cast<uint8_t>(from[x] >> 8);
      *to++ = static_cast<uint8_t>(from[x]);
    }
  }
  return image;
}

}  // namespace

Image draw_scene(const Scene& scene, int side) {
  if (side < 16 || side > 2048) {
    fail(ErrorKind::kUsage, "cannot draw a scene {} pixels wide; expected 16 to 2048", side);
  }
  const Surface surface(cairo_image_surface_create(CAIRO_FORMAT_RGB24, side, side));
  const Context context(cairo_create(surface.get()));
  cairo_t* cr = context.get();
  cairo_scale(cr, side, side);
  draw_background(cr, scene.background, scene_key(scene, kTexturePurpose));
  const double shadow = shadow_on(scene.background);
  for (const SceneObject& object : scene.objects) {
    if (shadow > 0) draw_shadow(cr, object, shadow);
    draw_object(cr, object, outline_on(scene.background));
  }
  if (cairo_status(cr) != CAIRO_STATUS_SUCCESS) {
    fail(ErrorKind::kIo, "cannot draw scene {} at {} pixels: Cairo says \"{}\"", scene.id(), side,
         cairo_status_to_string(cairo_status(cr)));
  }
  return to_rgb(surface.get(), side);
}

}  // namespace paraclip::scenes
