"""Kinds of placeholder images, drawn as shops do; the kinds for validation and those for the test are different ones.

A drawing takes a random generator and a size, and returns the image: text in several languages, icons, logos,
gradients, error pages, maps, codes, on light, dark and colored grounds.
"""

from collections.abc import Callable, Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from random import Random

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Size = tuple[int, int]
Draw = Callable[[Random, Size], Image.Image]

TEXTS = (
    *("No image available", "Image coming soon", "NO PHOTO", "No Image", "Photo not available", "Picture to follow"),
    *("Kein Bild verfügbar", "Bild folgt in Kürze", "Pas d'image disponible", "Image non disponible", "Photo à venir"),
    *("Imagen no disponible", "Sin foto", "Immagine non disponibile", "Foto niet beschikbaar", "Brak zdjęcia"),
    *("Obrázek není k dispozici", "Nincs kép", "Kép hamarosan", "Нет фото", "Изображение отсутствует", "Ingen bild"),
    *("Sem imagem", "Resim yok", "Δεν υπάρχει εικόνα", "Kuva puuttuu", "Slika ni na voljo", "Fotografie indisponibilă"),
)
NAMES = ("Hansen", "Nordlicht", "ACME", "Bolt & Co", "VERDE", "Maison Lune", "Kiosk24", "Tiger Toys", "Ohm", "Zwirn")


def encoded(image: Image.Image, random: Random) -> bytes:
    """Encodes an image as shops do: JPEG of any quality, PNG, WebP or GIF."""
    buffer = BytesIO()
    format_ = random.choice(("JPEG", "JPEG", "JPEG", "PNG", "WEBP", "GIF"))
    options = {"quality": random.randint(40, 95)} if format_ in {"JPEG", "WEBP"} else {}
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def random_size(random: Random) -> Size:
    """Returns a width and a height in pixels, square more often than not."""
    side = random.choice((100, 150, 200, 240, 300, 400, 500, 600, 800))
    return random.choice(((side, side), (side, side), (side, round(side * 1.3)), (round(side * 1.4), side)))


@cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name), size)


def _gray(random: Random, low: int, high: int) -> tuple[int, int, int]:
    tone = random.randint(low, high)
    return (tone, tone, tone)


def _color(random: Random, low: int = 0, high: int = 255) -> tuple[int, int, int]:
    return (random.randint(low, high), random.randint(low, high), random.randint(low, high))


def _light(random: Random) -> tuple[int, int, int]:
    return random.choice(((255, 255, 255), (255, 255, 255), _gray(random, 200, 250), _color(random, 200, 255)))


def _ground(random: Random, size: Size) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", size, _light(random))
    return image, ImageDraw.Draw(image)


def _write(  # noqa: PLR0913 a place, a text and how it looks
    draw: ImageDraw.ImageDraw,
    size: Size,
    text: str,
    random: Random,
    *,
    fill: tuple[int, int, int],
    y: float = 0.5,
    share: float = 0.8,
) -> None:
    """Writes a text, broken into lines at times, so that it takes a share of the width."""
    words = text.split()
    if len(words) > 1 and random.random() < 0.5:
        half = (len(words) + 1) // 2
        text = " ".join(words[:half]) + "\n" + " ".join(words[half:])
    bold = random.random() < 0.5
    left, _, right, _ = draw.multiline_textbbox((0, 0), text, font=_font(40, bold))
    font = _font(max(7, round(40 * share * size[0] / max(1, right - left))), bold)
    draw.multiline_text((size[0] / 2, size[1] * y), text, font=font, fill=fill, anchor="mm", align="center")


def _box(size: Size, share: float, y: float = 0.5) -> tuple[float, float, float, float]:
    side = share * min(size)
    x0, y0 = (size[0] - side) / 2, size[1] * y - side / 2
    return (x0, y0, x0 + side, y0 + side)


def _inside(box: tuple[float, float, float, float], *points: tuple[float, float]) -> list[tuple[float, float]]:
    return [(box[0] + x * (box[2] - box[0]), box[1] + y * (box[3] - box[1])) for x, y in points]


def _line(size: Size, random: Random) -> int:
    return max(1, round(min(size) * random.uniform(0.01, 0.035)))


def text_on_ground(random: Random, size: Size) -> Image.Image:
    image, draw = _ground(random, size)
    _write(draw, size, random.choice(TEXTS), random, fill=_gray(random, 0, 150), share=random.uniform(0.4, 0.9))
    return image


def camera_outline(random: Random, size: Size) -> Image.Image:
    image, draw = _ground(random, size)
    box, tone, width = _box(size, random.uniform(0.3, 0.6)), _gray(random, 60, 170), _line(size, random)
    (a, b), (c, d) = _inside(box, (0, 0.25), (1, 0.9))
    draw.rounded_rectangle((a, b, c, d), radius=width * 3, outline=tone, width=width)
    (a, b), (c, d) = _inside(box, (0.32, 0.38), (0.68, 0.76))
    draw.ellipse((a, b, c, d), outline=tone, width=width)
    draw.line(_inside(box, (0.3, 0.25), (0.38, 0.12), (0.62, 0.12), (0.7, 0.25)), fill=tone, width=width)
    if random.random() < 0.5:
        _write(draw, size, random.choice(TEXTS), random, fill=tone, y=0.88, share=0.6)
    return image


def crossed_box(random: Random, size: Size) -> Image.Image:
    image, draw = _ground(random, size)
    tone, width, margin = _gray(random, 80, 190), _line(size, random), random.uniform(0.02, 0.2) * min(size)
    box = (margin, margin, size[0] - margin, size[1] - margin)
    draw.rectangle(box, outline=tone, width=width)
    draw.line((box[0], box[1], box[2], box[3]), fill=tone, width=width)
    draw.line((box[0], box[3], box[2], box[1]), fill=tone, width=width)
    return image


def logo_watermark(random: Random, size: Size) -> Image.Image:
    base = random.randint(170, 235)
    image = Image.new("RGB", size, (base, base, base))
    tone = base - random.randint(15, 50) if random.random() < 0.7 else min(255, base + 20)
    draw = ImageDraw.Draw(image)
    draw.ellipse(_box(size, 0.5, 0.42), outline=(tone,) * 3, width=_line(size, random) * 2)
    _write(draw, size, random.choice(NAMES), random, fill=(tone,) * 3, y=random.choice((0.42, 0.8)), share=0.5)
    return image


def gradient_with_text(random: Random, size: Size) -> Image.Image:
    first, second = _color(random, 60, 255), _color(random, 60, 255)
    ramp = Image.linear_gradient("L").resize(size)
    if random.random() < 0.5:
        ramp = Image.radial_gradient("L").resize(size)
    image = Image.composite(Image.new("RGB", size, first), Image.new("RGB", size, second), ramp)
    fill = (255, 255, 255) if sum(first) < 480 else (40, 40, 40)
    _write(ImageDraw.Draw(image), size, random.choice(TEXTS), random, fill=fill)
    return image


def question_mark(random: Random, size: Size) -> Image.Image:
    image, draw = _ground(random, size)
    _write(draw, size, "?", random, fill=_color(random, 0, 180), share=random.uniform(0.25, 0.5))
    return image


def hanger(random: Random, size: Size) -> Image.Image:
    image, draw = _ground(random, size)
    box, tone, width = _box(size, random.uniform(0.4, 0.75)), _gray(random, 30, 170), _line(size, random)
    draw.line(
        _inside(box, (0.5, 0.4), (0.03, 0.75), (0.97, 0.75), (0.5, 0.4), (0.5, 0.3)),
        fill=tone,
        width=width,
        joint="curve",
    )
    (a, b), (c, d) = _inside(box, (0.42, 0.14), (0.58, 0.3))
    draw.arc((a, b, c, d), 180, 90, fill=tone, width=width)
    return image


def sold_out(random: Random, size: Size) -> Image.Image:
    image, draw = _ground(random, size)
    tone = random.choice(((200, 20, 30), (20, 20, 20), (230, 120, 0), (0, 90, 160)))
    top, bottom = size[1] * random.uniform(0.3, 0.42), size[1] * random.uniform(0.56, 0.7)
    draw.rectangle((0, top, size[0], bottom), fill=tone)
    text = random.choice(("SOLD OUT", "AUSVERKAUFT", "ÉPUISÉ", "AGOTADO", "Esaurito", "Uitverkocht", "Vyprodáno"))
    _write(draw, size, text, random, fill=(255, 255, 255), y=(top + bottom) / 2 / size[1], share=0.7)
    return image


def dark_theme(random: Random, size: Size) -> Image.Image:
    image = Image.new("RGB", size, _gray(random, 0, 50))
    _write(ImageDraw.Draw(image), size, random.choice(TEXTS), random, fill=_gray(random, 130, 255))
    return image


def landscape_icon(random: Random, size: Size) -> Image.Image:
    image, draw = _ground(random, size)
    box, tone = _box(size, random.uniform(0.35, 0.7)), _gray(random, 140, 205)
    draw.rectangle(box, outline=tone, width=_line(size, random))
    draw.polygon(_inside(box, (0.08, 0.9), (0.38, 0.42), (0.6, 0.72), (0.74, 0.55), (0.94, 0.9)), fill=tone)
    (a, b), (c, d) = _inside(box, (0.62, 0.16), (0.8, 0.34))
    draw.ellipse((a, b, c, d), fill=tone)
    return image


def shop_banner(random: Random, size: Size) -> Image.Image:
    image, draw = _ground(random, size)
    tone = _color(random, 0, 200)
    draw.rectangle((0, 0, size[0], size[1] * 0.18), fill=tone)
    _write(draw, size, random.choice(NAMES), random, fill=(255, 255, 255), y=0.09, share=0.3)
    _write(draw, size, random.choice(TEXTS), random, fill=_gray(random, 60, 140), y=0.55)
    return image


def diagonal_stamp(random: Random, size: Size) -> Image.Image:
    image, _ = _ground(random, size)
    layer = Image.new("L", size, 0)
    _write(ImageDraw.Draw(layer), size, random.choice(TEXTS).upper(), random, fill=(255, 255, 255)[:1], share=0.8)  # type: ignore[arg-type]
    layer = layer.rotate(random.uniform(20, 45), resample=Image.Resampling.BICUBIC)
    image.paste(Image.new("RGB", size, _color(random, 90, 200)), mask=layer)
    return image


def coming_soon_ribbon(random: Random, size: Size) -> Image.Image:
    image, draw = _ground(random, size)
    tone = _color(random, 0, 220)
    draw.polygon([(0, size[1] * 0.55), (size[0] * 0.55, 0), (size[0] * 0.85, 0), (0, size[1] * 0.85)], fill=tone)
    text = random.choice(("Coming soon", "Demnächst", "Bientôt", "Próximamente", "Binnenkort", "Wkrótce", "Скоро"))
    _write(draw, size, text, random, fill=_gray(random, 30, 120), y=0.82, share=0.6)
    return image


def checkerboard(random: Random, size: Size) -> Image.Image:
    image, draw = _ground(random, size)
    side, tone = max(4, round(min(size) * random.uniform(0.04, 0.12))), _gray(random, 180, 220)
    for x in range(0, size[0], side):
        for y in range((x // side % 2) * side, size[1], 2 * side):
            draw.rectangle((x, y, x + side - 1, y + side - 1), fill=tone)
    return image


def two_pixels(random: Random, size: Size) -> Image.Image:
    # One pixel alone is no placeholder to find: a download refuses an image of a single color.
    pixels = Image.new("RGB", (2, 1), _color(random, 0, 100))
    pixels.putpixel((1, 0), _color(random, 150, 255))
    return pixels.resize(size, Image.Resampling.BILINEAR)


def shop_logo(random: Random, size: Size) -> Image.Image:
    image, draw = _ground(random, size)
    tone = _color(random, 0, 200)
    box = _box(size, random.uniform(0.25, 0.45), 0.4)
    shape = random.choice(("ellipse", "rectangle", "polygon"))
    if shape == "ellipse":
        draw.ellipse(box, fill=tone)
    elif shape == "rectangle":
        draw.rounded_rectangle(box, radius=10, fill=tone)
    else:
        draw.polygon(_inside(box, (0.5, 0), (1, 0.9), (0, 0.9)), fill=tone)
    _write(draw, size, random.choice(NAMES), random, fill=tone, y=0.75, share=random.uniform(0.4, 0.7))
    return image


def dark_icon(random: Random, size: Size) -> Image.Image:
    image = Image.new("RGB", size, random.choice((_gray(random, 0, 50), _color(random, 0, 60))))
    draw, tone, width = ImageDraw.Draw(image), _gray(random, 90, 200), _line(size, random)
    box = _box(size, 0.4, 0.45)
    draw.ellipse(box, outline=tone, width=width)
    draw.line(_inside(box, (0.15, 0.15), (0.85, 0.85)), fill=tone, width=width)
    return image


def blurred_backdrop(random: Random, size: Size) -> Image.Image:
    small = Image.new("RGB", (4, 4))
    small.putdata([_color(random, 30, 230) for _ in range(16)])
    image = small.resize(size, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(min(size) / 20))
    fill = (255, 255, 255) if random.random() < 0.7 else (20, 20, 20)
    _write(ImageDraw.Draw(image), size, random.choice(TEXTS), random, fill=fill, share=0.85)
    return image


def error_page(random: Random, size: Size) -> Image.Image:
    image = Image.new("RGB", size, (255, 255, 255))
    draw = ImageDraw.Draw(image)
    lines = (
        random.choice(("500 Internal Server Error", "Service Unavailable", "Bad Gateway", "Access denied")),
        "The server encountered an internal error and",
        "was unable to complete your request.",
        "Please contact the server administrator.",
        f"Apache/2.4.{random.randint(10, 60)} (Debian) Server at shop.example Port 443",
    )
    height = max(8, round(size[0] / 28))
    for row, text in enumerate(lines):
        bold = row == 0
        draw.text((size[0] * 0.04, size[1] * 0.06 + row * height * 1.9), text, font=_font(height, bold), fill=(0, 0, 0))
    return image


def not_found(random: Random, size: Size) -> Image.Image:
    image, draw = _ground(random, size)
    tone = _color(random, 20, 200)
    _write(draw, size, "404", random, fill=tone, y=0.42, share=random.uniform(0.5, 0.8))
    text = random.choice(("Not found", "Page not found", "Nicht gefunden", "Introuvable", "No encontrado"))
    _write(draw, size, text, random, fill=_gray(random, 80, 160), y=0.75, share=0.5)
    return image


def hotlink_forbidden(random: Random, size: Size) -> Image.Image:
    image = Image.new("RGB", size, random.choice(((255, 255, 255), (250, 220, 60), (200, 0, 0))))
    draw, box, width = ImageDraw.Draw(image), _box(size, 0.4, 0.36), _line(size, random) * 2
    fill = (200, 20, 20) if image.getpixel((0, 0)) != (200, 0, 0) else (255, 255, 255)
    draw.ellipse(box, outline=fill, width=width)
    draw.line(_inside(box, (0.15, 0.15), (0.85, 0.85)), fill=fill, width=width)
    text = random.choice(("Hotlinking forbidden", "Do not steal our bandwidth", "Hotlinking verboten"))
    _write(draw, size, text, random, fill=(20, 20, 20), y=0.8)
    return image


def copyright_notice(random: Random, size: Size) -> Image.Image:
    image, draw = _ground(random, size)
    text = f"© {random.randint(2008, 2026)} {random.choice(NAMES)}\nAll rights reserved"
    font = _font(max(8, round(size[0] / random.randint(14, 22))), bold=False)
    place = (size[0] / 2, size[1] * random.choice((0.5, 0.9)))
    draw.multiline_text(place, text, font=font, fill=_gray(random, 0, 140), anchor="mm", align="center")
    return image


def barcode(random: Random, size: Size) -> Image.Image:
    image = Image.new("RGB", size, (255, 255, 255))
    draw, x, unit = ImageDraw.Draw(image), size[0] * 0.12, max(1, round(size[0] / 130))
    while x < size[0] * 0.88:
        width = unit * random.randint(1, 4)
        draw.rectangle((x, size[1] * 0.25, x + width - 1, size[1] * 0.7), fill=(0, 0, 0))
        x += width + unit * random.randint(1, 4)
    digits = "".join(random.choice("0123456789") for _ in range(13))
    _write(draw, size, digits, random, fill=(0, 0, 0), y=0.78, share=0.6)
    return image


def qr_code(random: Random, size: Size) -> Image.Image:
    num = random.choice((21, 25, 29))
    cells = Image.new("1", (num, num), 1)
    cells.putdata([random.random() < 0.5 for _ in range(num * num)])
    draw = ImageDraw.Draw(cells)
    for x, y in ((0, 0), (num - 7, 0), (0, num - 7)):
        draw.rectangle((x, y, x + 6, y + 6), fill=0)
        draw.rectangle((x + 1, y + 1, x + 5, y + 5), fill=1)
        draw.rectangle((x + 2, y + 2, x + 4, y + 4), fill=0)
    image, side = Image.new("RGB", size, (255, 255, 255)), round(0.8 * min(size))
    image.paste(cells.resize((side, side)).convert("RGB"), ((size[0] - side) // 2, (size[1] - side) // 2))
    return image


def out_of_stock(random: Random, size: Size) -> Image.Image:
    image, draw = _ground(random, size)
    tone, width = (190, 30, 40), _line(size, random)
    box = _box(size, 0.75)
    draw.rounded_rectangle((box[0], size[1] * 0.36, box[2], size[1] * 0.64), radius=8, outline=tone, width=width)
    text = random.choice(("OUT OF STOCK", "NICHT AUF LAGER", "RUPTURE DE STOCK", "SIN EXISTENCIAS"))
    _write(draw, size, text, random, fill=tone, share=0.6)
    return image.rotate(random.uniform(-20, 20), fillcolor=image.getpixel((0, 0)))


def street_map(random: Random, size: Size) -> Image.Image:
    image = Image.new("RGB", size, (242, 239, 233))
    draw = ImageDraw.Draw(image)
    for _ in range(random.randint(2, 5)):
        x, y = random.uniform(0, size[0]), random.uniform(0, size[1])
        fill = random.choice(((200, 230, 190), (170, 211, 223), (224, 223, 223)))
        draw.rectangle((x, y, x + size[0] * 0.3, y + size[1] * 0.25), fill=fill)
    for _ in range(random.randint(8, 16)):
        points = [(random.uniform(0, size[0]), random.uniform(0, size[1])) for _ in range(3)]
        fill = random.choice(((255, 255, 255), (252, 214, 164), (249, 178, 156)))
        draw.line(points, fill=fill, width=_line(size, random))
    return image


def spinner(random: Random, size: Size) -> Image.Image:
    image, draw = _ground(random, size)
    box, width = _box(size, random.uniform(0.12, 0.3)), _line(size, random) * 2
    for step in range(8):
        tone = 90 + step * 18
        draw.arc(box, step * 45, step * 45 + 32, fill=(tone, tone, tone), width=width)
    return image


def shopping_bag(random: Random, size: Size) -> Image.Image:
    image, draw = _ground(random, size)
    box, tone, width = _box(size, random.uniform(0.35, 0.6)), _gray(random, 120, 200), _line(size, random)
    draw.polygon(_inside(box, (0.12, 0.35), (0.88, 0.35), (1, 1), (0, 1)), outline=tone, width=width)
    (a, b), (c, d) = _inside(box, (0.3, 0.1), (0.7, 0.6))
    draw.arc((a, b, c, d), 180, 360, fill=tone, width=width)
    return image


VALIDATION_KINDS: Mapping[str, Draw] = {
    draw.__name__: draw
    for draw in (
        *(text_on_ground, camera_outline, crossed_box, logo_watermark, gradient_with_text, dark_theme, shop_banner),
        *(diagonal_stamp,),
    )
}
TEST_KINDS: Mapping[str, Draw] = {
    draw.__name__: draw
    for draw in (
        *(coming_soon_ribbon, checkerboard, two_pixels, shop_logo, dark_icon, blurred_backdrop, error_page, not_found),
        *(hotlink_forbidden, copyright_notice, barcode, qr_code, sold_out, out_of_stock, street_map, spinner, hanger),
        *(shopping_bag, question_mark, landscape_icon),
    )
}
